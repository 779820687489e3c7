// SPDX-License-Identifier: GPL-2.0

//! Whatever changes a tree, one after the other, each at a random place.

use super::{
    cause,
    hold::Hold,
    inject,
    ledger::Boxed,
    rooms::{
        Ask,
        Rooms,
        Way, //
    },
    tried,
    work::{
        Kind,
        Work, //
    },
    Counts,
    Kernel,
    NoWait,
    Range,
    Swept, //
};
use crate::{
    grown::tagged,
    ledger::Ledger,
    model::{
        Model,
        Place, //
    },
    random::Random,
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    maple::{
        Cause,
        Cycle,
        Locked,
        Reservation,
        Room,
        Slot,
        Spares, //
    },
    prelude::*,
};

const CELLS: usize = 1000;
/// Indices of a cell.
const CELL: usize = 4096;

/// A tree and what should be in it.
struct Sweep<H, V: Boxed, M: Rooms<V>> {
    hold: H,
    model: Model,
    ledger: Arc<Ledger>,
    random: Random,
    spares: Spares<V>,
    cycle: Cycle,
    /// The cell behind the last one that the cycle came to.
    next: usize,
    tag: usize,
    _mode: PhantomData<M>,
}

/// One change, in the tree that it is made in.
struct Attempt<'s, H, V: Boxed, M: Rooms<V>> {
    hold: &'s mut H,
    model: &'s Model,
    work: Work<'s, V>,
    /// What must be the same after a failure, beside values: gaps, slots, tag of what came back.
    gaps: usize,
    slot: bool,
    tag: usize,
    cycle: Cycle,
    _mode: PhantomData<M>,
}

impl<H: Hold<V, M>, V: Boxed, M: Rooms<V>> Attempt<'_, H, V, M> {
    /// Its nodes are allocated when it is done.
    fn with_memory(&mut self, cx: &mut Cx<'_, Process>, counts: &Counts) -> Result {
        let change = |(cx, attempt): &mut (&mut Cx<'_, Process>, &mut Self)| {
            let Self { hold, work, .. } = attempt;
            hold.with(cx, |tree, gfp| work.run(tree, gfp))
        };
        tried(counts, &mut (cx, self), change, |(cx, attempt)| {
            attempt.unchanged(cx)
        })
    }

    /// Its nodes are reserved before: that may fail, it may not.
    fn with_reservation<C: Swept>(&mut self, cx: &mut Cx<'_, Process>, counts: &Counts) -> Result {
        // And a slot that is reserved.
        let entries = self.model.values(0, CELLS - 1).count() + 1;
        let reserve = |(cx, _): &mut (&mut Cx<'_, Process>, &mut Self)| {
            Reservation::new(&mut C::gfp(cx), entries, 1).map_err(cause)
        };
        let nodes = tried(
            counts,
            &mut (&mut *cx, &mut *self),
            reserve,
            |(cx, attempt)| attempt.unchanged(cx),
        )?;
        let Self { hold, work, .. } = self;
        let (done, _) = inject::with_nth(1, || hold.with(cx, |tree, _| work.run(tree, nodes)));
        ensure!(
            done.is_ok(),
            "{:?} fails with nodes that were reserved: {done:?}\n",
            self.work.kind
        );
        Ok(())
    }

    fn unchanged(&mut self, cx: &mut Cx<'_, Process>) -> Result {
        let Self {
            hold, work, model, ..
        } = self;
        let back = work.value.as_ref().map_or(0, |value| value.own().tag);
        ensure!(back == self.tag, "the value did not come back\n");
        ensure!(work.slot.is_some() == self.slot, "where is the slot?\n");
        ensure!(*work.cycle == self.cycle, "the cycle went on\n");
        let kind = work.kind;
        let gaps = self.gaps;
        hold.with(cx, |tree, _| {
            tree.validate();
            let same = model.agrees(tree.iter(Range::ALL).map(tagged::<V>));
            ensure!(same, "{kind:?} failed and changed something\n");
            ensure!(gaps_of(tree) == gaps, "{kind:?} failed and changed a gap\n");
            Ok(())
        })
    }
}

/// The gaps, and reserved slots.
fn gaps_of<V: Boxed, M: Rooms<V>>(tree: &Locked<'_, '_, V, M>) -> usize {
    let gaps = tree.slots(Range::ALL).filter(|(_, value)| value.is_none());
    gaps.count()
}

impl<H: Hold<V, M>, V: Boxed, M: Rooms<V>> Sweep<H, V, M> {
    fn new(cx: &mut Cx<'_, Process>, counts: &Counts, seed: u32) -> Result<Self> {
        let new_tree = |cx: &mut Cx<'_, Process>| H::new(cx).map_err(cause);
        let new_spares =
            |cx: &mut Cx<'_, Process>| Spares::new(&mut gfp::kernel(cx)).map_err(Cause::from);
        Ok(Self {
            hold: tried(counts, cx, new_tree, |_| Ok(()))?,
            model: Model::new(cx, CELLS, Place::Pages)?,
            ledger: Ledger::new(cx)?,
            random: Random::new(seed),
            spares: tried(counts, cx, new_spares, |_| Ok(()))?,
            cycle: Cycle::default(),
            next: 0,
            tag: 0,
            _mode: PhantomData,
        })
    }

    fn value<C: Swept>(&mut self, cx: &mut Cx<'_, Process>, counts: &Counts) -> Result<V> {
        self.tag += 1;
        let Self { ledger, tag, .. } = self;
        let alive = ledger.alive();
        let make = |cx: &mut Cx<'_, Process>| V::make(&mut C::gfp(cx), ledger, *tag).map_err(cause);
        let value = tried(counts, cx, make, |_| Ok(()))?;
        // Values that were displaced before may be dropped meanwhile: those that RCU readers may see. In
        // the end there is none.
        ensure!(
            ledger.alive() <= alive + 1,
            "a value is neither in a box nor gone\n"
        );
        Ok(value)
    }

    /// What is done next, and where.
    fn pick(&mut self, growing: bool) -> Result<(Kind, usize, usize)> {
        let longest = if self.random.percent(5) { CELLS } else { 6 };
        let (first, last) = self.random.range(CELLS, longest);
        let free = self.is_free(first, last);
        let here = self.model.tag(first) != 0;
        let kind = match (self.random.below(16), growing) {
            (0..=2, true) | (0, false) if free => Kind::Insert,
            (3..=5, true) | (1, false) if free => Kind::CursorInsert,
            (6..=7, true) | (2..=3, false) if free => Kind::Reserve,
            (8..=10, true) | (4, false) if M::KNOWS => return self.pick_room(),
            (0..=13, true) | (0..=5, false) => Kind::Store,
            (6..=8, false) if here => Kind::Erase,
            (9..=11, false) if here => Kind::CursorRemove,
            (_, _) => Kind::EraseRange,
        };
        let last = match kind {
            Kind::Erase | Kind::CursorRemove => first,
            _ => last,
        };
        Ok((kind, first, last))
    }

    /// A place where there is room, and how to ask for it.
    fn pick_room(&mut self) -> Result<(Kind, usize, usize)> {
        let size = 1 + self.random.below(4);
        let (mut low, mut high) = (self.random.below(CELLS), self.random.below(CELLS));
        if low > high || high - low < 40 {
            (low, high) = (0, CELLS - 1);
        }
        let kind = self.random.below(3);
        let ends = low..=(high + 1).saturating_sub(size);
        let fits = |&first: &usize| first >= low && self.is_free(first, first + size - 1);
        let (way, found) = match kind {
            0 => (Way::Lowest, ends.clone().find(fits)),
            1 => (Way::Highest, ends.clone().rfind(fits)),
            _ => {
                let behind = (self.next.max(low)..=*ends.end()).find(fits);
                (Way::Next, behind.or_else(|| ends.clone().find(fits)))
            }
        };
        let Some(first) = found else {
            return Ok((Kind::EraseRange, low, high));
        };
        let ask = Ask {
            way,
            room: Room::new(size * CELL)?.aligned(CELL)?,
            within: self.model.range(low, high),
        };
        Ok((Kind::Alloc(ask), first, first + size - 1))
    }

    fn is_free(&self, first: usize, last: usize) -> bool {
        self.model.values(first, last).next().is_none()
    }

    fn step<C: Swept>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        counts: &Counts,
        growing: bool,
    ) -> Result {
        let (kind, first, last) = self.pick(growing)?;
        let value = match kind {
            Kind::Insert | Kind::Store | Kind::CursorInsert | Kind::Alloc(_) => {
                Some(self.value::<C>(cx, counts)?)
            }
            _ => None,
        };
        let tag = value.as_ref().map_or(0, |value| value.own().tag);
        let refill = |(cx, spares): &mut (&mut Cx<'_, Process>, &mut Spares<V>)| {
            spares.refill(&mut C::gfp(cx)).map_err(Cause::from)
        };
        let spares = &mut self.spares;
        tried(counts, &mut (&mut *cx, spares), refill, |_| Ok(()))?;

        let slot = self.change::<C>(cx, counts, kind, (first, last), value, None)?;
        if let Some(slot) = slot {
            return self.finish::<C>(cx, counts, slot, first, last);
        }
        let (from, to, _) = self.model.run(first);
        match kind {
            Kind::Erase | Kind::CursorRemove => self.model.fill(from, to, 0),
            _ => self.model.fill(first, last, tag),
        }
        if matches!(kind, Kind::Alloc(ask) if ask.way == Way::Next) {
            self.next = last + 1;
        }
        self.compare(cx)
            .inspect_err(|_| pr_err!("... after {kind:?} at {first} to {last}\n"))
    }

    /// Fills a slot, or gives it back.
    fn finish<C: Swept>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        counts: &Counts,
        slot: Slot,
        first: usize,
        last: usize,
    ) -> Result {
        // Others see nothing of it.
        self.compare(cx)?;
        if self.random.percent(50) {
            let cells = (first, last);
            self.change::<C>(cx, counts, Kind::Release, cells, None, Some(slot))?;
            return self.compare(cx);
        }
        let value = self.value::<C>(cx, counts)?;
        let hold = &mut self.hold;
        let (done, _) = inject::with_nth(1, || hold.with(cx, |tree, _| tree.fill(slot, value)));
        ensure!(done.is_ok(), "a slot that is there takes memory\n");
        self.model.fill(first, last, self.tag);
        self.replace::<C>(cx, counts, first, last)?;
        self.compare(cx)
    }

    /// Puts another value there, which takes no memory.
    fn replace<C: Swept>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        counts: &Counts,
        first: usize,
        last: usize,
    ) -> Result {
        let value = self.value::<C>(cx, counts)?;
        let range = self.model.range(first, last);
        let hold = &mut self.hold;
        let (done, _) = inject::with_nth(1, || {
            hold.with(cx, |tree, _| {
                let mut cursor = tree.cursor(range);
                cursor.next();
                cursor.replace(value).is_ok()
            })
        });
        ensure!(
            done,
            "a cursor has no value where one is, or takes memory\n"
        );
        self.model.fill(first, last, self.tag);
        Ok(())
    }

    /// Changes something at some cells, with all of its allocations failing first.
    fn change<C: Swept>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        counts: &Counts,
        kind: Kind,
        (first, last): (usize, usize),
        value: Option<V>,
        slot: Option<Slot>,
    ) -> Result<Option<Slot>> {
        let reserved = self.random.percent(30);
        let range = self.model.range(first, last);
        let mut attempt = Attempt {
            gaps: self.hold.with(cx, |tree, _| gaps_of(tree)),
            hold: &mut self.hold,
            model: &self.model,
            slot: slot.is_some(),
            tag: value.as_ref().map_or(0, |value| value.own().tag),
            cycle: self.cycle,
            work: Work {
                kind,
                range,
                value,
                slot,
                at: None,
                cycle: &mut self.cycle,
                spares: &mut self.spares,
            },
            _mode: PhantomData::<M>,
        };
        if reserved {
            attempt.with_reservation::<C>(cx, counts)?;
        } else {
            attempt.with_memory(cx, counts)?;
        }
        let Work { at, slot, .. } = attempt.work;
        let asked = matches!(kind, Kind::Alloc(_)).then_some(range);
        ensure!(
            at == asked,
            "there is room at {asked:?}, and it took {at:?}\n"
        );
        Ok(slot)
    }

    fn compare(&mut self, cx: &mut Cx<'_, Process>) -> Result {
        let Self { hold, model, .. } = self;
        let same = hold.with(cx, |tree, _| {
            model.agrees(tree.iter(Range::ALL).map(tagged::<V>))
        });
        ensure!(same, "it holds something else\n");
        Ok(())
    }
}

/// Goes through so many operations.
pub(super) fn run<H: Hold<V, M>, V: Boxed, M: Rooms<V>>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    count: usize,
    seed: u32,
) -> Result {
    let mut sweep = Sweep::<H, V, M>::new(cx, counts, seed)?;
    for number in 0..count {
        let growing = number * 4 / count % 2 == 0;
        if number % 2 == 0 {
            sweep.step::<Kernel>(cx, counts, growing)?;
        } else {
            sweep.step::<NoWait>(cx, counts, growing)?;
        }
        inject::breathe();
    }
    // No slot is left: those would not let it be drained. And that takes no memory.
    let hold = &mut sweep.hold;
    let (drained, _) = inject::with_nth(1, || {
        hold.with(cx, |tree, _| {
            tree.drain(|_, _| ()).is_ok() && tree.is_empty()
        })
    });
    ensure!(drained, "it cannot be drained\n");
    let ledger = sweep.ledger.clone();
    drop(sweep);
    ensure!(ledger.sound(), "a dead value was touched\n");
    ensure!(ledger.alive() == 0, "{} values leaked\n", ledger.alive());
    Ok(())
}
