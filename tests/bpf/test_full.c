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

/* A full table on a WAN that dies: every flow moves all the same. */
static void all_move(uint8_t proto, struct packet (*make)(uint8_t, unsigned))
{
	struct packet p;

	for (unsigned i = 0; i < ROOM; i++) {
		p = make(proto, i);
		send_out(&p, 0);
	}
	lab_set_alive(0x02);
	for (unsigned i = 0; i < ROOM; i++) {
		p = make(proto, i);
		send_out(&p, 1);
	}
	lab_expect_consistent();
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
};

LAB_MAIN(tests, ROOM)
