/* SPDX-License-Identifier: GPL-2.0 */
/* clock.h: the clocks, in nanoseconds. */
#ifndef WANHELM_LIB_CLOCK_H
#define WANHELM_LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

#define WH_NS_PER_MS 1000000ULL
#define WH_NS_PER_S 1000000000ULL

static inline uint64_t wh_clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * WH_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* For everything that is compared: the data plane's own clock, unmoved by steps of the wall clock. */
static inline uint64_t wh_now_ns(void)
{
	return wh_clock_ns(CLOCK_MONOTONIC);
}

#endif
