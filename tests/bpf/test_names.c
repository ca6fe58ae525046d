/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_names.c: answers of the DNS on their way to a client: which wait for the controller, byte for byte as their
 * client is to get them, and which go on at once and are counted.
 */
#include "harness.h"
#include "slow_ring.h"

#include <string.h>
#include <time.h>

#include <wanhelm/slow.h>

enum { RESPONSE = 0x8180, DNS_PORT = 53, CLIENT_PORT = 5000 };

static void beat(uint64_t age_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	lab.t.steer_rows[WH_STEER_GLOBAL].heartbeat_ns =
		(uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec - age_ns;
}

static void learn(bool names)
{
	lab.t.steer_rows[WH_STEER_GLOBAL].learn_names = names;
	beat(0);
	slow_records();
}

/* The packet's datagram as a message of the DNS with these flags and so many answers. */
static void set_message(struct packet *p, uint16_t flags, uint16_t answers)
{
	size_t at = packet_l4(p) + 8;

	packet_put16(p, at + 2, flags);
	packet_put16(p, at + 4, 1);
	packet_put16(p, at + 6, answers);
	packet_sum(p);
}

/* A client's session with a resolver in the Internet, and the answer on its way in. */
static struct packet question(uint8_t proto)
{
	return lab_packet(proto, CLIENT_A, CLIENT_PORT, REMOTE_1, DNS_PORT);
}

static struct packet answer_to(const struct packet *asked)
{
	struct packet out = packet_translated(asked, lab_external(0, asked), send_out(asked, 0)), p;

	out = lab_leaving(0, &out);
	p = lab_answer(0, &out, TCP_PSH | TCP_ACK);
	if (packet_tuple(&p).proto == PROTO_UDP)
		set_message(&p, RESPONSE, 1);
	return p;
}

static struct packet delivered(const struct packet *answer)
{
	struct packet p = packet_delivered(answer, CLIENT_A, CLIENT_PORT, lab.lan[0].mac, mac_a);

	return packet_framed(&p, lab.lan[0].mac, mac_a);
}

/* It waits: the controller has what its client is to get. */
static void expect_waits(const struct record *record, const struct packet *want, uint64_t unlearnt)
{
	assert_int_equal(record->n, 1);
	assert_int_equal(record->task, WH_SLOW_ANSWER);
	assert_int_equal(record->ifindex, lab.lan_ifindex[0]);
	expect_packet(&record->frame, want);
	assert_int_equal(lab_reason(WH_REASON_DNS_UNLEARNT), unlearnt);
}

/* --- from outside ------------------------------------------------------------------------------------------- */

static void test_answers_wait(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct packet asked = question(protos[i]), answer = answer_to(&asked), want = delivered(&answer);
		struct record record;
		struct result r;

		learn(false);
		r = lab_from_wan(0, &answer);
		expect_sent(&r, &want);
		assert_int_equal(slow_records().n, 0);
		learn(true);
		r = lab_from_wan(0, &answer);
		expect_dropped(&r);
		record = slow_records();
		expect_waits(&record, &want, 0);
	}
}

/* Without a controller it is as if nothing were to be learnt; what can be learnt late, is. */
static void test_nobody_waits_for_a_dead_controller(void **state)
{
	struct packet asked = question(PROTO_UDP), answer = answer_to(&asked), want = delivered(&answer);
	struct record record;
	struct result r;

	(void)state;
	learn(true);
	beat(WH_SLOW_HEARTBEAT_NS + 1);
	r = lab_from_wan(0, &answer);
	expect_sent(&r, &want);
	record = slow_records();
	assert_int_equal(record.n, 1);
	assert_int_equal(record.ifindex, 0);
	expect_packet(&record.frame, &want);
	assert_int_equal(lab_reason(WH_REASON_DNS_UNLEARNT), 1);
	lab.t.steer_rows[WH_STEER_GLOBAL].heartbeat_ns = 0; /* there never was one */
	r = lab_from_wan(0, &answer);
	expect_sent(&r, &want);
	beat(0);
	lab.t.steer_rows[WH_STEER_GLOBAL].heartbeat_ns += 1000000000; /* beat on another CPU, after we looked */
	r = lab_from_wan(0, &answer);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_DNS_UNLEARNT), 2);
}

static void test_a_full_ring_delays_nobody(void **state)
{
	struct packet asked = question(PROTO_UDP), answer = answer_to(&asked), want = delivered(&answer);
	unsigned waiting = 0;
	struct result r;

	(void)state;
	learn(true);
	for (unsigned i = 0; i < 10000 && !lab_reason(WH_REASON_DNS_UNLEARNT); i++) {
		beat(0);
		r = lab_from_wan(0, &answer);
		waiting++;
	}
	assert_int_equal(lab_reason(WH_REASON_DNS_UNLEARNT), 1);
	assert_true(waiting > 500);
	expect_sent(&r, &want);
	assert_int_equal(slow_records().n, waiting - 1);
	r = lab_from_wan(0, &answer);
	expect_dropped(&r);
}

/* What tells nothing has nothing to wait for. */
static void test_only_answers_wait(void **state)
{
	static const struct {
		uint16_t flags, answers;
		bool waits;
	} cases[] = {{RESPONSE, 1, true},      {RESPONSE, 0, false},	      {RESPONSE & 0x7fff, 1, false},
		     {RESPONSE | 3, 1, false}, {RESPONSE | 0x2800, 1, false}, {RESPONSE | 0x0630, 300, true}};
	struct packet asked = question(PROTO_UDP), answer = answer_to(&asked);

	(void)state;
	learn(true);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet want;
		struct result r;

		set_message(&answer, cases[i].flags, cases[i].answers);
		want = delivered(&answer);
		r = lab_from_wan(0, &answer);
		if (cases[i].waits)
			expect_dropped(&r);
		else
			expect_sent(&r, &want);
		assert_int_equal(slow_records().n, cases[i].waits);
	}
	assert_int_equal(lab_reason(WH_REASON_DNS_UNLEARNT), 0);
}

/* Nor does what is too short to be one, or comes from another port. */
static void test_others_go_on(void **state)
{
	struct packet other = lab_packet(PROTO_UDP, CLIENT_A, CLIENT_PORT, REMOTE_1, 5353), answer = answer_to(&other);
	struct packet want = delivered(&answer);
	struct spec s = {.t = {CLIENT_A, REMOTE_1, CLIENT_PORT, DNS_PORT, PROTO_UDP}, .payload = 4};
	struct packet small = client_packet(s), left, in;
	struct result r;

	(void)state;
	learn(true);
	r = lab_from_wan(0, &answer);
	expect_sent(&r, &want);
	left = packet_translated(&small, lab_external(0, &small), send_out(&small, 0));
	left = lab_leaving(0, &left);
	in = lab_answer(0, &left, 0);
	in.len = in.len > packet_l4(&in) + 12 ? packet_l4(&in) + 12 : in.len;
	r = lab_from_wan(0, &in);
	assert_int_not_equal(r.verdict, VERDICT_DROP);
	assert_int_equal(slow_records().n, 0);
}

/* A packet that is to be segmented cannot be sent by us as it is: it goes on, and is learnt from a moment later. */
static void test_segments_to_be_go_on(void **state)
{
	struct packet asked = question(PROTO_TCP), answer = answer_to(&asked), want = delivered(&answer);
	struct lab_context context = {.ifindex = lab.wan_ifindex[0], .gso_size = 20};
	struct record record;
	struct result r;

	(void)state;
	learn(true);
	r = lab_run(WH_HOOK_WAN_IN, &context, &answer);
	expect_sent(&r, &want);
	record = slow_records();
	assert_int_equal(record.n, 1);
	assert_int_equal(record.ifindex, 0);
	assert_int_equal(lab_reason(WH_REASON_DNS_UNLEARNT), 1);
}

/* What is cut up can neither be read nor sent on whole. */
static void test_fragments_go_on(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, CLIENT_PORT, DNS_PORT, PROTO_UDP}, .payload = 100};
	struct packet asked = client_packet(s), answer, want, in[2], out[2];
	struct result r;

	(void)state;
	answer = answer_to(&asked);
	want = delivered(&answer);
	packet_cut(&answer, 24, 0x2468, &in[0], &in[1]);
	packet_cut(&want, 24, 0x2468, &out[0], &out[1]);
	learn(true);
	for (unsigned i = 0; i < 2; i++) {
		r = lab_from_wan(0, &in[i]);
		expect_sent(&r, &out[i]);
	}
	assert_int_equal(slow_records().ifindex, 0);
	assert_int_equal(lab_reason(WH_REASON_DNS_UNLEARNT), 1);
}

/* --- from the kernel ---------------------------------------------------------------------------------------- */

/* The answer of a resolver here (or of one that only the kernel knows the way to), as it leaves by the LAN. */
static struct packet from_kernel(uint8_t proto, address resolver)
{
	struct spec s = {.t = {resolver, CLIENT_A, DNS_PORT, CLIENT_PORT, proto},
			 .src_mac = lab.lan[0].mac,
			 .dst_mac = mac_a,
			 .tcp_flags = TCP_PSH | TCP_ACK,
			 .payload = 60};
	struct packet p = packet_make(&s);

	if (proto == PROTO_UDP)
		set_message(&p, RESPONSE, 2);
	return p;
}

static void test_the_routers_own_answers_wait(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP};
	struct lab_context own = {.ifindex = lab.lan_ifindex[0]};
	struct packet family = question(PROTO_UDP);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool forwarded = i / 2;
		struct packet p = from_kernel(protos[i % 2], forwarded ? REMOTE_2 : lab_router(&family));
		struct record record;
		struct result r;

		learn(false);
		r = forwarded ? lab_to_lan(&p) : lab_run(WH_HOOK_LAN_OUT, &own, &p);
		expect_untouched(&r, &p);
		assert_int_equal(slow_records().n, 0);
		learn(true);
		r = forwarded ? lab_to_lan(&p) : lab_run(WH_HOOK_LAN_OUT, &own, &p);
		/* Its socket must not hear of a drop: it goes where nobody listens. */
		assert_int_equal(r.verdict, VERDICT_REDIRECT);
		record = slow_records();
		expect_waits(&record, &p, 0);
	}
}

static void test_the_routers_own_go_on_without_a_controller(void **state)
{
	struct lab_context own = {.ifindex = lab.lan_ifindex[0]};
	struct packet family = question(PROTO_UDP), p = from_kernel(PROTO_UDP, lab_router(&family));
	struct result r;

	(void)state;
	learn(true);
	beat(WH_SLOW_HEARTBEAT_NS + 1);
	r = lab_run(WH_HOOK_LAN_OUT, &own, &p);
	expect_untouched(&r, &p);
	assert_int_equal(slow_records().ifindex, 0);
	assert_int_equal(lab_reason(WH_REASON_DNS_UNLEARNT), 1);
}

/* Of one client to another nothing is learnt: who asked is not known. */
static void test_clients_are_not_believed(void **state)
{
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .ingress_ifindex = lab.lan_ifindex[1]};
	struct packet p = from_kernel(PROTO_UDP, CLIENT_LAN1);
	struct result r;

	(void)state;
	learn(true);
	r = lab_run(WH_HOOK_LAN_OUT, &context, &p);
	expect_untouched(&r, &p);
	assert_int_equal(slow_records().n, 0);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_answers_wait),
	LAB_BOTH(test_nobody_waits_for_a_dead_controller),
	LAB_TEST(test_a_full_ring_delays_nobody),
	LAB_BOTH(test_only_answers_wait),
	LAB_BOTH(test_others_go_on),
	LAB_BOTH(test_segments_to_be_go_on),
	LAB_BOTH(test_fragments_go_on),
	LAB_BOTH(test_the_routers_own_answers_wait),
	LAB_TEST(test_the_routers_own_go_on_without_a_controller),
	LAB_BOTH(test_clients_are_not_believed),
};

LAB_MAIN(tests, 4096)
