// SPDX-License-Identifier: GPL-2.0

//! A shrinker hands work to a worker, and allocates the item only then. Queueing is allowed
//! everywhere; making the item is not.

use kernel::prelude::*;
use strata::{
    cx::Reclaim,
    dev::work,
    prelude::*, //
};

fn scan<I: work::Item>(cx: &mut Cx<'_, Reclaim>, item: I) -> Result {
    let item = work::Prepared::new(cx, item)?;
    //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
    item.queue(cx);
    Ok(())
}
