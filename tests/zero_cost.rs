// SPDX-License-Identifier: GPL-2.0

//! What the order costs: pairs of functions that must compile to the same instructions, one written
//! on Strata (`with_*`) and one on the kernel's own crate (`plain_*`).
//!
//! Not linked into anything: scripts/strata/objects.py compiles it for a kernel without lockdep and
//! compares the object's functions, two by two.

use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*,
    sync::{
        Mutex,
        SpinLock, //
    },
    types::Opaque, //
};
use strata::{
    maple::{
        Exclusive,
        MapleTree,
        Number, //
    },
    prelude::*,
    sync::{
        NotifierMutex,
        ReclaimMutex,
        ReclaimSpinLock,
        SignalSpinLock, //
    },
};

#[no_mangle]
pub fn with_mutex(lock: &ReclaimMutex<u64>, cx: &mut Cx<'_, Process>) -> u64 {
    lock.lock(cx, |value, _| {
        *value = value.wrapping_add(1);
        *value
    })
}

#[no_mangle]
pub fn plain_mutex(lock: &Mutex<u64>, _cx: &mut ()) -> u64 {
    let mut value = lock.lock();
    *value = value.wrapping_add(1);
    *value
}

#[no_mangle]
pub fn with_mutex_trylock(lock: &ReclaimMutex<u64>, cx: &mut Cx<'_, Process>) -> bool {
    lock.try_lock(cx, |value, _| *value = value.wrapping_add(1))
        .is_some()
}

#[no_mangle]
pub fn plain_mutex_trylock(lock: &Mutex<u64>, _cx: &mut ()) -> bool {
    lock.try_lock()
        .map(|mut value| *value = value.wrapping_add(1))
        .is_some()
}

#[no_mangle]
pub fn with_spinlock(lock: &ReclaimSpinLock<u64>, cx: &mut Cx<'_, Process>) -> u64 {
    lock.lock(cx, |value, _| {
        *value = value.wrapping_add(1);
        *value
    })
}

#[no_mangle]
pub fn plain_spinlock(lock: &SpinLock<u64>, _cx: &mut ()) -> u64 {
    let mut value = lock.lock();
    *value = value.wrapping_add(1);
    *value
}

#[no_mangle]
pub fn with_nested_locks(
    outer: &ReclaimMutex<u64>,
    middle: &NotifierMutex<u64>,
    inner: &SignalSpinLock<u64>,
    cx: &mut Cx<'_, Process>,
) {
    outer.lock(cx, |outer, cx| {
        middle.lock(cx, |middle, cx| {
            inner.lock(cx, |inner, _| *inner = outer.wrapping_add(*middle));
        });
    });
}

#[no_mangle]
pub fn plain_nested_locks(
    outer: &Mutex<u64>,
    middle: &Mutex<u64>,
    inner: &SpinLock<u64>,
    _cx: &mut (),
) {
    let outer = outer.lock();
    let middle = middle.lock();
    let mut inner = inner.lock();
    *inner = outer.wrapping_add(*middle);
}

#[no_mangle]
pub fn with_atomic_section(value: &mut u64, cx: &mut Cx<'_, Process>) {
    cx.atomic(|_| *value = value.wrapping_add(1));
}

#[no_mangle]
pub fn plain_atomic_section(value: &mut u64, _cx: &mut ()) {
    *value = value.wrapping_add(1);
}

#[no_mangle]
pub fn with_reclaim(value: &mut u64, cx: &mut Cx<'_, Process>) {
    cx.reclaim(|_| *value = value.wrapping_add(1));
}

#[no_mangle]
pub fn plain_reclaim(value: &mut u64, _cx: &mut ()) {
    *value = value.wrapping_add(1);
}

/// The only trace of a signalling section: a NOIO scope.
#[no_mangle]
pub fn with_signalling(value: &mut u64, cx: &mut Cx<'_, Process>) {
    cx.signalling(|_| *value = value.wrapping_add(1));
}

#[no_mangle]
pub fn plain_signalling(value: &mut u64, cx: &mut Cx<'_, Process>) {
    cx.noio(|_| *value = value.wrapping_add(1));
}

#[no_mangle]
pub fn with_alloc(cx: &mut Cx<'_, Process>) -> Option<KBox<u64>> {
    cx.alloc(1).ok()
}

#[no_mangle]
pub fn plain_alloc(_cx: &mut ()) -> Option<KBox<u64>> {
    KBox::new(1, GFP_KERNEL).ok()
}

#[no_mangle]
pub fn with_alloc_in_section(cx: &mut Cx<'_, Process, Atomic>) -> Option<KBox<u64>> {
    cx.atomic(|cx| gfp::nowait(cx).boxed(1).ok())
}

#[no_mangle]
pub fn plain_alloc_in_section(_cx: &mut ()) -> Option<KBox<u64>> {
    KBox::new(1, GFP_NOWAIT).ok()
}

extern "C" {
    fn strata_helper_maple_lock(tree: *mut bindings::maple_tree);
    fn strata_helper_maple_unlock(tree: *mut bindings::maple_tree);
}

#[no_mangle]
pub fn with_tree_lock(tree: &MapleTree<Number>, cx: &mut Cx<'_, Process>, value: &mut u64) {
    tree.lock(cx, |_, _| *value = value.wrapping_add(1));
}

#[no_mangle]
pub fn plain_tree_lock(tree: &Opaque<bindings::maple_tree>, _cx: &mut (), value: &mut u64) {
    // SAFETY: Not linked into anything.
    unsafe { strata_helper_maple_lock(tree.get()) };
    *value = value.wrapping_add(1);
    // SAFETY: As above.
    unsafe { strata_helper_maple_unlock(tree.get()) };
}

/// Modes, ranges and values are types; a slot that is reserved reads as empty (`XA_ZERO_ENTRY`).
#[no_mangle]
pub fn with_tree_load(tree: Pin<&mut MapleTree<Number, Exclusive>>, index: usize) -> Option<usize> {
    tree.exclusive().load(index).map(Number::get)
}

#[no_mangle]
pub fn plain_tree_load(tree: &Opaque<bindings::maple_tree>, index: usize) -> Option<usize> {
    let mut state = bindings::ma_state {
        tree: tree.get(),
        index,
        last: index,
        max: usize::MAX,
        status: bindings::maple_status_ma_start,
        ..const { pin_init::zeroed() }
    };
    // SAFETY: Not linked into anything.
    let entry = NonNull::new(unsafe { bindings::mas_walk(&mut state) });
    let value = entry.filter(|entry| entry.as_ptr().addr() != 1030)?;
    Some(value.as_ptr().addr() >> 1)
}
