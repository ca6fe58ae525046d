/* SPDX-License-Identifier: GPL-2.0 */
/*
 * parse.h: one look at a packet's headers, once: where they are plain; parse_skb.h has the look at all others.
 */
#ifndef WH_BPF_PARSE_H
#define WH_BPF_PARSE_H

#if WH_FAMILY == 4
#include "ip4.h"
#else
#include "ip6.h"
#endif

/* Within the frame, whose end the verifier wants to see checked, and within what IP says the packet is. */
#define L4_FITS(header) ((void *)((header) + 1) <= end && l4_len >= sizeof(*(header)))

static __always_inline int parse_tcp(struct packet *p, struct tcphdr *tcp, __u32 l4_len, void *end)
{
	if (!L4_FITS(tcp))
		return -WH_REASON_MALFORMED;
	p->l4_header_len = tcp->doff * 4;
	if (p->l4_header_len < sizeof(*tcp) || p->l4_header_len > l4_len)
		return -WH_REASON_MALFORMED;
	p->sport_be = tcp->source;
	p->dport_be = tcp->dest;
	p->tcp_flags = ((__u8 *)tcp)[13];
	p->tcp_seq_be = tcp->seq;
	p->tcp_ack_be = tcp->ack_seq;
	return 0;
}

static __always_inline int parse_icmp(struct packet *p, struct icmp_head *icmp, __u32 l4_len, void *end)
{
	if (!L4_FITS(icmp))
		return -WH_REASON_MALFORMED;
	p->l4_header_len = sizeof(*icmp);
	switch (icmp_class(icmp->type)) {
	case ICMP_QUERY:
		break;
	case ICMP_REPLY:
		p->is_answer = 1;
		break;
	case ICMP_ERROR:
		if (p->kind != PACKET_WHOLE)
			return -WH_REASON_UNTRANSLATABLE;
		p->kind = PACKET_ICMP_ERROR;
		return 0;
	default:
		return -WH_REASON_KERNEL_PROTO;
	}
	p->sport_be = icmp->id_be;
	return 0;
}

static __always_inline int parse_l4(struct packet *p, void *l4, __u32 l4_len, void *end)
{
	struct udphdr *udp = l4;

	switch (p->proto) {
	case IPPROTO_TCP:
		return parse_tcp(p, l4, l4_len, end);
	case PROTO_ICMP_OF_FAMILY:
		return parse_icmp(p, l4, l4_len, end);
	case IPPROTO_UDP:
		if (!L4_FITS(udp))
			return -WH_REASON_MALFORMED;
		p->l4_header_len = sizeof(*udp);
		break;
	case IPPROTO_SCTP:
		/* Its checksum covers the ports and cannot be amended: they stay as they are. */
		if ((void *)(udp + 1) > end || l4_len < 12)
			return -WH_REASON_MALFORMED;
		break;
	case PROTO_GRE:
	case PROTO_ESP:
	case PROTO_IPIP:
	case PROTO_IPV6:
		return 0;
	default:
		return -WH_REASON_KERNEL_PROTO;
	}
	p->sport_be = udp->source;
	p->dport_be = udp->dest;
	return 0;
}

static __always_inline void read_macs(const struct ethhdr *eth, struct packet *p)
{
	mac_copy(p->dst_mac, eth->h_dest);
	mac_copy(p->src_mac, eth->h_source);
	p->mac_tag = fold_mac(eth->h_source);
}

/*
 * A packet as almost all are: nothing but fixed headers, readable as they stand, and nothing for anyone to answer.
 * Whether it is one; if not, *p says nothing.
 */
static __always_inline int parse_plain(ctx_t *ctx, struct packet *p)
{
	void *data = ctx_data(ctx), *end = ctx_end(ctx);
	ip_header_t *ip = data + wh_l2_len;

	if ((void *)(ip + 1) > end || !parse_plain_ip(ip, p))
		return 0;
	if (p->l3_len > end - (void *)ip && p->l3_len > ctx_len(ctx) - wh_l2_len)
		return 0;
	if (wh_l2_len)
		read_macs(data, p);
	return p->ttl > 1 && p->proto != PROTO_ICMP_OF_FAMILY && !parse_l4(p, ip + 1, p->l3_len - sizeof(*ip), end);
}

#endif
