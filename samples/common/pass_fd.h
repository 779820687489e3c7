/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Passing an open file to another process over a Unix socket, with some data:
 * how processes share the buffers of a file of /dev/strata-pool.
 */
#ifndef STRATA_PASS_FD_H
#define STRATA_PASS_FD_H

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Sends @length bytes and a reference to the file; errno says what went wrong. */
static inline bool send_fd(int socket, int fd, const void *data, size_t length)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec part = { .iov_base = (void *)data, .iov_len = length };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == (ssize_t)length;
}

/*
 * Receives what send_fd() sent. Returns the descriptor; -1 with @data cleared at
 * the end of the stream, or when what came is something else.
 */
static inline int receive_fd(int socket, void *data, size_t length)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { .iov_base = data, .iov_len = length };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int fd;

	memset(data, 0, length);
	if (recvmsg(socket, &message, 0) != (ssize_t)length)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

#endif /* STRATA_PASS_FD_H */
