/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_malformed.c: packets that are cut short or contradict themselves, with and without a flow that they would
 * fit: dropped and counted, or left as they came; never translated, never half.
 */
#include "harness.h"

#include <string.h>

static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

/* Neither is it sent on nor is a byte of it changed; a drop is counted under its reason. */
static void expect_left_out(struct result (*hook)(const struct packet *), const struct packet *in)
{
	uint64_t before = lab_reason(WH_REASON_MALFORMED), total = lab_reasons_total();
	unsigned flows = lab_flows();
	struct result r = hook(in);

	assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
	if (r.verdict == VERDICT_DROP) {
		assert_int_equal(lab_reason(WH_REASON_MALFORMED), before + 1);
		assert_int_equal(lab_reasons_total(), total + 1);
	} else {
		expect_untouched(&r, in);
	}
	expect_packet(&r.packet, in);
	assert_int_equal(lab_flows(), flows);
}

static struct result from_wan0(const struct packet *in)
{
	return lab_from_wan(0, in);
}

/* Run `break_it` over each protocol: unknown to us, of a live flow, and as that flow's answer. */
static void each_way(void (*break_it)(struct packet *p))
{
	for (unsigned i = 0; i < sizeof(protos); i++) {
		struct packet good = lab_packet(protos[i], CLIENT_A, 5000, REMOTE_1, 53), bad = good, sent, answer;
		struct result r;

		lab_forget_flows();
		break_it(&bad);
		expect_left_out(lab_from_lan, &bad);
		r = lab_from_lan(&good);
		expect_out(&r, &good, 0);
		expect_left_out(lab_from_lan, &bad);
		sent = r.packet;
		answer = lab_answer(0, &sent, TCP_SYN | TCP_ACK);
		break_it(&answer);
		expect_left_out(from_wan0, &answer);
	}
}

static void version_6(struct packet *p)
{
	p->bytes[14] = 0x65;
}

static void version_0(struct packet *p)
{
	p->bytes[14] = 0x05;
}

static void header_len_4(struct packet *p)
{
	p->bytes[14] = 0x44;
}

static void header_len_0(struct packet *p)
{
	p->bytes[14] = 0x40;
}

static void header_beyond_packet(struct packet *p)
{
	p->bytes[14] = 0x4f;
	packet_put16(p, 16, 60);
	p->len = 14 + 40;
}

static void total_beyond_packet(struct packet *p)
{
	packet_put16(p, 16, (uint16_t)(p->len - 14 + 1));
	packet_sum(p);
}

static void total_huge(struct packet *p)
{
	packet_put16(p, 16, 0xffff);
}

static void total_below_header(struct packet *p)
{
	packet_put16(p, 16, 19);
}

static void total_zero(struct packet *p)
{
	packet_put16(p, 16, 0);
}

/* The IP packet ends inside the L4 header, though the frame goes on (padding, or worse). */
static void l4_cut_by_total(struct packet *p)
{
	packet_put16(p, 16, 20 + 4);
	packet_put16(p, 24, 0);
}

static void l4_cut_by_total_at_once(struct packet *p)
{
	packet_put16(p, 16, 20);
}

static void l4_cut_by_frame(struct packet *p)
{
	packet_put16(p, 16, 20 + 7);
	p->len = 14 + 20 + 7;
}

/* One test for each way to break a packet. */
#define BROKEN(way)                                                                                                    \
	static void test_##way(void **state)                                                                           \
	{                                                                                                              \
		(void)state;                                                                                           \
		each_way(way);                                                                                         \
	}
BROKEN(version_6)
BROKEN(version_0)
BROKEN(header_len_4)
BROKEN(header_len_0)
BROKEN(header_beyond_packet)
BROKEN(total_beyond_packet)
BROKEN(total_huge)
BROKEN(total_below_header)
BROKEN(total_zero)
BROKEN(l4_cut_by_total)
BROKEN(l4_cut_by_total_at_once)
BROKEN(l4_cut_by_frame)

/* --- cut at every length ------------------------------------------------------------------------------------ */

/* `len` bytes of a good packet whose header still speaks of all of it. */
static void cut(enum wh_hook hook, unsigned ifindex, const struct packet *good, size_t len)
{
	struct lab_context context = {.ifindex = ifindex, .ingress_ifindex = lab.lan_ifindex[0]};
	struct packet p = *good;
	struct result r;

	p.len = len;
	r = lab_run(hook, &context, &p);
	assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
	expect_packet(&r.packet, &p);
}

/* A late kernel does not run a program on less than a whole IP header, so 34 bytes are the least. */
static void cut_everywhere(uint8_t ihl)
{
	for (unsigned i = 0; i < sizeof(protos); i++) {
		struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, protos[i]}, .ihl = ihl, .payload = 40};
		struct packet out = client_packet(s), answer;
		struct result r;

		lab_forget_flows();
		r = lab_from_lan(&out);
		expect_out(&r, &out, 0);
		answer = lab_answer(0, &r.packet, TCP_SYN | TCP_ACK);
		for (size_t len = 34; len < out.len; len++) {
			cut(WH_HOOK_LAN_IN, lab.lan_ifindex[0], &out, len);
			cut(WH_HOOK_PROBE_IN, lab.prober_ifindex, &out, len);
			cut(WH_HOOK_WAN_OUT, lab.wan_ifindex[0], &out, len);
		}
		for (size_t len = 34; len < answer.len; len++)
			cut(WH_HOOK_WAN_IN, lab.wan_ifindex[0], &answer, len);
		assert_int_equal(lab_flows(), 1);
	}
}

static void test_cut_at_every_length(void **state)
{
	(void)state;
	cut_everywhere(5);
}

static void test_cut_at_every_length_with_options(void **state)
{
	(void)state;
	cut_everywhere(15);
}

/* Cut, and the header agrees: L4 headers that are not all there are refused, whole ones go out right. */
static void test_short_but_honest(void **state)
{
	static const size_t header_len[] = {8, 20, 8};

	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++) {
		for (size_t l4_len = 0; l4_len < 24; l4_len++) {
			struct packet p = lab_packet(protos[i], CLIENT_A, 5000, REMOTE_1, 53);

			p.len = 34 + l4_len;
			packet_put16(&p, 16, (uint16_t)(20 + l4_len));
			if (l4_len >= header_len[i])
				packet_sum(&p);
			if (l4_len >= header_len[i])
				send_out(&p, 0);
			else
				expect_left_out(lab_from_lan, &p);
		}
	}
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_version_6),
	LAB_TEST(test_version_0),
	LAB_TEST(test_header_len_4),
	LAB_TEST(test_header_len_0),
	LAB_TEST(test_header_beyond_packet),
	LAB_TEST(test_total_beyond_packet),
	LAB_TEST(test_total_huge),
	LAB_TEST(test_total_below_header),
	LAB_TEST(test_total_zero),
	LAB_TEST(test_l4_cut_by_total),
	LAB_TEST(test_l4_cut_by_total_at_once),
	LAB_TEST(test_l4_cut_by_frame),
	LAB_TEST(test_cut_at_every_length),
	LAB_TEST(test_cut_at_every_length_with_options),
	LAB_TEST(test_short_but_honest),
};

LAB_MAIN(tests, 4096)
