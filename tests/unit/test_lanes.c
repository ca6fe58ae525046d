/* SPDX-License-Identifier: GPL-2.0 */
/* test_lanes.c: rates and marks of a class on each of its WANs, from the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "model/lanes.h"

enum { FIBER, LTE, CABLE };

/* A class that prefers fiber and falls back to cable and lte, of which lte is metered. */
static struct wh_config *config_with(uint64_t rate_bps, uint64_t degraded_bps)
{
	static struct wh_config config;
	struct wh_conf_class *class = &config.classes[0];

	config = (struct wh_config){.n_wans = 3, .n_classes = 1};
	config.wans[LTE].metered = true;
	class->n_tiers = 2;
	class->tiers[0] = (struct wh_conf_tier){.members = {{FIBER, 1}}, .n_members = 1};
	class->tiers[1] = (struct wh_conf_tier){.members = {{CABLE, 1}, {LTE, 1}}, .n_members = 2};
	class->rate_bps = rate_bps;
	class->degraded_bps = degraded_bps;
	class->mark_dscp = WH_DSCP_KEEP;
	return &config;
}

static struct wh_lane lane(const struct wh_config *config, unsigned wan)
{
	struct wh_lane out;

	wh_lane_fill(config, 0, wan, false, &out);
	return out;
}

/* Bits a second, as the data plane will have it. */
static double bps_of(const struct wh_rate *rate)
{
	return rate->price ? 8e9 * (1 << WH_RATE_SHIFT) / rate->price : 0;
}

static void expect_bps(const struct wh_rate *rate, double bps)
{
	assert_true(bps_of(rate) >= bps * 0.999 && bps_of(rate) <= bps * 1.001);
}

static void expect_both(struct wh_lane l, double bps)
{
	expect_bps(&l.up, bps);
	expect_bps(&l.down, bps);
}

static void test_rates_are_exact(void **state)
{
	static const uint64_t rates[] = {8000, 64000, 5000000, 123456789, 1000000000, 8000000000};

	(void)state;
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct wh_rate rate = wh_rate_of(rates[i], false);

		expect_bps(&rate, (double)rates[i]);
	}
}

static void test_no_rate_is_no_limit(void **state)
{
	struct wh_lane l = lane(config_with(0, 0), FIBER);

	(void)state;
	assert_int_equal(l.up.price, 0);
	assert_int_equal(l.down.price, 0);
	assert_int_equal(l.marks, 0);
}

/* Off the first tier, and on what is metered. */
static void test_degraded(void **state)
{
	struct wh_config *config = config_with(0, 5000000);

	(void)state;
	assert_int_equal(lane(config, FIBER).up.price, 0);
	expect_both(lane(config, CABLE), 5e6);
	expect_both(lane(config, LTE), 5e6);
	config->wans[FIBER].metered = true;
	expect_both(lane(config, FIBER), 5e6);
}

static void test_the_lower_one_holds(void **state)
{
	(void)state;
	expect_both(lane(config_with(20000000, 5000000), FIBER), 20e6);
	expect_both(lane(config_with(20000000, 5000000), CABLE), 5e6);
	expect_both(lane(config_with(2000000, 5000000), CABLE), 2e6);
}

/* Whatever comes in one piece passes at some time, or it never would. */
static void test_the_largest_piece_passes(void **state)
{
	static const uint64_t rates[] = {1000000, 5000000, 100000000, 8000000000};

	(void)state;
	for (unsigned paced = 0; paced <= 1; paced++) {
		for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
			struct wh_rate rate = wh_rate_of(rates[i], paced);
			uint64_t cost_ns = (uint64_t)WH_RATE_PIECE * rate.price >> WH_RATE_SHIFT;

			assert_true((uint64_t)rate.burst_ns + rate.wait_ns >= cost_ns);
			assert_int_equal(rate.wait_ns != 0, paced);
		}
	}
}

static void test_marks(void **state)
{
	struct wh_config *config = config_with(0, 0);

	(void)state;
	config->classes[0].mark_dscp = 0;
	assert_int_equal(lane(config, FIBER).marks, 1);
	assert_int_equal(lane(config, FIBER).dscp, 0);
	config->classes[0].mark_dscp = 46;
	assert_int_equal(lane(config, LTE).dscp, 46);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_are_exact),
		cmocka_unit_test(test_no_rate_is_no_limit),
		cmocka_unit_test(test_degraded),
		cmocka_unit_test(test_the_lower_one_holds),
		cmocka_unit_test(test_the_largest_piece_passes),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
