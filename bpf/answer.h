/* SPDX-License-Identifier: GPL-2.0 */
/*
 * answer.h: turn a packet that cannot go on into the router's answer to its sender: an ICMP error (RFC 792, 1812
 * §4.3, 4443), within a rate, or the RST that ends a TCP session (RFC 9293 §3.10.7.1).
 */
#ifndef WH_BPF_ANSWER_H
#define WH_BPF_ANSWER_H

#include "budget.h"
#include "flow.h"

/* --- back to where it came from ------------------------------------------------------------------------- */

/* At ingress: out by the same device. At egress: in by the device that it was about to leave by. */
static __always_inline int send_back(struct __sk_buff *skb, __u32 via)
{
	struct wh_wan *kernels = wan_row(via);
	struct ethhdr *eth = ctx_data(skb);
	__u8 mac[ETH_ALEN];

	if (wh_l2_len) {
		if ((void *)(eth + 1) > ctx_end(skb))
			return -WH_REASON_MALFORMED;
		__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
		__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
		__builtin_memcpy(eth->h_dest, kernels ? kernels->mac : mac, ETH_ALEN);
	}
	return at_egress(via) ? ctx_receive(skb, ctx_ifindex(skb), WH_MARK_DONE) : ctx_send(skb, ctx_ifindex(skb));
}

/* --- ICMP errors ---------------------------------------------------------------------------------------- */

#define WH_LAN_NONE WH_MAX_LANS

struct answer {
	addr_t from_be; /* our address */
	__u8 type;
	__u8 code;
	__u8 client_mac[ETH_ALEN]; /* at egress, of a client's packet: out by the client's LAN */
	__be32 word_be;		   /* the last word of the ICMP header: the MTU, or 0 */
	__u32 lan;		   /* its number, or WH_LAN_NONE: back to where the packet came from */
};

#define ANSWER_NONE (-2) /* no verdict: nobody is answered */

struct answer_head {
	ip_header_t ip;
	struct icmp_head icmp;
};

static __always_inline __u32 check_offset(const struct packet *p)
{
	return p->l4_offset + (p->proto == IPPROTO_TCP ? __builtin_offsetof(struct tcphdr, check)
						       : __builtin_offsetof(struct udphdr, check));
}

/*
 * The sum of what is quoted.  Where a device is still going to complete the quoted L4 checksum, all of the L4 part
 * will then add up to the complement of what stands in the field now.
 */
static __always_inline __s64 quote_sum(struct __sk_buff *skb, const struct packet *p, __u32 at, __u32 len, int partial,
				       __u16 partial_sum)
{
	__s64 sum = sum_packet(skb, at, partial ? p->l4_offset - wh_l2_len : len);

	return sum < 0 || !partial ? sum : sum + (__u16)~partial_sum;
}

/* Never about an error, nor about a fragment that is not the first, nor to nobody (RFC 1812 §4.3.2.7, 4443 §2.4(e)). */
static __always_inline int answer_proper(const struct packet *p)
{
	return p->kind != PACKET_ICMP_ERROR && p->kind != PACKET_LATER_FRAGMENT && !is_martian(&p->src_be) &&
	       !is_martian(&p->dst_be);
}

static __always_inline int answer_write(struct __sk_buff *skb, const struct packet *p, const struct answer *a,
					__u32 quoted, __s64 sum)
{
	struct answer_head head = {};

	make_ip(&head.ip, &a->from_be, &p->src_be, PROTO_ICMP_OF_FAMILY, sizeof(head) + quoted);
	head.icmp.type = a->type;
	head.icmp.code = a->code;
	__builtin_memcpy(&head.icmp.id_be, &a->word_be, sizeof(a->word_be));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&head.icmp, sizeof(head.icmp), sum);
	sum += pseudo_sum(&a->from_be, &p->src_be, PROTO_ICMP_OF_FAMILY, sizeof(head.icmp) + quoted);
	sum = (sum & 0xffffffff) + (sum >> 32);
	head.icmp.check = (__u16)~fold(sum);
	return bpf_skb_store_bytes(skb, wh_l2_len, &head, sizeof(head), 0);
}

static __always_inline int send_to_client(struct __sk_buff *skb, const struct answer *a)
{
	__u32 number = a->lan;
	struct wh_lan *lan = bpf_map_lookup_elem(&wh_lans, &number);

	if (!lan || !lan->ifindex || ctx_set_ethernet(skb, lan->l2_len, a->client_mac, lan->mac))
		return ANSWER_NONE;
	return ctx_send(skb, lan->ifindex);
}

/* Make the packet that error and send it back: a verdict, or ANSWER_NONE with the packet fit only to be dropped. */
COLD int answer_error(struct __sk_buff *skb, const struct packet *p, const struct answer *a, __u32 via)
{
	__u32 room = sizeof(struct answer_head), quoted;
	__u16 partial_sum = 0;
	int partial = 0;
	__s64 sum;

	if (!p || !a || !answer_proper(p) || addr_is_zero(&a->from_be) || !budget_take(BUDGET_ANSWERS))
		return ANSWER_NONE;
	quoted = p->l3_len;
	if (quoted > ANSWER_MAX - room)
		quoted = ANSWER_MAX - room;
	if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP) {
		partial = checksum_is_partial(skb, check_offset(p));
		bpf_skb_load_bytes(skb, check_offset(p), &partial_sum, sizeof(partial_sum));
	}
	if (bpf_skb_change_tail(skb, wh_l2_len + quoted, 0))
		return ANSWER_NONE;
	sum = quote_sum(skb, p, wh_l2_len, quoted, partial, partial_sum);
	if (sum < 0 || bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return ANSWER_NONE;
	if (answer_write(skb, p, a, quoted, sum))
		return ANSWER_NONE;
	return a->lan == WH_LAN_NONE ? send_back(skb, via) : send_to_client(skb, a);
}

/* --- RST ------------------------------------------------------------------------------------------------ */

struct reset_head {
	ip_header_t ip;
	struct tcphdr tcp;
};

static __always_inline void reset_tcp(struct tcphdr *tcp, const struct packet *p, int partial)
{
	__u32 payload = p->l3_len - (p->l4_offset - wh_l2_len) - p->l4_header_len;
	__u32 next = bpf_ntohl(p->tcp_seq_be) + payload;
	__s64 sum = pseudo_sum(&p->dst_be, &p->src_be, IPPROTO_TCP, sizeof(*tcp));

	if (p->tcp_flags & (SEGMENT_SYN | SEGMENT_FIN))
		next += 1;
	tcp->source = p->dport_be;
	tcp->dest = p->sport_be;
	/* What the client acknowledged is what it takes for in order next: the one RST that it accepts at once. */
	tcp->seq = p->tcp_flags & SEGMENT_ACK ? p->tcp_ack_be : 0;
	tcp->ack_seq = bpf_htonl(next);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	tcp->ack = 1;
	if (partial)
		tcp->check = fold(sum);
	else
		tcp->check = (__u16)~fold(bpf_csum_diff(NULL, 0, (__be32 *)tcp, sizeof(*tcp), sum));
}

/* Make the packet the RST that answers it, so that the client connects anew at once; a verdict, or -reason. */
COLD int reset_client(struct __sk_buff *skb, const struct packet *p, __u32 via)
{
	struct reset_head head = {};
	int partial;

	if (!p)
		return -WH_REASON_AFTER_RESET;
	partial = checksum_is_partial(skb, p->l4_offset + __builtin_offsetof(struct tcphdr, check));
	/* With options between them, the headers do not stand where a partial checksum's start is kept. */
	if (p->l4_offset != wh_l2_len + sizeof(head.ip) || (p->tcp_flags & SEGMENT_RST) || p->kind != PACKET_WHOLE)
		return -WH_REASON_AFTER_RESET;
	if (bpf_skb_change_tail(skb, wh_l2_len + sizeof(head), 0))
		return -WH_REASON_AFTER_RESET;
	make_ip(&head.ip, &p->dst_be, &p->src_be, IPPROTO_TCP, sizeof(head));
	reset_tcp(&head.tcp, p, partial);
	if (bpf_skb_store_bytes(skb, wh_l2_len, &head, sizeof(head), 0))
		return -WH_REASON_MALFORMED;
	return send_back(skb, via);
}

#endif
