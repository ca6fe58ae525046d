/* SPDX-License-Identifier: GPL-2.0 */
/*
 * count.h: counters and the passive signals.  Counting never fails and never changes a verdict.
 */
#ifndef WH_BPF_COUNT_H
#define WH_BPF_COUNT_H

#include "ctx.h"
#include "maps.h"

static __always_inline void count_reason(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&wh_reasons, &reason);

	if (count)
		*count += 1;
}

/* What a hook answers when the pipeline gave up with -reason: counted, then dropped or left to the kernel. */
static __always_inline int give_up(int negative_reason)
{
	__u32 reason = -negative_reason;

	count_reason(reason);
	return reason >= WH_REASON_FIRST_KERNEL ? VERDICT_NEXT : VERDICT_DROP;
}

static __always_inline struct wh_counters *counters_of(__u32 class, __u32 wan)
{
	__u32 row = class * WH_MAX_WANS + wan;

	return bpf_map_lookup_elem(&wh_counters, &row);
}

static __always_inline struct wh_signal *signal_of(__u32 wan)
{
	__u32 row = (WH_FAMILY == 4 ? WH_V4 : WH_V6) * WH_MAX_WANS + wan;

	return bpf_map_lookup_elem(&wh_signals, &row);
}

/* Store only when the stamp is old, so that the line is not torn between CPUs; it may also be of a finer clock. */
static __always_inline void stamp(__u64 *at, __u64 now_ns)
{
	if ((__s64)(now_ns - *(volatile __u64 *)at) > (__s64)WH_SIGNAL_GRAIN_NS)
		*(volatile __u64 *)at = now_ns;
}

static __always_inline void count_sent(__u32 class, __u32 wan, __u32 l3_len, __u64 now_ns)
{
	struct wh_counters *c = counters_of(class, wan);
	struct wh_signal *s = signal_of(wan);

	if (c) {
		c->tx_packets += 1;
		c->tx_bytes += l3_len;
	}
	if (s) {
		stamp(&s->sent_ns, now_ns);
		if (class != WH_CLASS_PROBE)
			stamp(&s->user_sent_ns, now_ns);
	}
}

static __always_inline void count_heard(__u32 class, __u32 wan, __u32 l3_len, __u64 now_ns)
{
	struct wh_counters *c = counters_of(class, wan);
	struct wh_signal *s = signal_of(wan);

	if (c) {
		c->rx_packets += 1;
		c->rx_bytes += l3_len;
	}
	if (s) {
		stamp(&s->heard_ns, now_ns);
		if (class != WH_CLASS_PROBE)
			stamp(&s->user_heard_ns, now_ns);
	}
}

#endif
