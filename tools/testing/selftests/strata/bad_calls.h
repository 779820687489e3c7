/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that must fail, counted over the processes that the harness runs the tests in. */
#ifndef STRATA_BAD_CALLS_H
#define STRATA_BAD_CALLS_H

#include "strata.h"
#include "kselftest_harness.h"

static int *bad_calls;

/* Before the harness' main, and so before it forks. */
static void __attribute__((constructor)) share_bad_calls(void)
{
	bad_calls = mmap(NULL, sizeof(*bad_calls), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bad_calls == MAP_FAILED)
		abort();
}

/* What @call gives, 0 or a negative errno, must be -@error; @what names it. */
#define BAD(call, error, what) do {						\
	int ret_ = (call);							\
										\
	(*bad_calls)++;								\
	EXPECT_EQ(ret_, -(error)) TH_LOG("bad call: %s", what);			\
} while (0)

/* A number of an ioctl, or what looks like one, and its name. */
struct bad_request {
	const char *what;
	unsigned int request;
};

#define IOC(direction, type, number, size) \
	{ #direction " " #type " " #number " " #size, _IOC(direction, type, number, size) }
#define RW	(_IOC_READ | _IOC_WRITE)

/* Numbers of no call at all. */
static inline void bad_commands(struct __test_metadata *_metadata, int fd,
				const struct bad_request *commands, int count)
{
	uint8_t arg[1 << 14] = {};
	int i;

	for (i = 0; i < count; i++)
		BAD(result(ioctl(fd, commands[i].request, arg)), ENOTTY, commands[i].what);
}

/* Calls whose structure is not where they say, or not all of it. */
static inline void bad_pointers(struct __test_metadata *_metadata, int fd,
				const struct bad_request *requests, int count)
{
	uint8_t *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char what[64];
	int i, j;

	ASSERT_NE(two, MAP_FAILED);
	ASSERT_EQ(munmap(two + 4096, 4096), 0);
	void *const pointers[] = {
		NULL, (void *)8, none, two + 4096, two + 4096 - 4, two + 4096 - 7,
		(void *)(1ul << 47), (void *)(-1ul << 47), (void *)-8ul, (void *)-4096ul,
	};

	for (i = 0; i < count; i++)
		for (j = 0; j < ARRAY_SIZE(pointers); j++) {
			snprintf(what, sizeof(what), "%s at %p", requests[i].what, pointers[j]);
			BAD(result(ioctl(fd, requests[i].request, pointers[j])), EFAULT, what);
		}
}

#ifdef __x86_64__
/* The entry of 32 bit programs; what it points to must lie below 4 GiB. */
static inline long compat_ioctl(int fd, unsigned int command, void *arg)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret)
		     : "a"(54), "b"(fd), "c"(command), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/* Where the kernel has no such entry, this is a fault. */
static inline bool has_compat(void)
{
	pid_t child = fork();

	if (!child) {
		compat_ioctl(-1, 0, NULL);
		_exit(0);
	}
	return child > 0 && !wait_for(child);
}
#endif

#endif /* STRATA_BAD_CALLS_H */
