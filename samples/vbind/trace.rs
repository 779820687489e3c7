// SPDX-License-Identifier: GPL-2.0

//! Tracepoints, which perf and ftrace read: `trace.h` has their fields, `trace.c` the functions.
//!
//! They take integers alone, so that nothing is gathered for one that is off. A fence is named by
//! its context and seqno.

// SAFETY: As `trace.h` declares them. They neither sleep nor allocate, and take no lock that an
// interrupt does not take: each may be called in any context, with any values.
unsafe extern "C" {
    /// A job was published: `ops` operations of `kind`, which is 0 to bind and 1 to execute.
    ///
    /// # Context
    ///
    /// Any.
    #[link_name = "strata_vbind_trace_submit"]
    pub(crate) safe fn submit(file: u64, queue: u32, context: u64, seqno: u64, kind: u32, ops: u32);

    /// A worker begins with a job, `waited_ns` after its submission.
    ///
    /// # Context
    ///
    /// Any.
    #[link_name = "strata_vbind_trace_run"]
    pub(crate) safe fn run(context: u64, seqno: u64, waited_ns: u64);

    /// A job's `requests` were committed together: `mapped` mappings are new, `unmapped` are gone.
    ///
    /// # Context
    ///
    /// Any.
    #[link_name = "strata_vbind_trace_commit"]
    pub(crate) safe fn commit(
        vm: u32,
        context: u64,
        seqno: u64,
        requests: u32,
        mapped: u32,
        unmapped: u32,
    );

    /// A job has ended, `ran_ns` after it began, with a negative errno or 0.
    ///
    /// # Context
    ///
    /// Any.
    #[link_name = "strata_vbind_trace_signal"]
    pub(crate) safe fn signal(context: u64, seqno: u64, error: i32, ran_ns: u64);
}

/// A job that changes the address space, for [`submit`].
pub(crate) const BIND: u32 = 0;
/// A job that works in it.
pub(crate) const EXEC: u32 = 1;
