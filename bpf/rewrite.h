/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rewrite.h: one end of a packet becomes another, every checksum with it.
 */
#ifndef WH_BPF_REWRITE_H
#define WH_BPF_REWRITE_H

#include "parse_skb.h"

/*
 * An address in a L4 checksum, through the helper that knows what a partial checksum needs: with the pseudo
 * header's change it must follow, the port's change the device will find itself.
 */
static __always_inline void sum_address(struct __sk_buff *skb, __u32 at, const struct rewrite *r, __u64 flags)
{
#if WH_FAMILY == 4
	bpf_l4_csum_replace(skb, at, r->from_be, r->to_be, BPF_F_PSEUDO_HDR | flags | 4);
#else
	bpf_l4_csum_replace(skb, at, 0, fold64(addr_change(&r->from_be, &r->to_be)), BPF_F_PSEUDO_HDR | flags);
#endif
}

static __always_inline void rewrite_l4_checksum(struct __sk_buff *skb, const struct packet *p, const struct rewrite *r)
{
	__u64 flags = 0;
	__u32 at = p->l4_offset;

	if (p->proto == IPPROTO_TCP) {
		at += __builtin_offsetof(struct tcphdr, check);
	} else if (p->proto == IPPROTO_UDP) {
		at += __builtin_offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	} else if (p->proto == PROTO_ICMP_OF_FAMILY) {
		at += __builtin_offsetof(struct icmp_head, check);
	} else {
		return;
	}
	if (WH_FAMILY == 6 || p->proto != IPPROTO_ICMP)
		sum_address(skb, at, r, flags);
	if (r->port_from_be != r->port_to_be)
		bpf_l4_csum_replace(skb, at, r->port_from_be, r->port_to_be, flags | 2);
}

/* Pointers into the packet become invalid. 0 or -reason. */
static __always_inline int rewrite(struct __sk_buff *skb, const struct packet *p, const struct rewrite *r)
{
	__u32 port_at = p->l4_offset;
	int reason;

	if (!r->hop && r->port_from_be == r->port_to_be && addr_equal(&r->from_be, &r->to_be))
		return 0;
	if (p->kind != PACKET_LATER_FRAGMENT)
		rewrite_l4_checksum(skb, p, r);
	reason = rewrite_ip(skb, &r->from_be, &r->to_be, r->source, r->hop);
	if (reason || r->port_from_be == r->port_to_be || p->kind == PACKET_LATER_FRAGMENT)
		return reason;
	if (p->proto == PROTO_ICMP_OF_FAMILY)
		port_at += __builtin_offsetof(struct icmp_head, id_be);
	else if (!r->source)
		port_at += __builtin_offsetof(struct udphdr, dest); /* where TCP has it too */
	return bpf_skb_store_bytes(skb, port_at, &r->port_to_be, sizeof(r->port_to_be), 0) ? -WH_REASON_MALFORMED : 0;
}

#endif
