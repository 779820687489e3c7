// SPDX-License-Identifier: GPL-2.0

//! Trees of every lock mode, used in one way.

use super::{
    gfp,
    lock_class,
    Allocate,
    Cx,
    Exclusive,
    External,
    Gfp,
    Locked,
    MapleTree,
    Mode,
    Mutex,
    NoWait,
    Process,
    SignalLock,
    Spin,
    TryClone,
    Value, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A tree that its holder can lock.
pub(super) trait Hold<V: Value, M: Mode<V>>: Sized {
    const NAME: &'static str;

    /// What may be allocated while it is locked.
    type Class: Allocate;

    fn new(cx: &mut Cx<'_, Process>) -> Result<Self>;

    /// Runs `f` with the tree locked.
    fn with<O>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, Self::Class>) -> O,
    ) -> O;
}

/// A tree with a spinlock of its own.
pub(super) struct Spun<V: Value, M: Mode<V>>(pub(super) Pin<KBox<MapleTree<V, Spin, M>>>);

/// A tree that a mutex guards.
pub(super) struct Guarded<V: Value, M: Mode<V>> {
    pub(super) tree: Pin<KBox<GuardedTree<V, M>>>,
    pub(super) guard: Arc<Guard>,
}

/// A tree beside the mutex that guards it.
type GuardedTree<V, M> = MapleTree<V, External<Arc<Guard>>, M>;

/// What guards a tree and a count.
pub(super) type Guard = Mutex<u32, SignalLock>;

/// A tree that its user has to himself.
pub(super) struct Owned<V: Value, M: Mode<V>>(pub(super) Pin<KBox<MapleTree<V, Exclusive, M>>>);

impl<V: Value, M: Mode<V>> Hold<V, M> for Spun<V, M> {
    const NAME: &'static str = "spinlock";
    type Class = NoWait;

    fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        let tree = MapleTree::<V, Spin, M>::new(cx, lock_class!(SignalLock, "test tree"));
        Ok(Self(gfp::kernel(cx).boxed_init(tree)?))
    }

    fn with<O>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, Self::Class>) -> O,
    ) -> O {
        self.0.lock(cx, |tree, cx| f(tree, &mut gfp::nowait(cx)))
    }
}

/// A lock for trees.
pub(super) fn guard(cx: &mut Cx<'_, Process>) -> Result<Arc<Guard>> {
    let guard = Mutex::new(cx, lock_class!(SignalLock, "test guard"), 0);
    gfp::kernel(cx).arc_init(guard)
}

impl<V: Value, M: Mode<V>> Hold<V, M> for Guarded<V, M> {
    const NAME: &'static str = "mutex";
    type Class = NoWait;

    fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        let guard = guard(cx)?;
        let tree = GuardedTree::<V, M>::new(cx, guard.clone());
        let tree = gfp::kernel(cx).boxed_init(tree)?;
        Ok(Self { tree, guard })
    }

    fn with<O>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, Self::Class>) -> O,
    ) -> O {
        let tree = &self.tree;
        self.guard.lock(cx, |count, cx| {
            *count += 1;
            match tree.locked(count) {
                Ok(mut tree) => f(&mut tree, &mut gfp::nowait(cx)),
                Err(error) => unreachable!("{error:?}: the handle is of that lock"),
            }
        })
    }
}

impl<V: Value, M: Mode<V>> Hold<V, M> for Owned<V, M> {
    const NAME: &'static str = "exclusive";
    type Class = NoWait;

    fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        Ok(Self(gfp::kernel(cx).boxed_init(MapleTree::<
            V,
            Exclusive,
            M,
        >::new())?))
    }

    fn with<O>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, Self::Class>) -> O,
    ) -> O {
        f(
            &mut MapleTree::exclusive(self.0.as_mut()),
            &mut gfp::nowait(cx),
        )
    }
}

/// A tree that can be made a copy of another of its kind.
pub(super) trait Copies<V: TryClone, M: Mode<V>>: Hold<V, M> {
    fn copy(&mut self, from: &mut Self, cx: &mut Cx<'_, Process>) -> Result;
}

macro_rules! copies {
    ($hold:ident, $self:ident => $tree:expr) => {
        impl<V: TryClone, M: Mode<V>> Copies<V, M> for $hold<V, M> {
            fn copy(&mut $self, from: &mut Self, cx: &mut Cx<'_, Process>) -> Result {
                from.with(cx, |source, gfp| $tree.as_mut().try_copy(source, gfp))
            }
        }
    };
}

copies!(Spun, self => self.0);
copies!(Guarded, self => self.tree);
copies!(Owned, self => self.0);
