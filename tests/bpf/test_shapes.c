/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_shapes.c: what IPv6, other protocols, MSS and devices without Ethernet headers look like on the WAN and back at
 * the client.  The same for plain IPv4: test_translate.c; at random: test_oracle.c.
 */
#include "harness.h"

#include <string.h>

/* --- IPv6, masqueraded -------------------------------------------------------------------------------------- */

static void out_and_back(const struct packet *p)
{
	uint16_t port = send_out(p, 0);

	answer_in(p, 0, port, TCP_SYN | TCP_ACK);
	assert_int_equal(send_out(p, 0), port);
}

static void test_ipv6(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP6};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct packet p = lab_packet(protos[i], lab_client(WH_V6, 0), 5000, lab_remote(WH_V6, 0), 53);

		out_and_back(&p);
	}
	assert_int_equal(lab_entries(lab.t.flows[WH_V6]), 3);
	assert_int_equal(lab_entries(lab.t.flows[WH_V4]), 0);
	assert_int_equal(lab_reasons_total(), 0);
	lab_expect_consistent();
}

static void test_extension_headers(void **state)
{
	static const uint8_t chains[][EXTENSIONS_MAX] = {
		{EXTEND_HOP},
		{EXTEND_OPTIONS},
		{EXTEND_ROUTING},
		{EXTEND_HOP, EXTEND_OPTIONS | 3},
		{EXTEND_HOP | 1, EXTEND_OPTIONS, EXTEND_ROUTING | 2, EXTEND_OPTIONS | 5},
		{EXTEND_OPTIONS | 15},
	};
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP6};

	(void)state;
	for (unsigned i = 0; i < 3 * sizeof(chains) / sizeof(chains[0]); i++) {
		struct spec s = {.t = {lab_client(WH_V6, 0), lab_remote(WH_V6, 0), 5000, 53, protos[i % 3]},
				 .payload = 21};
		struct packet p;

		memcpy(s.extensions, chains[i / 3], EXTENSIONS_MAX);
		p = client_packet(s);
		out_and_back(&p);
	}
	assert_int_equal(lab_flows(), 3);
}

/* Class and flow label are the sender's. */
static void test_traffic_class_and_flow_label(void **state)
{
	struct spec s = {
		.t = {lab_client(WH_V6, 0), lab_remote(WH_V6, 0), 5000, 53, PROTO_UDP}, .tos = 0xb9, .label = 0xabcde};
	struct packet p = client_packet(s);

	(void)state;
	send_out(&p, 0);
}

/* RFC 8200 §8.1: a UDP sum of 0 is none, and IPv6 has no such thing: not mended, and never passed as good. */
static void test_ipv6_udp_checksum_that_becomes_zero(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, lab_client(WH_V6, 0), 5000, lab_remote(WH_V6, 0), 53), after;
	uint16_t port = send_out(&p, 0);
	size_t payload = packet_l4(&p) + 8;

	(void)state;
	packet_put16(&p, payload, 0);
	packet_sum(&p);
	after = packet_translated(&p, lab_external(0, &p), port);
	packet_put16(&p, payload, packet_get16(&after, packet_l4(&p) + UDP_SUM));
	packet_sum(&p);
	after = packet_translated(&p, lab_external(0, &p), port);
	assert_int_equal(packet_get16(&after, packet_l4(&p) + UDP_SUM), 0xffff);
	send_out(&p, 0);
}

/* Neighbour discovery, router advertisements, MLD, DHCPv6, link-local and multicast are the kernel's. */
static void test_never_steered(void **state)
{
	const address link_local = IP6(0xfe80, 0, 0, 0, 0, 0, 0, 0x10), many = IP6(0xff02, 0, 0, 0, 0, 0, 0, 1);
	struct spec s[] = {
		{.t = {lab_client(WH_V6, 0), ROUTER6_LAN0, 0, 0, PROTO_ICMP6},
		 .icmp_type = 135,
		 .ttl = 255,
		 .payload = 24},
		{.t = {lab_client(WH_V6, 0), many, 0, 0, PROTO_ICMP6}, .icmp_type = 135, .ttl = 255, .payload = 24},
		{.t = {lab_client(WH_V6, 0), lab_remote(WH_V6, 0), 0, 0, PROTO_ICMP6},
		 .icmp_type = 135,
		 .ttl = 255,
		 .payload = 24},
		{.t = {lab_client(WH_V6, 0), lab_remote(WH_V6, 0), 0, 0, PROTO_ICMP6},
		 .icmp_type = 134,
		 .ttl = 255,
		 .payload = 24},
		{.t = {link_local, many, 0, 0, PROTO_ICMP6}, .icmp_type = 133, .ttl = 255},
		{.t = {link_local, many, 0, 0, PROTO_ICMP6}, .icmp_type = 143, .extensions = {EXTEND_HOP}},
		{.t = {link_local, many, 546, 547, PROTO_UDP}, .payload = 40},
		{.t = {link_local, lab_remote(WH_V6, 0), 5000, 53, PROTO_UDP}, .payload = 40},
		{.t = {lab_client(WH_V6, 0), IP6(0xfe80, 0, 0, 0, 0, 0, 0, 1), 5000, 53, PROTO_UDP}, .payload = 40},
		{.t = {lab_client(WH_V6, 0), IP6(0xff0e, 0, 0, 0, 0, 0, 0, 1), 5000, 53, PROTO_UDP}, .payload = 40},
		{.t = {CLIENT_A, IP(224, 0, 0, 251), 5353, 5353, PROTO_UDP}, .payload = 40},
		{.t = {CLIENT_A, IP(255, 255, 255, 255), 68, 67, PROTO_UDP}, .payload = 40},
		{.t = {CLIENT_A, IP(239, 1, 2, 3), 5000, 53, 2}, .payload = 40},
		{.t = {CLIENT_A, IP(169, 254, 3, 4), 5000, 53, PROTO_UDP}, .payload = 40},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(s) / sizeof(s[0]); i++) {
		struct packet p = client_packet(s[i]);
		struct result r = lab_from_lan(&p);

		expect_untouched(&r, &p);
		assert_int_equal(lab_flows() + lab_binds(), 0);
	}
}

/* --- protocols that are translated by their address --------------------------------------------------------- */

static void test_by_address(void **state)
{
	static const uint8_t protos[] = {PROTO_GRE, PROTO_ESP, PROTO_SCTP};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		enum wh_family family = i % 2;
		struct packet p = lab_packet(protos[i / 2], lab_client(family, 0), 5000, lab_remote(family, 0), 53),
			      answer;
		struct packet want = packet_translated(&p, lab_external(0, &p), 0);
		struct result r = lab_from_lan(&p);

		want = lab_leaving(0, &want);
		expect_sent(&r, &want);
		answer = lab_answer(0, &want, 0);
		want = packet_delivered(&answer, lab_client(family, 0), 0, lab.lan[0].mac, mac_a);
		r = lab_from_wan(0, &answer);
		expect_sent(&r, &want);
	}
	assert_int_equal(lab_ports(), 0);
	lab_expect_consistent();
}

/* Only one client can speak such a protocol with one remote: a second one must not take over the first's answers. */
static void test_by_address_two_clients(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet a = lab_packet(PROTO_GRE, lab_client(family, 0), 0, lab_remote(family, 0), 0), want,
			      answer;
		struct packet b = lab_packet(PROTO_GRE, lab_client(family, 1), 0, lab_remote(family, 0), 0);
		struct packet sent = packet_translated(&a, lab_external(0, &a), 0);
		struct result r = lab_from_lan(&a);

		sent = lab_leaving(0, &sent);
		expect_sent(&r, &sent);
		r = lab_from_lan(&b);
		if (r.verdict == VERDICT_REDIRECT)
			assert_true(packet_tuple(&r.packet).src != lab_external(0, &a));
		answer = lab_answer(0, &sent, 0);
		want = packet_delivered(&answer, lab_client(family, 0), 0, lab.lan[0].mac, mac_a);
		r = lab_from_wan(0, &answer);
		expect_sent(&r, &want);
	}
	lab_expect_consistent();
}

/* --- MSS ---------------------------------------------------------------------------------------------------- */

static struct packet syn_with(enum wh_family family, const uint8_t *options, uint8_t len)
{
	struct spec s = {.t = {lab_client(family, 0), lab_remote(family, 0), 6000, 443, PROTO_TCP},
			 .tcp_options = options,
			 .tcp_options_len = len};

	return client_packet(s);
}

/* Out and back, whatever is before the option; a value that fits stays. */
static void mss_of(enum wh_family family, uint8_t options[40], uint8_t len)
{
	struct packet p = syn_with(family, options, len), want;
	struct packet answer;
	struct result r;
	uint16_t port = send_out(&p, 0);
	struct spec s = {.t = {lab_remote(family, 0), lab_external(0, &p), 443, port, PROTO_TCP},
			 .tcp_flags = TCP_SYN | TCP_ACK,
			 .tcp_options = options,
			 .tcp_options_len = len};

	answer = remote_packet(0, s);
	want = packet_delivered(&answer, lab_client(family, 0), 6000, lab.lan[0].mac, mac_a);
	packet_clamp(&want, 1400);
	r = lab_from_wan(0, &answer);
	expect_sent(&r, &want);
}

static void shrink(uint32_t mtu)
{
	struct wh_wan row = lab.wan[0];

	row.mtu = mtu;
	lab_set_wan(0, &row);
}

static void test_mss_anywhere(void **state)
{
	static const uint16_t values[] = {1460, 1361, 1360, 1341, 1340, 1339, 536, 0, 65535};

	(void)state;
	shrink(1400);
	for (unsigned i = 0; i < 9 * 37; i++) {
		uint8_t options[40];
		unsigned at = i / 9;

		memset(options, 1, sizeof(options));
		options[at] = 2;
		options[at + 1] = 4;
		options[at + 2] = (uint8_t)(values[i % 9] >> 8);
		options[at + 3] = (uint8_t)values[i % 9];
		mss_of(i % 2, options, 40);
	}
}

/* Behind other options; behind those that are none. */
static void test_mss_behind_options(void **state)
{
	static const uint8_t lists[][20] = {
		{3, 3, 7, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 5, 0xb4, 0},
		{2, 4, 5, 0xb4, 2, 4, 6, 0, 1, 1, 1, 1},
		{4, 0, 2, 4, 5, 0xb4},
		{4, 1, 2, 4, 5, 0xb4},
		{0, 2, 4, 5, 0xb4},
		{2, 3, 5, 0xb4, 2, 4, 5, 0xb4},
		{254, 200, 2, 4, 5, 0xb4},
		{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4},
	};

	(void)state;
	shrink(1400);
	for (unsigned i = 0; i < 2 * sizeof(lists) / sizeof(lists[0]); i++) {
		uint8_t options[40];

		memcpy(options, lists[i / 2], 20);
		mss_of(i % 2, options, 20);
	}
}

/* Only in a SYN: elsewhere the same bytes mean nothing. */
static void test_no_mss_in_other_segments(void **state)
{
	static const uint8_t options[] = {2, 4, 5, 0xb4};
	struct packet syn = lab_segment(CLIENT_A, 6000, REMOTE_1, 443, TCP_SYN), p;
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 6000, 443, PROTO_TCP},
			 .tcp_flags = TCP_PSH | TCP_ACK,
			 .tcp_options = options,
			 .tcp_options_len = 4};

	(void)state;
	shrink(1000);
	send_out(&syn, 0);
	p = client_packet(s);
	send_out(&p, 0);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_ipv6),
	LAB_TEST(test_extension_headers),
	LAB_TEST(test_traffic_class_and_flow_label),
	LAB_TEST(test_ipv6_udp_checksum_that_becomes_zero),
	LAB_TEST(test_never_steered),
	LAB_TEST(test_by_address),
	LAB_TEST(test_by_address_two_clients),
	LAB_TEST(test_mss_anywhere),
	LAB_TEST(test_mss_behind_options),
	LAB_TEST(test_no_mss_in_other_segments),
};

LAB_MAIN(tests, 4096)
