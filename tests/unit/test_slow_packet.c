/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_slow_packet.c: late fragments read and delivered, byte by byte; and damaged frames, which everything that
 * takes frames gets (the seed is printed).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "slow_fixture.h"

#define ROUNDS 50000

static struct packet packet;

/* --- orphans ---------------------------------------------------------------------------------------------- */

static void a_later_fragment_names_its_key(void **state)
{
	struct wh_orphan_key key;

	(void)state;
	make4(&packet, 0, 0, 800, 185);
	assert_int_equal(wh_orphan_parse(&packet.frame, 7, &key), 0);
	assert_int_equal(key.family, WH_V4);
	assert_int_equal(key.key4.src_be, inet_addr("192.0.2.1"));
	assert_int_equal(key.key4.dst_be, inet_addr("198.51.100.2"));
	assert_int_equal(key.key4.ifindex, 7);
	assert_int_equal(key.key4.id_be, htons(0xbeef));
	assert_int_equal(key.key4.proto, IPPROTO_UDP);
	assert_int_equal(key.key4.pad, 0);
	make4(&packet, 0, 0, 800, MF);
	assert_int_equal(wh_orphan_parse(&packet.frame, 7, &key), -EINVAL);
	make4(&packet, 0, 0, 800, DF);
	assert_int_equal(wh_orphan_parse(&packet.frame, 7, &key), -EINVAL);
}

static void so_does_one_of_ipv6(void **state)
{
	struct wh_orphan_key key;

	(void)state;
	for (uint32_t extensions = 0; extensions <= 4; extensions++) {
		make6(&packet, extensions % 2 ? ETH_HLEN : 0, extensions, 800, 1448);
		memset(&key, 0, sizeof(key));
		assert_int_equal(wh_orphan_parse(&packet.frame, 7, &key), 0);
		assert_int_equal(key.family, WH_V6);
		assert_memory_equal(&key.key6.src_be, packet.ip + 8, 16);
		assert_memory_equal(&key.key6.dst_be, packet.ip + 24, 16);
		assert_int_equal(key.key6.ifindex, 7);
		assert_memory_equal(&key.key6.id_be, "\xde\xad\xbe\xef", 4);
	}
	make6(&packet, 0, 9, 800, 1448); /* more than anybody sends */
	assert_int_equal(wh_orphan_parse(&packet.frame, 7, &key), -EINVAL);
	make6(&packet, 0, 0, 800, 0);
	assert_int_equal(wh_orphan_parse(&packet.frame, 7, &key), -EINVAL);
	make6(&packet, 0, 0, 800, 1448);
	packet.ip[6] = IPPROTO_UDP;
	assert_int_equal(wh_orphan_parse(&packet.frame, 7, &key), -EINVAL);
	make6(&packet, 0, 1, 0, 1448);
	packet.ip[41] = 255; /* a header longer than the packet */
	assert_int_equal(wh_orphan_parse(&packet.frame, 7, &key), -EINVAL);
}

/* Wherever it ends, and the memory with it. */
static void one_that_ends_early_is_none(void **state)
{
	struct wh_orphan_key key;
	uint32_t whole;

	(void)state;
	make6(&packet, 0, 3, 0, 1448);
	whole = packet.frame.len;
	for (uint32_t len = 1; len <= whole; len++) {
		uint8_t *bytes = malloc(len);
		struct wh_frame frame = {.bytes = bytes, .len = len};

		assert_non_null(bytes);
		put16(packet.ip + 4, len < 40 ? 0 : len - 40);
		memcpy(bytes, packet.bytes, len);
		assert_int_equal(wh_orphan_parse(&frame, 7, &key), len == whole ? 0 : -EINVAL);
		free(bytes);
	}
}

static void nothing_longer_than_the_ring_has_it_is_a_frame(void **state)
{
	(void)state;
	make4(&packet, 0, 0, WH_SLOW_FRAME_MAX - 20, 0);
	assert_int_equal(wh_frame_family(&packet.frame), WH_V4);
	packet.frame.len++;
	assert_int_equal(wh_frame_family(&packet.frame), -EINVAL);
}

static struct wh_delivery delivery_to(const char *client, uint32_t l2_len)
{
	struct wh_delivery to = {.l2_len = l2_len, .src_mac = {2, 0, 0, 0, 0, 0xa}, .dst_mac = {2, 0, 0, 0, 0, 0xb}};

	assert_int_equal(inet_pton(AF_INET6, client, &to.client), 1);
	return to;
}

static void a_delivery_changes_what_it_must_and_nothing_else(void **state)
{
	static const uint8_t eth4[] = {2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0};
	static uint8_t out[WH_SLOW_OUT_MAX];
	struct wh_delivery to = delivery_to("::ffff:10.0.0.9", ETH_HLEN);

	(void)state;
	make4(&packet, 0, 4, 800, 185 | MF);
	assert_int_equal(wh_delivery_build(&packet.frame, &to, out), ETH_HLEN + 824);
	assert_memory_equal(out, eth4, sizeof(eth4));
	memcpy(packet.ip + 16, (uint8_t[]){10, 0, 0, 9}, 4);
	packet.ip[8] = 63;
	seal(packet.ip);
	assert_memory_equal(out + ETH_HLEN, packet.ip, 824);
	to.l2_len = 0;
	packet.frame.len += 6; /* padding */
	assert_int_equal(wh_delivery_build(&packet.frame, &to, out), 824);
	packet.ip[8] = 62;
	seal(packet.ip);
	assert_memory_equal(out, packet.ip, 824);
	packet.ip[8] = 1;
	seal(packet.ip);
	assert_int_equal(wh_delivery_build(&packet.frame, &to, out), -ETIME);
}

static void so_does_one_of_ipv6s(void **state)
{
	static uint8_t out[WH_SLOW_OUT_MAX];
	struct wh_delivery to = delivery_to("2001:db8::9", ETH_HLEN);

	(void)state;
	make6(&packet, ETH_HLEN, 2, 801, 1448);
	packet.frame.len += 5; /* padding */
	assert_int_equal(wh_delivery_build(&packet.frame, &to, out), packet.frame.len - 5);
	assert_int_equal(get16(out + 12), 0x86dd);
	packet.ip[7] = 63;
	memcpy(packet.ip + 24, &to.client, 16);
	assert_memory_equal(out + ETH_HLEN, packet.ip, packet.frame.len - 5 - ETH_HLEN);
	to = delivery_to("::ffff:10.0.0.9", ETH_HLEN);
	assert_int_equal(wh_delivery_build(&packet.frame, &to, out), -EINVAL);
	to = delivery_to("2001:db8::9", ETH_HLEN);
	packet.ip[7] = 1;
	assert_int_equal(wh_delivery_build(&packet.frame, &to, out), -ETIME);
}

/* --- anything --------------------------------------------------------------------------------------------- */

/* Whatever bytes they are, at the very end of their memory: that the sanitizer watches. */
static unsigned try_damaged(const struct packet *p)
{
	static uint8_t out[WH_SLOW_OUT_MAX];
	uint32_t len = pick(8) ? p->frame.len : pick(p->frame.len + 1);
	uint8_t *bytes = malloc(len ? len : 1);
	struct wh_frame frame = {.bytes = bytes, .len = len, .l2_len = p->frame.l2_len};
	struct wh_delivery to = delivery_to(pick(2) ? "2001:db8::9" : "::ffff:10.0.0.9", pick(2) ? ETH_HLEN : 0);
	struct wh_orphan_key key;
	struct wh_cut c;
	unsigned good = 0;

	assert_non_null(bytes);
	memcpy(bytes, p->bytes, len);
	for (uint32_t i = pick(3); len && i; i--)
		bytes[pick(len < 80 ? len : 80)] = (uint8_t)pick(256);
	if (pick(4) && len >= frame.l2_len + 60)
		seal(bytes + frame.l2_len);
	good += !wh_orphan_parse(&frame, 1, &key);
	good += wh_delivery_build(&frame, &to, out) > 0;
	if (!wh_cut_begin(&c, &frame, pick(1600))) {
		good++;
		for (uint32_t n; (n = wh_cut_next(&c, out));)
			assert_true(n <= len);
	}
	free(bytes);
	return good;
}

static void damaged_frames_do_no_harm(void **state)
{
	unsigned good = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t l2_len = pick(2) ? ETH_HLEN : 0;

		if (pick(3) == 0)
			make6(&packet, l2_len, pick(4), pick(1400), 8 * pick(8192));
		else
			make4(&packet, l2_len, pick(4) ? 0 : 4 * pick(11), 1 + pick(1600), (uint16_t)pick(0x10000));
		good += try_damaged(&packet);
	}
	assert_true(good > ROUNDS / 4); /* else nothing was tested */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_later_fragment_names_its_key),
		cmocka_unit_test(so_does_one_of_ipv6),
		cmocka_unit_test(one_that_ends_early_is_none),
		cmocka_unit_test(nothing_longer_than_the_ring_has_it_is_a_frame),
		cmocka_unit_test(a_delivery_changes_what_it_must_and_nothing_else),
		cmocka_unit_test(so_does_one_of_ipv6s),
		cmocka_unit_test(damaged_frames_do_no_harm),
	};

	return cmocka_run_group_tests_name("slow_packet", tests, seed, NULL);
}
