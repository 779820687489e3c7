// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps one mapping of a device and nothing else, for unload.sh:
 *
 *	hold DEVICE [KIB [export]]
 *
 * opens it, maps a page (or as much as it says), fills it, closes the device, prints
 * "held", and when its standard input ends looks whether the memory is as it was,
 * and unmaps it. On the pool and on vbind it is that of a new buffer. With "export"
 * it is mapped as a dma-buf of the pool.
 */

#include "pool_export.h"
#include "vbind_calls.h"

/* A device that has no buffers is mapped from its beginning. */
static int create(const char *device, int fd, uint64_t size, uint64_t *offset)
{
	struct strata_vbind_buffer_create vbind;
	struct strata_pool_create pool;
	int ret = 0;

	*offset = 0;
	if (!strcmp(device, POOL_DEVICE)) {
		ret = pool_create(fd, size, &pool);
		*offset = pool.map_offset;
	} else if (!strcmp(device, VBIND_DEVICE)) {
		ret = vbind_buffer(fd, size, &vbind);
		*offset = vbind.map_offset;
	}
	return ret;
}

/* In the place of the device there is a new dma-buf of it, which nobody else has. */
static int export(int *fd, uint64_t size)
{
	struct strata_pool_create buffer;
	int buf = pool_new_exported(*fd, size, &buffer);

	if (buf < 0)
		return buf;
	close(*fd);
	*fd = buf;
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t size, offset;
	uint32_t crc;
	void *map;
	char byte;
	int fd;

	size = argc >= 3 ? strtoull(argv[2], NULL, 10) << 10 : page_size();
	if (argc < 2 || argc > 4 || !size || (argc == 4 && strcmp(argv[3], "export"))) {
		fprintf(stderr, "usage: %s DEVICE [KIB [export]]\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	offset = 0;
	if (argc == 4 ? export(&fd, size) : create(argv[1], fd, size, &offset)) {
		perror("create");
		return 1;
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (map == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	fill(map, size, 5);
	crc = crc32c(map, size);
	close(fd);
	puts("held");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	/* Whatever became of the module, the memory is ours. */
	if (crc32c(map, size) != crc) {
		fprintf(stderr, "the memory changed\n");
		return 1;
	}
	memset(map, 0x5a, size);
	return munmap(map, size) ? 1 : 0;
}
