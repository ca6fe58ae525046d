/* SPDX-License-Identifier: GPL-2.0 */
/* test_conf_failback.c: failback of the whole, of WANs and of classes, taken and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_parse.h"

#define EVERY_DAY 0x7f

static void test_defaults(void **state)
{
	const struct wh_conf_failback *f = &parse(TOP("failback:"))->failback;

	(void)state;
	assert_int_equal(f->mode, WH_FAILBACK_DRAIN);
	assert_true(f->hold_ns == 30 * S && f->max_age_ns == 0 && f->max_age_metered_ns == 600 * S);
	assert_int_equal(f->n_windows, 0);
	assert_memory_equal(&config.wans[0].failback, f, sizeof(*f));
	assert_memory_equal(&config.wans[1].failback, f, sizeof(*f));
	assert_false(config.classes[0].own_failback);
	assert_ptr_equal(wh_conf_failback_of(&config, 0, 1), &config.wans[1].failback);
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(parse(TOP("failback: {mode: drain}"))->failback.mode, WH_FAILBACK_DRAIN);
	assert_int_equal(parse(TOP("failback: {mode: move}"))->failback.mode, WH_FAILBACK_MOVE);
	assert_int_equal(parse(TOP("failback: {mode: manual}"))->failback.mode, WH_FAILBACK_MANUAL);
	assert_true(parse(TOP("failback: {hold: 0s}"))->failback.hold_ns == 0);
	assert_true(parse(TOP("failback: {hold: 24h}"))->failback.hold_ns == 86400 * S);
	parse(TOP("failback: {max-age: 1s}"));
	assert_true(config.failback.max_age_ns == S && config.failback.max_age_metered_ns == S);
	parse(TOP("failback: {max-age: 30d}"));
	assert_true(config.failback.max_age_ns == 30 * 86400 * S);
	parse(TOP("failback: {max-age: none}"));
	assert_true(config.failback.max_age_ns == 0 && config.failback.max_age_metered_ns == 0);
}

static void test_windows(void **state)
{
	static const struct {
		const char *text;
		struct wh_conf_window window;
	} cases[] = {
		{"sat 02:00-04:00", {1 << 6, 120, 240}},
		{"sun 00:00-24:00", {1, 0, 1440}},
		{"02:00-04:30", {EVERY_DAY, 120, 270}},
		{"mon,wed,fri 12:00-13:00", {1 << 1 | 1 << 3 | 1 << 5, 720, 780}},
		{"mon-fri 23:59-24:00", {0x3e, 1439, 1440}},
		{"tue-thu,sun  22:00-05:00", {1 | 0x1c, 1320, 1440 + 300}},
		{"fri-mon 22:00-00:00", {1 << 5 | 1 << 6 | 1 | 1 << 1, 1320, 1440}},
		{"sat-sat 00:01-00:00", {1 << 6, 1, 1440}},
		{"mon-sun 00:00-00:01", {EVERY_DAY, 0, 1}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct wh_conf_failback *f;

		print_message("%s\n", cases[i].text);
		f = &parse_format(TOP("failback: {mode: window, window: [\"%s\"]}"), cases[i].text)->failback;
		assert_int_equal(f->mode, WH_FAILBACK_WINDOW);
		assert_int_equal(f->n_windows, 1);
		assert_int_equal(f->windows[0].days, cases[i].window.days);
		assert_int_equal(f->windows[0].first_minute, cases[i].window.first_minute);
		assert_int_equal(f->windows[0].end_minute, cases[i].window.end_minute);
	}
	parse(TOP("failback: {mode: window, window: \"sat 02:00-04:00\"}"));
	assert_int_equal(config.failback.n_windows, 1);
	parse(TOP("failback: {window: [sat 02:00-04:00, sun 03:00-05:00, 00:00-00:10]}"));
	assert_int_equal(config.failback.n_windows, 3);
	assert_int_equal(config.failback.windows[2].end_minute, 10);
}

/* A WAN says something of its own, and a class; what they do not say is as in the whole. */
static void test_innermost_wins(void **state)
{
	const struct wh_conf_failback *f;

	(void)state;
	parse(LAN "wans:\n  fiber: {device: wan1, failback: {mode: manual}}\n  lte: {device: wan2}\n"
		  "classes:\n"
		  "  voice: {match: [{dscp: ef}], failback: {mode: window, max-age: 5m}}\n"
		  "  bulk: {match: [{dscp: cs1}], failback: }\n"
		  "  late: {match: [{dscp: 1}], failback: {window: [\"01:00-02:00\"]}}\n"
		  "failback: {mode: move, hold: 1m, window: [\"sat 02:00-04:00\", \"03:00-04:00\"]}\n");
	f = wh_conf_failback_of(&config, 0, 0); /* voice */
	assert_ptr_equal(f, wh_conf_failback_of(&config, 0, 1));
	assert_int_equal(f->mode, WH_FAILBACK_WINDOW);
	assert_true(f->hold_ns == 60 * S && f->max_age_ns == 300 * S && f->max_age_metered_ns == 300 * S);
	assert_int_equal(f->n_windows, 2);
	f = wh_conf_failback_of(&config, 1, 0); /* bulk, which says nothing, on fiber */
	assert_ptr_equal(f, &config.wans[0].failback);
	assert_int_equal(f->mode, WH_FAILBACK_MANUAL);
	assert_true(f->hold_ns == 60 * S && f->max_age_ns == 0);
	assert_int_equal(wh_conf_failback_of(&config, 1, 1)->mode, WH_FAILBACK_MOVE);
	f = wh_conf_failback_of(&config, 2, 0); /* late: in place of the windows of the whole */
	assert_int_equal(f->mode, WH_FAILBACK_MOVE);
	assert_int_equal(f->n_windows, 1);
	assert_int_equal(f->windows[0].first_minute, 60);
	assert_ptr_equal(wh_conf_failback_of(&config, 3, 0), &config.wans[0].failback); /* default */
}

#define NO_MODE "mode: must be drain, move, manual or window, not "
#define NO_HOLD "hold: must be a duration from 0ms to 1d with its unit (ms, s, m, h, d), not "
#define NO_AGE "max-age: must be none or a duration from 1s to 30d with its unit (ms, s, m, h, d), not "
#define NO_WINDOW "window: must be days and hours, as in \"sat 02:00-04:00\" or \"mon-fri,sun 22:00-05:30\", not "
#define NEEDS_WINDOW "mode: window needs the key \"window\", as in [\"sat 02:00-04:00\"]"
static void test_refused(void **state)
{
	static const struct refusal cases[] = {
		{TOP("failback: @drain"), "failback: " NO_MAP "\"drain\""},
		{TOP("failback: {mode: @[]}"), NO_MODE "an empty list"},
		{TOP("failback: {mode: @drian}"), NO_MODE "\"drian\"; did you mean \"drain\"?"},
		{TOP("failback: {hold: @[]}"), NO_HOLD "an empty list"},
		{TOP("failback: {hold: @30}"), NO_HOLD "\"30\""},
		{TOP("failback: {hold: @25h}"), NO_HOLD "\"25h\""},
		{TOP("failback: {max-age: @[]}"), NO_AGE "an empty list"},
		{TOP("failback: {max-age: @999ms}"), NO_AGE "\"999ms\""},
		{TOP("failback: {max-age: @31d}"), NO_AGE "\"31d\""},
		{TOP("failback: {max-age: @noen}"), NO_AGE "\"noen\"; did you mean \"none\"?"},
		{TOP("failback: {mode: @window}"), NEEDS_WINDOW},
		{WAN("failback: {mode: @window}"), NEEDS_WINDOW},
		{CLASS("failback: {hold: 1s, mode: @window}"), NEEDS_WINDOW},
		{CLASS("failback: @manual"), "failback: " NO_MAP "\"manual\""},
		{WAN("failback: @[]"), "failback: " NO_MAP "an empty list"},
		{CLASS("failback: {hold: @2d}"), NO_HOLD "\"2d\""},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

static void test_refused_windows(void **state)
{
	static const char *const windows[] = {
		"",
		"sat",
		"sat ",
		"sat 02:00",
		"02:00",
		"sat 02:00-",
		"sat 02:00-25:00",
		"sat 24:00-02:00",
		"sat 24:01-02:00",
		"sat 02:60-03:00",
		"sat 2:00-4:00",
		"sat 02:00-04:00 ",
		"sat 02:00 -04:00",
		"sat02:00-04:00",
		"sat, 02:00-04:00",
		"Sat 02:00-04:00",
		"sat-02:00-04:00",
		"sat-xyz 02:00-04:00",
		"sab 02:00-04:00",
		"sat 02:00-02:00",
		"sat-sun-mon 02:00-04:00",
		",sat 02:00-04:00",
		"saturday 02:00-04:00",
		"sat 02.00-04.00",
		"sat -2:00-04:00",
	};
	char text[512], reason[256];
	struct refusal c = {text, reason};

	(void)state;
	for (size_t i = 0; i < COUNT(windows); i++) {
		snprintf(text, sizeof(text), TOP("failback: {window: [\"01:00-02:00\", @\"%s\"]}"), windows[i]);
		snprintf(reason, sizeof(reason), NO_WINDOW "\"%s\"", windows[i]);
		assert_all_refused(&c, 1);
	}
	assert_all_refused(
		(const struct refusal[]){
			{TOP("failback: {window: @[]}"), NO_WINDOW "an empty list"},
			{TOP("failback: {window: @{}}"), NO_WINDOW "an empty map"},
			{TOP("failback: {window: [@[]]}"), NO_WINDOW "an empty list"},
			{TOP("failback: {window: [10:00-11:00, 11:00-12:00, 12:00-13:00, 13:00-14:00,\n"
			     "  14:00-15:00, 15:00-16:00, 16:00-17:00, 17:00-18:00, @18:00-19:00]}"),
			 "window: more than 8"},
		},
		4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),
		cmocka_unit_test(test_windows),	 cmocka_unit_test(test_innermost_wins),
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_refused_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
