/* SPDX-License-Identifier: GPL-2.0 */
/* test_tables.c: what is read from the tables of flows of both families: walks, replies; and the sweep's forms. */
#include "tables_fixture.h"

#include <errno.h>

#include <bpf/libbpf.h>

/* --- flows ------------------------------------------------------------------------------------------------ */

static struct wh_flow4_key flow4_key(unsigned i)
{
	return (struct wh_flow4_key){.src_be = htonl(0x0a000000 + i),
				     .dst_be = htonl(0xcb00710a),
				     .sport_be = htons(4000),
				     .dport_be = htons(443),
				     .proto = IPPROTO_UDP};
}

static struct wh_flow6_key flow6_key(unsigned i)
{
	struct wh_flow6_key key = {.src_be = address6("fd00::"),
				   .dst_be = address6("2001:db8::a"),
				   .sport_be = htons(4000),
				   .dport_be = htons(443),
				   .proto = IPPROTO_UDP};

	key.src_be.word_be[3] = htonl(i);
	return key;
}

static void put_flows(struct place *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct wh_flow4_key key4 = flow4_key(i);
		struct wh_flow6_key key6 = flow6_key(i);
		struct wh_flow4 flow4 = {.tx_packets = i, .accepted = 7, .external_be = htonl(i)};
		struct wh_flow6 flow6 = {.tx_packets = i, .accepted = 7, .external_be = address6("2001:db8:1::2")};

		put(p->tables.flows[WH_V4], &key4, &flow4);
		put(p->tables.flows[WH_V6], &key6, &flow6);
	}
}

struct seen {
	unsigned times[ENTRIES];
	unsigned in_slice;
};

static void look_at_flow(void *arg, const struct wh_flow_entry *entry)
{
	struct wh_addr6 external6 = address6("2001:db8:1::2");
	unsigned i = entry->flow.tx_packets;
	struct seen *seen = arg;

	assert_true(i < ENTRIES);
	seen->times[i]++;
	seen->in_slice++;
	assert_int_equal(entry->flow.accepted, 7);
	assert_int_equal(wh_flow_proto(entry), IPPROTO_UDP);
	assert_int_equal(wh_flow_sport(entry), htons(4000));
	assert_int_equal(wh_flow_dport(entry), htons(443));
	if (entry->family == WH_V4) {
		assert_int_equal(entry->key4.src_be, htonl(0x0a000000 + i));
		assert_int_equal(entry->external4_be, htonl(i));
	} else {
		assert_int_equal(entry->key6.src_be.word_be[3], htonl(i));
		assert_memory_equal(&entry->external6_be, &external6, sizeof(external6));
	}
}

static void test_every_flow_is_walked_once_in_slices(void **state)
{
	struct place *p = place(state);
	static struct seen seen;

	put_flows(p, ENTRIES);
	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		struct wh_flow_walk walk = {0};
		unsigned slices = 0;

		memset(&seen, 0, sizeof(seen));
		for (; !walk.done; slices++) {
			seen.in_slice = 0;
			assert_int_equal(wh_tables_walk(&p->tables, family, &walk, 256, look_at_flow, &seen), 0);
			assert_true(seen.in_slice <= 256);
		}
		assert_true(slices >= ENTRIES / 256);
		for (unsigned i = 0; i < ENTRIES; i++)
			assert_int_equal(seen.times[i], 1);
	}
}

static void test_a_slice_smaller_than_a_hash_chain_grows(void **state)
{
	struct place *p = place(state);
	struct wh_flow_walk walk = {0};
	static struct seen seen;

	put_flows(p, ENTRIES);
	memset(&seen, 0, sizeof(seen));
	while (!walk.done)
		assert_int_equal(wh_tables_walk(&p->tables, WH_V6, &walk, 1, look_at_flow, &seen), 0);
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_int_equal(seen.times[i], 1);
}

static void test_the_reply_of_a_flow(void **state)
{
	struct place *p = place(state);
	struct wh_flow_entry entry4 = {.family = WH_V4, .key4 = flow4_key(1), .external4_be = htonl(0xc6120102)};
	struct wh_flow_entry entry6 = {
		.family = WH_V6, .key6 = flow6_key(1), .external6_be = address6("2001:db8:1::2")};
	struct wh_reply4_key key4 = {.remote_be = entry4.key4.dst_be,
				     .external_be = entry4.external4_be,
				     .remote_port_be = htons(443),
				     .external_port_be = htons(20001),
				     .proto = IPPROTO_UDP,
				     .wan = 3};
	struct wh_reply6_key key6 = {.remote_be = entry6.key6.dst_be,
				     .external_be = entry6.external6_be,
				     .remote_port_be = htons(443),
				     .external_port_be = htons(20001),
				     .proto = IPPROTO_UDP,
				     .wan = 3};
	struct wh_reply4 reply4 = {.rx_packets = 4, .lan = 1};
	struct wh_reply6 reply6 = {.rx_packets = 6, .lan = 1};
	struct wh_reply reply = {.rx_packets = 99};

	put(p->tables.replies[WH_V4], &key4, &reply4);
	put(p->tables.replies[WH_V6], &key6, &reply6);
	entry4.flow.pin = entry6.flow.pin = (union wh_pin){.wan = 2, .external_port = htons(20001)};
	assert_int_equal(wh_tables_reply(&p->tables, &entry4, &reply), -ENOENT);
	assert_int_equal(wh_tables_reply(&p->tables, &entry6, &reply), -ENOENT);
	assert_int_equal(reply.rx_packets, 99);
	entry4.flow.pin.wan = entry6.flow.pin.wan = 3;
	assert_int_equal(wh_tables_reply(&p->tables, &entry4, &reply), 0);
	assert_int_equal(reply.rx_packets, 4);
	assert_int_equal(wh_tables_reply(&p->tables, &entry6, &reply), 0);
	assert_int_equal(reply.rx_packets, 6);
}

/* --- ports, clients ---------------------------------------------------------------------------------------- */

static void add_port(void *arg, const struct wh_port_key *key, uint16_t freed)
{
	*(unsigned *)arg += freed;
	assert_int_equal(key->port_be, htons(20000));
}

static void test_ports(void **state)
{
	struct place *p = place(state);
	struct wh_port_key key = {.port_be = htons(20000), .proto = IPPROTO_UDP, .wan = 1};
	struct wh_port4 port4 = {.holding.freed = 40};
	struct wh_port6 port6 = {.holding.freed = 600};
	unsigned sum = 0;

	put(p->tables.ports[WH_V4], &key, &port4);
	put(p->tables.ports[WH_V6], &key, &port6);
	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		struct wh_flow_walk walk = {0};

		assert_int_equal(wh_tables_walk_ports(&p->tables, family, &walk, 8, add_port, &sum), 0);
	}
	assert_int_equal(sum, 640);
}

/* 16 bits of seconds come round; what is in use and what is being deleted is never taken for a time. */
static void test_times_of_freed_ports(void **state)
{
	(void)state;
	for (uint64_t now_s = 0; now_s < 4 * WH_PORT_ROUND_S; now_s += 7) {
		for (uint64_t age_s = 0; age_s <= 300 && age_s <= now_s; age_s += 60) {
			uint64_t freed = WH_PORT_FREED(now_s - age_s);

			assert_in_range(freed, WH_PORT_IN_USE + 1, WH_PORT_GONE - 1);
			assert_int_equal(WH_PORT_FREE_S((uint16_t)freed, now_s), age_s);
		}
	}
	assert_int_equal(WH_PORT_FREED(WH_PORT_ROUND_S - 1ULL), WH_PORT_GONE - 1);
	assert_int_equal(WH_PORT_FREED((uint64_t)WH_PORT_ROUND_S), 1);
	assert_int_equal(WH_PORT_FREE_S(WH_PORT_GONE - 1, (uint64_t)WH_PORT_ROUND_S), 1);
}

static void forget(void *arg, const struct wh_client_key *key, uint32_t flows)
{
	const struct place *p = arg;

	(void)flows;
	wh_tables_forget_client(&p->tables, key);
}

static void test_only_clients_without_flows_are_forgotten(void **state)
{
	struct place *p = place(state);
	struct wh_client_key idle = {.low_be = 1}, busy = {.high_be = 1};
	struct wh_client none = {0}, one = {1}, found;
	struct wh_flow_walk walk = {0};

	put(p->tables.clients, &idle, &none);
	put(p->tables.clients, &busy, &one);
	assert_int_equal(wh_tables_walk_clients(&p->tables, &walk, 8, forget, p), 0);
	assert_int_not_equal(bpf_map_lookup_elem(p->tables.clients, &idle, &found), 0);
	assert_int_equal(bpf_map_lookup_elem(p->tables.clients, &busy, &found), 0);
}

static void test_forms(void **state)
{
	struct place *p = place(state);
	struct wh_flow_entry entry4 = {.family = WH_V4, .key4 = flow4_key(5)};
	struct wh_flow_entry entry6 = {.family = WH_V6, .key6 = flow6_key(6)};
	struct wh_port_key port = {.port_be = 9};

	wh_tables_form_flow(&p->tables, &entry4);
	wh_tables_form_flow(&p->tables, &entry6);
	wh_tables_form_flow(&p->tables, &entry6);
	wh_tables_form_port(&p->tables, WH_V4, &port);
	assert_int_equal(wh_tables_form(&p->tables, WH_V4)->flows, 1);
	assert_int_equal(wh_tables_form(&p->tables, WH_V6)->ports, 0);
	assert_int_equal(wh_tables_form(&p->tables, WH_V4)->ports, 1);
	assert_int_equal(p->form6.flows, 2);
	assert_memory_equal(&p->form4.flow[0], &entry4.key4, sizeof(entry4.key4));
	assert_memory_equal(&p->form6.flow[1], &entry6.key6, sizeof(entry6.key6));
	assert_memory_equal(&p->form4.port[0], &port, sizeof(port));
}

/* The sum of what each CPU has counted for a WAN in the classes that are asked for, and in no others. */
static void test_totals(void **state)
{
	struct place *p = place(state);
	const unsigned cpus = (unsigned)libbpf_num_possible_cpus();
	struct wh_counters *each = calloc(cpus, sizeof(*each)), totals[WH_MAX_WANS];

	p->tables.counters = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct wh_counters), WH_COUNTER_ROWS);
	for (__u32 row = 0; row < WH_COUNTER_ROWS; row++) {
		for (unsigned cpu = 0; cpu < cpus; cpu++)
			each[cpu] = (struct wh_counters){row, 2 * row, 3 * row, 4 * row, 5 * row, cpu, 1, 0};
		put(p->tables.counters, &row, each);
	}
	for (unsigned classes = 1; classes <= WH_CLASSES_AND_PROBES; classes += WH_CLASS_PROBE / 2) {
		assert_int_equal(wh_tables_totals(&p->tables, classes, totals), 0);
		for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
			const __u64 rows = classes * wan + WH_MAX_WANS * classes * (classes - 1) / 2;

			assert_int_equal(totals[wan].tx_packets, cpus * rows);
			assert_int_equal(totals[wan].tx_bytes, 2 * cpus * rows);
			assert_int_equal(totals[wan].rx_packets, 3 * cpus * rows);
			assert_int_equal(totals[wan].rx_bytes, 4 * cpus * rows);
			assert_int_equal(totals[wan].new_flows, 5 * cpus * rows);
			assert_int_equal(totals[wan].moved, classes * cpus * (cpus - 1) / 2);
			assert_int_equal(totals[wan].reset, classes * cpus);
		}
	}
	close(p->tables.counters);
	p->tables.counters = -1;
	assert_int_equal(wh_tables_totals(&p->tables, 1, totals), -EBADF);
	free(each);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_flow_is_walked_once_in_slices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_slice_smaller_than_a_hash_chain_grows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_reply_of_a_flow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ports, set_up, tear_down),
		cmocka_unit_test(test_times_of_freed_ports),
		cmocka_unit_test_setup_teardown(test_only_clients_without_flows_are_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_totals, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
