/* SPDX-License-Identifier: GPL-2.0 */
/* test_quota.c: the months of quotas, by clocks of several time zones, and what is counted in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "model/quota.h"

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define SAO_PAULO "<-03>3<-02>,M11.1.0/0,M2.3.0/0" /* as until 2019: clocks changed at midnight */

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* Local time, as "2026-02-28 00:00:00". */
static uint64_t at(const char *text)
{
	struct tm local = {.tm_isdst = -1};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &local));
	local.tm_isdst = -1;
	return (uint64_t)mktime(&local);
}

static void expect_period(const char *now, unsigned reset_day, const char *begun)
{
	assert_int_equal(wh_quota_period(at(now), reset_day), at(begun));
}

static void test_first_of_the_month(void **state)
{
	(void)state;
	set_zone("UTC");
	expect_period("2026-06-01 00:00:00", 1, "2026-06-01 00:00:00");
	expect_period("2026-06-30 23:59:59", 1, "2026-06-01 00:00:00");
	expect_period("2026-07-01 00:00:00", 1, "2026-07-01 00:00:00");
	expect_period("2026-06-14 23:59:59", 15, "2026-05-15 00:00:00");
	expect_period("2026-06-15 00:00:00", 15, "2026-06-15 00:00:00");
}

/* Over the year's end, to both sides. */
static void test_december(void **state)
{
	(void)state;
	set_zone("UTC");
	expect_period("2026-12-31 23:59:59", 1, "2026-12-01 00:00:00");
	expect_period("2027-01-01 00:00:00", 1, "2027-01-01 00:00:00");
	expect_period("2027-01-14 12:00:00", 15, "2026-12-15 00:00:00");
	expect_period("2027-01-30 12:00:00", 31, "2026-12-31 00:00:00");
	expect_period("2026-12-30 23:59:59", 31, "2026-11-30 00:00:00");
}

/* A month that has no such day ends on its last. */
static void test_days_29_to_31(void **state)
{
	(void)state;
	set_zone("UTC");
	for (unsigned day = 29; day <= 31; day++) {
		expect_period("2026-02-28 00:00:00", day, "2026-02-28 00:00:00");
		expect_period("2026-03-28 12:00:00", day, "2026-02-28 00:00:00");
		expect_period("2028-02-28 23:59:59", day,
			      day == 29	  ? "2028-01-29 00:00:00"
			      : day == 30 ? "2028-01-30 00:00:00"
					  : "2028-01-31 00:00:00");
		expect_period("2028-02-29 00:00:00", day, "2028-02-29 00:00:00");
		expect_period("2028-03-15 00:00:00", day, "2028-02-29 00:00:00");
	}
	expect_period("2026-02-27 23:59:59", 31, "2026-01-31 00:00:00");
	expect_period("2026-04-30 00:00:00", 31, "2026-04-30 00:00:00");
	expect_period("2026-04-30 00:00:00", 30, "2026-04-30 00:00:00");
	expect_period("2026-05-30 23:59:59", 31, "2026-04-30 00:00:00");
	expect_period("2026-05-31 00:00:00", 31, "2026-05-31 00:00:00");
}

/* Local midnight, whatever the clocks do between it and now. */
static void test_clocks_put_forward_and_back(void **state)
{
	(void)state;
	set_zone(BERLIN);
	expect_period("2026-03-29 01:59:59", 29, "2026-03-29 00:00:00");
	expect_period("2026-03-29 03:00:00", 29, "2026-03-29 00:00:00"); /* an hour on, there is none between */
	assert_int_equal(at("2026-03-30 00:00:00") - wh_quota_period(at("2026-03-29 12:00:00"), 29), 23 * 3600);
	expect_period("2026-10-25 12:00:00", 25, "2026-10-25 00:00:00");
	assert_int_equal(at("2026-10-26 00:00:00") - wh_quota_period(at("2026-10-25 12:00:00"), 25), 25 * 3600);
	expect_period("2026-11-10 12:00:00", 15, "2026-10-15 00:00:00");
	expect_period("2026-04-10 12:00:00", 15, "2026-03-15 00:00:00");
}

/* On 4 November 2018 the second after 23:59:59 was 01:00:00. */
static void test_a_day_without_midnight(void **state)
{
	uint64_t first_s;

	(void)state;
	set_zone(SAO_PAULO);
	first_s = at("2018-11-03 23:59:59") + 1;
	assert_int_equal(wh_quota_period(first_s, 4), first_s);
	assert_int_equal(wh_quota_period(first_s + 86400, 4), first_s);
	assert_int_equal(wh_quota_period(first_s - 1, 4), at("2018-10-04 00:00:00"));
	assert_int_equal(wh_quota_period(first_s - 1800, 4), at("2018-10-04 00:00:00"));
}

/* Every hour of three years: months follow one another, each begins on its day, and none begins in the time to come. */
static void test_every_hour(void **state)
{
	static const char *const zones[] = {"UTC", BERLIN, SAO_PAULO};

	(void)state;
	for (unsigned z = 0; z < 3; z++) {
		set_zone(zones[z]);
		for (unsigned day = 1; day <= 31; day++) {
			uint64_t now_s = at("2027-01-01 00:00:00"), end_s = at("2029-12-31 00:00:00"),
				 last_s = wh_quota_period(now_s, day);
			unsigned begun = 0;

			for (; now_s < end_s; now_s += 3600) {
				uint64_t period_s = wh_quota_period(now_s, day);
				time_t t = (time_t)period_s;
				struct tm local;

				assert_true(period_s <= now_s && now_s - period_s <= 31 * 86400 + 3600);
				assert_true(period_s >= last_s);
				localtime_r(&t, &local);
				assert_true((unsigned)local.tm_mday == day || (day > 28 && local.tm_mday >= 28));
				begun += period_s != last_s;
				last_s = period_s;
			}
			assert_in_range(begun, 35, 36);
		}
	}
}

/* --- the account ------------------------------------------------------------------------------------------------ */

static const struct wh_conf_quota quota = {.limit_bytes = 1000, .reset_day = 1, .warn_percent = 80};

static struct wh_account account_since(const char *now)
{
	struct wh_account a = {0};

	wh_quota_count(&a, 5000);
	assert_false(wh_quota_enter(&a, at(now), 1));
	return a;
}

/* What the counters have from before an account was there is nobody's. */
static void test_counting(void **state)
{
	struct wh_account a;

	(void)state;
	set_zone("UTC");
	a = account_since("2026-06-10 12:00:00");
	assert_int_equal(a.used_bytes, 0);
	wh_quota_count(&a, 5600);
	wh_quota_count(&a, 5600);
	wh_quota_count(&a, 5700);
	assert_int_equal(a.used_bytes, 700);
	wh_quota_count(&a, 40); /* the counters have begun anew */
	assert_int_equal(a.used_bytes, 740);
	wh_quota_count(&a, 100);
	assert_int_equal(a.used_bytes, 800);
}

static void test_verdicts(void **state)
{
	struct wh_conf_quota block = quota;
	struct wh_account a;

	(void)state;
	set_zone("UTC");
	block.action = WH_QUOTA_BLOCK;
	a = account_since("2026-06-10 12:00:00");
	wh_quota_count(&a, 5799);
	assert_false(wh_quota_warns(&a, &quota));
	wh_quota_count(&a, 5800);
	assert_true(wh_quota_warns(&a, &quota));
	assert_false(wh_quota_warns(&a, &quota)); /* once */
	wh_quota_count(&a, 5999);
	assert_int_equal(wh_quota_verdict_of(&a, &quota), WH_QUOTA_FREE);
	wh_quota_count(&a, 6000);
	assert_int_equal(wh_quota_verdict_of(&a, &quota), WH_QUOTA_AVOIDED);
	assert_int_equal(wh_quota_verdict_of(&a, &block), WH_QUOTA_BLOCKED);
	assert_false(wh_quota_enter(&a, at("2026-06-30 23:59:59"), 1));
	assert_true(wh_quota_enter(&a, at("2026-07-01 00:00:00"), 1));
	assert_int_equal(wh_quota_verdict_of(&a, &quota), WH_QUOTA_FREE);
	wh_quota_count(&a, 6800);
	assert_true(wh_quota_warns(&a, &quota));
}

/* The same month, seen from elsewhere, or cut elsewhere: nothing is forgiven. */
static void test_the_same_month(void **state)
{
	struct wh_account a;

	(void)state;
	set_zone("UTC");
	a = account_since("2026-06-20 12:00:00");
	wh_quota_count(&a, 5900);
	set_zone(BERLIN);
	assert_false(wh_quota_enter(&a, at("2026-06-20 14:00:00"), 1));
	set_zone(SAO_PAULO);
	assert_false(wh_quota_enter(&a, at("2026-06-20 09:00:00"), 1));
	assert_false(wh_quota_enter(&a, at("2026-06-20 09:00:00"), 15));
	assert_false(wh_quota_enter(&a, at("2026-06-20 09:00:00"), 25)); /* May's */
	assert_false(wh_quota_enter(&a, at("2026-06-20 09:00:00"), 1));
	assert_false(wh_quota_enter(&a, at("2026-05-20 09:00:00"), 1)); /* a clock set back */
	assert_int_equal(a.used_bytes, 900);
	assert_true(wh_quota_enter(&a, at("2026-07-01 00:00:00"), 1));
	assert_int_equal(a.used_bytes, 0);
	/* Off for months. */
	wh_quota_count(&a, 6000);
	assert_true(wh_quota_enter(&a, at("2026-12-24 18:00:00"), 1));
	assert_int_equal(a.used_bytes, 0);
}

/* February is the shortest, and ends also where it began on a day that it has not. */
static void test_every_month_ends(void **state)
{
	(void)state;
	set_zone(BERLIN);
	for (unsigned day = 1; day <= 31; day++) {
		struct wh_account a = {0};
		unsigned ended = 0;

		for (uint64_t now_s = at("2027-01-01 12:00:00"); now_s < at("2029-01-01 12:00:00"); now_s += 6 * 3600)
			ended += wh_quota_enter(&a, now_s, day);
		assert_int_equal(ended, 24);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_of_the_month),
		cmocka_unit_test(test_december),
		cmocka_unit_test(test_days_29_to_31),
		cmocka_unit_test(test_clocks_put_forward_and_back),
		cmocka_unit_test(test_a_day_without_midnight),
		cmocka_unit_test(test_every_hour),
		cmocka_unit_test(test_counting),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_the_same_month),
		cmocka_unit_test(test_every_month_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
