/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CRC-32C (Castagnoli) in user space, to compare with what the kernel computes.
 * Written out on its own: it must not share a mistake with the kernel's.
 */
#ifndef STRATA_CRC32C_H
#define STRATA_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* x^32 + x^28 + x^27 + x^26 + x^25 + x^23 + ..., lowest bit first. */
#define CRC32C_POLY	0x82f63b78u
#define CRC32C_SLICES	8

static inline const uint32_t (*crc32c_tables(void))[256]
{
	static uint32_t tables[CRC32C_SLICES][256];
	uint32_t crc;
	int i, bit;

	if (tables[0][1])
		return tables;
	for (i = 255; i >= 0; i--) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLY : 0);
		tables[0][i] = crc;
	}
	for (i = 0; i < 256; i++)
		for (bit = 1; bit < CRC32C_SLICES; bit++) {
			crc = tables[bit - 1][i];
			tables[bit][i] = crc >> 8 ^ tables[0][crc & 0xff];
		}
	return tables;
}

/* Continues @crc over @length bytes, eight at a time; without the inversions. */
static inline uint32_t crc32c_update(uint32_t crc, const void *data, size_t length)
{
	const uint32_t (*t)[256] = crc32c_tables();
	const uint8_t *p = data;

	for (; length >= 8; length -= 8, p += 8) {
		crc ^= p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
		crc = t[7][crc & 0xff] ^ t[6][crc >> 8 & 0xff] ^
		      t[5][crc >> 16 & 0xff] ^ t[4][crc >> 24] ^
		      t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
	}
	while (length--)
		crc = crc >> 8 ^ t[0][(crc ^ *p++) & 0xff];
	return crc;
}

static inline uint32_t crc32c(const void *data, size_t length)
{
	return ~crc32c_update(~0u, data, length);
}

/* Applies a linear map of 32 bits, given by what it makes of each bit. */
static inline uint32_t crc32c_apply(const uint32_t map[32], uint32_t bits)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; bits; i++, bits >>= 1)
		if (bits & 1)
			sum ^= map[i];
	return sum;
}

/*
 * The CRC-32C of @length zero bytes in logarithmic time: a zero bit is a linear
 * map, and twice as many are that map applied to itself.
 */
static inline uint32_t crc32c_zeros(uint64_t length)
{
	uint32_t map[32], twice[32], crc = ~0u;
	int i, doubling;

	for (i = 0; i < 32; i++)
		map[i] = (1u << i) >> 1 ^ (i == 0 ? CRC32C_POLY : 0);
	/* Three doublings make a byte of a bit. */
	for (doubling = 0; doubling < 3 || length; doubling++) {
		if (doubling >= 3) {
			if (length & 1)
				crc = crc32c_apply(map, crc);
			length >>= 1;
		}
		for (i = 0; i < 32; i++)
			twice[i] = crc32c_apply(map, map[i]);
		for (i = 0; i < 32; i++)
			map[i] = twice[i];
	}
	return ~crc;
}

#endif /* STRATA_CRC32C_H */
