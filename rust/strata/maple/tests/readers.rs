// SPDX-License-Identifier: GPL-2.0

//! Readers without the lock, on other processors, while a writer commits: after `check_rcu_threaded`
//! and `check_rcu_simulated` of the kernel's own suite.

use super::{
    super::{
        MapleTree,
        RcuSpare,
        Reservation,
        Spares,
        Spin, //
    },
    gfp,
    ledger::{
        Ledger,
        Token, //
    },
    random::Random,
    seed,
    Cx,
    Divide,
    Process,
    Range,
    Rcu,
    RcuBox, //
};
use crate::{
    cx::SignalLock,
    dev::work,
    kunit::process, //
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
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// Indices where there always is a value; as many follow where there may be none.
const FULL: usize = 400;
const READERS: u32 = 3;
const STORES: usize = if cfg!(CONFIG_DEBUG_MAPLE_TREE) {
    2_000
} else {
    60_000
};

/// A value that knows where it was stored.
struct Stamp {
    range: Range,
    token: Token,
}

impl Divide for Stamp {
    fn divide(&self, whole: Range, part: Range) -> Self {
        Self {
            range: part,
            token: self.token.divide(whole, part),
        }
    }
}

/// What readers and the writer have in common.
#[pin_data]
struct Shared {
    #[pin]
    tree: MapleTree<RcuBox<Stamp>, Spin, Rcu>,
    stop: Atomic<u32>,
    looks: Atomic<i64>,
    wrong: Atomic<i64>,
}

impl Shared {
    fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let tree =
            MapleTree::<_, Spin, Rcu>::new(cx, crate::lock_class!(SignalLock, "test readers"));
        let shared = pin_init!(Self {
            tree <- tree,
            stop: Atomic::new(0),
            looks: Atomic::new(0),
            wrong: Atomic::new(0),
        });
        gfp::kernel(cx).arc_init(shared)
    }

    /// Counts what is not as it has to be.
    fn check(&self, right: bool, what: &'static str) {
        if !right && self.wrong.fetch_add(1, Relaxed) < 5 {
            pr_err!("a reader finds {what}\n");
        }
    }

    /// Looks at one index: what stands there is alive, and was stored there.
    fn look(&self, index: usize) {
        let guard = rcu::read_lock();
        let found = self.tree.entry(&guard, index);
        self.check(
            found.is_some() || index >= FULL,
            "nothing where there always is a value",
        );
        if let Some((range, value)) = found {
            self.check(range.contains(index), "a value at another place");
            let whole = value.range.intersection(&range) == Some(range);
            self.check(whole, "a value where it was not stored");
            // It goes on being there, even if the writer takes it out now.
            for _ in 0..index % 64 {
                value.token.id();
            }
        }
    }

    /// Walks over a few values: each comes after the one before.
    fn walk(&self, first: usize) {
        let guard = rcu::read_lock();
        let from = Range::new(first, usize::MAX).unwrap_or(Range::ALL);
        let mut next = first;
        for (range, value) in self.tree.iter(&guard, from).take(40) {
            value.token.id();
            self.check(range.last() >= next, "a value twice");
            let full = range.contains(next) || next >= FULL;
            self.check(full, "a gap where there is none");
            next = range.last() + 1;
        }
        self.check(next >= FULL.min(first + 40), "too few values");
    }
}

/// Reads until it is told to stop.
struct Reader {
    shared: Arc<Shared>,
    random: Random,
}

impl work::Item for Reader {
    type Owner = crate::Strata;

    fn run(mut self, _cx: &mut Cx<'_, Process>) {
        while self.shared.stop.load(Relaxed) == 0 {
            for _ in 0..200 {
                self.shared.look(self.random.below(2 * FULL));
                self.shared.looks.add(1, Relaxed);
            }
            self.shared.walk(self.random.below(FULL));
            // There may be one processor only.
            fsleep(Delta::from_micros(50));
        }
    }
}

/// The writer: it puts values over values, and takes some out where that may be.
struct Writer<'a> {
    shared: &'a Shared,
    ledger: &'a Arc<Ledger>,
    random: Random,
    spares: Spares<RcuBox<Stamp>>,
}

impl Writer<'_> {
    fn value(&self, cx: &mut Cx<'_, Process>, range: Range) -> Result<RcuBox<Stamp>> {
        let token = Token::new(self.ledger, 0);
        Ok(RcuSpare::new(&mut gfp::kernel(cx))?.write(Stamp { range, token }))
    }

    fn store(&mut self, cx: &mut Cx<'_, Process>, range: Range, something: bool) -> Result {
        let value = something.then(|| self.value(cx, range)).transpose()?;
        let nodes = Reservation::new(&mut gfp::kernel(cx), 2 * FULL, 1)?;
        self.spares.refill(&mut gfp::kernel(cx))?;
        let spares = &mut self.spares;
        self.shared.tree.lock(cx, |tree, _| {
            tree.store(nodes, range, value, spares, |_, _| ())
                .map_err(|error| error.cause.into())
        })
    }

    fn replace(&mut self, cx: &mut Cx<'_, Process>, index: usize) -> Result {
        let tree = &self.shared.tree;
        let place = tree.lock(cx, |tree, _| tree.entry(index).map(|(range, _)| range));
        let Some(range) = place else {
            return Ok(());
        };
        let value = self.value(cx, range)?;
        tree.lock(cx, |tree, _| tree.replace(range, value).map(drop))?;
        Ok(())
    }

    fn run(&mut self, cx: &mut Cx<'_, Process>) -> Result {
        for number in 0..STORES {
            let first = self.random.below(2 * FULL);
            let longest = if number % 64 == 0 { FULL } else { 12 };
            let last = first + self.random.below(longest);
            match self.random.below(4) {
                0 => self.replace(cx, first)?,
                1 if first >= FULL => self.store(cx, Range::new(first, last)?, false)?,
                _ => self.store(cx, Range::new(first, last.min(2 * FULL))?, true)?,
            }
            if number % 512 == 0 {
                self.shared.tree.lock(cx, |tree, _| tree.validate());
                // There may be one processor only.
                fsleep(Delta::from_micros(100));
            }
        }
        Ok(())
    }
}

#[kunit_tests(strata_maple_readers)]
mod cases {
    use super::*;

    #[test]
    fn readers_always_find_what_was_there_or_what_is() -> Result {
        process(|cx| {
            let seed = seed();
            let ledger = Ledger::new(cx)?;
            let shared = Shared::new(cx)?;
            let mut writer = Writer {
                shared: &shared,
                ledger: &ledger,
                random: Random::new(seed),
                spares: Spares::new(&mut gfp::kernel(cx))?,
            };
            for index in 0..FULL {
                writer.store(cx, Range::at(index), true)?;
            }
            for number in 0..READERS {
                let reader = Reader {
                    shared: shared.clone(),
                    random: Random::new(seed ^ number),
                };
                work::Prepared::new(cx, reader)
                    .map_err(|_| ENOMEM)?
                    .queue(cx);
            }
            let done = writer.run(cx);
            shared.stop.store(1, Relaxed);
            work::flush(cx);
            drop(writer);
            done?;
            assert_eq!(shared.wrong.load(Relaxed), 0);
            assert!(shared.looks.load(Relaxed) > 1000);
            drop(shared);
            assert!(ledger.settled());
            Ok(())
        })
    }
}
