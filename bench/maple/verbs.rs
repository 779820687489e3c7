// SPDX-License-Identifier: GPL-2.0

//! The verbs: what `twin.c` does in C, with the same values in the same order.

use super::Working;
use kernel::{
    prelude::*,
    sync::rcu, //
};
use strata::{
    cx::SignalLock,
    lock_class,
    maple::{
        Divide,
        Gaps,
        MapleTree,
        Mode,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Retired,
        Room,
        Spares,
        Spin,
        Split,
        Value, //
    },
    prelude::*, //
};

const STRIDE: usize = 32;
const LENGTH: usize = 16;
/// A gap between two slots is not enough for it, and a slot that was erased is.
const GAP: usize = 40;
/// What a driver keeps for each mapping, besides what links it.
const VALUE_SIZE: usize = 120;
/// What stands before a value that RCU readers see.
const LINK_SIZE: usize = 24;
/// How many reservations may wait.
const HELD: usize = 4096;

fn range(slot: u32) -> Result<Range> {
    let first = slot as usize * STRIDE;
    Ok(Range::new(first, first + LENGTH - 1)?)
}

fn middle(slot: u32) -> usize {
    slot as usize * STRIDE + LENGTH / 2
}

/// Slots in the order in which they are visited.
pub(super) struct Order(KVVec<u32>);

impl Order {
    pub(super) fn new(cx: &mut Cx<'_, Working>, size: usize, mut seed: u64) -> Result<Self> {
        let mut slots = gfp::kernel(cx).large_vec(size)?;
        for slot in 0..u32::try_from(size)? {
            slots.push_within_capacity(slot).map_err(|_| ENOMEM)?;
        }
        for at in (1..size).rev() {
            if seed != 0 {
                let other = (random(&mut seed) >> 32) * (at as u64 + 1) >> 32;
                slots.swap(at, other as usize);
            }
        }
        Ok(Self(slots))
    }

    fn part(&self, from: usize, count: usize) -> Result<&[u32]> {
        let rest = self.0.get(from..).ok_or(EINVAL)?;
        rest.get(..count).ok_or(EINVAL)
    }
}

/// The same numbers as in C.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// What is in the trees, of `SIZE` bytes.
pub(super) struct Entry<const SIZE: usize> {
    id: u64,
    _rest: [u8; SIZE],
}

impl<const SIZE: usize> Entry<SIZE> {
    fn new(id: u64) -> Self {
        Self {
            id,
            _rest: [0; SIZE],
        }
    }
}

impl<const SIZE: usize> Divide for Entry<SIZE> {
    fn divide(&self, _whole: Range, _part: Range) -> Self {
        Self {
            id: self.id,
            _rest: self._rest,
        }
    }
}

type Whole = Entry<{ VALUE_SIZE - 8 }>;
type Linked = Entry<{ VALUE_SIZE - LINK_SIZE - 8 }>;

/// A kind of tree: its values, and how they come and go.
pub(super) trait Kind {
    type Value: Split;
    type Mode: Mode<Self::Value>;

    fn fresh(cx: &mut Cx<'_, Working>, id: u64) -> Result<Self::Value>;
    fn id(value: <Self::Value as Value>::Ref<'_>) -> u64;
    /// A value that is in the tree no more, if it can be used again.
    fn displaced(out: <Self::Mode as Mode<Self::Value>>::Out<'_>) -> Option<Self::Value>;
}

/// Boxes, in a tree of mode `M`.
pub(super) struct Boxed<M>(M);

impl<M> Kind for Boxed<M>
where
    M: for<'t> Mode<KBox<Whole>, Out<'t> = KBox<Whole>>,
{
    type Value = KBox<Whole>;
    type Mode = M;

    fn fresh(cx: &mut Cx<'_, Working>, id: u64) -> Result<Self::Value> {
        Ok(cx.alloc(Entry::new(id))?)
    }

    #[inline(always)]
    fn id(value: &Whole) -> u64 {
        value.id
    }

    #[inline(always)]
    fn displaced(out: KBox<Whole>) -> Option<Self::Value> {
        Some(out)
    }
}

/// Boxes that readers see under RCU.
pub(super) struct Shared;

impl Kind for Shared {
    type Value = RcuBox<Linked>;
    type Mode = Rcu;

    fn fresh(cx: &mut Cx<'_, Working>, id: u64) -> Result<Self::Value> {
        Ok(RcuBox::new(&mut gfp::kernel(cx), Entry::new(id))?)
    }

    #[inline(always)]
    fn id(value: &Linked) -> u64 {
        value.id
    }

    #[inline(always)]
    fn displaced(out: Retired<'_, Linked>) -> Option<Self::Value> {
        drop(out);
        None
    }
}

type Tree<K> = MapleTree<<K as Kind>::Value, Spin<SignalLock>, <K as Kind>::Mode>;

/// A tree, and the values that are not in it.
pub(super) struct Verbs<K: Kind> {
    tree: Pin<KBox<Tree<K>>>,
    order: Order,
    spare: KVVec<K::Value>,
    held: KVVec<Reservation>,
}

impl<K: Kind> Verbs<K> {
    pub(super) fn new(cx: &mut Cx<'_, Working>, order: Order) -> Result<Self> {
        let tree = Tree::<K>::new(cx, lock_class!(SignalLock, "bench tree"));
        Ok(Self {
            tree: gfp::kernel(cx).boxed_init(tree)?,
            spare: gfp::kernel(cx).large_vec(3 * order.0.len())?,
            held: gfp::kernel(cx).large_vec(HELD)?,
            order,
        })
    }

    pub(super) fn spare(&mut self, cx: &mut Cx<'_, Working>, count: usize) -> Result {
        for id in self.spare.len()..count {
            let value = K::fresh(cx, id as u64)?;
            self.spare.push_within_capacity(value).map_err(|_| EINVAL)?;
        }
        Ok(())
    }

    /// What all kinds can; the sum of what was seen.
    pub(super) fn run(
        &mut self,
        cx: &mut Cx<'_, Working>,
        verb: &str,
        from: usize,
        count: usize,
    ) -> Result<u64> {
        match verb {
            "insert" => self.insert(cx, from, count),
            "miss" => self.miss(cx, from, count),
            "iterate" => self.iterate(cx, from, count),
            "replace" => self.replace(cx, from, count),
            "erase" => self.erase(cx, from, count),
            "over" => self.over(cx, from, count),
            "cut" => self.cut(cx, from, count),
            "reserve" => self.reserve(cx, count),
            "commit" => self.commit(cx, from, count),
            _ => Err(EINVAL),
        }
    }

    fn insert(&mut self, cx: &mut Cx<'_, Working>, from: usize, count: usize) -> Result<u64> {
        for &slot in self.order.part(from, count)? {
            let value = self.spare.pop().ok_or(ENOENT)?;
            let range = range(slot)?;
            self.tree.lock(cx, |tree, cx| {
                tree.insert(&mut gfp::nowait(cx), range, value)
            })?;
        }
        Ok(0)
    }

    pub(super) fn hit_locked(
        &mut self,
        cx: &mut Cx<'_, Working>,
        from: usize,
        count: usize,
    ) -> Result<u64> {
        let mut sum = 0;
        for &slot in self.order.part(from, count)? {
            let id = self
                .tree
                .lock(cx, |tree, _| tree.load(middle(slot)).map(K::id));
            sum += id.ok_or(ENOENT)?;
        }
        Ok(sum)
    }

    fn miss(&mut self, cx: &mut Cx<'_, Working>, from: usize, count: usize) -> Result<u64> {
        let mut sum = 0;
        for &slot in self.order.part(from, count)? {
            let gap = range(slot)?.last() + LENGTH / 2;
            if self.tree.lock(cx, |tree, _| tree.load(gap).is_some()) {
                return Err(EEXIST);
            }
            sum += 1;
        }
        Ok(sum)
    }

    fn iterate(&mut self, cx: &mut Cx<'_, Working>, from: usize, count: usize) -> Result<u64> {
        let all = Range::new(from * STRIDE, usize::MAX)?;
        self.tree.lock(cx, |tree, _| {
            let (mut sum, mut rest) = (0, count);
            for (range, value) in tree.iter(all) {
                sum += K::id(value) ^ range.first() as u64;
                rest -= 1;
                if rest == 0 {
                    return Ok(sum);
                }
            }
            Err(ENOENT)
        })
    }

    fn replace(&mut self, cx: &mut Cx<'_, Working>, from: usize, count: usize) -> Result<u64> {
        for &slot in self.order.part(from, count)? {
            let value = self.spare.pop().ok_or(ENOENT)?;
            let range = range(slot)?;
            let old = self.tree.lock(cx, |tree, _| tree.replace(range, value))?;
            keep(&mut self.spare, K::displaced(old))?;
        }
        Ok(0)
    }

    fn erase(&mut self, cx: &mut Cx<'_, Working>, from: usize, count: usize) -> Result<u64> {
        for &slot in self.order.part(from, count)? {
            let first = range(slot)?.first();
            let old = self
                .tree
                .lock(cx, |tree, cx| tree.erase(&mut gfp::nowait(cx), first))?;
            let (_, old) = old.ok_or(ENOENT)?;
            keep(&mut self.spare, K::displaced(old))?;
        }
        Ok(0)
    }

    /// A value for each two slots, whatever is there.
    fn over(&mut self, cx: &mut Cx<'_, Working>, from: usize, count: usize) -> Result<u64> {
        // There are no rests, and none is used.
        let mut none = Spares::<K::Value>::new(&mut gfp::kernel(cx))?;
        for &slot in self.order.part(from, count)? {
            let low = slot & !1;
            let range = Range::new(range(low)?.first(), range(low + 1)?.last())?;
            store::<K>(cx, &self.tree, &mut self.spare, range, &mut none)?;
        }
        Ok(0)
    }

    /// A value for the middle of what is at a slot.
    fn cut(&mut self, cx: &mut Cx<'_, Working>, from: usize, count: usize) -> Result<u64> {
        for &slot in self.order.part(from, count)? {
            let mut rests = Spares::<K::Value>::new(&mut gfp::kernel(cx))?;
            let first = range(slot)?.first() + LENGTH / 4;
            let range = Range::new(first, first + LENGTH / 2 - 1)?;
            store::<K>(cx, &self.tree, &mut self.spare, range, &mut rests)?;
        }
        Ok(0)
    }

    fn reserve(&mut self, cx: &mut Cx<'_, Working>, count: usize) -> Result<u64> {
        for _ in 0..count {
            let nodes = Reservation::new(&mut gfp::kernel(cx), self.order.0.len(), 1)?;
            self.held.push_within_capacity(nodes).map_err(|_| EINVAL)?;
        }
        Ok(0)
    }

    fn commit(&mut self, cx: &mut Cx<'_, Working>, from: usize, count: usize) -> Result<u64> {
        for &slot in self.order.part(from, count)? {
            let nodes = self.held.pop().ok_or(EINVAL)?;
            let value = self.spare.pop().ok_or(ENOENT)?;
            let range = range(slot)?;
            self.tree
                .lock(cx, |tree, _| tree.insert(nodes, range, value))?;
        }
        Ok(0)
    }
}

/// Stores a value over whatever is there, which can be used again then.
#[inline(always)]
fn store<K: Kind>(
    cx: &mut Cx<'_, Working>,
    tree: &Tree<K>,
    spare: &mut KVVec<K::Value>,
    range: Range,
    rests: &mut Spares<K::Value>,
) -> Result {
    let value = spare.pop().ok_or(ENOENT)?;
    let displaced = |_, old| {
        if let Some(old) = K::displaced(old) {
            let _ = spare.push_within_capacity(old);
        }
    };
    tree.lock(cx, |tree, cx| {
        tree.store(&mut gfp::nowait(cx), range, Some(value), rests, displaced)
    })?;
    Ok(())
}

/// Puts a value back where it can be used again.
#[inline(always)]
fn keep<V>(spare: &mut KVVec<V>, value: Option<V>) -> Result {
    match value {
        Some(value) => spare.push_within_capacity(value).map_err(|_| EINVAL),
        None => Ok(()),
    }
}

impl Verbs<Boxed<Gaps>> {
    pub(super) fn gap_up(
        &mut self,
        cx: &mut Cx<'_, Working>,
        from: usize,
        count: usize,
    ) -> Result<u64> {
        let room = Room::new(GAP)?;
        let mut sum = 0;
        for &slot in self.order.part(from, count)? {
            let within = Range::new(range(slot)?.first(), usize::MAX)?;
            let found = self.tree.lock(cx, |tree, _| tree.find_gap(room, within));
            sum += found.ok_or(ENOENT)?.first() as u64;
        }
        Ok(sum)
    }

    pub(super) fn gap_down(
        &mut self,
        cx: &mut Cx<'_, Working>,
        from: usize,
        count: usize,
    ) -> Result<u64> {
        let room = Room::new(GAP)?;
        let mut sum = 0;
        for &slot in self.order.part(from, count)? {
            let within = Range::new(0, range(slot)?.first() + GAP)?;
            let found = self
                .tree
                .lock(cx, |tree, _| tree.find_gap_rev(room, within));
            // There may be none below.
            sum += found.map_or(1, |found| found.first() as u64);
        }
        Ok(sum)
    }
}

impl Verbs<Shared> {
    pub(super) fn hit_rcu(&mut self, from: usize, count: usize) -> Result<u64> {
        let mut sum = 0;
        for &slot in self.order.part(from, count)? {
            let value = self
                .tree
                .load(&rcu::read_lock(), middle(slot))
                .map(|value| value.id);
            sum += value.ok_or(ENOENT)?;
        }
        Ok(sum)
    }
}
