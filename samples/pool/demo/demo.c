// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of /dev/strata-pool at work: producers fill them with data, consumers
 * map and verify them.
 *
 * Each producer has a file of its own.  It creates a buffer, maps and fills it,
 * and sends the file's descriptor, the buffer's id and its checksum over a
 * socket.  A consumer computes the checksum by itself from its own mapping, asks
 * the kernel for it, and answers; then the producer destroys the buffer.  No byte
 * of the data is ever copied between the processes.
 *
 * What the pool does when there is more of it than may be is in phases.c.
 */

#include <getopt.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <strata/pool.h>

#include "crc32c.h"
#include "demo.h"
#include "pass_fd.h"
#include "phases.h"

/* What goes over the socket, with the descriptor beside it. */
struct parcel {
	struct strata_pool_create buffer;
	uint32_t producer;
	uint32_t crc;
};

/* What all processes count, each its own. */
struct tally {
	uint64_t buffers;
	uint64_t bytes;
	uint64_t mappings;
	uint64_t mismatches;
	uint64_t errors;
};

struct options {
	unsigned int pairs;
	unsigned int buffers;
	unsigned int kilobytes;
};

static int produce(const struct options *options, unsigned int number, int socket,
		   struct tally *tally)
{
	uint64_t size = (uint64_t)options->kilobytes << 10;
	struct parcel parcel = { .producer = number };
	unsigned int i;
	char answer;
	void *map;
	int fd;

	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail(DEVICE);
	for (i = 0; i < options->buffers; i++) {
		struct strata_pool_destroy destroy = { 0 };

		parcel.buffer = (struct strata_pool_create){ .size = size };
		if (ioctl(fd, STRATA_POOL_CREATE, &parcel.buffer))
			return fail("creating a buffer");
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			   parcel.buffer.map_offset);
		if (map == MAP_FAILED)
			return fail("mapping a buffer");
		generate(map, size, ((uint64_t)number << 32) + i);
		parcel.crc = crc32c(map, size);
		munmap(map, size);

		if (!send_fd(socket, fd, &parcel, sizeof(parcel)) || read(socket, &answer, 1) != 1)
			return fail("sending a buffer");
		destroy.id = parcel.buffer.id;
		if (ioctl(fd, STRATA_POOL_DESTROY, &destroy))
			return fail("destroying a buffer");
		tally->buffers++;
		tally->bytes += size;
		tally->mappings++;
	}
	return 0;
}

static void verify(int fd, const struct parcel *parcel, struct tally *tally)
{
	struct strata_pool_checksum checksum = {
		.id = parcel->buffer.id, .length = parcel->buffer.size,
	};
	void *map = mmap(NULL, parcel->buffer.size, PROT_READ, MAP_SHARED, fd,
			 parcel->buffer.map_offset);
	uint32_t seen;

	if (map == MAP_FAILED || ioctl(fd, STRATA_POOL_CHECKSUM, &checksum)) {
		tally->errors++;
		fail("verifying a buffer");
		return;
	}
	seen = crc32c(map, parcel->buffer.size);
	munmap(map, parcel->buffer.size);
	if (seen != parcel->crc || checksum.crc32c != parcel->crc) {
		fprintf(stderr, "pool_demo: buffer %u of producer %u: written %08x, seen %08x, kernel %08x\n",
			parcel->buffer.id, parcel->producer, parcel->crc, seen, checksum.crc32c);
		tally->mismatches++;
	}
	tally->buffers++;
	tally->bytes += parcel->buffer.size;
	tally->mappings++;
}

static int consume(int socket, struct tally *tally)
{
	struct parcel parcel;
	int fd;

	while ((fd = receive_fd(socket, &parcel, sizeof(parcel))) >= 0) {
		verify(fd, &parcel, tally);
		close(fd);
		if (write(socket, "x", 1) != 1)
			return fail("answering");
	}
	return tally->errors || tally->mismatches;
}

/* One of each for each pair, over one socket. Returns how many were started. */
static unsigned int start(const struct options *options, struct tally *tallies)
{
	unsigned int i;
	int sockets[2];

	for (i = 0; i < options->pairs; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
			fail("socketpair");
			return 2 * i;
		}
		switch (fork()) {
		case -1:
			fail("fork");
			return 2 * i;
		case 0:
			close(sockets[1]);
			_exit(produce(options, i, sockets[0], &tallies[2 * i]));
		}
		switch (fork()) {
		case -1:
			fail("fork");
			return 2 * i + 1;
		case 0:
			close(sockets[0]);
			_exit(consume(sockets[1], &tallies[2 * i + 1]));
		}
		close(sockets[0]);
		close(sockets[1]);
	}
	return 2 * i;
}

/* Prints the figures; whether all is as it should be. */
static bool report(const struct options *options, const struct tally *tallies,
		   unsigned int failed, double elapsed)
{
	struct tally written = { 0 }, read = { 0 };
	uint64_t expected = (uint64_t)options->pairs * options->buffers;
	double megabytes;
	unsigned int i;

	for (i = 0; i < 2 * options->pairs; i++) {
		struct tally *sum = i % 2 ? &read : &written;

		sum->buffers += tallies[i].buffers;
		sum->bytes += tallies[i].bytes;
		sum->mappings += tallies[i].mappings;
		sum->mismatches += tallies[i].mismatches;
		sum->errors += tallies[i].errors;
	}
	megabytes = read.bytes / 1048576.0;
	printf("processes: %u producers, %u consumers\n", options->pairs, options->pairs);
	printf("buffers filled: %llu of %u KiB\n", (unsigned long long)written.buffers,
	       options->kilobytes);
	printf("buffers verified: %llu, by the consumer and by the kernel\n",
	       (unsigned long long)read.buffers);
	printf("data shared: %.1f MiB, without a copy\n", megabytes);
	printf("mappings: %llu\n", (unsigned long long)(written.mappings + read.mappings));
	printf("time: %.1f s, %.0f MiB/s\n", elapsed, megabytes / (elapsed > 0 ? elapsed : 1));
	printf("mismatches: %llu\n", (unsigned long long)read.mismatches);
	if (failed || read.errors)
		printf("failures: %llu\n", (unsigned long long)(failed + read.errors));
	return !failed && !read.errors && !read.mismatches && written.buffers == expected &&
	       read.buffers == expected;
}

static void print_help(FILE *out)
{
	fprintf(out,
		"usage: pool_demo [-p PAIRS] [-n BUFFERS] [-s KIB]\n"
		"Producers fill buffers of " DEVICE ", consumers verify them; then a\n"
		"table of what the pool does at its limit.\n"
		"  -p, --pairs N     producers, and as many consumers (default 4)\n"
		"  -n, --buffers N   buffers of each producer (default 64)\n"
		"  -s, --size KIB    size of a buffer (default 1024)\n"
		"  -h, --help        print this\n"
		"Prints figures as `key: value`, and the table; the status is 0 if every byte\n"
		"was right.\n");
}

static void parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "pairs", required_argument, NULL, 'p' },
		{ "buffers", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "p:n:s:h", names, NULL)) != -1)
		switch (option) {
		case 'p':
			options->pairs = parse_number(optarg, 1000);
			break;
		case 'n':
			options->buffers = parse_number(optarg, 1000000);
			break;
		case 's':
			options->kilobytes = parse_number(optarg, STRATA_POOL_MAX_SIZE >> 10);
			break;
		case 'h':
			print_help(stdout);
			exit(0);
		default:
			print_help(stderr);
			exit(2);
		}
	if (optind < argc || ((uint64_t)options->kilobytes << 10) % sysconf(_SC_PAGESIZE)) {
		print_help(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options options = { .pairs = 4, .buffers = 64, .kilobytes = 1024 };
	unsigned int started, failed;
	struct tally *tallies;
	uint64_t begin;
	int status;
	bool good;

	parse(argc, argv, &options);
	tallies = mmap(NULL, 2 * options.pairs * sizeof(*tallies), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tallies == MAP_FAILED)
		return fail("mmap");

	begin = nanoseconds();
	started = start(&options, tallies);
	failed = 2 * options.pairs - started;
	while (wait(&status) > 0)
		failed += status != 0;
	good = report(&options, tallies, failed, (nanoseconds() - begin) * 1e-9);
	return show_phases() && good ? 0 : 1;
}
