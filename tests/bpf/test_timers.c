/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_timers.c: which idle time counts for which flow (RFC 4787, 5382, 5508), by what the sweep does when only
 * that one has run out.  The sweep's own steps: test_sweep.c.
 */
#include "harness.h"

#define NEVER (1ULL << 60)

/* The one flow there is goes by that timer, in two runs at the most, and by no other. */
static void expect_timer(enum wh_timer timer)
{
	for (unsigned i = 0; i < WH_TIMER_COUNT; i++) {
		if (i == (unsigned)timer)
			continue;
		lab_set_timers(NEVER);
		lab_form()->timers_ns[i] = 0;
		lab_sweep(WH_SWEEP_EXPIRE, 0);
		assert_int_equal(lab_form()->dying + lab_form()->deleted, 0);
	}
	lab_set_timers(NEVER);
	lab_form()->timers_ns[timer] = 0;
	lab_sweep(WH_SWEEP_EXPIRE, 0);
	lab_sweep(WH_SWEEP_EXPIRE, 0);
	assert_int_equal(lab_flows() + lab_replies(), 0);
}

static void test_timer_of_udp(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	(void)state;
	send_out(&p, 0);
	expect_timer(WH_TIMER_UDP);
}

static void test_timer_of_icmp(void **state)
{
	struct packet p = lab_packet(PROTO_ICMP, CLIENT_A, 5000, REMOTE_1, 0);

	(void)state;
	send_out(&p, 0);
	expect_timer(WH_TIMER_ICMP);
}

static void test_timer_of_opening_tcp(void **state)
{
	struct packet syn = session_segment(TCP_SYN);

	(void)state;
	send_out(&syn, 0);
	expect_timer(WH_TIMER_TCP_TRANSITORY);
	answer_in(&syn, 0, send_out(&syn, 0), TCP_SYN | TCP_ACK);
	expect_timer(WH_TIMER_TCP_TRANSITORY);
}

static void test_timer_of_established_tcp(void **state)
{
	(void)state;
	session_open(0);
	expect_timer(WH_TIMER_TCP_ESTABLISHED);
}

/* RFC 5382, REQ-5: half closed is not closed. */
static void test_timer_of_half_closed_tcp(void **state)
{
	struct packet fin = session_segment(TCP_FIN | TCP_ACK);

	(void)state;
	session_open(0);
	send_out(&fin, 0);
	expect_timer(WH_TIMER_TCP_ESTABLISHED);
}

static void test_timer_of_closed_tcp(void **state)
{
	struct packet fin = session_segment(TCP_FIN | TCP_ACK);

	(void)state;
	session_open(0);
	answer_in(&fin, 0, send_out(&fin, 0), TCP_FIN | TCP_ACK);
	expect_timer(WH_TIMER_TCP_TRANSITORY);
}

static void test_timer_after_either_ends_reset(void **state)
{
	struct packet rst = session_segment(TCP_RST), ack = session_segment(TCP_ACK);

	(void)state;
	session_open(0);
	send_out(&rst, 0);
	expect_timer(WH_TIMER_TCP_TRANSITORY);
	session_open(0);
	answer_in(&ack, 0, send_out(&ack, 0), TCP_RST);
	expect_timer(WH_TIMER_TCP_TRANSITORY);
}

/* A session that follows another under the same tuple does not inherit that one's end. */
static void test_timer_of_a_tuple_used_again(void **state)
{
	struct packet fin = session_segment(TCP_FIN | TCP_ACK), ack = session_segment(TCP_ACK);

	(void)state;
	session_open(0);
	answer_in(&ack, 0, send_out(&ack, 0), TCP_RST | TCP_ACK);
	answer_in(&fin, 0, send_out(&fin, 0), TCP_FIN | TCP_ACK);
	session_open(0);
	expect_timer(WH_TIMER_TCP_ESTABLISHED);
	session_open(0);
	answer_in(&fin, 0, send_out(&fin, 0), TCP_FIN | TCP_ACK);
	session_open(0);
	send_out(&fin, 0);
	expect_timer(WH_TIMER_TCP_ESTABLISHED);
}

static void test_timer_after_our_reset(void **state)
{
	struct packet ack = session_segment(TCP_ACK);
	struct result r;

	(void)state;
	session_open(0);
	lab_set_alive(0x02);
	r = lab_from_lan(&ack);
	expect_reset(&r, &ack);
	expect_timer(WH_TIMER_RESET);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_timer_of_udp),
	LAB_BOTH(test_timer_of_icmp),
	LAB_BOTH(test_timer_of_opening_tcp),
	LAB_BOTH(test_timer_of_established_tcp),
	LAB_BOTH(test_timer_of_half_closed_tcp),
	LAB_BOTH(test_timer_of_closed_tcp),
	LAB_BOTH(test_timer_after_either_ends_reset),
	LAB_BOTH(test_timer_of_a_tuple_used_again),
	LAB_BOTH(test_timer_after_our_reset),
};

LAB_MAIN(tests, 4096)
