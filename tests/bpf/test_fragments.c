/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_fragments.c: fragments of either family on their way through (RFC 4787 REQ-14, 6864 §5.3), both ways; packets
 * that the controller is asked to cut up (4787 REQ-13) or to keep waiting.
 */
#include "harness.h"
#include "slow_ring.h"

#include <wanhelm/slow.h>

#define CUT 48 /* bytes of a datagram in its first fragment */

static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, 0};

static struct packet big(enum wh_family family, uint8_t proto, uint32_t id)
{
	struct spec s = {.t = {lab_client(family, 0), lab_remote(family, 0), 5000, 53, proto ? proto : PROTO_ICMP},
			 .id = id,
			 .tcp_flags = TCP_PSH | TCP_ACK,
			 .payload = 100};

	return client_packet(s);
}

/* TCP needs its session first. Returns the external port. */
static uint16_t open_for(const struct packet *whole)
{
	struct tuple t = packet_tuple(whole);
	struct packet first = lab_packet(t.proto, t.src, t.sport, t.dst, t.dport);

	return send_out(&first, 0);
}

static uint16_t id_of(const struct packet *p)
{
	return packet_get16(p, p->l2 + 4);
}

/* IPv4: the identifier that it leaves with is free; the sums are not. */
static void take_id(struct packet *want, const struct packet *got)
{
	if (packet_is_v6(want))
		return;
	packet_put16(want, want->l2 + 4, id_of(got));
	packet_sum(want);
}

/* --- out ---------------------------------------------------------------------------------------------------- */

/* Pieces go up to the kernel, which may put them together; what leaves are those of the packet that would have left. */
static void pieces_go_out(enum wh_family family, uint8_t proto, unsigned device)
{
	struct packet whole = big(family, proto, 0x4321), out, in[2], want[2];
	uint16_t port = open_for(&whole), id = 0;

	out = packet_translated(&whole, lab_external(0, &whole), port);
	out = lab_leaving(0, &out);
	packet_cut(&whole, CUT, 0x4321, &in[0], &in[1]);
	packet_cut(&out, CUT, 0x4321, &want[0], &want[1]);
	for (unsigned i = 0; i < 2; i++) {
		struct result r = lab_by_kernel(&in[i], device);

		take_id(&want[i], &r.packet);
		expect_out_by_kernel(&r, &want[i], device == 0);
		assert_true(family == WH_V6 || i == 0 || id_of(&r.packet) == id);
		id = id_of(&r.packet);
	}
}

static void test_pieces_go_out(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 12; i++)
		pieces_go_out(i % 2, protos[i / 4], i / 2 % 2);
	lab_expect_consistent();
}

/* A fragmented packet may be a session's first, too. */
static void test_first_packet_in_pieces(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet whole = big(family, PROTO_UDP, 0x99), out, in[2], want[2];
		struct result r;

		packet_cut(&whole, CUT, 0x99, &in[0], &in[1]);
		r = lab_by_kernel(&in[0], 0);
		out = packet_translated(&whole, lab_external(0, &whole), packet_tuple(&r.packet).sport);
		out = lab_leaving(0, &out);
		packet_cut(&out, CUT, 0x99, &want[0], &want[1]);
		take_id(&want[0], &r.packet);
		expect_out_by_kernel(&r, &want[0], true);
		take_id(&want[1], &r.packet);
		r = lab_by_kernel(&in[1], 0);
		expect_out_by_kernel(&r, &want[1], true);
	}
}

/* Put together on its way, it leaves like any other packet. */
static void test_pieces_put_together(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet whole = big(family, PROTO_UDP, 0x99), first, second, want;
		uint16_t port = open_for(&whole);
		struct lab_context context = {.ifindex = lab.wan_ifindex[0], .ingress_ifindex = lab.lan_ifindex[0]};
		struct result r;

		packet_cut(&whole, CUT, 0x99, &first, &second);
		context.mark = lab_from_lan(&first).mark;
		want = packet_translated(&whole, lab_external(0, &whole), port);
		want = lab_leaving(0, &want);
		whole = lab_forwarded(&whole, 0);
		r = lab_run(WH_HOOK_WAN_OUT, &context, &whole);
		expect_out_by_kernel(&r, &want, true);
	}
}

/* RFC 6864 §5.3: two clients' datagrams to one remote that happen to have one identifier must not have one outside. */
static void test_identifiers_are_unlike(void **state)
{
	uint16_t seen[64];
	unsigned alike = 0;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct spec s = {.t = {CLIENT_A + i, REMOTE_1, 5000, 53, PROTO_UDP}, .id = 0x4321, .payload = 100};
		struct packet whole = client_packet(s), first, second;
		struct result r;

		packet_cut(&whole, CUT, 0, &first, &second);
		r = lab_by_kernel(&first, 0);
		assert_true(packet_tuple(&r.packet).src == lab_own(0));
		seen[i] = id_of(&r.packet);
		for (unsigned k = 0; k < i; k++)
			alike += seen[k] == seen[i];
	}
	/* Of 64 at random two are alike once in thirty times; three pairs, in a hundred thousand. */
	assert_in_range(alike, 0, 2);
}

/* A later fragment before its first never leaves: it carries no port to translate. */
static void test_orphans_do_not_leave(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet whole = big(family, PROTO_UDP, 0x77), first, second;
		struct result r;

		open_for(&whole);
		packet_cut(&whole, CUT, 0x77, &first, &second);
		r = lab_by_kernel(&second, 0);
		expect_dropped(&r);
	}
}

/* 4787 REQ-14: a flood of orphans costs nobody anything. */
static void test_flood_of_orphans(void **state)
{
	struct packet normal = lab_packet(PROTO_UDP, CLIENT_A, 6000, REMOTE_1, 53);
	uint16_t port = send_out(&normal, 0);

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		struct spec s = {
			.t = {CLIENT_B + i % 7, REMOTE_1, 0, 0, PROTO_UDP}, .id = 1 + i, .fragment = 9, .payload = 8};
		struct packet orphan = client_packet(s);

		lab_from_lan(&orphan);
	}
	assert_int_equal(lab_flows(), 1);
	assert_int_equal(send_out(&normal, 0), port);
	pieces_go_out(WH_V4, PROTO_UDP, 0);
	pieces_go_out(WH_V6, PROTO_UDP, 0);
}

/* --- in ----------------------------------------------------------------------------------------------------- */

static struct packet big_answer(const struct packet *first, uint16_t port)
{
	struct tuple t = packet_tuple(first);
	struct spec s = {.t = {t.dst, lab_external(0, first), t.dport, port, t.proto},
			 .id = 0x2468,
			 .tcp_flags = TCP_PSH | TCP_ACK,
			 .reply = true,
			 .payload = 100};

	if (t.proto == PROTO_ICMP || t.proto == PROTO_ICMP6)
		s.t.sport = port;
	return remote_packet(0, s);
}

static void expect_delivered(const struct packet *piece, const struct packet *want)
{
	struct packet framed = packet_framed(want, lab.lan[0].mac, mac_a);
	struct result r = lab_from_wan(0, piece);

	expect_sent(&r, &framed);
}

static void test_pieces_come_in(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		enum wh_family family = i % 2;
		struct packet first = big(family, protos[i / 2], 1), answer, back, in[2], want[2];
		struct tuple client = packet_tuple(&first);

		answer = big_answer(&first, open_for(&first));
		back = packet_delivered(&answer, client.src, client.sport, lab.lan[0].mac, mac_a);
		packet_cut(&answer, CUT, 0x2468, &in[0], &in[1]);
		packet_cut(&back, CUT, 0x2468, &want[0], &want[1]);
		expect_delivered(&in[0], &want[0]);
		expect_delivered(&in[1], &want[1]);
		expect_delivered(&in[1], &want[1]);
	}
}

/* --- by way of the controller ------------------------------------------------------------------------------- */

/* 4787 REQ-13: without DF it is cut up: translated as it stands, with the gateway's address on it. */
static void test_too_big_without_df(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .payload = 1400};
	struct packet small = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), p = client_packet(s), want;
	struct wh_wan row = lab.wan[0];
	struct record record;
	struct result r;

	(void)state;
	row.mtu = 1300;
	lab_set_wan(0, &row);
	want = packet_translated(&p, lab_external(0, &p), send_out(&small, 0));
	want = lab_leaving(0, &want);
	slow_records();
	r = lab_from_lan(&p);
	expect_dropped(&r);
	record = slow_records();
	assert_int_equal(record.n, 1);
	assert_int_equal(record.task, WH_SLOW_FRAGMENT);
	assert_int_equal(record.ifindex, lab.wan_ifindex[0]);
	assert_int_equal(record.mtu, 1300);
	take_id(&want, &record.frame);
	expect_packet(&record.frame, &want);
}

/* 4787 REQ-14: out of order from outside: kept by the controller, as it came. */
static void test_orphan_from_outside(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet first = big(family, PROTO_UDP, 1), answer = big_answer(&first, open_for(&first)), in[2];
		struct record record;
		struct result r;

		packet_cut(&answer, CUT, 0x2468, &in[0], &in[1]);
		slow_records();
		r = lab_from_wan(0, &in[1]);
		assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
		record = slow_records();
		assert_int_equal(record.n, 1);
		assert_int_equal(record.task, WH_SLOW_ORPHAN);
		assert_int_equal(record.wan, 0);
		assert_int_equal(record.ifindex, lab.wan_ifindex[0]);
		expect_packet(&record.frame, &in[1]);
	}
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_pieces_go_out),	     LAB_TEST(test_first_packet_in_pieces),
	LAB_TEST(test_pieces_put_together),  LAB_TEST(test_identifiers_are_unlike),
	LAB_TEST(test_orphans_do_not_leave), LAB_TEST(test_flood_of_orphans),
	LAB_TEST(test_pieces_come_in),	     LAB_TEST(test_too_big_without_df),
	LAB_TEST(test_orphan_from_outside),
};

LAB_MAIN(tests, 4096)
