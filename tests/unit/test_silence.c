/* SPDX-License-Identifier: GPL-2.0 */
/* test_silence.c: how long a WAN may be silent, and from when that is counted. */
#include "model/silence.h"
#include "model_fixture.h"

static void threshold_adapts(void **state)
{
	struct wh_silence s = {0};
	uint64_t now_ns = START;

	(void)state;
	assert_true(wh_silence_threshold(&s, 0, now_ns) == 250 * MS);
	assert_true(wh_silence_threshold(&s, 5 * MS, now_ns) == 50 * MS);
	assert_true(wh_silence_threshold(&s, 40 * MS, now_ns) == 80 * MS);
	assert_true(wh_silence_threshold(&s, 600 * MS, now_ns) == 1200 * MS);
	wh_silence_false_alarm(&s, 5 * MS, now_ns);
	assert_true(wh_silence_threshold(&s, 5 * MS, now_ns) == 100 * MS);
	for (unsigned i = 0; i < 50; i++)
		wh_silence_false_alarm(&s, 5 * MS, now_ns += SECOND);
	assert_true(wh_silence_threshold(&s, 5 * MS, now_ns) == 250 * MS);
	assert_true(wh_silence_threshold(&s, 5 * MS, now_ns + 10 * SECOND - 1) == 250 * MS);
	assert_true(wh_silence_threshold(&s, 5 * MS, now_ns + 10 * SECOND) == 50 * MS);
	wh_silence_false_alarm(&s, 5 * MS, now_ns + 11 * SECOND);
	assert_true(wh_silence_threshold(&s, 5 * MS, now_ns + 11 * SECOND) == 100 * MS);
}

static void counts_from_the_first_unanswered_poll(void **state)
{
	struct wh_silence s = {0};
	uint64_t t = START;

	(void)state;
	/* nothing sent for long is no silence; nor is a stamp that is behind as stamps may be */
	assert_false(wh_silence_poll(&s, t - SECOND, t - SECOND + MS, 5 * MS, t));
	assert_false(wh_silence_poll(&s, t - SECOND, t - SECOND - MS, 5 * MS, t));
	assert_true(s.since_ns == 0);
	/* sent just now, after a long pause: the clock starts now, not when something was last heard */
	assert_false(wh_silence_poll(&s, t, t - SECOND, 5 * MS, t));
	assert_false(wh_silence_poll(&s, t + 40 * MS, t - SECOND, 5 * MS, t + 49 * MS));
	assert_true(wh_silence_poll(&s, t + 40 * MS, t - SECOND, 5 * MS, t + 50 * MS));
	assert_true(s.since_ns == t);
	/* anything heard starts it again, though more was sent since */
	assert_false(wh_silence_poll(&s, t + 60 * MS, t + 35 * MS, 5 * MS, t + 60 * MS));
	assert_false(wh_silence_poll(&s, t + 60 * MS, t + 35 * MS, 5 * MS, t + 109 * MS));
	assert_true(wh_silence_poll(&s, t + 60 * MS, t + 35 * MS, 5 * MS, t + 110 * MS));
	wh_silence_restart(&s);
	assert_false(wh_silence_poll(&s, t + 60 * MS, t + 35 * MS, 5 * MS, t + 120 * MS));
	assert_true(wh_silence_poll(&s, t + 60 * MS, t + 35 * MS, 5 * MS, t + 170 * MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threshold_adapts),
		cmocka_unit_test(counts_from_the_first_unanswered_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
