/* SPDX-License-Identifier: GPL-2.0 */
/* test_health_figures.c: round trip, jitter and loss as the rounds of test_health.c leave them. */
#include <math.h>

#include "health_fixture.h"

static void start(unsigned icmp)
{
	struct wh_conf_profile p = default_profile(icmp, 0);

	start_health(&p, WH_V4);
}

static void figures_of_the_last_ten_seconds(void **state)
{
	struct wh_figures figures;
	uint64_t now_ns = START;

	(void)state;
	start(1);
	wh_health_figures(&health, START, &figures);
	assert_true(isnan(figures.rtt_ms) && isnan(figures.jitter_ms) && isnan(figures.loss_ratio));
	for (unsigned i = 0; i < 20; i++, now_ns += 500 * MS) {
		assert_int_equal(send_at(now_ns), 1);
		if (i % 4)
			answer(0, orders[0].seq, (i % 2 ? 10 : 18) * MS, now_ns + 20 * MS);
		expire(now_ns + 499 * MS);
	}
	expire(now_ns + SECOND);
	wh_health_figures(&health, now_ns - MS, &figures);
	assert_true(figures.loss_ratio == 0.25);
	assert_true(figures.rtt_ms > 10 && figures.rtt_ms < 18);
	assert_true(figures.jitter_ms > 1 && figures.jitter_ms < 8);
	/* what is older no longer counts: first some of it, then all */
	wh_health_figures(&health, now_ns + 5 * SECOND - MS, &figures);
	assert_true(figures.loss_ratio == 0.2);
	wh_health_figures(&health, now_ns + 11 * SECOND, &figures);
	assert_true(isnan(figures.loss_ratio));
	/* no target is good: the old round trips mean nothing now */
	send_at(now_ns);
	expire(now_ns + 5 * SECOND);
	wh_health_figures(&health, now_ns + 5 * SECOND, &figures);
	assert_true(isnan(figures.rtt_ms) && isnan(figures.jitter_ms));
}

static void jitter_is_within_targets(void **state)
{
	struct wh_figures figures;
	uint64_t now_ns = START;

	(void)state;
	start(2);
	for (unsigned i = 0; i < 100; i++, now_ns += 500 * MS) {
		assert_int_equal(send_at(now_ns), 2);
		answer(0, orders[0].seq, 5 * MS, now_ns + 5 * MS);
		answer(1, orders[1].seq, 30 * MS, now_ns + 30 * MS);
	}
	wh_health_figures(&health, now_ns, &figures);
	assert_true(figures.jitter_ms == 0);
	/* RFC 3550: J += (|D| - J) / 16 */
	send_at(now_ns);
	answer(0, orders[0].seq, 21 * MS, now_ns + 21 * MS);
	wh_health_figures(&health, now_ns + 21 * MS, &figures);
	assert_true(figures.jitter_ms == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_of_the_last_ten_seconds),
		cmocka_unit_test(jitter_is_within_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
