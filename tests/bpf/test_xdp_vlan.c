/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_xdp_vlan.c: frames with an 802.1Q tag, which a driver shows before the kernel takes it off: WANs and LANs that are
 * VLANs of a trunk, with or without others beside them.
 */
#include "twin.h"

#include <string.h>

#define TRUNK lab.spare.ifindex
#define TAG_LEN 4
#define PRIORITY(n) ((uint16_t)((n) << 13))
#define DROPPABLE 0x1000

enum { WAN_VLAN = 10, LAN_VLAN = 4094, OTHER_VLAN = 20 };
enum { TYPE_AT = 12, TYPE_8021Q = 0x8100, TYPE_8021AD = 0x88a8 };

static struct packet with_tag(const struct packet *p, uint16_t type, uint16_t tag)
{
	struct packet tagged = *p;

	memmove(tagged.bytes + TYPE_AT + TAG_LEN, p->bytes + TYPE_AT, p->len - TYPE_AT);
	tagged.len += TAG_LEN;
	tagged.l2 += TAG_LEN;
	packet_put16(&tagged, TYPE_AT, type);
	packet_put16(&tagged, TYPE_AT + 2, tag);
	return tagged;
}

/* As it is on the wire of a VLAN; 0: of none. */
static struct packet on_wire(const struct packet *p, uint16_t tag)
{
	return tag ? with_tag(p, TYPE_8021Q, tag) : *p;
}

/* WAN 0 and LAN 0 are that VLAN of the trunk; 0: the device that they are. */
static void set_wires(uint16_t wan_vlan, uint16_t lan_vlan)
{
	struct wh_wire wan = lab_wire(LAB_ROW_WAN(0)), lan = lab_wire(LAB_ROW_LAN(0));

	wan.ifindex = wan_vlan ? TRUNK : lab.wan_ifindex[0];
	wan.vlan = wan_vlan;
	lan.ifindex = lan_vlan ? TRUNK : lab.lan_ifindex[0];
	lan.vlan = lan_vlan;
	lab_set_wire(LAB_ROW_WAN(0), &wan);
	lab_set_wire(LAB_ROW_LAN(0), &lan);
}

static unsigned wire_ifindex(unsigned row)
{
	return lab_wire(row).ifindex;
}

struct known {
	struct packet out, in; /* without a tag */
};

/* tc knows the flow, by its devices. */
static struct known known_flow(uint8_t proto)
{
	struct known k = {.out = lab_packet(proto, CLIENT_A, 5000, REMOTE_1, 4500)};
	struct packet sent;

	if (proto == PROTO_TCP) {
		session_open(0);
		k.out = session_segment(TCP_PSH | TCP_ACK);
	}
	sent = lab_from_lan(&k.out).packet;
	k.in = lab_answer(0, &sent, TCP_ACK);
	return k;
}

static struct result carried(unsigned row_in, struct twin by, const struct packet *p, uint16_t tag)
{
	struct packet frame = on_wire(p, tag);

	return twin_carried_tagged(wire_ifindex(row_in), &frame, by, p);
}

/* Out and in, with the tag of the wire that each comes by, and leaves with that of its other wire and no priority. */
static void carried_both_ways(uint8_t proto, uint16_t wan_vlan, uint16_t lan_vlan, uint16_t priority)
{
	struct known k = known_flow(proto);
	struct packet want;
	struct result r;

	set_wires(wan_vlan, lan_vlan);
	r = carried(LAB_ROW_LAN(0), twin_out(0), &k.out, lan_vlan ? lan_vlan | priority : 0);
	want = packet_translated(&k.out, lab_own(0), packet_tuple(&k.in).dport);
	want = lab_leaving(0, &want);
	want = on_wire(&want, wan_vlan);
	expect_packet(&r.packet, &want);
	r = carried(LAB_ROW_WAN(0), twin_in(0), &k.in, wan_vlan ? wan_vlan | priority : 0);
	want = packet_delivered(&k.in, CLIENT_A, packet_tuple(&k.out).sport, lab.lan[0].mac, mac_a);
	want = on_wire(&want, lan_vlan);
	expect_packet(&r.packet, &want);
}

static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ESP};

static void test_lan_is_a_vlan(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++)
		carried_both_ways(protos[i], 0, LAN_VLAN, 0);
}

static void test_wan_is_a_vlan(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++)
		carried_both_ways(protos[i], WAN_VLAN, 0, 0);
}

/* In and out by one device. */
static void test_both_are_vlans_of_one_trunk(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++)
		carried_both_ways(protos[i], WAN_VLAN, LAN_VLAN, 0);
}

static void test_priorities(void **state)
{
	(void)state;
	for (uint16_t priority = 0; priority < 8; priority++)
		carried_both_ways(PROTO_UDP, WAN_VLAN, LAN_VLAN, PRIORITY(priority));
	carried_both_ways(PROTO_UDP, WAN_VLAN, LAN_VLAN, PRIORITY(7) | DROPPABLE);
}

/* --- left ---------------------------------------------------------------------------------------------------- */

static void left_with(unsigned ifindex, const struct packet *p, uint16_t type, uint16_t tag)
{
	struct packet frame = with_tag(p, type, tag);

	twin_left(ifindex, &frame);
}

/* Of another VLAN, of none, or of ours on another device. */
static void test_other_vlans(void **state)
{
	static const uint16_t tags[] = {
		1, OTHER_VLAN, WAN_VLAN ^ 0x800, LAN_VLAN ^ 1, 4095, PRIORITY(5) | OTHER_VLAN, DROPPABLE | OTHER_VLAN};
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	set_wires(WAN_VLAN, LAN_VLAN);
	for (unsigned i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		left_with(TRUNK, &k.out, TYPE_8021Q, tags[i]);
		left_with(TRUNK, &k.in, TYPE_8021Q, tags[i]);
	}
	twin_left(TRUNK, &k.out);
	twin_left(TRUNK, &k.in);
	left_with(lab.lan_ifindex[0], &k.out, TYPE_8021Q, LAN_VLAN);
	left_with(lab.wan_ifindex[0], &k.in, TYPE_8021Q, WAN_VLAN);
	left_with(TRUNK, &k.out, TYPE_8021Q, WAN_VLAN);
	left_with(TRUNK, &k.in, TYPE_8021Q, LAN_VLAN);
}

/* Tagged where our own frames have no tag: for the VLAN's device, if there is one. */
static void test_tagged_beside_untagged(void **state)
{
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	for (unsigned tag = 0; tag < 0x10000; tag += 0x0aab) {
		left_with(lab.lan_ifindex[0], &k.out, TYPE_8021Q, (uint16_t)tag);
		left_with(lab.wan_ifindex[0], &k.in, TYPE_8021Q, (uint16_t)tag);
	}
}

/* VLAN 0 is none: a priority only, for the kernel to read. */
static void test_priority_tags(void **state)
{
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	for (uint16_t priority = 0; priority < 8; priority++) {
		left_with(lab.lan_ifindex[0], &k.out, TYPE_8021Q, PRIORITY(priority));
		left_with(lab.wan_ifindex[0], &k.in, TYPE_8021Q, PRIORITY(priority) | DROPPABLE);
	}
}

static void test_tags_within_tags(void **state)
{
	static const uint16_t types[] = {TYPE_8021Q, TYPE_8021AD};
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	set_wires(WAN_VLAN, LAN_VLAN);
	for (unsigned i = 0; i < 2; i++) {
		struct packet out = with_tag(&k.out, TYPE_8021Q, LAN_VLAN), in = with_tag(&k.in, TYPE_8021Q, WAN_VLAN);

		left_with(TRUNK, &out, types[i], LAN_VLAN);
		left_with(TRUNK, &in, types[i], WAN_VLAN);
		left_with(TRUNK, &k.out, TYPE_8021AD, LAN_VLAN);
		left_with(TRUNK, &k.in, TYPE_8021AD, WAN_VLAN);
	}
}

/* In our own VLAN, all that XDP leaves without a tag, too: the tag is back where it was, priority and all. */
static void test_left_in_our_vlan(void **state)
{
	struct packet first = lab_packet(PROTO_UDP, CLIENT_B, 5000, REMOTE_1, 4500), arp;
	struct known k = known_flow(PROTO_TCP);

	(void)state;
	set_wires(WAN_VLAN, LAN_VLAN);
	left_with(TRUNK, &first, TYPE_8021Q, LAN_VLAN | PRIORITY(3));
	k.out.bytes[packet_l4(&k.out) + TCP_FLAGS] = TCP_RST;
	k.in.bytes[packet_l4(&k.in) + TCP_FLAGS] = TCP_RST;
	left_with(TRUNK, &k.out, TYPE_8021Q, LAN_VLAN | DROPPABLE);
	left_with(TRUNK, &k.in, TYPE_8021Q, WAN_VLAN | PRIORITY(7) | DROPPABLE);
	arp = k.out;
	packet_put16(&arp, TYPE_AT, 0x0806);
	left_with(TRUNK, &arp, TYPE_8021Q, LAN_VLAN | PRIORITY(1));
	packet_put16(&arp, TYPE_AT, TYPE_8021Q);
	left_with(TRUNK, &arp, TYPE_8021Q, LAN_VLAN);
}

/* However short, with whatever tag. */
static void test_cut_short(void **state)
{
	struct known k = known_flow(PROTO_UDP);
	struct packet out = with_tag(&k.out, TYPE_8021Q, LAN_VLAN), in = with_tag(&k.in, TYPE_8021Q, WAN_VLAN);

	(void)state;
	set_wires(WAN_VLAN, LAN_VLAN);
	for (size_t cut = 1; cut <= in.len - PACKET_L2; cut++) {
		struct packet p = out;

		p.len -= cut;
		twin_left(TRUNK, &p);
		p = in;
		p.len -= cut;
		twin_left(TRUNK, &p);
	}
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_lan_is_a_vlan), LAB_BOTH(test_wan_is_a_vlan),    LAB_BOTH(test_both_are_vlans_of_one_trunk),
	LAB_BOTH(test_priorities),    LAB_BOTH(test_other_vlans),      LAB_BOTH(test_tagged_beside_untagged),
	LAB_BOTH(test_priority_tags), LAB_BOTH(test_tags_within_tags), LAB_BOTH(test_left_in_our_vlan),
	LAB_BOTH(test_cut_short),
};

LAB_MAIN(tests, 1024)
