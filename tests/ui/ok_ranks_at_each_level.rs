// SPDX-License-Identifier: GPL-2.0

//! Legal: a set of ranks after each level that can be held, and what its locks still allow.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::Mutex, //
};

mod ranks {
    strata::ranks! { after Process: pub(super) Open }
    strata::ranks! { after MmapHeld: pub(super) Fault }
    strata::ranks! { after ResvHeld: pub(super) Validate }
    strata::ranks! { after NoIo: pub(super) Evict }
    strata::ranks! { after ReclaimLock: pub(super) Shrink }
    strata::ranks! { after Notifier: pub(super) Unmap }
    strata::ranks! { after NotifierLock: pub(super) Range }
    strata::ranks! { after Signalling: pub(super) Complete }
    strata::ranks! { after SignalLock: pub(super) Retire }
}

struct Device {
    open: Mutex<u32, ranks::Open>,
    fault: Mutex<u32, ranks::Fault>,
    validate: Mutex<u32, ranks::Validate>,
    evict: Mutex<u32, ranks::Evict>,
    shrink: Mutex<u32, ranks::Shrink>,
    unmap: Mutex<u32, ranks::Unmap>,
    range: Mutex<u32, ranks::Range>,
    complete: Mutex<u32, ranks::Complete>,
    retire: Mutex<u32, ranks::Retire>,
}

fn before_reclaim(cx: &mut Cx<'_, Process>, device: &Device) -> Result {
    device.open.lock(cx, |_, cx| cx.alloc(1).map(drop))?;
    device.fault.lock(cx, |_, cx| cx.alloc(1).map(drop))?;
    device.validate.lock(cx, |_, cx| {
        cx.reclaim(|_| ());
        cx.alloc(1).map(drop)
    })?;
    Ok(())
}

fn in_reclaim(cx: &mut Cx<'_, Process>, device: &Device) {
    cx.reclaim(|cx| {
        device.evict.lock(cx, |_, cx| cx.signalling(|_| ()));
        cx.noio(|cx| {
            device
                .shrink
                .lock(cx, |_, cx| drop(gfp::nowait(cx).boxed(1)));
        });
    });
}

fn afterwards(cx: &mut Cx<'_, Process>, device: &Device) {
    device.unmap.lock(cx, |_, cx| cx.signalling(|_| ()));
    device.range.lock(cx, |_, cx| cx.signalling(|_| ()));
    cx.signalling(|cx| {
        device
            .complete
            .lock(cx, |_, cx| drop(gfp::nowait(cx).boxed(1)));
        device
            .retire
            .lock(cx, |_, cx| drop(gfp::nowait(cx).boxed(1)));
    });
}
