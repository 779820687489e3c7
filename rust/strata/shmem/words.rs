// SPDX-License-Identifier: GPL-2.0

//! What is in pages that are held: the words that a job works on.

use super::Held;
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::size_of,
    ptr::NonNull, //
};
use kernel::{
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
};

const WORD: usize = size_of::<u64>();

/// Some words of one page that is held.
///
/// User space that maps the memory may write them at any moment, and so may other jobs: each word is
/// loaded and stored as a whole, and what is between two accesses is theirs.
///
/// # Invariants
///
/// `first` is the first of `count` aligned words, which are valid for `'h`, and which the kernel
/// accesses as this does.
#[derive(Clone, Copy)]
pub struct Words<'h> {
    first: NonNull<u64>,
    count: usize,
    _held: PhantomData<&'h Held>,
}

impl Held {
    /// The words from byte `offset` on, `length` bytes of one page.
    ///
    /// # Context
    ///
    /// Any. C: `page_address()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are none, if they do not lie in one page that is held, or are not whole.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::prelude::*;
    /// use strata::shmem::Shmem;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let memory = Shmem::new(cx, c"example", 4096)?;
    /// let held = memory.pages(cx)?;
    /// for word in held.words(64, 16)?.iter() {
    ///     word.store(word.load() + 1);
    /// }
    /// assert!(held.words(4096, 8).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn words(&self, offset: u64, length: usize) -> Result<Words<'_>> {
        let index = usize::try_from(offset >> PAGE_SHIFT).map_err(|_| EINVAL)?;
        let start = offset as usize % PAGE_SIZE;
        let fits = length <= PAGE_SIZE - start;
        if length == 0 || !fits || start % WORD != 0 || length % WORD != 0 {
            return Err(EINVAL);
        }
        let page = *self.pages.get(index).ok_or(EINVAL)?;
        self.touch();
        // SAFETY: By the type invariants of `Held` it is a page, which is referenced.
        let address = unsafe { bindings::page_bytes(page) };
        // SAFETY: `start` lies in the page.
        let first = unsafe { address.cast::<u8>().add(start) };
        // INVARIANT: A page is there while it is held, is aligned, and has that many words.
        Ok(Words {
            first: NonNull::new(first.cast()).ok_or(EINVAL)?,
            count: length / WORD,
            _held: PhantomData,
        })
    }
}

impl<'h> Words<'h> {
    /// Each of them, upwards.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = Word<'h>> {
        (0..self.count).map(move |index| Word {
            // SAFETY: By the type invariants there are so many.
            word: unsafe { self.first.add(index) },
            _held: PhantomData,
        })
    }

    /// Folds them into a CRC-32C.
    ///
    /// # Context
    ///
    /// Any. C: `crc32c()`.
    pub fn crc32c(self, crc: u32) -> u32 {
        // SAFETY: By the type invariants they are valid.
        unsafe { bindings::crc32c_bytes(crc, self.first.as_ptr().cast(), self.count * WORD) }
    }
}

/// One of [`Words`].
///
/// # Invariants
///
/// As those of [`Words`].
#[derive(Clone, Copy)]
pub struct Word<'h> {
    word: NonNull<u64>,
    _held: PhantomData<&'h Held>,
}

impl Word<'_> {
    /// What it is. C: `READ_ONCE()`.
    #[inline]
    pub fn load(self) -> u64 {
        // SAFETY: By the type invariants it is valid, and accessed in this way.
        unsafe { self.word.read_volatile() }
    }

    /// Makes it `value`. C: `WRITE_ONCE()`.
    #[inline]
    pub fn store(self, value: u64) {
        // SAFETY: By the type invariants it is valid, and accessed in this way.
        unsafe { self.word.write_volatile(value) }
    }
}
