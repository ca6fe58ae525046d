/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctx_tc.h: the packet API over a tc context.  Whatever touches a __sk_buff directly stands here; the rest
 * of the pipeline is written against these functions only.
 *
 * Verdicts: clsact and tcx share three codes with one meaning; TC_ACT_OK and TC_ACT_STOLEN differ between
 * them (OK hides other programs' filters, STOLEN means "next" on tcx) and are not used.
 */
#ifndef WH_BPF_CTX_TC_H
#define WH_BPF_CTX_TC_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <wanhelm/abi.h>

#define VERDICT_NEXT (-1) /* TCX_NEXT, TC_ACT_UNSPEC */
#define VERDICT_DROP 2	  /* TCX_DROP, TC_ACT_SHOT */

/* From libc's headers, which BPF programs cannot include. */
#ifndef AF_INET
#define AF_INET 2
#endif
#ifndef E2BIG
#define E2BIG 7 /* a preallocated map is full */
#endif

/* Our bits of the mark and the value that says "dealt with"; set before loading. */
const volatile __u32 wh_mark_done = 0x57000000;
const volatile __u32 wh_mark_mask = 0xff000000;

static __always_inline void *ctx_data(const struct __sk_buff *skb)
{
	return (void *)(long)skb->data;
}

static __always_inline void *ctx_end(const struct __sk_buff *skb)
{
	return (void *)(long)skb->data_end;
}

static __always_inline int ctx_is_done(const struct __sk_buff *skb)
{
	return (skb->mark & wh_mark_mask) == wh_mark_done;
}

static __always_inline void ctx_set_done(struct __sk_buff *skb)
{
	skb->mark = (skb->mark & ~wh_mark_mask) | wh_mark_done;
}

static __always_inline void ctx_clear_done(struct __sk_buff *skb)
{
	skb->mark &= ~wh_mark_mask;
}

/*
 * Whether the frame is for us: a device in promiscuous mode also shows those for others, and a VLAN's parent
 * those of the VLAN, which is a device of its own.
 */
static __always_inline int ctx_is_for_us(const struct __sk_buff *skb)
{
	return skb->pkt_type == 0 /* PACKET_HOST */ && !skb->vlan_present;
}

/* Make the first `len` bytes (or all there are) readable at ctx_data(). Pointers into the packet become invalid. */
static __always_inline int ctx_pull(struct __sk_buff *skb, __u32 len)
{
	return bpf_skb_pull_data(skb, len < skb->len ? len : skb->len);
}

/* Whether the packet, or each of the pieces that the device or the kernel cuts it into later, fits. */
static __always_inline int ctx_fits(const struct __sk_buff *skb, __u32 l3_len, __u32 headers_len, __u32 mtu)
{
	return (skb->gso_size ? headers_len + skb->gso_size : l3_len) <= mtu;
}

/*
 * Send by `ifindex` to the IPv4 next hop, whose MAC the kernel knows or finds out (the packet waits
 * meanwhile).  From ingress only: at an egress hook an unresolved neighbour would let the packet out with the
 * old device's MAC.
 */
static __always_inline int ctx_send_next_hop4(struct __sk_buff *skb, __u32 ifindex, __be32 next_hop_be)
{
	struct bpf_redir_neigh next = {.nh_family = AF_INET, .ipv4_nh = next_hop_be};

	ctx_set_done(skb);
	return bpf_redirect_neigh(ifindex, &next, sizeof(next), 0);
}

/* Send by `ifindex`; the Ethernet header is already right. */
static __always_inline int ctx_send(struct __sk_buff *skb, __u32 ifindex)
{
	ctx_set_done(skb);
	return bpf_redirect(ifindex, 0);
}

#endif
