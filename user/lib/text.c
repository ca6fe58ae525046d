/* SPDX-License-Identifier: GPL-2.0 */
/*
 * text.c: words to values and back.  Used by conf/ and by the command line; what a value may be is their
 * business, this file only knows how it is written.
 */
#include "lib/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Words longer than this are not looked up by likeness. */
#define NEAREST_MAX_LEN 64

static const struct unit {
	const char *name;
	uint64_t ns;
	bool written; /* users may write it; the others are only shown */
} units[] = {
	{"d", 86400000000000ULL, true},
	{"h", 3600000000000ULL, true},
	{"m", 60000000000ULL, true},
	{"s", 1000000000ULL, true},
	{"ms", 1000000ULL, true},
	{"us", 1000ULL, false},
	{"ns", 1ULL, false},
};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Digits of `base` at the start of `text`: -EINVAL where there are none, -ERANGE on overflow. */
static int parse_digits(const char *text, unsigned base, uint64_t *out, const char **end)
{
	uint64_t value = 0;
	bool overflow = false;
	const char *c = text;

	for (; (unsigned)digit_of(*c) < base; c++)
		overflow |= __builtin_mul_overflow(value, (uint64_t)base, &value) ||
			    __builtin_add_overflow(value, (uint64_t)digit_of(*c), &value);
	if (c == text)
		return -EINVAL;
	*end = c;
	*out = value;
	return overflow ? -ERANGE : 0;
}

int wh_parse_duration(const char *text, uint64_t *out_ns)
{
	const char *end = NULL;
	uint64_t count, ns;
	int err = parse_digits(text, 10, &count, &end);

	if (err == -EINVAL)
		return err;
	for (size_t i = 0; i < N_UNITS; i++) {
		if (!units[i].written || strcmp(end, units[i].name) != 0)
			continue;
		if (err || __builtin_mul_overflow(count, units[i].ns, &ns))
			return -ERANGE;
		*out_ns = ns;
		return 0;
	}
	return -EINVAL;
}

int wh_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *end = NULL;
	uint64_t value;
	int err = parse_digits(hex ? text + 2 : text, hex ? 16 : 10, &value, &end);

	if (err == -EINVAL || *end)
		return -EINVAL;
	if (err || value < min || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

/* One of the units that a quantity may have, and how much of the smallest it is. */
struct scale {
	const char *name;
	uint64_t factor;
};

static const struct scale rate_scales[] = {{"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}, {NULL, 0}};

static const struct scale size_scales[] = {
	{"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", 1000000000000}, {NULL, 0},
};

static const struct scale percent_scales[] = {{"%", 10000}, {NULL, 0}};

/* ".5" of 1000 is 500; what does not come out even is malformed. */
static int parse_fraction(const char *text, uint64_t factor, uint64_t *out, const char **end)
{
	uint64_t value = 0;
	const char *c = text;

	if ((unsigned)digit_of(*c) >= 10)
		return -EINVAL;
	for (; (unsigned)digit_of(*c) < 10; c++) {
		if (factor < 10 && *c != '0')
			return -EINVAL;
		factor /= 10;
		value += (uint64_t)digit_of(*c) * factor;
	}
	*end = c;
	*out = value;
	return 0;
}

/* "NUMBER[.FRACTION]UNIT" */
static int parse_scaled(const char *text, const struct scale *scales, uint64_t *out)
{
	size_t number_len = strspn(text, "0123456789.");
	const char *end = NULL;
	uint64_t count, whole, fraction = 0;
	int err = parse_digits(text, 10, &count, &end);

	while (scales->name && strcmp(text + number_len, scales->name) != 0)
		scales++;
	if (err == -EINVAL || !scales->name)
		return -EINVAL;
	if (*end == '.' && parse_fraction(end + 1, scales->factor, &fraction, &end))
		return -EINVAL;
	if (end != text + number_len)
		return -EINVAL;
	if (err || __builtin_mul_overflow(count, scales->factor, &whole) ||
	    __builtin_add_overflow(whole, fraction, &whole))
		return -ERANGE;
	*out = whole;
	return 0;
}

int wh_parse_rate(const char *text, uint64_t *out_bps)
{
	return parse_scaled(text, rate_scales, out_bps);
}

int wh_parse_size(const char *text, uint64_t *out_bytes)
{
	return parse_scaled(text, size_scales, out_bytes);
}

int wh_parse_percent(const char *text, uint64_t *out_ppm)
{
	return parse_scaled(text, percent_scales, out_ppm);
}

int wh_parse_addr4(const char *text, struct in_addr *out)
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1)
		return -EINVAL;
	*out = addr;
	return 0;
}

void wh_format_duration(uint64_t ns, char *out, size_t len)
{
	const struct unit *u = units;
	uint64_t hundredths;

	if (!ns) {
		snprintf(out, len, "0ms");
		return;
	}
	while (u->ns > ns)
		u++;
	/* Cut off, not rounded: 999.999ms is not yet a second. */
	hundredths = ns % u->ns * 100 / u->ns;
	if (!hundredths)
		snprintf(out, len, "%" PRIu64 "%s", ns / u->ns, u->name);
	else if (hundredths % 10 == 0)
		snprintf(out, len, "%" PRIu64 ".%" PRIu64 "%s", ns / u->ns, hundredths / 10, u->name);
	else
		snprintf(out, len, "%" PRIu64 ".%02" PRIu64 "%s", ns / u->ns, hundredths, u->name);
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other, both at
 * most NEAREST_MAX_LEN long; upper and lower case are the same.
 */
static unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][NEAREST_MAX_LEN + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		before[j] = above[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *spare = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[b_len];
}

const char *wh_nearest(const char *word, const char *const *words)
{
	size_t word_len = strlen(word);
	const char *best = NULL;
	unsigned best_cost = UINT_MAX;

	if (word_len > NEAREST_MAX_LEN)
		return NULL;
	for (; *words; words++) {
		size_t len = strlen(*words);
		/* Two slips in a word of three letters leave nothing of it. */
		unsigned slips = len < 2 ? 0 : len < 4 ? 1 : 2;
		unsigned distance, cost;

		if (len > NEAREST_MAX_LEN)
			continue;
		distance = edit_distance(word, word_len, *words, len);
		/* Between equals, the first letter is the one that people get right. */
		cost = 2 * distance + !same(word[0], (*words)[0]);
		if (distance <= slips && cost < best_cost) {
			best_cost = cost;
			best = *words;
		}
	}
	return best;
}

void wh_trim_utf8(char *text)
{
	size_t len = strlen(text), start = len, wanted;
	unsigned char lead;

	while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (!start)
		return;
	lead = (unsigned char)text[start - 1];
	wanted = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (lead >= 0xc0 && len - start + 1 < wanted)
		text[start - 1] = '\0';
}
