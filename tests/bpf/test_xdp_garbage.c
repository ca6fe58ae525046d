/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_xdp_garbage.c: packets of sessions with bytes overwritten anywhere and their ends cut off, with tags and without,
 * and frames of nothing but chance, before XDP: what it sends, tc would have sent, with the same bytes; what it leaves
 * is as it came, and was not counted; it drops nothing.  WANHELM_SEED repeats a run.
 */
#include "lab_xdp.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 60000
#define TRUNK lab.spare.ifindex

enum { WAN_VLAN = 10, LAN_VLAN = 20 };
enum { TYPE_AT = 12, TYPE_8021Q = 0x8100, TAG_LEN = 4 };

/* --- frames -------------------------------------------------------------------------------------------------- */

/* A frame, and where XDP and the tc hooks meet it. */
struct meeting {
	struct packet frame;
	unsigned ifindex;
};

static void add_tag(struct packet *p, uint16_t tag)
{
	memmove(p->bytes + TYPE_AT + TAG_LEN, p->bytes + TYPE_AT, p->len - TYPE_AT);
	packet_put16(p, TYPE_AT, TYPE_8021Q);
	packet_put16(p, TYPE_AT + 2, tag);
	p->len += TAG_LEN;
}

static void remove_tag(struct packet *p)
{
	p->len -= TAG_LEN;
	memmove(p->bytes + TYPE_AT, p->bytes + TYPE_AT + TAG_LEN, p->len - TYPE_AT);
}

/* One of a session's packets; whole now and then, so that much is carried. */
static struct packet some_packet(uint64_t *chance, bool *from_wan)
{
	struct who w = world_somebody(chance);
	struct packet p;

	*from_wan = below(chance, 2) && world_session(&w)->open;
	p = *from_wan ? world_remotes_packet(chance, &w) : world_clients_packet(chance, &w);
	if (below(chance, 3))
		return p;
	shape_garbage(chance, &p);
	if (below(chance, 2) && packet_layout(&p).version && p.len >= PACKET_L2 + 40)
		packet_sum(&p);
	return p;
}

static struct packet some_bytes(uint64_t *chance, const struct packet *like)
{
	struct packet p = *like;

	p.len = PACKET_L2 + below(chance, 200);
	for (size_t i = below(chance, 2) ? PACKET_L2 : below(chance, PACKET_L2); i < p.len; i++)
		p.bytes[i] = (uint8_t)below(chance, 256);
	return p;
}

static struct meeting some_meeting(uint64_t *chance, bool trunk)
{
	struct meeting m;
	bool from_wan;

	m.frame = some_packet(chance, &from_wan);
	m.ifindex = from_wan ? lab.wan_ifindex[0] : lab.lan_ifindex[0];
	if (!below(chance, 10))
		m.frame = some_bytes(chance, &m.frame);
	if (trunk) {
		uint16_t vlan = below(chance, 10) ? (from_wan ? WAN_VLAN : LAN_VLAN) : (uint16_t)below(chance, 30);

		m.ifindex = TRUNK;
		add_tag(&m.frame, (uint16_t)(below(chance, 16) << 12 | vlan));
	} else if (!below(chance, 10)) {
		add_tag(&m.frame, (uint16_t)below(chance, 0x10000));
	}
	if (!below(chance, 5)) /* in what stands before IP, too */
		m.frame.bytes[below(chance, PACKET_L2 + TAG_LEN)] ^= (uint8_t)(1 << below(chance, 8));
	if (!below(chance, 5))
		m.frame.len -= below(chance, (uint32_t)(m.frame.len - PACKET_L2 + 1));
	return m;
}

/* --- judging ------------------------------------------------------------------------------------------------- */

/* As the kernel shows it to tc: without the tag, on the VLAN's device. Whether it does. */
static bool take_to_tc(struct meeting *m)
{
	uint16_t vlan;

	if (m->ifindex != TRUNK)
		return m->frame.len < PACKET_L2 + TAG_LEN || packet_get16(&m->frame, TYPE_AT) != TYPE_8021Q;
	if (m->frame.len < PACKET_L2 + TAG_LEN || packet_get16(&m->frame, TYPE_AT) != TYPE_8021Q)
		return false;
	vlan = packet_get16(&m->frame, TYPE_AT + 2) & 0x0fff;
	m->ifindex = vlan == WAN_VLAN ? lab.wan_ifindex[0] : lab.lan_ifindex[0];
	remove_tag(&m->frame);
	return vlan == WAN_VLAN || vlan == LAN_VLAN;
}

static struct result by_tc(const struct meeting *m)
{
	struct result r = {.verdict = VERDICT_DROP};

	lab_try(m->ifindex == lab.lan_ifindex[0] ? WH_HOOK_LAN_IN : WH_HOOK_WAN_IN,
		&(struct lab_context){.ifindex = m->ifindex}, &m->frame, &r);
	return r;
}

/* Sent: tc would have. By a VLAN of the trunk with the tag of that, and no priority. */
static void judge_sent(const struct meeting *met, const struct result *r, bool trunk)
{
	struct meeting m = *met;
	struct result tc;

	assert_int_equal(r->verdict, VERDICT_REDIRECT);
	assert_true(take_to_tc(&m));
	tc = by_tc(&m);
	assert_int_equal(tc.verdict, VERDICT_REDIRECT);
	if (trunk)
		add_tag(&tc.packet, m.ifindex == lab.lan_ifindex[0] ? WAN_VLAN : LAN_VLAN);
	expect_packet(&r->packet, &tc.packet);
}

static uint64_t counted(void)
{
	struct wh_counters c = lab_counters(0, 0);

	return c.tx_packets + c.tx_bytes + c.rx_packets + c.rx_bytes;
}

/* Whether XDP carried it. */
static bool play_garbage(uint64_t *chance, bool trunk)
{
	struct meeting m = some_meeting(chance, trunk);
	uint64_t before = counted(), reasons = below(chance, 50) ? 0 : lab_reasons_total();
	struct result r = {};
	int err = lab_xdp(m.ifindex, &m.frame, &r);

	if (err == -EINVAL)
		return false; /* the kernel itself found it too short */
	if (err)
		expect_packet(&r.packet, &m.frame);
	assert_int_equal(err, 0);
	if (r.verdict != VERDICT_NEXT) {
		judge_sent(&m, &r, trunk);
		return true;
	}
	assert_int_equal(counted(), before);
	if (reasons)
		assert_int_equal(lab_reasons_total(), reasons);
	if (take_to_tc(&m) && m.frame.len >= PACKET_L2)
		by_tc(&m);
	return false;
}

/* WAN 0 and LAN 0 as VLANs of one trunk. */
static void set_trunk(void)
{
	struct wh_wire wan = lab_wire(LAB_ROW_WAN(0)), lan = lab_wire(LAB_ROW_LAN(0));

	wan.ifindex = lan.ifindex = TRUNK;
	wan.vlan = WAN_VLAN;
	lan.vlan = LAN_VLAN;
	lab_set_wire(LAB_ROW_WAN(0), &wan);
	lab_set_wire(LAB_ROW_LAN(0), &lan);
}

/* The controller's part. */
static void change_tables(uint64_t *chance)
{
	struct wh_wan row = lab.wan[0];

	switch (below(chance, 8)) {
	case 0:
		lab_set_alive((uint8_t)(below(chance, 4) | below(chance, 2)));
		break;
	case 1:
		lab_set_masks((uint8_t)(below(chance, 4) | below(chance, 4)), 0x03);
		break;
	case 2:
		lab_set_leave((uint8_t)(below(chance, 4) & below(chance, 4)));
		break;
	case 3:
		lab_set_held((uint8_t)below(chance, 4));
		break;
	case 4:
		lab_renew_neighbours(0);
		break;
	case 5:
		lab_renew_policy();
		break;
	case 6:
		lab_set_firewall(WH_FIREWALL_BYPASS, below(chance, 3));
		break;
	default: /* its other address of both families, and its MTU */
		row.v4.addr_be ^= htobe32(below(chance, 4) ? 0 : 4);
		row.v6.addr_be.word_be[3] ^= htobe32(below(chance, 4) ? 0 : 4);
		row.mtu = below(chance, 3) ? 1500 : 1280;
		lab_set_wan(0, &row);
	}
}

enum { TRUNKED = 1, CHANGING = 2 };

static void garbage(bool masquerade, unsigned how)
{
	uint64_t chance = chance_seed();
	bool trunk = how & TRUNKED;
	unsigned carried = 0;

	lab_use_xdp(false);
	world_start(masquerade);
	for (unsigned i = 0; i < 500; i++)
		world_play_out(&chance);
	if (trunk)
		set_trunk();
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (how & CHANGING && !below(&chance, 300))
			change_tables(&chance);
		carried += play_garbage(&chance, trunk);
	}
	printf("%u of %u were carried\n", carried, ROUNDS);
	assert_true(carried > ROUNDS / (how & CHANGING ? 100 : 10));
	lab_expect_consistent();
}

static void test_garbage(void **state)
{
	(void)state;
	garbage(true, 0);
}

static void test_garbage_by_prefix_and_none(void **state)
{
	(void)state;
	garbage(false, 0);
}

static void test_garbage_with_tags(void **state)
{
	(void)state;
	garbage(true, TRUNKED);
}

static void test_garbage_while_tables_change(void **state)
{
	(void)state;
	garbage(true, CHANGING);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_garbage),
	LAB_TEST(test_garbage_by_prefix_and_none),
	LAB_TEST(test_garbage_with_tags),
	LAB_TEST(test_garbage_while_tables_change),
};

LAB_MAIN(tests, 32768)
