/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ip4.h: what is IPv4's own in the pipeline: its fixed header, ICMP's numbers.  ip6.h has the same functions; ip4_skb.h has
 * what looks further into a packet.
 */
#ifndef WH_BPF_IP4_H
#define WH_BPF_IP4_H

#include "packet.h"

#define IP_DF 0x4000
#define IP_MORE_FRAGMENTS 0x2000
#define IP_OFFSET_MASK 0x1fff
#define IP_HEADER_MAX 60

#define IP_HEADER_LEN sizeof(struct iphdr)
#define IP_MTU_MIN 68
#define ANSWER_MAX 576 /* RFC 1812 §4.3.2.3 */

/* Router's answers. */
#define ICMP_TYPE_UNREACHABLE 3
#define ICMP_CODE_NO_WAN 1	/* host unreachable: also for want of room or ports (RFC 6888 REQ-11) */
#define ICMP_CODE_NO_SOURCE 1	/* IPv6 only has a code of its own */
#define ICMP_CODE_PROHIBITED 13 /* communication administratively prohibited (RFC 1812 §5.2.7.1) */
#define ICMP_TYPE_TOO_BIG 3
#define ICMP_CODE_TOO_BIG 4
#define ICMP_TYPE_TIME_EXCEEDED 11

enum icmp_class { ICMP_QUERY, ICMP_REPLY, ICMP_ERROR, ICMP_NOT_OURS };

/* Echo and timestamp (RFC 5508 §3); unreachable, time exceeded, parameter problem (§4). */
static __always_inline enum icmp_class icmp_class(__u8 type)
{
	switch (type) {
	case 8:
	case 13:
		return ICMP_QUERY;
	case 0:
	case 14:
		return ICMP_REPLY;
	case 3:
	case 11:
	case 12:
		return ICMP_ERROR;
	default:
		return ICMP_NOT_OURS;
	}
}

/* Sources that no packet on a wire may have (RFC 1812 §5.3.7), or that are never routed (RFC 3927 §2.7). */
static __always_inline int is_martian(const addr_t *src_be)
{
	__u32 src = bpf_ntohl(*src_be);

	return src >> 24 == 0 || src >> 24 == 127 || src >> 28 >= 0xe || src >> 16 == 0xa9fe;
}

/* RFC 1918, 6598: nobody outside knows it. */
static __always_inline int is_private(const addr_t *addr_be)
{
	__u32 addr = bpf_ntohl(*addr_be);

	return addr >> 24 == 10 || addr >> 20 == 0xac1 || addr >> 16 == 0xc0a8 || addr >> 22 == 0x6440 >> 6;
}

/* The address as wh_routes has it. */
static __always_inline struct wh_addr6 mapped_addr(const addr_t *a)
{
	struct wh_addr6 mapped = {{0, 0, bpf_htonl(0xffff), *a}};

	return mapped;
}

/* The header's own checksum (RFC 1812 §5.2.2), where it has no options. */
static __always_inline int plain_checksum_right(const struct iphdr *ip)
{
	const __u32 *words = (const __u32 *)ip;
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += words[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return fold((__s64)sum) == 0xffff;
}

static __always_inline void read_ip(const struct iphdr *ip, struct packet *p)
{
	p->src_be = ip->saddr;
	p->dst_be = ip->daddr;
	p->proto = ip->protocol;
	p->ttl = ip->ttl;
	p->dscp = ip->tos >> 2;
	p->fragment_id_be = ip->id;
	p->dont_fragment = !!(ip->frag_off & bpf_htons(IP_DF));
	p->l3_len = bpf_ntohs(ip->tot_len);
	p->l4_offset = wh_l2_len + ip->ihl * 4;
}

typedef struct iphdr ip_header_t;

/* A header as almost all have it: right, without options, of no fragment; then *p says what it says. */
static __always_inline int parse_plain_ip(const struct iphdr *ip, struct packet *p)
{
	if (*(const __u8 *)ip != 0x45 || (ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_OFFSET_MASK)) ||
	    !plain_checksum_right(ip))
		return 0;
	read_ip(ip, p);
	p->l4_offset = wh_l2_len + sizeof(*ip); /* the same, as a constant */
	return p->l3_len >= sizeof(*ip);
}

/* One end's address, and `hop` off the time to live; `change` is the address's in sums (RFC 1624). */
static __always_inline void readdress(struct iphdr *ip, const addr_t *to, __u64 change, int source, __u8 hop)
{
	__u8 ttl = ip->ttl - hop;

	change += word_change(bpf_htons((__u16)ip->ttl << 8), bpf_htons((__u16)ttl << 8));
	ip->check = sum_amended(ip->check, change);
	ip->ttl = ttl;
	if (source)
		ip->saddr = *to;
	else
		ip->daddr = *to;
}

static __always_inline int rewrite_ip(ctx_t *ctx, const addr_t *from, const addr_t *to, int source, __u8 hop)
{
	struct iphdr *ip = ctx_data(ctx) + wh_l2_len;

	if ((void *)(ip + 1) > ctx_end(ctx))
		return -WH_REASON_MALFORMED;
	readdress(ip, to, addr_change(from, to), source, hop);
	return 0;
}

/* RFC 2474: the upper six bits; those of congestion notification stay (RFC 3168). */
static __always_inline void rewrite_dscp(ctx_t *ctx, __u8 dscp)
{
	struct iphdr *ip = ctx_data(ctx) + wh_l2_len;
	__u32 sum;

	if ((void *)(ip + 1) > ctx_end(ctx))
		return;
	sum = (__u16)~ip->check + (__u16)~bpf_htons(ip->tos) + bpf_htons(dscp << 2 | (ip->tos & 3));
	ip->check = (__u16)~fold(sum);
	ip->tos = dscp << 2 | (ip->tos & 3);
}

/* The head of a packet of our own. */
static __always_inline void make_ip(struct iphdr *ip, const addr_t *src, const addr_t *dst, __u8 proto, __u32 l3_len)
{
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = proto == IPPROTO_ICMP ? 0xc0 : 0; /* internetwork control (RFC 1812 §4.3.2.5) */
	ip->tot_len = bpf_htons(l3_len);
	ip->id = 0;
	ip->frag_off = bpf_htons(IP_DF); /* then an identifier of 0 is right (RFC 6864) */
	ip->ttl = 64;
	ip->protocol = proto;
	ip->check = 0;
	ip->saddr = *src;
	ip->daddr = *dst;
	ip->check = (__u16)~fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
}

/* The sum of the pseudo header; ICMP has none. */
static __always_inline __s64 pseudo_sum(const addr_t *src, const addr_t *dst, __u8 proto, __u32 l4_len)
{
	struct {
		__be32 src_be, dst_be;
		__u8 zero, proto;
		__be16 len_be;
	} pseudo = {*src, *dst, 0, proto, bpf_htons(l4_len)};

	return proto == IPPROTO_ICMP ? 0 : bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
}

#endif
