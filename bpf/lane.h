/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lane.h: what a class's packets undergo on one WAN (include/wanhelm/lane.h): forward.h asks for the rate before a packet
 * is changed, and has it marked after.
 */
#ifndef WH_BPF_LANE_H
#define WH_BPF_LANE_H

#include "maps.h"
#include "packet.h"

/* So often two CPUs may meet at one word before a packet passes unpaid. */
#define RATE_TRIES 4

static __always_inline struct wh_lane *lane_of(__u32 class, __u32 wan)
{
	__u32 row = class * WH_MAX_WANS + wan;

	return bpf_map_lookup_elem(&wh_lanes, &row);
}

/*
 * Let a packet of `len` bytes pass and have it paid for: 0 or -reason.  *leave_ns is set where it is to wait for its time.
 */
COLD int rate_pay(struct wh_rate *rate, __u32 len, __u64 now_ns, __u64 *leave_ns)
{
	__u64 cost_ns, paid_ns, from_ns;

	if (!rate || !leave_ns)
		return 0;
	cost_ns = (__u64)len * rate->price >> WH_RATE_SHIFT;
	for (int i = 0; i < RATE_TRIES; i++) {
		paid_ns = *(volatile __u64 *)&rate->paid_ns;
		from_ns = now_ns - rate->burst_ns;
		if ((__s64)(paid_ns - from_ns) > 0)
			from_ns = paid_ns;
		if ((__s64)(from_ns + cost_ns - now_ns) > (__s64)rate->wait_ns)
			return -WH_REASON_RATE;
		if (__sync_val_compare_and_swap(&rate->paid_ns, paid_ns, from_ns + cost_ns) != paid_ns)
			continue;
		*leave_ns = rate->wait_ns && (__s64)(from_ns - now_ns) > 0 ? from_ns : 0;
		return 0;
	}
	return 0;
}

#endif
