// SPDX-License-Identifier: GPL-2.0

//! Maple trees: values at ranges of indices, with memory that is taken before it is needed.
//!
//! A [`MapleTree`] owns its values: a value stands at one [`Range`], and what a store displaces is
//! handed out. Two types say how it is used: who may use it (a [lock mode](#who-may-use-it)), and
//! what it keeps (a [mode](#what-it-keeps)). What its user may do stands at [`Locked`].
//!
//! A store may need nodes. They come from memory of now where that may be asked for, and from a
//! [`Reservation`] where it may not: that is made early, without the tree's lock, and is good for
//! whichever store into whatever the tree is by then. This is what `mas_preallocate()` cannot do:
//! it counts for one store into the tree of now, and what is stored with it after the lock was
//! dropped goes to a node that may be gone.
//!
//! C: [`include/linux/maple_tree.h`](srctree/include/linux/maple_tree.h). Docs:
//! `Documentation/core-api/maple_tree.rst`.
//!
//! # Who may use it
//!
//! | | |
//! |---|---|
//! | [`Spin<R>`] | who holds its own spinlock, at rank `R`: [`MapleTree::lock`] |
//! | [`External<H>`] | who holds another lock, which guards more than the tree: [`MapleTree::locked`] |
//! | [`Exclusive`] | who has it to himself, as in a [`Mutex`](crate::sync::Mutex): [`MapleTree::exclusive`] |
//!
//! # What it keeps
//!
//! | | |
//! |---|---|
//! | [`Plain`] | values, as densely as can be |
//! | [`Gaps`] | the sizes of its gaps too, so that they are found |
//! | [`Rcu`] | that, and readers need no lock: [`MapleTree::load`] |
//!
//! # Examples
//!
//! Under a mutex one may allocate, if the mutex's rank says so:
//!
//! ```
//! use strata::maple::{Cause, Exclusive, MapleTree, Range};
//! use strata::prelude::*;
//! use strata::sync::Mutex;
//!
//! strata::ranks! {
//!     after Process:
//!     /// What is configured.
//!     Config;
//! }
//! type Names = MapleTree<KBox<&'static str>, Exclusive>;
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! let tree = gfp::kernel(cx).boxed_init(Names::new())?;
//! let class = strata::lock_class!(Config, "names");
//! let names = Mutex::new(cx, class, tree);
//! let names = gfp::kernel(cx).boxed_init(names)?;
//!
//! names.lock(cx, |names, cx| {
//!     let mut names = names.as_mut().exclusive();
//!     let (low, high) = (cx.alloc("low")?, cx.alloc("high")?);
//!     names.insert(&mut gfp::kernel(cx), Range::of(..100)?, low)?;
//!     // Nothing is lost: what did not go in comes back.
//!     let error = names.insert(&mut gfp::kernel(cx), Range::of(99..200)?, high).unwrap_err();
//!     assert_eq!((*error.value, error.cause), ("high", Cause::Occupied));
//!     assert_eq!(names.entry(5).map(|(range, name)| (range.last(), *name)), Some((99, "low")));
//!     Ok::<_, Error>(())
//! })?;
//! # Ok::<(), Error>(())
//! ```
//!
//! Readers under RCU take no lock:
//!
//! ```
//! use kernel::sync::rcu;
//! use strata::cx::SignalLock;
//! use strata::maple::{MapleTree, Range, Rcu, RcuBox, Reservation, Spin};
//! use strata::prelude::*;
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! let class = strata::lock_class!(SignalLock, "ids");
//! let tree = MapleTree::<RcuBox<u64>, Spin, Rcu>::new(cx, class);
//! let tree = gfp::kernel(cx).boxed_init(tree)?;
//! let mut nodes = Reservation::new(&mut gfp::kernel(cx), 1000, 2)?;
//! let value = RcuBox::new(&mut gfp::kernel(cx), 7)?;
//!
//! tree.lock(cx, |tree, _| tree.insert(&mut nodes, Range::at(3), value))?;
//! assert_eq!(tree.load(&rcu::read_lock(), 3), Some(&7));
//!
//! let erased = tree.lock(cx, |tree, _| tree.erase(&mut nodes, 3))?;
//! assert_eq!(tree.load(&rcu::read_lock(), 3), None);
//! // Others may be looking at it still: dropped, it is freed when they are done.
//! assert_eq!(erased.map(|(_, value)| *value), Some(7));
//! # Ok::<(), Error>(())
//! ```

mod chain;
mod cursor;
mod drain;
mod dup;
mod exchange;
mod gap;
mod locked;
mod mode;
mod range;
mod raw;
mod rcu;
mod readers;
mod reservation;
mod retire;
mod slot;
mod state;
mod stock;
mod store;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod value;

pub(crate) use self::{
    chain::Displaced,
    exchange::Change,
    retire::Queue,
    stock::Template, //
};
pub use self::{
    cursor::Cursor,
    dup::TryClone,
    gap::{
        BadRoom,
        Cycle,
        Found,
        Room, //
    },
    locked::{
        Iter,
        IterRev,
        Locked,
        Slots, //
    },
    mode::{
        Exclusive,
        External,
        ExternalLock,
        FindsGaps,
        Gaps,
        Mode,
        Plain,
        Rcu,
        ReadsUnlocked,
        Spin, //
    },
    range::{
        BadRange,
        Range, //
    },
    rcu::{
        RcuBox,
        RcuSpare,
        Retired, //
    },
    readers::IterRcu,
    reservation::{
        Nodes,
        Reservation, //
    },
    slot::{
        FillError,
        ReleaseError,
        Slot, //
    },
    store::{
        Cause,
        StoreError, //
    },
    value::{
        Divide,
        Number,
        Spares,
        Split,
        Value, //
    },
};

use self::{
    raw::Tree,
    state::State, //
};
use crate::{
    bindings,
    cx::{
        Atomic,
        Before,
        Cx,
        FenceCallback,
        Join,
        MaySleep,
        Rank,
        SignalLock,
        Sleep, //
    },
    sync::Class, //
};
use core::{
    marker::PhantomData,
    mem,
    ptr, //
};
use kernel::prelude::*;

/// A tree that owns a value of `V` at each of its ranges.
///
/// `L` says who may use it, `M` what it keeps: see the [module](self).
///
/// # Context
///
/// Dropping it drops its values, wherever that is; one in [`Rcu`] mode sleeps then, until those that
/// were taken out of it are destroyed.
///
/// # Invariants
///
/// Every entry of `tree` is one that reserves a slot, or of a `V` that the tree owns. It is written
/// to only by who holds the lock that `L` says.
#[pin_data(PinnedDrop)]
pub struct MapleTree<V: Value, L = Spin<SignalLock>, M: Mode<V> = Plain> {
    #[pin]
    tree: Tree,
    /// Dropped after the tree, which knows its map.
    guard: L,
    _values: PhantomData<V>,
    _mode: PhantomData<fn() -> M>,
}

// SAFETY: It owns its values, and the lock goes with it.
unsafe impl<V: Value + Send, L: Send, M: Mode<V>> Send for MapleTree<V, L, M> {}
// SAFETY: The lock lets one task at a time look at values.
unsafe impl<V: Value + Send, L: Sync> Sync for MapleTree<V, L, Plain> {}
// SAFETY: As above.
unsafe impl<V: Value + Send, L: Sync> Sync for MapleTree<V, L, Gaps> {}
// SAFETY: The lock lets one task at a time write, and values may be looked at by many.
unsafe impl<T: Send + Sync + 'static, L: Sync> Sync for MapleTree<RcuBox<T>, L, Rcu> {}

impl<V: Value, R: Rank, M: Mode<V>> MapleTree<V, Spin<R>, M> {
    /// The tree itself.
    pub(crate) fn as_tree(&self) -> *mut bindings::maple_tree {
        self.tree.get()
    }

    /// An empty tree with a spinlock of its own, of `class`; primes that if it is the first of it.
    ///
    /// # Context
    ///
    /// Anything before [`R::Starts`](Rank::Starts) that may sleep. C: `mt_init_flags()`.
    pub fn new<L, S>(cx: &mut Cx<'_, L, S>, class: &'static Class<R>) -> impl PinInit<Self>
    where
        L: Before<R::Starts>,
        S: MaySleep,
        // Interrupts take no tree: its lock leaves them on.
        R: Before<FenceCallback>,
    {
        let () = V::VALID;
        let _ = cx;
        class.prime_spinlock();
        // INVARIANT: It is empty.
        pin_init!(Self {
            tree <- Tree::with_lock(M::FLAGS, class),
            guard: Spin(PhantomData),
            _values: PhantomData,
            _mode: PhantomData,
        })
    }

    /// Runs `f` with the tree's spinlock held.
    ///
    /// # Context
    ///
    /// Anything before `R`. Takes the spinlock (`mtree_lock()`), with interrupts as they are.
    #[inline]
    pub fn lock<'t, L, S, O>(
        &'t self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'h, 'b> FnOnce(&mut Locked<'h, 't, V, M>, &mut Cx<'b, R, Atomic>) -> O,
    ) -> O
    where
        L: Before<R>,
        S: Sleep,
    {
        let _held = self.tree.lock();
        // SAFETY: The lock is held for longer than `f` runs.
        let mut locked = unsafe { Locked::new(&self.tree) };
        // SAFETY: `L` comes before `R`, which is what was taken.
        unsafe { cx.at(|cx| f(&mut locked, cx)) }
    }

    /// Runs `f` with the tree's spinlock held if it is free, and gives `None` if it is not.
    ///
    /// `f` stands at the later of `L` and `R`.
    ///
    /// # Context
    ///
    /// Any. Trylocks the spinlock (`spin_trylock()`).
    #[inline]
    pub fn try_lock<'t, L, S, O>(
        &'t self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'h, 'b> FnOnce(&mut Locked<'h, 't, V, M>, &mut Cx<'b, L::Out, Atomic>) -> O,
    ) -> Option<O>
    where
        L: Join<R>,
        S: Sleep,
    {
        let _held = self.tree.try_lock()?;
        // SAFETY: The lock is held for longer than `f` runs.
        let mut locked = unsafe { Locked::new(&self.tree) };
        // SAFETY: `Out` is the later of what the caller holds and what was taken.
        Some(unsafe { cx.at(|cx| f(&mut locked, cx)) })
    }
}

/// What was shown is not what the tree's lock guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTheLock;

impl From<NotTheLock> for Error {
    fn from(_: NotTheLock) -> Self {
        EINVAL
    }
}

impl<V: Value, H: ExternalLock, M: Mode<V>> MapleTree<V, External<H>, M> {
    /// An empty tree that the lock of `handle` guards.
    ///
    /// # Context
    ///
    /// Anything before the lock's level that may sleep: takes the lock for a moment.
    pub fn new<L, S>(cx: &mut Cx<'_, L, S>, handle: H) -> impl PinInit<Self>
    where
        L: Before<H::Level>,
        S: MaySleep,
    {
        let () = V::VALID;
        let () = const {
            assert!(
                mem::size_of::<H::Owner>() != 0,
                "what the lock guards has no address of its own"
            )
        };
        let owner = handle.owner(cx);
        let mutex = handle.mutex();
        // INVARIANT: It is empty.
        pin_init!(Self {
            // SAFETY: The handle keeps the mutex alive, and goes after the tree.
            tree <- unsafe { Tree::with_mutex(M::FLAGS, mutex) },
            guard: External { handle, owner },
            _values: PhantomData,
            _mode: PhantomData,
        })
    }

    /// The handle that keeps its lock alive.
    pub fn handle(&self) -> &H {
        &self.guard.handle
    }

    /// The tree, for who holds its lock: that is who has what the lock guards in hand.
    ///
    /// # Context
    ///
    /// Under the lock.
    ///
    /// # Errors
    ///
    /// [`NotTheLock`] if `owner` is of another lock.
    #[inline]
    pub fn locked<'h, 't: 'h>(
        &'t self,
        owner: &'h mut H::Owner,
    ) -> Result<Locked<'h, 't, V, M>, NotTheLock> {
        if !ptr::eq(owner, self.guard.owner) {
            return Err(NotTheLock);
        }
        // SAFETY: Only the lock's holder has that value, for `'h`.
        Ok(unsafe { Locked::new(&self.tree) })
    }
}

impl<V: Value, M: Mode<V>> MapleTree<V, Exclusive, M> {
    /// An empty tree, for who has it to himself.
    pub fn new() -> impl PinInit<Self> {
        let () = V::VALID;
        // INVARIANT: It is empty.
        pin_init!(Self {
            // SAFETY: There is no mutex.
            tree <- unsafe { Tree::with_mutex(M::FLAGS, ptr::null_mut()) },
            guard: Exclusive(()),
            _values: PhantomData,
            _mode: PhantomData,
        })
    }

    /// The tree, for who has it to himself.
    #[inline]
    pub fn exclusive<'h>(self: Pin<&'h mut Self>) -> Locked<'h, 'h, V, M> {
        let this = self.into_ref().get_ref();
        // SAFETY: It is borrowed mutably for `'h`.
        unsafe { Locked::new(&this.tree) }
    }
}

#[pinned_drop]
impl<V: Value, L, M: Mode<V>> PinnedDrop for MapleTree<V, L, M> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        // Who drops it has it to himself: no lock is to be held, and none should be while values
        // are dropped.
        this.tree.disown();
        let mut state = State::new(&this.tree, Range::at(0));
        // SAFETY: The tree is ours.
        while let Some(entry) = unsafe { state.find(usize::MAX) } {
            if !raw::is_zero(entry) {
                // SAFETY: It is of a value that the tree owns, and nobody looks at it again.
                drop(unsafe { V::from_entry(entry) });
            }
        }
        // SAFETY: The tree is ours.
        unsafe { this.tree.clear() };
        M::settle();
    }
}
