/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fast_xdp.h: the fast path's own part on XDP: devices are known by wh_wires, checksums are amended in place, and
 * wh_xdp_out sends.
 */
#ifndef WH_BPF_FAST_XDP_H
#define WH_BPF_FAST_XDP_H

#include "refresh.h"

#define FAST static __always_inline

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, WH_WIRES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32)); /* ifindex */
} wh_xdp_out SEC(".maps");

/* Where a frame came in, and the tag that was taken off it (its two octets after the type), or 0. */
struct arrival {
	const struct wh_wire *wires; /* its row 0 */
	__u32 ifindex;
	__be16 tag_be;
};

#define VLAN_ID 0x0fff

/* --- where it came in ----------------------------------------------------------------------------------- */

static __always_inline int is_met_at(const struct wh_wire *wire, const struct arrival *at)
{
	return wire->ifindex == at->ifindex && wire->vlan == (bpf_ntohs(at->tag_be) & VLAN_ID);
}

static __always_inline int is_to_mac(const struct packet *p, const void *mac)
{
	const __u16 *to = (const __u16 *)p->dst_mac, *ours = mac;

	return !((ours[0] ^ to[0]) | (ours[1] ^ to[1]) | (ours[2] ^ to[2]));
}

/* The number of the WAN that it came by, or WH_WAN_NONE. */
static __always_inline __u32 wan_met_at(const struct arrival *at)
{
#pragma unroll
	for (__u32 wan = 0; wan < WH_MAX_WANS; wan++) {
		if (is_met_at(&at->wires[wan], at))
			return wan;
	}
	return WH_WAN_NONE;
}

static __always_inline const struct wh_wire *wire_at(const struct arrival *at, __u32 row)
{
	return &at->wires[row % WH_WIRE_ROWS];
}

static __always_inline int came_as_before(const struct arrival *at, const struct packet *p, const flow_t *flow)
{
	const struct wh_wire *wire = wire_at(at, WH_WIRE_LAN + flow->lan);

	return is_met_at(wire, at) && is_to_mac(p, wire->mac) && flow->mac_tag == (p->mac_tag ^ wire->neighbours);
}

static __always_inline int is_sent_to(const struct arrival *at, const struct packet *p, __u32 wan)
{
	return is_to_mac(p, wire_at(at, wan)->mac);
}

/* --- where it goes -------------------------------------------------------------------------------------- */

static __always_inline int leads_out(const struct arrival *at, const struct route *r)
{
	return r->wan->ifindex && wire_at(at, r->pin.wan)->sends && (wan_ip(r->wan)->flags & WH_WAN_GATEWAY_MAC);
}

static __always_inline int leads_in(const struct arrival *at, const struct wh_lan *lan, __u32 number,
				    const union client_mac *mac)
{
	const struct wh_wire *wire = wire_at(at, WH_WIRE_LAN + number);

	return lan->ifindex && wire->sends && mac->neighbours == wire->neighbours;
}

/* There is no qdisc to wait in. */
static __always_inline int can_wait(const struct wh_lane *lane)
{
	return !lane->up.wait_ns;
}

/* --- tags and sending ----------------------------------------------------------------------------------- */

struct tagged_frame {
	__u16 macs[ETH_ALEN];
	__be16 tag_type_be;
	__be16 tag_be;
	__be16 proto_be;
};

#define TAG_LEN 4

/* Take the tag off, if there is one. 0 or -1: it is for others. */
static __always_inline int tag_take(ctx_t *ctx, struct arrival *at)
{
	struct tagged_frame *tagged = ctx_data(ctx);
	__u8 macs[2 * ETH_ALEN];
	struct ethhdr *eth;

	at->tag_be = 0;
	if ((void *)(tagged + 1) > ctx_end(ctx) || tagged->tag_type_be != bpf_htons(ETH_P_8021Q))
		return 0;
	if (!(tagged->tag_be & bpf_htons(VLAN_ID)))
		return -1; /* a priority, and no VLAN */
	at->tag_be = tagged->tag_be;
	__builtin_memcpy(macs, tagged->macs, sizeof(macs));
	if (bpf_xdp_adjust_head(ctx, TAG_LEN))
		return -1;
	eth = ctx_data(ctx);
	if ((void *)(eth + 1) > ctx_end(ctx))
		return -1;
	__builtin_memcpy(eth, macs, sizeof(macs));
	return 0;
}

/* Put a tag before the type. */
static __always_inline int tag_put(ctx_t *ctx, __be16 tag_be)
{
	struct tagged_frame *tagged;
	struct ethhdr *eth = ctx_data(ctx);
	__u8 macs[2 * ETH_ALEN];

	if ((void *)(eth + 1) > ctx_end(ctx))
		return -1;
	__builtin_memcpy(macs, eth, sizeof(macs));
	if (bpf_xdp_adjust_head(ctx, -TAG_LEN))
		return -1;
	tagged = ctx_data(ctx);
	if ((void *)(tagged + 1) > ctx_end(ctx))
		return -1;
	__builtin_memcpy(tagged->macs, macs, sizeof(macs));
	tagged->tag_type_be = bpf_htons(ETH_P_8021Q);
	tagged->tag_be = tag_be;
	return 0;
}

/* The whole frame anew, by one look at where it stands, and out by a row of wh_xdp_out. */
static __always_inline int send_by(ctx_t *ctx, const struct arrival *at, __u32 row, const void *mac,
				   const struct packet *p, const struct rewrite *r)
{
	struct ethhdr *eth = ctx_data(ctx);
	ip_header_t *ip = (void *)eth + wh_l2_len;
	struct tcphdr *tcp = (void *)(ip + 1);
	struct udphdr *udp = (void *)tcp;
	const struct wh_wire *wire = wire_at(at, row);
	__u64 change = addr_change(&r->from_be, &r->to_be), all = change + word_change(r->port_from_be, r->port_to_be);
	void *end = ctx_end(ctx);

	if ((void *)(ip + 1) > end)
		return give_up(-WH_REASON_MALFORMED);
	if (p->proto == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end)
			return give_up(-WH_REASON_MALFORMED);
		tcp->check = sum_amended(tcp->check, all);
		port_store(&tcp->source, r);
	} else if (p->proto == IPPROTO_UDP) {
		if ((void *)(udp + 1) > end)
			return give_up(-WH_REASON_MALFORMED);
		if (udp->check)
			udp->check = sum_amended_udp(udp->check, all);
		port_store(&udp->source, r);
	}
	readdress(ip, &r->to_be, change, r->source, r->hop);
	mac_copy(eth->h_dest, mac);
	mac_copy(eth->h_source, wire->mac);
	if (wire->vlan && tag_put(ctx, bpf_htons(wire->vlan)))
		return give_up(-WH_REASON_MALFORMED);
	return bpf_redirect_map(&wh_xdp_out, row, 0);
}

static __always_inline int send_by_wan(ctx_t *ctx, const struct arrival *at, const struct packet *p,
				       const struct rewrite *out, const struct route *r, const struct wh_lane *lane,
				       __u64 leave_ns)
{
	(void)leave_ns;
	if (lane && lane->marks)
		rewrite_dscp(ctx, lane->dscp);
	return send_by(ctx, at, r->pin.wan, wan_ip(r->wan)->gateway_mac, p, out);
}

static __always_inline int send_to_lan(ctx_t *ctx, const struct arrival *at, const struct packet *p,
				       const struct rewrite *in, const struct wh_lan *lan, __u32 number,
				       const union client_mac *mac)
{
	(void)lan;
	return send_by(ctx, at, WH_WIRE_LAN + number, mac->octets, p, in);
}

#endif
