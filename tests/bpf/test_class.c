/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_class.c: what is done with a class's packets, the WANs that it is never to use, and flows that are looked at again
 * when classes change.  Which class a packet is of: test_classify.c.
 */
#include "harness.h"

static struct packet udp(uint16_t sport)
{
	return lab_packet(PROTO_UDP, CLIENT_A, sport, REMOTE_1, 53);
}

/* --- actions ------------------------------------------------------------------------------------------------ */

static void test_drop(void **state)
{
	struct packet p = udp(5000);
	struct result r;

	(void)state;
	lab_set_action(WH_CLASS_DROP);
	r = lab_from_lan(&p);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_CLASS_DROP), 1);
	assert_int_equal(lab_flows() + lab_ports(), 0);
}

static void test_reject(void **state)
{
	struct packet p = udp(5000), want = packet_prohibited(&p, lab_router(&p));
	struct result r;

	(void)state;
	lab_set_action(WH_CLASS_REJECT);
	r = lab_from_lan(&p);
	expect_error(&r, &want);
	assert_int_equal(lab_reason(WH_REASON_CLASS_REJECT), 1);
	assert_int_equal(lab_flows() + lab_ports(), 0);
}

/* Up it goes, and out by the device that the kernel means, if its source is good there; else it is a leak. */
static void test_the_kernel_s(void **state)
{
	struct packet p = udp(5000), masqueraded = lab_packet(PROTO_UDP, lab_own(1), 6000, REMOTE_1, 53);
	struct lab_context context = {.ifindex = lab.wan_ifindex[1], .ingress_ifindex = lab.lan_ifindex[0]};
	struct result r;

	(void)state;
	lab_set_action(WH_CLASS_KERNEL);
	r = lab_from_lan(&p);
	assert_int_equal(r.verdict, VERDICT_NEXT);
	expect_packet(&r.packet, &p);
	assert_int_equal(lab_reason(WH_REASON_KERNEL_CLASS), 1);
	context.mark = r.mark;
	r = lab_run(WH_HOOK_WAN_OUT, &context, &p);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_LEAK), 1);
	lab_set_route(lab_own(1), lab.family == WH_V4 ? 32 : 128, WH_ROUTE_LOCAL, 1);
	r = lab_run(WH_HOOK_WAN_OUT, &context, &masqueraded);
	expect_untouched(&r, &masqueraded);
	lab_drop_route(lab_own(1), lab.family == WH_V4 ? 32 : 128);
	assert_int_equal(lab_flows(), 0);
}

/* --- never -------------------------------------------------------------------------------------------------- */

/* Whatever order and masks say. */
static void test_never(void **state)
{
	struct packet p = udp(5000);
	struct result r;

	(void)state;
	lab_set_allowed(0x02);
	send_out(&p, 1);
	lab_set_alive(0x01);
	lab_set_masks(0xff, 0xff);
	p = udp(5001);
	r = lab_from_lan(&p);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_NO_WAN), 1);
}

/* An endpoint at home there is no exception, nor is a flow that has to leave its WAN. */
static void test_never_by_home(void **state)
{
	struct packet p = udp(5000), other = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_2, 53);

	(void)state;
	send_out(&p, 0);
	lab_set_allowed(0x02);
	send_out(&other, 1);
	lab_set_allowed(0xff);
	lab_set_alive(0x02);
	send_out(&p, 1);
	lab_set_allowed(0x02);
	lab_set_alive(0x01);
	lab_set_masks(0x01, 0x01);
	assert_true(lab_from_lan(&p).verdict == VERDICT_REDIRECT); /* on the WAN that it has, which is allowed */
	assert_int_equal(lab_counters(0, 0).moved, 0);
}

/* --- changes ------------------------------------------------------------------------------------------------ */

static void test_a_change_of_nothing(void **state)
{
	struct packet p = udp(5000);
	struct wh_flow flow;
	uint16_t port = send_out(&p, 0);

	(void)state;
	lab_renew_policy();
	assert_int_equal(send_out(&p, 0), port);
	assert_true(lab_flow(&p, &flow));
	assert_int_equal(flow.policy, (uint16_t)lab.t.steer_rows[WH_STEER_GLOBAL].policy);
	lab_expect_consistent();
}

/* What may stay stays, whatever is preferred now. */
static void test_a_change_of_preference(void **state)
{
	struct packet p = udp(5000), next = udp(5001);

	(void)state;
	send_out(&p, 0);
	lab_set_order((const int[]){1, 0, -1});
	lab_renew_policy();
	send_out(&p, 0);
	send_out(&next, 1);
}

static void test_a_forbidden_wan_is_left(void **state)
{
	struct packet p = udp(5000);

	(void)state;
	send_out(&p, 0);
	lab_set_allowed(0x02);
	lab_renew_policy();
	send_out(&p, 1);
	send_out(&p, 1);
	assert_int_equal(lab_counters(0, 1).moved, 1);
	lab_expect_consistent();
}

static void test_a_session_on_a_forbidden_wan_is_reset(void **state)
{
	struct packet data = session_segment(TCP_PSH | TCP_ACK), syn = session_segment(TCP_SYN);
	struct result r;

	(void)state;
	session_open(0);
	lab_set_allowed(0x02);
	lab_renew_policy();
	r = lab_from_lan(&data);
	expect_reset(&r, &data);
	send_out(&syn, 1);
	lab_expect_consistent();
}

/* With nowhere to go it waits; not one packet leaves by what is forbidden. */
static void test_a_forbidden_wan_and_no_other(void **state)
{
	struct packet p = udp(5000);
	struct result r;

	(void)state;
	send_out(&p, 0);
	lab_set_allowed(0x02);
	lab_set_alive(0x01);
	lab_renew_policy();
	for (unsigned i = 0; i < 3; i++) {
		r = lab_from_lan(&p);
		expect_dropped(&r);
	}
	assert_int_equal(lab_reason(WH_REASON_NO_WAN), 3);
	assert_int_equal(lab_counters(0, 0).tx_packets, 1);
	lab_set_alive(0x03);
	send_out(&p, 1);
	lab_expect_consistent();
}

/* A class that is dropped from now on drops what it had; one that becomes the kernel's keeps it. */
static void test_a_changed_action(void **state)
{
	struct packet p = udp(5000);
	struct result r;

	(void)state;
	send_out(&p, 0);
	lab_set_action(WH_CLASS_KERNEL);
	lab_renew_policy();
	send_out(&p, 0);
	lab_set_action(WH_CLASS_DROP);
	lab_renew_policy();
	r = lab_from_lan(&p);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_CLASS_DROP), 1);
}

/* Sessions from outside keep their WAN, whatever the classes say. */
static void test_sessions_from_outside_stay(void **state)
{
	struct packet question =
		remote_packet(0, (struct spec){.t = {REMOTE_1, lab_own(0), 4000, 8080, PROTO_UDP}, .payload = 40});
	struct packet answer = lab_packet(PROTO_UDP, lab_own(0), 8080, REMOTE_1, 4000);
	struct lab_context context = {.ifindex = lab.wan_ifindex[1]};
	struct result r;

	(void)state;
	lab_set_route(lab_own(0), lab.family == WH_V4 ? 32 : 128, WH_ROUTE_LOCAL, 0);
	lab_from_wan(0, &question);
	lab_set_allowed(0x02);
	lab_renew_policy();
	r = lab_run(WH_HOOK_WAN_OUT, &context, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_true(packet_tuple(&r.packet).src == lab_own(0));
	lab_drop_route(lab_own(0), lab.family == WH_V4 ? 32 : 128);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_drop),
	LAB_BOTH(test_reject),
	LAB_BOTH(test_the_kernel_s),
	LAB_BOTH(test_never),
	LAB_BOTH(test_never_by_home),
	LAB_BOTH(test_a_change_of_nothing),
	LAB_BOTH(test_a_change_of_preference),
	LAB_BOTH(test_a_forbidden_wan_is_left),
	LAB_BOTH(test_a_session_on_a_forbidden_wan_is_reset),
	LAB_BOTH(test_a_forbidden_wan_and_no_other),
	LAB_BOTH(test_a_changed_action),
	LAB_BOTH(test_sessions_from_outside_stay),
};

LAB_MAIN(tests, 1024)
