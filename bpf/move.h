/* SPDX-License-Identifier: GPL-2.0 */
/*
 * move.h: what becomes of a flow when its WAN may not keep it: it goes to another WAN, or its client is to be
 * told that it is over.  steer_tc.bpf.c asks, on the flow's next packet.
 */
#ifndef WH_BPF_MOVE_H
#define WH_BPF_MOVE_H

#include "flow.h"

/* --- moving --------------------------------------------------------------------------------------------- */

/*
 * The flow's binding for WAN `to`, counted in: a flow that was translated is counted already.  *bind is NULL
 * where `to` does not translate.
 */
static __always_inline int move_bind4(const struct packet4 *p, const struct wh_flow4 *flow, __u32 to,
				      const struct wh_wan *wan, struct wh_bind4 **bind)
{
	struct wh_bind4_key key = bind_key4(p);
	int reason = -WH_REASON_RACE;

	*bind = NULL;
	if (!needs_nat(wan, flow->flags))
		return 0;
	*bind = flow->flags & WH_FLOW_NAT ? bpf_map_lookup_elem(&wh_binds4, &key) : bind_get4(p, to, &reason);
	return *bind ? 0 : reason;
}

/* After the move: the endpoint's home is where its flow went; who is no longer translated is counted out. */
static __always_inline void settle_bind4(const struct packet4 *p, struct wh_bind4 *bind, __u8 was_nat, __u32 to)
{
	struct wh_bind4_key key = bind_key4(p);

	if (bind) {
		bind->home = to;
	} else if (was_nat) {
		bind = bpf_map_lookup_elem(&wh_binds4, &key);
		if (bind)
			bind_release(bind);
	}
}

/* Enter the flow for its answers on WAN `to` and change its pin; -reason with nothing changed. */
static __always_inline int move_pin4(struct __sk_buff *skb, const struct packet4 *p, struct route4 *r, __u32 to,
				     const struct wh_wan *wan, struct wh_bind4 *bind, struct lease4 *lease)
{
	struct wh_flow4_key key = flow_key4(p);
	union wh_pin next = {.wan = to, .generation = r->pin.generation + 1};
	struct wh_reply4 reply = {};
	int reason;

	reply_init4(skb, p, r->flow->lan, r->flow->class, r->flow->flags & WH_FLOW_PROBE, &reply);
	reply.generation = next.generation;
	reason = lease_take4(p, to, wan, bind, lease, &reply);
	if (reason)
		return reason;
	next.external_port = lease->port_be;
	reason = pin_replace(r->flow, r->pin, next);
	if (reason) {
		reply_delete4(&key, lease->external_be, next);
		return reason;
	}
	r->pin = next;
	return 0;
}

/*
 * Bring a flow to WAN `to` (perhaps its own, under a new address).  The new reply's entry stands before the
 * pin changes and the old one goes after, so an answer finds its way at any moment.  external_be follows the
 * pin by a moment: a packet on another CPU that falls between takes the address for changed, fails to enter
 * the reply a second time and is dropped as a race.
 */
static __always_inline int flow_move4(struct __sk_buff *skb, const struct packet4 *p, struct route4 *r, __u32 to)
{
	__be32 old_external_be = r->flow->external_be;
	__u8 was_nat = r->flow->flags & WH_FLOW_NAT;
	struct wh_flow4_key key = flow_key4(p);
	struct wh_wan *wan = wan_row(to);
	struct wh_counters *count;
	struct lease4 lease = {};
	union wh_pin old = r->pin;
	struct wh_bind4 *bind;
	int reason;

	if (!wan || !wan->ifindex)
		return -WH_REASON_NO_WAN;
	reason = move_bind4(p, r->flow, to, wan, &bind);
	if (reason)
		return reason;
	reason = move_pin4(skb, p, r, to, wan, bind, &lease);
	if (reason) {
		if (bind && !was_nat)
			bind_release(bind);
		return reason;
	}
	r->flow->external_be = lease.external_be;
	r->flow->flags = (r->flow->flags & WH_FLOW_PROBE) | lease.flags;
	reply_delete4(&key, old_external_be, old);
	settle_bind4(p, bind, was_nat, to);
	r->wan = wan;
	count = counters_of(r->flow->class, to);
	if (count)
		count->moved += 1;
	return 0;
}

/* --- at a switch ---------------------------------------------------------------------------------------- */

enum fate { FATE_STAY, FATE_MOVE, FATE_RESET };

/* Whether the source changes when the flow goes to that WAN: then an answered TCP session cannot go with it. */
static __always_inline int is_translated(const struct wh_flow4 *flow, const struct wh_wan *to)
{
	return (flow->flags & WH_FLOW_NAT) || (to->flags & WH_WAN_MASQUERADE4);
}

static __always_inline enum fate fate_of(const struct packet4 *p, const struct wh_flow4 *flow, const struct wh_wan *to)
{
	struct wh_class *class;
	__u32 number = flow->class;

	if (p->proto != IPPROTO_TCP || is_tcp_opening(p) || !((flow->tcp | tcp_seen(p)) & WH_TCP_ACKED))
		return FATE_MOVE;
	if (is_translated(flow, to))
		return FATE_RESET;
	class = bpf_map_lookup_elem(&wh_classes, &number);
	return class && class->on_failover == WH_FAILOVER_RESET ? FATE_RESET : FATE_MOVE;
}

/*
 * Where a flow that may not stay goes; *to is set for FATE_MOVE.  Without a better WAN it stays: nothing is
 * moved or reset for nothing.
 */
static __always_inline enum fate flow_fate4(const struct packet4 *p, const struct route4 *r,
					    const struct choice4 *choice, __u32 *to)
{
	struct wh_bind4_key key = bind_key4(p);
	__u8 own = 1U << (r->pin.wan & 7);
	struct wh_bind4 *bind;
	struct wh_wan *wan;

	if (choice->keep & own) {
		*to = r->pin.wan; /* only its address changed */
	} else {
		/* Where another flow of the same endpoint has gone already, this one follows. */
		bind = bpf_map_lookup_elem(&wh_binds4, &key);
		if (bind && bind->home < WH_MAX_WANS && (choice->keep & (1U << bind->home)))
			*to = bind->home;
		else
			*to = select_wan(p, r->flow->class, choice->fresh);
	}
	wan = wan_row(*to);
	if (!wan || (*to == r->pin.wan && !address_changed4(r->flow, wan)))
		return FATE_STAY;
	return fate_of(p, r->flow, wan);
}

#endif
