/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_leave.c: what becomes of flows on a WAN that some are to leave, because a better one is back, and on a dead one
 * that is waited for.  WAN 0 is the better one.  What a lost WAN does to its flows: test_flip.c and test_reset.c.
 */
#include "harness.h"

#define BOTH 0x03
#define ONLY_0 0x01
#define ONLY_1 0x02

/* Too old is what is older than that; and an age beyond it, less than any machine has been up that runs this. */
#define LIMIT_S 15
#define OLD_S 20

static struct packet udp(unsigned n)
{
	return lab_packet(PROTO_UDP, CLIENT_A, (uint16_t)(5000 + n), REMOTE_1, 53);
}

/* Flows that are opened now go by WAN 1, as after a failover. */
static void fail_over(void)
{
	lab_set_alive(ONLY_1);
}

/* WAN 0 is back and takes new flows; some of WAN 1's are to leave. */
static void come_back(void)
{
	lab_set_alive(BOTH);
	lab_set_leave(ONLY_1);
}

static void expect_not_touched(void)
{
	for (unsigned wan = 0; wan < 2; wan++) {
		struct wh_counters c = lab_counters(0, wan);

		assert_int_equal(c.moved + c.reset, 0);
	}
	lab_expect_consistent();
}

/* --- at once, without harm ---------------------------------------------------------------------------------- */

static void moves(const struct packet *p)
{
	uint16_t port;

	fail_over();
	send_out(p, 1);
	come_back();
	lab_set_moved(0);
	port = send_out(p, 0);
	assert_int_equal(send_out(p, 0), port);
	assert_int_equal(lab_counters(0, 0).moved, 1);
	answer_in(p, 0, port, TCP_SYN | TCP_ACK);
	assert_int_equal(lab_flows(), 1);
	lab_expect_consistent();
}

static void test_udp_moves(void **state)
{
	struct packet p = udp(0);

	(void)state;
	moves(&p);
}

static void test_icmp_moves(void **state)
{
	struct packet p = lab_packet(PROTO_ICMP, CLIENT_A, 77, REMOTE_1, 0);

	(void)state;
	moves(&p);
}

static void test_unanswered_tcp_moves(void **state)
{
	struct packet p = session_segment(TCP_SYN);

	(void)state;
	moves(&p);
}

static void test_translated_tcp_stays(void **state)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK);
	uint16_t port;

	(void)state;
	fail_over();
	port = session_open(1);
	come_back();
	lab_set_moved(0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(send_out(&p, 1), port);
	answer_in(&p, 1, port, TCP_ACK);
	expect_not_touched();
}

static void untranslated(enum wh_on_failover on_failover, unsigned then)
{
	struct packet syn = session_segment(TCP_SYN), ack = session_segment(TCP_ACK), answer;
	struct packet want = packet_translated(&ack, CLIENT_A, 6000);
	struct result r;

	lab_set_class(WH_AFFINITY_SRC_DST, on_failover);
	lab_leave_untranslated(0);
	lab_leave_untranslated(1);
	fail_over();
	r = lab_from_lan(&syn);
	answer = lab_answer(1, &r.packet, TCP_SYN | TCP_ACK);
	r = lab_from_wan(1, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	lab_from_lan(&ack);
	come_back();
	lab_set_moved(0);
	r = lab_from_lan(&ack);
	want = lab_leaving(then, &want);
	expect_sent(&r, &want);
	assert_int_equal(lab_counters(0, 0).moved, then == 0);
	assert_int_equal(lab_counters(0, 1).reset, 0);
}

static void test_untranslated_tcp_moves(void **state)
{
	(void)state;
	untranslated(WH_FAILOVER_AUTO, 0);
}

/* Nothing is reset that could go on where it is. */
static void test_untranslated_tcp_stays_where_reset_is_asked(void **state)
{
	(void)state;
	untranslated(WH_FAILOVER_RESET, 1);
}

/* Only what was there when the better WAN came back was left behind. */
static void test_young_flows_stay(void **state)
{
	struct packet old = udp(0), young = udp(1);

	(void)state;
	fail_over();
	send_out(&old, 1);
	lab_age_flows(60);
	send_out(&young, 1);
	come_back();
	lab_set_moved(30);
	send_out(&old, 0);
	send_out(&young, 1);
	assert_int_equal(lab_counters(0, 0).moved, 1);
	lab_expect_consistent();
}

static void test_without_a_word_all_stay(void **state)
{
	struct packet p = udp(0);

	(void)state;
	fail_over();
	send_out(&p, 1);
	come_back();
	send_out(&p, 1);
	lab_set_leave(0);
	lab_set_moved(0);
	send_out(&p, 1);
	expect_not_touched();
}

/* The WAN that is to be left is where the flow belongs: by its bucket, or as there is no other. */
static void test_what_belongs_there_stays(void **state)
{
	struct packet p = udp(0);
	uint16_t port;

	(void)state;
	lab_set_order((const int[]){1, 0, -1});
	port = send_out(&p, 1);
	come_back();
	lab_set_moved(0);
	lab_set_old(1, 0);
	assert_int_equal(send_out(&p, 1), port);
	lab_set_order((const int[]){0, 1, -1});
	lab_set_masks(BOTH, 0);
	come_back();
	assert_int_equal(send_out(&p, 1), port);
	expect_not_touched();
}

/* One socket shows one address: what it opens from now on takes its other flows along. */
static void test_endpoint_leaves_as_one(void **state)
{
	struct packet old = udp(0), new = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_2, 53);
	uint16_t port;

	(void)state;
	fail_over();
	send_out(&old, 1);
	come_back();
	lab_set_moved(0);
	port = send_out(&new, 0);
	assert_int_equal(send_out(&old, 0), port);
	lab_expect_consistent();
}

/* Where there is no port for it, a flow that could have stayed does. */
static void test_no_room_there(void **state)
{
	struct wh_wan row = lab.wan[0];
	struct packet p = udp(0), other = udp(1);

	(void)state;
	row.port_first = row.port_last = LAB_PORT_FIRST;
	lab_set_wan(0, &row);
	send_out(&other, 0);
	fail_over();
	send_out(&p, 1);
	come_back();
	lab_set_moved(0);
	send_out(&p, 1);
	assert_int_equal(lab_counters(0, 0).moved, 0);
	lab_expect_consistent();
}

/* --- too old ------------------------------------------------------------------------------------------------ */

static void test_old_session_is_reset(void **state)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK), u = udp(0), young = udp(1);
	struct result r;

	(void)state;
	fail_over();
	session_open(1);
	send_out(&u, 1);
	come_back();
	lab_set_old(1, LIMIT_S);
	send_out(&p, 1);
	send_out(&u, 1);
	expect_not_touched();
	lab_age_flows(OLD_S);
	lab_set_alive(ONLY_1);
	send_out(&young, 1);
	lab_set_alive(BOTH);
	r = lab_from_lan(&p);
	expect_reset(&r, &p);
	send_out(&u, 0);
	send_out(&young, 1);
	assert_int_equal(lab_counters(0, 1).reset, 1);
	assert_int_equal(lab_counters(0, 0).moved, 1);
	lab_expect_consistent();
}

/* The limit is the WAN's that the flow is on. */
static void test_old_on_another_wan(void **state)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK);
	uint16_t port;

	(void)state;
	fail_over();
	port = session_open(1);
	lab_age_flows(OLD_S);
	come_back();
	lab_set_old(0, LIMIT_S);
	lab_set_old(2, LIMIT_S);
	assert_int_equal(send_out(&p, 1), port);
	expect_not_touched();
}

/* A session is as old as its own first segment, whatever its tuple was used for before. */
static void test_tuple_used_again_is_young(void **state)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK);
	struct wh_flow before, after;

	(void)state;
	session_open(0);
	lab_age_flows(OLD_S);
	assert_true(lab_flow(&p, &before));
	session_open(0);
	assert_true(lab_flow(&p, &after));
	assert_true(after.born_s >= before.born_s + OLD_S);
}

static void test_sweep_resets_the_old(void **state)
{
	struct packet old = session_segment(TCP_ACK), young = lab_segment(CLIENT_A, 6003, REMOTE_1, 443, TCP_SYN);
	struct result r;

	(void)state;
	fail_over();
	session_open(1);
	lab_age_flows(OLD_S);
	answer_in(&young, 1, send_out(&young, 1), TCP_SYN | TCP_ACK);
	young = lab_segment(CLIENT_A, 6003, REMOTE_1, 443, TCP_ACK);
	send_out(&young, 1);
	lab_sweep_older(1, LIMIT_S);
	assert_int_equal(lab_form()->reset, 1);
	r = lab_from_lan(&old);
	expect_reset(&r, &old);
	send_out(&young, 1);
	lab_sweep_older(1, 0);
	assert_int_equal(lab_form()->reset, 1);
}

/* --- held ---------------------------------------------------------------------------------------------------- */

static void test_held_on_a_dead_wan(void **state)
{
	struct packet u = udp(0), new = udp(1), t = session_segment(TCP_PSH | TCP_ACK);
	uint16_t port = send_out(&u, 0), t_port = session_open(0);
	struct result r;

	(void)state;
	lab_set_held(ONLY_0);
	lab_set_alive(ONLY_1);
	assert_int_equal(send_out(&u, 0), port);
	assert_int_equal(send_out(&t, 0), t_port);
	send_out(&new, 1); /* nothing new goes there */
	expect_not_touched();
	answer_in(&t, 0, t_port, TCP_ACK); /* it was not that dead */
	lab_set_held(0);
	send_out(&u, 1);
	r = lab_from_lan(&t);
	expect_reset(&r, &t);
	lab_expect_consistent();
}

/* What the class may not keep there is not held either. */
static void test_held_is_no_more_than_kept(void **state)
{
	struct packet u = udp(0);

	(void)state;
	send_out(&u, 0);
	lab_set_masks(ONLY_1, ONLY_1);
	lab_set_held(ONLY_0);
	lab_set_alive(ONLY_1);
	send_out(&u, 1);
}

/* A socket of which one flow is held opens the next one where it works. */
static void test_held_is_no_home(void **state)
{
	struct packet old = udp(0), new = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_2, 53);

	(void)state;
	send_out(&old, 0);
	lab_set_held(ONLY_0);
	lab_set_alive(ONLY_1);
	send_out(&new, 1);
	send_out(&old, 0);
	lab_set_held(0);
	send_out(&old, 1);
	lab_expect_consistent();
}

/* A line that hung up has lost its address too: nothing leaves with it, and nobody is told that it is over. */
static void test_held_without_an_address(void **state)
{
	struct packet t = session_segment(TCP_PSH | TCP_ACK);
	uint16_t port = session_open(0);
	struct result r;

	(void)state;
	lab_set_held(ONLY_0);
	lab_set_alive(ONLY_1);
	lab_readdress(0, 0);
	r = lab_from_lan(&t);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_HELD), 1);
	expect_not_touched();
	lab_readdress(0, lab_own(0));
	lab_set_alive(BOTH);
	assert_int_equal(send_out(&t, 0), port);
	expect_not_touched();
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_udp_moves),
	LAB_BOTH(test_icmp_moves),
	LAB_BOTH(test_unanswered_tcp_moves),
	LAB_BOTH(test_translated_tcp_stays),
	LAB_TEST(test_untranslated_tcp_moves),
	LAB_TEST(test_untranslated_tcp_stays_where_reset_is_asked),
	LAB_BOTH(test_young_flows_stay),
	LAB_BOTH(test_without_a_word_all_stay),
	LAB_BOTH(test_what_belongs_there_stays),
	LAB_BOTH(test_endpoint_leaves_as_one),
	LAB_BOTH(test_no_room_there),
	LAB_BOTH(test_old_session_is_reset),
	LAB_BOTH(test_old_on_another_wan),
	LAB_BOTH(test_tuple_used_again_is_young),
	LAB_BOTH(test_sweep_resets_the_old),
	LAB_BOTH(test_held_on_a_dead_wan),
	LAB_BOTH(test_held_is_no_more_than_kept),
	LAB_BOTH(test_held_is_no_home),
	LAB_BOTH(test_held_without_an_address),
};

LAB_MAIN(tests, 4096)
