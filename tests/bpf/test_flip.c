/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_flip.c: what a change of the masks does to flows: who stays, who moves, and that nothing is touched for
 * nothing.  Who is reset: test_reset.c.  A WAN's changed address: test_address.c.
 */
#include "harness.h"

#define BOTH 0x03
#define ONLY_0 0x01
#define ONLY_1 0x02

static struct packet udp(address dst)
{
	return lab_packet(PROTO_UDP, CLIENT_A, 5000, dst, 53);
}

static void expect_not_counted_as_touched(void)
{
	for (unsigned wan = 0; wan < 2; wan++) {
		struct wh_counters c = lab_counters(0, wan);

		assert_int_equal(c.moved + c.reset, 0);
	}
}

/* --- moving ------------------------------------------------------------------------------------------------- */

static void moves(const struct packet *p)
{
	struct packet late;
	uint16_t old = send_out(p, 0), new;
	struct packet sent = packet_translated(p, lab_own(0), old);
	struct result r;

	lab_set_alive(ONLY_1);
	new = send_out(p, 1);
	answer_in(p, 1, new, TCP_SYN | TCP_ACK);
	assert_int_equal(send_out(p, 1), new);
	assert_int_equal(lab_counters(0, 1).moved, 1);
	assert_int_equal(lab_flows(), 1);
	lab_expect_consistent();
	/* An answer that is still under way by the old WAN has no flow there any more, though its port is still held. */
	late = lab_answer(0, &sent, TCP_SYN | TCP_ACK);
	r = lab_from_wan(0, &late);
	assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
	expect_packet(&r.packet, &late);
}

static void test_udp_moves(void **state)
{
	struct packet p = udp(REMOTE_1);

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

/* Each way of losing the right to keep: alive, or the class's own mask. */
static void test_class_mask_moves(void **state)
{
	struct packet p = udp(REMOTE_1);

	(void)state;
	send_out(&p, 0);
	lab_set_masks(ONLY_1, ONLY_1);
	send_out(&p, 1);
	lab_set_masks(ONLY_0, ONLY_0);
	send_out(&p, 0);
	lab_expect_consistent();
}

/* One socket to many remotes: all its flows follow to one WAN and show one port there. */
static void test_endpoint_moves_as_one(void **state)
{
	uint16_t port = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct packet p = udp(REMOTE_1 + i);

		send_out(&p, 0);
	}
	lab_set_alive(ONLY_1);
	for (unsigned i = 0; i < 20; i++) {
		struct packet p = udp(REMOTE_1 + i);
		uint16_t now = send_out(&p, 1);

		assert_true(port == 0 || now == port);
		port = now;
		answer_in(&p, 1, now, 0);
	}
	lab_expect_consistent();
}

/* The WAN by which a packet left, by its source. */
static unsigned left_by(const struct packet *p)
{
	struct result r = lab_from_lan(p);
	address src = packet_tuple(&r.packet).src;

	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	for (unsigned wan = 0; wan < LAB_WANS; wan++) {
		if (src == lab_own(wan)) {
			expect_out(&r, p, wan);
			return wan;
		}
	}
	fail_msg("left with the source ...%08x", (uint32_t)src);
	return 0;
}

/* Half of the buckets prefer WAN 1 after 0, half WAN 2: a socket must not be torn between the two. */
static void endpoint_goes_to_one_of_two(bool new_flow_first)
{
	struct wh_bucket_table table;

	for (unsigned i = 0; i < WH_BUCKETS; i++)
		table.order[i] = i % 2 ? 0x321 : 0x231;
	for (unsigned round = 0; round < 40; round++) {
		struct packet old = udp(REMOTE_1 + round), other = udp(REMOTE_2 + round);
		struct packet fresh = udp(REMOTE_2 + 1000 + round);
		unsigned wan;

		lab_again();
		lab_set_masks(0x07, 0x07);
		lab_set_alive(0x07);
		lab_set_buckets(&table);
		send_out(&old, 0);
		send_out(&other, 0);
		lab_set_alive(0x06);
		wan = left_by(new_flow_first ? &fresh : &old);
		assert_int_equal(lab_counters(0, wan).moved, new_flow_first ? 0 : 1);
		assert_int_equal(left_by(&other), wan);
		assert_int_equal(left_by(&old), wan);
		assert_int_equal(left_by(&fresh), wan);
		lab_expect_consistent();
	}
}

static void test_endpoint_is_not_torn(void **state)
{
	(void)state;
	endpoint_goes_to_one_of_two(false);
}

static void test_endpoint_is_not_torn_by_a_new_flow(void **state)
{
	(void)state;
	endpoint_goes_to_one_of_two(true);
}

/* Away and back, often: nothing is left behind by any move. */
static void test_many_flips(void **state)
{
	struct packet p = udp(REMOTE_1);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		lab_set_alive(i % 2 ? ONLY_1 : ONLY_0);
		answer_in(&p, i % 2, send_out(&p, i % 2), 0);
	}
	assert_int_equal(lab_flows(), 1);
	assert_int_equal(lab_ports(), 2);
	lab_expect_consistent();
}

/* A flow stays where it is when its old WAN returns. */
static void test_no_return_by_itself(void **state)
{
	struct packet p = udp(REMOTE_1);

	(void)state;
	send_out(&p, 0);
	lab_set_alive(ONLY_1);
	send_out(&p, 1);
	lab_set_alive(BOTH);
	send_out(&p, 1);
	assert_int_equal(lab_counters(0, 1).moved, 1);
	assert_int_equal(lab_counters(0, 0).moved, 0);
}

/* --- nothing for nothing ------------------------------------------------------------------------------------ */

static void test_nothing_happens_without_a_better_wan(void **state)
{
	struct packet u = udp(REMOTE_1), e = lab_packet(PROTO_ICMP, CLIENT_A, 77, REMOTE_1, 0);
	struct packet t = session_segment(TCP_PSH | TCP_ACK);
	uint16_t u_port = send_out(&u, 0), e_port = send_out(&e, 0), t_port = session_open(0);

	(void)state;
	lab_set_alive(0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(send_out(&u, 0), u_port);
		assert_int_equal(send_out(&e, 0), e_port);
		assert_int_equal(send_out(&t, 0), t_port);
	}
	answer_in(&t, 0, t_port, TCP_ACK);
	lab_set_masks(0, 0);
	assert_int_equal(send_out(&t, 0), t_port);
	lab_set_masks(BOTH, BOTH);
	lab_set_alive(BOTH);
	assert_int_equal(send_out(&u, 0), u_port);
	expect_not_counted_as_touched();
	lab_expect_consistent();
}

/* "Never" is absence from the buckets: a living WAN that the class may not use is no better WAN. */
static void test_wan_outside_the_class_is_no_better_wan(void **state)
{
	struct packet u = udp(REMOTE_1), t = session_segment(TCP_PSH | TCP_ACK);

	(void)state;
	lab_set_order((const int[]){0, -1});
	send_out(&u, 0);
	session_open(0);
	lab_set_alive(ONLY_1);
	send_out(&u, 0);
	send_out(&t, 0);
	expect_not_counted_as_touched();
}

/* A fresh bit without an alive bit is a last resort, and for new flows only. */
static void test_last_resort(void **state)
{
	struct packet old = udp(REMOTE_1), t = session_segment(TCP_PSH | TCP_ACK);
	struct packet new = lab_packet(PROTO_UDP, CLIENT_B, 5000, REMOTE_1, 53);

	(void)state;
	send_out(&old, 0);
	session_open(0);
	lab_set_masks(ONLY_1, ONLY_1);
	lab_set_alive(0);
	send_out(&old, 0);
	send_out(&t, 0);
	send_out(&new, 1);
	expect_not_counted_as_touched();
}

static void test_last_resort_is_the_last(void **state)
{
	struct packet new = lab_packet(PROTO_UDP, CLIENT_B, 5000, REMOTE_1, 53);

	(void)state;
	lab_set_masks(BOTH, BOTH);
	lab_set_alive(ONLY_1);
	send_out(&new, 1);
	expect_not_counted_as_touched();
}

static void test_no_wan_at_all(void **state)
{
	struct packet p = udp(REMOTE_1);
	struct result r;

	(void)state;
	lab_set_masks(0, 0);
	r = lab_from_lan(&p);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_NO_WAN), 1);
	assert_int_equal(lab_reasons_total(), 1);
	assert_int_equal(lab_flows(), 0);
}

/* Masks that contradict each other, by somebody's hand: to go where one is already is no move. */
static void test_fresh_without_keep_moves_nothing(void **state)
{
	struct packet u = udp(REMOTE_1), t = session_segment(TCP_SYN);
	uint16_t port, t_port;

	(void)state;
	lab_set_masks(0, ONLY_0);
	port = send_out(&u, 0);
	t_port = send_out(&t, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(send_out(&u, 0), port);
		assert_int_equal(send_out(&t, 0), t_port);
	}
	expect_not_counted_as_touched();
	lab_expect_consistent();
}

/* --- draining ----------------------------------------------------------------------------------------------- */

static void test_drain(void **state)
{
	struct packet old = udp(REMOTE_1), same_socket = udp(REMOTE_2);
	struct packet new = lab_packet(PROTO_UDP, CLIENT_A, 5001, REMOTE_1, 53);
	struct packet t = session_segment(TCP_PSH | TCP_ACK);
	uint16_t port = send_out(&old, 0), t_port = session_open(0);

	(void)state;
	lab_set_masks(BOTH, ONLY_1);
	assert_int_equal(send_out(&old, 0), port);
	assert_int_equal(send_out(&t, 0), t_port);
	send_out(&new, 1);
	/* What has a binding goes on using it: one socket, one address. */
	assert_int_equal(send_out(&same_socket, 0), port);
	expect_not_counted_as_touched();
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_udp_moves),
	LAB_BOTH(test_icmp_moves),
	LAB_BOTH(test_unanswered_tcp_moves),
	LAB_BOTH(test_class_mask_moves),
	LAB_BOTH(test_endpoint_moves_as_one),
	LAB_BOTH(test_endpoint_is_not_torn),
	LAB_BOTH(test_endpoint_is_not_torn_by_a_new_flow),
	LAB_BOTH(test_many_flips),
	LAB_BOTH(test_no_return_by_itself),
	LAB_BOTH(test_nothing_happens_without_a_better_wan),
	LAB_BOTH(test_wan_outside_the_class_is_no_better_wan),
	LAB_BOTH(test_last_resort),
	LAB_BOTH(test_last_resort_is_the_last),
	LAB_BOTH(test_no_wan_at_all),
	LAB_BOTH(test_fresh_without_keep_moves_nothing),
	LAB_BOTH(test_drain),
};

LAB_MAIN(tests, 4096)
