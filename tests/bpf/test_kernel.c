/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_kernel.c: what is the kernel's business and reaches it byte for byte as it came; the done mark; the leak
 * guard.  Packets that contradict themselves are in test_malformed.c.
 */
#include "harness.h"

#include <string.h>

/* Nothing was made of it: no flow, no binding, no count but (perhaps) the reason. */
static void expect_kernels(const struct packet *in)
{
	struct result r = lab_from_lan(in);

	expect_untouched(&r, in);
	assert_int_equal(lab_flows() + lab_replies(), 0);
	assert_int_equal(lab_binds() + lab_ports(), 0);
	assert_int_equal(lab_counters(0, 0).tx_packets, 0);
}

static struct packet with_ethertype(uint16_t type, uint8_t fill)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	packet_put16(&p, 12, type);
	memset(p.bytes + PACKET_L2, fill, p.len - PACKET_L2);
	return p;
}

static void test_other_ethertypes(void **state)
{
	static const uint16_t types[] = {0x0806, 0x8863, 0x8864, 0x888e, 0x8100, 0x88cc, 0x0000};

	(void)state;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct packet p = with_ethertype(types[i], 0x45);

		expect_kernels(&p);
	}
}

static void test_other_protocols(void **state)
{
	static const uint8_t protos[] = {2, 51, 89, 103, 112, 136, 255};

	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++) {
		struct packet p = lab_packet(protos[i], CLIENT_A, 0, REMOTE_1, 0);

		expect_kernels(&p);
		assert_int_equal(lab_reason(WH_REASON_KERNEL_PROTO), i + 1);
	}
}

/* Only an echo or timestamp request opens a flow: other queries and answers are the kernel's. */
static void test_other_icmp(void **state)
{
	static const uint8_t types[] = {9, 10, 14, 15, 17, 18};
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 77, 0, PROTO_ICMP}, .payload = 30};
	struct packet p;

	(void)state;
	for (unsigned i = 0; i < sizeof(types); i++) {
		s.icmp_type = types[i];
		p = client_packet(s);
		expect_kernels(&p);
	}
	s.icmp_type = 0;
	s.reply = true;
	p = client_packet(s);
	expect_kernels(&p);
}

/* An ICMP error whose bytes happen to be a flow's identifier is still not of that flow. */
static void test_icmp_error_beside_a_flow(void **state)
{
	struct packet echo = lab_packet(PROTO_ICMP, CLIENT_A, 77, REMOTE_1, 0), error;
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 77, 0, PROTO_ICMP}, .icmp_type = ICMP_UNREACHABLE};
	struct result r;
	uint16_t id = send_out(&echo, 0);

	(void)state;
	error = client_packet(s);
	r = lab_from_lan(&error);
	assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
	s.t = (struct tuple){REMOTE_1, be32toh(lab.wan[0].v4.addr_be), id, 0, PROTO_ICMP};
	error = remote_packet(0, s);
	r = lab_from_wan(0, &error);
	assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
}

static void test_tcp_in_mid_session(void **state)
{
	static const uint8_t flags[] = {
		TCP_ACK, TCP_PSH | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK, TCP_SYN | TCP_ACK, TCP_PSH};

	(void)state;
	for (unsigned i = 0; i < sizeof(flags); i++) {
		struct packet p = lab_segment(CLIENT_A, 5000, REMOTE_1, 443, flags[i]);

		expect_kernels(&p);
		assert_int_equal(lab_reason(WH_REASON_KERNEL_MIDFLOW), i + 1);
	}
}

static void test_routes(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct packet local = lab_packet(PROTO_UDP, CLIENT_A, 5000, CLIENT_B, 53);
	uint64_t counted;

	(void)state;
	expect_kernels(&local);
	lab_set_route(REMOTE_1 & 0xffffff00, 24, WH_ROUTE_KERNEL, 0);
	expect_kernels(&p);
	counted = lab_reason(WH_REASON_KERNEL_ROUTE);
	assert_int_equal(counted, 2);
	lab_set_route(REMOTE_1, 32, WH_ROUTE_DEFAULT, 0);
	send_out(&p, 0);
	assert_int_equal(lab_reason(WH_REASON_KERNEL_ROUTE), counted);
}

static void test_no_route_entry_is_a_default(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	(void)state;
	lab_drop_route(0, 0);
	send_out(&p, 0);
}

/* The kernel answers a used-up time to live; that of a flow's packet too. */
static void test_ttl_used_up(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .ttl = 1};
	struct packet p = client_packet(s), good = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct result r;

	(void)state;
	expect_kernels(&p);
	send_out(&good, 0);
	r = lab_from_lan(&p);
	expect_untouched(&r, &p);
	p.bytes[22] = 0;
	packet_sum(&p);
	r = lab_from_lan(&p);
	expect_untouched(&r, &p);
	assert_int_equal(lab_reason(WH_REASON_KERNEL_TTL), 3);
}

/* A LAN device that listens to everything (tcpdump) hears frames that are for another router. */
static void test_frame_for_another_host(void **state)
{
	static const uint8_t others[][6] = {
		{0x02, 0xbb, 0, 0, 0, 9}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x01, 0, 0x5e, 1, 2, 3}};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .dst_mac = others[i]};
		struct packet p = client_packet(s);

		expect_kernels(&p);
	}
}

/* RFC 1812 §5.3.7, 3927 §2.7, 4291 §2.5 and 2.7: sources that no router may forward. */
static void test_martian_sources(void **state)
{
	const address sources[] = {IP(127, 0, 0, 1),   IP(0, 0, 0, 0),	    IP(224, 1, 2, 3), IP(255, 255, 255, 255),
				   IP(169, 254, 1, 1), IP(169, 254, 87, 1), IP(240, 0, 0, 1)};
	const address sources6[] = {1, 0, (address)0xff0e << 112 | 5, (address)0xfe80 << 112 | 5,
				    (address)0xffff << 32 | IP(192, 168, 1, 10)};
	unsigned n = lab.family == WH_V4 ? sizeof(sources) : sizeof(sources6);

	(void)state;
	for (unsigned i = 0; i < n / sizeof(address); i++) {
		address src = lab.family == WH_V4 ? sources[i] : sources6[i];
		struct packet p = lab_packet(PROTO_UDP, src, 5000, REMOTE_1, 53);
		struct result r = lab_from_lan(&p);

		assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
		assert_int_equal(lab_flows(), 0);
	}
}

/* --- the done mark ------------------------------------------------------------------------------------------ */

static void test_what_is_done_passes(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), answer;
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .mark = LAB_MARK | 0x00c0ffee};
	struct result r = lab_run(WH_HOOK_LAN_IN, &context, &p);
	uint16_t port;

	(void)state;
	assert_int_equal(r.verdict, VERDICT_NEXT);
	expect_packet(&r.packet, &p);
	assert_int_equal(r.mark, 0x00c0ffee);
	assert_int_equal(lab_flows(), 0);
	port = send_out(&p, 0);
	answer = remote_packet(0, (struct spec){.t = {REMOTE_1, be32toh(lab.wan[0].v4.addr_be), 53, port, PROTO_UDP}});
	context.ifindex = lab.wan_ifindex[0];
	r = lab_run(WH_HOOK_WAN_IN, &context, &answer);
	assert_int_equal(r.verdict, VERDICT_NEXT);
	expect_packet(&r.packet, &answer);
}

/* A mark of other software that only resembles ours does not let a packet by. */
static void test_foreign_mark_is_not_done(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .mark = 0x56000000};
	struct result r = lab_run(WH_HOOK_LAN_IN, &context, &p);

	(void)state;
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_int_equal(r.mark, LAB_MARK);
}

static void test_done_mark_is_cleared_on_the_way_out(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct lab_context context = {
		.ifindex = lab.wan_ifindex[0], .ingress_ifindex = lab.lan_ifindex[0], .mark = LAB_MARK | 0x00c0ffee};
	struct result r = lab_run(WH_HOOK_WAN_OUT, &context, &p);

	(void)state;
	assert_int_equal(r.verdict, VERDICT_NEXT);
	assert_int_equal(r.mark, 0x00c0ffee);
	expect_packet(&r.packet, &p);
}

/* --- the leak guard ----------------------------------------------------------------------------------------- */

static void test_leak_guard(void **state)
{
	struct packet inside = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct packet ours = lab_packet(PROTO_UDP, lab_own(0), 5000, REMOTE_1, 53);
	struct result r = lab_to_wan(0, &inside);

	(void)state;
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_LEAK), 1);
	r = lab_to_wan(0, &ours);
	expect_untouched(&r, &ours);
	assert_int_equal(lab_reasons_total(), 1);
}

/* What has another WAN's address may leave by that WAN and no other. */
static void test_leak_guard_sees_other_wans_sources(void **state)
{
	struct packet other_wans = lab_packet(PROTO_UDP, lab_own(1), 5000, REMOTE_1, 53), want;
	struct result r = lab_to_wan(0, &other_wans);

	(void)state;
	want = lab_leaving(1, &other_wans);
	if (r.verdict != VERDICT_DROP)
		expect_sent(&r, &want);
}

/* Whatever the protocol, fragments included: they come here unsteered. */
static void test_leak_guard_sees_every_protocol(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_GRE, PROTO_ESP};

	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++) {
		struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, protos[i]}, .payload = 30};
		struct packet whole = client_packet(s), piece;
		struct result r = lab_to_wan(0, &whole);

		expect_dropped(&r);
		s.fragment = 20;
		piece = client_packet(s);
		r = lab_to_wan(0, &piece);
		expect_dropped(&r);
	}
	assert_int_equal(lab_reason(WH_REASON_LEAK), 2 * sizeof(protos));
}

/* Other kinds of packets and untranslated WANs are none of its business. */
static void test_leak_guard_lets_by(void **state)
{
	struct packet inside = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), arp = with_ethertype(0x0806, 1);
	struct result r = lab_to_wan(0, &arp);

	(void)state;
	expect_untouched(&r, &arp);
	lab_set_order((const int[]){1, -1});
	lab_leave_untranslated(1);
	r = lab_to_wan(1, &inside);
	expect_let_by(&r, &inside);
	assert_int_equal(lab_reason(WH_REASON_LEAK), 0);
}

/* --- too big ------------------------------------------------------------------------------------------------ */

/* A packet that is cut into segments later must fit segment by segment. */
static void test_mtu_of_segments(void **state)
{
	struct packet syn = lab_segment(CLIENT_A, 5000, REMOTE_1, 443, TCP_SYN);
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 443, PROTO_TCP},
			 .tcp_flags = TCP_ACK,
			 .fragment = FRAGMENT_DF,
			 .payload = 2000};
	struct packet train = client_packet(s), want = packet_too_big(&train, ROUTER_LAN0, 1000);
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .gso_size = 960};
	struct wh_wan row = lab.wan[0];
	struct result r;

	(void)state;
	row.mtu = 1000;
	lab_set_wan(0, &row);
	send_out(&syn, 0);
	r = lab_run(WH_HOOK_LAN_IN, &context, &train);
	expect_out(&r, &train, 0);
	context.gso_size = 961;
	r = lab_run(WH_HOOK_LAN_IN, &context, &train);
	expect_error(&r, &want);
	assert_int_equal(lab_reason(WH_REASON_TOO_BIG), 1);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_other_ethertypes),
	LAB_TEST(test_other_protocols),
	LAB_TEST(test_other_icmp),
	LAB_TEST(test_icmp_error_beside_a_flow),
	LAB_TEST(test_tcp_in_mid_session),
	LAB_TEST(test_routes),
	LAB_TEST(test_no_route_entry_is_a_default),
	LAB_TEST(test_ttl_used_up),
	LAB_TEST(test_frame_for_another_host),
	LAB_BOTH(test_martian_sources),
	LAB_TEST(test_what_is_done_passes),
	LAB_TEST(test_foreign_mark_is_not_done),
	LAB_TEST(test_done_mark_is_cleared_on_the_way_out),
	LAB_BOTH(test_leak_guard),
	LAB_BOTH(test_leak_guard_sees_other_wans_sources),
	LAB_BOTH(test_leak_guard_sees_every_protocol),
	LAB_TEST(test_leak_guard_lets_by),
	LAB_TEST(test_mtu_of_segments),
};

LAB_MAIN(tests, 4096)
