/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tuple.h: the keys that flows and their answers stand under, and finding them.
 */
#ifndef WH_BPF_TUPLE_H
#define WH_BPF_TUPLE_H

#include "select.h"

/* Where a flow was found to go: what the rest of the pipeline needs of it. */
struct route {
	flow_t *flow;
	struct wh_wan *wan;
	union wh_pin pin;
	__u64 now_ns;
	__u32 via; /* at egress (the kernel has forwarded it): the WAN that it sends it by; else WH_WAN_NONE */
};

/* Whether the kernel has forwarded it: it has been counted down, and knows its neighbour. */
static __always_inline int at_egress(__u32 via)
{
	return via != WH_WAN_NONE;
}

/* Row WAN number, or WH_WIRE_LAN + LAN number, of wh_wires. */
static __always_inline struct wh_wire *wire_of(__u32 row)
{
	struct wh_wires *wires;
	__u32 zero = 0;

	wires = bpf_map_lookup_elem(&wh_wires, &zero);
	return wires ? &wires->row[row % WH_WIRE_ROWS] : NULL;
}

static __always_inline __u16 neighbours_of(__u32 lan)
{
	struct wh_wire *wire = wire_of(WH_WIRE_LAN + lan);

	return wire ? wire->neighbours : 0;
}

/* --- keys ----------------------------------------------------------------------------------------------- */

static __always_inline flow_key_t flow_key(const struct packet *p)
{
	flow_key_t key = {.src_be = p->src_be,
			  .dst_be = p->dst_be,
			  .sport_be = p->sport_be,
			  .dport_be = p->dport_be,
			  .proto = p->proto};

	return key;
}

/* Where the answers of a flow are found, once it leaves from `external` and the pin's port. */
static __always_inline reply_key_t reply_key(const flow_key_t *flow, const addr_t *external, union wh_pin pin)
{
	reply_key_t key = {.remote_be = flow->dst_be,
			   .external_be = *external,
			   .remote_port_be = flow->dport_be,
			   .external_port_be = pin.external_port,
			   .proto = flow->proto,
			   .wan = pin.wan};

	return key;
}

/* Always 0. */
COLD int reply_remove(const flow_key_t *flow, const addr_t *external, __u64 pin_word)
{
	union wh_pin pin = {.word = pin_word};
	reply_key_t key = {.proto = flow ? flow->proto : 0, .wan = pin.wan};

	if (!flow || !external)
		return 0;
	key.external_port_be = pin.external_port;
	key.remote_port_be = flow->dport_be;
	key.external_be = *external;
	key.remote_be = flow->dst_be;
	bpf_map_delete_elem(&wh_replies, &key);
	return 0;
}

static __always_inline void reply_delete(const flow_key_t *flow, const addr_t *external, union wh_pin pin)
{
	reply_remove(flow, external, pin.word);
}

static __always_inline __u8 tcp_seen(const struct packet *p)
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

static __always_inline int is_tcp_opening(const struct packet *p)
{
	return p->proto == IPPROTO_TCP && (p->tcp_flags & (SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST)) == SEGMENT_SYN;
}

/* The only way to change a pin: who loses the race does nothing. */
static __always_inline int pin_replace(flow_t *flow, union wh_pin old, union wh_pin new)
{
	return __sync_val_compare_and_swap(&flow->pin.word, old.word, new.word) == old.word ? 0 : -WH_REASON_RACE;
}

APART flow_t *flow_find(const struct packet *p)
{
	flow_key_t key = flow_key(p);

	return bpf_map_lookup_elem(&wh_flows, &key);
}

/* The entry of the answers of a flow that leaves from `external` and the pin's port. */
APART reply_t *reply_at(const flow_key_t *flow, const addr_t *external, __u64 pin_word)
{
	union wh_pin pin = {.word = pin_word};
	reply_key_t key = reply_key(flow, external, pin);

	return bpf_map_lookup_elem(&wh_replies, &key);
}

/* The same of a packet's flow. */
APART reply_t *reply_find(const struct packet *p, const flow_t *flow)
{
	reply_key_t key = {.remote_be = p->dst_be,
			   .external_be = flow->external_be,
			   .remote_port_be = p->dport_be,
			   .external_port_be = flow->pin.external_port,
			   .proto = p->proto,
			   .wan = flow->pin.wan};

	return bpf_map_lookup_elem(&wh_replies, &key);
}

/* A client's MAC, and the LAN's count of changes when it was learnt: one word, because another CPU may be at it. */
union client_mac {
	struct {
		__u8 octets[ETH_ALEN];
		__u16 neighbours;
	};
	__u64 word;
};

static __always_inline void reply_learn(reply_t *reply, __u32 lan, const __u8 *mac)
{
	union client_mac client = {.neighbours = neighbours_of(lan)};

	__builtin_memcpy(client.octets, mac, ETH_ALEN);
	*(volatile __u64 *)reply->client_mac = client.word;
}

/* --- answers -------------------------------------------------------------------------------------------- */

static __always_inline reply_key_t answer_key(const struct packet *p, __u32 wan)
{
	int is_icmp = p->proto == PROTO_ICMP_OF_FAMILY;
	reply_key_t key = {.remote_be = p->src_be,
			   .external_be = p->dst_be,
			   .remote_port_be = is_icmp ? 0 : p->sport_be,
			   .external_port_be = is_icmp ? p->sport_be : p->dport_be,
			   .proto = p->proto,
			   .wan = wan};

	return key;
}

#endif
