/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mss.h: the maximum segment size that both ends of a TCP session offer, clamped to what the WAN can carry
 * (RFC 9293 §3.7.1), so that the session does not depend on path MTU discovery.
 */
#ifndef WH_BPF_MSS_H
#define WH_BPF_MSS_H

#include "parse_skb.h"

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTIONS_MAX 40

/* A 16-bit field at an odd offset stands across two words of the sum. */
static __always_inline void mss_store(struct __sk_buff *skb, __u32 tcp_at, __u32 at, __be16 was, __be16 mss)
{
	__u32 check_at = tcp_at + __builtin_offsetof(struct tcphdr, check);
	int odd = (at - tcp_at) & 1;

	bpf_l4_csum_replace(skb, check_at, odd ? __builtin_bswap16(was) : was, odd ? __builtin_bswap16(mss) : mss, 2);
	bpf_skb_store_bytes(skb, at, &mss, sizeof(mss), 0);
}

/* Always 0. */
COLD int mss_clamp_options(struct __sk_buff *skb, __u32 tcp_at, __u32 header_len, __u32 most)
{
	__u32 at = tcp_at + sizeof(struct tcphdr), end = tcp_at + header_len;
	struct {
		__u8 kind, len;
		__be16 mss_be;
	} option;

	for (int i = 0; i < TCP_OPTIONS_MAX && at + sizeof(option) <= end; i++) {
		if (bpf_skb_load_bytes(skb, at, &option, sizeof(option)) || option.kind == TCP_OPTION_END)
			return 0;
		if (option.kind == TCP_OPTION_NOP) {
			at += 1;
			continue;
		}
		if (option.len < 2)
			return 0;
		if (option.kind == TCP_OPTION_MSS && option.len == 4) {
			if (bpf_ntohs(option.mss_be) > most)
				mss_store(skb, tcp_at, at + 2, option.mss_be, bpf_htons(most));
			return 0;
		}
		at += option.len;
	}
	return 0;
}

static __always_inline void mss_clamp(struct __sk_buff *skb, const struct packet *p, __u32 mtu)
{
	if (p->proto == IPPROTO_TCP && (p->tcp_flags & SEGMENT_SYN) && mtu > IP_HEADER_LEN + sizeof(struct tcphdr))
		mss_clamp_options(skb, p->l4_offset, p->l4_header_len, mtu - IP_HEADER_LEN - sizeof(struct tcphdr));
}

#endif
