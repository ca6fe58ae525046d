/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_address.c: a WAN's address changes or is lost: flows that can bind again do, the others are reset, and no
 * packet ever leaves with the address that was.
 */
#include "harness.h"

#define NEW_ADDRESS (lab_own(0) + 75)

static uint16_t expect_out_from(const struct packet *p, address own)
{
	struct result r = lab_from_lan(p);
	uint16_t port = packet_tuple(&r.packet).sport;
	struct packet want = packet_translated(p, own, port);

	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	return port;
}

static void binds_again(const struct packet *p)
{
	struct packet sent, answer, want;
	struct tuple client = packet_tuple(p);
	struct result r;
	uint16_t port;

	send_out(p, 0);
	lab_readdress(0, NEW_ADDRESS);
	port = expect_out_from(p, NEW_ADDRESS);
	assert_int_equal(expect_out_from(p, NEW_ADDRESS), port);
	sent = packet_translated(p, NEW_ADDRESS, port);
	answer = lab_answer(0, &sent, TCP_SYN | TCP_ACK);
	want = packet_delivered(&answer, client.src, client.sport, lab.lan[0].mac, mac_a);
	r = lab_from_wan(0, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	expect_packet(&r.packet, &want);
	assert_int_equal(lab_flows(), 1);
	lab_expect_consistent();
}

static void test_udp_binds_again(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	(void)state;
	binds_again(&p);
}

static void test_icmp_binds_again(void **state)
{
	struct packet p = lab_packet(PROTO_ICMP, CLIENT_A, 77, REMOTE_1, 0);

	(void)state;
	binds_again(&p);
}

static void test_unanswered_tcp_binds_again(void **state)
{
	struct packet p = session_segment(TCP_SYN);

	(void)state;
	binds_again(&p);
}

/* Also where there is no other WAN to go to: the session cannot live on under another address. */
static void answered_tcp_is_reset(uint8_t alive)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK), syn = session_segment(TCP_SYN);
	struct result r;

	session_open(0);
	lab_set_alive(alive);
	lab_readdress(0, NEW_ADDRESS);
	for (unsigned i = 0; i < 3; i++) {
		r = lab_from_lan(&p);
		expect_reset(&r, &p);
	}
	expect_out_from(&syn, NEW_ADDRESS);
	expect_out_from(&p, NEW_ADDRESS);
	lab_expect_consistent();
}

static void test_answered_tcp_is_reset(void **state)
{
	(void)state;
	answered_tcp_is_reset(0x03);
}

static void test_answered_tcp_is_reset_without_another_wan(void **state)
{
	(void)state;
	answered_tcp_is_reset(0x01);
}

/* One socket keeps showing one port under the new address. */
static void test_endpoint_binds_again_as_one(void **state)
{
	uint16_t port = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1 + i, 53);

		send_out(&p, 0);
	}
	lab_readdress(0, NEW_ADDRESS);
	for (unsigned i = 0; i < 10; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1 + i, 53);
		uint16_t now = expect_out_from(&p, NEW_ADDRESS);

		assert_true(port == 0 || port == now);
		port = now;
	}
	lab_expect_consistent();
}

/* Whatever the masks say, an address that is gone, and none at all, is in no packet. */
static void never_the_old_address(address own, uint8_t alive)
{
	struct packet u = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), t = session_segment(TCP_PSH | TCP_ACK);
	struct packet new = lab_packet(PROTO_UDP, CLIENT_B, 5000, REMOTE_1, 53);
	const struct packet *all[] = {&u, &t, &new};

	lab_again();
	send_out(&u, 0);
	session_open(0);
	lab_set_alive(alive);
	lab_readdress(0, own);
	for (unsigned i = 0; i < 6; i++) {
		struct result r = lab_from_lan(all[i % 3]);
		address src = packet_tuple(&r.packet).src;

		if (r.verdict != VERDICT_REDIRECT) {
			expect_dropped(&r);
			continue;
		}
		if (packet_tuple(&r.packet).dst == CLIENT_A)
			expect_reset(&r, all[i % 3]);
		else
			assert_true(src == lab_own(1) || (own && src == own));
	}
	lab_expect_consistent();
}

static void test_never_the_old_address(void **state)
{
	(void)state;
	for (unsigned alive = 0; alive < 4; alive++) {
		never_the_old_address(NEW_ADDRESS, (uint8_t)alive);
		never_the_old_address(0, (uint8_t)alive);
	}
}

/* The address is lost with the WAN, another one is there: what can move does so at once. */
static void test_lost_address_moves(void **state)
{
	struct packet u = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	(void)state;
	send_out(&u, 0);
	lab_set_alive(0x02);
	lab_readdress(0, 0);
	send_out(&u, 1);
	lab_expect_consistent();
}

/*
 * A flow that was let out with its own source, on a WAN that translates: because that has changed, or because another CPU
 * is just moving it here from a WAN that does not.
 */
static void test_own_source_on_a_translated_wan(void **state)
{
	struct packet all[] = {lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 4500), session_segment(TCP_SYN)};

	(void)state;
	lab_keep_sources(0);
	for (unsigned i = 0; i < 2; i++) {
		struct result r = lab_from_lan(&all[i]);

		assert_int_equal(r.verdict, VERDICT_REDIRECT);
		assert_true(packet_tuple(&r.packet).src == CLIENT_A);
	}
	lab_set_wan(0, &lab.wan[0]);
	for (unsigned i = 0; i < 2; i++)
		send_out(&all[i], 0);
	lab_expect_consistent();
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_udp_binds_again),
	LAB_BOTH(test_icmp_binds_again),
	LAB_BOTH(test_unanswered_tcp_binds_again),
	LAB_BOTH(test_answered_tcp_is_reset),
	LAB_BOTH(test_answered_tcp_is_reset_without_another_wan),
	LAB_BOTH(test_endpoint_binds_again_as_one),
	LAB_BOTH(test_never_the_old_address),
	LAB_BOTH(test_lost_address_moves),
	LAB_BOTH(test_own_source_on_a_translated_wan),
};

LAB_MAIN(tests, 4096)
