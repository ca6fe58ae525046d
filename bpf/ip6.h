/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ip6.h: what is IPv6's own in the pipeline: its fixed header, ICMPv6's numbers.  ip4.h has the same functions; ip6_skb.h
 * has what looks further into a packet.
 */
#ifndef WH_BPF_IP6_H
#define WH_BPF_IP6_H

#include "packet.h"

#define IP_HEADER_LEN sizeof(struct ipv6hdr)
#define IP_MTU_MIN 1280
#define ANSWER_MAX 1280 /* RFC 4443 §2.4(c) */

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

static __always_inline int is_extension(__u8 next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT || next == NEXT_DESTINATION;
}

typedef struct ipv6hdr ip_header_t;

static __always_inline void read_ip(const struct ipv6hdr *ip, struct packet *p)
{
	__builtin_memcpy(&p->src_be, &ip->saddr, sizeof(p->src_be));
	__builtin_memcpy(&p->dst_be, &ip->daddr, sizeof(p->dst_be));
	p->ttl = ip->hop_limit;
	p->dscp = ip->priority << 2 | ip->flow_lbl[0] >> 6;
	p->dont_fragment = 1;
	p->proto = ip->nexthdr;
	p->l3_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	p->l4_offset = wh_l2_len + sizeof(*ip);
}

/* A header as almost all have it, without extensions; then *p says what it says. */
static __always_inline int parse_plain_ip(const struct ipv6hdr *ip, struct packet *p)
{
	if (ip->version != 6 || is_extension(ip->nexthdr))
		return 0;
	read_ip(ip, p);
	return 1;
}

static __always_inline void readdress(struct ipv6hdr *ip, const addr_t *to, __u64 change, int source, __u8 hop)
{
	(void)change;
	ip->hop_limit -= hop;
	__builtin_memcpy(source ? &ip->saddr : &ip->daddr, to, sizeof(*to));
}

static __always_inline int rewrite_ip(ctx_t *ctx, const addr_t *from, const addr_t *to, int source, __u8 hop)
{
	struct ipv6hdr *ip = ctx_data(ctx) + wh_l2_len;

	(void)from;
	if ((void *)(ip + 1) > ctx_end(ctx))
		return -WH_REASON_MALFORMED;
	readdress(ip, to, 0, source, hop);
	return 0;
}

static __always_inline void rewrite_dscp(ctx_t *ctx, __u8 dscp)
{
	__be16 *head = ctx_data(ctx) + wh_l2_len; /* version, traffic class, the flow label's first bits */

	if ((void *)(head + 1) <= ctx_end(ctx))
		*head = (*head & bpf_htons(0xf03f)) | bpf_htons((__u16)dscp << 6);
}

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

#endif
