/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_translate.c: what a flow's packets look like on the WAN and back at the client, byte for byte.  Who
 * gets an answer, and what is counted: test_return.c; which port, which WAN: test_mapping.c, test_select.c.
 */
#include "harness.h"

#include <string.h>

/* --- out and back ------------------------------------------------------------------------------------------- */

static void out_and_back(uint8_t proto)
{
	struct packet p = lab_packet(proto, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&p, 0);

	answer_in(&p, 0, port, TCP_SYN | TCP_ACK);
	assert_int_equal(send_out(&p, 0), port);
	assert_int_equal(lab_flows(), 1);
	assert_int_equal(lab_reasons_total(), 0);
	lab_expect_consistent();
}

static void test_udp(void **state)
{
	(void)state;
	out_and_back(PROTO_UDP);
}

static void test_tcp(void **state)
{
	(void)state;
	out_and_back(PROTO_TCP);
}

static void test_icmp_echo(void **state)
{
	(void)state;
	out_and_back(PROTO_ICMP);
}

static void test_tcp_session(void **state)
{
	struct packet syn = lab_segment(CLIENT_A, 5000, REMOTE_1, 443, TCP_SYN);
	struct packet data = lab_segment(CLIENT_A, 5000, REMOTE_1, 443, TCP_PSH | TCP_ACK);
	struct packet fin = lab_segment(CLIENT_A, 5000, REMOTE_1, 443, TCP_FIN | TCP_ACK);
	struct packet rst = lab_segment(CLIENT_A, 5000, REMOTE_1, 443, TCP_RST);
	uint16_t port = send_out(&syn, 0);

	(void)state;
	answer_in(&syn, 0, port, TCP_SYN | TCP_ACK);
	assert_int_equal(send_out(&data, 0), port);
	answer_in(&syn, 0, port, TCP_PSH | TCP_ACK);
	assert_int_equal(send_out(&fin, 0), port);
	answer_in(&syn, 0, port, TCP_FIN | TCP_ACK);
	assert_int_equal(send_out(&rst, 0), port);
	answer_in(&syn, 0, port, TCP_RST);
}

static void test_every_option_length_and_payload(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

	(void)state;
	for (uint8_t ihl = 5; ihl <= 15; ihl++) {
		for (unsigned i = 0; i < 3; i++) {
			for (uint16_t payload = 0; payload < 6; payload++) {
				struct tuple t = {CLIENT_A, REMOTE_1, 6000, 53, protos[i]};
				struct packet p = client_packet((struct spec){.t = t, .ihl = ihl, .payload = payload});

				answer_in(&p, 0, send_out(&p, 0), TCP_SYN | TCP_ACK);
			}
		}
	}
}

/* Answers with options come back whole, too. */
static void test_options_in_answers(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), answer, want;
	uint16_t port = send_out(&p, 0);
	struct result r;

	(void)state;
	for (uint8_t ihl = 5; ihl <= 15; ihl++) {
		struct tuple t = {REMOTE_1, lab_own(0), 53, port, PROTO_UDP};

		answer = remote_packet(0, (struct spec){.t = t, .ihl = ihl});
		want = packet_delivered(&answer, CLIENT_A, 5000, lab.lan[0].mac, mac_a);
		r = lab_from_wan(0, &answer);
		assert_int_equal(r.verdict, VERDICT_REDIRECT);
		expect_packet(&r.packet, &want);
	}
}

/* Out and straight back in, with the addresses turned round by hand, is the client's own packet but for TTL. */
static void test_round_trip_is_identity(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct packet p = lab_packet(protos[i], CLIENT_A, 5000, REMOTE_1, 4000), there, back, want;
		struct result r = lab_from_lan(&p);
		struct layout at = packet_layout(&p);
		size_t l4 = at.l4;

		there = r.packet;
		memcpy(there.bytes, lab.wan[0].mac, 6);
		packet_set_address(&there, &at, SOURCE, packet_address(&r.packet, &at, DESTINATION));
		packet_set_address(&there, &at, DESTINATION, packet_address(&r.packet, &at, SOURCE));
		packet_put16(&there, l4, packet_get16(&r.packet, l4 + 2));
		packet_put16(&there, l4 + 2, packet_get16(&r.packet, l4));
		r = lab_from_wan(0, &there);
		assert_int_equal(r.verdict, VERDICT_REDIRECT);
		back = r.packet;
		want = packet_delivered(&there, CLIENT_A, 5000, lab.lan[0].mac, mac_a);
		expect_packet(&back, &want);
		assert_int_equal(packet_ttl(&back), packet_ttl(&p) - 2);
		assert_memory_equal(back.bytes + l4 + 4, p.bytes + l4 + 4, 2);
		assert_memory_equal(back.bytes + l4 + 8, p.bytes + l4 + 8, p.len - l4 - 8);
		assert_int_equal(packet_get16(&back, l4 + 6), packet_get16(&p, l4 + 6));
	}
}

/* While the gateway's address is not known the kernel is told the next hop, and writes the MACs itself. */
static void test_gateway_mac_is_not_known(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), want;
	struct wh_wan row = lab.wan[0];
	struct result r;

	(void)state;
	row.v4.flags &= ~(unsigned)WH_WAN_GATEWAY_MAC;
	row.v6.flags &= ~(unsigned)WH_WAN_GATEWAY_MAC;
	lab_set_wan(0, &row);
	r = lab_from_lan(&p);
	want = packet_translated(&p, lab_own(0), packet_tuple(&r.packet).sport);
	memcpy(want.bytes, r.packet.bytes, 12);
	expect_sent(&r, &want);
}

/* --- checksums ---------------------------------------------------------------------------------------------- */

static void test_udp_without_checksum(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .payload = 9, .no_checksum = true};
	struct packet p = client_packet(s), answer, want;
	uint16_t port = send_out(&p, 0);
	struct result r;

	(void)state;
	s.t = (struct tuple){REMOTE_1, lab_own(0), 53, port, PROTO_UDP};
	answer = remote_packet(0, s);
	assert_int_equal(packet_get16(&answer, packet_l4(&answer) + 6), 0);
	want = packet_delivered(&answer, CLIENT_A, 5000, lab.lan[0].mac, mac_a);
	r = lab_from_wan(0, &answer);
	expect_packet(&r.packet, &want);
}

/* Give the payload's first word the value for which the sum over the translated packet is 0. */
static void aim_sum_at_zero(struct packet *p, address src, uint16_t sport)
{
	size_t payload = packet_l4(p) + 8;
	struct packet after;
	uint16_t sum;

	packet_put16(p, payload, 0);
	packet_sum(p);
	after = packet_translated(p, src, sport);
	sum = packet_get16(&after, packet_l4(p) + 6);
	packet_put16(p, payload, sum);
	packet_sum(p);
}

/* RFC 768: a computed sum of 0 is sent as all ones, because 0 says that there is none. */
static void test_udp_checksum_that_becomes_zero(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&p, 0);
	struct result r;

	(void)state;
	aim_sum_at_zero(&p, lab_own(0), port);
	r = lab_from_lan(&p);
	assert_int_equal(packet_get16(&r.packet, packet_l4(&p) + 6), 0xffff);
	expect_out(&r, &p, 0);
}

/* What was damaged before it came to us must not leave with a good sum. */
static void test_wrong_checksum_stays_wrong(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct packet p = lab_packet(protos[i], CLIENT_A, 5000, REMOTE_1, 53);
		struct result r;

		send_out(&p, 0);
		p.bytes[p.len - 1] ^= 0x55;
		r = lab_from_lan(&p);
		if (r.verdict == VERDICT_REDIRECT)
			assert_false(packet_sums_right(&r.packet));
	}
}

static void test_wrong_ip_checksum_stays_wrong(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct result r;

	(void)state;
	send_out(&p, 0);
	p.bytes[24] ^= 0x55;
	r = lab_from_lan(&p);
	if (r.verdict == VERDICT_REDIRECT)
		assert_false(packet_sums_right(&r.packet));
}

/* Many values, so that carries happen everywhere. */
static void test_checksums_over_many_packets(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct packet p = lab_packet(protos[i % 3], CLIENT_A, 5000, REMOTE_1, 53);

		packet_put16(&p, p.len - 2, (uint16_t)(i * 22));
		packet_put16(&p, p.len - 4, (uint16_t)(i * 7919));
		packet_sum(&p);
		send_out(&p, 0);
	}
}

/* Short frames are padded to 60 bytes: what lies beyond the IP total length is in no sum and stays. */
static void test_ethernet_padding(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct packet p = client_packet((struct spec){.t = {CLIENT_A, REMOTE_1, 5000, 53, protos[i]}});

		memset(p.bytes + p.len, 0xa5, 60 - p.len);
		p.len = 60;
		send_out(&p, 0);
	}
}

/* --- fields that are not ours to touch ---------------------------------------------------------------------- */

static void test_tos_and_df_stay(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .tos = 0xb9, .fragment = FRAGMENT_DF};
	struct packet p = client_packet(s);

	(void)state;
	send_out(&p, 0);
}

static void test_ttl(void **state)
{
	(void)state;
	for (unsigned ttl = 2; ttl < 256; ttl += 23) {
		struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .ttl = (uint8_t)ttl};
		struct packet p = client_packet(s);

		send_out(&p, 0);
	}
}

/* --- a WAN that does not translate -------------------------------------------------------------------------- */

static void test_untranslated_wan(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

	(void)state;
	lab_leave_untranslated(0);
	for (unsigned i = 0; i < 3; i++) {
		struct packet p = lab_packet(protos[i], CLIENT_A, 5000, REMOTE_1, 53), answer;
		struct packet want = packet_translated(&p, CLIENT_A, 5000);
		struct result r = lab_from_lan(&p);

		want = lab_leaving(0, &want);
		expect_sent(&r, &want);
		answer = lab_answer(0, &r.packet, TCP_SYN | TCP_ACK);
		want = packet_delivered(&answer, CLIENT_A, 5000, lab.lan[0].mac, mac_a);
		r = lab_from_wan(0, &answer);
		assert_int_equal(r.verdict, VERDICT_REDIRECT);
		expect_packet(&r.packet, &want);
	}
	assert_int_equal(lab_ports(), 0);
	lab_expect_consistent();
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_udp),
	LAB_BOTH(test_tcp),
	LAB_BOTH(test_icmp_echo),
	LAB_BOTH(test_tcp_session),
	LAB_TEST(test_every_option_length_and_payload),
	LAB_TEST(test_options_in_answers),
	LAB_BOTH(test_gateway_mac_is_not_known),
	LAB_BOTH(test_round_trip_is_identity),
	LAB_TEST(test_udp_without_checksum),
	LAB_BOTH(test_udp_checksum_that_becomes_zero),
	LAB_BOTH(test_wrong_checksum_stays_wrong),
	LAB_TEST(test_wrong_ip_checksum_stays_wrong),
	LAB_BOTH(test_checksums_over_many_packets),
	LAB_TEST(test_ethernet_padding),
	LAB_BOTH(test_tos_and_df_stay),
	LAB_BOTH(test_ttl),
	LAB_TEST(test_untranslated_wan),
};

LAB_MAIN(tests, 4096)
