/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_dns_stream.c: messages out of TCP segments, however they are cut, repeated, or lost; and random cuts of many
 * connections at once (the seed is printed).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "dns/stream.h"
#include "random.h"

#define ROUNDS 20000

static struct wh_dns_streams *streams;

/* What came out since it was last asked. */
static struct {
	unsigned n;
	size_t len; /* of the last */
	uint8_t last[WH_DNS_MESSAGE_MAX];
} got;

static int set_up(void **state)
{
	(void)state;
	memset(&got, 0, sizeof(got));
	return wh_dns_streams_new(&streams);
}

static int tear_down(void **state)
{
	(void)state;
	wh_dns_streams_free(streams);
	return 0;
}

static void take(void *arg, const uint8_t *message, size_t len)
{
	assert_ptr_equal(arg, &got);
	assert_true(len <= WH_DNS_MESSAGE_MAX);
	got.n++;
	got.len = len;
	memcpy(got.last, message, len);
}

static struct wh_dns_segment segment_of(unsigned connection, uint32_t seq, const uint8_t *payload, size_t len)
{
	return (struct wh_dns_segment){.at = {.src = IN6ADDR_LOOPBACK_INIT, .dport_be = (uint16_t)connection},
				       .seq = seq,
				       .payload = payload,
				       .len = len};
}

static unsigned give(unsigned connection, uint32_t seq, const uint8_t *payload, size_t len)
{
	struct wh_dns_segment segment = segment_of(connection, seq, payload, len);

	return wh_dns_streams_take(streams, &segment, take, &got);
}

/* A message of so many bytes, all alike, with its length. Its length on the wire. */
static size_t make(uint8_t *out, size_t len, uint8_t byte)
{
	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	memset(out + 2, byte, len);
	return len + 2;
}

static void assert_got(unsigned n, size_t len, uint8_t byte)
{
	assert_int_equal(got.n, n);
	assert_int_equal(got.len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(got.last[i], byte);
	got.n = 0;
}

static void a_message_may_be_cut_anywhere(void **state)
{
	uint8_t wire[64];
	size_t len = make(wire, 40, 7);

	(void)state;
	for (size_t cut = 1; cut < len; cut++) {
		assert_int_equal(give(1, 1000, wire, cut), 0);
		assert_int_equal(got.n, 0);
		assert_int_equal(give(1, 1000 + (uint32_t)cut, wire + cut, len - cut), 0);
		assert_got(1, 40, 7);
	}
	for (size_t i = 0; i < len; i++) /* byte by byte, over the end of the numbers */
		assert_int_equal(give(1, 0xfffffff0U + (uint32_t)i, wire + i, 1), 0);
	assert_got(1, 40, 7);
}

static void a_segment_may_hold_many(void **state)
{
	uint8_t wire[256];
	size_t len = make(wire, 20, 1);

	(void)state;
	len += make(wire + len, 0, 0);
	len += make(wire + len, 30, 2);
	assert_int_equal(give(1, 5, wire, len - 10), 0);
	assert_int_equal(got.n, 2);
	assert_int_equal(give(1, 5 + (uint32_t)len - 10, wire + len - 10, 10), 0);
	assert_got(3, 30, 2);
}

static void what_comes_again_counts_once(void **state)
{
	uint8_t wire[64];
	size_t len = make(wire, 40, 7);

	(void)state;
	give(1, 100, wire, 10);
	give(1, 100, wire, 10);
	give(1, 104, wire + 4, 6);
	give(1, 110, wire, 0); /* a pure ACK */
	assert_int_equal(give(1, 105, wire + 5, len - 5), 0);
	assert_got(1, 40, 7);
}

static void a_hole_ends_the_message(void **state)
{
	uint8_t wire[64];
	size_t len = make(wire, 40, 7);

	(void)state;
	give(1, 100, wire, 10);
	assert_int_equal(give(1, 120, wire + 20, len - 20), 1);
	assert_int_equal(got.n, 0);
	assert_int_equal(give(1, 100 + (uint32_t)len, wire, len), 0); /* the next one */
	assert_got(1, 40, 7);
}

static void a_new_connection_begins_anew(void **state)
{
	uint8_t wire[64];
	size_t len = make(wire, 40, 7);
	struct wh_dns_segment syn = segment_of(1, 777, wire, 0), fin = segment_of(1, 787, wire, 0);

	(void)state;
	syn.first = true;
	fin.last = true;
	give(1, 100, wire, 10);
	assert_int_equal(wh_dns_streams_take(streams, &syn, take, &got), 0);
	assert_int_equal(give(1, 777, wire, len), 0);
	assert_got(1, 40, 7);
	give(1, 777, wire, 10);
	assert_int_equal(wh_dns_streams_take(streams, &fin, take, &got), 1); /* half a message, and no more */
	assert_int_equal(give(1, 5, wire, len), 0);
	assert_got(1, 40, 7);
}

static void too_long_a_message_is_passed_over(void **state)
{
	static uint8_t wire[70000];
	size_t longest = make(wire, WH_DNS_MESSAGE_MAX, 3), len;

	(void)state;
	assert_int_equal(give(1, 0, wire, longest), 0);
	assert_got(1, WH_DNS_MESSAGE_MAX, 3);
	len = make(wire, 65535, 3);
	len += make(wire + len, 10, 4);
	for (size_t at = 0; at < len; at += 1000)
		assert_int_equal(give(1, (uint32_t)at, wire + at, len - at < 1000 ? len - at : 1000), at == 65000);
	assert_got(1, 10, 4);
}

static void the_oldest_of_too_many_goes(void **state)
{
	uint8_t wire[64];
	size_t len = make(wire, 40, 7);

	(void)state;
	for (unsigned c = 0; c < WH_DNS_STREAMS; c++)
		assert_int_equal(give(c, 100, wire, 10), 0);
	assert_int_equal(give(WH_DNS_STREAMS, 100, wire, 10), 1);
	for (unsigned c = WH_DNS_STREAMS; c > 0; c--)
		give(c, 110, wire + 10, len - 10);
	assert_got(WH_DNS_STREAMS, 40, 7);
	for (unsigned c = 0; c < 10 * WH_DNS_STREAMS; c++) /* whole ones take no room */
		assert_int_equal(give(c, 100, wire, len), 0);
}

/* Connections that each repeat one message of their own, cut at random. */
static void cuts_at_random_lose_nothing(void **state)
{
	static uint8_t wire[WH_DNS_STREAMS][2002];
	uint32_t seq[WH_DNS_STREAMS], at[WH_DNS_STREAMS] = {0};
	size_t len[WH_DNS_STREAMS];
	unsigned whole = 0;

	(void)state;
	for (unsigned c = 0; c < WH_DNS_STREAMS; c++) {
		len[c] = make(wire[c], pick(2000), (uint8_t)c);
		fill((uint8_t *)&seq[c], sizeof(seq[c]));
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned c = pick(WH_DNS_STREAMS), n = pick((uint32_t)len[c] - at[c]) + 1, again = pick(at[c] + 1);

		got.n = 0;
		assert_int_equal(give(c, seq[c] - again, wire[c] + at[c] - again, n + again), 0);
		seq[c] += n;
		at[c] += n;
		assert_int_equal(got.n, at[c] == len[c]);
		if (at[c] != len[c])
			continue;
		assert_got(1, len[c] - 2, (uint8_t)c);
		at[c] = 0;
		whole++;
	}
	assert_true(whole > 1000);
}

static void any_bytes_do_no_harm(void **state)
{
	uint8_t bytes[1500];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t len = pick(sizeof(bytes));
		struct wh_dns_segment segment;

		fill(bytes, len);
		segment = segment_of(pick(40), pick(4000), bytes, len);
		segment.first = pick(50) == 0;
		segment.last = pick(50) == 0;
		wh_dns_streams_take(streams, &segment, take, &got);
	}
}

#define STREAM_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(a_message_may_be_cut_anywhere), STREAM_TEST(a_segment_may_hold_many),
		STREAM_TEST(what_comes_again_counts_once),  STREAM_TEST(a_hole_ends_the_message),
		STREAM_TEST(a_new_connection_begins_anew),  STREAM_TEST(too_long_a_message_is_passed_over),
		STREAM_TEST(the_oldest_of_too_many_goes),   STREAM_TEST(cuts_at_random_lose_nothing),
		STREAM_TEST(any_bytes_do_no_harm),
	};

	return cmocka_run_group_tests_name("dns stream", tests, seed, NULL);
}
