/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_xdp_kinds.c: flows of kinds that XDP leaves to tc: those that the kernel has a part in, or somebody else than the
 * client: from outside, to another client, the prober's, the router's own, what names are learnt from, sessions that a
 * server has reset.
 */
#include "twin.h"

#include <string.h>

static const uint8_t mac_prober[6] = {0x02, 0xcc, 0, 0, 0, 1};

static void left_out(const struct packet *p)
{
	twin_left(lab.lan_ifindex[0], p);
}

static void left_in(const struct packet *p)
{
	twin_left(lab.wan_ifindex[0], p);
}

/* Whether names are learnt now or not: the answers of name servers, of either protocol. Questions are like any packet. */
static void test_name_servers(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), answer, segment;
	struct result r;

	(void)state;
	lab_from_lan(&p);
	r = twin_carried(twin_out(0), &p);
	answer = lab_answer(0, &r.packet, 0);
	left_in(&answer);
	segment = lab_segment(CLIENT_A, 5000, REMOTE_1, 53, TCP_SYN);
	send_out(&segment, 0);
	segment = lab_segment(CLIENT_A, 5000, REMOTE_1, 53, TCP_PSH | TCP_ACK);
	r = twin_carried(twin_out(0), &segment);
	answer = lab_answer(0, &r.packet, TCP_PSH | TCP_ACK);
	left_in(&answer);
}

/* RFC 4787 REQ-9: by each other's external ends; the kernel is asked, and each packet turns around at the WAN. */
static void test_hairpins(void **state)
{
	struct packet first[2], p, turned;
	uint16_t port[2];
	struct result r;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		first[i] = lab_packet(PROTO_UDP, lab_client(lab.family, i), 5000, REMOTE_1, 4500);
		memcpy(first[i].bytes + 6, i ? mac_b : mac_a, 6);
		port[i] = send_out(&first[i], 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		p = lab_packet(PROTO_UDP, lab_client(lab.family, i % 2), 5000, lab_own(0), port[!(i % 2)]);
		memcpy(p.bytes + 6, i % 2 ? mac_b : mac_a, 6);
		left_out(&p);
		r = lab_from_lan(&p);
		assert_int_equal(r.verdict, VERDICT_REDIRECT);
		turned = r.packet;
		left_out(&p);
		left_in(&turned);
		lab_from_wan(0, &turned);
	}
}

/* The end of a client that everybody may send to: what comes, and what the client answers. */
static void test_sessions_from_outside(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 4500), in, up, answer;
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .ingress_ifindex = lab.wan_ifindex[0]};
	struct wh_wan row = lab.wan[0];
	struct wh_flow flow;
	struct result r;

	(void)state;
	row.flags |= WH_WAN_OPEN;
	lab_set_wan(0, &row);
	in = remote_packet(0,
			   (struct spec){.t = {REMOTE_2, lab_own(0), 4000, send_out(&p, 0), PROTO_UDP}, .payload = 20});
	left_in(&in);
	r = lab_from_wan(0, &in);
	assert_int_equal(r.verdict, VERDICT_NEXT);
	up = packet_framed(&r.packet, lab.lan[0].mac, mac_a);
	context.mark = r.mark;
	lab_run(WH_HOOK_LAN_OUT, &context, &up);
	answer = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_2, 4000);
	assert_true(lab_flow(&answer, &flow));
	assert_true(flow.flags & WH_FLOW_INBOUND);
	left_in(&in);
	left_out(&answer);
	send_out(&answer, 0);
	left_in(&in);
	left_out(&answer);
}

/* What the kernel itself brought to a client: seen, and left alone. */
static void test_kernels_own(void **state)
{
	struct packet in = packet_make(&(struct spec){
		.t = {REMOTE_2, CLIENT_A, 4000, 5000, PROTO_UDP}, .src_mac = lab.lan[0].mac, .dst_mac = mac_a});
	struct packet answer = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_2, 4000);
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .ingress_ifindex = lab.spare.ifindex};
	struct wh_flow flow;

	(void)state;
	lab_run(WH_HOOK_LAN_OUT, &context, &in);
	lab_from_lan(&answer);
	assert_true(lab_flow(&answer, &flow));
	assert_true(flow.flags & WH_FLOW_FOREIGN);
	left_out(&answer);
}

/* The router's own: its answers go up. */
static void test_routers_own(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, lab_own(1), 5000, REMOTE_1, 4500), answer;
	struct lab_context context = {.ifindex = lab.wan_ifindex[1]};
	struct wh_flow flow;
	struct result r;

	(void)state;
	r = lab_run(WH_HOOK_WAN_OUT, &context, &p);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_true(lab_flow(&p, &flow));
	assert_true(flow.flags & WH_FLOW_KERNEL);
	answer = lab_answer(0, &r.packet, 0);
	left_in(&answer);
}

/* Their answers go to a device that has no XDP. */
static void test_probes(void **state)
{
	address net = lab.family == WH_V4 ? WH_PROBE_NET : IP6(0xfd77, 0x616e, 0x6865, 0x6c6d, 0, 0, 0, 0);
	struct spec s = {.t = {net + 1, REMOTE_1, 700, 443, PROTO_UDP},
			 .src_mac = mac_prober,
			 .dst_mac = lab.prober.mac,
			 .payload = 24};
	struct packet p = packet_make(&s), answer;
	struct result r = lab_from_prober(&p);

	(void)state;
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	answer = lab_answer(0, &r.packet, 0);
	left_in(&answer);
	memcpy(p.bytes, lab.lan[0].mac, 6); /* nobody on a LAN is the prober */
	left_out(&p);
}

/* RFC 7857 §2.2: who speaks on was not reset; tc notes it, then XDP carries the session again. */
static void test_after_a_reset(void **state)
{
	struct packet p = session_segment(TCP_PSH | TCP_ACK), reset, answer;
	struct wh_flow flow;
	struct result r;

	(void)state;
	session_open(0);
	r = twin_carried(twin_out(0), &p);
	answer = lab_answer(0, &r.packet, TCP_ACK);
	reset = lab_answer(0, &r.packet, TCP_RST);
	left_in(&reset);
	lab_from_wan(0, &reset);
	assert_true(lab_flow(&p, &flow));
	assert_true(flow.tcp & WH_TCP_RST);
	left_in(&answer);
	lab_from_wan(0, &answer);
	assert_true(lab_flow(&p, &flow));
	assert_false(flow.tcp & WH_TCP_RST);
	twin_carried(twin_in(0), &answer);
	/* Or the client does: its own word takes it back at once. */
	lab_from_wan(0, &reset);
	twin_carried(twin_out(0), &p);
	assert_true(lab_flow(&p, &flow));
	assert_false(flow.tcp & WH_TCP_RST);
	left_in(&answer);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_name_servers),  LAB_BOTH(test_hairpins),	  LAB_BOTH(test_sessions_from_outside),
	LAB_BOTH(test_kernels_own),   LAB_BOTH(test_routers_own), LAB_BOTH(test_probes),
	LAB_BOTH(test_after_a_reset),
};

LAB_MAIN(tests, 1024)
