// SPDX-License-Identifier: GPL-2.0

//! Spaces of addresses, and what is prepared for them: a request that there is no memory for leaves
//! nothing behind, and what it was given comes back.

use super::{
    cause,
    inject,
    tried,
    Counts,
    Exclusive,
    Kernel,
    MapleTree,
    NoWait,
    Rcu,
    RcuBox,
    SignalLock,
    Swept,
    Token, //
};
use crate::{
    ledger::Ledger,
    random::Random, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    },
};
use strata::{
    gfp::{
        Allocate,
        Gfp, //
    },
    prelude::*,
    va::{
        Backing,
        Driver,
        Limits,
        Mapping,
        Prepared,
        Space,
        Span, //
    },
};

/// The addresses that are mapped: those below it.
const END: usize = 96;

/// How many spares of the driver there are.
static SPARES: Atomic<i64> = Atomic::new(0);

/// A handle to one of a few objects.
#[derive(Clone)]
struct Handle(Token);

impl Backing for Handle {
    fn id(&self) -> usize {
        self.0.id();
        self.0.tag
    }
}

/// What a piece needs, which is memory.
struct Spare(KBox<i64>);

impl Drop for Spare {
    fn drop(&mut self) {
        SPARES.add(-*self.0, Relaxed);
    }
}

struct Data {
    token: Token,
    _spare: Option<Spare>,
}

struct Gpu;

impl Driver for Gpu {
    type Object = Handle;
    type Data = Data;
    type Spare = Spare;

    fn spare<C: Allocate>(gfp: &mut Gfp<'_, C>) -> Result<Spare> {
        let memory = gfp.boxed(1)?;
        SPARES.add(1, Relaxed);
        Ok(Spare(memory))
    }

    fn split(old: &Mapping<Self>, _piece: Span, spare: Spare) -> Data {
        Data {
            token: old.data().token.again(),
            _spare: Some(spare),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Map,
    Unmap,
    Split,
    SplitSparse,
}

/// What is at an address: the object, and where in it.
type Cell = Option<(usize, u64)>;

/// A space and what should be in it.
struct Sweep {
    space: Arc<Space<Gpu>>,
    cells: [Cell; END],
    ledger: Arc<Ledger>,
    random: Random,
}

/// A request that is prepared.
struct Attempt<'s> {
    sweep: &'s Sweep,
    kind: Kind,
    span: Span,
    offset: u64,
    object: Option<Handle>,
    data: Option<Data>,
}

impl Attempt<'_> {
    fn prepare<C: Swept>(&mut self, cx: &mut Cx<'_, Process>) -> Result<Prepared<Gpu>> {
        let gfp = &mut C::gfp(cx);
        let (space, span) = (&self.sweep.space, self.span);
        match (self.kind, self.data.take()) {
            (Kind::Map, Some(data)) => {
                let object = self.object.take();
                let prepared = space.prepare_map(gfp, span, object, self.offset, data);
                prepared.map_err(|error| {
                    (self.object, self.data) = (error.object, Some(error.data));
                    error.cause
                })
            }
            (Kind::Map, None) => Err(EINVAL),
            (Kind::Unmap, _) => space.prepare_unmap(gfp, span),
            (Kind::Split, _) => space.prepare_split(gfp, span),
            (Kind::SplitSparse, _) => space.prepare_split_sparse(gfp, span),
        }
    }

    /// What there is of it: the tag of the object, whether there are data.
    fn given(&self) -> (usize, bool) {
        let object = self.object.as_ref().map_or(0, Backing::id);
        (object, self.data.is_some())
    }
}

/// Values and spares.
fn alive(ledger: &Ledger) -> (i64, i64) {
    (ledger.alive(), SPARES.load(Relaxed))
}

/// Waits until all that was displaced is dropped: so does who drops a tree that is read under RCU.
fn settle(cx: &mut Cx<'_, Process>) -> Result {
    let tree = MapleTree::<RcuBox<Token>, Exclusive, Rcu>::new();
    drop(gfp::kernel(cx).boxed_init(tree)?);
    Ok(())
}

/// Values and spares, once there are as many as `wanted` or the others are dropped that were let go of.
fn alive_at_last(
    cx: &mut Cx<'_, Process>,
    ledger: &Ledger,
    wanted: (i64, i64),
) -> Result<(i64, i64)> {
    if alive(ledger) != wanted {
        settle(cx)?;
    }
    Ok(alive(ledger))
}

fn span(first: usize, length: usize) -> Result<Span> {
    Span::new(first as u64, length as u64).map_err(|_| EINVAL)
}

impl Sweep {
    fn new(cx: &mut Cx<'_, Process>, counts: &Counts, seed: u32) -> Result<Self> {
        let limits = Limits::from(span(0, END)?);
        let new = |cx: &mut Cx<'_, Process>| {
            let class = strata::lock_class!(SignalLock, "fire space");
            let space = Space::<Gpu>::new(cx, class, limits);
            gfp::kernel(cx).arc_init(space).map_err(cause)
        };
        Ok(Self {
            space: tried(counts, cx, new, |_| Ok(()))?,
            cells: [None; END],
            ledger: Ledger::new(cx)?,
            random: Random::new(seed),
        })
    }

    /// Whether the space is as the cells are.
    fn compare(&self) -> Result {
        let guard = rcu::read_lock();
        let mut cells = [None; END];
        for mapping in self.space.iter(&guard, self.space.limits().space()) {
            mapping.data().token.id();
            let id = mapping.object().map_or(0, Backing::id);
            let span = mapping.span();
            for addr in span.addr()..span.end() {
                if let Some(cell) = cells.get_mut(addr as usize) {
                    *cell = Some((id, mapping.offset() + (addr - span.addr())));
                }
            }
        }
        ensure!(cells == self.cells, "something else is mapped\n");
        Ok(())
    }

    /// How many mappings there are, and how many of them cross a border of `span`.
    fn count(&self, span: Span, kind: Kind) -> (usize, usize) {
        let guard = rcu::read_lock();
        let all = self.space.limits().space();
        let crosses = |mapping: &&Mapping<Gpu>| {
            let own = mapping.span();
            let sparse = mapping.object().is_none();
            (kind == Kind::Split || sparse)
                && [span.addr(), span.end()]
                    .into_iter()
                    .any(|border| own.addr() < border && border < own.end())
        };
        let crossing = self.space.iter(&guard, all).filter(crosses).count();
        (self.space.iter(&guard, all).count(), crossing)
    }

    fn step<C: Swept>(&mut self, cx: &mut Cx<'_, Process>, counts: &Counts) -> Result {
        let kind = match self.random.below(10) {
            0..=4 => Kind::Map,
            5..=6 => Kind::Unmap,
            7 => Kind::Split,
            _ => Kind::SplitSparse,
        };
        let first = self.random.below(END);
        let length = 1 + self.random.below((END - first).min(20));
        settle(cx)?;
        // Object 0 is none: it is sparse.
        let (id, offset) = (self.random.below(3), self.random.below(100) as u64);
        let (empty, spares) = alive(&self.ledger);
        let token = |tag| Token::new(&self.ledger, tag);
        let map = kind == Kind::Map;
        let mut attempt = Attempt {
            sweep: self,
            kind,
            span: span(first, length)?,
            offset,
            object: (map && id != 0).then(|| Handle(token(id))),
            data: map.then(|| Data {
                token: token(0),
                _spare: None,
            }),
        };
        let (given, before) = (attempt.given(), alive(&self.ledger));
        let mappings = self.count(attempt.span, kind);
        let prepared = tried(
            counts,
            &mut (&mut *cx, &mut attempt),
            |(cx, attempt)| attempt.prepare::<C>(cx).map_err(cause),
            |(cx, attempt)| {
                ensure!(attempt.given() == given, "something did not come back\n");
                let now = alive_at_last(cx, &self.ledger, before)?;
                ensure!(now == before, "there were {before:?} and are {now:?}\n");
                ensure!(
                    self.count(attempt.span, kind) == mappings,
                    "a failure cut something\n"
                );
                self.compare()
            },
        )
        .inspect_err(|_| pr_err!("... as {kind:?} at {first} is prepared\n"))?;
        let span = attempt.span;
        // Nothing changes before it is committed.
        self.compare()?;
        if self.random.percent(25) {
            drop(prepared);
            let now = alive_at_last(cx, &self.ledger, (empty, spares))?;
            ensure!(now == (empty, spares), "{now:?} are left of a request\n");
            return self.compare();
        }
        let space = &self.space;
        let (done, _) = inject::with_nth(1, || {
            cx.signalling(|cx| space.commit(cx, prepared).map(drop).is_ok())
        });
        ensure!(done, "what was prepared fails\n");
        let cells = self.cells.get_mut(first..first + length).unwrap_or(&mut []);
        match kind {
            Kind::Map => {
                for (cell, at) in cells.iter_mut().zip(offset..) {
                    *cell = Some((id, at));
                }
            }
            Kind::Unmap => cells.fill(None),
            Kind::Split | Kind::SplitSparse => {
                let (_, crossing) = self.count(span, kind);
                ensure!(crossing == 0, "a split leaves what crosses a border\n");
            }
        }
        self.compare()
            .inspect_err(|_| pr_err!("... after {kind:?} of {length} at {first}\n"))
    }
}

/// Goes through so many requests.
pub(super) fn run(cx: &mut Cx<'_, Process>, counts: &Counts, count: usize, seed: u32) -> Result {
    let mut sweep = Sweep::new(cx, counts, seed)?;
    for number in 0..count {
        if number % 2 == 0 {
            sweep.step::<Kernel>(cx, counts)?;
        } else {
            sweep.step::<NoWait>(cx, counts)?;
        }
        inject::breathe();
    }
    let ledger = sweep.ledger.clone();
    drop(sweep);
    ensure!(ledger.sound(), "a dead value was touched\n");
    let left = alive(&ledger);
    ensure!(left == (0, 0), "{left:?} values and spares leaked\n");
    Ok(())
}
