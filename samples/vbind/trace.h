/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of /dev/strata-vbind: what becomes of a job, from its submission to
 * its fence. The fence's context:seqno is what the events of a job have in common.
 */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM strata_vbind

#if !defined(STRATA_VBIND_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define STRATA_VBIND_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

#ifndef TRACE_HEADER_MULTI_READ
/* What trace.rs declares once more. */
void strata_vbind_trace_submit(u64 file, u32 queue, u64 context, u64 seqno, u32 kind, u32 ops);
void strata_vbind_trace_run(u64 context, u64 seqno, u64 waited_ns);
void strata_vbind_trace_commit(u32 vm, u64 context, u64 seqno, u32 requests, u32 mapped,
			       u32 unmapped);
void strata_vbind_trace_signal(u64 context, u64 seqno, s32 error, u64 ran_ns);
#endif

/* A job was published: from here on its fence will be signalled. */
TRACE_EVENT(vbind_submit,
	TP_PROTO(u64 file, u32 queue, u64 context, u64 seqno, u32 kind, u32 ops),
	TP_ARGS(file, queue, context, seqno, kind, ops),
	TP_STRUCT__entry(
		__field(u64, file)
		__field(u64, context)
		__field(u64, seqno)
		__field(u32, queue)
		__field(u32, kind)
		__field(u32, ops)
	),
	TP_fast_assign(
		__entry->file = file;
		__entry->context = context;
		__entry->seqno = seqno;
		__entry->queue = queue;
		__entry->kind = kind;
		__entry->ops = ops;
	),
	TP_printk("fence=%llu:%llu file=%llu queue=%u kind=%s ops=%u",
		  __entry->context, __entry->seqno, __entry->file, __entry->queue,
		  __print_symbolic(__entry->kind, { 0, "bind" }, { 1, "exec" }), __entry->ops)
);

/* All that the job was to wait for is signalled: a worker begins with it. */
TRACE_EVENT(vbind_run,
	TP_PROTO(u64 context, u64 seqno, u64 waited_ns),
	TP_ARGS(context, seqno, waited_ns),
	TP_STRUCT__entry(
		__field(u64, context)
		__field(u64, seqno)
		__field(u64, waited_ns)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->seqno = seqno;
		__entry->waited_ns = waited_ns;
	),
	TP_printk("fence=%llu:%llu waited=%lluns",
		  __entry->context, __entry->seqno, __entry->waited_ns)
);

/* A job to bind has changed the address space: all of its requests at once. */
TRACE_EVENT(vbind_commit,
	TP_PROTO(u32 vm, u64 context, u64 seqno, u32 requests, u32 mapped, u32 unmapped),
	TP_ARGS(vm, context, seqno, requests, mapped, unmapped),
	TP_STRUCT__entry(
		__field(u64, context)
		__field(u64, seqno)
		__field(u32, vm)
		__field(u32, requests)
		__field(u32, mapped)
		__field(u32, unmapped)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->seqno = seqno;
		__entry->vm = vm;
		__entry->requests = requests;
		__entry->mapped = mapped;
		__entry->unmapped = unmapped;
	),
	TP_printk("fence=%llu:%llu vm=%u requests=%u mapped=%u unmapped=%u",
		  __entry->context, __entry->seqno, __entry->vm, __entry->requests,
		  __entry->mapped, __entry->unmapped)
);

/* The job has ended, and so it is told to who waits for it. */
TRACE_EVENT(vbind_signal,
	TP_PROTO(u64 context, u64 seqno, s32 error, u64 ran_ns),
	TP_ARGS(context, seqno, error, ran_ns),
	TP_STRUCT__entry(
		__field(u64, context)
		__field(u64, seqno)
		__field(u64, ran_ns)
		__field(s32, error)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->seqno = seqno;
		__entry->ran_ns = ran_ns;
		__entry->error = error;
	),
	TP_printk("fence=%llu:%llu error=%d ran=%lluns",
		  __entry->context, __entry->seqno, __entry->error, __entry->ran_ns)
);

#endif /* STRATA_VBIND_TRACE_H */

/* Read again by the following: outside of the guard, found through -I in Kbuild. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
