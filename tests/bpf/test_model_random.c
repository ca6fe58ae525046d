/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_model_random.c: what holds of the model for packets of every shape, both families: there and back is the same
 * packet, sums are right, prefixes leave them alone, pieces are translated as the whole would be, and an error about
 * what left becomes the error about what came.  Needs neither BPF nor root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "icmp.h"
#include "npt.h"
#include "shape.h"

#define ROUNDS 20000

static const address clients[] = {IP(192, 168, 1, 10), IP6(0xfd00, 1, 2, 3, 4, 5, 6, 7)};
static const address remotes[] = {IP(20, 1, 1, 1), IP6(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 1)};
static const address wans[] = {IP(198, 51, 100, 2), IP6(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 2)};
static const address routers[] = {IP(203, 0, 113, 9), IP6(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1)};

static struct packet some_packet(uint64_t *chance, unsigned family)
{
	struct spec s = {.t = {clients[family], remotes[family], 5000, 53, 0}, .no_l2 = below(chance, 2)};

	return shape_packet(chance, s);
}

/* A new packet with `addr` and `port` on that side. */
static struct packet with(const struct packet *p, enum side side, address addr, uint16_t port)
{
	return packet_changed(p, &(struct change){.side = side, .addr = addr, .port = port, .with_port = true});
}

static void expect_same_but_hops(const struct packet *got, const struct packet *want, uint8_t hops)
{
	struct layout at = packet_layout(want);
	struct packet p = *got;

	assert_int_equal(packet_ttl(got), (uint8_t)(packet_ttl(want) - hops));
	p.bytes[layout_ttl(&at)] += hops;
	packet_sum(&p);
	assert_true(packet_equal(&p, want));
}

static void test_there_and_back(void **state)
{
	uint64_t chance = chance_seed();

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct packet p = some_packet(&chance, i % 2);
		struct packet out = with(&p, SOURCE, wans[i % 2], 20001);
		struct packet back = with(&out, SOURCE, clients[i % 2], 5000);

		assert_true(packet_sums_right(&p) && packet_sums_right(&out));
		assert_true(packet_tuple(&out).src == wans[i % 2]);
		expect_same_but_hops(&back, &p, 2);
	}
}

/* What was damaged on its way to us is damaged after us, so that its receiver finds out (RFC 1071, 5508 REQ-3). */
static void test_damage_stays(void **state)
{
	uint64_t chance = chance_seed();

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct packet p = some_packet(&chance, i % 2), out, error;
		struct error e = {.from = routers[i % 2], .type = i % 2 ? ICMP6_EXCEEDED : ICMP_EXCEEDED};
		struct change back = {.side = DESTINATION, .addr = clients[i % 2]};
		struct layout at = packet_layout(&p);

		if (!layout_sum(&at) || packet_unsummed(&p, &at))
			continue;
		error = packet_error(&p, &e);
		p.bytes[at.end - 1] ^= 1 + below(&chance, 255);
		error.bytes[error.len - 1] ^= 1 + below(&chance, 255);
		out = with(&p, SOURCE, wans[i % 2], 20001);
		assert_false(packet_sums_right(&out));
		error = packet_error_changed(&error, &back);
		assert_false(packet_sums_right(&error));
	}
}

/* RFC 768: a computed sum of 0 is sent as all ones. */
static void test_udp_sum_of_zero(void **state)
{
	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		struct spec s = {.t = {clients[family], remotes[family], 5000, 53, PROTO_UDP}, .payload = 8};
		struct packet p = packet_make(&s), out = with(&p, SOURCE, wans[family], 20001);
		size_t l4 = packet_l4(&p);
		uint32_t word = (uint32_t)packet_get16(&p, l4 + 8) + packet_get16(&out, l4 + UDP_SUM);

		packet_put16(&p, l4 + 8, (uint16_t)(word + (word >> 16)));
		packet_sum(&p);
		out = with(&p, SOURCE, wans[family], 20001);
		assert_int_equal(packet_get16(&out, l4 + UDP_SUM), 0xffff);
		assert_true(packet_sums_right(&out));
	}
}

/* RFC 6296: checksum-neutral: not one byte after the addresses changes. */
static void test_npt_leaves_the_rest_alone(void **state)
{
	uint64_t chance = chance_seed();

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct prefix in = {clients[1] >> 80 << 80, 48 + 8 * below(&chance, 3)};
		struct prefix out = {wans[1] >> 80 << 80, 48 + 8 * below(&chance, 3)};
		address mapped = 0, client = in.addr | (uint64_t)below(&chance, UINT32_MAX) << 16 | 1;
		struct packet p = some_packet(&chance, 1), there;

		p = with(&p, SOURCE, client, 5000);
		assert_true(npt_map(in, out, client, &mapped));
		assert_true(prefix_holds(out, mapped));
		there = packet_changed(&p, &(struct change){.side = SOURCE, .addr = mapped});
		assert_true(packet_sums_right(&there));
		assert_memory_equal(there.bytes + p.l2 + 24, p.bytes + p.l2 + 24, p.len - p.l2 - 24);
	}
}

/* Far enough into a datagram that its first piece has all headers. */
#define CUT 176

/* The pieces of the packet, translated, are the pieces of the translated packet. */
static void test_pieces(void **state)
{
	uint64_t chance = chance_seed();
	unsigned cut = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct packet p = some_packet(&chance, i % 2), out = with(&p, SOURCE, wans[i % 2], 20001);
		struct packet pieces[2], want[2];

		if (p.len < packet_l4(&p) + CUT + 8)
			continue;
		packet_cut(&p, CUT, 7, &pieces[0], &pieces[1]);
		packet_cut(&out, CUT, 7, &want[0], &want[1]);
		for (unsigned n = 0; n < 2; n++) {
			struct packet got = with(&pieces[n], SOURCE, wans[i % 2], 20001);

			assert_true(packet_equal(&got, &want[n]));
		}
		cut++;
	}
	assert_true(cut > ROUNDS / 50);
}

/* The packet as it would have stood, after as many hops, had nobody translated it. */
static struct packet untranslated(const struct packet *out, unsigned family)
{
	struct change c = {.side = SOURCE, .addr = clients[family], .port = 5000, .with_port = true, .ttl_stays = true};

	return packet_changed(out, &c);
}

/* Eight bytes of the L4 header at least; half a TCP checksum, of which nobody can make the other half, is none. */
static size_t some_quote(uint64_t *chance, const struct packet *p)
{
	size_t l4 = 8 + below(chance, 60);

	return packet_l4(p) - p->l2 + (l4 == TCP_SUM + 1 ? l4 + 1 : l4);
}

/* What a router says of the packet that left reaches the client as if it spoke of the packet that came. */
static void test_errors(void **state)
{
	uint64_t chance = chance_seed();

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct packet p = some_packet(&chance, i % 2), out = with(&p, SOURCE, wans[i % 2], 20001);
		struct error e = {.from = routers[i % 2], .type = i % 2 ? ICMP6_EXCEEDED : ICMP_EXCEEDED};
		struct change c = {.side = DESTINATION, .addr = clients[i % 2], .port = 5000, .with_port = true};
		struct packet about_out, about_in, got;

		e.quote = some_quote(&chance, &p);
		p = untranslated(&out, i % 2);
		about_out = packet_error(&out, &e);
		about_in = packet_error(&p, &e);
		got = packet_error_changed(&about_out, &c);
		assert_true(packet_sums_right(&got));
		expect_same_but_hops(&got, &about_in, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),	cmocka_unit_test(test_damage_stays),
		cmocka_unit_test(test_udp_sum_of_zero), cmocka_unit_test(test_npt_leaves_the_rest_alone),
		cmocka_unit_test(test_pieces),		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
