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

/* The server's segment, its sequence number so much beyond what the client has acknowledged. */
static void server_says(uint16_t port, uint8_t tcp_flags, uint32_t ahead)
{
	struct packet ack = session_segment(TCP_ACK), sent = packet_translated(&ack, lab_external(0, &ack), port);
	struct packet segment = lab_answer(0, &sent, tcp_flags);
	size_t seq_at = packet_l4(&segment) + TCP_SEQ;
	struct result r;

	packet_put32(&segment, seq_at, packet_get32(&segment, seq_at) + ahead);
	packet_sum(&segment);
	r = lab_from_wan(0, &segment);
	assert_int_equal(r.verdict, VERDICT_REDIRECT); /* to the client, who judges it, in any case */
}

/* RFC 5961 §3: a RST that the client would not believe ends nothing; the client may not have acknowledged all yet. */
static void test_timer_after_a_forged_reset(void **state)
{
	static const struct {
		uint32_t ahead;
		enum wh_timer timer;
	} cases[] = {{0, WH_TIMER_TCP_TRANSITORY},
		     {60000, WH_TIMER_TCP_TRANSITORY},
		     {(1U << 20) - 1, WH_TIMER_TCP_TRANSITORY},
		     {1U << 20, WH_TIMER_TCP_ESTABLISHED},
		     {0x7fffffff, WH_TIMER_TCP_ESTABLISHED},
		     {0x90000000, WH_TIMER_TCP_ESTABLISHED},
		     {0xffffffff, WH_TIMER_TCP_ESTABLISHED}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		lab_again();
		server_says(session_open(0), i % 2 ? TCP_RST : TCP_RST | TCP_ACK, cases[i].ahead);
		expect_timer(cases[i].timer);
	}
}

/* RFC 7857 §2.2: whichever end speaks on, the session was not reset; a forged RST that hit is challenged by its client. */
static void test_timer_of_who_speaks_on(void **state)
{
	struct packet ack = session_segment(TCP_ACK), rst = session_segment(TCP_RST);
	uint16_t port;

	(void)state;
	port = session_open(0);
	server_says(port, TCP_RST, 0);
	send_out(&ack, 0);
	expect_timer(WH_TIMER_TCP_ESTABLISHED);
	port = session_open(0);
	server_says(port, TCP_RST, 0);
	server_says(port, TCP_PSH | TCP_ACK, 0);
	expect_timer(WH_TIMER_TCP_ESTABLISHED);
	port = session_open(0);
	send_out(&rst, 0);
	server_says(port, TCP_PSH | TCP_ACK, 0);
	expect_timer(WH_TIMER_TCP_ESTABLISHED);
	/* What speaks against one RST does not speak against the next. */
	port = session_open(0);
	server_says(port, TCP_RST, 0);
	send_out(&ack, 0);
	server_says(port, TCP_RST, 0);
	expect_timer(WH_TIMER_TCP_TRANSITORY);
}

/* A segment without ACK acknowledges nothing, whatever stands in the field. */
static void test_only_an_ack_acknowledges(void **state)
{
	struct packet rst = session_segment(TCP_RST);
	struct wh_flow flow;

	(void)state;
	session_open(0);
	packet_put32(&rst, packet_l4(&rst) + TCP_ACKED, 0x12345678);
	packet_sum(&rst);
	send_out(&rst, 0);
	assert_true(lab_flow(&rst, &flow));
	assert_int_equal(be32toh(flow.ack_be), 0x81234567);
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
	LAB_BOTH(test_timer_after_a_forged_reset),
	LAB_BOTH(test_timer_of_who_speaks_on),
	LAB_BOTH(test_only_an_ack_acknowledges),
	LAB_BOTH(test_timer_of_a_tuple_used_again),
	LAB_BOTH(test_timer_after_our_reset),
};

LAB_MAIN(tests, 4096)
