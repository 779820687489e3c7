// SPDX-License-Identifier: GPL-2.0

//! What is in a buffer that is mapped into the kernel: system memory, or that of a device.
//!
//! Devices, user space and other drivers may write at any moment. So there is no slice and no reference
//! to it: it is copied, or loaded and stored word by word, and what is between two accesses is theirs.
//!
//! C: [`include/linux/iosys-map.h`](srctree/include/linux/iosys-map.h).

use super::access::{
    AccessMode,
    Readable,
    Writable, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;

/// The contents of a buffer, for as long as they are mapped and handed over to the CPU for `M`.
///
/// # Context
///
/// All of it: any. It copies without a break, so that long copies are to be cut into pieces.
///
/// # Invariants
///
/// For `'a`, `length` bytes are mapped at `start`: as those of a device if `io` is set, else as memory.
pub struct Bytes<'a, M> {
    start: *mut u8,
    io: bool,
    length: usize,
    _mapped: PhantomData<&'a ()>,
    _mode: PhantomData<M>,
}

impl<M: AccessMode> Bytes<'_, M> {
    /// # Safety
    ///
    /// For as long as the value lives, so many bytes must be mapped there, of that kind.
    pub(super) unsafe fn new(start: *mut u8, io: bool, length: usize) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            start,
            io,
            length,
            _mapped: PhantomData,
            _mode: PhantomData,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Where `length` bytes from `offset` on are.
    ///
    /// # Errors
    ///
    /// `EINVAL` if they do not lie inside.
    fn at(&self, offset: usize, length: usize) -> Result<*mut u8> {
        let end = offset.checked_add(length).ok_or(EINVAL)?;
        if end > self.length {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants so much is mapped.
        Ok(unsafe { self.start.add(offset) })
    }

    /// Where a word is.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it does not lie inside, or is not aligned to its size.
    fn word<W>(&self, offset: usize) -> Result<*mut u8> {
        let word = self.at(offset, size_of::<W>())?;
        if word.addr() % size_of::<W>() != 0 {
            return Err(EINVAL);
        }
        Ok(word)
    }

    /// Copies out what is from `offset` on.
    ///
    /// C: `iosys_map_memcpy_from()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it does not lie inside; nothing was copied then.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result
    where
        M: Readable,
    {
        let from = self.at(offset, to.len())?;
        // SAFETY: So much is mapped there, of that kind, and may be written in the slice.
        unsafe { bindings::iosys_read(to.as_mut_ptr().cast(), from.cast(), self.io, to.len()) };
        Ok(())
    }

    /// Copies in, from `offset` on.
    ///
    /// C: `iosys_map_memcpy_to()`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn write(&self, offset: usize, from: &[u8]) -> Result
    where
        M: Writable,
    {
        let to = self.at(offset, from.len())?;
        // SAFETY: So much is mapped there, of that kind.
        unsafe { bindings::iosys_write(to.cast(), self.io, from.as_ptr().cast(), from.len()) };
        Ok(())
    }

    /// Makes `length` bytes from `offset` on `value`.
    ///
    /// C: `iosys_map_memset()`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn fill(&self, offset: usize, length: usize, value: u8) -> Result
    where
        M: Writable,
    {
        let to = self.at(offset, length)?;
        // SAFETY: So much is mapped there, of that kind.
        unsafe { bindings::iosys_fill(to.cast(), self.io, value, length) };
        Ok(())
    }

    /// Loads a word, as a whole. Of a device's memory, in little endian.
    ///
    /// C: `READ_ONCE()`, `readl()`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and for one that is not aligned.
    pub fn load(&self, offset: usize) -> Result<u32>
    where
        M: Readable,
    {
        let word = self.word::<u32>(offset)?;
        // SAFETY: It is mapped there, of that kind, and aligned.
        Ok(unsafe { bindings::iosys_load(word.cast(), self.io) })
    }

    /// Stores a word, as a whole. In a device's memory, in little endian.
    ///
    /// C: `WRITE_ONCE()`, `writel()`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn store(&self, offset: usize, value: u32) -> Result
    where
        M: Writable,
    {
        let word = self.word::<u32>(offset)?;
        // SAFETY: As in `load`.
        unsafe { bindings::iosys_store(word.cast(), self.io, value) };
        Ok(())
    }

    /// As [`load`](Self::load), 64 bits. Of a device's memory on a machine of 32 bits, the lower half
    /// first.
    ///
    /// C: `READ_ONCE()`, `lo_hi_readq()`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_u64(&self, offset: usize) -> Result<u64>
    where
        M: Readable,
    {
        let word = self.word::<u64>(offset)?;
        // SAFETY: As in `load`.
        Ok(unsafe { bindings::iosys_load64(word.cast(), self.io) })
    }

    /// As [`store`](Self::store), 64 bits. In a device's memory on a machine of 32 bits, the lower
    /// half first.
    ///
    /// C: `WRITE_ONCE()`, `lo_hi_writeq()`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn store_u64(&self, offset: usize, value: u64) -> Result
    where
        M: Writable,
    {
        let word = self.word::<u64>(offset)?;
        // SAFETY: As in `load`.
        unsafe { bindings::iosys_store64(word.cast(), self.io, value) };
        Ok(())
    }

    /// Folds `length` bytes from `offset` on into a CRC-32C.
    ///
    /// C: `crc32c()`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn crc32c(&self, crc: u32, offset: usize, length: usize) -> Result<u32>
    where
        M: Readable,
    {
        let from = self.at(offset, length)?;
        // SAFETY: So much is mapped there, of that kind.
        Ok(unsafe { bindings::iosys_crc32c(crc, from.cast(), self.io, length) })
    }
}
