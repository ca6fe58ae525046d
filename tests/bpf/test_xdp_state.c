/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_xdp_state.c: packets that XDP leaves to tc for what the tables say of their flow, its WAN, its LAN, its client or
 * its class; and that XDP carries the flow again when tc has seen to it.
 */
#include "twin.h"

#include <string.h>

#define UDP_PORT 4500

struct known {
	struct packet out, in;
};

/* A flow on WAN 0 that XDP carries both ways. */
static struct known known_flow(void)
{
	struct known k = {.out = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, UDP_PORT)};
	struct result r;

	lab_from_lan(&k.out);
	r = twin_carried(twin_out(0), &k.out);
	k.in = lab_answer(0, &r.packet, 0);
	twin_carried(twin_in(0), &k.in);
	return k;
}

static void carried(const struct known *k)
{
	twin_carried(twin_out(0), &k->out);
	twin_carried(twin_in(0), &k->in);
}

static void left_out(const struct packet *p)
{
	twin_left(lab.lan_ifindex[0], p);
}

static void left_in(const struct packet *p)
{
	twin_left(lab.wan_ifindex[0], p);
}

/* --- neighbours ---------------------------------------------------------------------------------------------- */

static void test_gateway_not_known(void **state)
{
	struct known k = known_flow();
	struct wh_wan row = lab.wan[0];

	(void)state;
	row.v4.flags &= ~(unsigned)WH_WAN_GATEWAY_MAC;
	row.v6.flags &= ~(unsigned)WH_WAN_GATEWAY_MAC;
	lab_set_wan(0, &row);
	left_out(&k.out);
	twin_carried(twin_in(0), &k.in); /* comes from there all the same */
	lab_set_wan(0, &lab.wan[0]);
	carried(&k);
}

/* Nobody vouches for the gateways' MACs any more. */
static void test_gateways_not_fresh(void **state)
{
	struct known k = known_flow();
	struct wh_steer *all = &lab.t.steer_rows[WH_STEER_GLOBAL];

	(void)state;
	all->gateways_until_ns = 0;
	left_out(&k.out);
	all->gateways_until_ns = 1;
	left_out(&k.out);
	twin_carried(twin_in(0), &k.in);
	all->gateways_until_ns = UINT64_MAX;
	carried(&k);
}

/* Something changed among the LAN's neighbours: tc asks the kernel, and learns the client anew when it sends. */
static void test_neighbours_changed(void **state)
{
	struct known k = known_flow();

	(void)state;
	lab_renew_neighbours(1); /* another LAN's */
	carried(&k);
	lab_renew_neighbours(0);
	left_in(&k.in);
	left_out(&k.out);
	send_out(&k.out, 0);
	carried(&k);
}

/* Another box has the client's address now: answers go to it. */
static void test_clients_mac_changed(void **state)
{
	struct known k = known_flow(), moved = k;
	struct result r;

	(void)state;
	memcpy(moved.out.bytes + 6, mac_b, 6);
	left_out(&moved.out);
	send_out(&moved.out, 0);
	twin_carried(twin_out(0), &moved.out);
	left_out(&k.out);
	r = twin_carried(twin_in(0), &k.in);
	assert_memory_equal(r.packet.bytes, mac_b, 6);
}

/* On another LAN, where the same MACs may be: the kernel's rules are asked first. */
static void test_client_on_another_lan(void **state)
{
	struct known k = known_flow();

	(void)state;
	memcpy(k.out.bytes, lab.lan[1].mac, 6);
	twin_left(lab.lan_ifindex[1], &k.out);
}

/* --- wires --------------------------------------------------------------------------------------------------- */

/* What meets us by another device, or is not to be sent by XDP, or has another address of ours. */
static void test_wires(void **state)
{
	struct known k = known_flow();
	struct wh_wire wan = lab_wire(LAB_ROW_WAN(0)), lan = lab_wire(LAB_ROW_LAN(0)), row;

	(void)state;
	row = wan;
	row.sends = 0;
	lab_set_wire(LAB_ROW_WAN(0), &row);
	left_out(&k.out);
	twin_carried(twin_in(0), &k.in);
	row = wan;
	row.ifindex = lab.spare.ifindex;
	lab_set_wire(LAB_ROW_WAN(0), &row);
	left_in(&k.in);
	row = wan;
	row.mac[3] ^= 0x80;
	lab_set_wire(LAB_ROW_WAN(0), &row);
	left_in(&k.in);
	lab_set_wire(LAB_ROW_WAN(0), &wan);

	row = lan;
	row.sends = 0;
	lab_set_wire(LAB_ROW_LAN(0), &row);
	left_in(&k.in);
	twin_carried(twin_out(0), &k.out);
	row = lan;
	row.ifindex = lab.spare.ifindex;
	lab_set_wire(LAB_ROW_LAN(0), &row);
	left_out(&k.out);
	row = lan;
	row.mac[0] ^= 0x80;
	lab_set_wire(LAB_ROW_LAN(0), &row);
	left_out(&k.out);
	lab_set_wire(LAB_ROW_LAN(0), &lan);
	carried(&k);
}

/* No device now, whatever its wire says. */
static void test_absent_devices(void **state)
{
	struct known k = known_flow();
	struct wh_wan wan = lab.wan[0];
	struct wh_lan lan = lab.lan[0];

	(void)state;
	wan.ifindex = 0;
	lab_set_wan(0, &wan);
	left_out(&k.out);
	lab_set_wan(0, &lab.wan[0]);
	lan.ifindex = 0;
	lab_set_lan(0, &lan);
	left_in(&k.in);
	lab_set_lan(0, &lab.lan[0]);
	carried(&k);
}

/* --- masks --------------------------------------------------------------------------------------------------- */

/* tc moves it; then XDP carries it on the new WAN. */
static void test_wan_died(void **state)
{
	struct known k = known_flow();
	struct packet answer;
	struct result r;

	(void)state;
	lab_set_alive(0x02);
	left_out(&k.out);
	send_out(&k.out, 1);
	r = twin_carried(twin_out(1), &k.out);
	expect_out(&r, &k.out, 1);
	answer = lab_answer(1, &r.packet, 0);
	twin_carried(twin_in(1), &answer);
	left_in(&k.in); /* what is late on the old one is no longer its flow's */
}

/* Where its class keeps it, also while its WAN is waited for; no longer where it is to leave. */
static void test_masks(void **state)
{
	struct known k = known_flow();

	(void)state;
	lab_set_alive(0x02);
	lab_set_held(0x01);
	carried(&k);
	lab_set_held(0);
	left_out(&k.out);
	lab_set_alive(0x03);
	lab_set_masks(0x02, 0x03);
	left_out(&k.out);
	lab_set_masks(0x01, 0x00);
	carried(&k);
	lab_set_leave(0x01);
	left_out(&k.out);
	twin_carried(twin_in(0), &k.in);
	lab_set_leave(0x02);
	carried(&k);
}

static void test_readdressed(void **state)
{
	struct known k = known_flow();

	(void)state;
	lab_readdress(0, lab_own(0) + 1);
	left_out(&k.out);
	lab_readdress(0, lab_own(0));
	carried(&k);
}

/* Found idle by the sweep, or told to be over: tc wakes it, or says no. */
static void test_pins(void **state)
{
	static const uint8_t states[] = {WH_FLOW_DYING, WH_FLOW_DEAD, WH_FLOW_RESET};
	struct known k = known_flow();

	(void)state;
	for (unsigned i = 0; i < sizeof(states); i++) {
		lab_set_pin_state(&k.out, states[i]);
		left_out(&k.out);
	}
	lab_set_pin_state(&k.out, WH_FLOW_DYING);
	send_out(&k.out, 0);
	carried(&k);
}

/* --- generations --------------------------------------------------------------------------------------------- */

/* Classes or match lines have changed: tc looks again. */
static void test_rules_changed(void **state)
{
	struct known k = known_flow();

	(void)state;
	lab_renew_policy();
	left_out(&k.out);
	twin_carried(twin_in(0), &k.in);
	send_out(&k.out, 0);
	carried(&k);
}

/* The kernel's rules or routes have. */
static void test_firewall_changed(void **state)
{
	struct known k = known_flow();

	(void)state;
	lab_set_firewall(WH_FIREWALL_BYPASS, 1);
	left_out(&k.out);
	twin_carried(twin_in(0), &k.in);
	send_out(&k.out, 0);
	carried(&k);
	lab_set_firewall(WH_FIREWALL_KERNEL, 1);
	carried(&k);
	lab_set_firewall(WH_FIREWALL_KERNEL, 0x10001); /* the flow has the low bits only */
	carried(&k);
	lab_set_firewall(WH_FIREWALL_KERNEL, 2);
	left_out(&k.out);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_gateway_not_known),
	LAB_BOTH(test_gateways_not_fresh),
	LAB_BOTH(test_neighbours_changed),
	LAB_BOTH(test_clients_mac_changed),
	LAB_BOTH(test_client_on_another_lan),
	LAB_BOTH(test_wires),
	LAB_BOTH(test_absent_devices),
	LAB_BOTH(test_wan_died),
	LAB_BOTH(test_masks),
	LAB_BOTH(test_readdressed),
	LAB_BOTH(test_pins),
	LAB_BOTH(test_rules_changed),
	LAB_BOTH(test_firewall_changed),
};

LAB_MAIN(tests, 1024)
