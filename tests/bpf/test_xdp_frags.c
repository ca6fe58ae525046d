/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_xdp_frags.c: frames in several buffers, as drivers give them where the MTU is large: XDP sees the first one only,
 * and carries what has its headers there; the rest of the frame stays as it is.
 */
#include "twin.h"

#include <errno.h>
#include <string.h>

#define MTU 9000
#define FRAME_MAX (PACKET_L2 + 4 + MTU + 100)
#define VLAN 7

struct known {
	struct packet out, in;	       /* what each end sends */
	struct packet left, delivered; /* what must become of it */
};

static void use_mtu(uint32_t mtu)
{
	struct wh_wan wan = lab.wan[0];
	struct wh_lan lan = lab.lan[0];

	wan.mtu = lan.mtu = mtu;
	lab_set_wan(0, &wan);
	lab_set_lan(0, &lan);
}

static struct known known_flow(uint8_t proto)
{
	struct known k = {.out = lab_packet(proto, CLIENT_A, 5000, REMOTE_1, 4500)};
	struct tuple client;

	lab_use_xdp(false);
	if (proto == PROTO_TCP) {
		session_open(0);
		k.out = session_segment(TCP_PSH | TCP_ACK);
	}
	use_mtu(MTU);
	k.left = lab_from_lan(&k.out).packet;
	k.in = lab_answer(0, &k.left, TCP_ACK);
	client = packet_tuple(&k.out);
	k.delivered = packet_delivered(&k.in, client.src, client.sport, lab.lan[0].mac, mac_a);
	return k;
}

/* --- frames of more than a page ------------------------------------------------------------------------------ */

static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The UDP packet, but so long that its frame has `len` bytes, summed anew; every such frame has the same payload. */
static void grow(const struct packet *p, uint8_t *out, size_t len)
{
	size_t l4 = packet_l4(p), udp_len = len - l4, addresses = packet_is_v6(p) ? 8 : 12;
	uint8_t *ip = out + p->l2;
	uint32_t sum;

	memcpy(out, p->bytes, l4 + 8);
	for (size_t i = l4 + 8; i < len; i++)
		out[i] = (uint8_t)(i * 11 + i / 256);
	put16(out + l4 + UDP_LEN, (uint32_t)udp_len);
	put16(out + l4 + UDP_SUM, 0);
	if (packet_is_v6(p)) {
		put16(ip + 4, (uint32_t)udp_len);
	} else {
		put16(ip + 2, (uint32_t)(len - p->l2));
		put16(ip + 10, 0);
		put16(ip + 10, ~add_words(0, ip, 20));
	}
	sum = add_words((uint32_t)udp_len + PROTO_UDP, ip + addresses, l4 - p->l2 - addresses);
	sum = ~add_words(sum, out + l4, udp_len) & 0xffff;
	put16(out + l4 + UDP_SUM, sum ? sum : 0xffff);
}

/* What XDP makes of the frame: as `want`, or where that is NULL, left as it came. */
static void expect_frame(unsigned ifindex, const uint8_t *in, size_t len, const uint8_t *want)
{
	static uint8_t out[FRAME_MAX];
	size_t out_len = sizeof(out);
	int verdict = lab_xdp_frame(ifindex, &(struct frame){in, len, 0}, out, &out_len);

	assert_int_equal(verdict, want ? XDP_REDIRECT : XDP_PASS);
	assert_int_equal(out_len, len);
	for (size_t i = 0; i < len; i++) {
		if (out[i] != (want ? want : in)[i])
			fail_msg("byte %zu of %zu is %02x", i, len, out[i]);
	}
}

static void long_frame(unsigned ifindex, const struct packet *p, const struct packet *want_p, size_t len)
{
	static uint8_t in[FRAME_MAX], want[FRAME_MAX];

	grow(p, in, len);
	if (want_p)
		grow(want_p, want, len);
	expect_frame(ifindex, in, len, want_p ? want : NULL);
}

static void test_long_frames(void **state)
{
	static const size_t lens[] = {1514, 3700, 4000, 4096, 4097, 5001, 8192, 8999, PACKET_L2 + MTU};
	struct known k = known_flow(PROTO_UDP);
	struct wh_counters before = lab_counters(0, 0), after;
	uint64_t bytes = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		long_frame(lab.lan_ifindex[0], &k.out, &k.left, lens[i]);
		long_frame(lab.wan_ifindex[0], &k.in, &k.delivered, lens[i]);
		bytes += lens[i] - PACKET_L2;
	}
	after = lab_counters(0, 0);
	assert_int_equal(after.tx_bytes - before.tx_bytes, bytes);
	assert_int_equal(after.rx_bytes - before.rx_bytes, bytes);
}

static void test_long_frames_left(void **state)
{
	struct packet first = lab_packet(PROTO_UDP, CLIENT_B, 5000, REMOTE_1, 4500);
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	long_frame(lab.lan_ifindex[0], &first, NULL, 5000);
	long_frame(lab.lan_ifindex[0], &k.out, NULL, PACKET_L2 + MTU + 1);
	long_frame(lab.wan_ifindex[0], &k.in, NULL, PACKET_L2 + MTU + 1);
	use_mtu(1500);
	long_frame(lab.lan_ifindex[0], &k.out, NULL, 5000);
	long_frame(lab.wan_ifindex[0], &k.in, NULL, 5000);
}

/* Longer by its own word than the whole frame is, not only than its first buffer. */
static void test_long_frames_cut_short(void **state)
{
	static uint8_t in[FRAME_MAX];
	struct known k = known_flow(PROTO_UDP);

	(void)state;
	grow(&k.out, in, 6000);
	expect_frame(lab.lan_ifindex[0], in, 5999, NULL);
	expect_frame(lab.lan_ifindex[0], in, 4500, NULL);
	grow(&k.in, in, 6000);
	expect_frame(lab.wan_ifindex[0], in, 5999, NULL);
}

/* --- where the first buffer ends ----------------------------------------------------------------------------- */

/* Whether it was carried; then as must be, else it is as it came.  -1: this kernel cuts where it likes (before 6.18). */
static int carried_when_cut_at(size_t linear, unsigned ifindex, const struct packet *p, const struct packet *want)
{
	struct packet out = {.l2 = p->l2};
	size_t len = sizeof(out.bytes);
	int verdict = lab_xdp_frame(ifindex, &(struct frame){p->bytes, p->len, linear}, out.bytes, &len);

	if (verdict == -EINVAL)
		return -1;
	out.len = len;
	assert_true(verdict == XDP_REDIRECT || verdict == XDP_PASS);
	expect_packet(&out, verdict == XDP_REDIRECT ? want : p);
	return verdict == XDP_REDIRECT;
}

/* Whole headers must stand in the first buffer, and no more need to. */
static void cut_everywhere(unsigned ifindex, const struct packet *p, const struct packet *want, size_t headers)
{
	for (size_t linear = PACKET_L2; linear < p->len; linear++) {
		int carried = carried_when_cut_at(linear, ifindex, p, want);

		if (carried < 0)
			return;
		assert_int_equal(carried, linear >= headers);
	}
}

static const struct {
	uint8_t proto, header_len;
} protos[] = {{PROTO_UDP, 8}, {PROTO_TCP, 20}, {PROTO_SCTP, 8}, {PROTO_ESP, 0}};
#define PROTOS (sizeof(protos) / sizeof(protos[0]))

static void test_headers_in_the_first_buffer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PROTOS; i++) {
		struct known k = known_flow(protos[i].proto);

		cut_everywhere(lab.lan_ifindex[0], &k.out, &k.left, packet_l4(&k.out) + protos[i].header_len);
		cut_everywhere(lab.wan_ifindex[0], &k.in, &k.delivered, packet_l4(&k.in) + protos[i].header_len);
	}
}

static struct packet with_tag(const struct packet *p)
{
	struct packet tagged = *p;

	memmove(tagged.bytes + 16, p->bytes + 12, p->len - 12);
	packet_put32(&tagged, 12, 0x81000000 | VLAN);
	tagged.len += 4;
	tagged.l2 += 4;
	return tagged;
}

/* With a tag they need four bytes more, wherever the cut falls. */
static void test_tags_in_the_first_buffer(void **state)
{
	struct known k = known_flow(PROTO_UDP);
	struct wh_wire lan = lab_wire(LAB_ROW_LAN(0));
	struct packet out = with_tag(&k.out), delivered = with_tag(&k.delivered);

	(void)state;
	lan.vlan = VLAN;
	lab_set_wire(LAB_ROW_LAN(0), &lan);
	cut_everywhere(lab.lan_ifindex[0], &out, &k.left, packet_l4(&k.out) + 4 + 8);
	cut_everywhere(lab.wan_ifindex[0], &k.in, &delivered, packet_l4(&k.in) + 8);
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_long_frames),
	LAB_BOTH(test_long_frames_left),
	LAB_BOTH(test_long_frames_cut_short),
	LAB_BOTH(test_headers_in_the_first_buffer),
	LAB_BOTH(test_tags_in_the_first_buffer),
};

LAB_MAIN(tests, 1024)
