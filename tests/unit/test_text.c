/* SPDX-License-Identifier: GPL-2.0 */
/* test_text.c: words to values and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNTOUCHED 0x5a5a5a5a5a5a5a5aULL

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t ns;
	} cases[] = {
		{"0ms", 0, 0},
		{"1ms", 0, 1000000},
		{"200ms", 0, 200000000},
		{"30s", 0, 30000000000},
		{"5m", 0, 300000000000},
		{"2h", 0, 7200000000000},
		{"1d", 0, 86400000000000},
		{"213503d", 0, 18446659200000000000ULL}, /* the last whole day in 64 bits */
		{"213504d", -ERANGE, 0},
		{"18446744073709551616ms", -ERANGE, 0},
		{"99999999999999999999999s", -ERANGE, 0},
		{"99999999999999999999999x", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"30", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"30 s", -EINVAL, 0},
		{" 30s", -EINVAL, 0},
		{"30s ", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"+1s", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1us", -EINVAL, 0},
		{"1ns", -EINVAL, 0},
		{"0x1s", -EINVAL, 0},
		{"1m30s", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ns = UNTOUCHED;

		print_message("\"%s\"\n", cases[i].text);
		assert_int_equal(wh_parse_duration(cases[i].text, &ns), cases[i].err);
		assert_true(ns == (cases[i].err ? UNTOUCHED : cases[i].ns));
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int err;
		uint64_t value;
	} cases[] = {
		{"0", 0, 10, 0, 0},
		{"10", 0, 10, 0, 10},
		{"11", 0, 10, -ERANGE, 0},
		{"1", 1, 10, 0, 1},
		{"0", 1, 10, -ERANGE, 0},
		{"0xff", 0, 255, 0, 255},
		{"0XFf", 0, 255, 0, 255},
		{"0x100", 0, 255, -ERANGE, 0},
		{"010", 0, 255, 0, 10}, /* decimal, never octal */
		{"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
		{"0xffffffffffffffff", 0, UINT64_MAX, 0, UINT64_MAX},
		{"0x10000000000000000", 0, UINT64_MAX, -ERANGE, 0},
		{"18446744073709551616x", 0, UINT64_MAX, -EINVAL, 0},
		{"", 0, 10, -EINVAL, 0},
		{"0x", 0, 10, -EINVAL, 0},
		{"x1", 0, 10, -EINVAL, 0},
		{"1a", 0, 10, -EINVAL, 0},
		{"0x1g", 0, 99, -EINVAL, 0},
		{"-1", 0, 10, -EINVAL, 0},
		{"+1", 0, 10, -EINVAL, 0},
		{" 1", 0, 10, -EINVAL, 0},
		{"1 ", 0, 10, -EINVAL, 0},
		{"1.0", 0, 10, -EINVAL, 0},
		{"1e1", 0, 10, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = UNTOUCHED;

		print_message("\"%s\"\n", cases[i].text);
		assert_int_equal(wh_parse_number(cases[i].text, cases[i].min, cases[i].max, &value), cases[i].err);
		assert_true(value == (cases[i].err ? UNTOUCHED : cases[i].value));
	}
}

/* Rates, sizes and shares, which differ in their units alone. */
static void test_quantities(void **state)
{
	static const struct {
		int (*parse)(const char *text, uint64_t *out);
		const char *text;
		int err;
		uint64_t value;
	} cases[] = {
		{wh_parse_rate, "500kbit", 0, 500000},
		{wh_parse_rate, "1.5mbit", 0, 1500000},
		{wh_parse_rate, "10gbit", 0, 10000000000},
		{wh_parse_rate, "0kbit", 0, 0},
		{wh_parse_rate, "0.001kbit", 0, 1},
		{wh_parse_rate, "1.2340000kbit", 0, 1234},
		{wh_parse_rate, "007.50mbit", 0, 7500000},
		{wh_parse_rate, "18446744073.709551615gbit", 0, UINT64_MAX},
		{wh_parse_rate, "18446744073.709551616gbit", -ERANGE, 0},
		{wh_parse_rate, "18446744073.7095516155gbit", -EINVAL, 0}, /* half a bit */
		{wh_parse_rate, "18446744074gbit", -ERANGE, 0},
		{wh_parse_rate, "99999999999999999999999kbit", -ERANGE, 0},
		{wh_parse_rate, "18446744073709551617kbit", -ERANGE, 0}, /* 2^64 + 1 */
		{wh_parse_rate, "0.0001kbit", -EINVAL, 0},
		{wh_parse_rate, "1.00000000000000000001mbit", -EINVAL, 0},
		{wh_parse_rate, "", -EINVAL, 0},
		{wh_parse_rate, "5", -EINVAL, 0},
		{wh_parse_rate, "mbit", -EINVAL, 0},
		{wh_parse_rate, ".5mbit", -EINVAL, 0},
		{wh_parse_rate, "5.mbit", -EINVAL, 0},
		{wh_parse_rate, "1.2.3mbit", -EINVAL, 0},
		{wh_parse_rate, "1..2mbit", -EINVAL, 0},
		{wh_parse_rate, "5 mbit", -EINVAL, 0},
		{wh_parse_rate, "5mbit ", -EINVAL, 0},
		{wh_parse_rate, "-5mbit", -EINVAL, 0},
		{wh_parse_rate, "+5mbit", -EINVAL, 0},
		{wh_parse_rate, "0x5mbit", -EINVAL, 0},
		{wh_parse_rate, "5Mbit", -EINVAL, 0},
		{wh_parse_rate, "5bit", -EINVAL, 0},
		{wh_parse_rate, "5MB", -EINVAL, 0},
		{wh_parse_size, "64KB", 0, 64000},
		{wh_parse_size, "1.5MB", 0, 1500000},
		{wh_parse_size, "50GB", 0, 50000000000},
		{wh_parse_size, "18446744.073709551615TB", 0, UINT64_MAX},
		{wh_parse_size, "18446744TB", 0, 18446744000000000000ULL},
		{wh_parse_size, "18446745TB", -ERANGE, 0},
		{wh_parse_size, "50gb", -EINVAL, 0},
		{wh_parse_size, "50B", -EINVAL, 0},
		{wh_parse_size, "50mbit", -EINVAL, 0},
		{wh_parse_percent, "1%", 0, 10000},
		{wh_parse_percent, "0.25%", 0, 2500},
		{wh_parse_percent, "0.0001%", 0, 1},
		{wh_parse_percent, "250%", 0, 2500000},
		{wh_parse_percent, "0.00001%", -EINVAL, 0},
		{wh_parse_percent, "1", -EINVAL, 0},
		{wh_parse_percent, "%", -EINVAL, 0},
		{wh_parse_percent, "1%%", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = UNTOUCHED;

		print_message("\"%s\"\n", cases[i].text);
		assert_int_equal(cases[i].parse(cases[i].text, &value), cases[i].err);
		assert_true(value == (cases[i].err ? UNTOUCHED : cases[i].value));
	}
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"",	      "1.2.3",	  "1.2.3.4.5",	"1.2.3.256", "1.2.3.4 ",
					  " 1.2.3.4", "1.2.3.04", "1.2.3.4/24", "::1",	     "localhost"};
	struct in_addr addr;

	(void)state;
	assert_int_equal(wh_parse_addr4("192.0.2.1", &addr), 0);
	assert_true(addr.s_addr == htonl(0xc0000201));
	for (size_t i = 0; i < COUNT(bad); i++) {
		print_message("\"%s\"\n", bad[i]);
		addr.s_addr = 0x5a5a5a5a;
		assert_int_equal(wh_parse_addr4(bad[i], &addr), -EINVAL);
		assert_true(addr.s_addr == 0x5a5a5a5a);
	}
}

static void test_shows_durations(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0ms"},
		{1, "1ns"},
		{999, "999ns"},
		{250000, "250us"},
		{1234567, "1.23ms"},
		{10000000, "10ms"},
		{999999999, "999.99ms"},
		{1000000000, "1s"},
		{1050000000, "1.05s"},
		{1500000000, "1.5s"},
		{60000000000, "1m"},
		{90000000000, "1.5m"},
		{3600000000000, "1h"},
		{86400000000000, "1d"},
		{UINT64_MAX, "213503.98d"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		wh_format_duration(cases[i].ns, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
	wh_format_duration(1500000000, text, 3); /* too little room: cut off, still a string */
	assert_string_equal(text, "1.");
}

static void test_nearest(void **state)
{
	static const char *const words[] = {"gateway", "gateways-of-old", "lan", "wans", "nat", "source", "b", NULL};
	static const struct {
		const char *word;
		const char *near;
	} cases[] = {
		{"gatway", "gateway"},	 /* left out */
		{"gatewayy", "gateway"}, /* too many */
		{"gatewax", "gateway"},	 /* another */
		{"gatewya", "gateway"},	 /* swapped */
		{"gtaewya", "gateway"},	 /* two slips */
		{"Source", "source"},	 /* case alone */
		{"SOURCE", "source"},
		{"lna", "lan"},
		{"wan", "wans"}, /* as near as "lan", which begins otherwise */
		{"can", "lan"},
		{"nut", "nat"},
		{"foo", NULL},
		{"la-n-", NULL}, /* two slips in a short word */
		{"c", NULL},	 /* one in a word of one letter */
		{"gtaewyaa", NULL},
		{"", NULL},
		{"a-word-that-is-much-longer-than-any-key-could-reasonably-be-in-this-language", NULL},
	};
	static const char *const none[] = {NULL};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *near = wh_nearest(cases[i].word, words);

		print_message("\"%s\"\n", cases[i].word);
		if (cases[i].near)
			assert_string_equal(near ? near : "(none)", cases[i].near);
		else
			assert_null(near);
	}
	assert_null(wh_nearest("gateway", none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_shows_durations),
		cmocka_unit_test(test_nearest),	  cmocka_unit_test(test_quantities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
