/* SPDX-License-Identifier: GPL-2.0 */
/*
 * forward.h: a packet whose flow is known goes on: counted, translated, sent.
 */
#ifndef WH_BPF_FORWARD_H
#define WH_BPF_FORWARD_H

#include "flow.h"

/* The client's MAC changed (another box took its address): its answers go to the new one. */
static __always_inline void learn_client_mac4(struct __sk_buff *skb, const struct packet4 *p, const struct route4 *r)
{
	struct wh_flow4_key key = flow_key4(p);
	struct wh_reply4_key reply_key = reply_key4(&key, r->flow->external_be, r->pin);
	struct wh_reply4 *reply = bpf_map_lookup_elem(&wh_replies4, &reply_key);

	if (reply) {
		copy_source_mac(skb, reply->client_mac);
		r->flow->mac_tag = p->mac_tag;
	}
}

static __always_inline void flow_refresh4(struct __sk_buff *skb, const struct packet4 *p, const struct route4 *r)
{
	struct wh_flow4 *flow = r->flow;

	flow->seen_ns = r->now_ns;
	flow->tx_packets += 1;
	flow->tx_bytes += p->l3_len;
	if (p->proto == IPPROTO_TCP) {
		__u8 seen = tcp_seen(p);

		if (is_tcp_opening(p))
			flow->tcp = seen; /* a new session under an old tuple */
		else if ((flow->tcp | seen) != flow->tcp)
			flow->tcp |= seen;
		flow->ack_be = p->tcp_ack_be;
	}
	if (flow->mac_tag != p->mac_tag)
		learn_client_mac4(skb, p, r);
}

/* From the LAN (or the prober) out by the flow's WAN. */
static __always_inline int forward_out4(struct __sk_buff *skb, const struct packet4 *p, const struct route4 *r)
{
	struct rewrite4 out = {.from_be = p->src_be,
			       .to_be = r->flow->external_be,
			       .port_from_be = p->sport_be,
			       .port_to_be = r->pin.external_port,
			       .source = 1};
	const struct wh_wan *wan = r->wan;
	int reason;

	/* An address that the WAN no longer has is never used there, whatever happens to the flow. */
	if (!wan->ifindex || address_changed4(r->flow, wan))
		return -WH_REASON_NO_WAN;
	if (!ctx_fits(skb, p->l3_len, p->l4_offset - ETH_HLEN + p->l4_header_len, wan->mtu))
		return -WH_REASON_TOO_BIG;
	flow_refresh4(skb, p, r);
	count_sent(r->flow->class, r->pin.wan, p->l3_len, r->now_ns);
	reason = rewrite4(skb, p, &out);
	if (reason)
		return reason;
	return ctx_send_next_hop4(skb, wan->ifindex, wan->flags & WH_WAN_GATEWAY4 ? wan->gateway4_be : p->dst_be);
}

/* From a WAN back to the client (or the prober). */
static __always_inline int forward_in4(struct __sk_buff *skb, const struct packet4 *p, __u32 wan,
				       struct wh_reply4 *reply)
{
	struct rewrite4 in = {.from_be = p->dst_be,
			      .to_be = reply->client_be,
			      .port_from_be = p->proto == IPPROTO_ICMP ? p->sport_be : p->dport_be,
			      .port_to_be = reply->client_port_be};
	__u32 number = reply->lan;
	struct wh_lan *lan = bpf_map_lookup_elem(&wh_lans, &number);
	struct ethhdr *eth;
	int reason;

	if (!lan || !lan->ifindex)
		return -WH_REASON_NO_WAN;
	if (p->ttl <= 1)
		return -WH_REASON_TTL;
	reply->rx_packets += 1;
	reply->rx_bytes += p->l3_len;
	if (p->tcp_flags & SEGMENT_SYN)
		reply->tcp = tcp_seen(p); /* perhaps a new session under an old tuple */
	else if (p->tcp_flags & (SEGMENT_FIN | SEGMENT_RST))
		reply->tcp |= tcp_seen(p);
	count_heard(reply->class, wan, p->l3_len, bpf_ktime_get_ns());
	reason = rewrite4(skb, p, &in);
	if (reason)
		return reason;
	eth = ctx_data(skb);
	if ((void *)(eth + 1) > ctx_end(skb))
		return -WH_REASON_MALFORMED;
	__builtin_memcpy(eth->h_dest, reply->client_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, lan->mac, ETH_ALEN);
	return ctx_send(skb, lan->ifindex);
}

#endif
