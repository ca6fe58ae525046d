/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_reset.c: the sessions that cannot go to another WAN: the RST that their client gets, byte for byte, what
 * follows it, and what the class's on-failover changes about who gets one.  Who moves: test_flip.c.
 */
#include "harness.h"

#define BOTH 0x03
#define ONLY_1 0x02

/* --- reset -------------------------------------------------------------------------------------------------- */

static void test_answered_tcp_is_reset(void **state)
{
	static const uint8_t flags[] = {TCP_ACK, TCP_PSH | TCP_ACK, TCP_FIN | TCP_ACK};

	(void)state;
	session_open(0);
	lab_set_alive(ONLY_1);
	for (unsigned i = 0; i < 6; i++) {
		struct packet p = session_segment(flags[i % 3]);
		struct result r = lab_from_lan(&p);

		expect_reset(&r, &p);
		assert_int_equal(r.mark & LAB_MARK_MASK, LAB_MARK);
	}
	assert_int_equal(lab_counters(0, 0).reset, 1);
	assert_int_equal(lab_counters(0, 1).moved + lab_counters(0, 1).tx_packets, 0);
}

/* Long and odd payloads are cut off; the RST is 54 bytes whatever came. */
static void test_reset_of_any_payload(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 6000, 443, PROTO_TCP}, .ack = 0xfffffff0, .seq = 0xfffffff8};

	(void)state;
	session_open(0);
	lab_set_alive(ONLY_1);
	s.tcp_flags = TCP_PSH | TCP_ACK;
	for (unsigned payload = 0; payload < 1460; payload += 73) {
		struct packet p;
		struct result r;

		s.payload = (uint16_t)payload;
		p = client_packet(s);
		r = lab_from_lan(&p);
		expect_reset(&r, &p);
	}
}

/* A small segment comes padded to 60 bytes: padding is no payload. */
static void test_reset_of_a_padded_segment(void **state)
{
	struct packet p = session_segment(TCP_ACK);
	struct result r;

	(void)state;
	session_open(0);
	lab_set_alive(ONLY_1);
	p.len = 60;
	r = lab_from_lan(&p);
	expect_reset(&r, &p);
}

static void test_reset_is_not_answered_with_reset(void **state)
{
	struct packet p = session_segment(TCP_ACK), rst = session_segment(TCP_RST),
		      rst_ack = session_segment(TCP_RST | TCP_ACK);
	struct result r;

	(void)state;
	session_open(0);
	lab_set_alive(ONLY_1);
	r = lab_from_lan(&p);
	expect_reset(&r, &p);
	r = lab_from_lan(&rst);
	expect_dropped(&r);
	r = lab_from_lan(&rst_ack);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_AFTER_RESET), 2);
}

/* The client's RST as the first packet after the flip: not answered either, and nothing of it leaves by WAN 1. */
static void test_clients_own_reset_after_the_flip(void **state)
{
	struct packet rst = session_segment(TCP_RST);
	struct result r;

	(void)state;
	session_open(0);
	lab_set_alive(ONLY_1);
	r = lab_from_lan(&rst);
	assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
}

static void test_syn_starts_anew_elsewhere(void **state)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK), syn = session_segment(TCP_SYN),
		      ack = session_segment(TCP_ACK);
	struct result r;
	uint16_t port;

	(void)state;
	session_open(0);
	lab_set_alive(ONLY_1);
	r = lab_from_lan(&p);
	expect_reset(&r, &p);
	port = send_out(&syn, 1);
	answer_in(&syn, 1, port, TCP_SYN | TCP_ACK);
	send_out(&ack, 1);
	assert_int_equal(send_out(&p, 1), port);
	lab_expect_consistent();
}

/* A client that connects anew from the same port before it heard of the switch needs no RST. */
static void test_syn_right_after_the_flip(void **state)
{
	struct packet syn = session_segment(TCP_SYN);

	(void)state;
	session_open(0);
	lab_set_alive(ONLY_1);
	send_out(&syn, 1);
	assert_int_equal(lab_counters(0, 0).reset, 0);
	lab_expect_consistent();
}

/* The session is over for the client: that the WAN works again must not let half of it through. */
static void test_reset_holds_when_the_wan_returns(void **state)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK), syn = session_segment(TCP_SYN);
	struct result r;

	(void)state;
	session_open(0);
	lab_set_alive(ONLY_1);
	r = lab_from_lan(&p);
	expect_reset(&r, &p);
	lab_set_alive(BOTH);
	r = lab_from_lan(&p);
	expect_reset(&r, &p);
	send_out(&syn, 0);
}

static void test_other_sessions_are_not_touched(void **state)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK);
	uint16_t port;

	(void)state;
	lab_set_masks(BOTH, ONLY_1);
	port = session_open(1);
	lab_set_alive(ONLY_1);
	assert_int_equal(send_out(&p, 1), port);
	assert_int_equal(lab_counters(0, 1).moved + lab_counters(0, 1).reset, 0);
}

/* --- what the class asks for -------------------------------------------------------------------------------- */

static void answered_untranslated(enum wh_on_failover on_failover, bool reset)
{
	struct packet syn = session_segment(TCP_SYN), ack = session_segment(TCP_ACK),
		      want = packet_translated(&ack, CLIENT_A, 6000);
	struct packet answer;
	struct result r;

	lab_set_class(WH_AFFINITY_SRC_DST, on_failover);
	lab_leave_untranslated(0);
	lab_leave_untranslated(1);
	r = lab_from_lan(&syn);
	answer = lab_answer(0, &r.packet, TCP_SYN | TCP_ACK);
	r = lab_from_wan(0, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	r = lab_from_lan(&ack);
	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	lab_set_alive(ONLY_1);
	r = lab_from_lan(&ack);
	if (reset) {
		expect_reset(&r, &ack);
		assert_int_equal(lab_counters(0, 0).reset, 1);
	} else {
		want = lab_leaving(1, &want);
		expect_sent(&r, &want);
		assert_int_equal(lab_counters(0, 1).moved, 1);
		assert_int_equal(lab_counters(0, 1).tx_packets, 1);
	}
}

static void test_untranslated_tcp_moves(void **state)
{
	(void)state;
	answered_untranslated(WH_FAILOVER_AUTO, false);
	lab_reset(state);
	answered_untranslated(WH_FAILOVER_MOVE, false);
}

static void test_untranslated_tcp_is_reset_where_asked(void **state)
{
	(void)state;
	answered_untranslated(WH_FAILOVER_RESET, true);
}

static void test_translated_tcp_is_reset_where_move_is_asked(void **state)
{
	struct packet p = session_segment(TCP_ACK);
	struct result r;

	(void)state;
	lab_set_class(WH_AFFINITY_SRC_DST, WH_FAILOVER_MOVE);
	session_open(0);
	lab_set_alive(ONLY_1);
	r = lab_from_lan(&p);
	expect_reset(&r, &p);
}

static void test_udp_moves_where_reset_is_asked(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	(void)state;
	lab_set_class(WH_AFFINITY_SRC_DST, WH_FAILOVER_RESET);
	send_out(&p, 0);
	lab_set_alive(ONLY_1);
	send_out(&p, 1);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_answered_tcp_is_reset),
	LAB_BOTH(test_reset_of_any_payload),
	LAB_TEST(test_reset_of_a_padded_segment),
	LAB_BOTH(test_reset_is_not_answered_with_reset),
	LAB_BOTH(test_clients_own_reset_after_the_flip),
	LAB_BOTH(test_syn_starts_anew_elsewhere),
	LAB_BOTH(test_syn_right_after_the_flip),
	LAB_BOTH(test_reset_holds_when_the_wan_returns),
	LAB_BOTH(test_other_sessions_are_not_touched),
	LAB_TEST(test_untranslated_tcp_moves),
	LAB_TEST(test_untranslated_tcp_is_reset_where_asked),
	LAB_BOTH(test_translated_tcp_is_reset_where_move_is_asked),
	LAB_BOTH(test_udp_moves_where_reset_is_asked),
};

LAB_MAIN(tests, 4096)
