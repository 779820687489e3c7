// SPDX-License-Identifier: GPL-2.0

//! User memory, as an entry point is handed it.
//!
//! Every access may fault, and the fault handler takes the mmap lock: so every access wants a token
//! that stands before it. Nothing is read twice behind the caller's back: a value that is read is a
//! copy, and what user space changes afterwards changes nothing.
//!
//! C: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h).

use crate::{
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        MmapHeld, //
    },
    gfp,
};
use kernel::{
    alloc::KVVec,
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

    /// Copies all values in that the range has room for, and `most` at most.
    ///
    /// # Context
    ///
    /// As [`read`](Self::read), and allocates with `GFP_KERNEL`. C: `copy_from_user()`.
    ///
    /// # Errors
    ///
    /// `E2BIG` for more than `most` of them, which is asked before anything is allocated; `EFAULT` if
    /// the range ends within a value or cannot be read; `ENOMEM`.
    pub fn read_array<T, L, S>(&self, cx: &mut Cx<'_, L, S>, most: usize) -> Result<KVVec<T>>
    where
        T: FromBytes,
        L: Before<MmapHeld> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        let size = const {
            assert!(core::mem::size_of::<T>() != 0);
            core::mem::size_of::<T>()
        };
        let count = self.length / size;
        if count > most {
            return Err(E2BIG);
        }
        if count * size != self.length {
            return Err(EFAULT);
        }
        let mut values = gfp::kernel(cx).large_vec(count)?;
        let mut reader = self.slice().reader();
        for _ in 0..count {
            let value = reader.read()?;
            // There is room.
            values.push_within_capacity(value).map_err(|_| ENOMEM)?;
        }
        Ok(values)
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

/// Declares the structures of a uapi header, each with its size: integers without holes between
/// them, which [`UserRange`] copies in and out.
///
/// # Examples
///
/// ```
/// strata::user_structures! {
///     /// `struct example`
///     pub struct Example(16) {
///         size: u64,
///         id: u32,
///         flags: u32,
///     }
/// }
///
/// let example = Example { size: 4096, id: 1, flags: 0 };
/// assert_eq!(example.size, 4096);
/// ```
#[macro_export]
macro_rules! user_structures {
    ($($(#[$doc:meta])* $vis:vis struct $name:ident($size:literal) {
        $($field:ident: $type:ty,)*
    })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Clone, Copy)]
            $vis struct $name {
                $($vis $field: $type,)*
            }

            const _: () = {
                const fn integer<T: $crate::dev::user::Integer>() {}
                $(integer::<$type>();)*

                // A hole would let the kernel's memory out.
                ::core::assert!(
                    ::core::mem::size_of::<$name>() == $size
                        && 0 $(+ ::core::mem::size_of::<$type>())* == $size
                );
            };

            // SAFETY: All fields are integers: every pattern of bits is a value.
            unsafe impl $crate::__kernel::transmute::FromBytes for $name {}
            // SAFETY: All fields are integers, and there are no holes between them (see above).
            unsafe impl $crate::__kernel::transmute::AsBytes for $name {}
        )*
    };
}

/// What the fields of [`user_structures!`](crate::user_structures) are: those of `linux/types.h`.
///
/// # Safety
///
/// Every pattern of its bits is a value, and none of them is padding.
#[doc(hidden)]
pub unsafe trait Integer {}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(
            // SAFETY: It is an integer.
            unsafe impl Integer for $integer {}
        )*
    };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);
