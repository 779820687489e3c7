/* SPDX-License-Identifier: GPL-2.0 */
/* Our own exporters, beside those of the kernel. */
#ifndef STRATA_PEERS_EXPORTERS_H
#define STRATA_PEERS_EXPORTERS_H

#include <signal.h>
#include <sys/syscall.h>

#include "buffers.h"
#include "vbind_calls.h"

static inline int export_pool(const struct exporter *exporter, struct buffer *buffer)
{
	struct strata_pool_create create;
	int fd;

	buffer->owner = pool_open();
	if (buffer->owner < 0)
		return -errno;
	fd = pool_new_exported(buffer->owner, buffer->size, &create);
	buffer->id = create.id;
	return fd;
}

static inline int export_vbind(const struct exporter *exporter, struct buffer *buffer)
{
	struct strata_vbind_buffer_create create;
	struct strata_vbind_buffer_export export = {};
	int ret;

	buffer->owner = open(exporter->path, O_RDWR | O_CLOEXEC);
	if (buffer->owner < 0)
		return -errno;
	ret = vbind_buffer(buffer->owner, buffer->size, &create);
	buffer->id = export.id = create.id;
	return ret ?: result(ioctl(buffer->owner, STRATA_VBIND_BUFFER_EXPORT, &export)) ?: export.fd;
}

/*
 * Moves the one buffer that the pool exported. Returns 0 where it did; -EBUSY where
 * it had to stay, -ETIME where somebody used it for too long, or another errno.
 */
static inline int move_pool(const char *where)
{
	struct moves before, after;
	int ret = pool_moves(&before) ?: pool_move(where) ?: pool_moves(&after);

	if (ret)
		return ret;
	if (after.refused != before.refused)
		return -EBUSY;
	if (after.timed_out != before.timed_out)
		return -ETIME;
	return after.moved == before.moved + 1 ? 0 : -ENOENT;
}

static const struct exporter pool = { POOL_DEVICE, export_pool, move_pool };
static const struct exporter vbind = { VBIND_DEVICE, export_vbind, NULL };

/* Whether a child comes to wait in this system call, or has ended without. */
static inline bool sleeps_in(pid_t child, long number)
{
	char path[64], text[256];
	siginfo_t ended = {};
	long call;

	snprintf(path, sizeof(path), "/proc/%d/syscall", child);
	do {
		/* `running` where it is not blocked. */
		if (read_text(path, text, sizeof(text)) > 0 && sscanf(text, "%ld ", &call) == 1 &&
		    call == number)
			return true;
	} while (!waitid(P_PID, child, &ended, WEXITED | WNOHANG | WNOWAIT) && !ended.si_pid);
	return false;
}

#endif /* STRATA_PEERS_EXPORTERS_H */
