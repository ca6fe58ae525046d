/* SPDX-License-Identifier: GPL-2.0 */
/* random.h: random bytes that a printed seed repeats; WH_SEED=N runs that one again. */
#ifndef WANHELM_TESTS_RANDOM_H
#define WANHELM_TESTS_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

/* For cmocka: the set-up of a group whose tests need random bytes. */
static inline int seed(void **state)
{
	const char *given = getenv("WH_SEED");
	uint64_t value = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

	(void)state;
	printf("WH_SEED=%llu\n", (unsigned long long)value);
	random_state = value * 0x9e3779b97f4a7c15ULL | 1;
	return 0;
}

/* xorshift64: the same rounds everywhere for the same seed. */
static inline uint32_t pick(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16) % below;
}

static inline void fill(uint8_t *bytes, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)pick(256);
}

#endif
