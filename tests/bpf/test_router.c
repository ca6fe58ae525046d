/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_router.c: the router's own traffic and sessions that were opened from outside, packet by packet: services at a
 * WAN's address, port forwards of the kernel's, the router's own flows on a WAN that dies.
 */
#include "harness.h"

#include <string.h>

/* The kernel sends what the router itself says by WAN 0, its default. */
static struct packet own_packet(address src, uint16_t sport, address dst, uint16_t dport, uint8_t proto)
{
	struct spec s = {.t = {src, dst, sport, dport, proto},
			 .src_mac = lab.wan[0].mac,
			 .dst_mac = mac_isp,
			 .tcp_flags = TCP_SYN | TCP_ACK,
			 .payload = 20};

	return packet_make(&s);
}

static struct result own_to_wan(unsigned wan, const struct packet *p)
{
	return lab_run(WH_HOOK_WAN_OUT, &(struct lab_context){.ifindex = lab.wan_ifindex[wan]}, p);
}

/* --- services at a WAN's address ----------------------------------------------------------------------------- */

/* Asked on WAN 1, answered on WAN 1, though the kernel's route is another one and the class prefers WAN 0. */
static void service(enum wh_family family, uint8_t proto)
{
	struct packet any = lab_packet(proto, lab_client(family, 0), 1, lab_remote(family, 0), 1);
	struct spec s = {.t = {lab_remote(family, 0), lab_external(1, &any), 7000, 22, proto}, .payload = 20};
	struct packet ask = remote_packet(1, s), answer, want;
	struct result r = lab_from_wan(1, &ask);

	expect_untouched(&r, &ask);
	answer = own_packet(lab_external(1, &any), 22, lab_remote(family, 0), 7000, proto);
	want = lab_leaving(1, &answer);
	r = own_to_wan(0, &answer);
	expect_sent(&r, &want);
	answer = want;
	r = own_to_wan(1, &answer);
	expect_let_by(&r, &answer);
	answer = own_packet(lab_external(1, &any), 22, lab_remote(family, 0), 7000, proto);
	/* It keeps its WAN, whatever the masks say. */
	lab_set_alive(0x01);
	r = own_to_wan(0, &answer);
	expect_sent(&r, &want);
	lab_set_alive(0x03);
}

static void test_services(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		service(family, PROTO_TCP);
		service(family, PROTO_UDP);
	}
}

/* --- port forwards ------------------------------------------------------------------------------------------- */

/* The kernel translates the destination and brings it to a client; the client's answers are the kernel's again. */
static void forward(enum wh_family family, uint8_t proto)
{
	struct packet any = lab_packet(proto, lab_client(family, 0), 1, lab_remote(family, 0), 1);
	struct spec s = {.t = {lab_remote(family, 0), lab_external(1, &any), 7000, 8080, proto}, .payload = 20};
	struct packet ask = remote_packet(1, s), brought, answer, want;
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .ingress_ifindex = lab.wan_ifindex[1]};
	struct result r = lab_from_wan(1, &ask);

	expect_untouched(&r, &ask);
	brought = packet_delivered(&ask, lab_client(family, 0), 80, lab.lan[0].mac, mac_a);
	r = lab_run(WH_HOOK_LAN_OUT, &context, &brought);
	expect_let_by(&r, &brought);
	s = (struct spec){.t = {lab_client(family, 0), lab_remote(family, 0), 80, 7000, proto},
			  .tcp_flags = TCP_SYN | TCP_ACK};
	answer = client_packet(s);
	r = lab_from_lan(&answer);
	assert_int_equal(r.verdict, VERDICT_NEXT);
	expect_packet(&r.packet, &answer);
	/* What the kernel makes of the answer leaves by the WAN that was asked. */
	answer = packet_translated(&answer, lab_external(1, &any), 8080);
	answer = packet_framed(&answer, lab.wan[0].mac, mac_isp);
	want = lab_leaving(1, &answer);
	context = (struct lab_context){
		.ifindex = lab.wan_ifindex[0], .ingress_ifindex = lab.lan_ifindex[0], .mark = r.mark};
	r = lab_run(WH_HOOK_WAN_OUT, &context, &answer);
	expect_sent(&r, &want);
	context.ifindex = lab.wan_ifindex[1];
	r = lab_run(WH_HOOK_WAN_OUT, &context, &answer);
	expect_let_by(&r, &answer);
}

static void test_port_forwards(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		for (unsigned mode = WH_FIREWALL_BYPASS; mode <= WH_FIREWALL_KERNEL; mode++) {
			lab_again();
			lab_set_firewall(mode, 1);
			forward(family, PROTO_TCP);
			forward(family, PROTO_UDP);
		}
	}
}

/* --- the router's own flows ----------------------------------------------------------------------------------- */

/* On its own WAN it leaves as it is; when that dies, by another one, under that one's address, and comes back. */
static void own_flow(enum wh_family family, uint8_t proto)
{
	struct packet any = lab_packet(proto, lab_client(family, 0), 1, lab_remote(family, 0), 1);
	struct packet p = own_packet(lab_external(0, &any), 40000, lab_remote(family, 0), 53, proto), want, answer;
	struct change out = {.side = SOURCE, .addr = lab_external(1, &any), .with_port = true, .ttl_stays = true};
	struct change back = {.side = DESTINATION,
			      .addr = lab_external(0, &any),
			      .port = 40000,
			      .with_port = true,
			      .ttl_stays = true};
	struct result r;

	if (proto == PROTO_TCP) {
		p.bytes[packet_l4(&p) + TCP_FLAGS] = TCP_SYN;
		packet_sum(&p);
	}
	r = own_to_wan(0, &p);
	expect_let_by(&r, &p);
	lab_set_alive(0x02);
	r = own_to_wan(0, &p);
	out.port = packet_tuple(&r.packet).sport;
	want = packet_changed(&p, &out);
	answer = lab_answer(1, &want, TCP_SYN | TCP_ACK);
	want = lab_leaving(1, &want);
	expect_sent(&r, &want);
	want = packet_changed(&answer, &back);
	want = packet_framed(&want, mac_isp, lab.wan[0].mac);
	r = lab_from_wan(1, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_int_equal(r.mark & LAB_MARK_MASK, LAB_MARK);
	memcpy(want.bytes + 6, r.packet.bytes + 6, 6); /* the source MAC says nothing to a router */
	expect_packet(&r.packet, &want);
}

static void test_own_flows_move(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

		for (unsigned i = 0; i < 3; i++) {
			lab_again();
			own_flow(family, protos[i]);
			lab_expect_consistent();
		}
	}
}

/* ARP, neighbour discovery and DHCP of the router itself are let by, on a dead WAN above all. */
static void test_what_keeps_a_wan_running(void **state)
{
	struct spec dhcp = {.t = {IP(198, 51, 100, 2), IP(198, 51, 100, 1), 68, 67, PROTO_UDP}, .payload = 200};
	struct spec discover = {.t = {0, IP(255, 255, 255, 255), 68, 67, PROTO_UDP}, .payload = 200};
	struct spec solicit = {
		.t = {IP6(0xfe80, 0, 0, 0, 0, 0, 0, 9), IP6(0xff02, 0, 0, 0, 0, 1, 0xff00, 1), 0, 0, PROTO_ICMP6},
		.icmp_type = 135,
		.ttl = 255,
		.payload = 16};
	struct spec dhcp6 = {
		.t = {IP6(0xfe80, 0, 0, 0, 0, 0, 0, 9), IP6(0xff02, 0, 0, 0, 0, 0, 1, 2), 546, 547, PROTO_UDP},
		.payload = 60};
	const struct spec *all[] = {&dhcp, &discover, &solicit, &dhcp6};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct packet p = packet_make(all[i % 4]);
		struct result r;

		lab_set_alive(i < 4 ? 0x03 : 0x02);
		r = own_to_wan(0, &p);
		expect_let_by(&r, &p);
	}
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_services),
	LAB_TEST(test_port_forwards),
	LAB_TEST(test_own_flows_move),
	LAB_TEST(test_what_keeps_a_wan_running),
};

LAB_MAIN(tests, 4096)
