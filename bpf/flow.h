/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h: a flow's opening by its first packet.  tuple.h finds it, lease.h is what it is given on a WAN, move.h brings it
 * to another WAN, forward.h refreshes it with each packet, sweep.bpf.c takes it out.
 */
#ifndef WH_BPF_FLOW_H
#define WH_BPF_FLOW_H

#include "client.h"
#include "count.h"
#include "lease.h"
#include "tick.h"

/* Who sent the packet and what it is to be. */
struct origin {
	__u8 client_mac[ETH_ALEN];
	__u8 lan; /* LAN number; WH_FLOW_KERNEL: the WAN that the kernel sends it by */
	__u8 class;
	__u8 flags;  /* WH_FLOW_PROBE, _KERNEL, _INBOUND */
	__u8 wan;    /* the WAN it must use, or WH_WAN_NONE: the class chooses */
	__u8 chosen; /* the class has chosen that WAN: its endpoint's further sessions go by it, too */
	__u16 line;  /* what chose the class, as in the flow */
	__u16 policy;
};

/*
 * The class of a flow's first packet; `in` as classify() wants it.  The generation is read first and counted up last,
 * when no program looks at the rules before any more: a flow that falls between has the new rules' class and the
 * old generation, and is looked at once more for nothing.
 */
static __always_inline void origin_classify(struct __sk_buff *skb, const struct packet *p, __u32 in,
					    struct origin *from)
{
	struct wh_steer *all = steer_global();
	__u32 verdict;

	from->policy = all ? *(volatile __u32 *)&all->policy : 0;
	verdict = classify(p, in, ctx_users_mark(skb));
	from->class = CLASS_OF(verdict);
	from->line = LINE_OF(verdict);
	note_class(from->class);
}

/* What is done with the class's new flows: 0: they are steered; or -reason. */
static __always_inline int class_action(__u32 class)
{
	struct wh_class *c = class_row(class);

	switch (c ? c->action : WH_CLASS_STEER) {
	case WH_CLASS_KERNEL:
		return -WH_REASON_KERNEL_CLASS;
	case WH_CLASS_DROP:
		return -WH_REASON_CLASS_DROP;
	case WH_CLASS_REJECT:
		return -WH_REASON_CLASS_REJECT;
	default:
		return 0;
	}
}

/* The number of a new flow's WAN: its endpoint's binding's while the class permits it, else the bucket's; or -reason. */
COLD int select_new(const struct packet *p, const struct origin *from)
{
	struct choice choice;
	struct wh_bind *bind;
	__u32 willing, able, wan;
	bind_key_t key;

	if (!p || !from)
		return -WH_REASON_NO_WAN;
	if (from->wan != WH_WAN_NONE)
		return from->wan;
	if (choice_of(from->class, &choice))
		return -WH_REASON_NO_WAN;
	key = bind_key(p);
	bind = has_ports(p->proto) ? bpf_map_lookup_elem(&wh_binds, &key) : NULL;
	if (bind && bind->home < WH_MAX_WANS && (choice.home & (1U << bind->home)) &&
	    is_allowed(from->class, bind->home))
		return bind->home;
	willing = choice.fresh ? choice.fresh : choice.resort;
	able = may_carry(p, willing, from->flags);
	wan = select_wan(p, from->class, able);
	if (wan < WH_MAX_WANS)
		return wan;
	return willing && !able ? -WH_REASON_NO_SOURCE : -WH_REASON_NO_WAN;
}

static __always_inline void reply_init(const struct packet *p, const struct origin *from, reply_t *reply)
{
	reply->client_be = p->src_be;
	reply->client_port_be = p->sport_be;
	reply->lan = from->lan;
	reply->class = from->class;
	reply->flags = from->flags;
	__builtin_memcpy(reply->client_mac, from->client_mac, ETH_ALEN);
	reply->neighbours = neighbours_of(from->lan);
}

/* The flow's address on the WAN and what that makes of it. 0 or -reason. */
static __always_inline int lease_begin(const struct packet *p, __u32 wan_number, const struct wh_wan *wan,
				       __u8 flow_flags, struct lease *lease)
{
	switch (source_for(wan_number, wan, &p->src_be, flow_flags, &lease->external_be)) {
	case SOURCE_MASQUERADED:
		lease->flags = WH_FLOW_NAT;
		return 0;
	case SOURCE_PREFIXED:
		lease->flags = WH_FLOW_PREFIX;
		return 0;
	case SOURCE_KEPT:
		lease->flags = 0;
		return 0;
	default:
		return -WH_REASON_NO_SOURCE;
	}
}

/* Whether the flow needs a binding: its port, too, is translated. */
static __always_inline int needs_bind(const struct packet *p, const struct lease *lease)
{
	return (lease->flags & WH_FLOW_NAT) && has_ports(p->proto);
}

static __always_inline void flow_init(flow_t *flow, const struct origin *from, __u32 wan_number,
				      const struct lease *lease)
{
	struct wh_steer *all = steer_global();
	__u64 now_ns = tick_now_ns();

	flow->pin.wan = wan_number;
	flow->pin.external_port = lease->port_be;
	flow->external_be = lease->external_be;
	flow->flags = from->flags | lease->flags;
	flow->class = from->class;
	flow->line = from->line;
	flow->policy = from->policy;
	flow->lan = from->lan;
	flow->mac_tag = fold_mac(from->client_mac) ^ neighbours_of(from->lan);
	flow->accepted = all ? all->firewall.generation : 0;
	flow->seen_ns = now_ns;
	flow->born_s = now_ns / 1000000000ULL;
}

/* Enter flow and reply; 0, or -reason with nothing left behind. */
static __always_inline int flow_insert(const struct packet *p, const struct origin *from, __u32 wan_number,
				       const struct wh_wan *wan, struct lease *lease, struct wh_bind *bind)
{
	struct making *m = making_get();
	int reason, err;

	if (!m)
		return -WH_REASON_RACE;
	m->key = flow_key(p);
	reply_init(p, from, &m->reply);
	reason = lease_take(p, wan_number, wan, bind, lease);
	if (reason)
		return reason;
	flow_init(&m->flow, from, wan_number, lease);
	err = bpf_map_update_elem(&wh_flows, &m->key, &m->flow, BPF_NOEXIST);
	if (!err)
		return 0;
	reply_delete(&m->key, &lease->external_be, m->flow.pin);
	return insert_reason(err);
}

/* Bind the endpoint where that is needed, and enter the flow. */
static __always_inline int flow_bind(const struct packet *p, const struct origin *from, __u32 wan_number,
				     const struct wh_wan *wan)
{
	struct wh_bind *bind = NULL;
	struct lease lease = {};
	int reason;

	reason = lease_begin(p, wan_number, wan, from->flags, &lease);
	if (reason)
		return reason;
	if (needs_bind(p, &lease)) {
		bind = bind_get(p, &reason);
		if (!bind)
			return reason;
		/* Not by its home: then there was none, or its class no longer permits it. */
		if (from->chosen && bind->home != wan_number)
			bind->home = wan_number;
	}
	reason = flow_insert(p, from, wan_number, wan, &lease, bind);
	if (bind && !reason)
		bind->used = 1;
	else if (bind)
		bind_release(p);
	return reason;
}

/* The other CPU that had a packet of this flow may have been first: then its flow serves both. */
static __always_inline int flow_join(const struct packet *p, int reason)
{
	return flow_find(p) ? 0 : reason;
}

/* A flow's first packet, on the WAN that was chosen: bind, enter. 0: it stands in wh_flows now; or -reason. */
COLD int flow_enter(const struct packet *p, const struct origin *from)
{
	struct wh_counters *count;
	struct wh_wan *wan;
	__u32 number;
	int reason;

	if (!p || !from)
		return -WH_REASON_NO_WAN;
	number = from->wan;
	wan = wan_row(number);
	if (!wan || !wan->ifindex)
		return -WH_REASON_NO_WAN;
	reason = client_enter(&p->src_be, from->flags);
	if (reason)
		return reason;
	reason = flow_bind(p, from, number, wan);
	if (reason) {
		client_leave(&p->src_be, from->flags);
		return flow_join(p, reason);
	}
	count = counters_of(from->class, number);
	if (count)
		count->new_flows += 1;
	return 0;
}

/* Choose and enter. */
static __always_inline int flow_open(const struct packet *p, struct origin *from)
{
	int wan = select_new(p, from);

	if (wan < 0)
		return wan;
	if (from->wan == WH_WAN_NONE) {
		from->wan = wan;
		from->chosen = 1;
	}
	return flow_enter(p, from);
}

#endif
