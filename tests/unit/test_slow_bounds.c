/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_slow_bounds.c: what bounds the slow path: how many orphans wait, how long, how much is read at once; and
 * records that are wrong, or random (the seed is printed).  Time is an argument.
 */
#include "slow_path_fixture.h"

/* --- bounds ----------------------------------------------------------------------------------------------- */

static void no_orphan_waits_longer_than_two_seconds(void **state)
{
	(void)state;
	take(make_orphan(100, 1), NOW_NS);
	take(make_orphan(100, 2), NOW_NS + 500);
	assert_int_equal(wh_slow_poll(path, NOW_NS + WH_SLOW_WAIT_NS - 1), 2);
	assert_int_equal(wh_slow_poll(path, NOW_NS + WH_SLOW_WAIT_NS), 1);
	assert_int_equal(wh_slow_poll(path, NOW_NS + WH_SLOW_WAIT_NS + 500), 0);
	assert_int_equal(count->expired, 2);
	assert_int_equal(count->delivered, 0);
}

static void the_oldest_makes_room(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < WH_SLOW_KEPT_MAX; i++)
		take(make_orphan(100, i), NOW_NS + i);
	assert_int_equal(count->evicted, 0);
	take(make_orphan(100, 1000), NOW_NS + 1000);
	assert_int_equal(count->evicted, 1);
	assert_int_equal(wh_slow_poll(path, NOW_NS + 1000), WH_SLOW_KEPT_MAX);
	/* The one of NOW_NS is gone: nothing expires with it. */
	assert_int_equal(wh_slow_poll(path, NOW_NS + WH_SLOW_WAIT_NS), WH_SLOW_KEPT_MAX);
	assert_int_equal(wh_slow_poll(path, NOW_NS + WH_SLOW_WAIT_NS + 1), WH_SLOW_KEPT_MAX - 1);
}

static void large_ones_make_room_sooner(void **state)
{
	uint32_t fit = WH_SLOW_KEPT_BYTES / (ETH_HLEN + 20 + 9000);

	(void)state;
	for (uint16_t i = 0; i < 40; i++)
		take(make_orphan(9000, i), NOW_NS);
	assert_int_equal(wh_slow_poll(path, NOW_NS), fit);
	assert_int_equal(count->evicted, 40 - fit);
}

static void a_full_ring_is_read_in_slices(void **state)
{
	size_t size = make_orphan(100, 1);
	unsigned n = 0, reads = 0;

	(void)state;
	assert_false(readable_within_ms(wh_slow_fd(path), 0));
	while (n < 1500 && put(size))
		n++;
	while (readable_within_ms(wh_slow_fd(path), 0)) {
		uint64_t before = count->kept;

		assert_int_equal(wh_slow_read(path, NOW_NS), 0);
		assert_true(count->kept - before <= 64);
		reads++;
	}
	assert_int_equal(count->kept, n);
	assert_true(n > 1000 && reads >= n / 64);
}

/* --- what leads nowhere ----------------------------------------------------------------------------------- */

static void assert_refused(size_t size)
{
	uint64_t before = count->refused;

	take(size, NOW_NS);
	wh_slow_poll(path, NOW_NS);
	assert_int_equal(count->refused, before + 1);
}

static void what_leads_nowhere_is_refused_and_counted(void **state)
{
	size_t size = make_orphan(100, 1);

	(void)state;
	assert_refused(size - 1);
	assert_refused(sizeof(*record) - 1);
	assert_refused(0);
	record->task = 3;
	assert_refused(size);
	size = make_orphan(100, 1);
	record->wan = WH_MAX_WANS;
	assert_refused(size);
	size = make_orphan(100, 1);
	record->l2_len = 15;
	assert_refused(size);
	world.first_came = true;
	size = make_orphan(100, 1);
	world.client_err = -ENOENT;
	assert_refused(size);
	world.client_err = 0;
	assert_refused(size); /* a client of no family */
	world.client.client = addr6("::ffff:192.0.2.254");
	world.client.ifindex = 4711;
	assert_refused(size);
	make4(&packet, ETH_HLEN, 0, 1000, DF);
	assert_refused(make_record(WH_SLOW_FRAGMENT, near_index, 576));
	assert_int_equal(count->delivered + count->fragmented, 0);
}

static void random_records_do_no_harm(void **state)
{
	seed(state);
	world.client.client = addr6("::ffff:192.0.2.254");
	for (unsigned i = 0; i < 20000; i++) {
		size_t size = make_orphan(pick(1500), (uint16_t)i);

		record->task = pick(4);
		record->mtu = pick(2000);
		for (unsigned j = pick(4); j; j--)
			record_bytes[pick(80)] = (uint8_t)pick(256);
		if (pick(2))
			seal(record->frame + ETH_HLEN);
		world.first_came = pick(2);
		take(pick(4) ? size : pick((uint32_t)size), NOW_NS + i * 1000000ULL);
		wh_slow_poll(path, NOW_NS + i * 1000000ULL);
	}
	assert_true(count->kept > 1000 && count->refused > 1000 && count->delivered > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(no_orphan_waits_longer_than_two_seconds),
		PATH_TEST(the_oldest_makes_room),
		PATH_TEST(large_ones_make_room_sooner),
		PATH_TEST(a_full_ring_is_read_in_slices),
		PATH_TEST(what_leads_nowhere_is_refused_and_counted),
		PATH_TEST(random_records_do_no_harm),
	};

	return RUN_IN_NAMESPACES("slow_bounds", tests);
}
