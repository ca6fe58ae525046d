/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_lanes.c: what a class's packets undergo on a WAN: rates, without waiting for them (a packet is made to cost
 * so much that the test is over before, and time is put forward by hand), the departure that an fq qdisc is told, and the DSCP.
 */
#include "harness.h"

#include <pthread.h>

#define COST_NS 200000000ULL /* of a packet; more does not fit the price */
#define ROW 0		     /* class 0 on WAN 0 */

static struct wh_lane read_lane(void)
{
	uint32_t row = ROW;
	struct wh_lane lane;

	assert_int_equal(bpf_map_lookup_elem(lab.t.lanes, &row, &lane), 0);
	return lane;
}

static void write_lane(const struct wh_lane *lane)
{
	uint32_t row = ROW;

	assert_int_equal(bpf_map_update_elem(lab.t.lanes, &row, lane, BPF_ANY), 0);
}

/* A packet like this one takes its while, and `burst` of them may come at once. */
static struct wh_rate one_a_while(const struct packet *p, unsigned burst)
{
	uint32_t price = (uint32_t)((COST_NS << WH_RATE_SHIFT) / packet_ip_len(p)) + 1;

	return (struct wh_rate){.price = price, .burst_ns = (uint32_t)(burst * (COST_NS + COST_NS / 16))};
}

/* As if that and a bit had passed for the rate. */
static void pass_a_while(bool up)
{
	struct wh_lane lane = read_lane();

	*(up ? &lane.up.paid_ns : &lane.down.paid_ns) -= COST_NS + COST_NS / 100;
	write_lane(&lane);
}

static unsigned sent(const struct packet *p, unsigned times)
{
	unsigned n = 0;

	for (unsigned i = 0; i < times; i++)
		n += lab_from_lan(p).verdict == VERDICT_REDIRECT;
	return n;
}

static void test_no_limit(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	(void)state;
	assert_int_equal(sent(&p, 20), 20);
}

static void test_rate_up(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct wh_lane lane = {.up = one_a_while(&p, 3)};

	(void)state;
	write_lane(&lane);
	assert_int_equal(sent(&p, 10), 3);
	assert_int_equal(lab_reason(WH_REASON_RATE), 7);
	pass_a_while(true);
	assert_int_equal(sent(&p, 5), 1);
	/* What did not pass was not counted as sent. */
	assert_int_equal(lab_counters(0, 0).tx_packets, 4);
}

static void test_rate_down(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct packet translated = lab_from_lan(&p).packet, answer = lab_answer(0, &translated, 0);
	struct wh_lane lane = {.down = one_a_while(&answer, 2)};
	unsigned n = 0;

	(void)state;
	write_lane(&lane);
	for (unsigned i = 0; i < 6; i++)
		n += lab_from_wan(0, &answer).verdict == VERDICT_REDIRECT;
	assert_int_equal(n, 2);
	assert_int_equal(lab_reason(WH_REASON_RATE), 4);
	pass_a_while(false);
	assert_int_equal(lab_from_wan(0, &answer).verdict, VERDICT_REDIRECT);
	assert_int_equal(lab_from_wan(0, &answer).verdict, VERDICT_DROP);
	assert_int_equal(lab_counters(0, 0).rx_packets, 3);
}

/* Another WAN's is another account. */
static void test_each_wan_its_own(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct wh_lane lane = {.up = one_a_while(&p, 1)};

	(void)state;
	write_lane(&lane);
	assert_int_equal(sent(&p, 3), 1);
	lab_set_alive(0x2);
	assert_int_equal(sent(&p, 3), 3);
}

/* What is cut into pieces later pays for, and counts, the headers of each. */
static void test_pieces_have_headers(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), out, answer;
	struct lab_context from_lan = {.ifindex = lab.lan_ifindex[0]}, from_wan = {.ifindex = lab.wan_ifindex[0]};
	struct wh_lane lane = {.up = one_a_while(&p, 1), .down = one_a_while(&p, 1)};
	uint32_t len = packet_ip_len(&p), headers = packet_is_v6(&p) ? 48 : 28, payload = len - headers;
	uint64_t paid_ns;

	(void)state;
	assert_true(payload >= 4);
	out = lab_from_lan(&p).packet;
	answer = lab_answer(0, &out, 0);
	lane.up.burst_ns = lane.down.burst_ns = UINT32_MAX;
	write_lane(&lane);
	lab_run(WH_HOOK_LAN_IN, &from_lan, &p);
	paid_ns = read_lane().up.paid_ns;
	from_lan.gso_size = (payload + 2) / 3;
	lab_run(WH_HOOK_LAN_IN, &from_lan, &p);
	assert_int_equal(lab_counters(0, 0).tx_bytes, 3 * len + 2 * headers);
	assert_int_equal(read_lane().up.paid_ns - paid_ns,
			 (len + 2 * headers) * (uint64_t)lane.up.price >> WH_RATE_SHIFT);
	from_wan.gso_size = (packet_ip_len(&answer) - headers + 1) / 2;
	lab_run(WH_HOOK_WAN_IN, &from_wan, &answer);
	assert_int_equal(lab_counters(0, 0).rx_bytes, packet_ip_len(&answer) + headers);
}

/* --- several CPUs ------------------------------------------------------------------------------------------- */

#define THREADS 2
#define TRIES 4000

static void *send_many(void *arg)
{
	struct lab_context context = {.ifindex = lab.lan_ifindex[0]};
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	unsigned *passed = arg;
	struct result r;

	for (unsigned i = 0; i < TRIES; i++)
		*passed += !lab_try(WH_HOOK_LAN_IN, &context, &p, &r) && r.verdict == VERDICT_REDIRECT;
	return NULL;
}

/* Together they get what one alone would get: no packet is paid for twice, and at most a few pass unpaid. */
static void test_cpus_share_a_rate(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct wh_lane lane = {.up = one_a_while(&p, 3)};
	unsigned passed[THREADS] = {0}, all = 0;
	pthread_t threads[THREADS];

	(void)state;
	lane.up.price /= 200; /* a millisecond each */
	assert_int_equal(sent(&p, 1), 1);
	write_lane(&lane);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, &passed[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		all += passed[i];
	}
	assert_int_equal(all + lab_reason(WH_REASON_RATE), THREADS * TRIES);
	/* 637 at once, and one for each millisecond that the machine took. */
	assert_true(all >= 630);
	lane = read_lane();
	assert_true(lane.up.paid_ns > 0);
}

/* --- fq ----------------------------------------------------------------------------------------------------- */

/* One after the other: each is told to leave its while after the one before, and what would wait too long is dropped. */
static void test_departures_are_spaced(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct wh_lane lane = {.up = one_a_while(&p, 0)};
	uint64_t last_ns = 0;

	(void)state;
	lane.up.wait_ns = (uint32_t)(3 * COST_NS + COST_NS / 2);
	write_lane(&lane);
	for (unsigned i = 0; i < 3; i++) {
		struct result r = lab_from_lan(&p), out;
		struct lab_context context = {.ifindex = lab.wan_ifindex[0], .mark = r.mark, .cb = {r.cb[0], r.cb[1]}};

		assert_int_equal(r.verdict, VERDICT_REDIRECT);
		out = lab_run(WH_HOOK_WAN_OUT, &context, &r.packet);
		assert_int_equal(out.verdict, VERDICT_NEXT);
		if (i)
			assert_in_range(out.tstamp - last_ns, COST_NS - COST_NS / 50, COST_NS + COST_NS / 50);
		else
			assert_int_equal(out.tstamp, 0); /* at once */
		last_ns = i ? out.tstamp : read_lane().up.paid_ns - COST_NS;
	}
	assert_int_equal(sent(&p, 3), 0);
	assert_int_equal(lab_reason(WH_REASON_RATE), 3);
}

/* --- DSCP --------------------------------------------------------------------------------------------------- */

/* Where IP keeps DSCP and congestion bits: one byte in IPv4, across two in IPv6. */
static uint8_t traffic_class(const struct packet *p)
{
	uint16_t head = packet_get16(p, p->l2);

	return packet_is_v6(p) ? (uint8_t)(head >> 4) : (uint8_t)head;
}

static void set_traffic_class(struct packet *p, uint8_t value)
{
	uint16_t head = packet_get16(p, p->l2);

	packet_put16(p, p->l2,
		     packet_is_v6(p) ? (uint16_t)((head & 0xf00f) | value << 4) : (uint16_t)((head & 0xff00) | value));
	packet_sum(p);
}

static void test_marking(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), want;
	struct wh_lane lane = {.marks = 1, .dscp = 46};
	struct result r;

	(void)state;
	set_traffic_class(&p, 10 << 2 | 1); /* AF11, ECT(1) */
	write_lane(&lane);
	r = lab_from_lan(&p);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_int_equal(traffic_class(&r.packet), 46 << 2 | 1);
	assert_true(packet_sums_right(&r.packet));
	/* And nothing else differs from what leaves unmarked. */
	want = r.packet;
	set_traffic_class(&want, 10 << 2 | 1);
	lane.marks = 0;
	write_lane(&lane);
	r = lab_from_lan(&p);
	expect_packet(&r.packet, &want);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_no_limit),	  LAB_BOTH(test_rate_up),
	LAB_BOTH(test_rate_down),	  LAB_BOTH(test_each_wan_its_own),
	LAB_BOTH(test_cpus_share_a_rate), LAB_BOTH(test_departures_are_spaced),
	LAB_BOTH(test_marking),		  LAB_BOTH(test_pieces_have_headers),
};

LAB_MAIN(tests, 1024)
