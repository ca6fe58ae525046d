/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_select.c: which WAN a new flow gets: the order in its bucket, which bucket, and what affinity keeps
 * together.
 */
#include "harness.h"

#include <string.h>

/* The WAN of a new flow, judged by the source that it leaves with. */
static unsigned wan_of(const struct packet *p)
{
	struct result r = lab_from_lan(p);
	address src;

	/* The search for a port is bounded: by chance one is not found. */
	for (unsigned i = 0; i < 10 && result_is_refusal(&r, p); i++)
		r = lab_from_lan(p);
	src = packet_tuple(&r.packet).src;
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	for (unsigned wan = 0; wan < LAB_WANS; wan++) {
		if (src == lab_own(wan))
			return wan;
	}
	fail_msg("left with the source ...%08x", (uint32_t)src);
	return 0;
}

static void all_wans_work(void)
{
	lab_set_masks(0xff, 0xff);
	lab_set_alive(0xff);
}

/* Each of the eight places is asked in turn: the first WAN of the order that may take it has it. */
static void test_order(void **state)
{
	static const int order[] = {5, 2, 7, 0, 3, 6, 1, 4, -1};
	uint8_t alive = 0xff;
	uint16_t sport = 5000;

	(void)state;
	all_wans_work();
	lab_set_order(order);
	for (unsigned i = 0; i < 8; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, sport++, REMOTE_1, 53);

		assert_int_equal(wan_of(&p), order[i]);
		alive &= (uint8_t) ~(1U << order[i]);
		lab_set_alive(alive);
	}
	alive = 0xff;
	lab_set_alive(alive);
	for (unsigned i = 0; i < 8; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, sport++, REMOTE_1, 53);

		assert_int_equal(wan_of(&p), order[i]);
		alive &= (uint8_t) ~(1U << order[i]);
		lab_set_masks(0xff, alive);
	}
}

/* An order's end is an end: WANs that are not in it are never taken. */
static void test_short_order(void **state)
{
	struct packet a = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct packet b = lab_packet(PROTO_UDP, CLIENT_B, 5000, REMOTE_1, 53);
	struct result r;

	(void)state;
	all_wans_work();
	lab_set_order((const int[]){6, 3, -1});
	lab_set_alive(0xff & ~(1U << 6));
	assert_int_equal(wan_of(&a), 3);
	lab_set_masks(0xff & ~0x48, 0xff & ~0x48);
	r = lab_from_lan(&b);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_NO_WAN), 1);
}

static void test_empty_order(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct result r;

	(void)state;
	lab_set_order((const int[]){-1});
	r = lab_from_lan(&p);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_NO_WAN), 1);
}

static void test_new_table_takes_effect(void **state)
{
	struct packet a = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53);
	struct packet b = lab_packet(PROTO_UDP, CLIENT_B, 5000, REMOTE_1, 53);

	(void)state;
	assert_int_equal(wan_of(&a), 0);
	lab_set_order((const int[]){1, 0, -1});
	assert_int_equal(wan_of(&b), 1);
	assert_int_equal(wan_of(&a), 0);
}

/* --- buckets ------------------------------------------------------------------------------------------------ */

#define SAMPLES (16 * WH_BUCKETS)

/* Bits 3·round and on of each bucket's number are the WAN that its flows get. */
static void tell_buckets(unsigned round, const struct packet samples[], uint16_t bucket[])
{
	struct wh_bucket_table table;

	for (unsigned i = 0; i < WH_BUCKETS; i++)
		table.order[i] = (i >> (3 * round) & 7) + 1;
	lab_set_buckets(&table);
	lab_forget_flows();
	for (unsigned i = 0; i < SAMPLES; i++)
		bucket[i] |= (uint16_t)(wan_of(&samples[i]) << (3 * round));
}

/* Every bucket is reached, about equally often: the hash is a hash, and the table is used whole. */
static void test_every_bucket(void **state)
{
	static struct packet samples[SAMPLES];
	static uint16_t bucket[SAMPLES];
	unsigned hits[WH_BUCKETS] = {}, most = 0;
	double chi_squared = 0;

	(void)state;
	memset(bucket, 0, sizeof(bucket)); /* the other family's */
	all_wans_work();
	for (unsigned i = 0; i < SAMPLES; i++)
		samples[i] = lab_packet(PROTO_UDP, CLIENT_A + i / 4096, (uint16_t)(1000 + i), REMOTE_1 + i * 256, 53);
	for (unsigned round = 0; round < 4; round++)
		tell_buckets(round, samples, bucket);
	for (unsigned i = 0; i < SAMPLES; i++) {
		assert_in_range(bucket[i], 0, WH_BUCKETS - 1);
		hits[bucket[i]]++;
	}
	for (unsigned i = 0; i < WH_BUCKETS; i++) {
		double off = (double)hits[i] - (double)SAMPLES / WH_BUCKETS;

		assert_true(hits[i] > 0);
		most = hits[i] > most ? hits[i] : most;
		chi_squared += off * off / ((double)SAMPLES / WH_BUCKETS);
	}
	/* 1023 degrees of freedom: 1023 ± 45; eight deviations either side is no accident. */
	assert_in_range(chi_squared, 660, 1390);
	assert_in_range(most, 16, 48);
}

/* --- affinity ----------------------------------------------------------------------------------------------- */

/* Each other bucket another WAN. */
static void alternate(void)
{
	struct wh_bucket_table table;

	for (unsigned i = 0; i < WH_BUCKETS; i++)
		table.order[i] = i % 2 ? 0x21 : 0x12;
	lab_set_buckets(&table);
}

enum varied { CLIENT, REMOTE, SOURCE_PORT, REMOTE_PORT };

/* How many of 64 flows that differ in one thing only go by WAN 1. */
static unsigned on_wan1(enum varied varied)
{
	unsigned n = 0;

	for (uint16_t i = 0; i < 64; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A + (varied == CLIENT ? i : 0),
					     (uint16_t)(5000 + (varied == SOURCE_PORT ? i : 0)),
					     REMOTE_1 + (varied == REMOTE ? i : 0),
					     (uint16_t)(53 + (varied == REMOTE_PORT ? i : 0)));

		/* Each on its own: a binding would keep an endpoint's flows together whatever the affinity. */
		lab_forget_flows();
		n += wan_of(&p);
	}
	return n;
}

static void expect_together(enum varied varied)
{
	unsigned n = on_wan1(varied);

	assert_true(n == 0 || n == 64);
}

static void expect_spread(enum varied varied)
{
	unsigned n = on_wan1(varied);

	/* 64 fair coins: 12 or fewer heads come once in ten million. */
	assert_in_range(n, 12, 52);
	assert_int_equal(on_wan1(varied), n);
}

static void test_affinity_src(void **state)
{
	(void)state;
	alternate();
	lab_set_class(WH_AFFINITY_SRC, WH_FAILOVER_AUTO);
	expect_spread(CLIENT);
	expect_together(REMOTE);
	expect_together(SOURCE_PORT);
	expect_together(REMOTE_PORT);
}

static void test_affinity_src_dst(void **state)
{
	(void)state;
	alternate();
	lab_set_class(WH_AFFINITY_SRC_DST, WH_FAILOVER_AUTO);
	expect_spread(CLIENT);
	expect_spread(REMOTE);
	expect_together(SOURCE_PORT);
	expect_together(REMOTE_PORT);
}

static void test_affinity_flow(void **state)
{
	(void)state;
	alternate();
	lab_set_class(WH_AFFINITY_FLOW, WH_FAILOVER_AUTO);
	expect_spread(CLIENT);
	expect_spread(REMOTE);
	expect_spread(SOURCE_PORT);
	expect_spread(REMOTE_PORT);
}

/* Whatever the affinity, one endpoint shows one address: its binding decides. */
static void test_binding_before_affinity(void **state)
{
	unsigned first = 0;

	(void)state;
	alternate();
	lab_set_class(WH_AFFINITY_FLOW, WH_FAILOVER_AUTO);
	for (uint16_t i = 0; i < 64; i++) {
		struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1 + i, (uint16_t)(53 + i));
		unsigned wan = wan_of(&p);

		assert_true(i == 0 || wan == first);
		first = wan;
	}
}

static const struct CMUnitTest tests[] = {
	LAB_BOTH(test_order),
	LAB_BOTH(test_short_order),
	LAB_BOTH(test_empty_order),
	LAB_BOTH(test_new_table_takes_effect),
	LAB_BOTH(test_every_bucket),
	LAB_BOTH(test_affinity_src),
	LAB_BOTH(test_affinity_src_dst),
	LAB_BOTH(test_affinity_flow),
	LAB_BOTH(test_binding_before_affinity),
};

LAB_MAIN(tests, 20000)
