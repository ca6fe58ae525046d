/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_sweep.c: the end of flows and bindings: two looks before a flow goes, and who is used in between stays; a binding
 * goes with its last flow; and the sessions that a switch ends.  Which timer counts: test_timers.c.
 */
#include "harness.h"

#define NEVER (1ULL << 60)

static void expect_done(unsigned dying, unsigned deleted)
{
	assert_int_equal(lab_form()->dying, dying);
	assert_int_equal(lab_form()->deleted, deleted);
	lab_expect_consistent();
}

static void sweep_and_expect(unsigned dying, unsigned deleted)
{
	lab_sweep(WH_SWEEP_EXPIRE, 0);
	expect_done(dying, deleted);
}

static enum wh_flow_state state_of(const struct packet *p)
{
	struct wh_flow flow = {};

	assert_true(lab_flow(p, &flow));
	return (enum wh_flow_state)flow.pin.state;
}

/* --- flows -------------------------------------------------------------------------------------------------- */

static void test_idle_flow_goes_in_two_steps(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	(void)state;
	send_out(&p, 0);
	lab_set_timers(0);
	sweep_and_expect(1, 0);
	assert_int_equal(state_of(&p), WH_FLOW_DYING);
	sweep_and_expect(0, 1);
	assert_int_equal(lab_flows() + lab_replies() + lab_binds() + lab_ports(), 0);
}

static void test_flow_that_is_not_idle_stays(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&p, 0);

	(void)state;
	lab_set_timers(NEVER);
	for (unsigned i = 0; i < 5; i++)
		sweep_and_expect(0, 0);
	assert_int_equal(send_out(&p, 0), port);
}

static void test_packet_revives_a_dying_flow(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&p, 0);

	(void)state;
	lab_set_timers(0);
	for (unsigned i = 0; i < 4; i++) {
		sweep_and_expect(1, 0);
		assert_int_equal(send_out(&p, 0), port);
		assert_int_equal(state_of(&p), WH_FLOW_LIVE);
		answer_in(&p, 0, port, 0);
	}
}

/* An answer to a flow that is dying still reaches its client. */
static void test_answer_to_a_dying_flow(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&p, 0);

	(void)state;
	lab_set_timers(0);
	sweep_and_expect(1, 0);
	answer_in(&p, 0, port, 0);
}

static void test_many_flows_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WH_SWEEP_SLICE; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, (uint16_t)(5000 + i), REMOTE_1, 53);

		send_out(&p, 0);
	}
	lab_set_timers(0);
	sweep_and_expect(WH_SWEEP_SLICE, 0);
	sweep_and_expect(0, WH_SWEEP_SLICE);
	assert_int_equal(lab_binds(), 0);
	sweep_and_expect(0, 0);
	assert_int_equal(lab_ports(), 0);
}

static void test_untranslated_flow(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct result r;

	(void)state;
	lab_leave_untranslated(0);
	r = lab_from_lan(&p);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	lab_set_timers(0);
	sweep_and_expect(1, 0);
	sweep_and_expect(0, 1);
	assert_int_equal(lab_flows() + lab_replies(), 0);
}

/* Keys that are gone, or never were, do no harm; nor does a form that says more than it can hold. */
static void test_nonsense_in_the_form(void **state)
{
	struct wh_sweep4 *form = lab.t.sweep_form4;

	(void)state;
	form->task = WH_SWEEP_EXPIRE;
	form->flows = form->ports = 0xffffffff;
	form->dying = form->deleted = form->freed = 77;
	for (unsigned i = 0; i < WH_SWEEP_SLICE; i++)
		form->flow[i].src_be = i;
	assert_int_equal(wh_programs_sweep(lab.programs, WH_V4), 0);
	expect_done(0, 0);
	form->task = 77;
	assert_int_equal(wh_programs_sweep(lab.programs, WH_V4), 0);
}

/* --- bindings ----------------------------------------------------------------------------------------------- */

static void test_binding_goes_with_its_last_flow(void **state)
{
	struct packet idle = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct packet busy = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_2, 53);
	uint16_t port = send_out(&idle, 0);
	struct wh_bind bind;

	(void)state;
	assert_int_equal(send_out(&busy, 0), port);
	lab_set_timers(0);
	sweep_and_expect(2, 0);
	assert_int_equal(send_out(&busy, 0), port);
	sweep_and_expect(1, 1);
	assert_true(lab_bind(&busy, &bind));
	assert_int_equal(bind.users, 1);
	assert_int_equal(lab_ports_in_use(), 1);
	sweep_and_expect(0, 1);
	assert_false(lab_bind(&busy, &bind));
	assert_int_equal(lab_ports_in_use(), 0);
}

static void test_binding_in_use_stays(void **state)
{
	struct packet udp = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	uint16_t port = send_out(&udp, 0);

	(void)state;
	lab_set_timers(NEVER);
	for (unsigned i = 0; i < 8; i++)
		sweep_and_expect(0, 0);
	assert_int_equal(lab_binds(), 1);
	assert_int_equal(send_out(&udp, 0), port);
}

/* A new session while the last flow is on its way out: the endpoint has one binding and one port, and keeps the port. */
static void test_new_session_at_the_end_of_a_binding(void **state)
{
	struct packet first = lab_packet(PROTO_UDP, CLIENT_A, 21000, REMOTE_1, 53);
	struct packet second = lab_packet(PROTO_UDP, CLIENT_A, 21000, REMOTE_2, 53);

	(void)state;
	for (unsigned runs = 0; runs < 4; runs++) {
		uint16_t port;

		lab_forget_flows();
		port = send_out(&first, 0);
		lab_set_timers(0);
		lab_form()->timers_ns[WH_TIMER_PORT] = NEVER;
		for (unsigned i = 0; i < runs; i++)
			lab_sweep(WH_SWEEP_EXPIRE, 0);
		assert_int_equal(send_out(&second, 0), port);
		lab_set_timers(NEVER);
		sweep_and_expect(0, 0);
		assert_int_equal(lab_binds(), 1);
		assert_int_equal(lab_ports_in_use(), 1);
	}
}

/* An endpoint that moved holds a port on each WAN; all are given back. */
static void test_ports_on_every_wan_are_given_back(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);

	(void)state;
	send_out(&p, 0);
	lab_set_alive(0x02);
	send_out(&p, 1);
	assert_int_equal(lab_ports(), 2);
	lab_set_timers(0);
	for (unsigned i = 0; i < 5; i++)
		lab_sweep(WH_SWEEP_EXPIRE, 0);
	assert_int_equal(lab_ports(), 0);
	assert_int_equal(lab_binds(), 0);
}

/* --- WH_SWEEP_RESET ------------------------------------------------------------------------------------------ */

static void open_many(void)
{
	struct packet p;

	session_open(0);
	p = lab_segment(CLIENT_A, 6001, REMOTE_1, 443, TCP_SYN); /* not answered */
	send_out(&p, 0);
	p = lab_packet(PROTO_UDP, CLIENT_A, 6002, REMOTE_1, 53);
	send_out(&p, 0);
	lab_set_order((const int[]){1, -1});
	p = lab_segment(CLIENT_A, 6003, REMOTE_1, 443, TCP_SYN); /* on another WAN */
	answer_in(&p, 1, send_out(&p, 1), TCP_SYN | TCP_ACK);
	p = lab_segment(CLIENT_A, 6003, REMOTE_1, 443, TCP_ACK);
	send_out(&p, 1);
	lab_set_order((const int[]){0, 1, -1});
}

static void test_reset_task(void **state)
{
	struct wh_sweep4 *form = lab.t.sweep_form4;
	struct packet ack = session_segment(TCP_ACK), other = lab_segment(CLIENT_A, 6003, REMOTE_1, 443, TCP_ACK);
	struct result r;
	unsigned done = 0;

	(void)state;
	open_many();
	lab_set_alive(0x02);
	lab_sweep(WH_SWEEP_RESET, 0);
	assert_int_equal(form->reset, 1);
	assert_int_equal(form->flows, 4);
	for (unsigned i = 0; i < form->flows; i++) {
		if (!form->done[i])
			continue;
		done++;
		assert_int_equal(form->flow[i].sport_be, htobe16(6000));
		assert_int_equal(form->flow[i].proto, PROTO_TCP);
	}
	assert_int_equal(done, 1);
	assert_int_equal(state_of(&ack), WH_FLOW_RESET);
	send_out(&other, 1);
	r = lab_from_lan(&ack);
	expect_reset(&r, &ack);
	lab_sweep(WH_SWEEP_RESET, 0);
	assert_int_equal(form->reset, 0);
	expect_done(0, 0);
}

/* What the RST to the client must carry is kept with the flow: the last acknowledgement. */
static void test_acknowledgement_is_kept(void **state)
{
	struct wh_flow flow;
	struct packet ack = session_segment(TCP_ACK);

	(void)state;
	session_open(0);
	packet_put32(&ack, packet_l4(&ack) + 8, 0xfeedbeef);
	packet_sum(&ack);
	send_out(&ack, 0);
	assert_true(lab_flow(&ack, &flow));
	assert_int_equal(be32toh(flow.ack_be), 0xfeedbeef);
	assert_true(flow.tcp & WH_TCP_ACKED);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_idle_flow_goes_in_two_steps),
	LAB_BOTH(test_flow_that_is_not_idle_stays),
	LAB_BOTH(test_packet_revives_a_dying_flow),
	LAB_BOTH(test_answer_to_a_dying_flow),
	LAB_BOTH(test_many_flows_at_once),
	LAB_TEST(test_untranslated_flow),
	LAB_TEST(test_nonsense_in_the_form),
	LAB_BOTH(test_binding_goes_with_its_last_flow),
	LAB_BOTH(test_binding_in_use_stays),
	LAB_BOTH(test_new_session_at_the_end_of_a_binding),
	LAB_BOTH(test_ports_on_every_wan_are_given_back),
	LAB_TEST(test_reset_task),
	LAB_BOTH(test_acknowledgement_is_kept),
};

LAB_MAIN(tests, 4096)
