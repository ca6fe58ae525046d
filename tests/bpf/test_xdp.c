/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_xdp.c: what XDP carries by itself: packets of flows that are known, out and in, byte for byte as the RFCs have it
 * and as tc does it on the same state, by the right device, counted once.  What it leaves to tc: test_xdp_left.c and
 * test_xdp_state.c; VLANs: test_xdp_vlan.c; frames in several buffers: test_xdp_frags.c.
 */
#include "twin.h"

#include <string.h>

#define UDP_PORT 4500

static struct packet datagram(uint16_t payload)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, UDP_PORT, PROTO_UDP}, .payload = payload};

	return client_packet(s);
}

/* Out by WAN 0 as the oracle says. What left. */
static struct packet carried_out(const struct packet *p)
{
	struct result r = twin_carried(twin_out(0), p);

	expect_out(&r, p, 0);
	return r.packet;
}

/* From WAN 0 to the client who sent `to` as the oracle says. What was delivered. */
static struct packet carried_in(const struct packet *answer, const struct packet *to)
{
	struct result r = twin_carried(twin_in(0), answer);
	struct tuple client = packet_tuple(to);
	struct packet want = packet_delivered(answer, client.src, client.sport, lab.lan[0].mac, to->bytes + 6);

	expect_sent(&r, &want);
	return r.packet;
}

/* tc has opened its flow. */
static void open_by_tc(const struct packet *first)
{
	assert_int_equal(lab_from_lan(first).verdict, VERDICT_REDIRECT);
}

/* --- protocols ---------------------------------------------------------------------------------------------- */

static void carried_both_ways(const struct packet *p)
{
	struct packet sent, answer;

	open_by_tc(p);
	sent = carried_out(p);
	answer = lab_answer(0, &sent, 0);
	carried_in(&answer, p);
}

static void test_udp(void **state)
{
	(void)state;
	for (uint16_t payload = 0; payload < 70; payload += 23) {
		struct packet p = datagram(payload);

		carried_both_ways(&p);
	}
	lab_expect_consistent();
}

static void test_udp_without_checksum(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, UDP_PORT, PROTO_UDP}, .payload = 40, .no_checksum = true};
	struct packet p = client_packet(s), sent, answer;

	(void)state;
	open_by_tc(&p);
	sent = carried_out(&p);
	assert_int_equal(packet_get16(&sent, packet_l4(&sent) + UDP_SUM), 0);
	answer = lab_answer(0, &sent, 0);
	packet_put16(&answer, packet_l4(&answer) + UDP_SUM, 0);
	answer = carried_in(&answer, &p);
	assert_int_equal(packet_get16(&answer, packet_l4(&answer) + UDP_SUM), 0);
}

/* A wrong one stays wrong by as much: only the ends may judge it. */
static void test_wrong_checksums_stay_wrong(void **state)
{
	struct packet p = datagram(40), sent, answer;

	(void)state;
	open_by_tc(&p);
	p.bytes[packet_l4(&p) + UDP_SUM] ^= 0x5a;
	sent = carried_out(&p);
	assert_false(packet_sums_right(&sent));
	answer = lab_answer(0, &sent, 0);
	answer.bytes[packet_l4(&answer) + UDP_SUM] ^= 0xa5;
	answer = carried_in(&answer, &p);
	assert_false(packet_sums_right(&answer));
}

/* Payload by which what leaves as `sent` has a sum of 0. */
static void make_sum_zero(struct packet *p, const struct packet *sent, size_t field, size_t payload)
{
	size_t word_at = packet_l4(p) + payload;
	uint32_t word = (uint32_t)packet_get16(p, word_at) + packet_get16(sent, packet_l4(sent) + field);

	packet_put16(p, word_at, (uint16_t)(word + (word >> 16)));
	packet_sum(p);
}

/* RFC 768: in UDP 0 says that there is none; in TCP it is a sum like any other. */
static void test_sums_that_become_zero(void **state)
{
	struct packet p = datagram(40), sent, answer, got, segment = session_segment(TCP_PSH | TCP_ACK);

	(void)state;
	open_by_tc(&p);
	sent = carried_out(&p);
	make_sum_zero(&p, &sent, UDP_SUM, 8);
	sent = carried_out(&p);
	assert_int_equal(packet_get16(&sent, packet_l4(&sent) + UDP_SUM), 0xffff);
	answer = lab_answer(0, &sent, 0);
	got = carried_in(&answer, &p);
	make_sum_zero(&answer, &got, UDP_SUM, 8);
	got = carried_in(&answer, &p);
	assert_int_equal(packet_get16(&got, packet_l4(&got) + UDP_SUM), 0xffff);

	session_open(0);
	sent = carried_out(&segment);
	make_sum_zero(&segment, &sent, TCP_SUM, 20);
	sent = carried_out(&segment);
	assert_int_equal(packet_get16(&sent, packet_l4(&sent) + TCP_SUM), 0);
}

static void test_tcp(void **state)
{
	static const uint8_t flags[] = {TCP_ACK, TCP_PSH | TCP_ACK, TCP_ACK | 0x20, TCP_ACK | 0xc0};

	(void)state;
	session_open(0);
	for (unsigned i = 0; i < sizeof(flags); i++) {
		struct packet p = session_segment(flags[i]), sent = carried_out(&p);
		struct packet answer = lab_answer(0, &sent, flags[i]);

		carried_in(&answer, &p);
	}
}

static void test_tcp_options(void **state)
{
	static const uint8_t options[] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}; /* a timestamp */
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 6000, 443, PROTO_TCP},
			 .payload = 100,
			 .seq = 7,
			 .ack = 8,
			 .tcp_flags = TCP_ACK,
			 .tcp_options = options,
			 .tcp_options_len = sizeof(options)};
	struct packet p = client_packet(s);

	(void)state;
	session_open(0);
	carried_out(&p);
}

/* What the sweep and a reset need to know of the session. */
static void test_tcp_end_is_noted(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 6000, 443, PROTO_TCP},
			 .ack = 0x1234567,
			 .seq = 99,
			 .tcp_flags = TCP_FIN | TCP_ACK};
	struct packet p = client_packet(s), sent, answer;
	struct wh_flow flow;

	(void)state;
	session_open(0);
	assert_true(lab_flow(&p, &flow));
	assert_false(flow.tcp & WH_TCP_FIN);
	sent = carried_out(&p);
	assert_true(lab_flow(&p, &flow));
	assert_int_equal(flow.tcp & (WH_TCP_FIN | WH_TCP_ACKED | WH_TCP_RST), WH_TCP_FIN | WH_TCP_ACKED);
	assert_int_equal(be32toh(flow.ack_be), 0x1234567);
	answer = lab_answer(0, &sent, TCP_FIN | TCP_ACK); /* noted in the reply: twin_carried() compares it */
	carried_in(&answer, &p);
}

static void test_protocols_without_ports(void **state)
{
	static const uint8_t protos[] = {PROTO_GRE, PROTO_ESP, PROTO_SCTP};

	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++) {
		struct packet p = lab_packet(protos[i], CLIENT_A, 5000, REMOTE_1, UDP_PORT);

		carried_both_ways(&p);
	}
	lab_expect_consistent();
}

/* --- IP ----------------------------------------------------------------------------------------------------- */

static void set_ttl(struct packet *p, uint8_t ttl)
{
	struct layout at = packet_layout(p);

	p->bytes[layout_ttl(&at)] = ttl;
	packet_sum(p);
}

static void test_time_to_live(void **state)
{
	struct packet p = datagram(40), sent, answer;

	(void)state;
	open_by_tc(&p);
	for (unsigned ttl = 2; ttl < 256; ttl += 253) {
		set_ttl(&p, (uint8_t)ttl);
		sent = carried_out(&p);
		assert_int_equal(packet_ttl(&sent), ttl - 1);
		answer = lab_answer(0, &sent, 0);
		set_ttl(&answer, (uint8_t)ttl);
		answer = carried_in(&answer, &p);
		assert_int_equal(packet_ttl(&answer), ttl - 1);
	}
}

/* Everything else in the header stays: class, congestion bits, flow label, identifier, don't fragment. */
static void test_other_fields_stay(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, UDP_PORT, PROTO_UDP},
			 .payload = 9,
			 .tos = 0xb9 | 2,
			 .label = 0xabcde,
			 .id = 0x7788,
			 .fragment = lab.family == WH_V4 ? FRAGMENT_DF : 0};
	struct packet p = client_packet(s);

	(void)state;
	carried_both_ways(&p);
}

/* Short frames are padded on Ethernet: what stands behind the packet is none of it, and stays. */
static void test_padding(void **state)
{
	struct packet p = datagram(0), sent, answer;

	(void)state;
	open_by_tc(&p);
	memset(p.bytes + p.len, 0xee, 18);
	p.len += 18;
	sent = carried_out(&p);
	answer = lab_answer(0, &sent, 0);
	memset(answer.bytes + answer.len, 0xdd, 9);
	answer.len += 9;
	carried_in(&answer, &p);
}

/* As long as the WAN's or the LAN's MTU. */
static void test_as_long_as_can_be(void **state)
{
	struct spec s = {.payload = (uint16_t)(1500 - (lab.family == WH_V4 ? 28 : 48))};
	struct packet p = datagram(s.payload), sent, answer;

	(void)state;
	assert_int_equal(packet_ip_len(&p), 1500);
	open_by_tc(&p);
	sent = carried_out(&p);
	s.t = (struct tuple){REMOTE_1, lab_own(0), UDP_PORT, packet_tuple(&sent).sport, PROTO_UDP};
	answer = remote_packet(0, s);
	carried_in(&answer, &p);
}

/* --- translation -------------------------------------------------------------------------------------------- */

/* Nothing is translated, or the prefix only. */
static void carried_as(address external)
{
	struct packet p = datagram(40), want, answer;
	struct change c = {.side = SOURCE, .addr = external};
	struct result r;

	open_by_tc(&p);
	r = twin_carried(twin_out(0), &p);
	want = packet_changed(&p, &c);
	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	answer = lab_answer(0, &r.packet, 0);
	carried_in(&answer, &p);
}

static void test_untranslated(void **state)
{
	(void)state;
	lab_keep_sources(0);
	carried_as(CLIENT_A);
}

static void test_prefix_ipv6(void **state)
{
	address mapped = 0;

	(void)state;
	lab.family = WH_V6;
	lab_translate_prefix(0);
	assert_true(npt_map(lab_inside(), lab_prefix(0), CLIENT_A, &mapped));
	carried_as(mapped);
}

/* --- devices ------------------------------------------------------------------------------------------------ */

/* Each WAN and each LAN by its own row, and with its own MACs. */
static void test_devices(void **state)
{
	(void)state;
	lab_set_alive(0xff);
	lab_set_masks(0xff, 0xff);
	for (unsigned wan = 0; wan < LAB_WANS; wan++) {
		for (unsigned lan = 0; lan < LAB_LANS; lan++) {
			struct spec s = {.t = {lan ? CLIENT_LAN1 : CLIENT_A, REMOTE_1, (uint16_t)(5000 + wan), UDP_PORT,
					       PROTO_UDP},
					 .src_mac = lan ? mac_b : mac_a,
					 .dst_mac = lab.lan[lan].mac};
			struct packet p = client_packet(s), answer, want;
			struct twin out = {lab.lan_ifindex[lan], LAB_ROW_WAN(wan)};
			struct twin in = {lab.wan_ifindex[wan], LAB_ROW_LAN(lan)};
			struct result r;

			lab_set_order((const int[]){(int)wan, -1});
			lab_run(WH_HOOK_LAN_IN, &(struct lab_context){.ifindex = out.ifindex}, &p);
			r = twin_carried(out, &p);
			expect_out(&r, &p, wan);
			answer = lab_answer(wan, &r.packet, 0);
			r = twin_carried(in, &answer);
			want = packet_delivered(&answer, s.t.src, s.t.sport, lab.lan[lan].mac, s.src_mac);
			expect_sent(&r, &want);
		}
	}
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_udp),
	LAB_BOTH(test_udp_without_checksum),
	LAB_BOTH(test_wrong_checksums_stay_wrong),
	LAB_BOTH(test_sums_that_become_zero),
	LAB_BOTH(test_tcp),
	LAB_BOTH(test_tcp_options),
	LAB_BOTH(test_tcp_end_is_noted),
	LAB_BOTH(test_protocols_without_ports),
	LAB_BOTH(test_time_to_live),
	LAB_BOTH(test_other_fields_stay),
	LAB_BOTH(test_padding),
	LAB_BOTH(test_as_long_as_can_be),
	LAB_BOTH(test_untranslated),
	LAB_TEST(test_prefix_ipv6),
	LAB_BOTH(test_devices),
};

LAB_MAIN(tests, 1024)
