/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_answers.c: the ICMP and ICMPv6 errors that the data plane itself sends to a client (RFC 1812 §4.3.2 and §5.3,
 * 4443, 1191, 8201, 4787 REQ-13, 6888 REQ-11), byte for byte, and when it sends none.
 */
#include "harness.h"

#include <string.h>

#define SMALL_MTU 1300

static void shrink(unsigned wan, uint32_t mtu)
{
	struct wh_wan row = lab.wan[wan];

	row.mtu = mtu;
	lab_set_wan(wan, &row);
}

static struct packet sized(enum wh_family family, uint8_t proto, uint16_t ip_len)
{
	size_t headers = (family == WH_V4 ? 20 : 40) + (proto == PROTO_TCP ? 20 : 8);
	struct spec s = {.t = {lab_client(family, 0), lab_remote(family, 0), 5000, 53, proto},
			 .fragment = family == WH_V4 ? FRAGMENT_DF : 0,
			 .payload = (uint16_t)(ip_len - headers)};

	return client_packet(s);
}

/* --- too big ------------------------------------------------------------------------------------------------ */

static void expect_too_big(const struct packet *p, uint16_t mtu)
{
	struct packet want = packet_too_big(p, lab_router(p), mtu);
	struct result r = lab_from_lan(p);

	expect_error(&r, &want);
}

/* 4787 REQ-13, 1191, 8201: the largest that fits leaves; a byte more is answered with the WAN's own MTU. */
static void test_too_big(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP};

	(void)state;
	shrink(0, SMALL_MTU);
	for (unsigned i = 0; i < 4; i++) {
		struct packet p = sized(i / 2, protos[i % 2], SMALL_MTU);

		send_out(&p, 0);
		p = sized(i / 2, protos[i % 2], SMALL_MTU + 1);
		expect_too_big(&p, SMALL_MTU);
		p = sized(i / 2, protos[i % 2], 1500);
		expect_too_big(&p, SMALL_MTU);
	}
	assert_int_equal(lab_reason(WH_REASON_TOO_BIG), 8);
}

/* The same where there is no session yet, and will be none. */
static void test_too_big_at_first(void **state)
{
	(void)state;
	shrink(0, SMALL_MTU);
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = sized(family, PROTO_UDP, 1500);

		expect_too_big(&p, SMALL_MTU);
		p = sized(family, PROTO_ICMP, 1500);
		expect_too_big(&p, SMALL_MTU);
	}
	lab_expect_consistent();
}

/* The MTU changes in the midst of a session, and is right at the next packet. */
static void test_mtu_changes(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = sized(family, PROTO_UDP, 1400);

		shrink(0, 1500);
		send_out(&p, 0);
		shrink(0, 1399);
		expect_too_big(&p, 1399);
		shrink(0, 1280);
		expect_too_big(&p, 1280);
		shrink(0, 1400);
		send_out(&p, 0);
	}
}

/* Each pinned WAN's own: what the kernel says of the device is another WAN's. */
static void test_mtu_of_the_pinned_wan(void **state)
{
	struct packet p = sized(WH_V4, PROTO_UDP, 1400);

	(void)state;
	shrink(1, SMALL_MTU);
	send_out(&p, 0);
	lab_set_alive(0x02);
	expect_too_big(&p, SMALL_MTU);
}

/* RFC 8200 §5: no IPv6 host is told to send less than 1280 bytes. */
static void test_ipv6_floor(void **state)
{
	struct packet p = sized(WH_V6, PROTO_UDP, 1400);
	struct result r;

	(void)state;
	shrink(0, 1000);
	r = lab_from_lan(&p);
	if (r.verdict == VERDICT_REDIRECT)
		assert_true(packet_get32(&r.packet, packet_l4(&r.packet) + 4) >= 1280);
}

/* --- no way ------------------------------------------------------------------------------------------------- */

static void test_no_wan_is_told(void **state)
{
	(void)state;
	lab_set_on_none(WH_NONE_REJECT);
	lab_set_masks(0, 0);
	for (unsigned i = 0; i < 4; i++) {
		struct packet p = lab_packet(i % 2 ? PROTO_UDP : PROTO_ICMP, lab_client(i / 2, 0), 5000,
					     lab_remote(i / 2, 0), 53);
		struct packet want = packet_unreachable(&p, lab_router(&p));
		struct result r = lab_from_lan(&p);

		expect_error(&r, &want);
		assert_int_equal(lab_reason(WH_REASON_NO_WAN), i + 1);
	}
	assert_int_equal(lab_flows(), 0);
}

static void test_no_wan_is_dropped(void **state)
{
	(void)state;
	lab_set_masks(0, 0);
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_remote(family, 0), 53);
		struct result r = lab_from_lan(&p);

		expect_dropped(&r);
	}
	assert_int_equal(lab_reason(WH_REASON_NO_WAN), 2);
}

/* A WAN without translation carries no source that is not its own; where none is left: code 5 (RFC 4443 §3.1). */
static void test_no_source_fits(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, lab_client(WH_V6, 0), 5000, lab_remote(WH_V6, 0), 53);
	struct packet want = packet_wrong_source(&p, ROUTER6_LAN0);
	struct result r;

	(void)state;
	lab_set_on_none(WH_NONE_REJECT);
	lab_leave_untranslated(0);
	lab_leave_untranslated(1);
	r = lab_from_lan(&p);
	expect_error(&r, &want);
	assert_int_equal(lab_reason(WH_REASON_NO_SOURCE), 1);
}

/* --- how much is quoted, and when nothing is said ----------------------------------------------------------- */

/* RFC 1812 §4.3.2.3: 576 bytes in all; RFC 4443 §2.4 c: 1280. */
static void test_quote_is_as_long_as_may_be(void **state)
{
	(void)state;
	lab_set_on_none(WH_NONE_REJECT);
	lab_set_masks(0, 0);
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		for (uint16_t len = 60; len <= 1500; len += 111) {
			struct packet p = sized(family, PROTO_UDP, len), want = packet_unreachable(&p, lab_router(&p));
			struct result r = lab_from_lan(&p);

			expect_error(&r, &want);
			lab_again();
			lab_set_on_none(WH_NONE_REJECT);
			lab_set_masks(0, 0);
		}
	}
}

/* Options and extension headers are part of the quote; Ethernet padding is not. */
static void test_quote_of_odd_headers(void **state)
{
	struct spec v4 = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .ihl = 15, .payload = 3};
	struct spec v6 = {.t = {lab_client(WH_V6, 0), lab_remote(WH_V6, 0), 5000, 53, PROTO_UDP},
			  .extensions = {EXTEND_HOP, EXTEND_OPTIONS | 2},
			  .payload = 3};
	struct spec tiny = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}};
	const struct spec *all[] = {&v4, &v6, &tiny};

	(void)state;
	lab_set_on_none(WH_NONE_REJECT);
	lab_set_masks(0, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct packet p = client_packet(*all[i]), want = packet_unreachable(&p, lab_router(&p));
		struct result r;

		if (p.len < 60)
			p.len = 60;
		r = lab_from_lan(&p);
		expect_error(&r, &want);
	}
}

/* RFC 1812 §4.3.2.7, RFC 4443 §2.4 e: nothing is said about these, though no WAN carries them. */
static void test_what_is_not_answered(void **state)
{
	struct spec later = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .payload = 60, .fragment = 5};
	struct spec error = {.t = {CLIENT_A, REMOTE_1, 0, 0, PROTO_ICMP}, .payload = 60, .icmp_type = ICMP_EXCEEDED};
	struct spec error6 = {.t = {lab_client(WH_V6, 0), lab_remote(WH_V6, 0), 0, 0, PROTO_ICMP6},
			      .payload = 60,
			      .icmp_type = ICMP6_EXCEEDED};
	struct spec many = {.t = {CLIENT_A, IP(224, 0, 1, 5), 5000, 53, PROTO_UDP}};
	struct spec everybody = {.t = {CLIENT_A, IP(255, 255, 255, 255), 5000, 53, PROTO_UDP}};
	struct spec nobody = {.t = {0, REMOTE_1, 5000, 53, PROTO_UDP}};
	struct spec loop = {.t = {IP(127, 0, 0, 1), REMOTE_1, 5000, 53, PROTO_UDP}};
	struct spec many6 = {.t = {lab_client(WH_V6, 0), IP6(0xff0e, 0, 0, 0, 0, 0, 0, 5), 5000, 53, PROTO_UDP}};
	struct spec from_many6 = {.t = {IP6(0xff0e, 0, 0, 0, 0, 0, 0, 5), lab_remote(WH_V6, 0), 5000, 53, PROTO_UDP}};
	const struct spec *all[] = {&later, &error, &error6, &many, &everybody, &nobody, &loop, &many6, &from_many6};

	(void)state;
	lab_set_on_none(WH_NONE_REJECT);
	lab_set_masks(0, 0);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct packet p = client_packet(*all[i]);
		struct result r = lab_from_lan(&p);

		assert_false(packet_may_be_answered(&p));
		assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
	}
}

/* RFC 1812 §4.3.2.8, RFC 4443 §2.4 f: a flood is not answered with a flood, a single packet always. */
static void test_answers_are_limited(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		unsigned answered = 0;

		lab_set_on_none(WH_NONE_REJECT);
		lab_set_masks(0, 0);
		for (unsigned i = 0; i < 20000; i++) {
			struct packet p =
				lab_packet(PROTO_UDP, lab_client(family, 0), (uint16_t)i, lab_remote(family, 0), 53);
			struct result r = lab_from_lan(&p);

			answered += r.verdict == VERDICT_REDIRECT;
			if (r.verdict != VERDICT_REDIRECT)
				expect_dropped(&r);
		}
		print_message("%u of 20000 answered\n", answered);
		assert_in_range(answered, 1, 10000);
	}
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_too_big),
	LAB_TEST(test_too_big_at_first),
	LAB_TEST(test_mtu_changes),
	LAB_TEST(test_mtu_of_the_pinned_wan),
	LAB_TEST(test_ipv6_floor),
	LAB_TEST(test_no_wan_is_told),
	LAB_TEST(test_no_wan_is_dropped),
	LAB_TEST(test_no_source_fits),
	LAB_TEST(test_quote_is_as_long_as_may_be),
	LAB_TEST(test_quote_of_odd_headers),
	LAB_TEST(test_what_is_not_answered),
	LAB_TEST(test_answers_are_limited),
};

LAB_MAIN(tests, 4096)
