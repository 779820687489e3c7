// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps one mapping of a device and nothing else, for unload.sh:
 *
 *	hold DEVICE [KIB]
 *
 * opens it, maps a page (or as much as it says), fills it, closes the device, prints
 * "held", and when its standard input ends looks whether the memory is as it was,
 * and unmaps it. On the pool it is that of a new buffer.
 */

#include "strata.h"

int main(int argc, char **argv)
{
	struct strata_pool_create buffer = {};
	uint32_t crc;
	void *map;
	char byte;
	int fd;

	buffer.size = argc == 3 ? strtoull(argv[2], NULL, 10) << 10 : page_size();
	if (argc < 2 || argc > 3 || !buffer.size) {
		fprintf(stderr, "usage: %s DEVICE [KIB]\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	if (!strcmp(argv[1], POOL_DEVICE) && pool_create(fd, buffer.size, &buffer)) {
		perror("create");
		return 1;
	}
	map = pool_map(fd, &buffer, PROT_READ | PROT_WRITE);
	if (map == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	fill(map, buffer.size, 5);
	crc = crc32c(map, buffer.size);
	close(fd);
	puts("held");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	/* Whatever became of the module, the memory is ours. */
	if (crc32c(map, buffer.size) != crc) {
		fprintf(stderr, "the memory changed\n");
		return 1;
	}
	memset(map, 0x5a, buffer.size);
	return munmap(map, buffer.size) ? 1 : 0;
}
