/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What only the host can see: the screen. A line `@@ask` goes to it, and its answer
 * comes from the standard input; whoever runs this by hand looks, and types `same`.
 */
#ifndef STRATA_PEERS_ASK_H
#define STRATA_PEERS_ASK_H

#include "strata.h"

/* A rectangle of the pattern, and which pattern. */
struct painted {
	uint32_t x, y, width, height, round;
};

/* scripts/strata/peers.py has the same. Neighbours differ, as do rows and rounds. */
static inline uint32_t pixel(uint32_t x, uint32_t y, uint32_t round)
{
	return (x * 0x010307 + y * 0x0b1105 + round * 0x2f1d3b) & 0xffffff;
}

/*
 * Asks what the screen shows: as much as the first rectangle covers, with the others
 * painted over it. Returns the answer, or NULL where nobody gave one.
 */
static inline const char *ask_screen(const struct painted *painted, size_t count)
{
	static char answer[256];
	size_t i, length = 0;
	ssize_t got;

	dprintf(STDOUT_FILENO, "@@ask screen");
	for (i = 0; i < count; i++)
		dprintf(STDOUT_FILENO, " %u,%u,%u,%u,%u", painted[i].x, painted[i].y,
			painted[i].width, painted[i].height, painted[i].round);
	dprintf(STDOUT_FILENO, "\n");
	do {
		got = read(STDIN_FILENO, answer + length, 1);
		length += got > 0;
	} while (got > 0 && answer[length - 1] != '\n' && length < sizeof(answer) - 1);
	if (got <= 0)
		return NULL;
	answer[length - (answer[length - 1] == '\n')] = '\0';
	return answer;
}

#define SCREEN(...) ask_screen((struct painted []){ __VA_ARGS__ }, \
			       ARRAY_SIZE(((struct painted []){ __VA_ARGS__ })))

#endif /* STRATA_PEERS_ASK_H */
