/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_malformed6.c: IPv6 packets that are cut short or contradict themselves: never translated, never half.  Their
 * IPv4 cousins: test_malformed.c.
 */
#include "harness.h"

#include <string.h>

enum { AT_LEN = 18, AT_NEXT = 20, AT_FIRST = 54 }; /* in the frame */

static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

static void expect_left_out(enum wh_hook hook, unsigned ifindex, const struct packet *in)
{
	struct lab_context context = {.ifindex = ifindex, .ingress_ifindex = lab.lan_ifindex[0]};
	unsigned flows = lab_flows();
	struct result r = lab_run(hook, &context, in);

	assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
	expect_packet(&r.packet, in);
	assert_int_equal(lab_flows(), flows);
}

/* As a first packet, in a session, and as its answer. */
static void each_way(void (*break_it)(struct packet *p), const uint8_t *extensions)
{
	for (unsigned i = 0; i < sizeof(protos); i++) {
		struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, protos[i]}, .payload = 40};
		struct packet good, bad, answer;
		struct result r;

		lab_forget_flows();
		memcpy(s.extensions, extensions, EXTENSIONS_MAX);
		bad = good = client_packet(s);
		break_it(&bad);
		expect_left_out(WH_HOOK_LAN_IN, lab.lan_ifindex[0], &bad);
		r = lab_from_lan(&good);
		expect_out(&r, &good, 0);
		expect_left_out(WH_HOOK_LAN_IN, lab.lan_ifindex[0], &bad);
		s.t = (struct tuple){REMOTE_1, lab_own(0), 53, packet_tuple(&r.packet).sport, protos[i]};
		s.reply = true;
		if (protos[i] == PROTO_ICMP)
			s.t.sport = packet_tuple(&r.packet).sport;
		answer = remote_packet(0, s);
		break_it(&answer);
		expect_left_out(WH_HOOK_WAN_IN, lab.wan_ifindex[0], &answer);
	}
}

static const uint8_t plain[EXTENSIONS_MAX], hop[EXTENSIONS_MAX] = {EXTEND_HOP};

static void version_4(struct packet *p)
{
	p->bytes[14] = 0x45;
}

static void version_0(struct packet *p)
{
	p->bytes[14] = 0;
}

static void length_beyond_packet(struct packet *p)
{
	packet_put16(p, AT_LEN, (uint16_t)(p->len - AT_FIRST + 1));
}

static void length_huge(struct packet *p)
{
	packet_put16(p, AT_LEN, 0xffff);
}

static void l4_cut_by_length(struct packet *p)
{
	packet_put16(p, AT_LEN, 5);
}

static void l4_cut_by_frame(struct packet *p)
{
	packet_put16(p, AT_LEN, 7);
	p->len = AT_FIRST + 7;
}

static void extension_beyond_packet(struct packet *p)
{
	p->bytes[AT_FIRST + 1] = 200;
}

static void extension_to_the_very_end(struct packet *p)
{
	size_t len = p->len - AT_FIRST;

	p->bytes[AT_FIRST + 1] = (uint8_t)(len / 8 - 1);
}

/* Its next header is a hop-by-hop header again, and what is read as that one's length leads out of the packet. */
static void extension_after_extension(struct packet *p)
{
	p->bytes[AT_FIRST] = 60;
	p->bytes[AT_FIRST + 9] = 250;
}

#define BROKEN(way, extensions)                                                                                        \
	static void test_##way(void **state)                                                                           \
	{                                                                                                              \
		(void)state;                                                                                           \
		each_way(way, extensions);                                                                             \
	}
BROKEN(version_4, plain)
BROKEN(version_0, plain)
BROKEN(length_beyond_packet, plain)
BROKEN(length_huge, plain)
BROKEN(l4_cut_by_length, plain)
BROKEN(l4_cut_by_frame, plain)
BROKEN(extension_beyond_packet, hop)
BROKEN(extension_to_the_very_end, hop)
BROKEN(extension_after_extension, hop)

/* More extension headers than anybody needs: carried right, or refused whole. */
static void test_long_chains(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 40; n++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), long_one = p;
		struct result r;

		memcpy(long_one.bytes + AT_FIRST + 8 * n, p.bytes + AT_FIRST, p.len - AT_FIRST);
		for (unsigned i = 0; i < n; i++) {
			const uint8_t header[8] = {i + 1 < n ? 60 : PROTO_UDP, 0, 1, 4, 0, 0, 0, 0};

			memcpy(long_one.bytes + AT_FIRST + 8 * i, header, 8);
		}
		long_one.bytes[AT_NEXT] = 60;
		long_one.len += 8 * n;
		packet_put16(&long_one, AT_LEN, (uint16_t)(long_one.len - AT_FIRST));
		r = lab_from_lan(&long_one);
		if (r.verdict == VERDICT_REDIRECT)
			expect_out(&r, &long_one, 0);
		else
			expect_packet(&r.packet, &long_one);
	}
}

/* Cut at every length, its header still speaking of all of it. */
static void test_cut_at_every_length(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++) {
		struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, protos[i]},
				 .extensions = {EXTEND_HOP, EXTEND_OPTIONS | 1},
				 .payload = 40};
		struct packet out = client_packet(s), p, answer;
		struct result r;

		lab_forget_flows();
		r = lab_from_lan(&out);
		expect_out(&r, &out, 0);
		answer = lab_answer(0, &r.packet, TCP_SYN | TCP_ACK);
		for (size_t len = AT_FIRST; len < out.len; len++) {
			p = out;
			p.len = len;
			expect_left_out(WH_HOOK_LAN_IN, lab.lan_ifindex[0], &p);
			expect_left_out(WH_HOOK_WAN_OUT, lab.wan_ifindex[0], &p);
			expect_left_out(WH_HOOK_PROBE_IN, lab.prober_ifindex, &p);
		}
		for (size_t len = AT_FIRST; len < answer.len; len++) {
			p = answer;
			p.len = len;
			expect_left_out(WH_HOOK_WAN_IN, lab.wan_ifindex[0], &p);
		}
	}
}

#define LAB_TEST6(f)                                                                                                   \
	{                                                                                                              \
#f, f, lab_reset6, NULL, NULL                                                                          \
	}

static const struct CMUnitTest tests[] = {
	LAB_TEST6(test_version_4),
	LAB_TEST6(test_version_0),
	LAB_TEST6(test_length_beyond_packet),
	LAB_TEST6(test_length_huge),
	LAB_TEST6(test_l4_cut_by_length),
	LAB_TEST6(test_l4_cut_by_frame),
	LAB_TEST6(test_extension_beyond_packet),
	LAB_TEST6(test_extension_to_the_very_end),
	LAB_TEST6(test_extension_after_extension),
	LAB_TEST6(test_long_chains),
	LAB_TEST6(test_cut_at_every_length),
};

LAB_MAIN(tests, 4096)
