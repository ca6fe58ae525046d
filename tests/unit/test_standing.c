/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_standing.c: which of a class's WANs take its new flows, by limits, quota, load, pin and algorithm; states alone
 * are test_masks.c's.  WANs are named by number; the class prefers 2, then 1, then 0, unless a test says otherwise.
 */
#include "model/standing.h"
#include "model_fixture.h"

#define WANS 3
#define BIT(wan) (1U << (wan))

static struct sim sim;
static struct wh_class_standing standing;
static struct wh_conf_class *class;
static unsigned told;

static void count(void *arg, const struct wh_class_change *change)
{
	(void)arg;
	(void)change;
	told++;
}

static int begin(void **state)
{
	(void)state;
	sim_start(&sim, WANS);
	class = &sim.config.classes[0];
	told = 0;
	sim.model.on_class = count;
	sim_run(&sim, 2 * SECOND);
	return 0;
}

/* All WANs in one tier, the lowest number first. */
static void one_tier(void)
{
	class->n_tiers = 1;
	class->tiers[0].n_members = WANS;
	for (unsigned i = 0; i < WANS; i++)
		class->tiers[0].members[i] = (struct wh_conf_member){.wan = WANS - 1 - i, .weight = 1};
}

static unsigned fresh(void)
{
	wh_standing_of(&sim.model, 0, WH_V4, &standing);
	return standing.fresh;
}

static unsigned keep(void)
{
	wh_standing_of(&sim.model, 0, WH_V4, &standing);
	return standing.keep;
}

static enum wh_standing why(unsigned wan)
{
	wh_standing_of(&sim.model, 0, WH_V4, &standing);
	return standing.why[wan];
}

static struct wh_conf_wan *conf_of(unsigned wan)
{
	return &sim.config.wans[WANS - 1 - wan];
}

static void test_all_is_well(void **state)
{
	(void)state;
	assert_int_equal(fresh(), 7);
	assert_int_equal(keep(), 7);
	for (unsigned wan = 0; wan < WANS; wan++)
		assert_int_equal(why(wan), WH_STANDING_FRESH);
	assert_int_equal(why(5), WH_STANDING_OUTSIDE);
}

/* --- limits --------------------------------------------------------------------------------------------------- */

static void test_sla(void **state)
{
	char text[160];

	(void)state;
	class->sla.latency_ns = 50 * MS;
	sim.lines[2].rtt_ns = 120 * MS;
	sim_run(&sim, 20 * SECOND);
	assert_int_equal(fresh(), 3);
	assert_int_equal(keep(), 7); /* what is there stays */
	assert_int_equal(why(2), WH_STANDING_SLA);
	assert_int_equal(told, 1);
	wh_standing_text(&sim.model, 0, 2, WH_V4, sim.now_ns, text, sizeof(text));
	assert_string_equal(text, "outside the class's limits: latency 120 ms, limit 50 ms");
	class->sla.action = WH_SLA_MOVE;
	assert_int_equal(keep(), 3);
	sim.lines[2].rtt_ns = 10 * MS;
	sim_run(&sim, 60 * SECOND);
	assert_int_equal(fresh(), 7);
	assert_int_equal(keep(), 7);
	assert_int_equal(told, 2);
}

/* Another class, without limits, does not mind. */
static void test_sla_is_the_class_s_own(void **state)
{
	(void)state;
	sim.config.classes[1] = *class;
	snprintf(sim.config.classes[1].name, WH_NAME_LEN, "voice");
	sim.config.classes[1].sla.latency_ns = 50 * MS;
	sim.config.n_classes = 2;
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	sim.lines[2].rtt_ns = 120 * MS;
	sim_run(&sim, 20 * SECOND);
	assert_int_equal(fresh(), 7);
	wh_standing_of(&sim.model, 1, WH_V4, &standing);
	assert_int_equal(standing.fresh, 3);
}

static void test_the_least_bad_one(void **state)
{
	(void)state;
	class->sla.latency_ns = 5 * MS;
	class->sla.action = WH_SLA_MOVE;
	sim.lines[0].rtt_ns = 40 * MS;
	sim.lines[1].rtt_ns = 20 * MS;
	sim.lines[2].rtt_ns = 90 * MS;
	sim_run(&sim, 30 * SECOND);
	assert_int_equal(fresh(), BIT(1));
	assert_int_equal(keep(), BIT(1));
}

static void test_the_hand_stands_above_limits(void **state)
{
	(void)state;
	class->sla.latency_ns = 50 * MS;
	sim.lines[2].rtt_ns = 120 * MS;
	sim_run(&sim, 20 * SECOND);
	wh_model_hand(&sim.model, 2, WH_HAND_UP, NULL, sim.now_ns);
	assert_int_equal(fresh(), 7);
}

/* --- quota and load ------------------------------------------------------------------------------------------- */

static void test_quota(void **state)
{
	(void)state;
	wh_model_quota(&sim.model, 2, WH_QUOTA_AVOIDED);
	assert_int_equal(fresh(), 3);
	assert_int_equal(keep(), 7);
	assert_int_equal(why(2), WH_STANDING_AVOIDED);
	wh_model_quota(&sim.model, 2, WH_QUOTA_BLOCKED);
	assert_int_equal(fresh(), 3);
	assert_int_equal(keep(), 3);
	assert_int_equal(why(2), WH_STANDING_BLOCKED);
	wh_model_hand(&sim.model, 2, WH_HAND_UP, NULL, sim.now_ns);
	assert_int_equal(fresh(), 7);
}

/* Avoided is not refused; blocked is. */
static void test_quota_with_nothing_else(void **state)
{
	(void)state;
	for (unsigned wan = 0; wan < WANS; wan++)
		wh_model_quota(&sim.model, wan, WH_QUOTA_AVOIDED);
	assert_int_equal(fresh(), 7);
	for (unsigned wan = 0; wan < WANS; wan++)
		wh_model_quota(&sim.model, wan, WH_QUOTA_BLOCKED);
	assert_int_equal(fresh() | keep(), 0);
}

static void set_load(unsigned wan, unsigned percent)
{
	conf_of(wan)->up_bps = conf_of(wan)->down_bps = 1000000;
	wh_model_traffic(&sim.model, wan, 1000, percent * 10000.0);
}

static void test_overflow(void **state)
{
	(void)state;
	class->algorithm = WH_ALGORITHM_OVERFLOW;
	set_load(2, 79);
	assert_int_equal(fresh(), 7);
	set_load(2, 81);
	assert_int_equal(fresh(), 3);
	assert_int_equal(why(2), WH_STANDING_BUSY);
	set_load(2, 75); /* until it is clearly less */
	assert_int_equal(fresh(), 3);
	set_load(2, 69);
	assert_int_equal(fresh(), 7);
	for (unsigned wan = 0; wan < WANS; wan++)
		set_load(wan, 95);
	assert_int_equal(fresh(), 7);
	class->algorithm = WH_ALGORITHM_WEIGHTED;
	set_load(1, 10);
	assert_int_equal(fresh(), 7);
}

/* --- the pin -------------------------------------------------------------------------------------------------- */

static void test_pin(void **state)
{
	(void)state;
	wh_model_pin(&sim.model, 0, 0);
	assert_int_equal(fresh(), BIT(0));
	assert_int_equal(keep(), 7);
	assert_int_equal(why(2), WH_STANDING_UNPINNED);
	/* yields to all that stands before it */
	wh_model_quota(&sim.model, 0, WH_QUOTA_AVOIDED);
	assert_int_equal(fresh(), 6);
	wh_model_quota(&sim.model, 0, WH_QUOTA_FREE);
	wh_model_hand(&sim.model, 0, WH_HAND_DRAIN, NULL, sim.now_ns);
	assert_int_equal(fresh(), 6);
	wh_model_hand(&sim.model, 0, WH_HAND_AUTO, NULL, sim.now_ns);
	wh_model_pin(&sim.model, 0, WH_WAN_NONE);
	assert_int_equal(fresh(), 7);
}

/* --- algorithms ----------------------------------------------------------------------------------------------- */

static void test_least_used(void **state)
{
	(void)state;
	one_tier();
	class->algorithm = WH_ALGORITHM_LEAST_USED;
	set_load(0, 50);
	set_load(1, 20);
	set_load(2, 40);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), BIT(1));
	assert_int_equal(keep(), 7);
	assert_int_equal(why(0), WH_STANDING_NOT_CHOSEN);
	set_load(1, 45); /* not by so little */
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), BIT(1));
	set_load(1, 70);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), BIT(2));
	sim.lines[2].dead = true;
	assert_true(sim_until(&sim, 2, WH_WAN_DOWN, SECOND));
	assert_int_equal(fresh() & BIT(2), 0);
	assert_true(fresh() & BIT(0));
}

static void set_carried(unsigned wan, unsigned weight, double bps)
{
	conf_of(wan)->weight = weight;
	wh_model_traffic(&sim.model, wan, bps / 2, bps / 2);
}

/* Where a bandwidth is missing, bits count for all of the tier, by weight; shares and bits are not compared. */
static void test_least_used_without_bandwidth(void **state)
{
	(void)state;
	one_tier();
	class->algorithm = WH_ALGORITHM_LEAST_USED;
	conf_of(0)->up_bps = 100000000;
	set_carried(0, 1, 30e6);
	set_carried(1, 1, 20e6);
	set_carried(2, 4, 40e6);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), BIT(2));
	set_carried(2, 1, 40e6);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), BIT(1));
	set_carried(0, 1, 19e6); /* not by so little */
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), BIT(1));
	/* Probes are no traffic: the one is as idle as the other. */
	set_carried(0, 1, 5e3);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), BIT(0));
	set_carried(0, 1, 9e3);
	set_carried(1, 1, 3e3);
	set_carried(2, 1, 1e3);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), BIT(0));
}

static void test_lowest_latency(void **state)
{
	(void)state;
	one_tier();
	class->algorithm = WH_ALGORITHM_LOWEST_LATENCY;
	sim.lines[0].rtt_ns = 30 * MS;
	sim.lines[1].rtt_ns = 60 * MS;
	sim.lines[2].rtt_ns = 90 * MS;
	sim_run(&sim, 10 * SECOND);
	assert_int_equal(fresh(), BIT(0));
	sim.lines[1].rtt_ns = 29 * MS;
	sim_run(&sim, 10 * SECOND);
	assert_int_equal(fresh(), BIT(0));
	sim.lines[1].rtt_ns = 8 * MS;
	sim_run(&sim, 10 * SECOND);
	assert_int_equal(fresh(), BIT(1));
}

/* Lower tiers stay behind the chosen one, and are not chosen from. */
static void test_algorithm_within_a_tier(void **state)
{
	(void)state;
	class->algorithm = WH_ALGORITHM_LEAST_USED;
	set_load(2, 60);
	set_load(1, 1);
	set_load(0, 1);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), 7); /* each tier has but one */
}

/* --- reload --------------------------------------------------------------------------------------------------- */

static void test_what_is_known_stays_with_the_name(void **state)
{
	(void)state;
	class->sla.latency_ns = 50 * MS;
	sim.lines[2].rtt_ns = 120 * MS;
	sim_run(&sim, 20 * SECOND);
	wh_model_pin(&sim.model, 0, 0);
	sim.config.classes[1] = *class;
	snprintf(class->name, sizeof(class->name), "first");
	sim.config.n_classes = 2;
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	wh_standing_of(&sim.model, 1, WH_V4, &standing);
	assert_int_equal(standing.fresh, BIT(0));
	assert_int_equal(standing.why[2], WH_STANDING_SLA);
	assert_int_equal(fresh(), 7); /* a new class begins anew */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_is_well, begin),
		cmocka_unit_test_setup(test_sla, begin),
		cmocka_unit_test_setup(test_sla_is_the_class_s_own, begin),
		cmocka_unit_test_setup(test_the_least_bad_one, begin),
		cmocka_unit_test_setup(test_the_hand_stands_above_limits, begin),
		cmocka_unit_test_setup(test_quota, begin),
		cmocka_unit_test_setup(test_quota_with_nothing_else, begin),
		cmocka_unit_test_setup(test_overflow, begin),
		cmocka_unit_test_setup(test_pin, begin),
		cmocka_unit_test_setup(test_least_used, begin),
		cmocka_unit_test_setup(test_least_used_without_bandwidth, begin),
		cmocka_unit_test_setup(test_lowest_latency, begin),
		cmocka_unit_test_setup(test_algorithm_within_a_tier, begin),
		cmocka_unit_test_setup(test_what_is_known_stays_with_the_name, begin),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
