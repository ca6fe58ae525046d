/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_npt.c: prefix translation of IPv6 (RFC 6296): checksum-neutral, no port is touched or held; and sources that
 * are a WAN's own and stay as they are.  The mapping by itself: npt.h and test_model.c.
 */
#include "harness.h"

#include <string.h>

static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP6, PROTO_GRE, PROTO_ESP, PROTO_SCTP};

static address outside(address inside)
{
	address mapped = 0;

	assert_true(npt_map(lab_inside(), lab_prefix(0), inside, &mapped));
	return mapped;
}

/* Out under the mapped source, and an answer back to the client; whatever the protocol, only addresses change. */
static void there_and_back(uint8_t proto, address client)
{
	struct spec s = {.t = {client, lab_remote(WH_V6, 0), 5000, 53, proto}, .payload = 40, .tcp_flags = TCP_SYN};
	struct change out = {.side = SOURCE, .addr = outside(client), .mtu = 1500};
	struct packet p = client_packet(s), want = packet_changed(&p, &out), answer;
	struct change back = {.side = DESTINATION, .addr = client, .mtu = 1500};
	struct result r = lab_from_lan(&p);

	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	assert_memory_equal(r.packet.bytes + 14 + 40, p.bytes + 14 + 40, p.len - 14 - 40);
	answer = lab_answer(0, &want, TCP_SYN | TCP_ACK);
	want = packet_changed(&answer, &back);
	want = packet_framed(&want, lab.lan[0].mac, mac_a);
	r = lab_from_wan(0, &answer);
	expect_sent(&r, &want);
}

static void test_every_protocol(void **state)
{
	(void)state;
	lab_translate_prefix(0);
	for (unsigned i = 0; i < sizeof(protos); i++)
		there_and_back(protos[i], lab_client(WH_V6, 0));
	assert_int_equal(lab_ports() + lab_binds(), 0);
	lab_expect_consistent();
}

/* Many subnets and hosts, so that the adjustment carries everywhere. */
static void test_many_addresses(void **state)
{
	uint64_t chance = 12345;

	(void)state;
	lab_translate_prefix(0);
	for (unsigned i = 0; i < 2000; i++) {
		chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
		there_and_back(PROTO_UDP, INSIDE6 | (address)(i * 33 % 0xffff) << 64 | chance);
		if (i % 500 == 499)
			lab_forget_flows();
	}
}

/* RFC 6296 §3.5: longer prefixes put the adjustment into the interface identifier. */
static void long_prefixes(unsigned prefix_len, unsigned inside_len)
{
	address client = INSIDE6 | (address)0x12 << 64 | (address)0xffff << 48 | 0x77, mapped = 0;
	struct prefix prefix = {lab_prefix(0).addr | (address)0x3400 << 64, prefix_len};
	struct prefix inside = {INSIDE6 | (inside_len > 56 ? (address)0x12 << 64 : 0), inside_len};
	struct wh_wan row = lab.wan[0];
	struct packet p = lab_packet(PROTO_UDP, client, 5000, lab_remote(WH_V6, 0), 53), want;
	struct result r;

	row.v6.flags = WH_WAN_NPT | WH_WAN_GATEWAY | WH_WAN_GATEWAY_MAC;
	lab_put6(&row.v6.prefix_be, prefix.addr);
	lab_put6(&row.v6.inside_be, inside.addr);
	row.v6.prefix_len = (uint8_t)prefix_len;
	row.v6.inside_len = (uint8_t)inside_len;
	lab_set_wan(0, &row);
	lab_forget_flows();
	assert_true(npt_map(inside, prefix, client, &mapped));
	want = packet_changed(&p, &(struct change){.side = SOURCE, .addr = mapped});
	r = lab_from_lan(&p);
	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	p = lab_answer(0, &want, 0);
	want = packet_changed(&p, &(struct change){.side = DESTINATION, .addr = client});
	want = packet_framed(&want, lab.lan[0].mac, mac_a);
	r = lab_from_wan(0, &p);
	expect_sent(&r, &want);
}

static void test_long_prefixes(void **state)
{
	(void)state;
	long_prefixes(56, 56);
	long_prefixes(56, 64);
	long_prefixes(64, 64);
	long_prefixes(48, 56);
	long_prefixes(48, 64);
}

/* Addresses without an image are dropped (§3.4: subnet 0xffff; an interface identifier of zeros), and counted. */
static void test_no_image(void **state)
{
	const address clients[] = {INSIDE6 | (address)0xffff << 64 | 5, INSIDE6 | (address)7 << 64};

	(void)state;
	lab_translate_prefix(0);
	lab_translate_prefix(1);
	for (unsigned i = 0; i < 2; i++) {
		struct packet p = lab_packet(PROTO_UDP, clients[i], 5000, lab_remote(WH_V6, 0), 53);
		struct result r = lab_from_lan(&p);

		expect_dropped(&r);
		assert_int_equal(lab_reasons_total(), i + 1);
	}
	lab_expect_consistent();
}

/* A source that this WAN delegated itself needs no translation, and gets none. */
static void test_own_prefix(void **state)
{
	address client = lab_prefix(0).addr | (address)5 << 64 | 0x99;
	struct packet p = lab_packet(PROTO_UDP, client, 5000, lab_remote(WH_V6, 0), 53), want, answer;
	struct wh_wan row = lab.wan[0];
	struct result r;

	(void)state;
	row.v6.flags |= WH_WAN_OWN_PREFIX;
	lab_set_wan(0, &row);
	want = packet_changed(&p, &(struct change){.side = SOURCE, .addr = client});
	r = lab_from_lan(&p);
	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	answer = lab_answer(0, &want, 0);
	want = packet_changed(&answer, &(struct change){.side = DESTINATION, .addr = client});
	want = packet_framed(&want, lab.lan[0].mac, mac_a);
	r = lab_from_wan(0, &answer);
	expect_sent(&r, &want);
	assert_int_equal(lab_ports(), 0);
}

/* The prefix changes: nothing ever leaves under the old one, and the new one is used at once. */
static void test_prefix_changes(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, lab_client(WH_V6, 0), 5000, lab_remote(WH_V6, 0), 53), want;
	struct wh_wan row = lab.wan[0];
	address mapped = 0;
	struct result r;

	(void)state;
	row.v6.flags = WH_WAN_NPT | WH_WAN_GATEWAY | WH_WAN_GATEWAY_MAC;
	lab_set_wan(0, &row);
	there_and_back(PROTO_UDP, lab_client(WH_V6, 0));
	lab_put6(&row.v6.prefix_be, lab_prefix(77).addr);
	lab_set_wan(0, &row);
	assert_true(npt_map(lab_inside(), lab_prefix(77), lab_client(WH_V6, 0), &mapped));
	want = packet_changed(&p, &(struct change){.side = SOURCE, .addr = mapped});
	r = lab_from_lan(&p);
	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	lab_expect_consistent();
}

/* §5: without a session, too: up to the kernel and its firewall, with the inside address. */
static void test_from_outside(void **state)
{
	struct spec s = {.t = {lab_remote(WH_V6, 7), outside(lab_client(WH_V6, 0)), 4000, 80, PROTO_TCP}};
	struct change c = {.side = DESTINATION, .addr = lab_client(WH_V6, 0), .ttl_stays = true};
	struct packet p = remote_packet(0, s), want = packet_changed(&p, &c);
	struct result r;

	(void)state;
	lab_translate_prefix(0);
	r = lab_from_wan(0, &p);
	expect_let_by(&r, &want);
}

/* Errors about what left under a mapped source reach the client, their quotes reverted. */
static void test_errors(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, lab_client(WH_V6, 0), 5000, lab_remote(WH_V6, 0), 53), out, error, want;
	struct error e = {.from = IP6(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1), .type = ICMP6_TOO_BIG, .rest = 1300};
	struct change back = {.side = DESTINATION, .addr = lab_client(WH_V6, 0)};
	struct result r;

	(void)state;
	lab_translate_prefix(0);
	out = packet_changed(&p, &(struct change){.side = SOURCE, .addr = outside(lab_client(WH_V6, 0))});
	r = lab_from_lan(&p);
	out = lab_leaving(0, &out);
	expect_sent(&r, &out);
	e.src_mac = mac_isp;
	e.dst_mac = lab.wan[0].mac;
	error = packet_error(&out, &e);
	want = packet_error_changed(&error, &back);
	want = packet_framed(&want, lab.lan[0].mac, mac_a);
	r = lab_from_wan(0, &error);
	expect_sent(&r, &want);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_every_protocol), LAB_TEST(test_many_addresses), LAB_TEST(test_long_prefixes),
	LAB_TEST(test_no_image),       LAB_TEST(test_own_prefix),     LAB_TEST(test_prefix_changes),
	LAB_TEST(test_from_outside),   LAB_TEST(test_errors),
};

LAB_MAIN(tests, 4096)
