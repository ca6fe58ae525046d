/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ip6_skb.h: IPv6's headers as they come: with extensions, of fragments, quoted in errors.  ip4_skb.h has the same
 * functions.
 */
#ifndef WH_BPF_IP6_SKB_H
#define WH_BPF_IP6_SKB_H

#include "checksum_skb.h"
#include "ip6.h"

#define EXTENSIONS_MAX 6
#define EXTENSIONS_LEN_MAX 512

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
	read_ip(ip, p);
	if (ip->version != 6 || p->l3_len > ctx_len(skb) - wh_l2_len)
		return -WH_REASON_MALFORMED;
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

/* IPv6's identifiers are 32 bits long and random (RFC 7739): those of two clients do not meet. */
static __always_inline void rewrite_id(struct __sk_buff *skb, __be16 from, __be16 to)
{
	(void)skb;
	(void)from;
	(void)to;
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
