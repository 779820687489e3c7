// SPDX-License-Identifier: GPL-2.0

//! Copies of trees: the nodes as they are, and a value of its own in each slot.

use super::{
    locked::Locked,
    mode::{
        Exclusive,
        External,
        ExternalLock,
        Mode,
        Spin, //
    },
    raw::{
        self,
        Entry,
        Tree, //
    },
    rcu::{
        RcuBox,
        RcuSpare, //
    },
    reservation::Nodes,
    state::State,
    store::put_in_place,
    value::{
        Number,
        Value, //
    },
    MapleTree,
    Range, //
};
use crate::{
    cx::Rank,
    gfp::{
        Allocate,
        Gfp, //
    },
    lockdep, //
};
use core::ptr;
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc,
        ArcBorrow, //
    },
};

/// A value that can be copied into another tree: a slot owns its value, so that two trees cannot
/// share one.
pub trait TryClone: Value {
    /// A copy.
    ///
    /// # Context
    ///
    /// Called with the lock of the tree held that is copied.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    fn try_clone<C: Allocate>(
        value: Self::Ref<'_>,
        gfp: &mut Gfp<'_, C>,
    ) -> Result<Self, AllocError>;
}

impl<T: Clone + 'static> TryClone for KBox<T> {
    fn try_clone<C: Allocate>(value: &T, gfp: &mut Gfp<'_, C>) -> Result<Self, AllocError> {
        let memory = gfp.with(KBox::new_uninit)?;
        Ok(memory.write(value.clone()))
    }
}

impl<T: Clone + Send + 'static> TryClone for RcuBox<T> {
    fn try_clone<C: Allocate>(value: &T, gfp: &mut Gfp<'_, C>) -> Result<Self, AllocError> {
        let memory = RcuSpare::new(gfp)?;
        Ok(memory.write(value.clone()))
    }
}

impl<T: 'static> TryClone for Arc<T> {
    fn try_clone<C: Allocate>(
        value: ArcBorrow<'_, T>,
        _gfp: &mut Gfp<'_, C>,
    ) -> Result<Self, AllocError> {
        Ok(value.into())
    }
}

impl<T: AlwaysRefCounted + 'static> TryClone for ARef<T> {
    fn try_clone<C: Allocate>(value: &T, _gfp: &mut Gfp<'_, C>) -> Result<Self, AllocError> {
        Ok(value.into())
    }
}

impl TryClone for Number {
    fn try_clone<C: Allocate>(value: Number, _gfp: &mut Gfp<'_, C>) -> Result<Self, AllocError> {
        Ok(value)
    }
}

impl<V: TryClone, R: Rank, M: Mode<V>> MapleTree<V, Spin<R>, M> {
    /// Makes an empty tree a copy of `source`, which is of the same kind and locked.
    ///
    /// Nodes are copied whole: that is faster than storing each value.
    ///
    /// # Context
    ///
    /// That of the lock of `source`, so that `gfp` does not sleep. C: `mtree_dup()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if this tree is not empty, or of another kind than `source`; `EBUSY` if `source` has
    /// reserved slots, which belong to others; `ENOMEM`. `source` is as it was. This tree may have
    /// some of the values then, and all else is taken: it is good for nothing but to be dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::cx::SignalLock;
    /// use strata::maple::{MapleTree, Number, Range};
    /// use strata::prelude::*;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let class = strata::lock_class!(SignalLock, "example");
    /// let new = |cx: &mut Cx<'_, Process>| {
    ///     let tree = MapleTree::<Number>::new(cx, class);
    ///     gfp::kernel(cx).boxed_init(tree)
    /// };
    /// let (tree, mut copy) = (new(cx)?, new(cx)?);
    /// tree.lock(cx, |tree, cx| {
    ///     let gfp = &mut gfp::nowait(cx);
    ///     tree.insert(&mut *gfp, Range::at(3), Number::new(7).ok_or(EINVAL)?)?;
    ///     copy.as_mut().try_copy(tree, gfp)
    /// })?;
    /// assert_eq!(copy.lock(cx, |copy, _| copy.load(3).map(Number::get)), Some(7));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn try_copy<C: Allocate>(
        self: Pin<&mut Self>,
        source: &Locked<'_, '_, V, M>,
        gfp: &mut Gfp<'_, C>,
    ) -> Result {
        let tree = &self.into_ref().get_ref().tree;
        let _held = tree.lock_nested();
        // SAFETY: It is borrowed mutably, and its lock is held.
        unsafe { copy(tree, source, gfp) }
    }
}

impl<V: TryClone, M: Mode<V>> MapleTree<V, Exclusive, M> {
    /// Makes an empty tree a copy of `source`, which is of the same kind.
    ///
    /// # Context
    ///
    /// Any that the class of `gfp` allows. C: `__mt_dup()`.
    ///
    /// # Errors
    ///
    /// Those of a tree with a lock of its own.
    pub fn try_copy<C: Allocate>(
        self: Pin<&mut Self>,
        source: &Locked<'_, '_, V, M>,
        gfp: &mut Gfp<'_, C>,
    ) -> Result {
        // SAFETY: It is borrowed mutably.
        unsafe { copy(&self.into_ref().get_ref().tree, source, gfp) }
    }
}

impl<V: TryClone, H: ExternalLock, M: Mode<V>> MapleTree<V, External<H>, M> {
    /// Makes an empty tree a copy of `source`, which is of the same kind and locked.
    ///
    /// # Context
    ///
    /// That of the lock of `source`, and what the class of `gfp` allows. C: `__mt_dup()`.
    ///
    /// # Errors
    ///
    /// Those of a tree with a lock of its own.
    pub fn try_copy<C: Allocate>(
        self: Pin<&mut Self>,
        source: &Locked<'_, '_, V, M>,
        gfp: &mut Gfp<'_, C>,
    ) -> Result {
        let this = self.into_ref().get_ref();
        // Who has it to himself need not hold its lock, which may be that of `source` or not.
        // SAFETY: There is no mutex.
        unsafe { this.tree.guard_with(ptr::null_mut()) };
        // SAFETY: It is borrowed mutably.
        let copied = unsafe { copy(&this.tree, source, gfp) };
        // SAFETY: The handle keeps the mutex alive, and goes after the tree.
        unsafe { this.tree.guard_with(this.guard.handle.mutex()) };
        copied
    }
}

/// Makes an empty tree a copy of another.
///
/// # Safety
///
/// `tree` must be for values of `V`, the caller write to it, and nobody else see it.
unsafe fn copy<V: TryClone, M: Mode<V>, C: Allocate>(
    tree: &Tree,
    source: &Locked<'_, '_, V, M>,
    gfp: &mut Gfp<'_, C>,
) -> Result {
    if source.tree.reserved().get() != 0 {
        return Err(EBUSY);
    }
    gfp.with(|_| {
        if C::RECLAIMS {
            lockdep::might_alloc_kernel();
        }
        // SAFETY: `source` is ours to read, and `tree` to write.
        unsafe { tree.copy_nodes(source.tree, C::RAW) }
    })?;
    // All slots of the copy have the values of the source: each is given one of its own, and if
    // there are no more, the rest is given none.
    let mut cloned = Ok(());
    let mut from = Some(Range::ALL);
    while let Some(rest) = from {
        let mut state = State::new(tree, Range::at(rest.first()));
        // SAFETY: The tree is ours to read.
        let Some(entry) = (unsafe { state.find(usize::MAX) }) else {
            break;
        };
        let range = state.range();
        from = rest.after(&range);
        let value = match cloned {
            // SAFETY: It is of a value of the source, that stays while that is borrowed.
            Ok(()) => V::try_clone(unsafe { V::borrow(entry) }, gfp).map(V::into_entry),
            Err(error) => Err(error),
        };
        if let Err(error) = value {
            cloned = Err(error);
            if tree.height() == 0 {
                // The one entry stands in the root itself, where what reserves would take a node.
                // SAFETY: The tree is ours to write, and the entry is the source's alone again.
                unsafe { tree.clear() };
                break;
            }
            tree.reserved().set(tree.reserved().get() + 1);
        }
        let entry = value.map_or(raw::zero(), Entry::as_ptr);
        let put = Nodes::with(&mut *gfp, tree, range, |state, flags| {
            let mut at = state.clone();
            // SAFETY: The tree is ours to write, and the entry a value's of its own, or none's.
            unsafe { put_in_place::<&mut Gfp<'_, C>>(&mut at, state, flags, range, entry) }
        });
        if let Err(error) = put {
            // SAFETY: The tree is ours to write.
            unsafe { tree.forsake() };
            return Err(error.into());
        }
    }
    Ok(cloned?)
}
