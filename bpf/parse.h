/* SPDX-License-Identifier: GPL-2.0 */
/*
 * parse.h: one look at a packet's headers, once.  Everything later uses these offsets; none is derived twice.
 */
#ifndef WH_BPF_PARSE_H
#define WH_BPF_PARSE_H

#include "ctx_tc.h"

#include <wanhelm/flow.h>
#include <wanhelm/reason.h>

#define IP_FRAGMENT_MASK 0x3fff /* more-fragments flag and offset */

#define ICMP_TYPE_ECHO_REPLY 0
#define ICMP_TYPE_ECHO 8

/* linux/icmp.h cannot be included for the BPF target. */
struct icmp_echo {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be16 id_be;
	__be16 sequence_be;
};

enum segment_flag { SEGMENT_FIN = 0x01, SEGMENT_SYN = 0x02, SEGMENT_RST = 0x04, SEGMENT_ACK = 0x10 };

struct packet4 {
	__be32 src_be;
	__be32 dst_be;
	__be16 sport_be; /* ICMP echo: the identifier, in either direction */
	__be16 dport_be; /* ICMP echo: 0 */
	__u8 proto;
	__u8 ttl;
	__u8 tcp_flags; /* enum segment_flag */
	__u8 l4_header_len;
	__u32 l3_len; /* of the whole (perhaps to be segmented) packet */
	__u32 l4_offset;
	__be32 tcp_seq_be;
	__be32 tcp_ack_be;
	__u16 mac_tag; /* folded source MAC */
};

/* Every L4 header starts within this. */
#define HEADERS_MAX (ETH_HLEN + 60 + 60)

/* Within the frame, whose end the verifier wants to see checked, and within what IP says the packet is. */
#define L4_FITS(header) ((void *)((header) + 1) <= end && l4_len >= sizeof(*(header)))

static __always_inline int parse_l4(struct packet4 *p, void *l4, __u32 l4_len, void *end, __u8 echo_type)
{
	if (p->proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

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
	if (p->proto == IPPROTO_UDP) {
		struct udphdr *udp = l4;

		if (!L4_FITS(udp))
			return -WH_REASON_MALFORMED;
		p->l4_header_len = sizeof(*udp);
		p->sport_be = udp->source;
		p->dport_be = udp->dest;
		return 0;
	}
	if (p->proto == IPPROTO_ICMP) {
		struct icmp_echo *icmp = l4;

		if (!L4_FITS(icmp))
			return -WH_REASON_MALFORMED;
		/* Of an error or another query these bytes are no identifier. */
		if (icmp->type != echo_type)
			return -WH_REASON_KERNEL_PROTO;
		p->l4_header_len = sizeof(*icmp);
		p->sport_be = icmp->id_be;
		return 0;
	}
	return -WH_REASON_KERNEL_PROTO;
}

/* Sources that no packet on a wire may have (RFC 1812 §5.3.7), or that are never routed (RFC 3927 §2.7). */
static __always_inline int is_martian4(__be32 src_be)
{
	__u32 src = bpf_ntohl(src_be);

	return src >> 24 == 0 || src >> 24 == 127 || src >> 28 >= 0xe || src >> 16 == 0xa9fe;
}

static __always_inline __u16 fold_mac(const __u8 *mac)
{
	const __u16 *m = (const __u16 *)mac;

	return m[0] ^ m[1] ^ m[2];
}

/*
 * 0 with *p filled for a whole IPv4 packet of TCP, UDP, or ICMP echo of the type that goes this way;
 * -WH_REASON_* else.  A fragment is reported as such only after its addresses are in *p.
 */
static __always_inline int parse4(struct __sk_buff *skb, struct packet4 *p, __u8 echo_type)
{
	struct ethhdr *eth;
	struct iphdr *ip;
	__u32 header_len;
	void *end;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return -WH_REASON_KERNEL_PROTO;
	/* Whole headers in the linear part: then a header that does not fit is truly cut short. */
	if (ctx_data(skb) + HEADERS_MAX > ctx_end(skb) && ctx_pull(skb, HEADERS_MAX))
		return -WH_REASON_MALFORMED;
	eth = ctx_data(skb);
	end = ctx_end(skb);
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return -WH_REASON_MALFORMED;
	header_len = ip->ihl * 4;
	if (ip->version != 4 || header_len < sizeof(*ip))
		return -WH_REASON_MALFORMED;
	p->l3_len = bpf_ntohs(ip->tot_len);
	if (p->l3_len < header_len || p->l3_len > skb->len - ETH_HLEN)
		return -WH_REASON_MALFORMED;
	p->src_be = ip->saddr;
	p->dst_be = ip->daddr;
	p->proto = ip->protocol;
	p->ttl = ip->ttl;
	p->mac_tag = fold_mac(eth->h_source);
	p->l4_offset = ETH_HLEN + header_len;
	if (ip->frag_off & bpf_htons(IP_FRAGMENT_MASK))
		return -WH_REASON_FRAGMENT;
	return parse_l4(p, (void *)ip + header_len, p->l3_len - header_len, end, echo_type);
}

#endif
