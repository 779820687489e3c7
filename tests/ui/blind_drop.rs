// SPDX-License-Identifier: GPL-2.0

//! Not seen by the types: what is dropped takes no token, though dropping it may sleep, free large
//! memory or wait for others. Hand such values to a work item.

use kernel::{
    alloc::KVVec,
    prelude::*, //
};
use strata::{
    cx::Reclaim,
    dev::{
        debugfs,
        misc, //
    },
    prelude::*,
    shrinker::{
        Registration,
        Shrinker, //
    },
    sync::ReclaimSpinLock, //
};

fn scan<D: misc::Device>(_cx: &mut Cx<'_, Reclaim>, device: Pin<KBox<misc::Registration<D>>>) {
    drop(device);
}

fn unregister<T: Shrinker>(_cx: &mut Cx<'_, Reclaim>, shrinker: Registration<T>) {
    drop(shrinker);
}

fn hide<F: debugfs::File>(cx: &mut Cx<'_, Process>, entry: debugfs::Entry<F>) {
    cx.signalling(|_| drop(entry));
}

fn shrink(cx: &mut Cx<'_, Process>, table: &ReclaimSpinLock<KVVec<u64>>) {
    table.lock(cx, |table, _| drop(core::mem::take(table)));
}
