// SPDX-License-Identifier: GPL-2.0

//! User memory, as an entry point is handed it.
//!
//! Every access may fault, and the fault handler takes the mmap lock: so every access wants a token
//! that stands before it. Nothing is read twice behind the caller's back: a value that is read is a
//! copy, and what user space changes afterwards changes nothing.
//!
//! C: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h).

use crate::cx::{
    Before,
    Cx,
    MaySleep,
    MmapHeld, //
};
use kernel::{
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// A range of user memory, not yet looked at.
#[derive(Clone, Copy)]
pub struct UserRange {
    address: usize,
    length: usize,
}

impl UserRange {
    /// A range that user space named. It is checked when it is used.
    pub fn new(address: usize, length: usize) -> Self {
        Self { address, length }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn slice(&self) -> UserSlice {
        UserSlice::new(UserPtr::from_addr(self.address), self.length)
    }

    /// Copies a value in from the start of the range.
    ///
    /// # Context
    ///
    /// Anything before [`MmapHeld`] that may sleep: it may fault. C: `copy_from_user()`.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the range is too short or cannot be read.
    pub fn read<T, L, S>(&self, _cx: &mut Cx<'_, L, S>) -> Result<T>
    where
        T: FromBytes,
        L: Before<MmapHeld>,
        S: MaySleep,
    {
        self.slice().reader().read()
    }

    /// Copies a value out to the start of the range.
    ///
    /// # Context
    ///
    /// Anything before [`MmapHeld`] that may sleep: it may fault. C: `copy_to_user()`.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the range is too short or cannot be written; a part of the value may have been.
    pub fn write<T, L, S>(&self, _cx: &mut Cx<'_, L, S>, value: &T) -> Result
    where
        T: AsBytes,
        L: Before<MmapHeld>,
        S: MaySleep,
    {
        self.slice().writer().write(value)
    }

    /// Copies bytes in from the start of the range, as many as `buffer` and the range have.
    ///
    /// # Context
    ///
    /// Anything before [`MmapHeld`] that may sleep: it may fault. C: `copy_from_user()`.
    ///
    /// # Errors
    ///
    /// `EFAULT` if they cannot be read.
    pub fn read_bytes<'b, L, S>(
        &self,
        _cx: &mut Cx<'_, L, S>,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8]>
    where
        L: Before<MmapHeld>,
        S: MaySleep,
    {
        let length = buffer.len().min(self.length);
        let bytes = buffer.get_mut(..length).ok_or(EFAULT)?;
        self.slice().reader().read_slice(bytes)?;
        Ok(bytes)
    }

    /// Copies all of the range in: a text that user space wrote.
    ///
    /// # Context
    ///
    /// As [`read_bytes`](Self::read_bytes).
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is longer than `buffer`; `EFAULT` if it cannot be read.
    pub fn read_text<'b, L, S>(
        &self,
        cx: &mut Cx<'_, L, S>,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8]>
    where
        L: Before<MmapHeld>,
        S: MaySleep,
    {
        if self.length > buffer.len() {
            return Err(EINVAL);
        }
        self.read_bytes(cx, buffer)
    }
}
