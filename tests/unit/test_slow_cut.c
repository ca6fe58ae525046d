/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_slow_cut.c: frames cut into fragments, and put together again by a reassembler of the test's own; random
 * frames are cut to random sizes (the seed is printed).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "slow_fixture.h"

#define ROUNDS 20000

/* --- the reassembler -------------------------------------------------------------------------------------- */

struct heap {
	uint8_t payload[65536 + WH_SLOW_FRAME_MAX];
	uint32_t next; /* where the next piece must begin, in bytes of the original datagram */
	uint32_t pieces;
	uint16_t last_flags;
};

static void take_piece(struct heap *h, const struct packet *p, const uint8_t *piece, uint32_t len, uint32_t mtu)
{
	const uint8_t *ip = piece + p->frame.l2_len;
	uint32_t header = (ip[0] & 15U) * 4, at = (get16(ip + 6) & 0x1fffU) * 8;

	assert_memory_equal(piece, p->bytes, p->frame.l2_len);
	assert_int_equal(header, p->header);
	assert_int_equal(get16(ip + 2), len - p->frame.l2_len);
	assert_true(get16(ip + 2) <= mtu);
	assert_int_equal(sum(ip, header, 0), 0xffff);
	assert_memory_equal(ip + 4, p->ip + 4, 2);   /* identifier */
	assert_memory_equal(ip + 8, p->ip + 8, 2);   /* TTL, protocol */
	assert_memory_equal(ip + 12, p->ip + 12, 8); /* addresses */
	assert_int_equal(at, h->next);
	memcpy(h->payload + at, ip + header, get16(ip + 2) - header);
	h->next = at + get16(ip + 2) - header;
	h->last_flags = get16(ip + 6) & 0xe000;
	h->pieces++;
}

/* Cut a frame and put it together again; the pieces' number. */
static uint32_t cut(const struct packet *p, uint32_t mtu, struct heap *h)
{
	static uint8_t piece[WH_SLOW_OUT_MAX];
	uint32_t first = (get16(p->ip + 6) & 0x1fffU) * 8, len;
	struct wh_cut c;

	h->next = first;
	h->pieces = 0;
	assert_int_equal(wh_cut_begin(&c, &p->frame, mtu), 0);
	while ((len = wh_cut_next(&c, piece))) {
		if (h->pieces)
			assert_true(h->last_flags & MF);
		take_piece(h, p, piece, len, mtu);
	}
	assert_int_equal(h->last_flags, get16(p->ip + 6) & 0xe000);
	assert_int_equal(h->next - first, p->payload);
	assert_int_equal(wh_cut_next(&c, piece), 0);
	return h->pieces;
}

static struct packet packet;
static struct heap heap;

static int refused(uint32_t mtu)
{
	struct wh_cut c;

	return wh_cut_begin(&c, &packet.frame, mtu);
}

/* --- cutting ---------------------------------------------------------------------------------------------- */

static void pieces_make_the_whole(void **state)
{
	(void)state;
	make4(&packet, ETH_HLEN, 0, 1480, 0);
	assert_int_equal(cut(&packet, 1400, &heap), 2);
	assert_memory_equal(heap.payload, packet.ip + 20, 1480);
	assert_int_equal(cut(&packet, 1500, &heap), 1);
	assert_int_equal(cut(&packet, 1499, &heap), 2);
	assert_int_equal(cut(&packet, 68, &heap), 31);
	make4(&packet, 0, 0, WH_SLOW_FRAME_MAX - 20, 0);
	assert_int_equal(cut(&packet, 68, &heap), (WH_SLOW_FRAME_MAX - 20 + 47) / 48);
	assert_memory_equal(heap.payload, packet.ip + 20, WH_SLOW_FRAME_MAX - 20);
}

static void a_fragment_can_be_cut_again(void **state)
{
	(void)state;
	make4(&packet, ETH_HLEN, 0, 1480, MF | 185);
	assert_int_equal(cut(&packet, 576, &heap), 3);
	assert_memory_equal(heap.payload + 1480, packet.ip + 20, 1480);
	make4(&packet, ETH_HLEN, 0, 999, 185); /* the last one */
	assert_int_equal(cut(&packet, 576, &heap), 2);
	assert_memory_equal(heap.payload + 1480, packet.ip + 20, 999);
}

static void later_pieces_have_the_copied_options_only(void **state)
{
	static const uint8_t options[] = {0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 1, 0x88, 4, 1, 2};
	static const uint8_t later[] = {0x94, 4, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0x88, 4, 1, 2};
	static uint8_t piece[WH_SLOW_OUT_MAX];
	struct wh_cut c;

	(void)state;
	make4(&packet, ETH_HLEN, sizeof(options), 1000, 0);
	memcpy(packet.ip + 20, options, sizeof(options)); /* router alert, record route, stream identifier */
	seal(packet.ip);
	assert_int_equal(cut(&packet, 576, &heap), 2);
	assert_int_equal(wh_cut_begin(&c, &packet.frame, 576), 0);
	wh_cut_next(&c, piece);
	assert_memory_equal(piece + ETH_HLEN + 20, options, sizeof(options));
	wh_cut_next(&c, piece);
	assert_memory_equal(piece + ETH_HLEN + 20, later, sizeof(later));
}

static void wrong_frames_are_not_cut(void **state)
{
	(void)state;
	make4(&packet, ETH_HLEN, 0, 1480, DF);
	assert_int_equal(refused(1499), -EMSGSIZE);
	assert_int_equal(refused(1500), 0);
	make4(&packet, ETH_HLEN, 0, 1480, 0);
	assert_int_equal(refused(27), -EMSGSIZE);
	assert_int_equal(refused(0), -EMSGSIZE);
	make4(&packet, ETH_HLEN, 0, 1479, MF); /* not the last, and not in units of 8 */
	assert_int_equal(refused(1400), -EINVAL);
	make4(&packet, ETH_HLEN, 0, 800, 8100); /* beyond 65535 */
	assert_int_equal(refused(576), -EINVAL);
	make4(&packet, ETH_HLEN, 0, 0, 0);
	assert_int_equal(refused(576), -EINVAL);
	make4(&packet, ETH_HLEN, 0, 1480, 0);
	packet.ip[10] ^= 1;
	assert_int_equal(refused(1400), -EINVAL);
	make4(&packet, ETH_HLEN, 0, 1480, 0);
	packet.frame.len--;
	assert_int_equal(refused(1400), -EINVAL);
	packet.frame.l2_len = 4;
	assert_int_equal(refused(1400), -EINVAL);
	make4(&packet, ETH_HLEN, 0, 1480, 0);
	put16(packet.bytes + 12, 0x86dd);
	assert_int_equal(refused(1400), -EINVAL);
	for (uint8_t len = 0; len <= 5; len += 5) { /* options that do not end, or run over */
		make4(&packet, ETH_HLEN, 4, 1480, 0);
		memcpy(packet.ip + 20, (uint8_t[]){7, len, 0, 0}, 4);
		seal(packet.ip);
		assert_int_equal(refused(1400), -EINVAL);
	}
}

/* --- checksums left for hardware -------------------------------------------------------------------------- */

static uint32_t pseudo_sum(const struct packet *p)
{
	return sum(p->ip + 12, 8, p->ip[9] + p->payload);
}

static void unfinished_checksums_are_finished(void **state)
{
	(void)state;
	for (int tcp = 0; tcp <= 1; tcp++) {
		uint32_t at = tcp ? 16 : 6;

		make4(&packet, ETH_HLEN, tcp ? 40 : 0, 1481, 0);
		packet.ip[9] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
		seal(packet.ip);
		put16(packet.ip + packet.header + 4, packet.payload);
		put16(packet.ip + packet.header + at, pseudo_sum(&packet));
		cut(&packet, 76, &heap); /* TCP's field is in the second piece */
		assert_int_equal(sum(heap.payload, packet.payload, pseudo_sum(&packet)), 0xffff);
		/* What is right stays, and so does what is wrong in another way, and none. */
		memcpy(packet.ip + packet.header, heap.payload, packet.payload);
		for (uint32_t add = 0; add <= 1; add++) {
			put16(packet.ip + packet.header + at, get16(packet.ip + packet.header + at) + add);
			cut(&packet, 576, &heap);
			assert_memory_equal(heap.payload, packet.ip + packet.header, packet.payload);
		}
		put16(packet.ip + packet.header + at, 0);
		cut(&packet, 576, &heap);
		assert_memory_equal(heap.payload, packet.ip + packet.header, packet.payload);
	}
}

/* --- anything --------------------------------------------------------------------------------------------- */

static void random_frames_are_cut_to_random_sizes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t options = pick(4) ? 0 : 4 * pick(11);
		uint32_t payload = 1 + pick(pick(8) ? 1600 : WH_SLOW_FRAME_MAX - 60);
		uint32_t flags = payload % 8 || pick(2) ? 0 : MF;

		make4(&packet, pick(2) ? ETH_HLEN : 0, options, payload, (uint16_t)(pick(7000) | flags));
		cut(&packet, 20 + options + 8 + pick(1500), &heap);
		assert_memory_equal(heap.payload + (get16(packet.ip + 6) & 0x1fffU) * 8, packet.ip + packet.header,
				    payload);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_make_the_whole),
		cmocka_unit_test(a_fragment_can_be_cut_again),
		cmocka_unit_test(later_pieces_have_the_copied_options_only),
		cmocka_unit_test(wrong_frames_are_not_cut),
		cmocka_unit_test(unfinished_checksums_are_finished),
		cmocka_unit_test(random_frames_are_cut_to_random_sizes),
	};

	return cmocka_run_group_tests_name("slow_cut", tests, seed, NULL);
}
