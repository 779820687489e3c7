// SPDX-License-Identifier: GPL-2.0

//! `commits`: stores that cannot fail, where every allocation does.
//!
//! What a store needs is taken before, with `GFP_KERNEL`: its value, the memory for rests, room for
//! what it displaces, and nodes for the tree of just as many values as there are. The store is then
//! done in a signalling section, with the tree's spinlock held.

use super::{
    add,
    grown::{
        same_around,
        Books,
        Grown,
        Kind,
        Plan, //
    },
    inject::{
        self,
        Failing, //
    },
    ledger::{
        Boxed,
        Keeps,
        Token, //
    },
    Counts,
};
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
};
use strata::{
    maple::{
        Cause,
        Gaps,
        Locked,
        Nodes,
        Plain,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Spares, //
    },
    prelude::*,
};

/// How long it goes on.
pub(crate) struct Limits {
    /// Commits, at most.
    pub(crate) count: usize,
    /// Seconds, about.
    pub(crate) seconds: usize,
}

/// What the tests have to know of a mode.
pub(crate) trait Fire<V: Boxed>: Keeps<V> {
    /// Whether what was displaced may be dropped in the section.
    const DROPS_ANYWHERE: bool;
}

impl<V: Boxed> Fire<V> for Plain {
    const DROPS_ANYWHERE: bool = false;
}

impl<V: Boxed> Fire<V> for Gaps {
    const DROPS_ANYWHERE: bool = false;
}

impl Fire<RcuBox<Token>> for Rcu {
    const DROPS_ANYWHERE: bool = true;
}

/// Stores of one section, at most.
const MOST: usize = 3;
/// Commits from one look at all of the tree to the next, for each value in it.
const LOOK: usize = 4;

/// What one store needs, taken before.
pub(crate) struct Job<V: Boxed> {
    pub(crate) plan: Plan,
    /// The value, and its tag.
    value: Option<V>,
    tag: usize,
}

impl<V: Boxed> Job<V> {
    pub(crate) fn new<M: Fire<V>>(
        cx: &mut Cx<'_, Process>,
        grown: &mut Grown<V, M>,
    ) -> Result<Self> {
        let plan = grown.plan();
        Self::of(cx, grown, plan)
    }

    /// What this one needs.
    pub(crate) fn of<M: Fire<V>>(
        cx: &mut Cx<'_, Process>,
        grown: &mut Grown<V, M>,
        plan: Plan,
    ) -> Result<Self> {
        let value = matches!(plan.kind, Kind::Insert | Kind::Store);
        let value = value.then(|| grown.value(cx)).transpose()?;
        let tag = value.as_ref().map_or(0, |value| value.own().tag);
        Ok(Self { plan, value, tag })
    }
}

/// What came of a store.
#[derive(Debug)]
pub(crate) enum Done {
    /// It was done, and displaced so many values.
    Stored(usize),
    /// An insert came where something is.
    Refused,
    /// There were too few nodes.
    Starved,
}

/// Does one store, and looks at what comes of it.
pub(crate) fn store<'t, V: Boxed, M: Fire<V>>(
    tree: &mut Locked<'_, 't, V, M>,
    books: &mut Books,
    nodes: impl Nodes,
    job: &mut Job<V>,
    spares: &mut Spares<V>,
    out: &mut KVec<M::Out<'t>>,
) -> Result<Done> {
    let plan = job.plan;
    let range = books.range(&plan);
    let mut wanted = books.met(&plan);
    let mut displaced = 0;
    let mut right = true;
    let mut take = |range: Range, value: M::Out<'t>| {
        let token = M::token(&value);
        right &= token.id() >= 0 && wanted.next() == Some((range, token.tag));
        displaced += 1;
        right &= out.push_within_capacity(value).is_ok();
    };
    let done = match (plan.kind, job.value.take()) {
        (Kind::Insert, Some(value)) => tree
            .insert(nodes, range, value)
            .map_err(|error| (Some(error.value), error.cause)),
        (Kind::Erase, value) => match tree.erase(nodes, range.first()) {
            Ok(found) => {
                if let Some((range, value)) = found {
                    take(range, value);
                }
                Ok(())
            }
            Err(error) => Err((value, error.into())),
        },
        (_, value) => tree
            .store(nodes, range, value, spares, &mut take)
            .map_err(|error| (error.value, error.cause)),
    };
    ensure!(right, "something else came out, at {plan:?}\n");
    if let Err((value, cause)) = done {
        let tag = value.as_ref().map_or(0, |value| value.own().tag);
        ensure!(tag == job.tag, "the value did not come back\n");
        job.value = value;
        let occupied = plan.kind == Kind::Insert && !books.free(&plan);
        return match cause {
            Cause::Occupied if occupied => Ok(Done::Refused),
            Cause::NoMemory if !occupied && displaced == 0 => Ok(Done::Starved),
            cause => {
                pr_err!("{cause:?}, at {plan:?}\n");
                Err(EINVAL)
            }
        };
    }
    let all = plan.kind == Kind::Insert || wanted.next().is_none();
    drop(wanted);
    ensure!(all, "something stayed, at {plan:?}\n");
    books.enter(&plan, job.tag);
    Ok(Done::Stored(displaced))
}

/// Prepares up to [`MOST`] stores, and does them in one section.
fn section<V: Boxed, M: Fire<V>>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    grown: &mut Grown<V, M>,
    spares: &mut [Spares<V>; MOST],
) -> Result<usize> {
    let stores = if grown.random.percent(20) { MOST } else { 1 };
    let mut jobs: [Option<Job<V>>; MOST] = [const { None }; MOST];
    let mut room = 0;
    for (job, spares) in jobs.iter_mut().zip(spares.iter_mut()).take(stores) {
        let next = Job::new(cx, grown)?;
        spares.refill(&mut gfp::kernel(cx))?;
        // Another store of the section may leave two rests where this one comes.
        room += grown.books.met(&next.plan).count() + 2 * MOST;
        *job = Some(next);
    }
    // Each store before the last one may make two values more than there are.
    let entries = grown.books.entries + 2 * (stores - 1);
    let mut nodes = Some(Reservation::new(&mut gfp::kernel(cx), entries, stores)?);
    let mut out: KVec<M::Out<'_>> = gfp::kernel(cx).vec(room)?;
    let Grown { tree, books, .. } = grown;
    let done = cx.signalling(|cx| {
        tree.lock(cx, |tree, cx| {
            let _failing = Failing::begin();
            ensure!(
                gfp::nowait(cx).boxed(0).is_err(),
                "an allocation succeeds\n"
            );
            add(&counts.refused, 1);
            let mut done = 0;
            for (job, spares) in jobs.iter_mut().flatten().zip(spares.iter_mut()) {
                let stored = match &mut nodes {
                    Some(nodes) if stores > 1 => store(tree, books, nodes, job, spares, &mut out)?,
                    // The reservation goes with its store.
                    nodes => match nodes.take() {
                        Some(nodes) => store(tree, books, nodes, job, spares, &mut out)?,
                        None => break,
                    },
                };
                match stored {
                    Done::Stored(displaced) => {
                        add(&counts.displaced, displaced);
                        done += 1;
                    }
                    Done::Refused => {}
                    Done::Starved => {
                        add(&counts.starved, 1);
                        ensure!(false, "a reservation of {entries} was not enough\n");
                    }
                }
                ensure!(
                    same_around(tree, &books.model, &job.plan),
                    "it stored elsewhere\n"
                );
            }
            if M::DROPS_ANYWHERE {
                out.clear();
            }
            Ok(done)
        })
    })?;
    add(&counts.commits, done);
    Ok(done)
}

/// Commits until a limit is reached.
pub(crate) fn run<V: Boxed, M: Fire<V>>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    entries: usize,
    limits: Limits,
    seed: u32,
) -> Result {
    let mut grown = Grown::<V, M>::new(cx, entries, seed)?;
    let mut spares = [
        Spares::new(&mut gfp::kernel(cx))?,
        Spares::new(&mut gfp::kernel(cx))?,
        Spares::new(&mut gfp::kernel(cx))?,
    ];
    let began = Instant::<Monotonic>::now();
    let mut done = 0;
    let mut look = 0;
    while done < limits.count && began.elapsed().as_millis() / 1000 < limits.seconds as i64 {
        done += section(cx, counts, &mut grown, &mut spares)?;
        if done >= look {
            grown.compare(cx)?;
            look = done + LOOK * grown.books.entries.max(100);
        }
        inject::breathe();
    }
    grown.compare(cx)?;
    let height = grown.tree.lock(cx, |tree, _| tree.height());
    let left = grown.books.entries;
    pr_info!("{done} commits on {entries} values, then {left} on {height} levels\n");
    grown.end()
}
