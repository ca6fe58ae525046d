/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lane.h: what a class's packets undergo on one WAN: how much of them passes, and how they are marked.  Row
 * class * WH_MAX_WANS + wan of wh_lanes, as in wh_counters.
 *
 * A rate is kept as the generic cell rate algorithm has it (ITU-T I.371 annex A), the token bucket turned round: one
 * word says until when what has passed is paid for.  It is changed by compare-and-exchange, so CPUs share it without a
 * lock, and nothing runs while nothing is sent.
 */
#ifndef WANHELM_LANE_H
#define WANHELM_LANE_H

#include "abi.h"

#define WH_LANE_ROWS (WH_MAX_CLASSES * WH_MAX_WANS)

/* Price of a byte: nanoseconds in units of 1/1024, exact to a thousandth up to 8 Gbit/s. */
#define WH_RATE_SHIFT 10

struct wh_rate {
	__u64 paid_ns;	/* CLOCK_MONOTONIC; the data plane's */
	__u32 price;	/* of a byte of L3; 0: no limit */
	__u32 burst_ns; /* how far behind the clock paid_ns may be: what may pass at once after a rest */
	__u32 wait_ns; /* how far ahead of it: what is over the rate leaves so much later, by an fq qdisc; 0: is dropped */
	__u32 pad;
};

struct wh_lane {
	struct wh_rate up; /* out by the WAN */
	struct wh_rate down;
	__u8 marks; /* 1: `dscp` is written into what leaves */
	__u8 dscp;
	__u8 pad[14];
};

_Static_assert(sizeof(struct wh_rate) == 24 && sizeof(struct wh_lane) == 64, "one cache line");

#endif
