// SPDX-License-Identifier: GPL-2.0

//! Where reclaim waits for the driver, the driver makes room for itself: it reserves pages, makes an
//! object and evicts others in a scan, or does so under the lock of an object.

use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::{
        Reclaim,
        ReclaimLock, //
    },
    dev::Owner,
    limit::{
        Budget,
        NoRoom,
        Reservation, //
    },
    lru::{
        Cache,
        Item,
        Object, //
    },
    prelude::*,
    shrinker::{
        self,
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
};

strata::lru_lists! {
    enum List {
        Idle,
    }
}

struct Buffer;

impl Item for Buffer {
    type Rank = ReclaimLock;
    type List = List;
    type State = Option<Reservation>;
}

struct Pool<O> {
    cache: Arc<Cache<Buffer>>,
    budget: Arc<Budget>,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Shrinker for Pool<O> {
    type Owner = O;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count {
        self.cache.count(control, &[List::Idle])
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        _control: &mut ScanControl<'_>,
        _round: &mut Round<'_>,
    ) -> Scan {
        let pages = self.budget.reserve(cx, 1, self).ok();
        //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
        //~| ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
        drop(self.cache.object(cx, Buffer, pages));
        //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
        Scan::Freed(shrinker::evict(cx, self, 1))
        //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
    }
}

fn fill<O: Owner>(
    cx: &mut Cx<'_, Process>,
    pool: &Pool<O>,
    buffer: &Object<Buffer>,
) -> Result<(), NoRoom> {
    buffer.lock(cx, |buffer, cx| {
        **buffer = Some(pool.budget.reserve(cx, 1, pool)?);
        //~^ ERROR E0277: a `ReclaimLock` context may not acquire `Reclaim`
        //~| ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
        Ok(())
    })
}
