/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tick.h: what time it is, to the kernel's tick: for stamps, of which there is one a packet.  To ask for the time takes
 * a good part of what finding a flow takes; the number of ticks stands in memory.
 */
#ifndef WH_BPF_TICK_H
#define WH_BPF_TICK_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct tick {
	__u64 number; /* of ticks since the boot */
	__u64 now_ns; /* CLOCK_MONOTONIC then */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tick);
} tick SEC(".maps");

/* CLOCK_MONOTONIC, at most two ticks late: one that has begun may not show in the time yet. */
static __always_inline __u64 tick_now_ns(void)
{
	__u64 number = bpf_jiffies64();
	struct tick *last;
	__u32 zero = 0;

	last = bpf_map_lookup_elem(&tick, &zero);
	if (!last)
		return bpf_ktime_get_coarse_ns();
	if (last->number != number) {
		last->now_ns = bpf_ktime_get_coarse_ns();
		last->number = number;
	}
	return last->now_ns;
}

#endif
