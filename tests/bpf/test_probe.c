/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_probe.c: probes leave by the WAN that their source address names, whatever the masks say, and their
 * answers come back to the prober and nowhere else.
 */
#include "harness.h"

#include <string.h>

#include "lib/clock.h"

static const uint8_t mac_prober[6] = {0x02, 0xcc, 0, 0, 0, 1};
static const uint8_t protos[] = {PROTO_ICMP, PROTO_TCP, PROTO_UDP};

static address net(void)
{
	return lab.family == WH_V4 ? WH_PROBE_NET : IP6(0xfd77, 0x616e, 0x6865, 0x6c6d, 0, 0, 0, 0);
}

static address source_of(unsigned wan)
{
	return net() + 1 + wan;
}

static struct packet probe_from(uint8_t proto, address src)
{
	struct spec s = {
		.t = {src, REMOTE_1, 700, 53, proto}, .src_mac = mac_prober, .dst_mac = lab.prober.mac, .payload = 24};

	return packet_make(&s);
}

/* Out by that WAN, and the answer back to the prober's veth, byte for byte. */
static void probe_and_answer(const struct packet *p, unsigned wan)
{
	struct result r = lab_from_prober(p);
	struct packet answer, want;

	expect_out(&r, p, wan);
	answer = lab_answer(wan, &r.packet, TCP_SYN | TCP_ACK);
	want = packet_delivered(&answer, source_of(wan), 700, lab.prober.mac, mac_prober);
	r = lab_from_wan(wan, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_int_equal(r.mark & LAB_MARK_MASK, LAB_MARK);
	expect_packet(&r.packet, &want);
}

static void every_wan(void)
{
	for (unsigned wan = 0; wan < LAB_WANS; wan++) {
		for (unsigned i = 0; i < sizeof(protos); i++) {
			struct packet p = probe_from(protos[i], source_of(wan));

			probe_and_answer(&p, wan);
		}
	}
	lab_expect_consistent();
}

static void test_every_wan(void **state)
{
	(void)state;
	every_wan();
}

static void test_dead_wans(void **state)
{
	(void)state;
	lab_set_alive(0);
	lab_set_masks(0, 0);
	lab_set_order((const int[]){-1});
	every_wan();
}

/* Names are learnt for clients; what a name server says to a probe is timed. */
static void test_answers_to_probes_do_not_wait(void **state)
{
	(void)state;
	lab.t.steer_rows[WH_STEER_GLOBAL].learn_names = 1;
	lab.t.steer_rows[WH_STEER_GLOBAL].heartbeat_ns = wh_clock_ns(CLOCK_BOOTTIME);
	every_wan();
}

/* A probe's flow stays on its WAN when that dies in its midst, too: it is what finds out that it works again. */
static void test_flip_does_not_move_probes(void **state)
{
	struct packet syn = probe_from(PROTO_TCP, source_of(0)), ack = syn;

	(void)state;
	probe_and_answer(&syn, 0);
	lab_set_alive(0x02);
	probe_and_answer(&syn, 0);
	ack.bytes[packet_l4(&ack) + 13] = TCP_ACK;
	packet_sum(&ack);
	probe_and_answer(&ack, 0);
	probe_and_answer(&ack, 0);
	assert_int_equal(lab_counters(WH_CLASS_PROBE, 1).moved + lab_counters(WH_CLASS_PROBE, 0).reset, 0);
}

static void test_routes_do_not_matter(void **state)
{
	struct packet p = probe_from(PROTO_ICMP, source_of(1));

	(void)state;
	lab_set_route(REMOTE_1, lab.family == WH_V4 ? 32 : 128, WH_ROUTE_KERNEL, 0);
	probe_and_answer(&p, 1);
}

/* A link-local source means nothing outside, so probes are translated even where users' packets are not. */
static void test_untranslated_wan(void **state)
{
	struct packet p = probe_from(PROTO_ICMP, source_of(0));

	(void)state;
	lab_leave_untranslated(0);
	probe_and_answer(&p, 0);
}

static void test_changed_address(void **state)
{
	struct packet p = probe_from(PROTO_ICMP, source_of(0));
	struct result r = lab_from_prober(&p);
	struct packet want;

	(void)state;
	expect_out(&r, &p, 0);
	lab_readdress(0, lab_own(0) + 75);
	r = lab_from_prober(&p);
	want = packet_translated(&p, lab_own(0) + 75, packet_tuple(&r.packet).sport);
	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	lab_expect_consistent();
}

static void test_unknown_sources(void **state)
{
	const address sources[] = {net(), source_of(LAB_WANS), net() + 255, CLIENT_A};

	(void)state;
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct packet p = probe_from(PROTO_UDP, sources[i]);
		struct result r = lab_from_prober(&p);

		expect_dropped(&r);
		assert_int_equal(lab_reason(WH_REASON_PROBE_UNKNOWN), i + 1);
	}
	assert_int_equal(lab_flows(), 0);
}

/* Neighbour discovery of the veth itself must reach the kernel. */
static void test_arp_passes(void **state)
{
	struct packet p = probe_from(PROTO_UDP, source_of(0));
	struct result r;

	(void)state;
	packet_put16(&p, 12, 0x0806);
	r = lab_from_prober(&p);
	expect_untouched(&r, &p);
}

static void test_wan_without_device_or_address(void **state)
{
	struct packet p = probe_from(PROTO_ICMP, source_of(0));
	struct wh_wan row = lab.wan[0];
	struct result r;

	(void)state;
	row.ifindex = 0;
	lab_set_wan(0, &row);
	r = lab_from_prober(&p);
	expect_dropped(&r);
	lab_readdress(0, 0);
	r = lab_from_prober(&p);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_NO_WAN), 2);
	lab_expect_consistent();
}

/* A probe and a user's flow to the same remote are two flows, and counted apart. */
static void test_counted_apart(void **state)
{
	struct packet probe = probe_from(PROTO_ICMP, source_of(0));
	struct packet user = lab_packet(PROTO_ICMP, CLIENT_A, 700, REMOTE_1, 0);
	volatile struct wh_signal *row = lab.t.signal_rows + lab.family * WH_MAX_WANS;
	uint64_t before = wh_now_ns();

	(void)state;
	probe_and_answer(&probe, 0);
	assert_in_range(row[0].sent_ns, before, wh_now_ns());
	assert_in_range(row[0].heard_ns, before, wh_now_ns());
	assert_int_equal(row[0].user_sent_ns + row[0].user_heard_ns, 0);
	assert_int_equal(lab_counters(0, 0).tx_packets + lab_counters(0, 0).rx_packets, 0);
	assert_int_equal(lab_counters(WH_CLASS_PROBE, 0).tx_packets, 1);
	assert_int_equal(lab_counters(WH_CLASS_PROBE, 0).rx_packets, 1);
	assert_int_equal(lab_counters(WH_CLASS_PROBE, 0).tx_bytes, packet_ip_len(&probe));
	answer_in(&user, 0, send_out(&user, 0), 0);
	assert_int_equal(lab_counters(0, 0).tx_packets, 1);
	assert_int_equal(lab_counters(WH_CLASS_PROBE, 0).tx_packets, 1);
	assert_in_range(row[0].user_heard_ns, before, wh_now_ns());
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_every_wan),
	LAB_BOTH(test_dead_wans),
	LAB_BOTH(test_answers_to_probes_do_not_wait),
	LAB_BOTH(test_flip_does_not_move_probes),
	LAB_BOTH(test_routes_do_not_matter),
	LAB_BOTH(test_untranslated_wan),
	LAB_BOTH(test_changed_address),
	LAB_BOTH(test_unknown_sources),
	LAB_TEST(test_arp_passes),
	LAB_BOTH(test_wan_without_device_or_address),
	LAB_BOTH(test_counted_apart),
};

LAB_MAIN(tests, 4096)
