/* SPDX-License-Identifier: GPL-2.0 */
/* lab_state.c: what harness.h says of asking the tables, and whether they are whole.  Writing them: lab_tables.c. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

union flow_key {
	struct wh_flow4_key v4;
	struct wh_flow6_key v6;
};

union flow {
	struct wh_flow common;
	struct wh_flow4 v4;
	struct wh_flow6 v6;
};

union reply_key {
	struct wh_reply4_key v4;
	struct wh_reply6_key v6;
};

union reply {
	struct wh_reply common;
	struct wh_reply4 v4;
	struct wh_reply6 v6;
};

union bind_key {
	struct wh_bind4_key v4;
	struct wh_bind6_key v6;
};

union port {
	struct wh_port4 v4;
	struct wh_port6 v6;
};

/* --- asking ------------------------------------------------------------------------------------------------- */

struct wh_counters lab_counters(unsigned class, unsigned wan)
{
	__u32 row = class * WH_MAX_WANS + wan;
	int cpus = libbpf_num_possible_cpus();
	struct wh_counters *each = calloc((size_t)cpus, sizeof(*each)), sum = {};

	assert_non_null(each);
	assert_int_equal(bpf_map_lookup_elem(lab.t.counters, &row, each), 0);
	for (int i = 0; i < cpus; i++) {
		sum.tx_packets += each[i].tx_packets;
		sum.tx_bytes += each[i].tx_bytes;
		sum.rx_packets += each[i].rx_packets;
		sum.rx_bytes += each[i].rx_bytes;
		sum.new_flows += each[i].new_flows;
		sum.moved += each[i].moved;
		sum.reset += each[i].reset;
	}
	free(each);
	return sum;
}

static enum wh_family family_of(const struct packet *p)
{
	return packet_is_v6(p) ? WH_V6 : WH_V4;
}

static union flow_key flow_key(const struct packet *first)
{
	struct tuple t = packet_tuple(first);
	union flow_key key = {};

	if (family_of(first) == WH_V4) {
		key.v4 = (struct wh_flow4_key){htobe32((uint32_t)t.src),
					       htobe32((uint32_t)t.dst),
					       htobe16(t.sport),
					       htobe16(t.dport),
					       t.proto,
					       {}};
	} else {
		key.v6 = (struct wh_flow6_key){{}, {}, htobe16(t.sport), htobe16(t.dport), t.proto, {}};
		lab_put6(&key.v6.src_be, t.src);
		lab_put6(&key.v6.dst_be, t.dst);
	}
	return key;
}

bool lab_flow(const struct packet *first, struct wh_flow *out)
{
	union flow_key key = flow_key(first);
	union flow flow;

	if (bpf_map_lookup_elem(lab.t.flows[family_of(first)], &key, &flow))
		return false;
	*out = flow.common;
	return true;
}

void lab_set_pin_state(const struct packet *first, enum wh_flow_state pin_state)
{
	int map = lab.t.flows[family_of(first)];
	union flow_key key = flow_key(first);
	union flow flow;

	assert_int_equal(bpf_map_lookup_elem(map, &key, &flow), 0);
	flow.common.pin.state = (uint8_t)pin_state;
	assert_int_equal(bpf_map_update_elem(map, &key, &flow, BPF_EXIST), 0);
}

bool lab_bind(const struct packet *first, struct wh_bind *out)
{
	struct tuple t = packet_tuple(first);
	union bind_key key = {};

	if (family_of(first) == WH_V4) {
		key.v4 = (struct wh_bind4_key){htobe32((uint32_t)t.src), htobe16(t.sport), t.proto, 0};
	} else {
		key.v6 = (struct wh_bind6_key){{}, htobe16(t.sport), t.proto, 0};
		lab_put6(&key.v6.addr_be, t.src);
	}
	return !bpf_map_lookup_elem(lab.t.binds[family_of(first)], &key, out);
}

void lab_age_flows(unsigned seconds)
{
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		uint8_t key[64], *last = NULL;
		union flow flow;

		for (; !bpf_map_get_next_key(lab.t.flows[family], last, key); last = key) {
			assert_int_equal(bpf_map_lookup_elem(lab.t.flows[family], key, &flow), 0);
			flow.common.born_s -= seconds;
			assert_int_equal(bpf_map_update_elem(lab.t.flows[family], key, &flow, BPF_EXIST), 0);
		}
	}
}

unsigned lab_entries(int map)
{
	uint8_t key[64], *last = NULL;
	unsigned n = 0;

	while (!bpf_map_get_next_key(map, last, key)) {
		last = key;
		n++;
	}
	return n;
}

unsigned lab_flows(void)
{
	return lab_entries(lab.t.flows[WH_V4]) + lab_entries(lab.t.flows[WH_V6]);
}

unsigned lab_replies(void)
{
	return lab_entries(lab.t.replies[WH_V4]) + lab_entries(lab.t.replies[WH_V6]);
}

unsigned lab_binds(void)
{
	return lab_entries(lab.t.binds[WH_V4]) + lab_entries(lab.t.binds[WH_V6]);
}

unsigned lab_ports(void)
{
	return lab_entries(lab.t.ports[WH_V4]) + lab_entries(lab.t.ports[WH_V6]);
}

/* --- is it whole? ------------------------------------------------------------------------------------------- */

struct totals {
	unsigned bound, users, ports;
};

/* The tuple that a flow's answers come with. */
static union reply_key reply_key(enum wh_family family, const union flow_key *k, const union flow *f)
{
	union reply_key key = {};

	if (family == WH_V4)
		key.v4 = (struct wh_reply4_key){k->v4.dst_be,
						f->v4.external_be,
						k->v4.dport_be,
						f->v4.pin.external_port,
						k->v4.proto,
						f->v4.pin.wan,
						{}};
	else
		key.v6 = (struct wh_reply6_key){k->v6.dst_be,
						f->v6.external_be,
						k->v6.dport_be,
						f->v6.pin.external_port,
						k->v6.proto,
						f->v6.pin.wan,
						{}};
	return key;
}

static union bind_key holder_of(enum wh_family family, const union flow_key *k)
{
	union bind_key key = {};

	if (family == WH_V4)
		key.v4 = (struct wh_bind4_key){k->v4.src_be, k->v4.sport_be, k->v4.proto, 0};
	else
		key.v6 = (struct wh_bind6_key){k->v6.src_be, k->v6.sport_be, k->v6.proto, 0};
	return key;
}

/* Other protocols are translated by their address alone. */
static bool has_binding(enum wh_family family, const union flow_key *key, const union flow *flow)
{
	uint8_t proto = family == WH_V4 ? key->v4.proto : key->v6.proto;

	return flow->common.flags & WH_FLOW_NAT &&
	       (proto == PROTO_UDP || proto == PROTO_TCP || proto == PROTO_ICMP || proto == PROTO_ICMP6);
}

/* One flow: its reply is there and is its own; it counts among its binding's users. */
static void check_flow(enum wh_family family, const union flow_key *key, struct totals *totals)
{
	union bind_key holder = holder_of(family, key);
	union reply_key at;
	union flow flow;
	union reply reply;
	struct wh_bind bind;

	assert_int_equal(bpf_map_lookup_elem(lab.t.flows[family], key, &flow), 0);
	at = reply_key(family, key, &flow);
	assert_int_equal(bpf_map_lookup_elem(lab.t.replies[family], &at, &reply), 0);
	if (family == WH_V4)
		assert_int_equal(reply.v4.client_be, key->v4.src_be);
	else
		assert_memory_equal(&reply.v6.client_be, &key->v6.src_be, sizeof(key->v6.src_be));
	assert_int_equal(reply.common.client_port_be, family == WH_V4 ? key->v4.sport_be : key->v6.sport_be);
	if (!has_binding(family, key, &flow))
		return;
	totals->bound++;
	assert_int_equal(bpf_map_lookup_elem(lab.t.binds[family], &holder, &bind), 0);
	if (!(flow.common.flags & WH_FLOW_SHARED))
		assert_int_equal(bind.port_be[flow.common.pin.wan], flow.common.pin.external_port);
}

static void check_bind(enum wh_family family, const union bind_key *key, struct totals *totals)
{
	uint8_t proto = family == WH_V4 ? key->v4.proto : key->v6.proto;
	size_t holder_len = family == WH_V4 ? offsetof(struct wh_port4, holding.freed)
					    : offsetof(struct wh_port6, holding.freed);
	struct wh_bind bind;
	union port port;

	assert_int_equal(bpf_map_lookup_elem(lab.t.binds[family], key, &bind), 0);
	assert_int_not_equal(bind.users, 0);
	totals->users += bind.users;
	for (uint8_t wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_port_key at = {.port_be = (__be16)bind.port_be[wan], .proto = proto, .wan = wan};

		if (!bind.port_be[wan])
			continue;
		assert_int_equal(bpf_map_lookup_elem(lab.t.ports[family], &at, &port), 0);
		assert_memory_equal(&port, key, holder_len); /* both begin with address and port */
		totals->ports++;
	}
}

/* Freed ports stand there for a while, and nobody's binding names them (RFC 6888 REQ-8). */
static unsigned ports_in_use(enum wh_family family)
{
	struct wh_port_key key, *last = NULL;
	unsigned n = 0;
	union port port;

	while (!bpf_map_get_next_key(lab.t.ports[family], last, &key)) {
		last = &key;
		assert_int_equal(bpf_map_lookup_elem(lab.t.ports[family], &key, &port), 0);
		n += (family == WH_V4 ? port.v4.holding.freed : port.v6.holding.freed) == WH_PORT_IN_USE;
	}
	return n;
}

static void check_family(enum wh_family family)
{
	union flow_key flow, *last_flow = NULL;
	union bind_key bind, *last_bind = NULL;
	struct totals totals = {};

	for (; !bpf_map_get_next_key(lab.t.flows[family], last_flow, &flow); last_flow = &flow)
		check_flow(family, &flow, &totals);
	for (; !bpf_map_get_next_key(lab.t.binds[family], last_bind, &bind); last_bind = &bind)
		check_bind(family, &bind, &totals);
	assert_int_equal(lab_entries(lab.t.flows[family]), lab_entries(lab.t.replies[family]));
	assert_int_equal(ports_in_use(family), totals.ports);
	assert_int_equal(totals.bound, totals.users);
}

void lab_expect_consistent(void)
{
	check_family(WH_V4);
	check_family(WH_V6);
}

unsigned lab_ports_in_use(void)
{
	return ports_in_use(WH_V4) + ports_in_use(WH_V6);
}
