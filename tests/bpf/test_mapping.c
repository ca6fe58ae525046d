/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_mapping.c: external ports: which endpoint has which (RFC 4787 REQ-1 to 3, RFC 5382), and what happens
 * when there are none left.  A full flow table is in test_full.c.
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#define FEW_PORTS 256
#define FEW_FIRST 30000

static void give_few_ports(unsigned wan)
{
	struct wh_wan row = lab.wan[wan];

	row.port_first = FEW_FIRST;
	row.port_last = FEW_FIRST + FEW_PORTS - 1;
	lab_set_wan(wan, &row);
}

/* REQ-1: one internal endpoint shows one external port to everybody. */
static void same_port_to_everybody(uint8_t proto)
{
	struct packet p = lab_packet(proto, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&p, 0);

	for (unsigned i = 0; i < 50; i++) {
		p = lab_packet(proto, CLIENT_A, 5000, REMOTE_2 + i, (uint16_t)(53 + i));
		assert_int_equal(send_out(&p, 0), port);
		answer_in(&p, 0, port, TCP_SYN | TCP_ACK);
	}
	assert_int_equal(lab_ports(), 1);
	lab_expect_consistent();
}

static void test_udp_endpoint_independent(void **state)
{
	(void)state;
	same_port_to_everybody(PROTO_UDP);
}

static void test_tcp_endpoint_independent(void **state)
{
	(void)state;
	same_port_to_everybody(PROTO_TCP);
}

static void test_icmp_endpoint_independent(void **state)
{
	(void)state;
	same_port_to_everybody(PROTO_ICMP);
}

/* REQ-3: two endpoints never share one, not even towards unlike remotes. */
static void unlike_ports(uint8_t proto)
{
	bool taken[65536] = {};

	for (unsigned i = 0; i < 100; i++) {
		struct packet p = lab_packet(proto, CLIENT_A + i, 5000, REMOTE_1 + i % 3, 53);
		uint16_t port = send_out(&p, 0);

		assert_false(taken[port]);
		taken[port] = true;
	}
	lab_expect_consistent();
}

static void test_udp_endpoints_have_unlike_ports(void **state)
{
	(void)state;
	unlike_ports(PROTO_UDP);
}

static void test_tcp_endpoints_have_unlike_ports(void **state)
{
	(void)state;
	unlike_ports(PROTO_TCP);
}

static void test_icmp_endpoints_have_unlike_identifiers(void **state)
{
	(void)state;
	unlike_ports(PROTO_ICMP);
}

/* An endpoint whose own port lies in the range gets no other's: the second one must make way. */
static void test_same_port_inside_the_range(void **state)
{
	struct packet a = lab_packet(PROTO_UDP, CLIENT_A, 25000, REMOTE_1, 53);
	struct packet b = lab_packet(PROTO_UDP, CLIENT_B, 25000, REMOTE_1, 53);

	(void)state;
	assert_int_not_equal(send_out(&a, 0), send_out(&b, 0));
}

static void test_ports_come_from_the_range(void **state)
{
	(void)state;
	give_few_ports(0);
	for (unsigned i = 0; i < FEW_PORTS / 4; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, (uint16_t)(i * 300 + 1), REMOTE_1, 53);

		assert_in_range(send_out(&p, 0), FEW_FIRST, FEW_FIRST + FEW_PORTS - 1);
	}
}

/* Each protocol and each WAN has its own ports: neither takes one from another. */
static void test_spaces_are_apart(void **state)
{
	unsigned wans[] = {0, 1};

	(void)state;
	give_few_ports(0);
	give_few_ports(1);
	for (unsigned w = 0; w < 2; w++) {
		lab_set_order((const int[]){(int)wans[w], -1});
		for (unsigned i = 0; i < FEW_PORTS / 2; i++) {
			uint16_t sport = (uint16_t)(1000 * (w + 1) + i);
			struct packet u = lab_packet(PROTO_UDP, CLIENT_A, sport, REMOTE_1, 53);
			struct packet t = lab_packet(PROTO_TCP, CLIENT_A, sport, REMOTE_1, 53);
			struct packet e = lab_packet(PROTO_ICMP, CLIENT_A, sport, REMOTE_1, 0);

			send_out(&u, wans[w]);
			send_out(&t, wans[w]);
			send_out(&e, wans[w]);
		}
	}
	assert_int_equal(lab_ports(), 2 * 3 * FEW_PORTS / 2);
	lab_expect_consistent();
}

/* --- exhausted ----------------------------------------------------------------------------------------------- */

/*
 * The search for a free port is bounded, so in a crowded range a first packet may be refused though a port is
 * free; its sender repeats it, and the search is another one each time.
 */
static uint16_t send_until_taken(const struct packet *p)
{
	struct result r = lab_from_lan(p);

	for (unsigned i = 0; result_is_refusal(&r, p) && i < 10000; i++)
		r = lab_from_lan(p);
	return expect_out(&r, p, 0);
}

/* Take every port with an endpoint of its own. */
static void take_all_ports(uint8_t proto, uint16_t ports[FEW_PORTS])
{
	bool taken[65536] = {};

	for (unsigned i = 0; i < FEW_PORTS; i++) {
		struct packet p = lab_packet(proto, CLIENT_A, (uint16_t)(1000 + i), REMOTE_1, 53);

		ports[i] = send_until_taken(&p);
		assert_in_range(ports[i], FEW_FIRST, FEW_FIRST + FEW_PORTS - 1);
		assert_false(taken[ports[i]]);
		taken[ports[i]] = true;
	}
}

/* As if other endpoints held every port of WAN 0 for TCP. */
static void reserve_all_tcp_ports(void)
{
	struct wh_port4 other = {.addr_be = htobe32(CLIENT_B + 1), .holding.port_be = 1};

	for (unsigned i = 0; i < FEW_PORTS; i++) {
		struct wh_port_key key = {.port_be = htobe16((uint16_t)(FEW_FIRST + i)), .proto = PROTO_TCP};

		assert_int_equal(bpf_map_update_elem(lab.t.ports[WH_V4], &key, &other, BPF_NOEXIST), 0);
	}
}

static void expect_old_flows_live(uint8_t proto, const uint16_t ports[FEW_PORTS])
{
	for (unsigned i = 0; i < FEW_PORTS; i++) {
		struct packet p = lab_packet(proto, CLIENT_A, (uint16_t)(1000 + i), REMOTE_1, 53);

		assert_int_equal(send_out(&p, 0), ports[i]);
		answer_in(&p, 0, ports[i], TCP_SYN | TCP_ACK);
	}
}

static void expect_no_port(const struct packet *late)
{
	uint64_t before = lab_reason(WH_REASON_NO_PORT), all_before = lab_reasons_total();

	for (unsigned i = 1; i <= 3; i++) {
		struct result r = lab_from_lan(late);

		expect_refused(&r, late);
		assert_int_equal(lab_reason(WH_REASON_NO_PORT), before + i);
		assert_int_equal(lab_reasons_total(), all_before + i);
	}
	assert_int_equal(lab_flows(), FEW_PORTS);
}

static void dropped_when_exhausted(uint8_t proto)
{
	struct packet late = lab_packet(proto, CLIENT_B, 5000, REMOTE_2, 53);
	uint16_t ports[FEW_PORTS];

	give_few_ports(0);
	take_all_ports(proto, ports);
	expect_no_port(&late);
	expect_old_flows_live(proto, ports);
	lab_expect_consistent();
}

static void test_udp_ports_exhausted(void **state)
{
	(void)state;
	dropped_when_exhausted(PROTO_UDP);
}

static void test_icmp_identifiers_exhausted(void **state)
{
	(void)state;
	dropped_when_exhausted(PROTO_ICMP);
}

/* Towards one remote endpoint each port serves once; there TCP has nothing to share either. */
static void test_tcp_ports_exhausted_towards_one_remote(void **state)
{
	struct packet late = lab_packet(PROTO_TCP, CLIENT_B, 5000, REMOTE_1, 53);
	uint16_t ports[FEW_PORTS];

	(void)state;
	give_few_ports(0);
	reserve_all_tcp_ports();
	take_all_ports(PROTO_TCP, ports);
	expect_no_port(&late);
	expect_old_flows_live(PROTO_TCP, ports);
}

/* TCP shares a port between remotes when there is no other way; each answer finds its own client. */
static void test_tcp_ports_shared_between_remotes(void **state)
{
	uint16_t ports[FEW_PORTS];

	(void)state;
	give_few_ports(0);
	reserve_all_tcp_ports();
	take_all_ports(PROTO_TCP, ports);
	for (unsigned i = 0; i < 40; i++) {
		struct packet p = lab_packet(PROTO_TCP, CLIENT_B, (uint16_t)(5000 + i), REMOTE_2, 443);
		uint16_t port = send_until_taken(&p);
		struct wh_flow flow;

		assert_in_range(port, FEW_FIRST, FEW_FIRST + FEW_PORTS - 1);
		assert_true(lab_flow(&p, &flow));
		assert_true(flow.flags & WH_FLOW_SHARED);
		answer_in(&p, 0, port, TCP_SYN | TCP_ACK);
		assert_int_equal(send_out(&p, 0), port);
	}
	expect_old_flows_live(PROTO_TCP, ports);
}

/* An endpoint that has a port goes on opening sessions when all are taken. */
static void test_bound_endpoint_needs_no_further_port(void **state)
{
	uint16_t ports[FEW_PORTS];
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 1000, REMOTE_2, 99);

	(void)state;
	give_few_ports(0);
	take_all_ports(PROTO_UDP, ports);
	assert_int_equal(send_out(&p, 0), ports[0]);
}

/* While ports are plentiful nobody is refused one, and TCP shares none (RFC 4787 REQ-11). */
static void no_refusal_up_to_half(uint8_t proto)
{
	for (unsigned i = 0; i < (LAB_PORT_LAST - LAB_PORT_FIRST + 1) / 2; i++) {
		struct packet p = lab_packet(proto, CLIENT_A, (uint16_t)(1000 + i), REMOTE_1, 53);

		send_until_taken(&p);
	}
	/* Chance has its say near the half: a handful in thousands. */
	assert_in_range(lab_reasons_total(), 0, 20);
	assert_true(lab_ports() > (LAB_PORT_LAST - LAB_PORT_FIRST + 1) / 2 - 20);
}

static void test_udp_plenty_of_ports(void **state)
{
	(void)state;
	no_refusal_up_to_half(PROTO_UDP);
}

static void test_tcp_plenty_of_ports(void **state)
{
	(void)state;
	no_refusal_up_to_half(PROTO_TCP);
}

/* RFC 4787 REQ-11: with 95 of 100 ports taken the same rules hold as with one: one port to everybody, strangers out. */
static void test_udp_when_crowded(void **state)
{
	struct packet first = lab_packet(PROTO_UDP, CLIENT_A, 1000, REMOTE_1, 53), p;
	uint16_t port;

	(void)state;
	give_few_ports(0);
	port = send_out(&first, 0);
	for (unsigned i = 1; i < FEW_PORTS * 95 / 100; i++) {
		p = lab_packet(PROTO_UDP, CLIENT_A, (uint16_t)(1000 + i), REMOTE_1, 53);
		assert_int_not_equal(send_until_taken(&p), port);
	}
	for (unsigned i = 0; i < 50; i++) {
		struct spec s = {.t = {REMOTE_2 + 99, lab_own(0), 53, port, PROTO_UDP}};
		struct packet stranger = remote_packet(0, s);
		struct result r = lab_from_wan(0, &stranger);

		expect_filtered(&r, &stranger);
		p = lab_packet(PROTO_UDP, CLIENT_A, 1000, REMOTE_2 + i, 53);
		assert_int_equal(send_out(&p, 0), port);
		answer_in(&p, 0, port, 0);
	}
}

/* RFC 6056: the next endpoint's port cannot be told from the last one's. */
static void test_ports_are_not_in_sequence(void **state)
{
	unsigned neighbours = 0;
	uint16_t last = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, (uint16_t)(1000 + i), REMOTE_1, 53);
		uint16_t port = send_out(&p, 0);

		neighbours += abs((int)port - (int)last) <= 2;
		last = port;
	}
	assert_in_range(neighbours, 0, 10);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_udp_endpoint_independent),
	LAB_BOTH(test_tcp_endpoint_independent),
	LAB_BOTH(test_icmp_endpoint_independent),
	LAB_BOTH(test_udp_endpoints_have_unlike_ports),
	LAB_BOTH(test_tcp_endpoints_have_unlike_ports),
	LAB_BOTH(test_icmp_endpoints_have_unlike_identifiers),
	LAB_BOTH(test_same_port_inside_the_range),
	LAB_BOTH(test_ports_come_from_the_range),
	LAB_BOTH(test_spaces_are_apart),
	LAB_BOTH(test_udp_ports_exhausted),
	LAB_BOTH(test_icmp_identifiers_exhausted),
	LAB_TEST(test_tcp_ports_exhausted_towards_one_remote),
	LAB_TEST(test_tcp_ports_shared_between_remotes),
	LAB_BOTH(test_bound_endpoint_needs_no_further_port),
	LAB_BOTH(test_udp_plenty_of_ports),
	LAB_BOTH(test_tcp_plenty_of_ports),
	LAB_BOTH(test_udp_when_crowded),
	LAB_BOTH(test_ports_are_not_in_sequence),
};

LAB_MAIN(tests, 16384)
