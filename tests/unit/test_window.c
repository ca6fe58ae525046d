/* SPDX-License-Identifier: GPL-2.0 */
/* test_window.c: what the last ten seconds of a target's probes say, and which target speaks for a line. */
#include <math.h>

#include "health_fixture.h"

static struct wh_window window;
static struct wh_window_figures figures;

static int begin(void **state)
{
	(void)state;
	memset(&window, 0, sizeof(window));
	return 0;
}

static void look(uint64_t now_ns)
{
	wh_window_figures(&window, now_ns, &figures);
}

static void test_nothing_is_known(void **state)
{
	(void)state;
	look(START);
	assert_int_equal(figures.samples, 0);
	assert_true(isnan(figures.rtt_ms) && isnan(figures.jitter_ms) && isnan(figures.loss_ratio));
	wh_window_add(&window, START, 0);
	look(START);
	assert_true(figures.samples == 1 && figures.loss_ratio == 1 && isnan(figures.rtt_ms));
	wh_window_add(&window, START + 200 * MS, 10 * MS);
	look(START + SECOND);
	assert_true(figures.samples == 2 && figures.loss_ratio == 0.5);
	assert_true(figures.rtt_ms == 10 && isnan(figures.jitter_ms));
}

/* A few that took very long do not matter to a median. */
static void test_medians(void **state)
{
	static const unsigned rtt_ms[] = {10, 12, 10, 900, 10, 12, 0, 12, 10, 900};

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		wh_window_add(&window, START + i * 200 * MS, rtt_ms[i % 10] * MS);
	look(START + 50 * 200 * MS - MS);
	assert_int_equal(figures.samples, 50);
	assert_true(figures.rtt_ms == 12 && figures.jitter_ms == 2 && figures.loss_ratio == 0.1);
}

/* What is older than ten seconds is nothing any more, also where the line was not probed since. */
static void test_ten_seconds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		wh_window_add(&window, START + i * 200 * MS, 100 * MS);
	for (unsigned i = 50; i < 80; i++)
		wh_window_add(&window, START + i * 200 * MS, 20 * MS);
	look(START + 16 * SECOND - MS);
	assert_true(figures.rtt_ms == 20);
	assert_in_range(figures.samples, 49, 50);
	look(START + 22 * SECOND);
	assert_in_range(figures.samples, 18, 21);
	look(START + 26 * SECOND);
	assert_int_equal(figures.samples, 0);
}

/* One every 20 ms weighs no more than one every 200 ms; and the end of an older one comes too late. */
static void test_bursts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 25; i++)
		wh_window_add(&window, START + i * 200 * MS, 10 * MS);
	for (unsigned i = 0; i < 250; i++)
		wh_window_add(&window, START + 5 * SECOND + i * 20 * MS, 0);
	look(START + 10 * SECOND - MS);
	assert_in_range(figures.samples, 55, 58);
	assert_true(figures.loss_ratio > 0.54 && figures.loss_ratio < 0.58);
	for (unsigned i = 0; i < 25; i++)
		wh_window_add(&window, START - 11 * SECOND + i * 200 * MS, 500 * MS);
	look(START + 10 * SECOND - MS);
	assert_true(figures.rtt_ms == 10);
}

/* A target far away, and one that answers every other probe only: the third says what the line is like. */
static void test_the_best_target(void **state)
{
	struct wh_conf_profile p = default_profile(3, 0);
	uint64_t now_ns = START;

	(void)state;
	start_health(&p, WH_V4);
	for (unsigned i = 0; i < 50; i++, now_ns += 200 * MS) {
		assert_int_equal(send_at(now_ns + i), 3);
		answer(0, orders[0].seq, 240 * MS, now_ns + 240 * MS);
		if (i % 2)
			answer(1, orders[1].seq, 9 * MS, now_ns + 9 * MS);
		if (i != 7)
			answer(2, orders[2].seq, (10 + i % 2) * MS, now_ns + 11 * MS);
		health.due_ns[WH_PROBE_ICMP] = 0; /* no jitter */
	}
	expire(now_ns + SECOND);
	wh_health_best(&health, now_ns - MS, 20, &figures);
	assert_int_equal(figures.samples, 50);
	assert_true(figures.rtt_ms == 9 && figures.loss_ratio == 0 && figures.jitter_ms == 0);
	/* Not without enough of them. */
	wh_health_best(&health, now_ns - MS, 51, &figures);
	assert_true(figures.samples == 50 && isnan(figures.rtt_ms) && isnan(figures.loss_ratio));
	wh_health_start(&health, now_ns);
	wh_health_best(&health, now_ns, 1, &figures);
	assert_int_equal(figures.samples, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_is_known, begin), cmocka_unit_test_setup(test_medians, begin),
		cmocka_unit_test_setup(test_ten_seconds, begin),      cmocka_unit_test_setup(test_bursts, begin),
		cmocka_unit_test_setup(test_the_best_target, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
