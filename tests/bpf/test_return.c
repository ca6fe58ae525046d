/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_return.c: which packets from a WAN are answers, and to whom they go; the mark that says "dealt with"; what
 * is counted and stamped of either direction.  The bytes of it all: test_translate.c.
 */
#include "harness.h"

#include <string.h>

#include "lib/clock.h"

/* --- the way back to the client ----------------------------------------------------------------------------- */

/* Each byte of a changed MAC is noticed with the client's next packet. */
static void test_client_changes_its_mac(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&p, 0);

	(void)state;
	answer_in(&p, 0, port, 0);
	for (unsigned i = 0; i < 6; i++) {
		p.bytes[6 + i] ^= 0x10;
		send_out(&p, 0);
		answer_in(&p, 0, port, 0);
	}
	memcpy(p.bytes + 6, mac_b, 6);
	send_out(&p, 0);
	answer_in(&p, 0, port, 0);
}

static void test_two_lans(void **state)
{
	struct spec s = {.t = {CLIENT_LAN1, REMOTE_1, 5000, 53, PROTO_UDP}, .dst_mac = lab.lan[1].mac};
	struct packet p = client_packet(s), answer, want;
	struct result r = lab_run(WH_HOOK_LAN_IN, &(struct lab_context){.ifindex = lab.lan_ifindex[1]}, &p);

	(void)state;
	expect_out(&r, &p, 0);
	answer = lab_answer(0, &r.packet, 0);
	r = lab_from_wan(0, &answer);
	want = packet_delivered(&answer, CLIENT_LAN1, 5000, lab.lan[1].mac, mac_a);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	expect_packet(&r.packet, &want);
}

/* Neither a device that nobody named nor one of another kind is a LAN, should the hook ever run there. */
static void test_device_that_is_no_lan(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .dst_mac = lab.spare.mac};
	struct packet p = client_packet(s);
	struct result r = lab_run(WH_HOOK_LAN_IN, &(struct lab_context){.ifindex = lab.spare.ifindex}, &p);

	(void)state;
	expect_untouched(&r, &p);
	s.dst_mac = lab.wan[0].mac;
	p = client_packet(s);
	r = lab_run(WH_HOOK_LAN_IN, &(struct lab_context){.ifindex = lab.wan_ifindex[0]}, &p);
	expect_untouched(&r, &p);
	assert_int_equal(lab_flows(), 0);
}

/* Only the very answer comes in: from that remote, from that port, by that WAN, to that port. */
static void test_what_is_not_an_answer(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), answer;
	address external = lab_own(0);
	uint16_t port = send_out(&p, 0);
	const struct tuple strangers[] = {
		{REMOTE_2, external, 53, port, PROTO_UDP},
		{REMOTE_1, external, 54, port, PROTO_UDP},
		{REMOTE_1, external, 53, (uint16_t)(port + 1), PROTO_UDP},
		{REMOTE_1, external, 53, port, PROTO_TCP},
		{REMOTE_1, external + 1, 53, port, PROTO_UDP},
	};
	struct result r;

	(void)state;
	for (unsigned i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		answer = remote_packet(0, (struct spec){.t = strangers[i]});
		r = lab_from_wan(0, &answer);
		assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
		expect_packet(&r.packet, &answer);
	}
	answer = remote_packet(0, (struct spec){.t = {REMOTE_1, external, 53, port, PROTO_UDP}});
	r = lab_from_wan(1, &answer);
	expect_untouched(&r, &answer);
	r = lab_from_wan(0, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
}

/* RFC 1812 §5.3.1: its sender is told. */
static void test_answer_with_ttl_used_up(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), answer, want;
	struct spec s = {.t = {REMOTE_1, lab_own(0), 53, 0, PROTO_UDP}, .ttl = 1};
	struct result r;

	(void)state;
	s.t.dport = send_out(&p, 0);
	answer = remote_packet(0, s);
	want = packet_exceeded(&answer, lab_own(0));
	want = lab_leaving(0, &want);
	r = lab_from_wan(0, &answer);
	expect_error(&r, &want);
	assert_int_equal(lab_reason(WH_REASON_TTL), 1);
}

/* Other software's bits of the mark live on; ours say that the packet is dealt with. */
static void test_mark(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .mark = 0x00abcdef};
	struct result r = lab_run(WH_HOOK_LAN_IN, &context, &p);
	uint16_t port = expect_out(&r, &p, 0);
	struct packet sent = r.packet, answer;

	(void)state;
	assert_int_equal(r.mark, LAB_MARK | 0x00abcdef);
	answer = lab_answer(0, &sent, 0);
	context = (struct lab_context){.ifindex = lab.wan_ifindex[0], .mark = 0x00123456};
	r = lab_run(WH_HOOK_WAN_IN, &context, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_int_equal(r.mark, LAB_MARK | 0x00123456);
	assert_int_not_equal(port, 0);
}

/* --- what is counted ---------------------------------------------------------------------------------------- */

static void test_counters(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), answer = {};
	uint16_t port = send_out(&p, 0);
	struct wh_counters c;
	struct wh_flow flow;

	(void)state;
	send_out(&p, 0);
	answer = answer_in(&p, 0, port, 0);
	c = lab_counters(0, 0);
	assert_int_equal(c.tx_packets, 2);
	assert_int_equal(c.tx_bytes, 2 * packet_ip_len(&p));
	assert_int_equal(c.rx_packets, 1);
	assert_int_equal(c.rx_bytes, packet_ip_len(&answer));
	assert_int_equal(c.new_flows, 1);
	assert_int_equal(c.moved + c.reset, 0);
	c = lab_counters(0, 1);
	assert_int_equal(c.tx_packets + c.rx_packets + c.new_flows, 0);
	assert_true(lab_flow(&p, &flow));
	assert_int_equal(flow.tx_packets, 2);
	assert_int_equal(flow.tx_bytes, 2 * packet_ip_len(&p));
}

static void test_signals(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	volatile struct wh_signal *row = lab.t.signal_rows + lab.family * WH_MAX_WANS;
	uint64_t before = wh_now_ns() - WH_SIGNAL_LATE_NS, sent; /* stamps are of the last tick */
	uint16_t port;

	(void)state;
	port = send_out(&p, 0);
	sent = row[0].sent_ns;
	assert_in_range(sent, before, wh_now_ns());
	assert_in_range(row[0].user_sent_ns, before, wh_now_ns());
	assert_int_equal(row[0].heard_ns + row[0].user_heard_ns, 0);
	assert_int_equal(row[1].sent_ns + row[1].heard_ns, 0);
	answer_in(&p, 0, port, 0);
	assert_in_range(row[0].heard_ns, before, wh_now_ns());
	assert_in_range(row[0].user_heard_ns, before, wh_now_ns());
	lab_await_tick(sent);
	send_out(&p, 0);
	assert_true(row[0].sent_ns > sent);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_client_changes_its_mac),
	LAB_BOTH(test_two_lans),
	LAB_BOTH(test_device_that_is_no_lan),
	LAB_BOTH(test_what_is_not_an_answer),
	LAB_BOTH(test_answer_with_ttl_used_up),
	LAB_BOTH(test_mark),
	LAB_BOTH(test_counters),
	LAB_BOTH(test_signals),
};

LAB_MAIN(tests, 4096)
