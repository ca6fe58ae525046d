/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_firewall.c: new flows on their way through the kernel's firewall: shown with a mark and nothing else changed,
 * carried once the kernel has let them by, shown again after its rules changed.
 */
#include "harness.h"

#include <string.h>

#define UNIT (LAB_MARK_MASK & -LAB_MARK_MASK) /* our mask's lowest bit */
#define OTHERS 0x00123456U

static uint32_t shown(unsigned wan)
{
	return LAB_MARK + (WH_MARK_SHOWN + wan) * UNIT;
}

static struct packet udp(enum wh_family family)
{
	return lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_remote(family, 0), 53);
}

/* Up to the kernel, not a byte changed, with the mark. */
static void expect_shown(const struct packet *p, uint32_t mark)
{
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .mark = OTHERS};
	struct result r = lab_run(WH_HOOK_LAN_IN, &context, p);

	assert_int_equal(r.verdict, VERDICT_NEXT);
	expect_packet(&r.packet, p);
	assert_int_equal(r.mark, mark | OTHERS);
}

static struct result at_wan_out(unsigned device, const struct packet *p, uint32_t mark)
{
	struct packet out = lab_forwarded(p, device);
	struct lab_context context = {
		.ifindex = lab.wan_ifindex[device], .ingress_ifindex = lab.lan_ifindex[0], .mark = mark | OTHERS};

	return lab_run(WH_HOOK_WAN_OUT, &context, &out);
}

/* Out by the chosen WAN, whatever device the kernel had in mind. Returns the external port. */
static uint16_t expect_accepted(const struct packet *p, unsigned device, unsigned wan, uint32_t mark)
{
	struct result r = at_wan_out(device, p, mark);
	struct change c = {.side = SOURCE,
			   .addr = lab_external(wan, p),
			   .port = packet_tuple(&r.packet).sport,
			   .with_port = true,
			   .ttl_stays = true,
			   .mtu = 1500};
	struct packet want = lab_forwarded(p, device);

	want = packet_changed(&want, &c);
	if (wan != device) {
		want = lab_leaving(wan, &want);
		assert_int_equal(r.verdict, VERDICT_REDIRECT);
	} else {
		assert_int_equal(r.verdict, VERDICT_NEXT);
	}
	expect_packet(&r.packet, &want);
	assert_int_equal(r.mark & ~LAB_MARK_MASK, OTHERS);
	return c.port;
}

/* --- accepted ----------------------------------------------------------------------------------------------- */

static void accepted_on(enum wh_family family, uint8_t proto, unsigned device)
{
	struct packet p = lab_packet(proto, lab_client(family, 0), 5000, lab_remote(family, 0), 53);
	uint16_t port;

	lab_again();
	lab_set_firewall(WH_FIREWALL_KERNEL, 1);
	expect_shown(&p, shown(0));
	assert_int_equal(lab_flows() + lab_ports(), 0);
	port = expect_accepted(&p, device, 0, shown(0));
	assert_int_equal(lab_flows(), 1);
	answer_in(&p, 0, port, TCP_SYN | TCP_ACK);
	assert_int_equal(send_out(&p, 0), port);
	lab_expect_consistent();
}

static void test_accepted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		enum wh_family family = i % 2;

		accepted_on(family, i / 2 % 2 ? PROTO_UDP : PROTO_TCP, i / 4);
		accepted_on(family, PROTO_ICMP, i / 4);
	}
}

/* The mark says which WAN was chosen, and that is where it goes, though the kernel would use another one. */
static void test_chosen_wan(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family);

		lab_again();
		lab_set_firewall(WH_FIREWALL_KERNEL, 1);
		lab_set_order((const int[]){1, 0, -1});
		expect_shown(&p, shown(1));
		expect_accepted(&p, 0, 1, shown(1));
		send_out(&p, 1);
	}
}

/* While the first answer is awaited every packet is shown; what the firewall drops holds nothing. */
static void test_dropped_by_the_firewall(void **state)
{
	(void)state;
	lab_set_firewall(WH_FIREWALL_KERNEL, 1);
	for (unsigned i = 0; i < 100; i++) {
		struct packet p = udp(i % 2);

		expect_shown(&p, shown(0));
	}
	assert_int_equal(lab_flows() + lab_replies() + lab_binds() + lab_ports(), 0);
	assert_int_equal(lab_counters(0, 0).new_flows, 0);
}

/* Rules that change the tuple (redirects, DNAT) take the flow out of our hands: what comes out is not what went in. */
static void test_rewritten_by_the_users_rules(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family),
			      other = lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_remote(family, 9), 53);
		struct result r;

		lab_again();
		lab_set_firewall(WH_FIREWALL_KERNEL, 1);
		expect_shown(&p, shown(0));
		r = at_wan_out(0, &other, shown(0));
		/* It leaves translated, or not at all. */
		if (r.verdict != VERDICT_DROP)
			assert_true(packet_tuple(&r.packet).src == lab_external(0, &p) ||
				    packet_tuple(&r.packet).src == lab_external(1, &p));
	}
}

/* --- the rules change --------------------------------------------------------------------------------------- */

/* Shown once more, and carried again when the kernel lets it by; nothing else about the flow changes. */
static void test_rules_changed(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family);
		struct lab_context context = {.ifindex = lab.lan_ifindex[0]};
		struct result r;
		uint16_t port;

		lab_again();
		lab_set_firewall(WH_FIREWALL_KERNEL, 1);
		expect_shown(&p, shown(0));
		port = expect_accepted(&p, 0, 0, shown(0));
		assert_int_equal(send_out(&p, 0), port);
		lab_set_firewall(WH_FIREWALL_KERNEL, 2);
		/* Not before connection tracking has forgotten what it saw of the flow. */
		assert_int_equal(send_out(&p, 0), port);
		lab_age_flows(13);
		r = lab_run(WH_HOOK_LAN_IN, &context, &p);
		assert_int_equal(r.verdict, VERDICT_NEXT);
		expect_packet(&r.packet, &p);
		assert_int_not_equal(r.mark & LAB_MARK_MASK, LAB_MARK);
		assert_int_not_equal(r.mark & LAB_MARK_MASK, 0);
		assert_int_equal(expect_accepted(&p, 0, 0, r.mark & LAB_MARK_MASK), port);
		assert_int_equal(send_out(&p, 0), port);
		assert_int_equal(lab_flows(), 1);
	}
}

/* --- marks -------------------------------------------------------------------------------------------------- */

/* A packet that claims to have been shown, but from nobody we know: never out untranslated. */
static void test_mark_without_a_flow(void **state)
{
	(void)state;
	lab_set_firewall(WH_FIREWALL_KERNEL, 1);
	for (unsigned i = 0; i < 2 * (WH_MARK_VALUES - 1); i++) {
		struct packet p = udp(i % 2);
		struct result r = at_wan_out(0, &p, LAB_MARK + (1 + i / 2) * UNIT);

		if (r.verdict != VERDICT_DROP)
			assert_true(packet_tuple(&r.packet).src != packet_tuple(&p).src);
	}
}

/* By a WAN that died in between: to one that lives. */
static void test_wan_dies_in_between(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = udp(family);
		struct result r;

		lab_again();
		lab_set_firewall(WH_FIREWALL_KERNEL, 1);
		expect_shown(&p, shown(0));
		lab_set_alive(0x02);
		r = at_wan_out(0, &p, shown(0));
		if (r.verdict == VERDICT_DROP)
			continue;
		assert_true(packet_tuple(&r.packet).src == lab_external(0, &p) ||
			    packet_tuple(&r.packet).src == lab_external(1, &p));
		send_out(&p, 1);
	}
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_accepted),
	LAB_TEST(test_chosen_wan),
	LAB_TEST(test_dropped_by_the_firewall),
	LAB_TEST(test_rewritten_by_the_users_rules),
	LAB_TEST(test_rules_changed),
	LAB_TEST(test_mark_without_a_flow),
	LAB_TEST(test_wan_dies_in_between),
};

LAB_MAIN(tests, 4096)
