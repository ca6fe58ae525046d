/* SPDX-License-Identifier: GPL-2.0 */
/* timestamp.c: RFC 3339 times.  Used by the records, the command and the metrics; durations are lib/text.h's. */
#include "lib/timestamp.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"

void wh_timestamp_format(uint64_t realtime_ns, char out[WH_TIMESTAMP_LEN])
{
	time_t seconds = (time_t)(realtime_ns / WH_NS_PER_S);
	unsigned ms = (unsigned)(realtime_ns % WH_NS_PER_S / WH_NS_PER_MS);
	struct tm tm = {0};
	char date[32], zone[8]; /* "+0100": the colon has to be put in */

	localtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(out, WH_TIMESTAMP_LEN, "%s.%03u%.3s:%.2s", date, ms, zone, zone + 3);
}

/* Whether `text` begins as `pattern` says, where '0' stands for any digit; "T" and "t" are one. */
static bool begins_like(const char *text, const char *pattern)
{
	for (; *pattern; text++, pattern++) {
		bool fits = *pattern == '0' ? isdigit((unsigned char)*text) != 0
					    : toupper((unsigned char)*text) == *pattern;

		if (!fits)
			return false;
	}
	return true;
}

static int two_digits(const char *text)
{
	return (text[0] - '0') * 10 + (text[1] - '0');
}

/* The zone at the end: seconds east of UTC. */
static int parse_zone(const char *text, long *east_s)
{
	int hours, minutes;

	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
		*east_s = 0;
		return 0;
	}
	if ((*text != '+' && *text != '-') || !begins_like(text + 1, "00:00") || text[6] != '\0')
		return -EINVAL;
	hours = two_digits(text + 1);
	minutes = two_digits(text + 4);
	if (hours > 23 || minutes > 59)
		return -EINVAL;
	*east_s = (hours * 60L + minutes) * 60 * (*text == '-' ? -1 : 1);
	return 0;
}

/* ".250" → nanoseconds; digits beyond the ninth count for nothing. */
static uint64_t parse_fraction(const char **text)
{
	uint64_t ns = 0, digit = WH_NS_PER_S / 10;

	if (**text != '.' || !isdigit((unsigned char)(*text)[1]))
		return 0;
	for ((*text)++; isdigit((unsigned char)**text); (*text)++, digit /= 10)
		ns += (uint64_t)(**text - '0') * digit;
	return ns;
}

int wh_timestamp_parse(const char *text, uint64_t *out_ns)
{
	struct tm tm = {0}, back;
	const char *rest;
	uint64_t fraction_ns;
	long east_s;
	time_t seconds;

	if (!begins_like(text, "0000-00-00T00:00:00"))
		return -EINVAL;
	tm.tm_year = two_digits(text) * 100 + two_digits(text + 2) - 1900;
	tm.tm_mon = two_digits(text + 5) - 1;
	tm.tm_mday = two_digits(text + 8);
	tm.tm_hour = two_digits(text + 11);
	tm.tm_min = two_digits(text + 14);
	tm.tm_sec = two_digits(text + 17);
	rest = text + 19;
	fraction_ns = parse_fraction(&rest);
	if (parse_zone(rest, &east_s) < 0)
		return -EINVAL;
	back = tm;
	seconds = timegm(&back);
	/* timegm() makes 2 March of 30 February; we do not. */
	if (back.tm_mon != tm.tm_mon || back.tm_hour != tm.tm_hour || back.tm_min != tm.tm_min ||
	    back.tm_sec != tm.tm_sec || seconds - east_s < 0)
		return -EINVAL;
	*out_ns = (uint64_t)(seconds - east_s) * WH_NS_PER_S + fraction_ns;
	return 0;
}
