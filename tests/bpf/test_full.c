/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_full.c: a flow table that is full: new flows are refused and counted (RFC 6888 REQ-11), nothing that stands is touched,
 * nothing half is left behind.
 */
#include "harness.h"

#define ROOM 64

static struct packet flow_of_one_endpoint(uint8_t proto, unsigned i)
{
	return lab_packet(proto, CLIENT_A, 5000, REMOTE_1 + i, 53);
}

static struct packet flow_of_its_own_endpoint(uint8_t proto, unsigned i)
{
	return lab_packet(proto, CLIENT_A, (uint16_t)(5000 + i), REMOTE_1, 53);
}

static void fill(uint8_t proto, struct packet (*make)(uint8_t, unsigned))
{
	uint16_t ports[ROOM];
	struct packet p;
	struct result r;

	for (unsigned i = 0; i < ROOM; i++) {
		p = make(proto, i);
		ports[i] = send_out(&p, 0);
	}
	for (unsigned i = 1; i <= 10; i++) {
		p = make(proto, ROOM + i);
		r = lab_from_lan(&p);
		expect_refused(&r, &p);
		assert_int_equal(lab_reason(WH_REASON_TABLE_FULL), i);
		assert_int_equal(lab_reasons_total(), i);
		lab_expect_consistent();
		assert_int_equal(lab_ports(), lab_ports_in_use());
	}
	for (unsigned i = 0; i < ROOM; i++) {
		p = make(proto, i);
		assert_int_equal(send_out(&p, 0), ports[i]);
		answer_in(&p, 0, ports[i], TCP_SYN | TCP_ACK);
	}
	assert_int_equal(lab_flows(), ROOM);
}

static void test_udp_of_one_endpoint(void **state)
{
	(void)state;
	fill(PROTO_UDP, flow_of_one_endpoint);
}

static void test_udp_of_many_endpoints(void **state)
{
	(void)state;
	fill(PROTO_UDP, flow_of_its_own_endpoint);
}

static void test_tcp_of_many_endpoints(void **state)
{
	(void)state;
	fill(PROTO_TCP, flow_of_its_own_endpoint);
}

static void test_icmp_of_many_endpoints(void **state)
{
	(void)state;
	fill(PROTO_ICMP, flow_of_its_own_endpoint);
}

static void test_untranslated(void **state)
{
	struct packet p;
	struct result r;

	(void)state;
	lab_leave_untranslated(0);
	for (unsigned i = 0; i < ROOM + 5; i++) {
		p = flow_of_its_own_endpoint(PROTO_UDP, i);
		r = lab_from_lan(&p);
		if (i < ROOM)
			assert_int_equal(r.verdict, VERDICT_REDIRECT);
		else
			expect_refused(&r, &p);
	}
	assert_int_equal(lab_reason(WH_REASON_TABLE_FULL), 5);
	lab_expect_consistent();
}

/* As many flows as there may be end, and as many of other endpoints take their places at once. */
static void test_every_place_is_to_be_had_again(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

	(void)state;
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < ROOM; i++) {
			struct packet p = flow_of_its_own_endpoint(protos[round % 3], round * ROOM + i);

			send_out(&p, 0);
		}
		assert_int_equal(lab_flows(), ROOM);
		assert_int_equal(lab_binds(), ROOM);
		lab_expect_consistent();
		lab_set_timers(0);
		lab_sweep(WH_SWEEP_EXPIRE, 0);
		lab_sweep(WH_SWEEP_EXPIRE, 0);
		assert_int_equal(lab_flows() + lab_binds(), 0);
	}
	assert_int_equal(lab_reasons_total(), 0);
}

/* One place is free, and it is anybody's: a flow that ends gives back all that it had. */
static void test_one_ends_and_one_begins(void **state)
{
	struct packet p, late;

	(void)state;
	lab_set_timers(0);
	for (unsigned i = 0; i < ROOM; i++) {
		p = flow_of_its_own_endpoint(PROTO_UDP, i);
		send_out(&p, 0);
	}
	lab_sweep(WH_SWEEP_EXPIRE, 0);
	for (unsigned ends = 0; ends < ROOM; ends++) {
		struct result r;

		for (unsigned i = ends + 1; i < ROOM + ends; i++) {
			p = flow_of_its_own_endpoint(PROTO_UDP, i);
			send_out(&p, 0);
		}
		lab_sweep(WH_SWEEP_EXPIRE, 0);
		assert_int_equal(lab_form()->deleted, 1);
		late = flow_of_its_own_endpoint(PROTO_UDP, ROOM + ends);
		send_out(&late, 0);
		late = flow_of_its_own_endpoint(PROTO_UDP, 3 * ROOM);
		r = lab_from_lan(&late);
		expect_refused(&r, &late);
	}
	lab_expect_consistent();
}

/* Every flow has gone to that WAN, none was lost, each has a place; and answers reach whose they are. */
static void expect_all_on(unsigned wan, uint8_t proto, struct packet (*make)(uint8_t, unsigned))
{
	uint64_t moved = lab_counters(0, wan).moved;

	for (unsigned i = 0; i < ROOM; i++) {
		struct packet p = make(proto, i);

		answer_in(&p, wan, send_out(&p, wan), TCP_SYN | TCP_ACK);
		lab_expect_consistent();
	}
	assert_int_equal(lab_counters(0, wan).moved, moved + ROOM);
	assert_int_equal(lab_flows(), ROOM);
	assert_int_equal(lab_replies(), ROOM);
	assert_int_equal(lab_reasons_total(), 0);
}

/* A full table on a WAN that dies: every flow moves all the same, and back. */
static void all_move(uint8_t proto, struct packet (*make)(uint8_t, unsigned))
{
	struct packet p;

	for (unsigned i = 0; i < ROOM; i++) {
		p = make(proto, i);
		send_out(&p, 0);
	}
	lab_set_alive(0x02);
	expect_all_on(1, proto, make);
	lab_set_alive(0x01);
	expect_all_on(0, proto, make);
}

static void test_full_table_moves(void **state)
{
	(void)state;
	all_move(PROTO_UDP, flow_of_one_endpoint);
}

static void test_full_table_of_many_endpoints_moves(void **state)
{
	(void)state;
	all_move(PROTO_UDP, flow_of_its_own_endpoint);
}

static void test_full_table_of_opening_tcp_moves(void **state)
{
	(void)state;
	all_move(PROTO_TCP, flow_of_its_own_endpoint);
}

static void test_full_table_of_echo_moves(void **state)
{
	(void)state;
	all_move(PROTO_ICMP, flow_of_its_own_endpoint);
}

/* From a WAN that leaves sources as they are to one that translates them, and back: bindings come and go. */
static void test_full_table_is_translated_and_not(void **state)
{
	struct packet p;
	struct result r;

	(void)state;
	lab_leave_untranslated(0);
	for (unsigned turn = 0; turn < 4; turn++) {
		lab_set_alive(turn % 2 ? 0x02 : 0x01);
		for (unsigned i = 0; i < ROOM; i++) {
			p = flow_of_its_own_endpoint(PROTO_UDP, i);
			r = lab_from_lan(&p);
			assert_int_equal(r.verdict, VERDICT_REDIRECT);
			lab_expect_consistent();
		}
		assert_int_equal(lab_flows(), ROOM);
		assert_int_equal(lab_binds(), turn % 2 ? ROOM : 0);
	}
	assert_int_equal(lab_reasons_total(), 0);
}

/* At egress a packet does not say who sent it: the place that its answers leave does. */
static void test_full_table_moves_at_egress(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROOM; i++) {
		struct packet p = flow_of_its_own_endpoint(PROTO_UDP, i);

		send_out(&p, 0);
	}
	lab_set_alive(0x02);
	for (unsigned i = 0; i < ROOM; i++) {
		struct packet p = flow_of_its_own_endpoint(PROTO_UDP, i), forwarded = lab_forwarded(&p, 0);
		struct result r = lab_to_wan(0, &forwarded);

		assert_int_equal(r.verdict, VERDICT_REDIRECT);
		assert_true(packet_tuple(&r.packet).src == lab_external(1, &p));
		answer_in(&p, 1, packet_tuple(&r.packet).sport, 0);
		lab_expect_consistent();
	}
}

/* As where another CPU had the only free place for too long: the flow's next packet makes its reply's entry anew. */
static void lose_reply(const struct packet *p)
{
	int flows = lab.t.flows[lab.family], replies = lab.t.replies[lab.family];
	uint8_t key[64], flow[128];

	assert_int_equal(bpf_map_get_next_key(replies, NULL, key), 0);
	assert_int_equal(bpf_map_delete_elem(replies, key), 0);
	assert_int_equal(bpf_map_get_next_key(flows, NULL, key), 0);
	assert_int_equal(bpf_map_lookup_elem(flows, key, flow), 0);
	((struct wh_flow *)flow)->policy ^= 0xffff;
	assert_int_equal(bpf_map_update_elem(flows, key, flow, BPF_EXIST), 0);
	assert_true(lab_flow(p, (struct wh_flow *)flow));
}

static void test_lost_reply_is_entered_again(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&p, 0);

	(void)state;
	lose_reply(&p);
	assert_int_equal(send_out(&p, 0), port);
	lab_expect_consistent();
	answer_in(&p, 0, port, 0);
	lose_reply(&p);
	lab_set_alive(0x02);
	answer_in(&p, 1, send_out(&p, 1), 0);
	lab_expect_consistent();
	assert_int_equal(lab_flows(), 1);
}

/* One client (in IPv6: one /64) may have so many and no more; what it has lives, and so do others. */
static void test_client_limit(void **state)
{
	struct packet p;
	struct result r;

	(void)state;
	lab.t.steer_rows[WH_STEER_GLOBAL].flows_per_client = 10;
	for (unsigned i = 0; i < 20; i++) {
		p = flow_of_its_own_endpoint(PROTO_UDP, i);
		r = lab_from_lan(&p);
		if (i < 10)
			expect_out(&r, &p, 0);
		else
			expect_refused(&r, &p);
	}
	assert_int_equal(lab_reason(WH_REASON_CLIENT_LIMIT), 10);
	assert_int_equal(lab_flows(), 10);
	for (unsigned i = 0; i < 10; i++) {
		p = flow_of_its_own_endpoint(PROTO_UDP, i);
		send_out(&p, 0);
	}
	p = lab_packet(PROTO_UDP, lab.family == WH_V4 ? CLIENT_B : CLIENT_A + ((address)1 << 64), 5000, REMOTE_1, 53);
	send_out(&p, 0);
	lab_expect_consistent();
}

/* Places that became free may be taken again. */
static void test_client_limit_after_expiry(void **state)
{
	struct packet p;

	(void)state;
	lab.t.steer_rows[WH_STEER_GLOBAL].flows_per_client = 10;
	lab_set_timers(0);
	for (unsigned i = 0; i < 30; i++) {
		p = flow_of_its_own_endpoint(PROTO_UDP, i);
		send_out(&p, 0);
		if (i % 10 != 9)
			continue;
		for (unsigned runs = 0; runs < 3; runs++)
			lab_sweep(WH_SWEEP_EXPIRE, 0);
		assert_int_equal(lab_flows(), 0);
	}
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_udp_of_one_endpoint),
	LAB_BOTH(test_udp_of_many_endpoints),
	LAB_BOTH(test_tcp_of_many_endpoints),
	LAB_BOTH(test_icmp_of_many_endpoints),
	LAB_TEST(test_untranslated),
	LAB_BOTH(test_client_limit),
	LAB_BOTH(test_client_limit_after_expiry),
	LAB_BOTH(test_full_table_moves),
	LAB_BOTH(test_full_table_of_many_endpoints_moves),
	LAB_BOTH(test_full_table_of_opening_tcp_moves),
	LAB_BOTH(test_full_table_of_echo_moves),
	LAB_TEST(test_full_table_is_translated_and_not),
	LAB_BOTH(test_full_table_moves_at_egress),
	LAB_BOTH(test_lost_reply_is_entered_again),
	LAB_BOTH(test_every_place_is_to_be_had_again),
	LAB_BOTH(test_one_ends_and_one_begins),
};

LAB_MAIN(tests, ROOM)
