// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints, as functions for Rust to call: their static keys, and the macros
 * behind TRACE_EVENT(), are C's. One that is off costs the call and a jump over
 * nothing; without CONFIG_TRACEPOINTS, the call.
 */

#define CREATE_TRACE_POINTS
#include "trace.h"

void strata_vbind_trace_submit(u64 file, u32 queue, u64 context, u64 seqno, u32 kind, u32 ops)
{
	trace_vbind_submit(file, queue, context, seqno, kind, ops);
}

void strata_vbind_trace_run(u64 context, u64 seqno, u64 waited_ns)
{
	trace_vbind_run(context, seqno, waited_ns);
}

void strata_vbind_trace_commit(u32 vm, u64 context, u64 seqno, u32 requests, u32 mapped,
			       u32 unmapped)
{
	trace_vbind_commit(vm, context, seqno, requests, mapped, unmapped);
}

void strata_vbind_trace_signal(u64 context, u64 seqno, s32 error, u64 ran_ns)
{
	trace_vbind_signal(context, seqno, error, ran_ns);
}
