/* SPDX-License-Identifier: GPL-2.0 */
/*
 * count.h: what the data plane counts per CPU.  Row class * WH_MAX_WANS + wan of wh_counters; the probes'
 * rows follow those of the classes under WH_CLASS_PROBE.
 */
#ifndef WANHELM_COUNT_H
#define WANHELM_COUNT_H

#include "abi.h"

#define WH_COUNTER_ROWS ((WH_MAX_CLASSES + 1) * WH_MAX_WANS)

struct wh_counters {
	__u64 tx_packets; /* out by this WAN */
	__u64 tx_bytes;	  /* L3 bytes */
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 new_flows;
	__u64 moved; /* flows that came to this WAN from one that may not keep them */
	__u64 reset; /* flows on this WAN answered with a RST by the data plane */
	__u64 pad;
};

_Static_assert(sizeof(struct wh_counters) == 64, "one cache line");

#endif
