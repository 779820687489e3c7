// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps one mapping of a device and nothing else, for unload.sh:
 *
 *	hold DEVICE
 *
 * opens it, maps a page, closes it, prints "held", and unmaps when its standard
 * input ends. On the pool the page is that of a new buffer.
 */

#include "strata.h"

int main(int argc, char **argv)
{
	struct strata_pool_create buffer = { .size = page_size() };
	void *map;
	char byte;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	if (!strcmp(argv[1], POOL_DEVICE) && pool_create(fd, page_size(), &buffer)) {
		perror("create");
		return 1;
	}
	map = pool_map(fd, &buffer, PROT_READ | PROT_WRITE);
	if (map == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	close(fd);
	puts("held");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	/* The module must still be there to be called, and the memory ours. */
	memset(map, 0x5a, page_size());
	return munmap(map, page_size()) ? 1 : 0;
}
