/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slow.h: what no BPF program can do is handed to the controller (include/wanhelm/slow.h): cutting a packet up, and
 * keeping one waiting.
 */
#ifndef WH_BPF_SLOW_H
#define WH_BPF_SLOW_H

#include "maps.h"
#include "packet.h"
#include "scratch.h"

/* Copy the packet from `from` on into the ring, with `head` before it. 0 or -reason. */
static __always_inline int slow_give(struct __sk_buff *skb, const struct wh_slow *head, __u32 from)
{
	struct scratch *scratch = scratch_get();
	__u64 len = ctx_len(skb) - from;

	if (!scratch)
		return -WH_REASON_SLOW_FULL;
	/* 1 to WH_SLOW_FRAME_MAX, in words that older verifiers follow. */
	asm volatile("%0 += -1" : "+r"(len));
	if (len > WH_SLOW_FRAME_MAX - 1)
		return -WH_REASON_TOO_BIG;
	asm volatile("%0 += 1" : "+r"(len));
	scratch->slow = *head;
	scratch->slow.len = len;
	if (bpf_skb_load_bytes(skb, from, scratch->bytes + sizeof(*head), len))
		return -WH_REASON_MALFORMED;
	return bpf_ringbuf_output(&wh_slow, scratch, sizeof(*head) + len, 0) ? -WH_REASON_SLOW_FULL : 0;
}

/* Translated, and its Ethernet header written where the target has one: leaves in pieces. A verdict or -reason. */
COLD int slow_fragment(struct __sk_buff *skb, __u32 ifindex, __u32 l2_len, __u32 mtu)
{
	struct wh_slow head = {.task = WH_SLOW_FRAGMENT, .ifindex = ifindex, .mtu = mtu, .l2_len = l2_len};
	int reason = slow_give(skb, &head, l2_len ? 0 : wh_l2_len);

	return reason ? reason : VERDICT_DROP; /* its copy goes on */
}

COLD int slow_orphan(struct __sk_buff *skb, __u32 wan)
{
	struct wh_slow head = {.task = WH_SLOW_ORPHAN, .ifindex = ctx_ifindex(skb), .wan = wan, .l2_len = wh_l2_len};

	return slow_give(skb, &head, 0);
}

#endif
