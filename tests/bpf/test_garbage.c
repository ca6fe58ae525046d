/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_garbage.c: packets of sessions with bytes of their headers overwritten and their ends cut off, both ways and in
 * both families: nobody says what must come of them, but what must not.  WANHELM_SEED repeats a run.
 */
#include "world.h"

#define ROUNDS 60000

static bool is_inside(address a)
{
	return a >> 32 ? prefix_holds(lab_inside(), a) : a >> 16 == (IP(192, 168, 0, 0) >> 16);
}

/* To a translated prefix anybody may send what no session is known of: up to the kernel, its destination an inside one. */
static bool is_from_outside(const struct packet *in, const struct result *r)
{
	struct layout at = packet_layout(in);
	address inside = packet_address(&r->packet, &at, DESTINATION);
	struct packet want;

	if (r->verdict != VERDICT_NEXT || !is_inside(inside) || is_inside(packet_address(in, &at, DESTINATION)))
		return false;
	want = packet_changed(in,
			      &(struct change){.side = DESTINATION, .addr = inside, .ttl_stays = true, .mtu = 1500});
	return packet_equal(&r->packet, &want);
}

/* Whatever it was: sent with one hop less, sums that were right are right, and from no inside address by a WAN. */
static void judge_garbage(const struct packet *in, const struct result *r, bool translating)
{
	struct packet out = r->packet, want = *in;

	if (r->verdict == VERDICT_DROP || is_from_outside(in, r))
		return;
	if (r->verdict != VERDICT_REDIRECT) {
		packet_clamp(&want, 1500); /* a stranger's SYN may be held to the WAN's MTU on its way up */
		expect_let_by(r, packet_equal(&r->packet, in) ? in : &want);
		return;
	}
	assert_true(packet_layout(&out).version == 4 || packet_layout(&out).version == 6);
	assert_true(out.l2 + packet_ip_len(&out) <= out.len);
	if (packet_sums_right(in))
		assert_true(packet_sums_right(&out));
	if (translating && packet_tuple(&out).dst != packet_tuple(in).src)
		assert_false(is_inside(packet_tuple(&out).src) && !is_inside(packet_tuple(&out).dst));
}

static void play_garbage(uint64_t *chance)
{
	struct who w = world_somebody(chance);
	bool from_wan = below(chance, 2) && world_session(&w)->open;
	struct lab_context context = {.ifindex = from_wan ? lab.wan_ifindex[0] : lab.lan_ifindex[0]};
	struct packet p = from_wan ? world_remotes_packet(chance, &w) : world_clients_packet(chance, &w);
	struct result r = {};

	shape_garbage(chance, &p);
	if (below(chance, 2) && packet_layout(&p).version && p.len >= PACKET_L2 + 40)
		packet_sum(&p);
	if (lab_try(from_wan ? WH_HOOK_WAN_IN : WH_HOOK_LAN_IN, &context, &p, &r))
		return; /* the kernel itself found it too short */
	judge_garbage(&p, &r, !from_wan && world_translates(w.family));
}

static void garbage(bool masquerade)
{
	uint64_t chance = chance_seed();

	world_start(masquerade);
	for (unsigned i = 0; i < 500; i++)
		world_play_out(&chance);
	for (unsigned i = 0; i < ROUNDS; i++)
		play_garbage(&chance);
	lab_expect_consistent();
}

static void test_garbage(void **state)
{
	(void)state;
	garbage(true);
}

static void test_garbage_by_prefix_and_none(void **state)
{
	(void)state;
	garbage(false);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_garbage),
	LAB_TEST(test_garbage_by_prefix_and_none),
};

LAB_MAIN(tests, 32768)
