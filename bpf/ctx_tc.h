/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctx_tc.h: the packet API over a tc context.  Whatever touches a __sk_buff's own fields stands here; the rest
 * of the pipeline is written against these functions only.
 *
 * Verdicts: clsact and tcx share three codes with one meaning; TC_ACT_OK and TC_ACT_STOLEN differ between
 * them (OK hides other programs' filters, STOLEN means "next" on tcx) and are not used.
 */
#ifndef WH_BPF_CTX_TC_H
#define WH_BPF_CTX_TC_H

#include "bound.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

typedef struct __sk_buff ctx_t;

#define VERDICT_NEXT (-1) /* TCX_NEXT, TC_ACT_UNSPEC */
#define VERDICT_DROP 2	  /* TCX_DROP, TC_ACT_SHOT */

/* From libc's headers, which BPF programs cannot include. */
#define AF_INET 2
#define AF_INET6 10
#define E2BIG 7 /* a preallocated map is full */

/* Our bits of the mark and the value in them that enum wh_mark counts from; set before loading. */
const volatile __u32 wh_mark_value = 0x57000000;
const volatile __u32 wh_mark_mask = 0xff000000;
/* The link-layer header of the devices that the programs are for: each object is loaded for one length. */
const volatile __u32 wh_l2_len = ETH_HLEN;

/*
 * A field as one access by the context itself: the compiler would sooner keep the field's address, through which the
 * verifier lets nobody read.
 */
#define CTX_LOAD(skb, field)                                                                                           \
	({                                                                                                             \
		__u64 loaded;                                                                                          \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                                                  \
			     : "=r"(loaded)                                                                            \
			     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, field))                              \
			     : "memory");                                                                              \
		loaded;                                                                                                \
	})

static __always_inline void *ctx_data(const struct __sk_buff *skb)
{
	return (void *)CTX_LOAD(skb, data);
}

static __always_inline void *ctx_end(const struct __sk_buff *skb)
{
	return (void *)CTX_LOAD(skb, data_end);
}

static __always_inline __u32 ctx_len(const struct __sk_buff *skb)
{
	return CTX_LOAD(skb, len);
}

static __always_inline __u32 ctx_ifindex(const struct __sk_buff *skb)
{
	return CTX_LOAD(skb, ifindex);
}

/* --- the mark ------------------------------------------------------------------------------------------- */

static __always_inline __u32 mark_unit(void)
{
	return wh_mark_mask & -wh_mark_mask;
}

/* enum wh_mark, or WH_MARK_VALUES for a mark that is none of ours. */
static __always_inline __u32 ctx_mark(const struct __sk_buff *skb)
{
	__u32 above = (CTX_LOAD(skb, mark) & wh_mark_mask) - wh_mark_value, unit = mark_unit();

#pragma unroll
	for (__u32 value = 0; value < WH_MARK_VALUES; value++) {
		if (above == value * unit)
			return value;
	}
	return WH_MARK_VALUES;
}

/* Whether it carries the number of a chosen WAN: enum wh_mark's WH_MARK_SHOWN and on. */
static __always_inline int ctx_is_shown(const struct __sk_buff *skb)
{
	__u32 mark = ctx_mark(skb);

	return mark >= WH_MARK_SHOWN && mark < WH_MARK_UP;
}

static __always_inline int ctx_is_done(const struct __sk_buff *skb)
{
	return (CTX_LOAD(skb, mark) & wh_mark_mask) == wh_mark_value;
}

/* The bits that are not ours. */
static __always_inline __u32 ctx_users_mark(const struct __sk_buff *skb)
{
	return CTX_LOAD(skb, mark) & ~wh_mark_mask;
}

static __always_inline void mark_store(struct __sk_buff *skb, __u32 mark)
{
	asm volatile("*(u32 *)(%0 + %1) = %2"
		     :
		     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, mark)), "r"(mark)
		     : "memory");
}

static __always_inline void ctx_set_mark(struct __sk_buff *skb, __u32 value)
{
	mark_store(skb, ctx_users_mark(skb) | (wh_mark_value + value * mark_unit()));
}

static __always_inline void ctx_clear_mark(struct __sk_buff *skb)
{
	mark_store(skb, ctx_users_mark(skb));
}

/* --- what the kernel says of the packet ----------------------------------------------------------------- */

/*
 * Whether the frame is for us: a device in promiscuous mode also shows those for others, and a VLAN's parent
 * those of the VLAN, which is a device of its own.
 */
static __always_inline int ctx_is_for_us(const struct __sk_buff *skb)
{
	return CTX_LOAD(skb, pkt_type) == 0 /* PACKET_HOST */ && !CTX_LOAD(skb, vlan_present);
}

static __always_inline int ctx_is_family(const struct __sk_buff *skb)
{
	return CTX_LOAD(skb, protocol) == bpf_htons(WH_FAMILY == 4 ? ETH_P_IP : ETH_P_IPV6);
}

/* At an egress hook: whether the kernel forwards it (or we redirected it), rather than a socket here having sent it. */
static __always_inline int ctx_is_forwarded(const struct __sk_buff *skb)
{
	return CTX_LOAD(skb, ingress_ifindex) != 0;
}

/* Whether the sending socket is bound to a device: then it stays there. */
static __always_inline int ctx_is_bound(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	return sk && sk->bound_dev_if;
}

/* Whether the sending socket asked to be bound to that address. */
static __always_inline int ctx_is_bound_to(struct __sk_buff *skb, const addr_t *src)
{
	struct bpf_sock *sk = skb->sk;
	struct wh_addr6 *asked;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	asked = sk ? bpf_sk_storage_get(&wh_bound, sk, NULL, 0) : NULL;
#if WH_FAMILY == 4
	return asked && asked->word_be[2] == bpf_htonl(0xffff) && asked->word_be[3] == *src;
#else
	return asked && addr_equal(asked, src);
#endif
}

/*
 * Whether the sending socket is bound to its source address, by what its fields tell: not of a connected one.  For
 * sockets that were bound before we noted it.
 */
static __always_inline int ctx_is_bound_to_source(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk)
		return 0;
#if WH_FAMILY == 4
	return sk->src_ip4 && !sk->dst_ip4;
#else
	return (sk->src_ip6[0] || sk->src_ip6[3]) && !sk->dst_ip6[0] && !sk->dst_ip6[3];
#endif
}

/* Whether the sending socket speaks with one peer only. */
static __always_inline int ctx_is_connected(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
#if WH_FAMILY == 4
	return sk && sk->dst_ip4;
#else
	return sk && (sk->dst_ip6[0] || sk->dst_ip6[3]);
#endif
}

/* --- leaving later ---------------------------------------------------------------------------------------- */

/* When the packet is to leave, for an fq qdisc: on a redirect the kernel would forget it, so the note goes along. */
static __always_inline void ctx_note_leaving(struct __sk_buff *skb, __u64 leave_ns)
{
	skb->cb[0] = (__u32)leave_ns;
	skb->cb[1] = leave_ns >> 32;
}

/* At the egress hook of the device: as noted. */
static __always_inline void ctx_leave_as_noted(struct __sk_buff *skb)
{
	__u64 leave_ns = (__u64)skb->cb[1] << 32 | skb->cb[0];

	if (leave_ns)
		skb->tstamp = leave_ns;
}

/*
 * Whether the packet is this program's to look at: of its family (the other family's program stands on the same hook),
 * and not dealt with already, of which the mark tells for the last time.
 */
static __always_inline int ctx_is_mine(struct __sk_buff *skb)
{
	if (!ctx_is_family(skb))
		return 0;
	if (!ctx_is_done(skb))
		return 1;
	ctx_clear_mark(skb);
	return 0;
}

/*
 * Make the first `len` bytes (or all there are) readable at ctx_data(): most packets have them there, and the helper is
 * not for nothing.  Pointers into the packet become invalid.
 */
static __always_inline int ctx_pull(struct __sk_buff *skb, __u32 len)
{
	__u32 there = ctx_end(skb) - ctx_data(skb);

	if (there >= len || there == ctx_len(skb))
		return 0;
	return bpf_skb_pull_data(skb, len < ctx_len(skb) ? len : ctx_len(skb));
}

/* Whether the packet, or each of the pieces that the device or the kernel cuts it into later, fits. */
static __always_inline int ctx_fits(const struct __sk_buff *skb, __u32 l3_len, __u32 headers_len, __u32 mtu)
{
	__u32 piece = CTX_LOAD(skb, gso_size);

	return (piece ? headers_len + piece : l3_len) <= mtu;
}

/* Bytes of IP that it is on the line, where each of those pieces has headers of its own. */
static __always_inline __u32 ctx_line_len(const struct __sk_buff *skb, __u32 l3_len, __u32 headers_len)
{
	__u32 piece = CTX_LOAD(skb, gso_size);

	if (!piece || l3_len <= headers_len)
		return l3_len;
	return l3_len + (l3_len - headers_len - 1) / piece * headers_len;
}

/* --- sending -------------------------------------------------------------------------------------------- */

/* Give a packet that begins with IP room for an Ethernet header, its type filled in. */
static __always_inline int ctx_add_ethernet(struct __sk_buff *skb)
{
	struct ethhdr *eth;

	if (bpf_skb_change_head(skb, ETH_HLEN, 0))
		return -1;
	eth = ctx_data(skb);
	if ((void *)(eth + 1) > ctx_end(skb))
		return -1;
	eth->h_proto = bpf_htons(WH_FAMILY == 4 ? ETH_P_IP : ETH_P_IPV6);
	return 0;
}

/* Write the Ethernet header that a device with link-layer headers of `l2_len` bytes wants, if it wants one. */
static __always_inline int ctx_set_ethernet(struct __sk_buff *skb, __u32 l2_len, const __u8 *dst, const __u8 *src)
{
	struct ethhdr *eth;

	if (!l2_len)
		return 0; /* the kernel takes a header off that the target does not have */
	if (!wh_l2_len && ctx_add_ethernet(skb))
		return -1;
	eth = ctx_data(skb);
	if ((void *)(eth + 1) > ctx_end(skb))
		return -1;
	mac_copy(eth->h_dest, dst);
	mac_copy(eth->h_source, src);
	return 0;
}

/*
 * Send by `ifindex` to the next hop, whose MAC the kernel knows or finds out (the packet waits meanwhile).  From
 * ingress only: at an egress hook an unresolved neighbour would let the packet out with the old device's MAC.
 */
static __always_inline int ctx_send_next_hop(struct __sk_buff *skb, __u32 ifindex, const addr_t *next_hop_be)
{
	struct bpf_redir_neigh next = {.nh_family = WH_FAMILY == 4 ? AF_INET : AF_INET6};

	if (!wh_l2_len && ctx_add_ethernet(skb))
		return VERDICT_DROP;
	__builtin_memcpy(&next.ipv6_nh, next_hop_be, sizeof(*next_hop_be)); /* a union with ipv4_nh */
	ctx_set_mark(skb, WH_MARK_DONE);
	return bpf_redirect_neigh(ifindex, &next, sizeof(next), 0);
}

/* Send by `ifindex` to whom the kernel's own route there and its neighbours say.  From ingress only. */
static __always_inline int ctx_send_routed(struct __sk_buff *skb, __u32 ifindex)
{
	ctx_set_mark(skb, WH_MARK_DONE);
	return bpf_redirect_neigh(ifindex, NULL, 0, 0);
}

/* Send by `ifindex`; the Ethernet header is already right. */
static __always_inline int ctx_send(struct __sk_buff *skb, __u32 ifindex)
{
	ctx_set_mark(skb, WH_MARK_DONE);
	return bpf_redirect(ifindex, 0);
}

/* Let it come in by `ifindex`, as if from the wire; our hook there lets it by. */
static __always_inline int ctx_receive(struct __sk_buff *skb, __u32 ifindex, __u32 mark)
{
	ctx_set_mark(skb, mark);
	return bpf_redirect(ifindex, BPF_F_INGRESS);
}

#endif
