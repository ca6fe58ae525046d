/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_full.c: a flow table that is full: new flows are dropped and counted, nothing that stands is touched,
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
		expect_dropped(&r);
		assert_int_equal(lab_reason(WH_REASON_TABLE_FULL), i);
		assert_int_equal(lab_reasons_total(), i);
		lab_expect_consistent();
	}
	for (unsigned i = 0; i < ROOM; i++) {
		p = make(proto, i);
		assert_int_equal(send_out(&p, 0), ports[i]);
		answer_in(&p, 0, ports[i], TCP_SYN | TCP_ACK);
	}
	assert_int_equal(lab_entries(lab.t.flows), ROOM);
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
		assert_int_equal(r.verdict, i < ROOM ? VERDICT_REDIRECT : VERDICT_DROP);
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

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_udp_of_one_endpoint),
	LAB_TEST(test_udp_of_many_endpoints),
	LAB_TEST(test_tcp_of_many_endpoints),
	LAB_TEST(test_icmp_of_many_endpoints),
	LAB_TEST(test_untranslated),
	LAB_TEST(test_full_table_moves),
	LAB_TEST(test_full_table_of_many_endpoints_moves),
};

LAB_MAIN(tests, ROOM)
