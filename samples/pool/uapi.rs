// SPDX-License-Identifier: GPL-2.0

//! `include/uapi/strata/pool.h`, in Rust. The header is what documents it.

pub(crate) const STRATA_POOL_IOC_TYPE: u32 = 0xbe;
pub(crate) const STRATA_POOL_MAX_SIZE: u64 = 1 << 32;
pub(crate) const STRATA_POOL_WILLNEED: u32 = 0;
pub(crate) const STRATA_POOL_DONTNEED: u32 = 1;
pub(crate) const STRATA_POOL_COPY_OUT: u32 = 1;

strata::user_structures! {
    /// `struct strata_pool_create`
    pub(crate) struct Create(24) {
        size: u64,
        flags: u32,
        id: u32,
        map_offset: u64,
    }

    /// `struct strata_pool_destroy`
    pub(crate) struct Destroy(8) {
        id: u32,
        flags: u32,
    }

    /// `struct strata_pool_checksum`
    pub(crate) struct Checksum(32) {
        offset: u64,
        length: u64,
        id: u32,
        flags: u32,
        crc32c: u32,
        reserved: u32,
    }

    /// `struct strata_pool_stat`
    pub(crate) struct Stat(48) {
        buffers: u64,
        bytes: u64,
        pinned: u64,
        idle: u64,
        purgeable: u64,
        flags: u32,
        reserved: u32,
    }

    /// `struct strata_pool_pin`
    pub(crate) struct Pin(8) {
        id: u32,
        flags: u32,
    }

    /// `struct strata_pool_madvise`
    pub(crate) struct Madvise(16) {
        id: u32,
        advice: u32,
        retained: u32,
        flags: u32,
    }

    /// `struct strata_pool_export`
    pub(crate) struct Export(16) {
        id: u32,
        flags: u32,
        fd: i32,
        reserved: u32,
    }

    /// `struct strata_pool_copy`
    pub(crate) struct Copy(40) {
        offset: u64,
        foreign_offset: u64,
        length: u64,
        id: u32,
        fd: i32,
        flags: u32,
        reserved: u32,
    }
}
