/* SPDX-License-Identifier: GPL-2.0 */
/* fast_tc.h: the fast path's own part on tc: the kernel has taken VLAN tags off and knows each device by itself. */
#ifndef WH_BPF_FAST_TC_H
#define WH_BPF_FAST_TC_H

#include "forward.h"

/* Beside, not within, the long way: its stack is used only while it runs. */
#define FAST APART

struct arrival {
	__u32 ifindex;
};

static __always_inline int came_as_before(ctx_t *ctx, const struct arrival *at, const struct packet *p,
					  const flow_t *flow)
{
	(void)ctx;
	return !is_elsewhere(flow, at->ifindex) && flow->mac_tag == (p->mac_tag ^ neighbours_of(flow->lan));
}

/* The kernel says (ctx_is_for_us()). */
static __always_inline int is_sent_to(ctx_t *ctx, const struct arrival *at, __u32 wan)
{
	(void)ctx;
	(void)at;
	(void)wan;
	return 1;
}

static __always_inline int leads_out(const struct route *r)
{
	const struct wh_wan *wan = r->wan;

	return wan->ifindex &&
	       (!wan->l2_len || ((wan_ip(wan)->flags & WH_WAN_GATEWAY_MAC) && are_gateways_fresh(r->now_ns)));
}

static __always_inline int leads_in(const struct wh_lan *lan, __u32 number, const union client_mac *mac)
{
	return lan->ifindex && (!lan->l2_len || mac->neighbours == neighbours_of(number));
}

/* Whether what is over its rate can leave later. */
static __always_inline int can_wait(const struct wh_lane *lane)
{
	(void)lane;
	return 1;
}

static __always_inline int rewrite_plain(ctx_t *ctx, const struct packet *p, const struct rewrite *r)
{
	return rewrite(ctx, p, r);
}

static __always_inline int send_by_wan(ctx_t *ctx, const struct packet *p, const struct route *r)
{
	const struct wh_wan *wan = r->wan;

	ctx_note_leaving(ctx, p->leave_ns);
	if (ctx_set_ethernet(ctx, wan->l2_len, wan_ip(wan)->gateway_mac, wan->mac))
		return give_up(-WH_REASON_MALFORMED);
	return ctx_send(ctx, wan->ifindex);
}

static __always_inline int send_to_lan(ctx_t *ctx, const struct wh_lan *lan, __u32 number, const union client_mac *mac)
{
	(void)number;
	if (ctx_set_ethernet(ctx, lan->l2_len, mac->octets, lan->mac))
		return give_up(-WH_REASON_MALFORMED);
	return ctx_send(ctx, lan->ifindex);
}

#endif
