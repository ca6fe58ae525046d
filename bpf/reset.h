/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reset.h: turn a client's TCP segment into the RST that answers it (RFC 9293 §3.10.7.1), so that the client
 * gives up a session that cannot go on and connects anew at once.
 */
#ifndef WH_BPF_RESET_H
#define WH_BPF_RESET_H

#include "parse.h"

#define RESET_LEN (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr))
#define RESET_TTL 64

static __always_inline __u16 fold(__s64 sum)
{
	__u32 s = (sum & 0xffffffff);

	s = (s & 0xffff) + (s >> 16);
	return (s & 0xffff) + (s >> 16);
}

/*
 * Whether the checksum is still to be completed by a device: only then does the helper leave the field alone
 * for a change that is not the pseudo header's.
 */
static __always_inline int checksum_is_partial(struct __sk_buff *skb, __u32 at)
{
	__u16 before = 0, after = 0;

	bpf_skb_load_bytes(skb, at, &before, sizeof(before));
	bpf_l4_csum_replace(skb, at, 0, 1, 4);
	bpf_skb_load_bytes(skb, at, &after, sizeof(after));
	return before == after;
}

static __always_inline void reset_ip(struct iphdr *ip, const struct packet4 *p)
{
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(struct iphdr) + sizeof(struct tcphdr));
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* don't fragment: then an identifier of 0 is right (RFC 6864) */
	ip->ttl = RESET_TTL;
	ip->protocol = IPPROTO_TCP;
	ip->check = 0;
	ip->saddr = p->dst_be;
	ip->daddr = p->src_be;
	ip->check = (__u16)~fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
}

static __always_inline void reset_tcp(struct tcphdr *tcp, const struct packet4 *p, int partial)
{
	struct {
		__be32 src_be, dst_be;
		__u8 zero, proto;
		__be16 len_be;
	} pseudo = {p->dst_be, p->src_be, 0, IPPROTO_TCP, bpf_htons(sizeof(struct tcphdr))};
	__u32 payload = p->l3_len - (p->l4_offset - ETH_HLEN) - p->l4_header_len;
	__u32 next = bpf_ntohl(p->tcp_seq_be) + payload;
	__s64 sum;

	if (p->tcp_flags & (SEGMENT_SYN | SEGMENT_FIN))
		next += 1;
	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = p->dport_be;
	tcp->dest = p->sport_be;
	/* What the client acknowledged is what it takes for in order next: the one RST that it accepts at once. */
	tcp->seq = p->tcp_flags & SEGMENT_ACK ? p->tcp_ack_be : 0;
	tcp->ack_seq = bpf_htonl(next);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	tcp->ack = 1;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	if (partial)
		tcp->check = fold(sum);
	else
		tcp->check = (__u16)~fold(bpf_csum_diff(NULL, 0, (__be32 *)tcp, sizeof(*tcp), sum));
}

/* Make the packet that RST and send it back where it came from; a verdict, or -reason. */
static __always_inline int reset_client4(struct __sk_buff *skb, const struct packet4 *p)
{
	int partial = checksum_is_partial(skb, p->l4_offset + __builtin_offsetof(struct tcphdr, check));
	__u8 mac[ETH_ALEN];
	struct ethhdr *eth;
	struct iphdr *ip;
	struct tcphdr *tcp;

	/* With options between them, the headers do not stand where a partial checksum's start is kept. */
	if (p->l4_offset != ETH_HLEN + sizeof(*ip) || (p->tcp_flags & SEGMENT_RST))
		return -WH_REASON_AFTER_RESET;
	if (bpf_skb_change_tail(skb, RESET_LEN, 0))
		return -WH_REASON_AFTER_RESET;
	eth = ctx_data(skb);
	ip = (void *)(eth + 1);
	tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > ctx_end(skb))
		return -WH_REASON_MALFORMED;
	__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, mac, ETH_ALEN);
	reset_ip(ip, p);
	reset_tcp(tcp, p, partial);
	return ctx_send(skb, skb->ifindex);
}

#endif
