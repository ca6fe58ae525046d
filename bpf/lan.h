/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lan.h: the hooks of a LAN device: what clients send, and what the kernel sends to them.
 */
#ifndef WH_BPF_LAN_H
#define WH_BPF_LAN_H

#include "firewall.h"
#include "fragment.h"
#include "hairpin.h"
#include "icmp_error.h"
#include "steer.h"

/* --- from a client -------------------------------------------------------------------------------------- */

static __always_inline struct wh_lan *lan_of(const struct __sk_buff *skb, __u8 *number)
{
	__u32 ifindex = ctx_ifindex(skb), row;
	struct wh_device *device = bpf_map_lookup_elem(&wh_devices, &ifindex);

	if (!device || device->role != WH_ROLE_LAN)
		return NULL;
	row = *number = device->number;
	return bpf_map_lookup_elem(&wh_lans, &row);
}

/* The kernel brought this peer to the client itself (a port forward, a VPN): what goes back is the kernel's. */
APART int is_foreign(const struct packet *p, __u32 lan)
{
	pending_t *pending = p->proto == IPPROTO_TCP ? NULL : pending_find(p);
	flow_key_t key = flow_key(p);
	__u64 now_ns = tick_now_ns();
	flow_t flow = {};

	if (!pending || !(pending->flags & WH_FLOW_FOREIGN))
		return 0;
	flow.pin.wan = WH_WAN_NONE;
	flow.flags = WH_FLOW_FOREIGN;
	flow.lan = lan;
	flow.line = WH_LINE_NONE;
	flow.seen_ns = now_ns;
	flow.born_s = now_ns / 1000000000ULL;
	bpf_map_update_elem(&wh_flows, &key, &flow, BPF_NOEXIST); /* answered: no longer forgotten */
	return 1;
}

/*
 * A packet without a flow: 0: its flow stands in wh_flows now; SHOWN: it goes up; else -reason.  Before a flow is
 * carried the kernel's firewall sees its first packet, where it is asked at all.
 */
COLD int first_packet(struct __sk_buff *skb, const struct packet *p)
{
	struct origin from = {.wan = WH_WAN_NONE};
	struct hairpin h = {};
	struct wh_route to;
	int reason, wan;

	if (!p || !lan_of(skb, &from.lan))
		return -WH_REASON_KERNEL_ROUTE;
	to = route_of(&p->dst_be);
	origin_classify(skb, p, from.lan, &from);
	__builtin_memcpy(from.client_mac, p->src_mac, ETH_ALEN);
	reason = hairpin_find(p, &h);
	if (reason)
		return reason < 0 ? reason : hairpin_first(skb, p, &from, &h);
	reason = is_steered(p, to);
	if (!reason && route_of(&p->src_be).kind == WH_ROUTE_LOCAL)
		reason = -WH_REASON_KERNEL_MARTIAN; /* ours: no client has it */
	if (!reason && is_foreign(p, from.lan))
		reason = -WH_REASON_KERNEL_OWN;
	if (!reason && p->ttl <= 1)
		reason = -WH_REASON_KERNEL_TTL;
	if (!reason)
		reason = class_action(from.class);
	if (reason == -WH_REASON_KERNEL_CLASS)
		ctx_set_mark(skb, WH_MARK_KERNEL);
	if (reason)
		return reason;
	if (to.kind == WH_ROUTE_WAN) { /* only the kernel knows the next hop */
		show(skb, WH_MARK_UP);
		return SHOWN;
	}
	if (!firewall_is_asked(steer_global()))
		return flow_open(p, &from);
	wan = select_new(p, &from);
	if (wan < 0)
		return wan;
	pending_note(p, &from, wan);
	show(skb, WH_MARK_SHOWN + wan);
	return SHOWN;
}

/* The kernel puts fragments together, so that its firewall sees whole packets, and cuts them up again in order. */
COLD int lan_in_fragment(struct __sk_buff *skb, struct packet *p)
{
	struct origin from = {.wan = WH_WAN_NONE};
	struct wh_route to;
	int wan, reason;

	if (!p)
		return -WH_REASON_MALFORMED;
	to = route_of(&p->dst_be);
	if ((to.kind != WH_ROUTE_DEFAULT && to.kind != WH_ROUTE_WAN) || !lan_of(skb, &from.lan))
		return -WH_REASON_KERNEL_ROUTE;
	if (fragment_ports(skb, p) && fragment_orphan())
		return -WH_REASON_FRAGMENT;
	count_reason(WH_REASON_KERNEL_FRAGMENT);
	if (p->kind == PACKET_FIRST_FRAGMENT && to.kind == WH_ROUTE_DEFAULT && !flow_find(p) &&
	    !is_foreign(p, from.lan)) {
		origin_classify(skb, p, from.lan, &from);
		reason = class_action(from.class);
		if (reason == -WH_REASON_KERNEL_CLASS)
			ctx_set_mark(skb, WH_MARK_KERNEL);
		if (reason)
			return reason;
		__builtin_memcpy(from.client_mac, p->src_mac, ETH_ALEN);
		wan = select_new(p, &from);
		if (wan >= 0)
			pending_note(p, &from, wan);
	}
	ctx_set_mark(skb, WH_MARK_UP);
	return VERDICT_NEXT;
}

/* A client that moved to another LAN, or one that pretends: the kernel's rules say which, and wan_out then learns it. */
COLD int show_moved(struct __sk_buff *skb, const struct packet *p)
{
	struct origin from = {};

	if (!p || !lan_of(skb, &from.lan))
		return -WH_REASON_KERNEL_ROUTE;
	origin_classify(skb, p, from.lan, &from);
	__builtin_memcpy(from.client_mac, p->src_mac, ETH_ALEN);
	pending_note(p, &from, WH_WAN_NONE);
	return show(skb, WH_MARK_UP);
}

/*
 * Rules or routes have changed: what is to go elsewhere now is the kernel's from here on, all else it accepts once
 * more, where its firewall is asked.  0: it goes on; SHOWN; or -reason.
 */
static __always_inline int look_again(struct __sk_buff *skb, const struct packet *p, const struct route *r)
{
	struct wh_route to = route_of(&p->dst_be);

	if (to.kind != WH_ROUTE_DEFAULT && to.kind != WH_ROUTE_WAN)
		return -WH_REASON_KERNEL_ROUTE;
	if (!firewall_is_asked(steer_global())) {
		flow_accept(r->flow);
		return 0;
	}
	if (!can_show_again(r))
		return 0;
	show(skb, WH_MARK_UP);
	return SHOWN;
}

/* A new session under the tuple of one that is over: new to the firewall, too. */
static __always_inline int is_renewed(const struct packet *p, const flow_t *flow)
{
	return is_tcp_opening(p) && (flow->tcp & (WH_TCP_FIN | WH_TCP_RST)) && firewall_is_asked(steer_global());
}

/* Of a flow between clients, what the kernel is to be asked about. SHOWN or -reason. */
COLD int hairpin_again(struct __sk_buff *skb, const struct packet *p)
{
	struct origin from = {.flags = WH_FLOW_HAIRPIN};
	struct hairpin h = {};

	if (!p || !lan_of(skb, &from.lan) || hairpin_find(p, &h) <= 0)
		return -WH_REASON_KERNEL_ROUTE;
	origin_classify(skb, p, from.lan, &from);
	__builtin_memcpy(from.client_mac, p->src_mac, ETH_ALEN);
	return hairpin_show(skb, p, &from, &h);
}

static __always_inline int lan_in_hairpin(struct __sk_buff *skb, struct packet *p, struct route *r)
{
	int verdict;

	if (ctx_is_shown(skb) ||
	    (!is_elsewhere(r->flow, ctx_ifindex(skb)) && !is_renewed(p, r->flow) && !hairpin_is_due(p, r)))
		return steer_out(skb, p, r);
	verdict = hairpin_again(skb, p);
	return verdict == SHOWN ? VERDICT_NEXT : verdict;
}

static __always_inline int lan_in_known(struct __sk_buff *skb, struct packet *p, struct route *r)
{
	__u8 flags = r->flow->flags;
	int verdict;

	if (flags & WH_FLOW_FOREIGN) {
		r->flow->seen_ns = r->now_ns;
		r->flow->tx_packets += 1;
		return -WH_REASON_KERNEL_OWN;
	}
	if (p->is_answer && !(flags & WH_FLOW_INBOUND))
		return -WH_REASON_KERNEL_OWN;
	if (flags & WH_FLOW_KERNEL)
		return show(skb, WH_MARK_UP);
	if (flags & WH_FLOW_HAIRPIN)
		return lan_in_hairpin(skb, p, r);
	if (is_elsewhere(r->flow, ctx_ifindex(skb)))
		return show_moved(skb, p);
	if (is_renewed(p, r->flow))
		return show(skb, WH_MARK_UP);
	if (is_outdated(steer_global(), r->flow)) {
		verdict = look_again(skb, p, r);
		if (verdict)
			return verdict == SHOWN ? VERDICT_NEXT : verdict;
	}
	return steer_out(skb, p, r);
}

/* A verdict or -reason. */
static __always_inline int lan_in(struct __sk_buff *skb, struct packet *p, struct route *r)
{
	int reason;

	if (is_martian(&p->src_be))
		return -WH_REASON_KERNEL_MARTIAN;
	if (is_fragment(p))
		return lan_in_fragment(skb, p);
	if (p->kind == PACKET_ICMP_ERROR) {
		reason = error_out(skb, p, r->via);
		return reason == ERROR_UNKNOWN ? -WH_REASON_KERNEL_OWN : reason;
	}
	r->flow = flow_find(p);
	if (r->flow)
		return lan_in_known(skb, p, r);
	reason = first_packet(skb, p);
	if (reason)
		return reason == SHOWN ? VERDICT_NEXT : reason;
	r->flow = flow_find(p);
	return r->flow ? steer_out(skb, p, r) : -WH_REASON_RACE;
}

/* --- to a client, by the kernel ------------------------------------------------------------------------- */

/* The packet as its answer will look. */
static __always_inline struct packet turned_around(const struct packet *p)
{
	struct packet q = *p;

	q.src_be = p->dst_be;
	q.dst_be = p->src_be;
	if (p->proto != PROTO_ICMP_OF_FAMILY) {
		q.sport_be = p->dport_be;
		q.dport_be = p->sport_be;
	}
	return q;
}

/* An opening from outside that the firewall accepted, through a mapping that is open to everyone. */
COLD int open_from_outside(struct __sk_buff *skb, const struct packet *q, __u32 lan, __u32 wan)
{
	struct origin from = {.lan = lan, .flags = WH_FLOW_INBOUND, .wan = wan};
	struct ethhdr *eth = ctx_data(skb);
	int reason;

	if (!q)
		return -WH_REASON_MALFORMED;
	origin_classify(skb, q, lan, &from);
	if (wh_l2_len && (void *)(eth + 1) <= ctx_end(skb))
		__builtin_memcpy(from.client_mac, eth->h_dest, ETH_ALEN);
	reason = flow_open(q, &from);
	if (reason)
		count_reason(-reason);
	return reason;
}

/* Brought in from elsewhere than a LAN. Always 0. */
COLD int lan_out(struct __sk_buff *skb, const struct packet *p, __u32 lan)
{
	struct origin foreign = {.lan = lan, .flags = WH_FLOW_FOREIGN};
	pending_t *pending;
	struct packet q;

	if (!p)
		return 0;
	q = turned_around(p);
	if (flow_find(&q))
		return 0;
	if (ctx_is_shown(skb)) {
		open_from_outside(skb, &q, lan, ctx_mark(skb) - WH_MARK_SHOWN);
		return 0;
	}
	pending = pending_find(&q);
	if (p->proto != IPPROTO_TCP && (!pending || !(pending->flags & WH_FLOW_FOREIGN)))
		pending_note(&q, &foreign, WH_WAN_NONE);
	return 0;
}

/*
 * An answer of the router's own resolver, or of one that the kernel brings to the client.  A socket that was told of a
 * drop would wait and send again: so what is kept waiting is not dropped, but goes where nobody listens.
 */
static __always_inline int lan_out_answer(struct __sk_buff *skb, const struct packet *p)
{
	__u32 number = WH_LAN_PROBER;
	struct wh_lan *prober = bpf_map_lookup_elem(&wh_lans, &number);

	if (!is_answer_to_learn(skb, p))
		return VERDICT_NEXT;
	return slow_answer(skb, ctx_ifindex(skb), wh_l2_len, prober && prober->ifindex) ? swallow(skb) : VERDICT_NEXT;
}

#endif
