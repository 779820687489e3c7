// SPDX-License-Identifier: GPL-2.0
/*
 * The entry points of Strata, by the test module strata_entry: each mints its
 * token, runs all that the token allows, and counts it.
 */

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "strata.h"
#include "kselftest_harness.h"

#define ENTRY_DEVICE	"/dev/strata-entry"
#define ENTRY_DEBUGFS	"/sys/kernel/debug/strata-entry/"
#define ENTRY_EXERCISE	_IO(0xbf, 0)
#define ENTRY_ECHO	_IOWR(0xbf, 1, __u64)

static const char *const entries[] = {
	"init", "open", "release", "ioctl", "mmap", "show", "write", "work",
};
enum { INIT, OPEN, RELEASE, IOCTL, MMAP, SHOW, WRITE, WORK, ENTRIES };

static const char *const steps[] = {
	"kernel", "nofs", "noio", "atomic", "mmap_read", "reclaim", "notifier",
	"signalling", "ranks", "nested",
};
enum { STEPS = 10 };

/* What the file `tokens` says. */
struct tokens {
	long entry[ENTRIES];
	struct { long passed, skipped, failed; } step[STEPS];
};

static int read_tokens(struct tokens *tokens)
{
	FILE *file = fopen(ENTRY_DEBUGFS "tokens", "r");
	char name[32];
	int i;

	if (!file)
		return -errno;
	for (i = 0; i < ENTRIES; i++)
		if (fscanf(file, " entry %31s %ld", name, &tokens->entry[i]) != 2 ||
		    strcmp(name, entries[i]))
			goto unexpected;
	for (i = 0; i < STEPS; i++)
		if (fscanf(file, " step %31s %ld %ld %ld", name, &tokens->step[i].passed,
			   &tokens->step[i].skipped, &tokens->step[i].failed) != 4 ||
		    strcmp(name, steps[i]))
			goto unexpected;
	fclose(file);
	return 0;
unexpected:
	fclose(file);
	return -EPROTO;
}

static int command(const char *text)
{
	int fd = open(ENTRY_DEBUGFS "control", O_WRONLY), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) == strlen(text) ? 0 : -errno;
	close(fd);
	return ret;
}

FIXTURE(entry)
{
	struct tokens before;
	/* What the test expects to be added. */
	long expected[ENTRIES];
	/* How many of these ran in a task without an mm. */
	long without_mm;
};

FIXTURE_SETUP(entry)
{
	if (access(ENTRY_DEVICE, F_OK))
		SKIP(return, "no " ENTRY_DEVICE ": is strata_entry loaded?");
	ASSERT_EQ(read_tokens(&self->before), 0);
}

FIXTURE_TEARDOWN(entry)
{
	long runs = 0, passed, skipped;
	struct tokens after;
	int i;

	if (access(ENTRY_DEVICE, F_OK))
		return;
	self->expected[SHOW]++;
	ASSERT_EQ(read_tokens(&after), 0);
	for (i = 0; i < ENTRIES; i++) {
		EXPECT_EQ(after.entry[i] - self->before.entry[i], self->expected[i])
			TH_LOG("entry point %s", entries[i]);
		/* Under the mmap lock there are other steps. */
		if (i != MMAP)
			runs += self->expected[i];
	}
	for (i = 0; i < STEPS; i++) {
		bool wants_mm = !strcmp(steps[i], "mmap_read") || !strcmp(steps[i], "notifier");

		passed = after.step[i].passed - self->before.step[i].passed;
		skipped = after.step[i].skipped - self->before.step[i].skipped;
		EXPECT_EQ(passed + skipped, runs) TH_LOG("step %s", steps[i]);
		EXPECT_EQ(skipped, wants_mm ? self->without_mm : 0) TH_LOG("step %s", steps[i]);
		EXPECT_EQ(after.step[i].failed, 0) TH_LOG("step %s", steps[i]);
	}
}

TEST_F(entry, init_ran)
{
	EXPECT_EQ(self->before.entry[INIT], 1);
}

TEST_F(entry, file_is_opened_and_released)
{
	int fd = open(ENTRY_DEVICE, O_RDWR), same = dup(fd);

	ASSERT_GE(fd, 0);
	ASSERT_GE(same, 0);
	close(fd);
	close(same);
	self->expected[OPEN] = 1;
	self->expected[RELEASE] = 1;
}

TEST_F(entry, ioctl)
{
	int fd = open(ENTRY_DEVICE, O_RDWR);
	__u64 value = 41;

	ASSERT_GE(fd, 0);
	EXPECT_EQ(ioctl(fd, ENTRY_EXERCISE), 0);
	EXPECT_EQ(ioctl(fd, ENTRY_ECHO, &value), 0);
	EXPECT_EQ(value, 42);
	EXPECT_EQ(ioctl(fd, ENTRY_ECHO, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(fd, _IO(0xbf, 2)), -1);
	EXPECT_EQ(errno, ENOTTY);
	close(fd);
	self->expected[OPEN] = 1;
	self->expected[RELEASE] = 1;
	self->expected[IOCTL] = 1;
}

TEST_F(entry, mapping_keeps_the_file)
{
	int fd = open(ENTRY_DEVICE, O_RDWR);
	struct tokens tokens;
	char *map;

	ASSERT_GE(fd, 0);
	map = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(map, MAP_FAILED);
	close(fd);
	snprintf(map, page_size(), "still mapped");
	ASSERT_EQ(read_tokens(&tokens), 0);
	EXPECT_EQ(tokens.entry[RELEASE], self->before.entry[RELEASE]);
	EXPECT_STREQ(map, "still mapped");
	ASSERT_EQ(munmap(map, page_size()), 0);
	self->expected[OPEN] = 1;
	self->expected[MMAP] = 1;
	self->expected[RELEASE] = 1;
	self->expected[SHOW] = 1;
}

/* Runs with a file open, and ends as `end` says. */
static void leave_file_open(struct __test_metadata *_metadata, int end)
{
	int pipes[2], status;
	pid_t child;
	char byte;

	ASSERT_EQ(pipe(pipes), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		if (open(ENTRY_DEVICE, O_RDWR) < 0 || write(pipes[1], "x", 1) != 1)
			_exit(1);
		if (!end)
			_exit(0);
		for (;;)
			pause();
	}
	ASSERT_EQ(read(pipes[0], &byte, 1), 1);
	if (end)
		ASSERT_EQ(kill(child, end), 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, end);
}

TEST_F(entry, release_at_exit_has_no_mm)
{
	leave_file_open(_metadata, 0);
	leave_file_open(_metadata, SIGKILL);
	self->expected[OPEN] = 2;
	self->expected[RELEASE] = 2;
	self->without_mm = 2;
}

TEST_F(entry, debugfs_write)
{
	EXPECT_EQ(command("exercise"), 0);
	EXPECT_EQ(command("exercise\n"), 0);
	self->expected[WRITE] = 2;
}

TEST_F(entry, debugfs_refuses_nonsense)
{
	static const char *const nonsense[] = {
		"", " ", "exercises", "work", "work ", "work x", "work -1", "work 10001",
		"work 99999999999999999999", "drop it", "\xff\xfe",
		"0123456789012345678901234567890123456789",
	};
	int fd = open(ENTRY_DEBUGFS "control", O_WRONLY), i;

	ASSERT_GE(fd, 0);
	for (i = 0; i < ARRAY_SIZE(nonsense); i++) {
		EXPECT_EQ(write(fd, nonsense[i], strlen(nonsense[i])), -1)
			TH_LOG("\"%s\"", nonsense[i]);
		EXPECT_EQ(errno, EINVAL) TH_LOG("\"%s\"", nonsense[i]);
	}
	EXPECT_EQ(write(fd, "exercise\0", 9), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(write(fd, (void *)-4096ul, 8), -1);
	EXPECT_EQ(errno, EFAULT);
	close(fd);

	/* Root may open it so; there is nothing that could be written to. */
	fd = open(ENTRY_DEBUGFS "tokens", O_WRONLY);
	if (fd >= 0)
		EXPECT_EQ(write(fd, "x", 1), -1);
	close(fd);
}

TEST_F(entry, work_items_run)
{
	const int count = 50;
	int i;

	for (i = 0; i < count; i++)
		ASSERT_EQ(command("work 0"), 0);
	ASSERT_EQ(command("flush"), 0);
	self->expected[WORK] = count;
	self->without_mm = count;
}

TEST_F(entry, flush_waits_for_work)
{
	struct timespec begin, end;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	ASSERT_EQ(command("work 300"), 0);
	ASSERT_EQ(command("flush"), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) * 1e-9;
	EXPECT_GE(seconds, 0.3);
	self->expected[WORK] = 1;
	self->without_mm = 1;
}

TEST_F(entry, file_removed_while_open)
{
	int fd = open(ENTRY_DEBUGFS "victim", O_RDONLY);
	char text[16] = "";

	ASSERT_GE(fd, 0);
	EXPECT_EQ(read(fd, text, 3), 3);
	EXPECT_EQ(command("drop"), 0);
	EXPECT_EQ(command("drop"), -ENOENT);
	/* What it showed is freed: neither the rest nor anything else is seen. */
	EXPECT_EQ(read(fd, text, sizeof(text)), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(pread(fd, text, sizeof(text), 0), -1);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), -1);
	EXPECT_EQ(open(ENTRY_DEBUGFS "victim", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOENT);
	/* Another of the same name is another file. */
	EXPECT_EQ(command("make"), 0);
	EXPECT_EQ(pread(fd, text, sizeof(text), 0), -1);
	EXPECT_EQ(errno, EIO);
	close(fd);
	fd = open(ENTRY_DEBUGFS "victim", O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(read(fd, text, sizeof(text)), 6);
	close(fd);
}

/* Reads the victim again and again: it is whole, or an error. */
static int read_victims(void)
{
	for (;;) {
		int fd = open(ENTRY_DEBUGFS "victim", O_RDONLY);
		char text[16] = "";
		ssize_t length;

		if (fd < 0) {
			if (errno != ENOENT && errno != EIO)
				return 1;
			usleep(1000);
			continue;
		}
		length = read(fd, text, sizeof(text));
		if (length < 0 ? errno != EIO : strcmp(text, "alive\n"))
			return 2;
		close(fd);
	}
}

TEST_F_TIMEOUT(entry, files_removed_while_read, 120)
{
	pid_t children[4];
	int i, status;

	for (i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		ASSERT_GE(children[i], 0);
		if (!children[i])
			_exit(read_victims());
	}
	for (i = 0; i < 10; i++) {
		usleep(1000 * (i * 13 % 50));
		/* Waits for the readers that are inside. */
		ASSERT_EQ(command("drop"), 0);
		ASSERT_EQ(command("make"), 0);
		ASSERT_EQ(command("make"), -EEXIST);
	}
	for (i = 0; i < ARRAY_SIZE(children); i++) {
		EXPECT_EQ(waitpid(children[i], &status, WNOHANG), 0) TH_LOG("ended early: %x", status);
		kill(children[i], SIGKILL);
		waitpid(children[i], &status, 0);
	}
}

TEST_HARNESS_MAIN
