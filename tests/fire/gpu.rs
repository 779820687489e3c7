// SPDX-License-Identifier: GPL-2.0

//! The driver of a space whose objects, and what is kept with mappings, are counted.

use super::{
    flat::{
        Ask,
        What, //
    },
    ledger::{
        Ledger,
        Token, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    gfp::{
        self,
        Allocate,
        Gfp, //
    },
    prelude::{
        Cx,
        Process, //
    },
    va::{
        Backing,
        Driver,
        Mapping,
        Prepared,
        Space,
        Span, //
    },
};

/// The driver.
pub(crate) struct Gpu;

/// A handle to an object. Each is counted.
pub(crate) struct Object {
    id: usize,
    token: Token,
}

impl Object {
    pub(crate) fn new(ledger: &Arc<Ledger>, id: usize) -> Self {
        let token = Token::new(ledger, id);
        Self { id, token }
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            token: self.token.again(),
        }
    }
}

impl Backing for Object {
    fn id(&self) -> usize {
        self.token.id();
        self.id
    }
}

/// The number of a mapping, which its pieces inherit. It takes memory, as what drivers keep does.
pub(crate) struct Data(KBox<Option<Token>>);

impl Data {
    fn new(cx: &mut Cx<'_, Process>, ledger: &Arc<Ledger>, number: usize) -> Result<Self> {
        let token = Token::new(ledger, number);
        Ok(Self(gfp::kernel(cx).boxed(Some(token))?))
    }

    /// The number, with a look at whether it is alive; no mapping's, if there is none.
    pub(crate) fn number(&self) -> usize {
        let Some(token) = &*self.0 else {
            return usize::MAX;
        };
        token.id();
        token.tag
    }
}

impl Driver for Gpu {
    type Object = Object;
    type Data = Data;
    type Spare = Data;

    fn spare<C: Allocate>(gfp: &mut Gfp<'_, C>) -> Result<Data> {
        Ok(Data(gfp.boxed(None)?))
    }

    fn split(old: &Mapping<Self>, _piece: Span, mut spare: Data) -> Data {
        *spare.0 = old.data().0.as_ref().map(Token::again);
        spare
    }
}

/// Prepares what `ask` says. Object 0 is none.
pub(crate) fn prepare(
    cx: &mut Cx<'_, Process>,
    space: &Space<Gpu>,
    ledger: &Arc<Ledger>,
    ask: &Ask,
) -> Result<Prepared<Gpu>> {
    let span = ask.span()?;
    match ask.what {
        What::Map { object, offset } => {
            let handle = (object != 0).then(|| Object::new(ledger, object));
            let data = Data::new(cx, ledger, ask.number)?;
            Ok(space.prepare_map(&mut gfp::kernel(cx), span, handle, offset, data)?)
        }
        What::Unmap => space.prepare_unmap(&mut gfp::kernel(cx), span),
        What::Split => space.prepare_split(&mut gfp::kernel(cx), span),
        What::SplitSparse => space.prepare_split_sparse(&mut gfp::kernel(cx), span),
    }
}
