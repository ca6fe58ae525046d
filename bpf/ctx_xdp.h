/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctx_xdp.h: the packet API over an XDP context.  Of a frame in several buffers only the first is looked at; headers
 * that do not stand there whole are tc's.
 */
#ifndef WH_BPF_CTX_XDP_H
#define WH_BPF_CTX_XDP_H

#include "family.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

typedef struct xdp_md ctx_t;

#define VERDICT_NEXT XDP_PASS /* to tc */
#define VERDICT_DROP XDP_DROP

/* Devices without Ethernet header have no XDP; a VLAN tag is taken off before anything is looked at. */
#define wh_l2_len ETH_HLEN

/* A field as one access by the context itself, as in ctx_tc.h. */
#define CTX_LOAD(ctx, field)                                                                                           \
	({                                                                                                             \
		__u64 loaded;                                                                                          \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                                                  \
			     : "=r"(loaded)                                                                            \
			     : "r"(ctx), "i"(__builtin_offsetof(struct xdp_md, field))                                 \
			     : "memory");                                                                              \
		loaded;                                                                                                \
	})

static __always_inline void *ctx_data(const ctx_t *ctx)
{
	return (void *)CTX_LOAD(ctx, data);
}

static __always_inline void *ctx_end(const ctx_t *ctx)
{
	return (void *)CTX_LOAD(ctx, data_end);
}

static __always_inline __u32 ctx_len(ctx_t *ctx)
{
	return bpf_xdp_get_buff_len(ctx);
}

static __always_inline __u32 ctx_ifindex(const ctx_t *ctx)
{
	return CTX_LOAD(ctx, ingress_ifindex);
}

static __always_inline int ctx_is_family(const ctx_t *ctx)
{
	struct ethhdr *eth = ctx_data(ctx);

	return (void *)(eth + 1) <= ctx_end(ctx) && eth->h_proto == bpf_htons(WH_FAMILY == 4 ? ETH_P_IP : ETH_P_IPV6);
}

/* Nothing is cut up or put together here. */
static __always_inline int ctx_fits(const ctx_t *ctx, __u32 l3_len, __u32 headers_len, __u32 mtu)
{
	(void)ctx;
	(void)headers_len;
	return l3_len <= mtu;
}

static __always_inline __u32 ctx_line_len(const ctx_t *ctx, __u32 l3_len, __u32 headers_len)
{
	(void)ctx;
	(void)headers_len;
	return l3_len;
}

#endif
