/* SPDX-License-Identifier: GPL-2.0 */
/* lab_tables.c: what harness.h says of the tables: writing them as the controller does, asking and checking them. */
#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "lib/cleanup.h"

#define USERS_MASK (~(WH_BIND_DYING | WH_BIND_GONE))

static void put(int map, uint32_t key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(map, &key, value, BPF_ANY), 0);
}

/* --- as the controller does -------------------------------------------------------------------------------- */

void lab_set_wan(unsigned wan, const struct wh_wan *row)
{
	put(lab.t.wans, wan, row);
}

void lab_leave_untranslated(unsigned wan)
{
	struct wh_wan row = lab.wan[wan];

	row.flags &= ~(unsigned)WH_WAN_MASQUERADE4;
	lab_set_wan(wan, &row);
}

void lab_set_masks(uint8_t keep, uint8_t fresh)
{
	union wh_masks masks = {.keep4 = keep, .fresh4 = fresh};

	__atomic_store_n(&lab.t.steer_rows[0].masks.word, masks.word, __ATOMIC_RELAXED);
}

void lab_set_alive(uint8_t alive)
{
	union wh_alive word = {.alive4 = alive};

	__atomic_store_n(&lab.t.steer_rows[WH_STEER_GLOBAL].alive.word, word.word, __ATOMIC_RELAXED);
}

void lab_set_class(enum wh_affinity affinity, enum wh_on_failover on_failover)
{
	struct wh_class class = {.name = "default", .affinity = affinity, .on_failover = on_failover};

	put(lab.t.classes, 0, &class);
}

void lab_set_route(uint32_t dst, unsigned prefix_len, enum wh_route_kind kind)
{
	struct wh_route4_key key = {.prefix_len = prefix_len, .addr_be = htobe32(dst)};
	struct wh_route route = {.kind = kind};

	assert_int_equal(bpf_map_update_elem(lab.t.routes, &key, &route, BPF_ANY), 0);
}

void lab_set_buckets(const struct wh_bucket_table *table)
{
	_cleanup_close_ int set = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_buckets", sizeof(uint32_t), sizeof(*table),
						 WH_MAX_CLASSES, NULL);

	assert_true(set >= 0);
	put(set, 0, table);
	put(lab.t.buckets, 0, &set);
}

void lab_set_order(const int *wans)
{
	static struct wh_bucket_table table;
	uint32_t order = 0;

	for (unsigned shift = 0; *wans >= 0; wans++, shift += WH_ORDER_BITS)
		order |= (uint32_t)(*wans + 1) << shift;
	for (unsigned i = 0; i < WH_BUCKETS; i++)
		table.order[i] = order;
	lab_set_buckets(&table);
}

/* --- the first state of each test -------------------------------------------------------------------------- */

static void clear(int map)
{
	uint8_t key[64], next[64];
	bool more = !bpf_map_get_next_key(map, NULL, key);

	while (more) {
		more = !bpf_map_get_next_key(map, key, next);
		assert_int_equal(bpf_map_delete_elem(map, key), 0);
		memcpy(key, next, sizeof(key));
	}
}

void lab_forget_flows(void)
{
	clear(lab.t.flows);
	clear(lab.t.replies);
	clear(lab.t.binds);
	clear(lab.t.ports);
}

static void clear_counts(void)
{
	_cleanup_free_ void *zero = calloc((size_t)libbpf_num_possible_cpus(), sizeof(struct wh_counters));

	assert_non_null(zero);
	for (uint32_t i = 0; i < WH_COUNTER_ROWS; i++)
		put(lab.t.counters, i, zero);
	for (uint32_t i = 0; i < WH_REASON_COUNT; i++)
		put(lab.t.reasons, i, zero);
	for (uint32_t i = 0; i < WH_MAX_WANS; i++)
		put(lab.t.signals, i, zero);
}

static void put_device(unsigned ifindex, enum wh_role role, unsigned number)
{
	struct wh_device device = {.role = (uint8_t)role, .number = (uint8_t)number};

	put(lab.t.devices, ifindex, &device);
}

int lab_reset(void **state)
{
	(void)state;
	lab_forget_flows();
	clear_counts();
	clear(lab.t.routes);
	clear(lab.t.devices);
	for (unsigned i = 0; i < LAB_LANS; i++) {
		put(lab.t.lans, i, &lab.lan[i]);
		put_device(lab.lan_ifindex[i], WH_ROLE_LAN, i);
	}
	for (unsigned i = 0; i < LAB_WANS; i++) {
		lab_set_wan(i, &lab.wan[i]);
		put_device(lab.wan_ifindex[i], WH_ROLE_WAN, i);
	}
	put(lab.t.lans, WH_LAN_PROBER, &lab.prober);
	put_device(lab.prober_ifindex, WH_ROLE_PROBER, 0);
	lab_set_class(WH_AFFINITY_SRC_DST, WH_FAILOVER_AUTO);
	lab_set_order((const int[]){0, 1, -1});
	lab_set_route(0, 0, WH_ROUTE_DEFAULT);
	lab_set_route(IP(192, 168, 0, 0), 16, WH_ROUTE_KERNEL);
	memset(lab.t.sweep_form, 0, sizeof(*lab.t.sweep_form));
	lab_set_masks(0x03, 0x03);
	lab_set_alive(0x03);
	return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------ */

struct wh_counters lab_counters(unsigned class, unsigned wan)
{
	struct wh_counters c = {};

	assert_int_equal(wh_tables_counters(&lab.t, class, wan, &c), 0);
	return c;
}

bool lab_flow(const struct packet *first, struct wh_flow4 *out)
{
	struct tuple t = packet_tuple(first);
	struct wh_flow4_key key = {.src_be = htobe32(t.src),
				   .dst_be = htobe32(t.dst),
				   .sport_be = htobe16(t.sport),
				   .dport_be = htobe16(t.dport),
				   .proto = t.proto};

	return !bpf_map_lookup_elem(lab.t.flows, &key, out);
}

bool lab_bind(const struct packet *first, struct wh_bind4 *out)
{
	struct tuple t = packet_tuple(first);
	struct wh_bind4_key key = {.addr_be = htobe32(t.src), .port_be = htobe16(t.sport), .proto = t.proto};

	return !bpf_map_lookup_elem(lab.t.binds, &key, out);
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

/* --- is it whole? ------------------------------------------------------------------------------------------ */

/* One flow: its reply is there and is its own; it counts among its binding's users. */
static void check_flow(void *arg, const struct wh_flow4_key *key, const struct wh_flow4 *flow)
{
	unsigned *bound = arg;
	struct wh_reply4 reply;
	struct wh_bind4 bind;
	struct wh_bind4_key holder = {.addr_be = key->src_be, .port_be = key->sport_be, .proto = key->proto};

	assert_int_equal(wh_tables_reply(&lab.t, key, flow, &reply), 0);
	assert_int_equal(reply.client_be, key->src_be);
	assert_int_equal(reply.client_port_be, key->sport_be);
	assert_int_equal(reply.generation, flow->pin.generation);
	if (!(flow->flags & WH_FLOW_NAT))
		return;
	*bound += 1;
	assert_int_equal(bpf_map_lookup_elem(lab.t.binds, &holder, &bind), 0);
	if (!(flow->flags & WH_FLOW_SHARED))
		assert_int_equal(bind.port_be[flow->pin.wan], flow->pin.external_port);
}

struct bind_totals {
	unsigned users, ports;
};

static void check_bind(void *arg, const struct wh_bind4_key *key, const struct wh_bind4 *bind)
{
	struct bind_totals *totals = arg;
	struct wh_port4 port;

	totals->users += bind->users & USERS_MASK;
	for (uint8_t wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_port4_key at = {.port_be = (__be16)bind->port_be[wan], .proto = key->proto, .wan = wan};

		if (!bind->port_be[wan])
			continue;
		assert_int_equal(bpf_map_lookup_elem(lab.t.ports, &at, &port), 0);
		assert_memory_equal(&port.holder, key, sizeof(*key));
		totals->ports++;
	}
}

void lab_expect_consistent(void)
{
	struct wh_flow_walk flows = {}, binds = {};
	struct bind_totals totals = {};
	unsigned bound = 0;

	while (!flows.done)
		assert_int_equal(wh_tables_walk(&lab.t, &flows, 1024, check_flow, &bound), 0);
	while (!binds.done)
		assert_int_equal(wh_tables_walk_binds(&lab.t, &binds, 1024, check_bind, &totals), 0);
	assert_int_equal(lab_entries(lab.t.flows), lab_entries(lab.t.replies));
	assert_int_equal(lab_entries(lab.t.ports), totals.ports);
	assert_int_equal(bound, totals.users);
}

/* --- the sweep --------------------------------------------------------------------------------------------- */

void lab_set_timers(uint64_t ns)
{
	for (unsigned i = 0; i < WH_TIMER_COUNT; i++)
		lab.t.sweep_form->timers_ns[i] = ns;
}

void lab_sweep(enum wh_sweep_task task, unsigned wan)
{
	struct wh_sweep *form = lab.t.sweep_form;
	uint8_t *last = NULL;

	form->task = task;
	form->wan = wan;
	form->dying = form->deleted = form->unbound = form->reset = 0;
	memset(form->done, 0, sizeof(form->done));
	for (form->flows = 0; form->flows < WH_SWEEP_SLICE; form->flows++) {
		if (bpf_map_get_next_key(lab.t.flows, last, &form->flow[form->flows]))
			break;
		last = (uint8_t *)&form->flow[form->flows];
	}
	last = NULL;
	for (form->binds = 0; form->binds < WH_SWEEP_SLICE; form->binds++) {
		if (bpf_map_get_next_key(lab.t.binds, last, &form->bind[form->binds]))
			break;
		last = (uint8_t *)&form->bind[form->binds];
	}
	assert_int_equal(wh_programs_sweep(lab.programs), 0);
}
