// SPDX-License-Identifier: GPL-2.0

//! `include/uapi/strata/vbind.h`, in Rust. The header is what documents it.

pub(crate) const STRATA_VBIND_ADDRESS_MAX: u64 = 1 << 48;
pub(crate) const STRATA_VBIND_BUFFER_MAX: u64 = 1 << 30;
pub(crate) const STRATA_VBIND_QUEUES_MAX: usize = 256;
pub(crate) const STRATA_VBIND_MAPPINGS_MAX: u32 = 1 << 20;
pub(crate) const STRATA_VBIND_OPS_MAX: u32 = 1024;
pub(crate) const STRATA_VBIND_WORK_MAX: u64 = 1 << 34;
pub(crate) const STRATA_VBIND_WAITS_MAX: u32 = 256;
pub(crate) const STRATA_VBIND_BUFFERS_MAX: u32 = 4096;
pub(crate) const STRATA_VBIND_JOBS_MAX: u32 = 4096;
pub(crate) const STRATA_VBIND_BINDS_MAX: u32 = 16384;
pub(crate) const STRATA_VBIND_TIMEOUT_MAX_MS: u32 = 60_000;

pub(crate) const STRATA_VBIND_FENCE_OUT: u32 = 1;

pub(crate) const STRATA_VBIND_MAP: u32 = 1;
pub(crate) const STRATA_VBIND_UNMAP: u32 = 2;
pub(crate) const STRATA_VBIND_READ_ONLY: u32 = 1;
pub(crate) const STRATA_VBIND_SPARSE: u32 = 2;

pub(crate) const STRATA_VBIND_FILL: u32 = 1;
pub(crate) const STRATA_VBIND_COPY: u32 = 2;
pub(crate) const STRATA_VBIND_ADD: u32 = 3;
pub(crate) const STRATA_VBIND_CHECKSUM: u32 = 4;
pub(crate) const STRATA_VBIND_HANG: u32 = 5;

pub(crate) const STRATA_VBIND_IOC_TYPE: u32 = 0xbf;

strata::user_structures! {
    /// `struct strata_vbind_vm_create`
    pub(crate) struct VmCreate(24) {
        start: u64,
        size: u64,
        flags: u32,
        id: u32,
    }

    /// `struct strata_vbind_destroy`
    pub(crate) struct Destroy(8) {
        id: u32,
        flags: u32,
    }

    /// `struct strata_vbind_buffer_create`
    pub(crate) struct BufferCreate(24) {
        size: u64,
        flags: u32,
        id: u32,
        map_offset: u64,
    }

    /// `struct strata_vbind_buffer_export`
    pub(crate) struct BufferExport(16) {
        id: u32,
        flags: u32,
        fd: i32,
        reserved: u32,
    }

    /// `struct strata_vbind_buffer_import`
    pub(crate) struct BufferImport(24) {
        fd: i32,
        flags: u32,
        id: u32,
        reserved: u32,
        size: u64,
    }

    /// `struct strata_vbind_queue_create`
    pub(crate) struct QueueCreate(16) {
        vm: u32,
        flags: u32,
        timeout_ms: u32,
        id: u32,
    }

    /// `struct strata_vbind_bind_op`
    pub(crate) struct BindOp(40) {
        address: u64,
        length: u64,
        offset: u64,
        op: u32,
        flags: u32,
        buffer: u32,
        reserved: u32,
    }

    /// `struct strata_vbind_bind`
    pub(crate) struct Bind(40) {
        ops: u64,
        waits: u64,
        op_count: u32,
        wait_count: u32,
        queue: u32,
        flags: u32,
        fence: i32,
        reserved: u32,
    }

    /// `struct strata_vbind_exec_op`
    pub(crate) struct ExecOp(40) {
        dst: u64,
        src: u64,
        length: u64,
        value: u64,
        op: u32,
        flags: u32,
    }

    /// `struct strata_vbind_exec`
    pub(crate) struct Exec(48) {
        ops: u64,
        waits: u64,
        buffers: u64,
        op_count: u32,
        wait_count: u32,
        buffer_count: u32,
        queue: u32,
        flags: u32,
        fence: i32,
    }

    /// `struct strata_vbind_wait`
    pub(crate) struct Wait(16) {
        timeout_ns: u64,
        queue: u32,
        flags: u32,
    }

    /// `struct strata_vbind_stat`
    pub(crate) struct Stat(72) {
        vms: u64,
        buffers: u64,
        queues: u64,
        jobs: u64,
        mappings: u64,
        bytes: u64,
        held: u64,
        evictions: u64,
        flags: u32,
        reserved: u32,
    }
}
