// SPDX-License-Identifier: GPL-2.0

//! Values that are counted: each that is made is dropped once, and not before it left its tree.

use super::{
    gfp,
    Allocate,
    Cx,
    Divide,
    Gaps,
    Gfp,
    Mode,
    Plain,
    Process,
    Range,
    Rcu,
    RcuBox,
    Retired,
    Split,
    Value, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// What became of the values of one test.
pub(super) struct Ledger {
    made: Atomic<i64>,
    dropped: Atomic<i64>,
    /// Values that were dropped or looked at when they were dead already.
    faults: Atomic<i64>,
}

impl Ledger {
    pub(super) fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        Ok(gfp::kernel(cx).arc(Self {
            made: Atomic::new(0),
            dropped: Atomic::new(0),
            faults: Atomic::new(0),
        })?)
    }

    /// How many values there are.
    pub(super) fn alive(&self) -> i64 {
        self.made.load(Relaxed) - self.dropped.load(Relaxed)
    }

    /// Whether nothing was done to a dead value, and all are dead.
    pub(super) fn settled(&self) -> bool {
        self.alive() == 0 && self.sound()
    }

    /// Whether nothing was done to a dead value.
    pub(super) fn sound(&self) -> bool {
        self.faults.load(Relaxed) == 0
    }
}

const ALIVE: u32 = 0x600d_cafe;
const DEAD: u32 = 0xdead_cafe;

/// A value that is counted.
pub(super) struct Token {
    /// Its own number.
    id: i64,
    /// The number that the test gave it; values of rests have that of the whole.
    pub(super) tag: usize,
    life: Atomic<u32>,
    ledger: Arc<Ledger>,
}

impl Token {
    pub(super) fn new(ledger: &Arc<Ledger>, tag: usize) -> Self {
        Self {
            id: ledger.made.fetch_add(1, Relaxed),
            tag,
            life: Atomic::new(ALIVE),
            ledger: ledger.clone(),
        }
    }

    /// Another one of the same tag.
    pub(super) fn again(&self) -> Self {
        self.check();
        Self::new(&self.ledger, self.tag)
    }

    /// Its own number. Counts a fault if it is dead.
    pub(super) fn id(&self) -> i64 {
        self.check();
        self.id
    }

    fn check(&self) {
        if self.life.load(Relaxed) != ALIVE {
            self.ledger.faults.add(1, Relaxed);
        }
    }
}

impl Clone for Token {
    fn clone(&self) -> Self {
        self.again()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.check();
        self.life.store(DEAD, Relaxed);
        self.ledger.dropped.add(1, Relaxed);
    }
}

impl Divide for Token {
    fn divide(&self, whole: Range, part: Range) -> Self {
        self.check();
        // A rest is one end of the whole.
        if (part.first() == whole.first()) == (part.last() == whole.last()) {
            self.ledger.faults.add(1, Relaxed);
        }
        Self::new(&self.ledger, self.tag)
    }
}

/// Boxes of tokens, of either kind.
pub(super) trait Boxed: Split + Send {
    /// Makes one.
    fn make<C: Allocate>(gfp: &mut Gfp<'_, C>, ledger: &Arc<Ledger>, tag: usize) -> Result<Self>;

    /// What is in it.
    fn token<'a>(value: &'a Self::Ref<'_>) -> &'a Token;

    /// What is in one that is in no tree.
    fn own(&self) -> &Token;
}

impl Boxed for KBox<Token> {
    fn make<C: Allocate>(gfp: &mut Gfp<'_, C>, ledger: &Arc<Ledger>, tag: usize) -> Result<Self> {
        Ok(gfp.boxed(Token::new(ledger, tag))?)
    }

    fn token<'a>(value: &'a <Self as Value>::Ref<'_>) -> &'a Token {
        value
    }

    fn own(&self) -> &Token {
        self
    }
}

impl Boxed for RcuBox<Token> {
    fn make<C: Allocate>(gfp: &mut Gfp<'_, C>, ledger: &Arc<Ledger>, tag: usize) -> Result<Self> {
        Ok(RcuBox::new(gfp, Token::new(ledger, tag))?)
    }

    fn token<'a>(value: &'a <Self as Value>::Ref<'_>) -> &'a Token {
        value
    }

    fn own(&self) -> &Token {
        self
    }
}

/// The modes, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Plain,
    Gaps,
    Rcu,
}

/// A mode in whose trees there are such boxes.
pub(super) trait Keeps<V: Boxed>: Mode<V> + Sized {
    const NAME: Name;

    /// What is in a value that was taken out.
    fn token<'a>(out: &'a Self::Out<'_>) -> &'a Token;
}

impl<V: Boxed> Keeps<V> for Plain {
    const NAME: Name = Name::Plain;

    fn token<'a>(out: &'a V) -> &'a Token {
        out.own()
    }
}

impl<V: Boxed> Keeps<V> for Gaps {
    const NAME: Name = Name::Gaps;

    fn token<'a>(out: &'a V) -> &'a Token {
        out.own()
    }
}

impl Keeps<RcuBox<Token>> for Rcu {
    const NAME: Name = Name::Rcu;

    fn token<'a>(out: &'a Retired<'_, Token>) -> &'a Token {
        out
    }
}
