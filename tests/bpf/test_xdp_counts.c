/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_xdp_counts.c: what XDP counts of a packet that it carries, each thing once, and what its class's lane does with
 * it: rates without a queue to wait in, and marks.  A packet is made to cost so much that the test is over before.
 */
#include "twin.h"

#include "lib/clock.h"

#define COST_NS 1500000000ULL /* of a packet of so many bytes; more does not fit the price */
#define PAYLOAD 700
#define ROW 0 /* class 0 on WAN 0 */

static struct packet datagram(void)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 4500, PROTO_UDP}, .payload = PAYLOAD};

	return client_packet(s);
}

static struct packet open_by_tc(const struct packet *first)
{
	struct result r = lab_from_lan(first);

	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	return r.packet;
}

static struct result by_xdp(unsigned ifindex, const struct packet *p)
{
	struct result r = {};

	lab_use_xdp(false);
	assert_int_equal(lab_xdp(ifindex, p, &r), 0);
	return r;
}

static struct packet long_answer(const struct packet *sent)
{
	struct spec s = {.t = {REMOTE_1, lab_own(0), 4500, packet_tuple(sent).sport, PROTO_UDP}, .payload = PAYLOAD};

	return remote_packet(0, s);
}

/* --- counts ------------------------------------------------------------------------------------------------- */

static struct wh_signal read_signal(void)
{
	struct wh_signal s = {};
	uint32_t row = (lab.family == WH_V4 ? WH_V4 : WH_V6) * WH_MAX_WANS;

	assert_int_equal(bpf_map_lookup_elem(lab.t.signals, &row, &s), 0);
	return s;
}

static void forget_signals(void)
{
	for (uint32_t row = 0; row < WH_SIGNAL_ROWS; row++)
		assert_int_equal(bpf_map_update_elem(lab.t.signals, &row, &(struct wh_signal){}, BPF_ANY), 0);
}

static void test_out_is_counted_once(void **state)
{
	struct packet p = datagram();
	struct wh_counters before, after;
	struct wh_flow was, is;
	struct wh_signal s;
	uint64_t now_ns;

	(void)state;
	open_by_tc(&p);
	assert_true(lab_flow(&p, &was));
	before = lab_counters(0, 0);
	forget_signals();
	now_ns = wh_now_ns();
	lab_await_tick(now_ns);
	assert_int_equal(by_xdp(lab.lan_ifindex[0], &p).verdict, VERDICT_REDIRECT);
	assert_true(lab_flow(&p, &is));
	after = lab_counters(0, 0);
	s = read_signal();
	assert_int_equal(is.tx_packets, was.tx_packets + 1);
	assert_int_equal(is.tx_bytes, was.tx_bytes + packet_ip_len(&p));
	assert_true(is.seen_ns >= now_ns);
	assert_int_equal(after.tx_packets, before.tx_packets + 1);
	assert_int_equal(after.tx_bytes, before.tx_bytes + packet_ip_len(&p));
	assert_int_equal(after.rx_packets + after.rx_bytes, 0);
	assert_int_equal(after.new_flows, before.new_flows);
	assert_true(s.sent_ns >= now_ns && s.user_sent_ns >= now_ns);
	assert_int_equal(s.heard_ns + s.user_heard_ns, 0);
	assert_int_equal(lab_reasons_total(), 0);
}

static void test_in_is_counted_once(void **state)
{
	struct packet p = datagram(), sent, answer;
	struct wh_counters before, after;
	struct wh_flow was, is;
	struct wh_signal s;
	uint64_t now_ns;

	(void)state;
	sent = open_by_tc(&p);
	answer = lab_answer(0, &sent, 0);
	assert_true(lab_flow(&p, &was));
	before = lab_counters(0, 0);
	forget_signals();
	now_ns = wh_now_ns();
	lab_await_tick(now_ns);
	assert_int_equal(by_xdp(lab.wan_ifindex[0], &answer).verdict, VERDICT_REDIRECT);
	assert_true(lab_flow(&p, &is));
	after = lab_counters(0, 0);
	s = read_signal();
	assert_memory_equal(&was, &is, sizeof(was)); /* what comes in keeps no flow alive */
	assert_int_equal(after.rx_packets, before.rx_packets + 1);
	assert_int_equal(after.rx_bytes, before.rx_bytes + packet_ip_len(&answer));
	assert_int_equal(after.tx_packets, before.tx_packets);
	assert_true(s.heard_ns >= now_ns && s.user_heard_ns >= now_ns);
	assert_int_equal(s.sent_ns + s.user_sent_ns, 0);
	assert_int_equal(lab_reasons_total(), 0);
}

/* --- lanes -------------------------------------------------------------------------------------------------- */

static void write_lane(const struct wh_lane *lane)
{
	assert_int_equal(bpf_map_update_elem(lab.t.lanes, &(uint32_t){ROW}, lane, BPF_ANY), 0);
}

/* A packet takes its while, and one may come at once. */
static struct wh_rate one_a_while(void)
{
	uint32_t price = (uint32_t)((COST_NS << WH_RATE_SHIFT) / PAYLOAD);

	return (struct wh_rate){.price = price, .burst_ns = (uint32_t)(COST_NS + COST_NS / 8)};
}

/* What is over the rate is dropped here as on tc. */
static void test_rate_up(void **state)
{
	struct packet p = datagram();
	struct wh_counters before;
	struct wh_lane lane = {.up = one_a_while()};
	struct result r;

	(void)state;
	open_by_tc(&p);
	write_lane(&lane);
	r = twin_carried(twin_out(0), &p);
	expect_out(&r, &p, 0);
	before = lab_counters(0, 0);
	twin_dropped(twin_out(0), &p);
	assert_int_equal(lab_reason(WH_REASON_RATE), 1);
	assert_int_equal(lab_counters(0, 0).tx_packets, before.tx_packets);
	assert_int_equal(by_xdp(lab.lan_ifindex[0], &p).verdict, VERDICT_DROP);
	assert_int_equal(lab_reason(WH_REASON_RATE), 2);
}

static void test_rate_down(void **state)
{
	struct packet p = datagram(), sent = open_by_tc(&p), answer = long_answer(&sent);
	struct wh_lane lane = {.down = one_a_while()};

	(void)state;
	write_lane(&lane);
	twin_carried(twin_in(0), &answer);
	twin_dropped(twin_in(0), &answer);
	assert_int_equal(lab_reason(WH_REASON_RATE), 1);
	assert_int_equal(lab_counters(0, 0).rx_packets, 1);
	twin_carried(twin_out(0), &p); /* out costs nothing */
}

/* By XDP nothing can leave later; tc says when. */
static void test_waiting_is_for_tc(void **state)
{
	struct packet p = datagram(), sent = open_by_tc(&p), answer = lab_answer(0, &sent, 0);
	struct wh_lane lane = {.up = one_a_while()};
	struct result r;

	(void)state;
	lane.up.burst_ns = 0;
	lane.up.wait_ns = (uint32_t)(2 * COST_NS + COST_NS / 2);
	write_lane(&lane);
	for (unsigned i = 0; i < 2; i++) {
		twin_left(lab.lan_ifindex[0], &p);
		r = lab_from_lan(&p);
		expect_out(&r, &p, 0);
		assert_int_equal(r.cb[0] || r.cb[1], i);
	}
	twin_carried(twin_in(0), &answer);
	lane.up.price = 0; /* no rate, nothing to wait for */
	write_lane(&lane);
	twin_carried(twin_out(0), &p);
}

/* RFC 2474: six bits are the lane's, the others stay (RFC 3168). */
static void test_marking(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 4500, PROTO_UDP}, .payload = 40, .tos = 10 << 2 | 1};
	struct wh_lane lane = {.marks = 1, .dscp = 46};
	struct packet p = client_packet(s), marked, answer;
	struct result r;
	uint16_t port;

	(void)state;
	s.tos = 46 << 2 | 1;
	marked = client_packet(s);
	port = send_out(&p, 0);
	write_lane(&lane);
	r = twin_carried(twin_out(0), &p);
	assert_int_equal(expect_out(&r, &marked, 0), port);
	answer = lab_answer(0, &r.packet, 0);
	r = twin_carried(twin_in(0), &answer); /* what comes in is not */
	assert_int_equal(packet_get16(&r.packet, PACKET_L2) & 0x0ff0, packet_get16(&answer, PACKET_L2) & 0x0ff0);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_out_is_counted_once), LAB_BOTH(test_in_is_counted_once), LAB_BOTH(test_rate_up),
	LAB_BOTH(test_rate_down),	    LAB_BOTH(test_waiting_is_for_tc),  LAB_BOTH(test_marking),
};

LAB_MAIN(tests, 1024)
