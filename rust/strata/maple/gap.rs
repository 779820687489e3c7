// SPDX-License-Identifier: GPL-2.0

//! Room in a tree: gaps that are large enough, and values that are put where there is one.
//!
//! C: `mas_empty_area()` and `mas_empty_area_rev()`, which know of no alignment.

use super::{
    locked::Locked,
    mode::{
        FindsGaps,
        Mode, //
    },
    reservation::Nodes,
    state::State,
    store::{
        put_new,
        Cause,
        StoreError, //
    },
    value::Value,
    Range, //
};
use crate::plan::maple::{
    highest_fit,
    lowest_fit, //
};
use core::num::NonZero;
use kernel::{
    prelude::*,
    ptr::Alignment, //
};

/// How many indices in a row are wanted, and where they may begin.
///
/// # Examples
///
/// ```
/// use strata::maple::{BadRoom, Room};
///
/// let room = Room::new(3)?.aligned(16)?;
/// assert_eq!((room.size(), room.align()), (3, 16));
/// assert_eq!(Room::new(0), Err(BadRoom::Empty));
/// assert_eq!(Room::ONE.aligned(24), Err(BadRoom::Alignment));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    size: NonZero<usize>,
    align: Alignment,
}

/// What nothing can have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRoom {
    /// No index at all is wanted.
    Empty,
    /// The alignment is not a power of two.
    Alignment,
}

impl From<BadRoom> for Error {
    fn from(_: BadRoom) -> Self {
        EINVAL
    }
}

impl Room {
    /// One index, anywhere.
    pub const ONE: Self = Self {
        size: NonZero::<usize>::MIN,
        align: Alignment::new::<1>(),
    };

    /// `size` indices, wherever they begin.
    ///
    /// # Errors
    ///
    /// [`BadRoom::Empty`].
    pub const fn new(size: usize) -> Result<Self, BadRoom> {
        match NonZero::new(size) {
            Some(size) => Ok(Self { size, ..Self::ONE }),
            None => Err(BadRoom::Empty),
        }
    }

    /// As many, and the first one is a multiple of `align`.
    ///
    /// # Errors
    ///
    /// [`BadRoom::Alignment`] if that is not a power of two.
    pub const fn aligned(self, align: usize) -> Result<Self, BadRoom> {
        match Alignment::new_checked(align) {
            Some(align) => Ok(Self { align, ..self }),
            None => Err(BadRoom::Alignment),
        }
    }

    /// How many indices.
    #[inline(always)]
    pub const fn size(&self) -> usize {
        self.size.get()
    }

    /// What the first one is a multiple of.
    #[inline(always)]
    pub const fn align(&self) -> usize {
        self.align.as_usize()
    }

    /// The range that begins at `first`, where there is room for it.
    fn at(&self, first: usize) -> Option<Range> {
        Range::new(first, first.checked_add(self.size() - 1)?).ok()
    }

    /// Goes to the lowest gap in `within` that has room.
    ///
    /// # Safety
    ///
    /// That of [`State::empty_area`].
    #[inline(always)]
    unsafe fn lowest(&self, state: &mut State, mut within: Range) -> Option<Range> {
        loop {
            // SAFETY: By the caller's promise.
            let found = unsafe { state.empty_area(within, self.size()) }?;
            if self.may_begin_at(found.first()) {
                return Some(found);
            }
            // Where it may begin at the earliest, whether or not that is in this gap.
            let first = lowest_fit(found.first(), within.last(), self.size(), self.align())?;
            within = Range::new(first, within.last()).ok()?;
        }
    }

    /// Goes to the highest gap in `within` that has room.
    ///
    /// # Safety
    ///
    /// That of [`State::empty_area`].
    #[inline(always)]
    unsafe fn highest(&self, state: &mut State, mut within: Range) -> Option<Range> {
        loop {
            // SAFETY: By the caller's promise.
            let found = unsafe { state.empty_area_rev(within, self.size()) }?;
            if self.may_begin_at(found.first()) {
                return Some(found);
            }
            let first = highest_fit(within.first(), found.last(), self.size(), self.align())?;
            within = Range::new(within.first(), self.at(first)?.last()).ok()?;
        }
    }

    /// Whether an index is such a multiple.
    #[inline(always)]
    fn may_begin_at(&self, index: usize) -> bool {
        index & (self.align() - 1) == 0
    }
}

/// Where a cyclic allocation goes on: behind what it found last.
///
/// Kept by its user, who may have several for one tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// `None` behind the last index that there is.
    next: Option<usize>,
}

impl Cycle {
    /// One that begins at `index`, or the first index after that which it may use.
    pub const fn new(index: usize) -> Self {
        Self { next: Some(index) }
    }

    /// Where in `within` to look first, if there is such a place, and whether all of it is left.
    fn first(&self, within: Range) -> (Option<Range>, bool) {
        match self.next {
            Some(next) if next <= within.first() => (Some(within), true),
            Some(next) => (Range::new(next, within.last()).ok(), false),
            None => (None, false),
        }
    }
}

impl Default for Cycle {
    fn default() -> Self {
        Self::new(0)
    }
}

/// What a cyclic allocation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where the value is.
    pub range: Range,
    /// Whether it began again at the start: what was handed out before may come again from here on.
    pub wrapped: bool,
}

/// # Room
///
/// Reserved slots are no gaps.
impl<V: Value, M: Mode<V>> Locked<'_, '_, V, M> {
    /// The lowest place in `within` that has room, and nothing in it.
    ///
    /// # Context
    ///
    /// That of the lock. C: `mas_empty_area()`, once for each gap that is large enough and does not
    /// lie right.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::maple::{Exclusive, Gaps, MapleTree, Number, Range, Room};
    /// use strata::prelude::*;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let tree = MapleTree::<Number, Exclusive, Gaps>::new();
    /// let mut tree = gfp::kernel(cx).boxed_init(tree)?;
    /// let mut tree = tree.as_mut().exclusive();
    /// let number = Number::new(1).ok_or(EINVAL)?;
    /// tree.insert(&mut gfp::kernel(cx), Range::of(10..20)?, number)?;
    ///
    /// let within = Range::of(5..100)?;
    /// let (five, six) = (Room::new(5)?, Room::new(6)?);
    /// assert_eq!(tree.find_gap(five, within), Range::of(5..10).ok());
    /// assert_eq!(tree.find_gap(six, within), Range::of(20..26).ok());
    /// assert_eq!(tree.find_gap(five.aligned(8)?, within), Range::of(24..29).ok());
    /// assert_eq!(tree.find_gap_rev(five.aligned(8)?, within), Range::of(88..93).ok());
    /// assert_eq!(tree.find_gap(Room::new(81)?, within), None);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn find_gap(&self, room: Room, within: Range) -> Option<Range>
    where
        M: FindsGaps,
    {
        let mut state = State::new(self.tree, within);
        // SAFETY: The tree is ours to read, and finds gaps.
        unsafe { room.lowest(&mut state, within) }
    }

    /// The highest such place.
    ///
    /// # Context
    ///
    /// That of the lock. C: `mas_empty_area_rev()`, as [`find_gap`](Self::find_gap).
    #[inline]
    pub fn find_gap_rev(&self, room: Room, within: Range) -> Option<Range>
    where
        M: FindsGaps,
    {
        let mut state = State::new(self.tree, within);
        // SAFETY: The tree is ours to read, and finds gaps.
        unsafe { room.highest(&mut state, within) }
    }

    /// Puts `value` at the lowest place in `within` that has room, and says which that is.
    ///
    /// # Context
    ///
    /// That of the lock, and what `nodes` needs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the value: [`Cause::Full`], [`Cause::NoMemory`].
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::cx::SignalLock;
    /// use strata::maple::{Cause, Gaps, MapleTree, Range, Room, Spin};
    /// use strata::prelude::*;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let class = strata::lock_class!(SignalLock, "handles");
    /// let tree = MapleTree::<KBox<u64>, Spin, Gaps>::new(cx, class);
    /// let handles = gfp::kernel(cx).boxed_init(tree)?;
    /// // 0 is no handle.
    /// let within = Range::of(1..=2)?;
    /// for expected in 1..=2 {
    ///     let object = cx.alloc(7)?;
    ///     let range = handles.lock(cx, |handles, cx| {
    ///         handles.alloc(&mut gfp::nowait(cx), Room::ONE, within, object)
    ///     })?;
    ///     assert_eq!(range, Range::at(expected));
    /// }
    /// let object = cx.alloc(8)?;
    /// let refused = handles.lock(cx, |handles, cx| {
    ///     handles.alloc(&mut gfp::nowait(cx), Room::ONE, within, object)
    /// });
    /// let refused = refused.err().ok_or(EINVAL)?;
    /// assert_eq!((*refused.value, refused.cause), (8, Cause::Full));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn alloc<N: Nodes>(
        &mut self,
        nodes: N,
        room: Room,
        within: Range,
        value: V,
    ) -> Result<Range, StoreError<V>>
    where
        M: FindsGaps,
    {
        self.put_where(nodes, within, value, |state| {
            // SAFETY: The tree is ours to read, and finds gaps.
            unsafe { room.lowest(state, within) }
        })
    }

    /// Puts `value` at the highest such place.
    ///
    /// # Context
    ///
    /// As [`alloc`](Self::alloc).
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc).
    pub fn alloc_rev<N: Nodes>(
        &mut self,
        nodes: N,
        room: Room,
        within: Range,
        value: V,
    ) -> Result<Range, StoreError<V>>
    where
        M: FindsGaps,
    {
        self.put_where(nodes, within, value, |state| {
            // SAFETY: The tree is ours to read, and finds gaps.
            unsafe { room.highest(state, within) }
        })
    }

    /// Puts `value` at the lowest place behind that of `cycle` which has room, or where there is none
    /// up to the end of `within`, at the lowest there is; `cycle` then stands behind it.
    ///
    /// What was erased is so handed out again as late as can be.
    ///
    /// # Context
    ///
    /// As [`alloc`](Self::alloc). C: `mas_alloc_cyclic()`, which keeps in the tree whether it came to
    /// the last index, for all who allocate from it.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc); `cycle` stays where it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::maple::{Cycle, Exclusive, Gaps, MapleTree, Number, Range, Room};
    /// use strata::prelude::*;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let tree = MapleTree::<Number, Exclusive, Gaps>::new();
    /// let mut tree = gfp::kernel(cx).boxed_init(tree)?;
    /// let mut tree = tree.as_mut().exclusive();
    /// let number = Number::new(1).ok_or(EINVAL)?;
    ///
    /// let mut cycle = Cycle::default();
    /// for (expected, wrapped) in [(1, false), (2, false), (3, false), (1, true), (2, false)] {
    ///     let mut gfp = gfp::kernel(cx);
    ///     let within = Range::of(1..4)?;
    ///     let found = tree.alloc_cyclic(&mut gfp, Room::ONE, within, &mut cycle, number)?;
    ///     assert_eq!((found.range, found.wrapped), (Range::at(expected), wrapped));
    ///     tree.erase(&mut gfp, expected)?;
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn alloc_cyclic<N: Nodes>(
        &mut self,
        nodes: N,
        room: Room,
        within: Range,
        cycle: &mut Cycle,
        value: V,
    ) -> Result<Found, StoreError<V>>
    where
        M: FindsGaps,
    {
        let (first, all) = cycle.first(within);
        let mut wrapped = false;
        let range = self.put_where(nodes, within, value, |state| {
            // SAFETY: The tree is ours to read, and finds gaps.
            let found = first.and_then(|first| unsafe { room.lowest(state, first) });
            if found.is_some() || all {
                return found;
            }
            wrapped = true;
            // SAFETY: As above.
            unsafe { room.lowest(state, within) }
        })?;
        cycle.next = range.last().checked_add(1);
        Ok(Found { range, wrapped })
    }

    /// Puts `value` at the gap that `find` goes to.
    fn put_where<N: Nodes>(
        &mut self,
        nodes: N,
        within: Range,
        value: V,
        find: impl FnOnce(&mut State) -> Option<Range>,
    ) -> Result<Range, StoreError<V>> {
        let entry = value.into_entry();
        let put = nodes.with(self.tree, within, |state, flags| {
            let range = find(state).ok_or(Cause::Full)?;
            // SAFETY: The tree is ours to write, the state stands at the range, and the entry is a
            // value's that no slot has.
            unsafe { put_new::<N>(state, flags, range, entry) }?;
            Ok(range)
        });
        put.map_err(|cause| StoreError {
            // SAFETY: It was not stored.
            value: unsafe { V::from_entry(entry) },
            cause,
        })
    }
}
