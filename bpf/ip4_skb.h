/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ip4_skb.h: IPv4's headers as they come: with options, of fragments, quoted in errors.  ip6_skb.h has the same functions.
 */
#ifndef WH_BPF_IP4_SKB_H
#define WH_BPF_IP4_SKB_H

#include "checksum_skb.h"
#include "ip4.h"

/* The header's own checksum; header_len is a multiple of four. */
static __always_inline int ip_checksum_right(struct __sk_buff *skb, const struct iphdr *ip, __u32 header_len)
{
	__s64 sum;

	if (header_len == sizeof(*ip))
		return plain_checksum_right(ip);
	sum = sum_packet(skb, wh_l2_len, header_len);
	return sum >= 0 && fold(sum) == 0xffff;
}

/* Loose and strict source routes (RFC 1812 §5.3.13.4 lets a router refuse them). */
COLD int is_source_routed(struct __sk_buff *skb, __u32 header_len)
{
	__u32 at = sizeof(struct iphdr);
	__u8 option[2];

	for (int i = 0; i < 40 && at + 1 < header_len; i++) {
		if (bpf_skb_load_bytes(skb, wh_l2_len + at, option, sizeof(option)) || option[0] == 0)
			return 0;
		if (option[0] == 131 || option[0] == 137)
			return 1;
		at += option[0] == 1 || option[1] < 2 ? 1 : option[1];
	}
	return 0;
}

/* Addresses, lengths, kind; *l4_len bytes of L4 stand at *l4_at, whose bounds the verifier forgets of p->l4_offset. */
static __always_inline int parse_ip(struct __sk_buff *skb, struct packet *p, __u32 *l4_at, __u32 *l4_len)
{
	struct iphdr *ip;
	__u32 header_len, offset;

	/* Whole headers in the linear part: then a header that does not fit is truly cut short. */
	if (ctx_pull(skb, wh_l2_len + IP_HEADER_MAX + 60))
		return -WH_REASON_MALFORMED;
	ip = ctx_data(skb) + wh_l2_len;
	if ((void *)(ip + 1) > ctx_end(skb))
		return -WH_REASON_MALFORMED;
	header_len = ip->ihl * 4;
	read_ip(ip, p);
	if (ip->version != 4 || header_len < sizeof(*ip) || p->l3_len < header_len ||
	    p->l3_len > ctx_len(skb) - wh_l2_len || !ip_checksum_right(skb, ip, header_len))
		return -WH_REASON_MALFORMED;
	if (header_len > sizeof(*ip) && is_source_routed(skb, header_len))
		return -WH_REASON_SOURCE_ROUTE;
	*l4_at = wh_l2_len + header_len;
	*l4_len = p->l3_len - header_len;
	offset = bpf_ntohs(ip->frag_off) & IP_OFFSET_MASK;
	if (offset)
		p->kind = PACKET_LATER_FRAGMENT;
	else if (ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS))
		p->kind = PACKET_FIRST_FRAGMENT;
	return 0;
}

/* Another identifier for a fragment. */
static __always_inline void rewrite_id(struct __sk_buff *skb, __be16 from, __be16 to)
{
	bpf_l3_csum_replace(skb, wh_l2_len + __builtin_offsetof(struct iphdr, check), from, to, 2);
	bpf_skb_store_bytes(skb, wh_l2_len + __builtin_offsetof(struct iphdr, id), &to, sizeof(to), 0);
}

/* The header of a quoted packet (RFC 792): where its L4 begins, or -reason. */
struct quoted_ip {
	addr_t src_be;
	addr_t dst_be;
	__u8 proto;
	__u32 header_len;
};

#define QUOTED_SRC __builtin_offsetof(struct iphdr, saddr)
#define QUOTED_DST __builtin_offsetof(struct iphdr, daddr)

static __always_inline int parse_quoted(struct __sk_buff *skb, __u32 at, struct quoted_ip *q)
{
	struct iphdr ip;
	__s64 sum;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return -WH_REASON_MALFORMED;
	sum = sum_packet(skb, at, ip.ihl * 4);
	if (sum < 0 || fold(sum) != 0xffff)
		return -WH_REASON_CHECKSUM; /* RFC 5508 REQ-3 a */
	if (ip.frag_off & bpf_htons(IP_OFFSET_MASK))
		return -WH_REASON_UNTRANSLATABLE; /* of a later fragment: it names no ports */
	q->src_be = ip.saddr;
	q->dst_be = ip.daddr;
	q->proto = ip.protocol;
	q->header_len = ip.ihl * 4;
	return 0;
}

/* A quoted address changed, and with it the quoted header's checksum: both cancel out in any sum around them. */
static __always_inline __s64 quoted_readdress(struct __sk_buff *skb, __u32 at, const addr_t *from, const addr_t *to,
					      __s64 change)
{
	bpf_l3_csum_replace(skb, at + __builtin_offsetof(struct iphdr, check), *from, *to, 4);
	return change;
}

#endif
