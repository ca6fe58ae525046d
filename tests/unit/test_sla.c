/* SPDX-License-Identifier: GPL-2.0 */
/* test_sla.c: when a WAN is outside a class's limits, and when it is inside again. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "model/sla.h"

#define STEP_NS (100 * WH_NS_PER_MS)

static const struct wh_conf_sla limits = {
	.latency_ns = 150 * WH_NS_PER_MS, .jitter_ns = 30 * WH_NS_PER_MS, .loss_ppm = 10000 /* 1 % */};
static struct wh_sla_watch watch;
static uint64_t now_ns;

static int begin(void **state)
{
	(void)state;
	memset(&watch, 0, sizeof(watch));
	now_ns = 1000 * WH_NS_PER_S;
	return 0;
}

static struct wh_sla_view view(double rtt_ms, double jitter_ms, double loss)
{
	return (struct wh_sla_view){.figures = {50, rtt_ms, jitter_ms, loss}};
}

/* Whether it is outside after so long of that view. */
static bool after(uint64_t for_ns, struct wh_sla_view v)
{
	for (uint64_t passed = 0; passed < for_ns; passed += STEP_NS) {
		now_ns += STEP_NS;
		wh_sla_watch(&watch, &limits, &v, now_ns);
	}
	return watch.outside;
}

static void test_each_limit(void **state)
{
	const struct wh_sla_view beyond[] = {view(151, 1, 0), view(10, 31, 0), view(10, 1, 0.011)};
	const struct wh_sla_view at[] = {view(150, 30, 0.01)};

	for (unsigned i = 0; i < 3; i++) {
		begin(state);
		assert_false(after(3 * WH_NS_PER_S, beyond[i]));
		assert_true(after(STEP_NS, beyond[i]));
	}
	begin(state);
	assert_false(after(60 * WH_NS_PER_S, at[0]));
}

/* Three seconds in one piece. */
static void test_a_short_breach_is_none(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_false(after(2900 * WH_NS_PER_MS, view(200, 1, 0)));
		assert_false(after(STEP_NS, view(100, 1, 0)));
	}
}

static void test_inside_again(void **state)
{
	(void)state;
	assert_true(after(4 * WH_NS_PER_S, view(200, 1, 0)));
	/* below the limit, but not well below */
	assert_true(after(60 * WH_NS_PER_S, view(121, 1, 0)));
	assert_true(after(29 * WH_NS_PER_S, view(119, 1, 0)));
	assert_true(after(STEP_NS, view(130, 1, 0)));
	assert_true(after(30 * WH_NS_PER_S, view(119, 1, 0)));
	assert_false(after(STEP_NS, view(119, 1, 0)));
}

static void test_few_probes_say_nothing(void **state)
{
	struct wh_sla_view few = view(500, 1, 0.5);

	(void)state;
	few.figures.samples = WH_SLA_SAMPLES - 1;
	assert_false(after(60 * WH_NS_PER_S, few));
	few.figures.samples++;
	assert_true(after(4 * WH_NS_PER_S, few));
	/* nor do they take a verdict back */
	few = view(1, 1, 0);
	few.figures.samples = 3;
	assert_true(after(60 * WH_NS_PER_S, few));
}

/* Our own traffic makes the line slow: that is no reason to leave it, but loss is. */
static void test_a_full_line(void **state)
{
	struct wh_sla_view full = view(900, 300, 0.001);

	(void)state;
	full.full = true;
	assert_false(after(60 * WH_NS_PER_S, full));
	full.figures.loss_ratio = 0.02;
	assert_true(after(4 * WH_NS_PER_S, full));
}

static void test_unknown_figures(void **state)
{
	(void)state;
	assert_false(after(60 * WH_NS_PER_S, view(NAN, NAN, NAN)));
	assert_true(after(4 * WH_NS_PER_S, view(NAN, NAN, 1)));
}

/* A reload took the limits away. */
static void test_no_limits(void **state)
{
	const struct wh_conf_sla none = {0};
	struct wh_sla_view bad = view(900, 300, 0.5);

	(void)state;
	assert_true(after(4 * WH_NS_PER_S, bad));
	assert_true(wh_sla_watch(&watch, &none, &bad, now_ns));
	assert_false(watch.outside);
	assert_false(wh_sla_watch(&watch, &none, &bad, now_ns + WH_NS_PER_S));
}

static void test_text(void **state)
{
	struct wh_sla_view v = view(180, 1, 0);
	char text[80];

	(void)state;
	wh_sla_text(&limits, &v, text, sizeof(text));
	assert_string_equal(text, "latency 180 ms, limit 150 ms");
	v = view(100, 1, 0.04);
	wh_sla_text(&limits, &v, text, sizeof(text));
	assert_string_equal(text, "loss 4 %, limit 1 %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_limit, begin),
		cmocka_unit_test_setup(test_a_short_breach_is_none, begin),
		cmocka_unit_test_setup(test_inside_again, begin),
		cmocka_unit_test_setup(test_few_probes_say_nothing, begin),
		cmocka_unit_test_setup(test_a_full_line, begin),
		cmocka_unit_test_setup(test_unknown_figures, begin),
		cmocka_unit_test_setup(test_no_limits, begin),
		cmocka_unit_test_setup(test_text, begin),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
