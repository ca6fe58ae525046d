/* SPDX-License-Identifier: GPL-2.0 */
/*
 * inbound.h: sessions that are opened from outside.  wan_in notes who asked by which WAN, at which address of ours;
 * what goes back to them leaves by that WAN and from that address, whatever the kernel's routes say.  The first
 * packet back makes a flow of the note, which nothing evicts.
 */
#ifndef WH_BPF_INBOUND_H
#define WH_BPF_INBOUND_H

#include "flow.h"

/* Of a packet from outside: who asked whom. */
static __always_inline inbound_key_t inbound_key_in(const struct packet *p)
{
	inbound_key_t key = {.remote_be = p->src_be, .proto = p->proto};

	key.remote_port_be = p->proto == PROTO_ICMP_OF_FAMILY ? 0 : p->sport_be;
	key.local_port_be = p->proto == PROTO_ICMP_OF_FAMILY ? p->sport_be : p->dport_be;
	return key;
}

/* Of a packet that may be the answer. */
static __always_inline inbound_key_t inbound_key_out(const struct packet *p)
{
	inbound_key_t key = {
		.remote_be = p->dst_be, .remote_port_be = p->dport_be, .local_port_be = p->sport_be, .proto = p->proto};

	return key;
}

/* Within this an answer follows; later, the router speaks of its own accord. */
#define INBOUND_FRESH_S 30

static __always_inline __u32 seconds_now(void)
{
	return bpf_ktime_get_ns() / 1000000000ULL;
}

static __always_inline void inbound_note(const struct packet *p, __u32 wan)
{
	inbound_key_t key = inbound_key_in(p);
	inbound_t *there = bpf_map_lookup_elem(&wh_inbound, &key);
	inbound_t fresh = {.local_be = p->dst_be, .seen_s = seconds_now(), .wan = wan};

	if (!there || there->wan != wan || !addr_equal(&there->local_be, &p->dst_be))
		bpf_map_update_elem(&wh_inbound, &key, &fresh, BPF_ANY);
	else if (there->seen_s != fresh.seen_s)
		there->seen_s = fresh.seen_s;
}

/* The note that a packet may be an answer to, or NULL. */
static __always_inline inbound_t *inbound_find(const struct packet *p)
{
	inbound_key_t key = inbound_key_out(p);
	inbound_t *note = bpf_map_lookup_elem(&wh_inbound, &key);

	return note && seconds_now() - note->seen_s <= INBOUND_FRESH_S ? note : NULL;
}

/* Open the flow of an answer: pinned to the WAN that was asked, from the address that was asked. 0 or -reason. */
static __always_inline int inbound_answer(struct __sk_buff *skb, const struct packet *p, const inbound_t *note)
{
	struct origin from = {.flags = WH_FLOW_KERNEL | WH_FLOW_INBOUND};
	struct lease lease = {.external_be = note->local_be};
	__u32 number = note->wan;
	struct wh_wan *wan = wan_row(number);
	int reason;

	if (!wan || !wan->ifindex)
		return -WH_REASON_NO_WAN;
	from.lan = from.wan = number;
	origin_classify(skb, p, came_by(skb), &from);
	reason = flow_insert(p, &from, number, wan, &lease, NULL);
	return reason ? flow_join(p, reason) : 0;
}

#endif
