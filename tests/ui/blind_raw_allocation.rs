// SPDX-License-Identifier: GPL-2.0

//! Not seen by the types: the kernel crate's own allocation takes flags and no token. Ban it with
//! clippy's `disallowed-methods`; lockdep sees it in `Cx::reclaim`.

use kernel::prelude::*;
use strata::{
    cx::{
        Reclaim,
        Signalling, //
    },
    prelude::*, //
};

fn scan(_cx: &mut Cx<'_, Reclaim>) -> Result<KBox<u32>> {
    Ok(KBox::new(1, GFP_KERNEL)?)
}

fn signal(_cx: &mut Cx<'_, Signalling>, done: &mut KVec<u64>) -> Result {
    Ok(done.push(1, GFP_KERNEL)?)
}
