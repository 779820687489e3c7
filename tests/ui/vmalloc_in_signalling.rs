// SPDX-License-Identifier: GPL-2.0

//! A job's command buffer is allocated when it is due, not when it was submitted.

use kernel::{
    alloc::KVVec,
    prelude::*, //
};
use strata::{
    cx::{
        Reclaim,
        Signalling, //
    },
    page::Pages,
    prelude::*, //
};

fn run_job(cx: &mut Cx<'_, Signalling>, commands: usize) -> Result<KVVec<u64>> {
    Ok(gfp::kernel(cx).large_vec(commands)?)
    //~^ ERROR E0277: a `Signalling` context may not allocate with class `Kernel`
}

fn swap_out(cx: &mut Cx<'_, Reclaim>) -> Result<Pages> {
    Pages::new(cx, 512)
    //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
}

fn spill(cx: &mut Cx<'_, Reclaim>, entries: usize) -> Result<KVVec<u64>> {
    Ok(gfp::nofs(cx).large_vec(entries)?)
    //~^ ERROR E0599: no method named `large_vec` found for struct `Gfp<'_, NoFs>`
}
