/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ip6.h: what is IPv6's own in the pipeline: its headers, ICMPv6's numbers.  ip4.h has the same functions.
 */
#ifndef WH_BPF_IP6_H
#define WH_BPF_IP6_H

#include "packet.h"

#define IP_HEADER_LEN sizeof(struct ipv6hdr)
#define IP_MTU_MIN 1280
#define ANSWER_MAX 1280 /* RFC 4443 §2.4(c) */
#define EXTENSIONS_MAX 6
#define EXTENSIONS_LEN_MAX 512

#define ICMP_TYPE_UNREACHABLE 1
#define ICMP_CODE_NO_WAN 3     /* address unreachable */
#define ICMP_CODE_NO_SOURCE 5  /* source address failed ingress/egress policy */
#define ICMP_CODE_PROHIBITED 1 /* communication with destination administratively prohibited */
#define ICMP_TYPE_TOO_BIG 2
#define ICMP_CODE_TOO_BIG 0
#define ICMP_TYPE_TIME_EXCEEDED 3

#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_DESTINATION 60

enum icmp_class { ICMP_QUERY, ICMP_REPLY, ICMP_ERROR, ICMP_NOT_OURS };

/* Echo; destination unreachable, too big, time exceeded, parameter problem. Discovery and listeners are the kernel's. */
static __always_inline enum icmp_class icmp_class(__u8 type)
{
	if (type == 128)
		return ICMP_QUERY;
	if (type == 129)
		return ICMP_REPLY;
	return type >= 1 && type <= 4 ? ICMP_ERROR : ICMP_NOT_OURS;
}

/* Unspecified, loopback, mapped and the like in ::/64, link-local, multicast. */
static __always_inline int is_martian(const addr_t *src_be)
{
	__u32 first = bpf_ntohl(src_be->word_be[0]);

	return first >> 24 == 0xff || first >> 22 == 0xfe80 >> 6 || (!first && !src_be->word_be[1]);
}

/* RFC 4193: nobody outside knows it. */
static __always_inline int is_private(const addr_t *addr_be)
{
	return bpf_ntohl(addr_be->word_be[0]) >> 25 == 0xfc >> 1;
}

static __always_inline struct wh_addr6 mapped_addr(const addr_t *a)
{
	return *a;
}

struct extension {
	__u8 next;
	__u8 len;
	__be16 fragment; /* of a fragment header: offset and flags; of a routing header: type, segments left */
	__be32 id_be;
};

/* The walk along a packet's extension headers: where it stands, and what fragment header it met. */
struct walk {
	__u32 at; /* of the header of type `next` */
	__be32 fragment_id_be;
	__u8 next;
	__u8 kind; /* enum packet_kind */
	__u8 pad[2];
};

static __always_inline int is_extension(__u8 next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT || next == NEXT_DESTINATION;
}

/* On to the L4 header, or to what is left of it behind a later fragment's header. 0 or -reason. */
COLD int skip_extensions(struct __sk_buff *skb, struct walk *w)
{
	struct extension x;
	__u32 end;

	if (!w)
		return -WH_REASON_MALFORMED;
	end = w->at + EXTENSIONS_LEN_MAX;
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(w->next); i++) {
		if (bpf_skb_load_bytes(skb, w->at, &x, sizeof(x)))
			return -WH_REASON_MALFORMED;
		if (w->next == NEXT_ROUTING && x.fragment && (x.fragment & bpf_htons(0xff00)) == 0)
			return -WH_REASON_SOURCE_ROUTE; /* type 0 with segments left (RFC 5095) */
		w->at += w->next == NEXT_FRAGMENT ? 8 : ((__u32)x.len + 1) * 8;
		if (w->at > end)
			return -WH_REASON_MALFORMED;
		if (w->next == NEXT_FRAGMENT) {
			w->fragment_id_be = x.id_be;
			w->kind = x.fragment & bpf_htons(0xfff8) ? PACKET_LATER_FRAGMENT
				  : x.fragment & bpf_htons(1)	 ? PACKET_FIRST_FRAGMENT
								 : PACKET_WHOLE;
		}
		w->next = x.next;
		if (w->kind == PACKET_LATER_FRAGMENT)
			return 0;
	}
	return is_extension(w->next) ? -WH_REASON_MALFORMED : 0;
}

static __always_inline int parse_ip(struct __sk_buff *skb, struct packet *p, __u32 *l4_at, __u32 *l4_len)
{
	struct ipv6hdr *ip;
	__u32 at = wh_l2_len + sizeof(*ip);
	struct walk w = {};
	int reason;

	if (ctx_pull(skb, at + 60))
		return -WH_REASON_MALFORMED;
	ip = ctx_data(skb) + wh_l2_len;
	if ((void *)(ip + 1) > ctx_end(skb))
		return -WH_REASON_MALFORMED;
	p->l3_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (ip->version != 6 || p->l3_len > ctx_len(skb) - wh_l2_len)
		return -WH_REASON_MALFORMED;
	__builtin_memcpy(&p->src_be, &ip->saddr, sizeof(p->src_be));
	__builtin_memcpy(&p->dst_be, &ip->daddr, sizeof(p->dst_be));
	p->ttl = ip->hop_limit;
	p->dscp = ip->priority << 2 | ip->flow_lbl[0] >> 6;
	p->dont_fragment = 1;
	p->proto = ip->nexthdr;
	if (is_extension(p->proto)) {
		w.at = at;
		w.next = p->proto;
		reason = skip_extensions(skb, &w);
		if (reason)
			return reason;
		at = w.at;
		p->proto = w.next;
		p->kind = w.kind;
		p->fragment_id_be = w.fragment_id_be;
		if (at > wh_l2_len + sizeof(*ip) + EXTENSIONS_LEN_MAX)
			return -WH_REASON_MALFORMED;
		if (ctx_pull(skb, at + 60))
			return -WH_REASON_MALFORMED;
	}
	if (at - wh_l2_len > p->l3_len)
		return -WH_REASON_MALFORMED;
	p->l4_offset = *l4_at = at;
	*l4_len = p->l3_len - (at - wh_l2_len);
	return 0;
}

static __always_inline int rewrite_ip(struct __sk_buff *skb, const addr_t *from, const addr_t *to, int source, __u8 hop)
{
	struct ipv6hdr *ip = ctx_data(skb) + wh_l2_len;

	(void)from;
	if ((void *)(ip + 1) > ctx_end(skb))
		return -WH_REASON_MALFORMED;
	ip->hop_limit -= hop;
	if (source)
		__builtin_memcpy(&ip->saddr, to, sizeof(*to));
	else
		__builtin_memcpy(&ip->daddr, to, sizeof(*to));
	return 0;
}

static __always_inline void rewrite_dscp(struct __sk_buff *skb, __u8 dscp)
{
	__be16 *head = ctx_data(skb) + wh_l2_len; /* version, traffic class, the flow label's first bits */

	if ((void *)(head + 1) <= ctx_end(skb))
		*head = (*head & bpf_htons(0xf03f)) | bpf_htons((__u16)dscp << 6);
}

/* IPv6's identifiers are 32 bits long and random (RFC 7739): those of two clients do not meet. */
static __always_inline void rewrite_id(struct __sk_buff *skb, __be16 from, __be16 to)
{
	(void)skb;
	(void)from;
	(void)to;
}

typedef struct ipv6hdr ip_header_t;

static __always_inline void make_ip(struct ipv6hdr *ip, const addr_t *src, const addr_t *dst, __u8 proto, __u32 l3_len)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 6;
	ip->payload_len = bpf_htons(l3_len - sizeof(*ip));
	ip->nexthdr = proto;
	ip->hop_limit = 64;
	__builtin_memcpy(&ip->saddr, src, sizeof(*src));
	__builtin_memcpy(&ip->daddr, dst, sizeof(*dst));
}

static __always_inline __s64 pseudo_sum(const addr_t *src, const addr_t *dst, __u8 proto, __u32 l4_len)
{
	struct {
		addr_t src_be, dst_be;
		__be32 len_be, proto_be;
	} pseudo = {*src, *dst, bpf_htonl(l4_len), bpf_htonl(proto)};

	return bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
}

struct quoted_ip {
	addr_t src_be;
	addr_t dst_be;
	__u8 proto;
	__u32 header_len;
};

#define QUOTED_SRC __builtin_offsetof(struct ipv6hdr, saddr)
#define QUOTED_DST __builtin_offsetof(struct ipv6hdr, daddr)

static __always_inline int parse_quoted(struct __sk_buff *skb, __u32 at, struct quoted_ip *q)
{
	struct walk w = {};
	struct ipv6hdr ip;
	int reason;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.version != 6)
		return -WH_REASON_MALFORMED;
	w.at = at + sizeof(ip);
	w.next = ip.nexthdr;
	reason = skip_extensions(skb, &w);
	if (reason)
		return reason;
	if (w.kind == PACKET_LATER_FRAGMENT)
		return -WH_REASON_UNTRANSLATABLE;
	__builtin_memcpy(&q->src_be, &ip.saddr, sizeof(q->src_be));
	__builtin_memcpy(&q->dst_be, &ip.daddr, sizeof(q->dst_be));
	q->proto = w.next;
	q->header_len = w.at - at;
	return 0;
}

/* Without a checksum of its own, the quoted header's new address changes the sum around it. */
static __always_inline __s64 quoted_readdress(struct __sk_buff *skb, __u32 at, const addr_t *from, const addr_t *to,
					      __s64 change)
{
	(void)skb;
	(void)at;
	return sum_change(from, to, change);
}

#endif
