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

static __always_inline int came_as_before(const struct arrival *at, const struct packet *p, const flow_t *flow)
{
	return !is_elsewhere(flow, at->ifindex) && flow->mac_tag == (p->mac_tag ^ neighbours_of(flow->lan));
}

/* The kernel says (ctx_is_for_us()). */
static __always_inline int is_sent_to(const struct arrival *at, const struct packet *p, __u32 wan)
{
	(void)at;
	(void)p;
	(void)wan;
	return 1;
}

static __always_inline int leads_out(const struct arrival *at, const struct route *r)
{
	const struct wh_wan *wan = r->wan;

	(void)at;
	return wan->ifindex && (!wan->l2_len || (wan_ip(wan)->flags & WH_WAN_GATEWAY_MAC));
}

static __always_inline int leads_in(const struct arrival *at, const struct wh_lan *lan, __u32 number,
				    const union client_mac *mac)
{
	(void)at;
	return lan->ifindex && (!lan->l2_len || mac->neighbours == neighbours_of(number));
}

/* Whether what is over its rate can leave later. */
static __always_inline int can_wait(const struct wh_lane *lane)
{
	(void)lane;
	return 1;
}

/*
 * Ports, and the checksum over them and the address, with one call of a helper: it knows whether the checksum is a
 * partial one, and what it makes of the address's change shows it, unless that change is none.  0 or -reason.
 */
static __always_inline int rewrite_ports(ctx_t *ctx, const struct packet *p, const struct rewrite *r)
{
	__u32 l4_at = wh_l2_len + sizeof(ip_header_t);
	__u32 check_at = p->proto == IPPROTO_TCP ? __builtin_offsetof(struct tcphdr, check)
						 : __builtin_offsetof(struct udphdr, check);
	__u64 change = addr_change(&r->from_be, &r->to_be);
	void *l4 = ctx_data(ctx) + l4_at;
	__be16 *check = l4 + check_at;
	__u16 complete;

	if ((void *)(check + 1) > ctx_end(ctx))
		return -WH_REASON_MALFORMED;
	complete = p->proto == IPPROTO_TCP ? sum_amended(*check, change) : sum_amended_udp(*check, change);
	if (p->proto != IPPROTO_UDP || *check) {
		sum_address(ctx, l4_at + check_at, r, p->proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
		l4 = ctx_data(ctx) + l4_at;
		check = l4 + check_at;
		if ((void *)(check + 1) > ctx_end(ctx))
			return -WH_REASON_MALFORMED;
		change = word_change(r->port_from_be, r->port_to_be);
		if (*check == complete)
			*check = p->proto == IPPROTO_TCP ? sum_amended(complete, change)
							 : sum_amended_udp(complete, change);
	}
	port_store(l4, r);
	return 0;
}

static __always_inline int rewrite_plain(ctx_t *ctx, const struct packet *p, const struct rewrite *r)
{
	__u16 change = fold64(addr_change(&r->from_be, &r->to_be));
	int reason;

	if ((p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) || !change || change == 0xffff)
		return rewrite(ctx, p, r);
	reason = rewrite_ports(ctx, p, r);
	return reason ? reason : rewrite_ip(ctx, &r->from_be, &r->to_be, r->source, r->hop);
}

static __always_inline int send_by_wan(ctx_t *ctx, const struct arrival *at, const struct packet *p,
				       const struct rewrite *out, const struct route *r, const struct wh_lane *lane,
				       __u64 leave_ns)
{
	const struct wh_wan *wan = r->wan;
	int reason = rewrite_plain(ctx, p, out);

	(void)at;
	if (reason)
		return give_up(reason);
	if (lane && lane->marks)
		rewrite_dscp(ctx, lane->dscp);
	ctx_note_leaving(ctx, leave_ns);
	if (ctx_set_ethernet(ctx, wan->l2_len, wan_ip(wan)->gateway_mac, wan->mac))
		return give_up(-WH_REASON_MALFORMED);
	return ctx_send(ctx, wan->ifindex);
}

static __always_inline int send_to_lan(ctx_t *ctx, const struct arrival *at, const struct packet *p,
				       const struct rewrite *in, const struct wh_lan *lan, __u32 number,
				       const union client_mac *mac)
{
	int reason = rewrite_plain(ctx, p, in);

	(void)at;
	(void)number;
	if (reason)
		return give_up(reason);
	if (ctx_set_ethernet(ctx, lan->l2_len, mac->octets, lan->mac))
		return give_up(-WH_REASON_MALFORMED);
	return ctx_send(ctx, lan->ifindex);
}

#endif
