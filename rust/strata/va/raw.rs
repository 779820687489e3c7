// SPDX-License-Identifier: GPL-2.0

//! The calls into C: a `struct strata_va_sequence`.

use crate::{
    bindings,
    cx::Rank,
    maple::{
        MapleTree,
        Mode,
        Spin,
        Value, //
    }, //
};
use kernel::{
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// A time at which nothing is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u32);

/// Tells readers without the lock whether what they read was there at one moment.
#[pin_data]
pub(super) struct Sequence {
    #[pin]
    count: Opaque<bindings::strata_va_sequence>,
}

// SAFETY: It is a count, and a pointer for lockdep.
unsafe impl Send for Sequence {}
// SAFETY: Readers only read it, and writers hold a lock.
unsafe impl Sync for Sequence {}

impl Sequence {
    /// That of a tree, whose lock its writers hold.
    ///
    /// # Safety
    ///
    /// `tree` must be pinned, and live as long as the sequence.
    pub(super) unsafe fn new<V: Value, R: Rank, M: Mode<V>>(
        tree: &MapleTree<V, Spin<R>, M>,
    ) -> impl PinInit<Self> {
        let tree = tree.as_tree();
        pin_init!(Self {
            count <- Opaque::ffi_init(move |count| {
                // SAFETY: The memory is valid for writes, and the caller promises the rest.
                unsafe { bindings::va_init(count, tree) };
            }),
        })
    }

    /// What `f` returns, once it ran from one end to the other while nothing was written.
    ///
    /// It is told the moment: as long as that is the same, nothing was. In an interrupt there is one
    /// between any two requests of a commit as well.
    #[inline(always)]
    pub(super) fn read<T>(&self, mut f: impl FnMut(Moment) -> T) -> T {
        loop {
            // SAFETY: It is initialised.
            let moment = unsafe { bindings::va_read_begin(self.count.get()) };
            let value = f(Moment(moment));
            // SAFETY: As above.
            if !unsafe { bindings::va_read_retry(self.count.get(), moment) } {
                return value;
            }
        }
    }

    /// Lets readers that are in no interrupt wait until the result is dropped.
    ///
    /// # Safety
    ///
    /// For as long as the result lives, the caller holds the tree's lock and writes nothing else.
    pub(super) unsafe fn write(&self) -> Writing<'_> {
        // SAFETY: By the caller's promise.
        unsafe { bindings::va_write_begin(self.count.get()) };
        Writing(self)
    }

    /// Lets all readers wait until the result is dropped, with interrupts off: not for long.
    ///
    /// # Safety
    ///
    /// The result of [`write`](Self::write) lives for longer than this one's.
    pub(super) unsafe fn store(&self) -> Storing<'_> {
        // SAFETY: By the caller's promise the lock is held.
        let flags = unsafe { bindings::va_store_begin(self.count.get()) };
        Storing {
            sequence: self,
            flags,
            _cpu: NotThreadSafe,
        }
    }
}

/// Readers wait.
pub(super) struct Writing<'a>(&'a Sequence);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // SAFETY: It was begun when the value was made.
        unsafe { bindings::va_write_end(self.0.count.get()) };
    }
}

/// Readers in interrupts wait too, and there are no interrupts here.
pub(super) struct Storing<'a> {
    sequence: &'a Sequence,
    flags: usize,
    _cpu: NotThreadSafe,
}

impl Drop for Storing<'_> {
    fn drop(&mut self) {
        // SAFETY: It was begun when the value was made, on this CPU, which returned the flags.
        unsafe { bindings::va_store_end(self.sequence.count.get(), self.flags) };
    }
}
