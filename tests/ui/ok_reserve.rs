// SPDX-License-Identifier: GPL-2.0

//! Legal: values in the memory of a reserve, wherever their class is allowed; in sections and atomic
//! contexts what does not wait.

use kernel::prelude::*;
use strata::{
    cx::{
        FenceCallback,
        NoIo,
        Reclaim,
        Signalling, //
    },
    gfp::{
        Allocate,
        Gfp,
        NoMemory, //
    },
    prelude::*,
    reserve::{
        Reserve,
        Reserved, //
    },
};

struct Step {
    offset: u64,
}

fn in_ioctl(cx: &mut Cx<'_, Process>, steps: &Reserve<Step>) -> Reserved<Step> {
    steps.take(&mut gfp::kernel(cx), Step { offset: 0 })
}

fn in_reclaim(cx: &mut Cx<'_, Reclaim>, steps: &Reserve<Step>) -> Reserved<Step> {
    steps.take(&mut gfp::nofs(cx), Step { offset: 0 })
}

fn on_the_way_of_io(cx: &mut Cx<'_, NoIo>, steps: &Reserve<Step>) -> Reserved<Step> {
    steps.take(&mut gfp::noio(cx), Step { offset: 0 })
}

fn in_section(cx: &mut Cx<'_, Signalling>, steps: &Reserve<Step>) -> Result<Reserved<Step>, u64> {
    let mut step = steps
        .try_take(&mut gfp::nowait(cx), Step { offset: 0 })
        .map_err(|NoMemory { value }| value.offset)?;
    step.offset += 1;
    Ok(step)
}

fn in_callback(
    cx: &mut Cx<'_, FenceCallback, Atomic>,
    steps: &Reserve<Step>,
) -> Result<[Reserved<Step>; 2]> {
    let first = steps.preallocated(Step { offset: 0 })?;
    let second = steps.try_take(&mut gfp::atomic(cx), Step { offset: 1 })?;
    Ok([first, second])
}

/// A helper for all classes.
fn anyhow<C: Allocate>(gfp: &mut Gfp<'_, C>, count: usize) -> Result<Reserved<Step>> {
    let steps = Reserve::new(gfp, count)?;
    // It outlives the reserve.
    Ok(steps.try_take(gfp, Step { offset: 2 })?)
}
