/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bare.bpf.c: the least that a router could do at each hook, as upper bounds: packets of the benchmark get new MACs
 * and go to one device, or are dropped.  No table, no TTL, no checksum.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "frames.h"

__u32 to_ifindex;
__u8 macs[2 * ETH_ALEN];
__u64 dropped;

/* Whether it is one; neighbour discovery and the like go their own way. */
static __always_inline int rewrite(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct bench_frame4 *p4 = data;

	if ((void *)(p4 + 1) > end)
		return 0;
	if (eth->h_proto == __builtin_bswap16(ETH_P_IP) ? p4->ip.protocol != IPPROTO_UDP
							: eth->h_proto != __builtin_bswap16(ETH_P_IPV6))
		return 0;
	__builtin_memcpy(eth, macs, 2 * ETH_ALEN);
	return 1;
}

SEC("tc")
int redirect_tc(struct __sk_buff *skb)
{
	if (!rewrite((void *)(long)skb->data, (void *)(long)skb->data_end))
		return TC_ACT_OK;
	return (int)bpf_redirect(to_ifindex, 0);
}

SEC("xdp")
int redirect_xdp(struct xdp_md *ctx)
{
	if (!rewrite((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return XDP_PASS;
	return (int)bpf_redirect(to_ifindex, 0);
}

SEC("xdp")
int drop_xdp(struct xdp_md *ctx)
{
	if (!rewrite((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return XDP_PASS;
	dropped++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
