// SPDX-License-Identifier: GPL-2.0

//! Legal: one set with groups after several levels, whose locks nest from the first to the last.

use strata::{
    lock_class,
    prelude::*,
    sync::Mutex, //
};

mod ranks {
    strata::ranks! {
        after Process:
        /// Held over allocations.
        pub(super) Config,
        pub(super) Firmware;

        after NoIo:
        pub(super) Evict;

        after ReclaimLock:
        pub(super) Table,
        pub(super) Buffer;

        after Signalling:
        pub(super) Done,
    }
}

struct Device {
    config: Mutex<u32, ranks::Config>,
    firmware: Mutex<u32, ranks::Firmware>,
    evict: Mutex<u32, ranks::Evict>,
    table: Mutex<u32, ranks::Table>,
    buffer: Mutex<u32, ranks::Buffer>,
    done: Mutex<u32, ranks::Done>,
}

fn all(cx: &mut Cx<'_, Process>, device: &Device) -> Result<(), gfp::NoMemory<u32>> {
    device.config.lock(cx, |_, cx| {
        device.firmware.lock(cx, |_, cx| {
            drop(cx.alloc(1)?);
            device.evict.lock(cx, |_, cx| {
                device.table.lock(cx, |_, cx| {
                    device.buffer.lock(cx, |_, cx| {
                        device.done.lock(cx, |count, _| *count += 1);
                    });
                });
            });
            Ok(())
        })
    })
}

fn tried(cx: &mut Cx<'_, Process>, device: &Device) {
    device.table.lock(cx, |_, cx| {
        device.config.try_lock(cx, |_, cx| {
            device.buffer.lock(cx, |count, _| *count += 1);
        });
    });
}

fn classes() -> [&'static kernel::str::CStr; 2] {
    [
        lock_class!(ranks::Table, "by path").name(),
        lock_class!(crate::ranks::Buffer, "from the crate").name(),
    ]
}
