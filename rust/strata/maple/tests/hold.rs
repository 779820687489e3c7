// SPDX-License-Identifier: GPL-2.0

//! Trees of every lock mode, used in one way.

use super::super::{
    Exclusive,
    External,
    Locked,
    MapleTree,
    Mode,
    Spin,
    Value, //
};
use crate::{
    cx::{
        Cx,
        Process,
        SignalLock, //
    },
    gfp::{
        self,
        Gfp,
        NoWait, //
    },
    sync::Mutex, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A tree that its holder can lock.
pub(super) trait Hold<V: Value, M: Mode<V>>: Sized {
    const NAME: &'static str;

    fn new(cx: &mut Cx<'_, Process>) -> Result<Self>;

    /// Runs `f` with the tree locked.
    fn with<O>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, NoWait>) -> O,
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

    fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        let tree = MapleTree::<V, Spin, M>::new(cx, crate::lock_class!(SignalLock, "test tree"));
        Ok(Self(gfp::kernel(cx).boxed_init(tree)?))
    }

    fn with<O>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, NoWait>) -> O,
    ) -> O {
        self.0.lock(cx, |tree, cx| f(tree, &mut gfp::nowait(cx)))
    }
}

/// A lock for trees.
pub(super) fn guard(cx: &mut Cx<'_, Process>) -> Result<Arc<Guard>> {
    let guard = Mutex::new(cx, crate::lock_class!(SignalLock, "test guard"), 0);
    gfp::kernel(cx).arc_init(guard)
}

impl<V: Value, M: Mode<V>> Hold<V, M> for Guarded<V, M> {
    const NAME: &'static str = "mutex";

    fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        let guard = guard(cx)?;
        let tree = GuardedTree::<V, M>::new(cx, guard.clone());
        let tree = gfp::kernel(cx).boxed_init(tree)?;
        Ok(Self { tree, guard })
    }

    fn with<O>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, NoWait>) -> O,
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
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, NoWait>) -> O,
    ) -> O {
        f(
            &mut MapleTree::exclusive(self.0.as_mut()),
            &mut gfp::nowait(cx),
        )
    }
}
