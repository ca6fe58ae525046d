/* SPDX-License-Identifier: GPL-2.0 */
/* test_flow_json.c: one flow as `wanhelm flows` shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "cli/flow_json.h"
#include "lib/clock.h"

static struct cli_flow_names names;

static struct cli_flow make_flow(unsigned proto)
{
	struct cli_flow view = {
		.entry = {.family = WH_V4,
			  .key4 = {.src_be = htonl(0x0a4d0002),
				   .dst_be = htonl(0xcb00710a),
				   .sport_be = htons(40000),
				   .dport_be = htons(443),
				   .proto = (uint8_t)proto},
			  .flow = {.seen_ns = 100 * WH_NS_PER_S, .born_s = 90, .tx_bytes = 5000000000, .tx_packets = 7},
			  .external4_be = htonl(0xc6120102)},
		.reply = {.rx_bytes = 6000000000, .rx_packets = 8},
	};

	view.entry.flow.pin.wan = 3;
	view.entry.flow.pin.external_port = htons(20001);
	view.entry.flow.class = 2;
	strcpy(names.wans[3].name, "fiber");
	strcpy(names.classes[2].name, "voice");
	return view;
}

static struct wh_addr6 address6(const char *text)
{
	struct wh_addr6 addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

/* The same flow in IPv6. */
static struct cli_flow make_flow6(unsigned proto)
{
	struct cli_flow view = make_flow(proto);

	view.entry.family = WH_V6;
	view.entry.key6 = (struct wh_flow6_key){.src_be = address6("fd00:77::2"),
						.dst_be = address6("2001:db8::a"),
						.sport_be = htons(40000),
						.dport_be = htons(443),
						.proto = (uint8_t)proto};
	view.entry.external6_be = address6("2001:db8:1::2");
	return view;
}

static void test_shape(void **state)
{
	struct cli_flow view = make_flow(IPPROTO_UDP);
	json_t *flow = cli_flow_json(&view, &names, 101 * WH_NS_PER_S + 250 * WH_NS_PER_MS);
	char *text = json_dumps(flow, JSON_COMPACT | JSON_REAL_PRECISION(9));

	(void)state;
	assert_string_equal(text, "{\"proto\":\"udp\",\"src\":\"10.77.0.2\",\"sport\":40000,\"dst\":\"203.0.113.10\","
				  "\"dport\":443,\"wan\":\"fiber\",\"class\":\"voice\",\"ext_address\":\"198.18.1.2\","
				  "\"ext_port\":20001,\"age_s\":11,\"idle_s\":1.25,\"tx_packets\":7,\"rx_packets\":8,"
				  "\"tx_bytes\":5000000000,\"rx_bytes\":6000000000,\"state\":\"active\"}");
	free(text);
	json_decref(flow);
}

static void test_shape_of_ipv6(void **state)
{
	struct cli_flow view = make_flow6(IPPROTO_TCP);
	json_t *flow = cli_flow_json(&view, &names, 101 * WH_NS_PER_S + 250 * WH_NS_PER_MS);
	char *text = json_dumps(flow, JSON_COMPACT | JSON_REAL_PRECISION(9));

	(void)state;
	assert_string_equal(text,
			    "{\"proto\":\"tcp\",\"src\":\"fd00:77::2\",\"sport\":40000,\"dst\":\"2001:db8::a\","
			    "\"dport\":443,\"wan\":\"fiber\",\"class\":\"voice\",\"ext_address\":\"2001:db8:1::2\","
			    "\"ext_port\":20001,\"age_s\":11,\"idle_s\":1.25,\"tx_packets\":7,\"rx_packets\":8,"
			    "\"tx_bytes\":5000000000,\"rx_bytes\":6000000000,\"state\":\"new\"}");
	free(text);
	json_decref(flow);
}

static void test_protocols(void **state)
{
	static const struct {
		unsigned proto;
		const char *name;
	} cases[] = {{1, "icmp"}, {6, "tcp"},	  {17, "udp"},	 {47, "gre"},
		     {50, "esp"}, {58, "icmpv6"}, {132, "sctp"}, {255, "255"}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_flow view = i % 2 ? make_flow6(cases[i].proto) : make_flow(cases[i].proto);
		json_t *flow = cli_flow_json(&view, &names, 100 * WH_NS_PER_S);

		assert_string_equal(json_string_value(json_object_get(flow, "proto")), cases[i].name);
		json_decref(flow);
	}
}

/* Whose flows are told to people. */
static void test_users_flows(void **state)
{
	struct wh_flow flow = make_flow(IPPROTO_UDP).entry.flow;

	(void)state;
	flow.flags = WH_FLOW_NAT | WH_FLOW_KERNEL | WH_FLOW_INBOUND;
	assert_true(wh_flow_is_users(&flow));
	flow.flags = WH_FLOW_PROBE;
	assert_false(wh_flow_is_users(&flow));
	flow.flags = WH_FLOW_FOREIGN;
	assert_false(wh_flow_is_users(&flow));
	flow.flags = 0;
	flow.pin.wan = WH_WAN_NONE;
	assert_false(wh_flow_is_users(&flow));
}

/* What the maps hold may be of a moment ago, or of numbers that no longer have a name. */
static void test_odd_values(void **state)
{
	struct cli_flow view = make_flow(99);
	json_t *flow;

	(void)state;
	view.entry.flow.pin.wan = WH_WAN_NONE;
	view.entry.flow.class = WH_CLASS_PROBE;
	flow = cli_flow_json(&view, &names, 80 * WH_NS_PER_S);
	assert_string_equal(json_string_value(json_object_get(flow, "proto")), "99");
	assert_string_equal(json_string_value(json_object_get(flow, "wan")), "");
	assert_string_equal(json_string_value(json_object_get(flow, "class")), "");
	assert_int_equal(json_integer_value(json_object_get(flow, "age_s")), 0);
	assert_true(json_number_value(json_object_get(flow, "idle_s")) == 0);
	json_decref(flow);
}

static void test_states(void **state)
{
	static const struct {
		unsigned proto, pin_state, client, server;
		const char *word;
	} cases[] = {
		{IPPROTO_TCP, WH_FLOW_LIVE, WH_TCP_SYN, 0, "new"},
		{IPPROTO_TCP, WH_FLOW_LIVE, WH_TCP_SYN, WH_TCP_SYN, "new"},
		{IPPROTO_TCP, WH_FLOW_LIVE, WH_TCP_SYN | WH_TCP_ACKED, WH_TCP_SYN, "established"},
		{IPPROTO_TCP, WH_FLOW_LIVE, WH_TCP_SYN | WH_TCP_ACKED | WH_TCP_FIN, WH_TCP_SYN, "closing"},
		{IPPROTO_TCP, WH_FLOW_LIVE, WH_TCP_SYN | WH_TCP_ACKED, WH_TCP_FIN, "closing"},
		{IPPROTO_TCP, WH_FLOW_LIVE, WH_TCP_SYN | WH_TCP_RST, WH_TCP_RST, "closing"},
		{IPPROTO_TCP, WH_FLOW_LIVE, WH_TCP_SYN | WH_TCP_ACKED, WH_TCP_RST, "established"},
		{IPPROTO_TCP, WH_FLOW_RESET, WH_TCP_SYN | WH_TCP_ACKED, 0, "reset"},
		{IPPROTO_TCP, WH_FLOW_DYING, WH_TCP_SYN | WH_TCP_ACKED, 0, "expiring"},
		{IPPROTO_UDP, WH_FLOW_LIVE, 0, 0, "active"},
		{IPPROTO_ICMP, WH_FLOW_LIVE, 0, 0, "active"},
		{IPPROTO_UDP, WH_FLOW_DYING, 0, 0, "expiring"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_flow view = make_flow(cases[i].proto);
		json_t *flow;

		view.entry.flow.pin.state = (uint8_t)cases[i].pin_state;
		view.entry.flow.tcp = (uint8_t)cases[i].client;
		view.reply.tcp = (uint8_t)cases[i].server;
		flow = cli_flow_json(&view, &names, 100 * WH_NS_PER_S);
		assert_string_equal(json_string_value(json_object_get(flow, "state")), cases[i].word);
		json_decref(flow);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),	   cmocka_unit_test(test_shape_of_ipv6),
		cmocka_unit_test(test_protocols),  cmocka_unit_test(test_users_flows),
		cmocka_unit_test(test_odd_values), cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
