/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lab_tables.c: what harness.h says of writing the tables, as the controller does.  What asks and checks them is in
 * lab_state.c; the sweep is run in lab_sweep.c.
 */
#include "harness.h"
#include "lab_xdp.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "kern/rule_tables.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

static void put(int map, uint32_t key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(map, &key, value, BPF_ANY), 0);
}

void lab_put6(struct wh_addr6 *out, address value)
{
	for (unsigned i = 0; i < 4; i++)
		out->word_be[i] = htobe32((uint32_t)(value >> (96 - 32 * i)));
}

/* --- WANs --------------------------------------------------------------------------------------------------- */

void lab_set_wan(unsigned wan, const struct wh_wan *row)
{
	put(lab.t.wans, wan, row);
}

void lab_set_lan(unsigned lan, const struct wh_lan *row)
{
	put(lab.t.lans, lan, row);
}

void lab_leave_untranslated(unsigned wan)
{
	struct wh_wan row = lab.wan[wan];

	row.v4.flags &= ~(unsigned)WH_WAN_MASQUERADE;
	row.v6.flags &= ~(unsigned)WH_WAN_MASQUERADE;
	lab_set_wan(wan, &row);
}

void lab_keep_sources(unsigned wan)
{
	struct wh_wan row = lab.wan[wan];

	row.v4.flags &= ~(unsigned)WH_WAN_MASQUERADE;
	row.v6.flags = WH_WAN_GATEWAY | WH_WAN_GATEWAY_MAC | WH_WAN_OWN_PREFIX;
	row.v6.prefix_be = row.v6.inside_be;
	lab_set_wan(wan, &row);
}

void lab_translate_prefix(unsigned wan)
{
	struct wh_wan row = lab.wan[wan];

	row.v6.flags &= ~(unsigned)WH_WAN_MASQUERADE;
	row.v6.flags |= WH_WAN_NPT;
	lab_set_wan(wan, &row);
}

struct prefix lab_prefix(unsigned wan)
{
	return (struct prefix){IP6(0x2001, 0xdb8, 0x100 + wan, 0, 0, 0, 0, 0), 48};
}

struct prefix lab_inside(void)
{
	return (struct prefix){INSIDE6, INSIDE6_LEN};
}

address lab_external(unsigned wan, const struct packet *family)
{
	return packet_is_v6(family) ? lab_prefix(wan).addr + 2 : be32toh(lab.wan[wan].v4.addr_be);
}

address lab_own(unsigned wan)
{
	return lab.family == WH_V6 ? lab_prefix(wan).addr + 2 : be32toh(lab.wan[wan].v4.addr_be);
}

void lab_readdress(unsigned wan, address address)
{
	struct wh_wan row = lab.wan[wan];

	if (lab.family == WH_V4)
		row.v4.addr_be = htobe32((uint32_t)address);
	else
		lab_put6(&row.v6.addr_be, address);
	lab_set_wan(wan, &row);
}

address lab_router(const struct packet *family)
{
	return packet_is_v6(family) ? ROUTER6_LAN0 : ROUTER_LAN0;
}

/* --- policy ------------------------------------------------------------------------------------------------- */

void lab_set_masks(uint8_t keep, uint8_t fresh)
{
	union wh_masks masks = {.keep4 = keep, .fresh4 = fresh, .keep6 = keep, .fresh6 = fresh};

	__atomic_store_n(&lab.t.steer_rows[0].masks.word, masks.word, __ATOMIC_RELAXED);
}

static struct wh_steer *class_row(void)
{
	return &lab.t.steer_rows[0];
}

void lab_set_leave(uint8_t leave)
{
	union wh_masks masks = {.word = class_row()->masks.word};

	masks.leave4 = masks.leave6 = leave;
	__atomic_store_n(&class_row()->masks.word, masks.word, __ATOMIC_RELAXED);
}

void lab_set_held(uint8_t held)
{
	union wh_masks masks = {.word = class_row()->masks.word};

	masks.held4 = masks.held6 = held;
	__atomic_store_n(&class_row()->masks.word, masks.word, __ATOMIC_RELAXED);
}

/* Its own second is over. */
uint32_t lab_born_before(unsigned seconds)
{
	return (uint32_t)(wh_now_ns() / WH_NS_PER_S) + 1 - seconds;
}

void lab_set_moved(unsigned seconds)
{
	class_row()->back.moved_s = lab_born_before(seconds);
}

void lab_set_old(unsigned wan, unsigned seconds)
{
	class_row()->back.old_s[wan] = lab_born_before(seconds);
}

void lab_set_alive(uint8_t alive)
{
	union wh_alive word = {.alive4 = alive, .alive6 = alive};

	__atomic_store_n(&lab.t.steer_rows[WH_STEER_GLOBAL].alive.word, word.word, __ATOMIC_RELAXED);
}

void lab_set_firewall(enum wh_firewall_mode mode, uint32_t generation)
{
	union wh_firewall word = {.mode = (uint8_t)mode, .generation = generation};

	__atomic_store_n(&lab.t.steer_rows[WH_STEER_GLOBAL].firewall.word, word.word, __ATOMIC_RELAXED);
}

static struct wh_class class = {.name = "default", .allowed = 0xff};

void lab_set_class(enum wh_affinity affinity, enum wh_on_failover on_failover)
{
	class.affinity = (uint8_t)affinity;
	class.on_failover = (uint8_t)on_failover;
	put(lab.t.classes, 0, &class);
}

void lab_set_on_none(enum wh_on_none on_none)
{
	class.on_none = (uint8_t)on_none;
	put(lab.t.classes, 0, &class);
}

void lab_set_action(enum wh_class_action action)
{
	class.action = (uint8_t)action;
	put(lab.t.classes, 0, &class);
}

void lab_set_allowed(uint8_t allowed)
{
	class.allowed = allowed;
	put(lab.t.classes, 0, &class);
}

void lab_renew_policy(void)
{
	wh_rule_tables_renew(&lab.t);
}

/* IPv4 stands in the trie under its mapped address. */
static struct wh_route_key route_key(address dst, unsigned prefix_len)
{
	bool v4 = !(dst >> 32) && prefix_len <= 32;
	struct wh_route_key key = {.prefix_len = prefix_len + (v4 ? 96 : 0)};

	lab_put6(&key.addr_be, v4 ? (address)0xffff << 32 | dst : dst);
	return key;
}

void lab_set_route(address dst, unsigned prefix_len, enum wh_route_kind kind, unsigned wan)
{
	struct wh_route_key key = route_key(dst, prefix_len);
	struct wh_route route = {.kind = (uint8_t)kind, .wan = (uint8_t)wan};

	assert_int_equal(bpf_map_update_elem(lab.t.routes, &key, &route, BPF_ANY), 0);
}

void lab_drop_route(address dst, unsigned prefix_len)
{
	struct wh_route_key key = route_key(dst, prefix_len);

	assert_int_equal(bpf_map_delete_elem(lab.t.routes, &key), 0);
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

/* --- the first state of each test --------------------------------------------------------------------------- */

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

/* Maps that only the data plane uses. */
static void clear_pinned(const char *name)
{
	_cleanup_close_ int map = -1;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", lab.bpf_dir, name);
	map = bpf_obj_get(path);
	if (map >= 0)
		clear(map);
}

void lab_forget_pending(void)
{
	clear_pinned("wh_pending4");
	clear_pinned("wh_pending6");
}

void lab_forget_flows(void)
{
	static const char *const others[] = {"wh_inbound4", "wh_inbound6", "wh_fragments4", "wh_fragments6",
					     "wh_clients"};

	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		clear(lab.t.flows[family]);
		clear(lab.t.replies[family]);
		clear(lab.t.binds[family]);
		clear(lab.t.ports[family]);
	}
	lab_forget_pending();
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		clear_pinned(others[i]);
}

static void clear_counts(void)
{
	_cleanup_free_ void *zero = calloc((size_t)libbpf_num_possible_cpus(), sizeof(struct wh_counters));

	assert_non_null(zero);
	for (uint32_t i = 0; i < WH_COUNTER_ROWS; i++)
		put(lab.t.counters, i, zero);
	for (uint32_t i = 0; i < WH_REASON_COUNT; i++)
		put(lab.t.reasons, i, zero);
	for (uint32_t i = 0; i < WH_SIGNAL_ROWS; i++)
		put(lab.t.signals, i, zero);
}

static void put_device(unsigned ifindex, enum wh_role role, unsigned number, uint8_t l2_len)
{
	struct wh_device device = {.role = (uint8_t)role, .number = (uint8_t)number, .l2_len = l2_len};

	put(lab.t.devices, ifindex, &device);
}

/* Destinations that nobody steers stand there as the kernel's. */
static void describe_never_steered(void)
{
	const struct prefix never[] = {{IP(127, 0, 0, 0), 8},	    {IP(169, 254, 0, 0), 16}, {IP(224, 0, 0, 0), 4},
				       {IP(240, 0, 0, 0), 4},	    {IP(192, 168, 0, 0), 16}, {INSIDE6, INSIDE6_LEN},
				       {(address)0xfe8 << 116, 10}, {(address)0xff << 120, 8}};

	for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		lab_set_route(never[i].addr, never[i].len, WH_ROUTE_KERNEL, 0);
}

static void describe_network(void)
{
	clear(lab.t.routes);
	clear(lab.t.devices);
	lab_describe_wires();
	for (unsigned i = 0; i < LAB_LANS; i++) {
		lab_set_lan(i, &lab.lan[i]);
		put_device(lab.lan_ifindex[i], WH_ROLE_LAN, i, lab.lan[i].l2_len);
	}
	for (unsigned i = 0; i < LAB_WANS; i++) {
		lab_set_wan(i, &lab.wan[i]);
		put_device(lab.wan_ifindex[i], WH_ROLE_WAN, i, lab.wan[i].l2_len);
		lab_set_route(be32toh(lab.wan[i].v4.addr_be), 32, WH_ROUTE_LOCAL, i);
		lab_set_route(lab_prefix(i).addr + 2, 128, WH_ROUTE_LOCAL, i);
	}
	put(lab.t.lans, WH_LAN_PROBER, &lab.prober);
	put_device(lab.prober_ifindex, WH_ROLE_PROBER, 0, PACKET_L2);
	lab_set_route(0, 0, WH_ROUTE_DEFAULT, 0);
	describe_never_steered();
	lab_set_route(ROUTER_LAN0, 32, WH_ROUTE_LOCAL, WH_WAN_NONE);
	lab_set_route(ROUTER6_LAN0, 128, WH_ROUTE_LOCAL, WH_WAN_NONE);
}

int lab_reset(void **state)
{
	(void)state;
	lab.family = WH_V4;
	if (getenv("WANHELM_TEST_XDP"))
		lab_use_xdp(true);
	else
		lab.xdp = false;
	lab_forget_flows();
	clear_counts();
	describe_network();
	put(lab.t.lanes, 0, &(struct wh_lane){});
	lab_set_action(WH_CLASS_STEER);
	lab_set_allowed(0xff);
	lab_set_on_none(WH_NONE_DROP);
	lab_set_class(WH_AFFINITY_SRC_DST, WH_FAILOVER_AUTO);
	lab_set_order((const int[]){0, 1, -1});
	lab_set_firewall(WH_FIREWALL_BYPASS, 0);
	lab.t.steer_rows[WH_STEER_GLOBAL].flows_per_client = 0;
	lab.t.steer_rows[WH_STEER_GLOBAL].learn_names = 0;
	lab.t.steer_rows[WH_STEER_GLOBAL].gateways_until_ns = UINT64_MAX;
	memset(lab.t.sweep_form4, 0, sizeof(*lab.t.sweep_form4));
	memset(lab.t.sweep_form6, 0, sizeof(*lab.t.sweep_form6));
	lab_set_masks(0x03, 0x03);
	class_row()->back = (struct wh_return){0};
	lab_set_alive(0x03);
	return 0;
}

int lab_reset6(void **state)
{
	int err = lab_reset(state);

	lab.family = WH_V6;
	return err;
}

void lab_again(void)
{
	if (lab.family == WH_V4)
		lab_reset(NULL);
	else
		lab_reset6(NULL);
}
