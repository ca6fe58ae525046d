/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_xdp_left.c: packets that XDP leaves to tc for what they are, though their flow is known: as they came, and nothing
 * counted.  What the state of the tables makes it leave: test_xdp_state.c.
 */
#include "twin.h"

#include <string.h>

#define UDP_PORT 4500

/* --- flows that are known ------------------------------------------------------------------------------------ */

/* One of each end of a flow that XDP carries, so that what is then left is left for the one thing that differs. */
struct known {
	struct packet out, in;
};

static struct known known_flow(uint8_t proto)
{
	struct known k = {.out = lab_packet(proto, CLIENT_A, 5000, REMOTE_1, UDP_PORT)};
	struct result r;

	if (proto == PROTO_TCP) {
		session_open(0);
		k.out = session_segment(TCP_PSH | TCP_ACK);
	} else {
		lab_from_lan(&k.out);
	}
	r = twin_carried(twin_out(0), &k.out);
	k.in = lab_answer(0, &r.packet, TCP_ACK);
	twin_carried(twin_in(0), &k.in);
	return k;
}

static void left_out(const struct packet *p)
{
	twin_left(lab.lan_ifindex[0], p);
}

static void left_in(const struct packet *p)
{
	twin_left(lab.wan_ifindex[0], p);
}

static void left_both(const struct known *k)
{
	left_out(&k->out);
	left_in(&k->in);
}

/* --- sessions ------------------------------------------------------------------------------------------------ */

static void test_first_packets(void **state)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_GRE, PROTO_ESP, PROTO_SCTP};

	(void)state;
	for (unsigned i = 0; i < sizeof(protos); i++) {
		struct packet p = lab_packet(protos[i], CLIENT_A, 5000, REMOTE_1, UDP_PORT);
		struct packet stranger = lab_answer(0, &p, TCP_ACK);

		left_out(&p);
		left_in(&stranger);
	}
	assert_int_equal(lab_flows(), 0);
}

/* Another port, another address, another protocol: another flow. */
static void test_other_flows(void **state)
{
	struct known k = known_flow(PROTO_UDP), other = k;

	(void)state;
	for (size_t at = packet_l4(&k.out); at < packet_l4(&k.out) + 4; at++) {
		other = k;
		other.out.bytes[at] ^= 1;
		other.in.bytes[at] ^= 1;
		left_both(&other);
	}
	other = k;
	other.out.bytes[packet_l4(&k.out) - 1] ^= 1; /* the destination's last octet */
	other.in.bytes[packet_l4(&k.in) - 1] ^= 1;
	packet_sum(&other.out);
	packet_sum(&other.in);
	left_both(&other);
	twin_left(lab.wan_ifindex[1], &k.in);
}

static void with_flags(struct packet *p, uint8_t flags)
{
	p->bytes[packet_l4(p) + TCP_FLAGS] = flags;
	packet_sum(p);
}

/* What opens or resets a session. */
static void test_tcp_beginnings_and_resets(void **state)
{
	static const uint8_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK, TCP_SYN | TCP_FIN};
	struct known k = known_flow(PROTO_TCP);

	(void)state;
	for (unsigned i = 0; i < sizeof(flags); i++) {
		with_flags(&k.out, flags[i]);
		with_flags(&k.in, flags[i]);
		left_both(&k);
	}
	with_flags(&k.out, TCP_ACK);
	twin_carried(twin_out(0), &k.out);
}

static void test_icmp(void **state)
{
	struct packet query = lab_packet(PROTO_ICMP, CLIENT_A, 5000, REMOTE_1, 0), sent, reply, about, error;
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	sent = lab_from_lan(&query).packet;
	left_out(&query);
	reply = lab_answer(0, &sent, 0);
	left_in(&reply);
	left_in(&query);
	about = lab_from_lan(&k.out).packet;
	error = packet_exceeded(&about, REMOTE_2);
	memcpy(error.bytes, lab.wan[0].mac, 6);
	left_in(&error);
	about = lab_from_wan(0, &k.in).packet;
	error = packet_exceeded(&about, CLIENT_A);
	memcpy(error.bytes, lab.lan[0].mac, 6);
	left_out(&error);
}

/* --- IP ------------------------------------------------------------------------------------------------------ */

static void test_fragments(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, UDP_PORT, PROTO_UDP}, .payload = 64};
	struct packet whole = client_packet(s), sent, answer, first, second;

	(void)state;
	known_flow(PROTO_UDP);
	sent = twin_carried(twin_out(0), &whole).packet;
	packet_cut(&whole, 40, 77, &first, &second);
	left_out(&first);
	left_out(&second);
	answer = lab_answer(0, &sent, 0);
	packet_cut(&answer, 24, 78, &first, &second);
	left_in(&first);
	left_in(&second);
	if (lab.family == WH_V4)
		return;
	packet_cut(&whole, (uint16_t)(whole.len - packet_l4(&whole)), 79, &first, &second);
	first.bytes[packet_l4(&whole) + 3] &= 0xfe; /* RFC 8200 §4.5: a fragment that is the whole */
	left_out(&first);
}

/* Options and extension headers, one of each. */
static void test_longer_headers(void **state)
{
	static const uint8_t kinds[] = {EXTEND_HOP, EXTEND_ROUTING, EXTEND_OPTIONS};
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct tuple back = packet_tuple(&k.in);
		struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, UDP_PORT, PROTO_UDP}, .payload = 20};

		if (lab.family == WH_V4)
			s.ihl = (uint8_t)(6 + 4 * i);
		else
			s.extensions[0] = kinds[i];
		k.out = client_packet(s);
		s.t = back;
		k.in = remote_packet(0, s);
		left_both(&k);
	}
}

static void test_wrong_headers(void **state)
{
	const struct known good = known_flow(PROTO_UDP);
	struct known k = good;

	(void)state;
	k.out.bytes[PACKET_L2] ^= 0x10; /* the version */
	k.in.bytes[PACKET_L2] ^= 0x20;
	left_both(&k);
	if (lab.family == WH_V6)
		return;
	for (unsigned bit = 0; bit < 16; bit++) {
		k = good;
		k.out.bytes[PACKET_L2 + 10 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		k.in.bytes[PACKET_L2 + 10 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		left_both(&k);
	}
	k = good;
	k.out.bytes[PACKET_L2] = k.in.bytes[PACKET_L2] = 0x44; /* shorter than a header */
	packet_sum(&k.out);
	packet_sum(&k.in);
	left_both(&k);
}

static void test_last_hop(void **state)
{
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	for (unsigned ttl = 0; ttl < 2; ttl++) {
		struct layout at = packet_layout(&k.out);

		k.out.bytes[layout_ttl(&at)] = k.in.bytes[layout_ttl(&at)] = (uint8_t)ttl;
		packet_sum(&k.out);
		packet_sum(&k.in);
		left_both(&k);
	}
}

static void put_ip_len(struct packet *p, size_t len)
{
	if (packet_is_v6(p))
		packet_put16(p, p->l2 + 4, (uint16_t)(len - 40));
	else
		packet_put16(p, p->l2 + 2, (uint16_t)len);
	packet_sum(p);
}

/* No length is believed: of IP, of TCP's header, of the frame. */
static void test_wrong_lengths(void **state)
{
	const struct known good = known_flow(PROTO_TCP);
	size_t l3 = good.out.len - PACKET_L2, l4 = packet_l4(&good.out);
	struct known k = good;

	(void)state;
	put_ip_len(&k.out, l3 + 1);
	put_ip_len(&k.in, good.in.len - PACKET_L2 + 1);
	left_both(&k);
	put_ip_len(&k.out, l4 - PACKET_L2 + 19);
	put_ip_len(&k.in, l4 - PACKET_L2 + 19);
	left_both(&k);
	for (unsigned words = 0; words < 16; words++) {
		k = good;
		k.out.bytes[l4 + TCP_OFFSET] = k.in.bytes[l4 + TCP_OFFSET] = (uint8_t)(words << 4);
		if (words >= 5)
			k.out.len = k.in.len = l4 + 4 * words - 1; /* cut within the options */
		put_ip_len(&k.out, k.out.len - PACKET_L2);
		put_ip_len(&k.in, k.in.len - PACKET_L2);
		left_both(&k);
	}
	for (size_t cut = 1; cut <= good.in.len - PACKET_L2; cut++) {
		k = good;
		k.out.len -= cut;
		k.in.len -= cut;
		left_both(&k);
	}
}

/* A byte longer than the WAN, or the LAN, carries: to be answered. */
static void test_too_long(void **state)
{
	struct known k = known_flow(PROTO_UDP);
	struct wh_wan wan = lab.wan[0];
	struct wh_lan lan = lab.lan[0];

	(void)state;
	wan.mtu = packet_ip_len(&k.out);
	lan.mtu = packet_ip_len(&k.in);
	lab_set_wan(0, &wan);
	lab_set_lan(0, &lan);
	twin_carried(twin_out(0), &k.out);
	twin_carried(twin_in(0), &k.in);
	wan.mtu--;
	lan.mtu--;
	lab_set_wan(0, &wan);
	lab_set_lan(0, &lan);
	left_both(&k);
	lan.mtu = 0; /* not known */
	lab_set_lan(0, &lan);
	twin_carried(twin_in(0), &k.in);
}

/* --- Ethernet ------------------------------------------------------------------------------------------------ */

/* For others, for several, for all. */
static void test_other_macs(void **state)
{
	static const uint8_t macs[][6] = {{2, 0xaa, 0, 0, 0, 0x0c},
					  {0x33, 0x33, 0, 0, 0, 1},
					  {1, 0, 0x5e, 0, 0, 1},
					  {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	const struct known good = known_flow(PROTO_UDP);
	struct known k = good;

	(void)state;
	for (unsigned i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
		memcpy(k.out.bytes, macs[i], 6);
		memcpy(k.in.bytes, macs[i], 6);
		left_both(&k);
	}
	for (unsigned bit = 0; bit < 48; bit++) {
		k = good;
		k.out.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		k.in.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		left_both(&k);
	}
}

/* Of those that begin as IP does only IP is IP. */
static void test_other_types(void **state)
{
	static const uint16_t types[] = {0x0806, 0x8863, 0x8864, 0x88a8, 0x888e, 0x0000, 0x0100, 0x9100, 0x88cc};
	const struct known good = known_flow(PROTO_UDP);
	struct known k = good;

	(void)state;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		packet_put16(&k.out, 12, types[i]);
		packet_put16(&k.in, 12, types[i]);
		left_both(&k);
	}
	/* The other family's, by its type; what it holds says the first's. */
	packet_put16(&k.out, 12, lab.family == WH_V4 ? 0x86dd : 0x0800);
	packet_put16(&k.in, 12, lab.family == WH_V4 ? 0x86dd : 0x0800);
	left_both(&k);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_first_packets), LAB_BOTH(test_other_flows), LAB_BOTH(test_tcp_beginnings_and_resets),
	LAB_BOTH(test_icmp),	      LAB_BOTH(test_fragments),	  LAB_BOTH(test_longer_headers),
	LAB_BOTH(test_wrong_headers), LAB_BOTH(test_last_hop),	  LAB_BOTH(test_wrong_lengths),
	LAB_BOTH(test_too_long),      LAB_BOTH(test_other_macs),  LAB_BOTH(test_other_types),
};

LAB_MAIN(tests, 1024)
