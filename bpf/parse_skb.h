/* SPDX-License-Identifier: GPL-2.0 */
/* parse_skb.h: one look at a packet's headers, whatever they are. */
#ifndef WH_BPF_PARSE_SKB_H
#define WH_BPF_PARSE_SKB_H

#include "parse.h"
#if WH_FAMILY == 4
#include "ip4_skb.h"
#else
#include "ip6_skb.h"
#endif

/*
 * 0 with *p filled, -WH_REASON_* else; the addresses are there also for WH_REASON_KERNEL_PROTO.  Of a later
 * fragment only the IP header is known.
 */
static __always_inline int parse(struct __sk_buff *skb, struct packet *p)
{
	__u32 l4_at = 0, l4_len = 0;
	int reason;

	if (!ctx_is_family(skb))
		return -WH_REASON_KERNEL_PROTO;
	reason = parse_ip(skb, p, &l4_at, &l4_len);
	if (reason)
		return reason;
	if (wh_l2_len) {
		struct ethhdr *eth = ctx_data(skb);

		if ((void *)(eth + 1) > ctx_end(skb))
			return -WH_REASON_MALFORMED;
		read_macs(eth, p);
	}
	if (p->kind == PACKET_LATER_FRAGMENT)
		return 0;
	return parse_l4(p, ctx_data(skb) + l4_at, l4_len, ctx_end(skb));
}

#endif
