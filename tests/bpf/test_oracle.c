/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_oracle.c: tens of thousands of packets of every shape and both families, out, in, in pieces and as errors about
 * one another, each compared byte for byte with what the model says must come of it.  WANHELM_SEED in the environment
 * repeats a run; the seed is printed.  Bytes that mean nothing: test_garbage.c.
 */
#include "world.h"

#define ROUNDS 60000
#define CUT 176 /* far enough into a packet that its first piece has all headers */

/* --- in ----------------------------------------------------------------------------------------------------- */

static void play_in(uint64_t *chance)
{
	struct who w = world_somebody(chance);
	struct session *session = world_session(&w);
	struct change c = world_inward(&w);
	struct packet p, want;
	struct result r;

	if (!session->open)
		return;
	p = world_remotes_packet(chance, &w);
	want = packet_changed(&p, &c);
	want = packet_framed(&want, lab.lan[0].mac, world_mac(&w));
	r = lab_from_wan(0, &p);
	expect_sent(&r, &want);
	session->delivered = want;
}

/* --- in pieces ---------------------------------------------------------------------------------------------- */

/* The pieces of what would have gone as a whole; IPv4's identifier is free on the way out, but one for both. */
static void cut_both(const struct packet *in, const struct packet *out, uint32_t id, struct packet pieces[2],
		     struct packet want[2])
{
	packet_cut(in, CUT, id, &pieces[0], &pieces[1]);
	packet_cut(out, CUT, id, &want[0], &want[1]);
}

static void expect_pieces_out(const struct packet *in, const struct packet *out, uint32_t id)
{
	struct packet pieces[2], want[2];
	uint16_t free_id = 0;

	cut_both(in, out, id, pieces, want);
	for (unsigned i = 0; i < 2; i++) {
		struct result r = lab_by_kernel(&pieces[i], 0);

		if (!packet_is_v6(in)) {
			free_id = i ? free_id : packet_get16(&r.packet, r.packet.l2 + 4);
			packet_put16(&want[i], want[i].l2 + 4, free_id);
			packet_sum(&want[i]);
		}
		expect_out_by_kernel(&r, &want[i], true);
	}
}

static void expect_pieces_in(const struct packet *in, const struct packet *out, uint32_t id)
{
	struct packet pieces[2], want[2];

	cut_both(in, out, id, pieces, want);
	for (unsigned i = 0; i < 2; i++) {
		struct result r = lab_from_wan(0, &pieces[i]);

		expect_sent(&r, &want[i]);
	}
}

static bool can_be_cut(const struct packet *p)
{
	return p->len > packet_l4(p) + CUT + 8;
}

static void play_pieces(uint64_t *chance)
{
	struct who w = world_somebody(chance);
	struct session *session = world_session(&w);
	struct change out = world_outward(&w, session->port), in = world_inward(&w);
	uint32_t id = 1 + below(chance, 0xffff);
	struct packet p, want;

	if (!session->open)
		return;
	p = world_clients_packet(chance, &w);
	want = packet_changed(&p, &out);
	want = lab_leaving(0, &want);
	if (can_be_cut(&p))
		expect_pieces_out(&p, &want, id);
	p = world_remotes_packet(chance, &w);
	want = packet_changed(&p, &in);
	want = packet_framed(&want, lab.lan[0].mac, world_mac(&w));
	if (can_be_cut(&p))
		expect_pieces_in(&p, &want, id);
}

/* --- errors ------------------------------------------------------------------------------------------------- */

static uint8_t some_error(uint64_t *chance, enum wh_family family)
{
	static const uint8_t types[WH_FAMILIES][3] = {{ICMP_UNREACHABLE, ICMP_EXCEEDED, ICMP_PARAMETER},
						      {ICMP6_UNREACHABLE, ICMP6_TOO_BIG, ICMP6_EXCEEDED}};

	return types[family][below(chance, 3)];
}

/* At least eight bytes of what follows the headers, as the RFCs demand; half a TCP checksum is nobody's to mend. */
static size_t some_quote(uint64_t *chance, const struct packet *about)
{
	size_t l4 = 8 + below(chance, 60);

	return packet_l4(about) - about->l2 + (l4 == TCP_SUM + 1 ? l4 + 1 : l4);
}

static void play_error_in(uint64_t *chance)
{
	struct who w = world_somebody(chance);
	struct session *session = world_session(&w);
	struct error e = {.from = w.family == WH_V4 ? (address)IP(203, 0, 113, 9) : lab_remote(WH_V6, 0x10000) + 99,
			  .type = some_error(chance, w.family),
			  .code = (uint8_t)below(chance, 3),
			  .rest = 1400,
			  .src_mac = mac_isp,
			  .dst_mac = lab.wan[0].mac};
	struct change c = world_inward(&w);
	struct packet error, want;
	struct result r;

	if (!session->open)
		return;
	e.quote = some_quote(chance, &session->sent);
	error = packet_error(&session->sent, &e);
	want = packet_error_changed(&error, &c);
	want = packet_framed(&want, lab.lan[0].mac, world_mac(&w));
	r = lab_from_wan(0, &error);
	expect_sent(&r, &want);
}

static void play_error_out(uint64_t *chance)
{
	struct who w = world_somebody(chance);
	struct session *session = world_session(&w);
	struct error e = {.from = lab_client(w.family, w.client), .type = some_error(chance, w.family), .rest = 1400};
	struct change c = world_outward(&w, session->port);
	struct packet error, want;
	struct result r;

	if (!session->open || !session->delivered.len)
		return;
	e.quote = some_quote(chance, &session->delivered);
	error = packet_error(&session->delivered, &e);
	want = packet_error_changed(&error, &c);
	want = lab_leaving(0, &want);
	r = lab_from_lan(&error);
	expect_sent(&r, &want);
}

/* --- there and back ----------------------------------------------------------------------------------------- */

/* A mirror at the remote's place: what left comes back with its ends exchanged, and so does the client's packet. */
static struct packet mirrored(const struct packet *p)
{
	struct layout at = packet_layout(p);
	struct tuple t = packet_tuple(p);
	struct packet out = *p;

	packet_set_address(&out, &at, SOURCE, t.dst);
	packet_set_address(&out, &at, DESTINATION, t.src);
	packet_put16(&out, at.l4, t.dport);
	packet_put16(&out, at.l4 + 2, t.sport);
	packet_sum(&out);
	return out;
}

static void play_mirror(uint64_t *chance)
{
	struct who w = world_somebody(chance);
	struct session *session = world_session(&w);
	struct packet back, want;
	struct layout at;
	struct result r;

	if (!session->open || packet_tuple(&session->sent).dport == 0 || packet_ttl(&session->sent) < 2)
		return;
	back = mirrored(&session->sent);
	back = packet_framed(&back, mac_isp, lab.wan[0].mac);
	want = mirrored(&session->last);
	want = packet_framed(&want, lab.lan[0].mac, world_mac(&w));
	at = packet_layout(&want);
	want.bytes[layout_ttl(&at)] -= 2;
	packet_clamp(&want, 1500);
	packet_sum(&want);
	r = lab_from_wan(0, &back);
	expect_sent(&r, &want);
}

/* --- all of it ---------------------------------------------------------------------------------------------- */

static void play(uint64_t *chance)
{
	static void (*const games[])(uint64_t *) = {world_play_out, world_play_out, world_play_out, play_in,	play_in,
						    play_pieces,    play_error_in,  play_error_out, play_mirror};

	for (unsigned i = 0; i < ROUNDS; i++)
		games[below(chance, sizeof(games) / sizeof(games[0]))](chance);
	lab_expect_consistent();
}

/* Left to the kernel on purpose, and nothing else. */
static void expect_no_drops(void)
{
	assert_int_equal(lab_reasons_total(),
			 lab_reason(WH_REASON_KERNEL_MIDFLOW) + lab_reason(WH_REASON_KERNEL_FRAGMENT));
}

static void test_masquerade(void **state)
{
	uint64_t chance = chance_seed();

	(void)state;
	world_start(true);
	play(&chance);
	expect_no_drops();
}

static void test_prefix_and_none(void **state)
{
	uint64_t chance = chance_seed();

	(void)state;
	world_start(false);
	play(&chance);
	assert_int_equal(lab_ports(), 0);
	expect_no_drops();
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_masquerade),
	LAB_TEST(test_prefix_and_none),
};

LAB_MAIN(tests, 32768)
