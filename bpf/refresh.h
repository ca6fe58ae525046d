/* SPDX-License-Identifier: GPL-2.0 */
/*
 * refresh.h: what every packet of a known flow leaves behind in flow and reply, and what it is paid and translated by.
 * For forward.h, and for fast.h, where nothing else is due.
 */
#ifndef WH_BPF_REFRESH_H
#define WH_BPF_REFRESH_H

#include "count.h"
#include "lane.h"
#include "tick.h"
#include "tuple.h"

/* --- out ------------------------------------------------------------------------------------------------ */

/* Whether rules or routes have changed since the kernel accepted the flow. */
static __always_inline int is_outdated(const struct wh_steer *all, const flow_t *flow)
{
	return all && flow->accepted != (__u16)all->firewall.generation && !(flow->flags & WH_FLOW_PROBE);
}

/* Whether the controller still vouches for the gateways' MACs: it lives, and knows what the kernel knows. */
static __always_inline int are_gateways_fresh(const struct wh_steer *all, __u64 now_ns)
{
	return all && now_ns < *(const volatile __u64 *)&all->gateways_until_ns;
}

/* Read once: a move on another CPU may be writing it, and what is checked is what leaves. */
static __always_inline addr_t external_read(const flow_t *flow)
{
	addr_t external;

#pragma unroll
	for (unsigned i = 0; i < ADDR_WORDS; i++)
		((__be32 *)&external)[i] = ((const volatile __be32 *)&flow->external_be)[i];
	return external;
}

/* What a segment says of its session, opening and reset apart. */
static __always_inline void tcp_note(const struct packet *p, flow_t *flow)
{
	__u8 seen = (flow->tcp & ~WH_TCP_RST) | tcp_seen(p); /* who speaks on was not reset */

	if (seen != flow->tcp)
		flow->tcp = seen;
	if (p->tcp_flags & SEGMENT_ACK)
		flow->ack_be = p->tcp_ack_be;
}

static __always_inline void flow_count(flow_t *flow, __u64 now_ns, __u32 line_len)
{
	flow->seen_ns = now_ns;
	flow->tx_packets += 1;
	flow->tx_bytes += line_len;
}

/* --- in ------------------------------------------------------------------------------------------------- */

/* What its class may receive by that WAN. 0 or -reason. */
static __always_inline int pay_received(__u32 line_len, __u32 wan, const reply_t *reply)
{
	struct wh_lane *lane = lane_of(reply->class, wan);
	__u64 leave_ns;

	return lane && lane->down.price ? rate_pay(&lane->down, line_len, bpf_ktime_get_ns(), &leave_ns) : 0;
}

static __always_inline void reply_count(const struct packet *p, __u32 wan, reply_t *reply, __u32 line_len, __u64 now_ns)
{
	reply->rx_packets += 1;
	reply->rx_bytes += line_len;
	if ((p->tcp_flags & SEGMENT_FIN) && !(p->tcp_flags & SEGMENT_SYN))
		reply->tcp |= WH_TCP_FIN;
	count_heard(reply->class, wan, line_len, now_ns);
}

static __always_inline struct rewrite reply_rewrite(const struct packet *p, const reply_t *reply)
{
	struct rewrite in = {.from_be = p->dst_be,
			     .to_be = reply->client_be,
			     .port_from_be = p->proto == PROTO_ICMP_OF_FAMILY ? p->sport_be : p->dport_be,
			     .port_to_be = reply->client_port_be,
			     .hop = !(reply->flags & WH_FLOW_KERNEL)};

	return in;
}

#endif
