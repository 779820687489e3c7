// SPDX-License-Identifier: GPL-2.0

//! Looking at a space, without its lock.

use super::{
    mapping::{
        Driver,
        Mapping, //
    },
    range_of,
    raw::Moment,
    span_of,
    Space,
    Tree, //
};
use crate::{
    cx::{
        Before,
        Cx,
        Rank,
        Sleep, //
    },
    maple::{
        self,
        RcuBox,
        Room, //
    },
    plan::va::Span, //
};
use kernel::sync::rcu::{
    self,
    Guard, //
};

/// A space at one moment, if all that was seen through it is: see [`Space::read`].
pub struct View<'r, D: Driver, R: Rank> {
    tree: &'r Tree<D, R>,
    guard: &'r Guard,
}

impl<'r, D: Driver, R: Rank> View<'r, D, R> {
    /// The mapping at an address.
    ///
    /// # Context
    ///
    /// That of the view.
    pub fn find(&self, addr: u64) -> Option<&'r Mapping<D>> {
        self.tree.load(self.guard, addr as usize)
    }

    /// The mappings that `span` meets, upwards.
    ///
    /// # Context
    ///
    /// That of the view.
    pub fn iter(&self, span: Span) -> impl Iterator<Item = &'r Mapping<D>> {
        // SAFETY: The tree of a space is.
        let walk = unsafe { self.tree.walk(self.guard, range_of(span)) };
        walk.map(|(_, mapping)| mapping)
    }
}

/// A mapping that pages are wanted for: see [`Space::prefetch`].
pub struct Prefetch<'r, D: Driver> {
    /// The mapping.
    pub mapping: &'r Mapping<D>,
    /// What of it is in the span that was asked for.
    pub part: Span,
}

impl<D: Driver, R: Rank> Space<D, R> {
    /// The mapping at an address. C: `drm_gpuva_find_first()`.
    ///
    /// It is what was there at one moment, never a part of what a request is about to do. Readers
    /// wait for a commit that is under way, but for those in interrupts: see [`Space`].
    ///
    /// # Context
    ///
    /// An RCU reader in a task or an interrupt, also in the callback of a fence or a timer; not in an
    /// NMI.
    #[inline]
    pub fn find<'r>(&'r self, guard: &'r Guard, addr: u64) -> Option<&'r Mapping<D>> {
        self.sequence.read(|_| self.tree.load(guard, addr as usize))
    }

    /// The mappings that `span` meets, upwards.
    ///
    /// Each is the lowest that meets what was not passed yet, at the moment in which the iterator
    /// comes to it. For all at one moment there is [`read`](Self::read).
    ///
    /// # Context
    ///
    /// As [`find`](Self::find).
    pub fn iter<'r>(&'r self, guard: &'r Guard, span: Span) -> Iter<'r, D, R> {
        Iter {
            space: self,
            guard,
            rest: Some(span),
            walk: None,
        }
    }

    /// What is to be fetched for `span`: one for each mapping that it meets, upwards, as
    /// [`iter`](Self::iter). C: `drm_gpuvm_prefetch_ops_create()`.
    ///
    /// # Context
    ///
    /// As [`find`](Self::find).
    pub fn prefetch<'r>(
        &'r self,
        guard: &'r Guard,
        span: Span,
    ) -> impl Iterator<Item = Prefetch<'r, D>> {
        self.iter(guard, span).filter_map(move |mapping| {
            let part = mapping.span().intersection(&span)?;
            Some(Prefetch { mapping, part })
        })
    }

    /// What `f` sees in the space at one moment.
    ///
    /// `f` is called again if something was committed meanwhile, and what it returned is forgotten:
    /// the states that it saw may not fit together then. Where commits are many and `f` takes long,
    /// [`read_locked`](Self::read_locked) comes to an end sooner.
    ///
    /// # Context
    ///
    /// As [`find`](Self::find).
    pub fn read<'r, T>(&'r self, guard: &'r Guard, mut f: impl FnMut(&View<'r, D, R>) -> T) -> T {
        let view = View {
            tree: &self.tree,
            guard,
        };
        self.sequence.read(|_| f(&view))
    }

    /// The same, while nobody commits.
    ///
    /// # Context
    ///
    /// Anything before `R`. Takes the space's spinlock.
    pub fn read_locked<L, S, T>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'r> FnOnce(&View<'r, D, R>) -> T,
    ) -> T
    where
        L: Before<R>,
        S: Sleep,
    {
        self.tree.lock(cx, |_, _| {
            let guard = rcu::read_lock();
            f(&View {
                tree: &self.tree,
                guard: &guard,
            })
        })
    }

    /// The lowest place in `within` where nothing is mapped and one may map.
    ///
    /// It may be taken before anything is mapped there: who gives out addresses has a lock for that.
    ///
    /// # Context
    ///
    /// Anything before `R`. Takes the space's spinlock. C: `mas_empty_area()`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use strata::cx::SignalLock;
    /// # use strata::gfp::{Allocate, Gfp};
    /// use strata::prelude::*;
    /// use strata::va::{Limits, Room, Space, Span};
    /// # struct Gpu;
    /// # impl strata::va::Driver for Gpu {
    /// #     type Object = u64;
    /// #     type Data = ();
    /// #     type Spare = ();
    /// #     fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
    /// #         Ok(())
    /// #     }
    /// #     fn split(_old: &strata::va::Mapping<Self>, _piece: Span, _spare: ()) {}
    /// # }
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    ///
    /// let span = |addr, length| Span::new(addr, length).map_err(|_| EINVAL);
    /// // The kernel's own part is never free.
    /// let limits = Limits::new(span(0x1000, 0xf000)?, Some(span(0x4000, 0x1000)?));
    /// let class = strata::lock_class!(SignalLock, "gaps");
    /// let space = Space::<Gpu>::new(cx, class, limits.map_err(|_| EINVAL)?);
    /// let space = gfp::kernel(cx).arc_init(space)?;
    /// let map = space.prepare_map(&mut gfp::kernel(cx), span(0x6000, 0x1000)?, None, 0, ())?;
    /// drop(space.commit(cx, map)?);
    ///
    /// let (all, room) = (space.limits().space(), Room::new(0x3000)?);
    /// assert_eq!(space.find_gap(cx, room, all), Some(span(0x1000, 0x3000)?));
    /// assert_eq!(space.find_gap(cx, room.aligned(0x4000)?, all), Some(span(0x8000, 0x3000)?));
    /// assert_eq!(space.find_gap_rev(cx, room, all), Some(span(0xd000, 0x3000)?));
    /// assert_eq!(space.find_gap(cx, Room::new(0xa000)?, all), None);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn find_gap<L, S>(&self, cx: &mut Cx<'_, L, S>, room: Room, within: Span) -> Option<Span>
    where
        L: Before<R>,
        S: Sleep,
    {
        self.tree.lock(cx, |tree, _| {
            let mut usable = self.limits.usable().into_iter().flatten();
            usable.find_map(|usable| {
                let within = usable.intersection(&within)?;
                tree.find_gap(room, range_of(within)).map(span_of)
            })
        })
    }

    /// The highest such place.
    ///
    /// # Context
    ///
    /// As [`find_gap`](Self::find_gap). C: `mas_empty_area_rev()`.
    pub fn find_gap_rev<L, S>(
        &self,
        cx: &mut Cx<'_, L, S>,
        room: Room,
        within: Span,
    ) -> Option<Span>
    where
        L: Before<R>,
        S: Sleep,
    {
        self.tree.lock(cx, |tree, _| {
            let mut usable = self.limits.usable().into_iter().rev().flatten();
            usable.find_map(|usable| {
                let within = usable.intersection(&within)?;
                tree.find_gap_rev(room, range_of(within)).map(span_of)
            })
        })
    }
}

/// Mappings, upwards. See [`Space::iter`].
pub struct Iter<'r, D: Driver, R: Rank> {
    space: &'r Space<D, R>,
    guard: &'r Guard,
    /// What was not passed yet.
    rest: Option<Span>,
    /// A walk that is at the beginning of the rest, as long as nothing is written.
    walk: Option<(Moment, maple::Iter<'r, RcuBox<Mapping<D>>>)>,
}

impl<'r, D: Driver, R: Rank> Iterator for Iter<'r, D, R> {
    type Item = &'r Mapping<D>;

    fn next(&mut self) -> Option<&'r Mapping<D>> {
        let rest = self.rest?;
        let mut walk = self.walk.take();
        let (walk, found) = self.space.sequence.read(|now| {
            let mut walk = match walk.take() {
                Some((moment, walk)) if moment == now => walk,
                // SAFETY: The tree of a space is.
                _ => unsafe { self.space.tree.walk(self.guard, range_of(rest)) },
            };
            let found = walk.next();
            ((now, walk), found)
        });
        self.walk = Some(walk);
        let mapping = found.map(|(_, mapping)| mapping);
        self.rest = mapping.and_then(|mapping| rest.after(mapping.span().end()));
        mapping
    }
}
