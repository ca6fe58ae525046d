/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_filtering.c: what strangers may send to a mapping, what keeps it alive, and clients that speak to each other by
 * their external addresses (RFC 4787 REQ-5, 6, 8, 9, 5382 REQ-2 and 4, 7857 §2 and §5 to 7, 6888 REQ-8).
 */
#include "harness.h"

#include <string.h>

#define NEVER (1ULL << 60)

static struct packet udp(enum wh_family family)
{
	return lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_remote(family, 0), 53);
}

/* From remote number n, as an answer to what `p` became on WAN 0 would come. */
static struct packet stranger(const struct packet *p, unsigned n, uint16_t from_port, uint16_t port)
{
	struct tuple t = packet_tuple(p);
	struct spec s = {.t = {t.dst + n, lab_external(0, p), from_port, port, t.proto}, .payload = 20};

	return remote_packet(0, s);
}

/* --- 4787 REQ-8 --------------------------------------------------------------------------------------------- */

/* Address and port dependent: neither another host nor another port of the same one. */
static void test_strangers_are_filtered(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family), in;
		uint16_t port = send_out(&p, 0);
		uint64_t before = lab_reason(WH_REASON_FILTERED);
		struct result r;

		in = stranger(&p, 1, 53, port);
		r = lab_from_wan(0, &in);
		expect_filtered(&r, &in);
		in = stranger(&p, 0, 54, port);
		r = lab_from_wan(0, &in);
		expect_filtered(&r, &in);
		assert_int_equal(lab_reason(WH_REASON_FILTERED), before + 2);
		answer_in(&p, 0, port, 0);
	}
	assert_int_equal(lab_flows(), 2);
}

/* What nobody has bound is the router's own, and its firewall's. */
static void test_unbound_ports_are_the_kernels(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family), in = stranger(&p, 1, 53, 22);
		struct result r = lab_from_wan(0, &in);

		expect_untouched(&r, &in);
	}
}

/* Endpoint independent: up to the kernel, which has its say, with the client's own address and port. */
static void test_open_wan(void **state)
{
	struct wh_wan row = lab.wan[0];

	(void)state;
	row.flags |= WH_WAN_OPEN;
	lab_set_wan(0, &row);
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family), in, want;
		struct change back = {.side = DESTINATION,
				      .addr = lab_client(family, 0),
				      .port = 5000,
				      .with_port = true,
				      .ttl_stays = true};
		uint16_t port = send_out(&p, 0);
		struct result r;

		in = stranger(&p, 1, 4000, port);
		want = packet_changed(&in, &back);
		r = lab_from_wan(0, &in);
		assert_int_equal(r.verdict, VERDICT_NEXT);
		expect_packet(&r.packet, &want);
	}
}

/* --- 4787 REQ-5, 7857 §5 ------------------------------------------------------------------------------------ */

/* What is dropped from outside keeps nothing alive, and neither do answers by themselves. */
static void test_inbound_does_not_refresh(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family), in;
		struct wh_flow before, after;
		uint16_t port = send_out(&p, 0);

		assert_true(lab_flow(&p, &before));
		in = stranger(&p, 1, 53, port);
		lab_from_wan(0, &in);
		assert_true(lab_flow(&p, &after));
		assert_int_equal(before.seen_ns, after.seen_ns);
	}
}

/* REQ-6: what goes out does. */
static void test_outbound_refreshes(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family);
		struct wh_flow before, after;

		send_out(&p, 0);
		assert_true(lab_flow(&p, &before));
		lab_await_tick(before.seen_ns);
		send_out(&p, 0);
		assert_true(lab_flow(&p, &after));
		assert_true(after.seen_ns > before.seen_ns);
	}
}

/* 7857 §2: a RST is translated, and the session's state outlives it. */
static void test_reset_passes_twice(void **state)
{
	struct packet ack = session_segment(TCP_ACK);
	uint16_t port = session_open(0);

	(void)state;
	answer_in(&ack, 0, port, TCP_RST | TCP_ACK);
	answer_in(&ack, 0, port, TCP_RST | TCP_ACK);
	assert_int_equal(lab_flows(), 1);
}

/* --- 5382 --------------------------------------------------------------------------------------------------- */

/* REQ-2: both send a SYN; the remote's one, crossing the client's, is delivered. */
static void test_simultaneous_open(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet syn = lab_segment(lab_client(family, 0), 6000, lab_remote(family, 0), 443, TCP_SYN);
		struct packet syn_ack =
			lab_segment(lab_client(family, 0), 6000, lab_remote(family, 0), 443, TCP_SYN | TCP_ACK);
		uint16_t port = send_out(&syn, 0);

		answer_in(&syn, 0, port, TCP_SYN);
		assert_int_equal(send_out(&syn_ack, 0), port);
		answer_in(&syn, 0, port, TCP_ACK);
	}
}

/* REQ-4: a SYN to a mapping from somebody else is not answered, neither with a RST nor with an error. */
static void test_unsolicited_syn(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet syn = lab_segment(lab_client(family, 0), 6000, lab_remote(family, 0), 443, TCP_SYN), in;
		uint16_t port = send_out(&syn, 0);
		struct result r;

		in = stranger(&syn, 1, 443, port);
		r = lab_from_wan(0, &in);
		expect_filtered(&r, &in);
	}
}

/* --- 4787 REQ-9: hairpin ------------------------------------------------------------------------------------- */

/* From client number n to the other's external mapping: out of the LAN and in again on the WAN. */
static struct result to_each_other(const struct packet *p)
{
	struct result r = lab_from_lan(p);

	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_int_equal(r.mark & LAB_MARK_MASK, 0);
	return lab_from_wan(0, &r.packet);
}

/* Each shows the other its own external mapping (REQ-9 a), and one hop is counted. */
static void hairpin(enum wh_family family, uint8_t proto)
{
	static const uint8_t *const macs[] = {mac_a, mac_b};
	struct packet first[2], p;
	uint16_t port[2];

	for (unsigned i = 0; i < 2; i++) {
		first[i] = lab_packet(proto, lab_client(family, i), 5000, lab_remote(family, 0), 53);
		memcpy(first[i].bytes + 6, macs[i], 6);
		port[i] = send_out(&first[i], 0);
	}
	for (unsigned i = 0; i < 5; i++) {
		unsigned from = i % 2, to = !from;
		struct spec s = {.t = {lab_client(family, from), lab_external(0, &first[0]), 5000, port[to], proto},
				 .src_mac = macs[from],
				 .payload = 30};
		struct change in = {.side = DESTINATION,
				    .addr = lab_client(family, to),
				    .port = 5000,
				    .with_port = true,
				    .ttl_stays = true};
		struct result r;

		p = client_packet(s);
		r = to_each_other(&p);
		if (i == 0) { /* to somebody who has not sent there yet: as from any stranger */
			assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
			continue;
		}
		p = packet_translated(&p, lab_external(0, &p), port[from]);
		p = packet_changed(&p, &in);
		p = packet_framed(&p, lab.lan[0].mac, macs[to]);
		expect_sent(&r, &p);
	}
}

static void test_hairpin(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		hairpin(family, PROTO_UDP);
		hairpin(family, PROTO_TCP);
	}
	lab_expect_consistent();
}

/* Accepted by the kernel, between the LAN's clients, with the TTL one less and its own MACs. */
static struct result accepted(const struct result *up, const uint8_t *dst_mac)
{
	struct lab_context context = {
		.ifindex = lab.lan_ifindex[0], .ingress_ifindex = lab.lan_ifindex[0], .mark = up->mark};
	struct layout at = packet_layout(&up->packet);
	struct change hop = {.side = SOURCE, .addr = packet_address(&up->packet, &at, SOURCE)};
	struct packet p = packet_changed(&up->packet, &hop);

	p = packet_framed(&p, lab.lan[0].mac, dst_mac);
	return lab_run(WH_HOOK_LAN_OUT, &context, &p);
}

/*
 * To an end that is open to everyone: the kernel is shown the two as they are inside, and what it accepts comes in
 * again as it was sent.  Then each has a flow, and the kernel is not asked any more.
 */
static void open_hairpin(enum wh_family family, uint8_t proto)
{
	struct packet first[2], p, want;
	uint16_t port[2];
	struct result r;

	for (unsigned i = 0; i < 2; i++) {
		first[i] = lab_packet(proto, lab_client(family, i), 5000, lab_remote(family, 0), 53);
		memcpy(first[i].bytes + 6, i ? mac_b : mac_a, 6);
		port[i] = send_out(&first[i], 0);
	}
	p = lab_packet(proto, lab_client(family, 0), 5000, lab_external(0, &first[0]), port[1]);
	want = packet_changed(&p, &(struct change){.side = DESTINATION,
						   .addr = lab_client(family, 1),
						   .port = 5000,
						   .with_port = true,
						   .ttl_stays = true});
	r = lab_from_lan(&p);
	assert_int_equal(r.verdict, VERDICT_NEXT);
	assert_int_equal(r.mark & LAB_MARK_MASK, LAB_MARK + ((uint32_t)WH_MARK_SHOWN << 24));
	expect_packet(&r.packet, &want);
	assert_int_equal(lab_flows(), 2);

	r = accepted(&r, mac_b);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	expect_packet(&r.packet, &p);
	assert_int_equal(lab_flows(), 4);

	r = to_each_other(&p);
	want = packet_translated(&p, lab_external(0, &p), port[0]);
	want = packet_changed(&want, &(struct change){.side = DESTINATION,
						      .addr = lab_client(family, 1),
						      .port = 5000,
						      .with_port = true,
						      .ttl_stays = true});
	want = packet_framed(&want, lab.lan[0].mac, mac_b);
	expect_sent(&r, &want);
}

static void test_open_hairpin(void **state)
{
	struct wh_wan row = lab.wan[0];

	(void)state;
	row.flags |= WH_WAN_OPEN;
	for (unsigned i = 0; i < 4; i++) {
		lab_again();
		lab_set_wan(0, &row);
		open_hairpin(i & 1, i & 2 ? PROTO_TCP : PROTO_UDP);
		lab_expect_consistent();
	}
}

/* The router's services at a WAN's address are reached from inside, too. */
static void test_no_hairpin_to_the_router(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family);
		struct packet to_us = lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_external(0, &p), 53);
		struct result r = lab_from_lan(&to_us);

		expect_untouched(&r, &to_us);
		assert_int_equal(lab_flows(), 0);
	}
}

/* --- 6888 REQ-8 --------------------------------------------------------------------------------------------- */

/* A UDP port that was freed is nobody's for a while, though all others are taken. */
static void test_freed_port_waits(void **state)
{
	struct packet first = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct packet next = lab_packet(PROTO_UDP, CLIENT_B, 5000, REMOTE_1, 53);
	struct wh_wan row = lab.wan[0];
	struct result r;

	(void)state;
	row.port_first = row.port_last = 30000;
	lab_set_wan(0, &row);
	lab_set_order((const int[]){0, -1});
	assert_int_equal(send_out(&first, 0), 30000);
	lab_set_timers(0);
	lab.t.sweep_form4->timers_ns[WH_TIMER_PORT] = NEVER;
	for (unsigned i = 0; i < 8; i++)
		lab_sweep(WH_SWEEP_EXPIRE, 0);
	assert_int_equal(lab_binds(), 0);
	r = lab_from_lan(&next);
	expect_refused(&r, &next);
	assert_int_equal(lab_reason(WH_REASON_NO_PORT), 1);
	lab.t.sweep_form4->timers_ns[WH_TIMER_PORT] = 0;
	for (unsigned i = 0; i < 4; i++)
		lab_sweep(WH_SWEEP_EXPIRE, 0);
	assert_int_equal(send_out(&next, 0), 30000);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_strangers_are_filtered),
	LAB_TEST(test_unbound_ports_are_the_kernels),
	LAB_TEST(test_open_wan),
	LAB_TEST(test_inbound_does_not_refresh),
	LAB_TEST(test_outbound_refreshes),
	LAB_TEST(test_reset_passes_twice),
	LAB_TEST(test_simultaneous_open),
	LAB_TEST(test_unsolicited_syn),
	LAB_TEST(test_hairpin),
	LAB_TEST(test_open_hairpin),
	LAB_TEST(test_no_hairpin_to_the_router),
	LAB_TEST(test_freed_port_waits),
};

LAB_MAIN(tests, 4096)
