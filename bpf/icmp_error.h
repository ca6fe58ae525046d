/* SPDX-License-Identifier: GPL-2.0 */
/*
 * icmp_error.h: ICMP errors speak of a packet that they quote (RFC 5508 §4, RFC 4443 §3): the flow is found by the
 * quoted tuple, and both the error's own header and the quoted one are translated.  Errors neither refresh a flow nor
 * end one (RFC 4787 REQ-12, 5382 REQ-10).
 */
#ifndef WH_BPF_ICMP_ERROR_H
#define WH_BPF_ICMP_ERROR_H

#include "forward.h"

/* The quoted packet's tuple, as it stands in the error. */
struct quote {
	struct quoted_ip ip;
	__u32 at;    /* of its IP header */
	__u32 l4_at; /* of its L4 header, of which eight bytes are sure */
	__be16 sport_be;
	__be16 dport_be;
};

/* Which end of the quoted packet becomes what. */
struct requote {
	addr_t from_be;
	addr_t to_be;
	__be16 port_from_be;
	__be16 port_to_be;
	__u8 source; /* of the quoted packet */
};

/* RFC 5508 REQ-3: an error with a wrong checksum is dropped. */
static __always_inline int error_checksum_right(struct __sk_buff *skb, const struct packet *p)
{
	__u32 len = p->l3_len - (p->l4_offset - wh_l2_len);
	__s64 sum = sum_packet(skb, p->l4_offset, len);

	if (sum < 0)
		return 0;
	sum += pseudo_sum(&p->src_be, &p->dst_be, PROTO_ICMP_OF_FAMILY, len);
	return fold((sum & 0xffffffff) + (sum >> 32)) == 0xffff;
}

COLD int quote_parse(struct __sk_buff *skb, const struct packet *p, struct quote *q)
{
	struct {
		__be16 first, second;
		__be16 third, fourth; /* ICMP: the identifier is the third */
	} l4;
	int reason;

	if (!p || !q)
		return -WH_REASON_MALFORMED;
	q->at = p->l4_offset + sizeof(struct icmp_head);
	reason = parse_quoted(skb, q->at, &q->ip);
	if (reason)
		return reason;
	q->l4_at = q->at + q->ip.header_len;
	if (q->l4_at + sizeof(l4) > wh_l2_len + p->l3_len || bpf_skb_load_bytes(skb, q->l4_at, &l4, sizeof(l4)))
		return -WH_REASON_MALFORMED;
	q->sport_be = q->dport_be = 0;
	if (q->ip.proto == PROTO_ICMP_OF_FAMILY) {
		q->sport_be = l4.third;
	} else if (q->ip.proto == IPPROTO_TCP || q->ip.proto == IPPROTO_UDP || q->ip.proto == IPPROTO_SCTP) {
		q->sport_be = l4.first;
		q->dport_be = l4.second;
	}
	return 0;
}

/* The quoted L4 checksum, where so much was quoted; the sum of what changed around it. */
static __always_inline __s64 requote_check(struct __sk_buff *skb, const struct packet *p, const struct quote *q,
					   const struct requote *r, __s64 change)
{
	__u32 at = q->l4_at;
	__u16 was = 0, is = 0;

	if (q->ip.proto == IPPROTO_TCP)
		at += __builtin_offsetof(struct tcphdr, check);
	else if (q->ip.proto == IPPROTO_UDP)
		at += __builtin_offsetof(struct udphdr, check);
	else if (q->ip.proto == PROTO_ICMP_OF_FAMILY)
		at += __builtin_offsetof(struct icmp_head, check);
	else
		return change;
	if (at + sizeof(was) > wh_l2_len + p->l3_len || bpf_skb_load_bytes(skb, at, &was, sizeof(was)) ||
	    (!was && q->ip.proto == IPPROTO_UDP))
		return change;
	is = (__u16)~was;
	if (WH_FAMILY == 6 || q->ip.proto != IPPROTO_ICMP)
		is = fold(sum_change(&r->from_be, &r->to_be, is));
	is = (__u16)~fold(sum_change16(r->port_from_be, r->port_to_be, is));
	if (!is && q->ip.proto == IPPROTO_UDP)
		is = 0xffff; /* 0 says that there is none */
	bpf_skb_store_bytes(skb, at, &is, sizeof(is), 0);
	return sum_change16(was, is, change);
}

/* Rewrite the quote and amend the error's own checksum by all that changed. 0 or -reason. */
COLD int requote(struct __sk_buff *skb, const struct packet *p, const struct quote *q, const struct requote *r)
{
	__u32 port_at;
	__s64 change;

	if (!p || !q || !r)
		return -WH_REASON_MALFORMED;
	port_at = q->l4_at;
	change = quoted_readdress(skb, q->at, &r->from_be, &r->to_be, 0);
	if (bpf_skb_store_bytes(skb, q->at + (r->source ? QUOTED_SRC : QUOTED_DST), &r->to_be, sizeof(r->to_be), 0))
		return -WH_REASON_MALFORMED;
	if (r->port_from_be != r->port_to_be) {
		if (q->ip.proto == PROTO_ICMP_OF_FAMILY)
			port_at += __builtin_offsetof(struct icmp_head, id_be);
		else if (!r->source)
			port_at += __builtin_offsetof(struct udphdr, dest);
		bpf_skb_store_bytes(skb, port_at, &r->port_to_be, sizeof(r->port_to_be), 0);
		change = sum_change16(r->port_from_be, r->port_to_be, change);
	}
	change = requote_check(skb, p, q, r, change);
	bpf_l4_csum_replace(skb, p->l4_offset + __builtin_offsetof(struct icmp_head, check), 0, change, 0);
	return 0;
}

/* --- in: about a packet that we sent out ---------------------------------------------------------------- */

static __always_inline reply_t *error_reply(const struct quote *q, __u32 wan)
{
	reply_key_t key = {.remote_be = q->ip.dst_be,
			   .external_be = q->ip.src_be,
			   .remote_port_be = q->dport_be,
			   .external_port_be = q->sport_be,
			   .proto = q->ip.proto,
			   .wan = wan};

	return bpf_map_lookup_elem(&wh_replies, &key);
}

static __always_inline int error_deliver(struct __sk_buff *skb, const struct packet *p, const struct quote *q,
					 __u32 wan, const reply_t *reply)
{
	__u8 by_kernel = reply->flags & WH_FLOW_KERNEL;
	struct rewrite outer = {.from_be = p->dst_be, .to_be = reply->client_be, .hop = !by_kernel};
	struct requote inner = {.from_be = q->ip.src_be,
				.to_be = reply->client_be,
				.port_from_be = q->sport_be,
				.port_to_be = reply->client_port_be,
				.source = 1};
	__u32 number = reply->lan;
	struct wh_lan *lan = bpf_map_lookup_elem(&wh_lans, &number);
	int reason;

	if (!by_kernel && (!lan || !lan->ifindex))
		return -WH_REASON_NO_WAN;
	reason = requote(skb, p, q, &inner);
	if (!reason)
		reason = rewrite(skb, p, &outer);
	if (reason)
		return reason;
	if (by_kernel)
		return send_up(skb, wan, reply);
	return lan ? send_in(skb, p, reply, lan, 1) : -WH_REASON_NO_WAN;
}

/* A verdict, or -reason; VERDICT_NEXT where the quoted packet is none of ours. */
COLD int error_in(struct __sk_buff *skb, const struct packet *p, __u32 wan)
{
	struct quote q = {};
	reply_t *reply;
	int reason;

	if (!p)
		return -WH_REASON_MALFORMED;
	reason = quote_parse(skb, p, &q);
	if (reason == -WH_REASON_CHECKSUM)
		return reason;
	reply = reason ? NULL : error_reply(&q, wan);
	if (!reply)
		return VERDICT_NEXT;
	if (!error_checksum_right(skb, p))
		return -WH_REASON_CHECKSUM;
	if (p->ttl <= 1 && !(reply->flags & WH_FLOW_KERNEL))
		return -WH_REASON_TTL;
	return error_deliver(skb, p, &q, wan, reply);
}

#define ERROR_UNKNOWN 1 /* no verdict: it speaks of no flow of ours */

/* --- out: about a packet that we let in ----------------------------------------------------------------- */

static __always_inline flow_t *error_flow(const struct quote *q)
{
	flow_key_t key = {.src_be = q->ip.dst_be,
			  .dst_be = q->ip.src_be,
			  .sport_be = q->ip.proto == PROTO_ICMP_OF_FAMILY ? q->sport_be : q->dport_be,
			  .dport_be = q->ip.proto == PROTO_ICMP_OF_FAMILY ? 0 : q->sport_be,
			  .proto = q->ip.proto};

	return bpf_map_lookup_elem(&wh_flows, &key);
}

/*
 * Whether the flow is one that the error's sender may speak of.  A host on another LAN may not, whatever it knows; the
 * router itself may; and what the kernel carries, the kernel's own tracking has looked at.
 */
static __always_inline int may_speak_of(const struct __sk_buff *skb, const flow_t *flow, __u32 via)
{
	if (flow->flags & WH_FLOW_FOREIGN)
		return 0;
	if (flow->flags & WH_FLOW_KERNEL)
		return at_egress(via);
	if (!at_egress(via))
		return !is_elsewhere(flow, ctx_ifindex(skb));
	return !ctx_is_forwarded(skb) || !is_elsewhere(flow, CTX_LOAD(skb, ingress_ifindex));
}

/* From the LAN, or from the kernel. A verdict, -reason or ERROR_UNKNOWN; the error's source becomes the flow's. */
COLD int error_out(struct __sk_buff *skb, const struct packet *p, __u32 via)
{
	struct rewrite outer = {.source = 1, .hop = !at_egress(via)};
	struct route here = {.via = via}, *r = &here;
	struct requote inner = {};
	struct quote q = {};
	int reason;

	if (!p)
		return -WH_REASON_MALFORMED;
	reason = quote_parse(skb, p, &q);
	if (reason == -WH_REASON_CHECKSUM)
		return reason;
	r->flow = reason ? NULL : error_flow(&q);
	if (!r->flow || !may_speak_of(skb, r->flow, via))
		return ERROR_UNKNOWN;
	if (!error_checksum_right(skb, p))
		return -WH_REASON_CHECKSUM;
	r->pin.word = *(volatile __u64 *)&r->flow->pin.word;
	r->wan = wan_row(r->pin.wan);
	if (!r->wan || !r->wan->ifindex || !source_stands(r->wan, &q.ip.dst_be, r->flow->flags, &r->flow->external_be))
		return -WH_REASON_NO_WAN;
	if (!at_egress(via) && p->ttl <= 1)
		return -WH_REASON_KERNEL_TTL;
	outer.from_be = p->src_be;
	inner.from_be = q.ip.dst_be;
	inner.to_be = r->flow->external_be;
	/* A router inside keeps its own source where sources are kept. */
	outer.to_be = r->flow->flags & (WH_FLOW_NAT | WH_FLOW_PREFIX) ? r->flow->external_be : p->src_be;
	inner.port_from_be = q.ip.proto == PROTO_ICMP_OF_FAMILY ? q.sport_be : q.dport_be;
	inner.port_to_be = r->pin.external_port;
	reason = requote(skb, p, &q, &inner);
	if (!reason)
		reason = rewrite(skb, p, &outer);
	return reason ? reason : send_out(skb, p, r);
}

#endif
