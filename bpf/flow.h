/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h: a flow: its keys, what it is given on a WAN, and its opening by its first packet.  move.h brings it
 * to another WAN, forward.h refreshes it with each packet, sweep.bpf.c takes it out.
 */
#ifndef WH_BPF_FLOW_H
#define WH_BPF_FLOW_H

#include "count.h"
#include "nat.h"
#include "select.h"

/* Where a flow was found to go: what the rest of the pipeline needs of it. */
struct route4 {
	struct wh_flow4 *flow;
	struct wh_wan *wan;
	union wh_pin pin;
	__u64 now_ns;
};

/* --- keys ----------------------------------------------------------------------------------------------- */

static __always_inline struct wh_flow4_key flow_key4(const struct packet4 *p)
{
	struct wh_flow4_key key = {.src_be = p->src_be,
				   .dst_be = p->dst_be,
				   .sport_be = p->sport_be,
				   .dport_be = p->dport_be,
				   .proto = p->proto};

	return key;
}

/* Where the answers of a flow are found, once it leaves from external_be and the pin's port. */
static __always_inline struct wh_reply4_key reply_key4(const struct wh_flow4_key *flow, __be32 external_be,
						       union wh_pin pin)
{
	struct wh_reply4_key key = {.remote_be = flow->dst_be,
				    .external_be = external_be,
				    .remote_port_be = flow->dport_be,
				    .external_port_be = pin.external_port,
				    .proto = flow->proto,
				    .wan = pin.wan};

	return key;
}

static __always_inline struct wh_wan *wan_row(__u32 number)
{
	return number < WH_MAX_WANS ? bpf_map_lookup_elem(&wh_wans, &number) : NULL;
}

static __always_inline __u8 tcp_seen(const struct packet4 *p)
{
	__u8 seen = 0;

	if (p->tcp_flags & SEGMENT_SYN)
		seen |= WH_TCP_SYN;
	else if (p->tcp_flags & SEGMENT_ACK)
		seen |= WH_TCP_ACKED;
	if (p->tcp_flags & SEGMENT_FIN)
		seen |= WH_TCP_FIN;
	if (p->tcp_flags & SEGMENT_RST)
		seen |= WH_TCP_RST;
	return seen;
}

static __always_inline int is_tcp_opening(const struct packet4 *p)
{
	return p->proto == IPPROTO_TCP && (p->tcp_flags & (SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST)) == SEGMENT_SYN;
}

/* The only way to change a pin: who loses the race does nothing. */
static __always_inline int pin_replace(struct wh_flow4 *flow, union wh_pin old, union wh_pin new)
{
	return __sync_val_compare_and_swap(&flow->pin.word, old.word, new.word) == old.word ? 0 : -WH_REASON_RACE;
}

/* --- the way out of a WAN: external address, port, and the reply's entry -------------------------------- */

/* What a flow is given on a WAN. */
struct lease4 {
	__be32 external_be;
	__be16 port_be;
	__u8 flags; /* enum wh_flow_flag */
};

static __always_inline int reply_insert4(const struct packet4 *p, __u32 wan_number, const struct lease4 *lease,
					 const struct wh_reply4 *reply)
{
	struct wh_flow4_key flow = flow_key4(p);
	union wh_pin pin = {.wan = wan_number, .external_port = lease->port_be};
	struct wh_reply4_key key = reply_key4(&flow, lease->external_be, pin);

	return bpf_map_update_elem(&wh_replies4, &key, reply, BPF_NOEXIST);
}

/* Why the reply's entry could not be made: no room, or (of a tuple that should be free) a race. */
static __always_inline int insert_reason(int err)
{
	return err == -E2BIG ? -WH_REASON_TABLE_FULL : -WH_REASON_RACE;
}

/* TCP where ports have run out: any port whose tuple with this destination is free. */
static __always_inline int lease_shared4(const struct packet4 *p, __u32 wan_number, const struct wh_wan *wan,
					 struct lease4 *lease, const struct wh_reply4 *reply)
{
	int err;

	for (int i = 0; i < PORT_TRIES; i++) {
		lease->port_be = bpf_htons(port_in_range(wan, bpf_get_prandom_u32()));
		err = reply_insert4(p, wan_number, lease, reply);
		if (!err) {
			lease->flags |= WH_FLOW_SHARED;
			return 0;
		}
		if (err == -E2BIG)
			return -WH_REASON_TABLE_FULL;
	}
	return -WH_REASON_NO_PORT;
}

/* Give the flow its address and port on a WAN and enter it for its answers; `bind` may be NULL: untranslated. */
static __always_inline int lease_take4(const struct packet4 *p, __u32 wan_number, const struct wh_wan *wan,
				       struct wh_bind4 *bind, struct lease4 *lease, const struct wh_reply4 *reply)
{
	int err;

	lease->external_be = bind ? wan->addr4_be : p->src_be;
	lease->port_be = bind ? bind_port4(bind, p, wan_number, wan) : p->sport_be;
	lease->flags = bind ? WH_FLOW_NAT : 0;
	if (!lease->external_be)
		return -WH_REASON_NO_WAN;
	if (lease->port_be || !bind) {
		err = reply_insert4(p, wan_number, lease, reply);
		if (!err)
			return 0;
		if (!bind || p->proto != IPPROTO_TCP || err == -E2BIG)
			return insert_reason(err);
	}
	if (p->proto == IPPROTO_TCP)
		return lease_shared4(p, wan_number, wan, lease, reply);
	return -WH_REASON_NO_PORT;
}

static __always_inline void reply_delete4(const struct wh_flow4_key *flow, __be32 external_be, union wh_pin pin)
{
	struct wh_reply4_key key = reply_key4(flow, external_be, pin);

	bpf_map_delete_elem(&wh_replies4, &key);
}

/* A translated flow whose address the WAN no longer has must be bound anew there. */
static __always_inline int address_changed4(const struct wh_flow4 *flow, const struct wh_wan *wan)
{
	return (flow->flags & WH_FLOW_NAT) && flow->external_be != wan->addr4_be;
}

/* --- opening -------------------------------------------------------------------------------------------- */

/* Who sent the packet and what it is to be. */
struct origin4 {
	__u8 lan; /* LAN number */
	__u8 class;
	__u8 flags; /* WH_FLOW_PROBE or 0 */
	__u8 wan;   /* the WAN it must use, or WH_WAN_NONE: the class chooses */
};

/* The WAN of a new flow: that of its endpoint's binding while the class permits it, else the bucket's choice. */
static __always_inline __u32 select_new4(const struct packet4 *p, const struct origin4 *from)
{
	struct wh_bind4_key key = bind_key4(p);
	struct wh_bind4 *bind;
	struct choice4 choice;

	if (from->wan != WH_WAN_NONE)
		return from->wan;
	if (choice4(from->class, &choice))
		return WH_WAN_NONE;
	bind = bpf_map_lookup_elem(&wh_binds4, &key);
	if (bind && bind->home < WH_MAX_WANS && (choice.keep & (1U << bind->home)))
		return bind->home;
	return select_wan(p, from->class, choice.fresh ? choice.fresh : choice.resort);
}

static __always_inline void copy_source_mac(struct __sk_buff *skb, __u8 mac[ETH_ALEN])
{
	struct ethhdr *eth = ctx_data(skb);

	if ((void *)(eth + 1) <= ctx_end(skb))
		__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
}

static __always_inline void reply_init4(struct __sk_buff *skb, const struct packet4 *p, __u8 lan, __u8 class,
					__u8 flags, struct wh_reply4 *reply)
{
	reply->client_be = p->src_be;
	reply->client_port_be = p->sport_be;
	reply->lan = lan;
	reply->class = class;
	reply->flags = flags;
	copy_source_mac(skb, reply->client_mac);
}

/* Enter flow and reply; 0 with *out found, or -reason with nothing left behind. */
static __always_inline int flow_insert4(const struct packet4 *p, const struct origin4 *from, __u32 wan_number,
					struct wh_wan *wan, struct wh_bind4 *bind, const struct wh_reply4 *reply,
					struct route4 *out)
{
	struct wh_flow4_key key = flow_key4(p);
	struct lease4 lease = {};
	struct wh_flow4 flow = {};
	int reason, err;

	reason = lease_take4(p, wan_number, wan, bind, &lease, reply);
	if (reason)
		return reason;
	flow.pin.wan = wan_number;
	flow.pin.external_port = lease.port_be;
	flow.external_be = lease.external_be;
	flow.flags = from->flags | lease.flags;
	flow.class = from->class;
	flow.lan = from->lan;
	flow.mac_tag = p->mac_tag;
	flow.seen_ns = out->now_ns;
	flow.born_s = out->now_ns / 1000000000ULL;
	out->pin = flow.pin;
	err = bpf_map_update_elem(&wh_flows4, &key, &flow, BPF_NOEXIST);
	if (err) {
		reply_delete4(&key, lease.external_be, flow.pin);
		return insert_reason(err);
	}
	out->flow = bpf_map_lookup_elem(&wh_flows4, &key);
	return out->flow ? 0 : -WH_REASON_RACE;
}

/* The other CPU that had a packet of this flow may have been first: then its flow serves both. */
static __always_inline int flow_join4(const struct packet4 *p, struct route4 *out, int reason)
{
	struct wh_flow4_key key = flow_key4(p);

	out->flow = bpf_map_lookup_elem(&wh_flows4, &key);
	if (!out->flow)
		return reason;
	out->pin.word = *(volatile __u64 *)&out->flow->pin.word;
	out->wan = wan_row(out->pin.wan);
	return out->wan ? 0 : -WH_REASON_RACE;
}

/* A probe has a link-local source, and so is translated on every WAN. */
static __always_inline int needs_nat(const struct wh_wan *wan, __u8 flow_flags)
{
	return (wan->flags & WH_WAN_MASQUERADE4) || (flow_flags & WH_FLOW_PROBE);
}

/* A flow's first packet: choose, bind, enter. */
static __always_inline int flow_open4(struct __sk_buff *skb, const struct packet4 *p, const struct origin4 *from,
				      struct route4 *out)
{
	__u32 wan_number = select_new4(p, from);
	struct wh_wan *wan = wan_row(wan_number);
	struct wh_bind4 *bind = NULL;
	struct wh_reply4 reply = {};
	struct wh_counters *count;
	int reason;

	if (!wan || !wan->ifindex)
		return -WH_REASON_NO_WAN;
	if (needs_nat(wan, from->flags)) {
		bind = bind_get4(p, wan_number, &reason);
		if (!bind)
			return reason;
		/* Not by its home: then its class no longer permits that one, and this is home from now on. */
		if (bind->home != wan_number)
			bind->home = wan_number;
	}
	reply_init4(skb, p, from->lan, from->class, from->flags, &reply);
	reason = flow_insert4(p, from, wan_number, wan, bind, &reply, out);
	if (reason) {
		if (bind)
			bind_release(bind);
		return flow_join4(p, out, reason);
	}
	count = counters_of(from->class, wan_number);
	if (count)
		count->new_flows += 1;
	out->wan = wan;
	return 0;
}

#endif
