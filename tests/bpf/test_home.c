/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_home.c: the WAN that an endpoint's new sessions go by (RFC 4787 REQ-2: one address to everybody): the one that
 * its class chose for an earlier session, and never one that only a destination asked for.
 */
#include "harness.h"

/* Reached by WAN 1 only, as its modem's page is. */
#define MODEM (REMOTE_1 + 0x20000)

static struct packet session(address remote)
{
	return lab_packet(PROTO_UDP, CLIENT_A, 5000, remote, 53);
}

/* The kernel brings it to WAN 1, whose address it leaves with. Returns the external port. */
static uint16_t speak_to_the_modem(address external)
{
	struct packet p = session(MODEM), want;
	struct change c = {.side = SOURCE, .addr = external, .with_port = true};
	struct result r;

	lab_set_route(MODEM, lab.family == WH_V4 ? 32 : 128, WH_ROUTE_WAN, 1);
	r = lab_by_kernel(&p, 1);
	c.port = packet_tuple(&r.packet).sport;
	want = packet_changed(&p, &c);
	want = lab_leaving(1, &want);
	expect_out_by_kernel(&r, &want, true);
	return c.port;
}

static void test_sessions_stay_together(void **state)
{
	struct packet first = session(REMOTE_1), second = session(REMOTE_2);
	uint16_t port;

	(void)state;
	port = send_out(&first, 0);
	lab_set_order((const int[]){1, 0, -1});
	assert_int_equal(send_out(&second, 0), port);
}

static void test_a_modem_is_no_home(void **state)
{
	struct packet first = session(REMOTE_1), second = session(REMOTE_2);
	uint16_t port;

	(void)state;
	speak_to_the_modem(lab_own(1));
	port = send_out(&first, 0);
	lab_set_order((const int[]){1, 0, -1});
	assert_int_equal(send_out(&second, 0), port);
	lab_expect_consistent();
}

static void test_a_modem_takes_no_home_away(void **state)
{
	struct packet first = session(REMOTE_1), second = session(REMOTE_2);
	uint16_t port;

	(void)state;
	port = send_out(&first, 0);
	speak_to_the_modem(lab_own(1));
	assert_int_equal(send_out(&second, 0), port);
	lab_expect_consistent();
}

/* The session with the modem binds again there when the WAN's address changes. */
static void test_a_modem_is_no_home_after_a_new_address(void **state)
{
	struct packet first = session(REMOTE_1), second = session(REMOTE_2);
	address readdressed = lab_own(1) + 7;
	uint16_t port;

	(void)state;
	port = send_out(&first, 0);
	speak_to_the_modem(lab_own(1));
	lab_set_route(readdressed, lab.family == WH_V4 ? 32 : 128, WH_ROUTE_LOCAL, 1);
	lab_readdress(1, readdressed);
	speak_to_the_modem(readdressed);
	assert_int_equal(send_out(&second, 0), port);
	lab_expect_consistent();
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_sessions_stay_together),
	LAB_BOTH(test_a_modem_is_no_home),
	LAB_BOTH(test_a_modem_takes_no_home_away),
	LAB_BOTH(test_a_modem_is_no_home_after_a_new_address),
};

LAB_MAIN(tests, 4096)
