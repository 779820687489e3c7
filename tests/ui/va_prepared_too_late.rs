// SPDX-License-Identifier: GPL-2.0

//! A request to a VA space is prepared where it is to be committed; committed under a lock that comes
//! later; committed twice.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::Signalling,
    prelude::*,
    sync::SignalMutex,
    va::{
        Driver,
        Prepared,
        Space,
        Span, //
    },
};

fn run<D: Driver>(cx: &mut Cx<'_, Signalling>, space: &Space<D>, span: Span) -> Result {
    let request = space.prepare_unmap(&mut gfp::kernel(cx), span)?;
    //~^ ERROR E0277: a `Signalling` context may not allocate with class `Kernel`
    //~| NOTE allocate before this context is entered
    drop(space.commit(cx, request)?);
    Ok(())
}

fn locked<D: Driver>(
    cx: &mut Cx<'_, Process>,
    queue: &SignalMutex<KVec<Prepared<D>>>,
    space: &Space<D>,
) {
    queue.lock(cx, |queue, cx| {
        if let Some(request) = queue.pop() {
            drop(space.commit(cx, request).ok());
            //~^ ERROR E0277: a `SignalLock` context may not acquire `SignalLock`
        }
    });
}

fn twice<D: Driver>(cx: &mut Cx<'_, Process>, space: &Space<D>, request: Prepared<D>) -> Result {
    drop(space.commit(cx, request)?);
    drop(space.commit(cx, request)?);
    //~^ ERROR E0382: use of moved value: `request`
    Ok(())
}

fn elsewhere<D: Driver, E: Driver>(
    cx: &mut Cx<'_, Process>,
    space: &Space<D>,
    request: Prepared<E>,
) -> Result {
    drop(space.commit(cx, request)?);
    //~^ ERROR E0308: mismatched types
    Ok(())
}

fn map<D: Driver<Object = Arc<u64>, Data = ()>>(
    cx: &mut Cx<'_, Signalling>,
    space: &Space<D>,
    span: Span,
    object: Arc<u64>,
) -> Result<Prepared<D>> {
    Ok(space.prepare_map(&mut gfp::noio(cx), span, Some(object), 0, ())?)
    //~^ ERROR E0277: a `Signalling` context may not allocate with class `NoIo`
}
