// SPDX-License-Identifier: GPL-2.0

//! `include/uapi/strata/pool.h`, in Rust. The header is what documents it.

use kernel::transmute::{
    AsBytes,
    FromBytes, //
};

pub(crate) const STRATA_POOL_IOC_TYPE: u32 = 0xbe;
pub(crate) const STRATA_POOL_MAX_SIZE: u64 = 1 << 32;
pub(crate) const STRATA_POOL_WILLNEED: u32 = 0;
pub(crate) const STRATA_POOL_DONTNEED: u32 = 1;

macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident($size:literal) { $($field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Clone, Copy)]
            pub(crate) struct $name {
                $(pub(crate) $field: $type,)*
            }

            // A hole would let the kernel's memory out.
            const _: () = assert!(
                core::mem::size_of::<$name>() == $size
                    && 0 $(+ core::mem::size_of::<$type>())* == $size
            );

            // SAFETY: All fields are integers: every pattern of bits is a value.
            unsafe impl FromBytes for $name {}
            // SAFETY: All fields are integers, and there are no holes between them (see above).
            unsafe impl AsBytes for $name {}
        )*
    };
}

structures! {
    /// `struct strata_pool_create`
    Create(24) {
        size: u64,
        flags: u32,
        id: u32,
        map_offset: u64,
    }

    /// `struct strata_pool_destroy`
    Destroy(8) {
        id: u32,
        flags: u32,
    }

    /// `struct strata_pool_checksum`
    Checksum(32) {
        offset: u64,
        length: u64,
        id: u32,
        flags: u32,
        crc32c: u32,
        reserved: u32,
    }

    /// `struct strata_pool_stat`
    Stat(48) {
        buffers: u64,
        bytes: u64,
        pinned: u64,
        idle: u64,
        purgeable: u64,
        flags: u32,
        reserved: u32,
    }

    /// `struct strata_pool_pin`
    Pin(8) {
        id: u32,
        flags: u32,
    }

    /// `struct strata_pool_madvise`
    Madvise(16) {
        id: u32,
        advice: u32,
        retained: u32,
        flags: u32,
    }
}
