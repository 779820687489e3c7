// SPDX-License-Identifier: GPL-2.0

//! A scheduler believes that `GFP_NOIO` is weak enough for what a fence waits for.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::Signalling,
    prelude::*, //
};

struct Job {
    seqno: u64,
}

fn next_job(cx: &mut Cx<'_, Signalling>, seqno: u64) -> Result<Arc<Job>> {
    let job = gfp::noio(cx).arc(Job { seqno })?;
    //~^ ERROR E0277: a `Signalling` context may not allocate with class `NoIo`
    //~| NOTE allocate before this context is entered and pass the memory in, or use `gfp::nowait`
    Ok(job)
}
