/* SPDX-License-Identifier: GPL-2.0 */
/* test_timestamp.c: RFC 3339 times, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "lib/timestamp.h"

static void in_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void test_formats_local_time(void **state)
{
	static const struct {
		const char *zone; /* POSIX: the sign says what to add to get UTC */
		const char *text;
	} cases[] = {
		{"UTC0", "2024-02-29T12:00:00.250+00:00"},
		{"CET-1", "2024-02-29T13:00:00.250+01:00"},
		{"NST3:30", "2024-02-29T08:30:00.250-03:30"},
		{"XXX0:30", "2024-02-29T11:30:00.250-00:30"},
	};
	char text[WH_TIMESTAMP_LEN];
	uint64_t ns;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		in_zone(cases[i].zone);
		wh_timestamp_format(1709208000250999999, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(wh_timestamp_parse(text, &ns), 0);
		assert_true(ns == 1709208000250000000);
	}
}

static void test_parses(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2024-02-29T12:00:00z", 1709208000000000000},
		{"2024-02-29t12:00:00.5Z", 1709208000500000000},
		{"2024-02-29T12:00:00.0000000019+00:00", 1709208000000000001},
		{"2024-02-29T23:59:59+23:59", 1709164859000000000},
		{"2024-02-28T23:00:00-13:00", 1709208000000000000},
	};
	uint64_t ns;

	(void)state;
	in_zone("CET-1"); /* must not matter */
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(wh_timestamp_parse(cases[i].text, &ns), 0);
		if (ns != cases[i].ns)
			fail_msg("%s: %llu, not %llu", cases[i].text, (unsigned long long)ns,
				 (unsigned long long)cases[i].ns);
	}
}

static void test_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		"now",
		"2024-02-29",
		"2024-02-29T12:00:00",
		"2024-02-29 12:00:00Z",
		"2024-02-30T12:00:00Z",
		"2023-02-29T12:00:00Z",
		"2024-13-01T12:00:00Z",
		"2024-00-01T12:00:00Z",
		"2024-01-00T12:00:00Z",
		"2024-01-01T24:00:00Z",
		"2024-01-01T12:60:00Z",
		"2024-01-01T12:00:60Z",
		"2024-01-01T12:00:00.Z",
		"2024-01-01T12:00:00ZZ",
		"2024-01-01T12:00:00+0100",
		"2024-01-01T12:00:00+24:00",
		"2024-01-01T12:00:00+01:60",
		"2024-01-01T12:00:00+01:00x",
		"+024-01-01T12:00:00Z",
		"1969-12-31T23:59:59Z",
		"1970-01-01T00:00:00+00:01",
	};
	uint64_t ns = 42;

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (wh_timestamp_parse(texts[i], &ns) != -EINVAL)
			fail_msg("\"%s\" is taken", texts[i]);
	}
	assert_int_equal(ns, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats_local_time),
		cmocka_unit_test(test_parses),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
