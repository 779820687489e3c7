// SPDX-License-Identifier: GPL-2.0

//! The driver that README.md shows: an ioctl allocates under the lock that the shrinker takes. What
//! stands between the two lines of dashes is quoted there.

use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
};
use strata::{
    cx::Reclaim,
    dev::user::UserRange,
    prelude::*,
    sync::ReclaimMutex, //
};

struct Buffer {
    pages: usize,
}

// ---
struct Pool {
    buffers: ReclaimMutex<RBTree<u64, Buffer>>,
}

impl Pool {
    /// An ioctl: user space wants a buffer.
    fn create(&self, cx: &mut Cx<'_, Process>, id: u64, arg: UserRange) -> Result {
        let pages: usize = arg.read(cx)?;
        self.buffers.lock(cx, |buffers, cx| {
            let node = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
            //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
            //~| NOTE this allocation may enter a level that the context already stands at or behind
            //~| NOTE lockdep reports fs_reclaim
            //~| NOTE allocate before this context is entered and pass the memory in, or use `gfp::nowait`
            buffers.insert(node.into_node(id, Buffer { pages }));
            Ok(())
        })
    }

    /// Reclaim: the kernel wants its memory back.
    fn shrink(&self, cx: &mut Cx<'_, Reclaim>, id: u64) -> usize {
        let evicted = self.buffers.lock(cx, |buffers, _| buffers.remove(&id));
        evicted.map_or(0, |buffer| buffer.pages)
    }
}
// ---

/// As it should be: the line that allocates stands before the lock.
fn create(pool: &Pool, cx: &mut Cx<'_, Process>, id: u64, arg: UserRange) -> Result {
    let pages: usize = arg.read(cx)?;
    let node = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
    pool.buffers.lock(cx, |buffers, _| {
        buffers.insert(node.into_node(id, Buffer { pages }));
    });
    Ok(())
}
