/* SPDX-License-Identifier: GPL-2.0 */
/*
 * move.h: what becomes of a flow when its WAN may not keep it: it goes to another WAN, or its client is to be
 * told that it is over.  steer_tc.bpf.c asks, on the flow's next packet.
 */
#ifndef WH_BPF_MOVE_H
#define WH_BPF_MOVE_H

#include "flow.h"

/* Flags that belong to the flow, not to its WAN. */
#define FLOW_OWN_FLAGS (WH_FLOW_PROBE | WH_FLOW_KERNEL | WH_FLOW_INBOUND | WH_FLOW_FOREIGN | WH_FLOW_HAIRPIN)

/* Another client's mapping on the WAN that it is on: the packet turns around there. */
static __always_inline int is_turned_around(const struct packet *p, const flow_t *flow)
{
	struct wh_wan *wan = wan_row(flow->pin.wan);

	return wan && is_external(wan, &p->dst_be);
}

/* The one WAN by which the destination is reached (a modem's page, another client's mapping), or WH_WAN_NONE. */
static __always_inline __u32 destination_wan(const struct packet *p, const flow_t *flow)
{
	struct wh_route route = route_of(&p->dst_be);

	if (route.kind == WH_ROUTE_WAN)
		return route.wan;
	return is_turned_around(p, flow) ? flow->pin.wan : WH_WAN_NONE;
}

/* --- moving --------------------------------------------------------------------------------------------- */

/*
 * What is known of the client where its answers come so far: at egress the frame no longer says who sent it.  Where
 * another CPU has just taken that entry out, the kernel is asked for the MAC until the client's next frame.
 */
static __always_inline void reply_carry(const struct packet *p, flow_t *flow, union wh_pin old, struct making *m)
{
	reply_t *old_reply = reply_at(&m->key, &flow->external_be, old.word);

	m->moves = 1;
	if (old_reply) {
		m->leaving = reply_key(&m->key, &flow->external_be, old);
		__builtin_memcpy(m->reply.client_mac, old_reply->client_mac, ETH_ALEN);
		m->reply.neighbours = old_reply->neighbours;
	}
	/* Looked at last: the element may be another flow's by now. */
	if (!old_reply || !addr_equal(&old_reply->client_be, &p->src_be)) {
		m->reply.neighbours = neighbours_of(flow->lan) - 1;
		flow->mac_tag = ~flow->mac_tag;
	}
}

/*
 * Enter the flow for its answers on WAN `to` and change its pin; -reason with nothing changed.  In a full table the old
 * entry may be gone all the same: then the flow's next packet is made to look.
 */
static __always_inline int move_pin(const struct packet *p, flow_t *flow, union wh_pin old, __u32 to,
				    const struct wh_wan *wan, struct wh_bind *bind, struct making *m)
{
	struct origin from = {.lan = flow->lan, .class = flow->class, .flags = flow->flags & FLOW_OWN_FLAGS};
	union wh_pin next = {.wan = to, .generation = old.generation + 1};
	int reason;

	reply_init(p, &from, &m->reply);
	reply_carry(p, flow, old, m);
	reason = lease_take(p, to, wan, bind, &m->lease);
	if (!reason) {
		next.external_port = m->lease.port_be;
		reason = pin_replace(flow, old, next);
		if (reason)
			reply_delete(&m->key, &m->lease.external_be, next);
	}
	if (reason && m->has_left)
		flow->policy = ~flow->policy;
	return reason;
}

/* After the move the endpoint's home is where its flow went, unless only its destination sent it there. */
static __always_inline void settle_bind(const struct packet *p, const flow_t *flow, struct wh_bind *bind)
{
	bind->used = 1;
	if (destination_wan(p, flow) >= WH_MAX_WANS)
		bind->home = flow->pin.wan;
}

/*
 * Bring a flow from where `old` says to WAN `to` (perhaps its own, under a new address).  The new reply's entry stands
 * before the pin changes and the old one goes after, so an answer finds its way at any moment, unless the table is
 * full.  external_be follows the pin by a moment: a packet on another CPU that falls between takes the address for
 * changed, fails to enter the reply a second time and is dropped as a race.
 */
static __always_inline int flow_rebind(const struct packet *p, flow_t *flow, union wh_pin old, __u32 to,
				       const struct wh_wan *wan)
{
	__u8 own_flags = flow->flags & FLOW_OWN_FLAGS, was_nat = flow->flags & WH_FLOW_NAT;
	struct making *m = making_get();
	struct wh_bind *bind = NULL;
	int reason;

	if (!m)
		return -WH_REASON_RACE;
	m->key = flow_key(p);
	reason = lease_begin(p, to, wan, own_flags, &m->lease);
	if (!reason && needs_bind(p, &m->lease))
		bind = bind_get(p, &reason);
	if (reason)
		return reason;
	reason = move_pin(p, flow, old, to, wan, bind, m);
	if (!reason) {
		flow->external_be = m->lease.external_be;
		flow->flags = own_flags | m->lease.flags;
		bpf_map_delete_elem(&wh_replies, &m->leaving);
		if (bind)
			settle_bind(p, flow, bind);
	}
	/* Held in vain; or it was counted before, and is so twice now, or once too often because it needs none here. */
	if (reason ? bind != NULL : was_nat)
		bind_release(p);
	return reason;
}

/* 0: the flow is there now; or -reason. */
COLD int flow_move(const struct packet *p, __u64 old_word, __u32 to)
{
	union wh_pin old = {.word = old_word};
	struct wh_wan *wan = wan_row(to);
	struct wh_counters *count;
	flow_t *flow;
	int reason;

	flow = p ? flow_find(p) : NULL;
	if (!flow)
		return -WH_REASON_RACE;
	if (!wan || !wan->ifindex)
		return -WH_REASON_NO_WAN;
	reason = flow_rebind(p, flow, old, to, wan);
	if (reason)
		return reason;
	count = counters_of(flow->class, to);
	if (count)
		count->moved += 1;
	return 0;
}

/* --- at a switch ---------------------------------------------------------------------------------------- */

enum fate { FATE_STAY, FATE_MOVE, FATE_RESET };

/* Whether the source changes when the flow goes to that WAN: then an answered TCP session cannot go with it. */
static __always_inline int is_translated(const struct packet *p, const flow_t *flow, __u32 to, const struct wh_wan *wan)
{
	addr_t external;

	return (flow->flags & (WH_FLOW_NAT | WH_FLOW_PREFIX)) ||
	       source_for(to, wan, &p->src_be, flow->flags & FLOW_OWN_FLAGS, &external) != SOURCE_KEPT;
}

static __always_inline enum fate fate_of(const struct packet *p, const flow_t *flow, __u32 to, const struct wh_wan *wan)
{
	struct wh_class *class;
	__u32 number = flow->class;

	if (p->proto != IPPROTO_TCP || is_tcp_opening(p) || !((flow->tcp | tcp_seen(p)) & WH_TCP_ACKED))
		return FATE_MOVE;
	if (is_translated(p, flow, to, wan))
		return FATE_RESET;
	class = class_row(number);
	return class && class->on_failover == WH_FAILOVER_RESET ? FATE_RESET : FATE_MOVE;
}

/* A fate, and for FATE_MOVE the WAN. */
#define FATE(fate, wan) ((fate) | (wan) << 8)
#define FATE_WAN(fate) ((__u32)(fate) >> 8)
#define FATE_KIND(fate) ((fate)&0xff)

/* The WAN that a flow is to be on; its class's masks say which are good to follow others to, and which may take it. */
static __always_inline __u32 next_wan(const struct packet *p, const flow_t *flow, __u32 home, __u32 fresh)
{
	__u32 only = destination_wan(p, flow);
	bind_key_t key = bind_key(p);
	struct wh_bind *bind;

	if (only < WH_MAX_WANS) /* alive or not */
		return only;
	if (home & (1U << (flow->pin.wan & 7))) /* only its address changed */
		return flow->pin.wan;
	/* Where another flow of the same endpoint has gone already, this one follows. */
	bind = has_ports(p->proto) ? bpf_map_lookup_elem(&wh_binds, &key) : NULL;
	if (bind && bind->home < WH_MAX_WANS && (home & (1U << bind->home)) && is_allowed(flow->class, bind->home))
		return bind->home;
	return select_wan(p, flow->class, may_carry(p, fresh, flow->flags));
}

enum parting { PARTING_NONE, PARTING_UNHARMED, PARTING_ANYHOW };

/* A better WAN has come back: whether a flow that was left behind is to leave for it. */
static __always_inline enum parting parting_of(const flow_t *flow)
{
	__u32 class = flow->class;
	struct wh_steer *own = bpf_map_lookup_elem(&wh_steer, &class);

	if (!own)
		return PARTING_NONE;
	if (flow->born_s < own->back.old_s[flow->pin.wan & 7])
		return PARTING_ANYHOW;
	return flow->born_s < own->back.moved_s ? PARTING_UNHARMED : PARTING_NONE;
}

/*
 * What becomes of a flow that may not stay as it is, or (`may_stay`) is on a WAN that some are to leave.  Without a
 * better WAN it stays: nothing is moved or reset for nothing.
 */
COLD int flow_fate(const struct packet *p, __u32 home, __u32 fresh, __u32 may_stay)
{
	enum parting parting = PARTING_ANYHOW;
	struct wh_wan *wan;
	enum fate fate;
	flow_t *flow;
	__u32 to;

	flow = p ? flow_find(p) : NULL;
	if (!flow)
		return FATE_STAY;
	if (may_stay)
		parting = parting_of(flow);
	if (parting == PARTING_NONE)
		return FATE_STAY;
	to = next_wan(p, flow, home, fresh);
	wan = wan_row(to);
	if (!wan || (to == flow->pin.wan && source_stands(wan, &p->src_be, flow->flags, &flow->external_be)))
		return FATE_STAY;
	fate = fate_of(p, flow, to, wan);
	return fate == FATE_RESET && parting == PARTING_UNHARMED ? FATE_STAY : FATE(fate, to);
}

#endif
