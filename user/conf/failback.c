/* SPDX-License-Identifier: GPL-2.0 */
/*
 * failback.c: when flows may go back to a WAN that is usable again.  Called by the tables of conf.c, wan.c and
 * class.c; a WAN or class that says something starts from what the top level says.
 */
#include "conf/sections.h"
#include "lib/clock.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>

#define S WH_NS_PER_S
#define DAY_MINUTES (24 * 60)
#define ALL_DAYS 0x7f
#define A_WINDOW "days and hours, as in \"sat 02:00-04:00\" or \"mon-fri,sun 22:00-05:30\""

void wh_conf_default_failback(struct wh_conf_failback *failback)
{
	*failback = (struct wh_conf_failback){.hold_ns = 30 * S, .max_age_metered_ns = 600 * S};
}

/* A day's name at the start of `text`: its number, or -1. */
static int parse_day(const char *text)
{
	static const char names[][4] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

	for (int day = 0; day < 7; day++)
		if (!strncmp(text, names[day], 3))
			return day;
	return -1;
}

/* "sat", "mon-fri", "mon-wed,fri" up to a space; fri-mon goes by way of sunday.  What follows, or NULL. */
static const char *parse_days(const char *text, uint8_t *days)
{
	for (;; text++) {
		int first = parse_day(text), last = first;

		if (first >= 0 && text[3] == '-')
			last = parse_day(text += 4);
		if (first < 0 || last < 0)
			return NULL;
		text += 3;
		for (int day = first; day != last; day = (day + 1) % 7)
			*days |= (uint8_t)(1U << day);
		*days |= (uint8_t)(1U << last);
		if (*text == ' ')
			return text + strspn(text, " ");
		if (*text != ',')
			return NULL;
	}
}

/* "02:00", to 24:00. */
static bool parse_minute(const char *text, uint16_t *minute)
{
	static const char form[] = "00:00";
	unsigned hours, minutes;

	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	hours = (unsigned)((text[0] - '0') * 10 + text[1] - '0');
	minutes = (unsigned)((text[3] - '0') * 10 + text[4] - '0');
	*minute = (uint16_t)(hours * 60 + minutes);
	return minutes < 60 && *minute <= DAY_MINUTES;
}

/* "[DAYS ]HH:MM-HH:MM"; one that ends before it begins ends on the next day. */
static bool parse_window(const char *text, struct wh_conf_window *out)
{
	struct wh_conf_window window = {.days = 0};

	if (parse_day(text) >= 0)
		text = parse_days(text, &window.days);
	else
		window.days = ALL_DAYS;
	if (!text || !parse_minute(text, &window.first_minute) || text[5] != '-' ||
	    !parse_minute(text + 6, &window.end_minute) || text[11])
		return false;
	if (window.first_minute == DAY_MINUTES || window.first_minute == window.end_minute)
		return false;
	if (window.end_minute < window.first_minute)
		window.end_minute += DAY_MINUTES;
	*out = window;
	return true;
}

static int add_window(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		      void *out)
{
	struct wh_conf_failback *failback = out;
	struct wh_conf_window window;

	if (!wh_conf_is_word(value) || !parse_window(value->text, &window))
		return wh_conf_wrong(r, key->name, value, A_WINDOW, "");
	if (failback->n_windows == WH_MAX_WINDOWS)
		return wh_conf_refuse(&r->source, value->at, "window: more than %d", WH_MAX_WINDOWS);
	failback->windows[failback->n_windows++] = window;
	return 0;
}

static int read_windows(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			void *out)
{
	struct wh_conf_failback *failback = out;

	failback->n_windows = 0;
	return wh_conf_each(r, key, value, add_window, out);
}

static const struct wh_conf_choice age_choices[] = {{"none", 0}, {NULL, 0}};

static int read_max_age(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			void *out)
{
	struct wh_conf_failback *failback = out;
	uint64_t ns = 0;
	int err = 0;

	if (!wh_conf_is_word(value) || strcmp(value->text, age_choices[0].word) != 0)
		err = wh_conf_duration(r, key, value, &ns);
	if (!err)
		failback->max_age_ns = failback->max_age_metered_ns = ns;
	return err;
}

static const struct wh_conf_choice mode_choices[] = {
	{"drain", WH_FAILBACK_DRAIN},
	{"move", WH_FAILBACK_MOVE},
	{"manual", WH_FAILBACK_MANUAL},
	{"window", WH_FAILBACK_WINDOW},
	{NULL, 0},
};

#define AT(field) .offset = offsetof(struct wh_conf_failback, field)
static const struct wh_conf_key failback_keys[] = {
	{.name = "mode", .read = wh_conf_choose, AT(mode), .choices = mode_choices},
	{.name = "hold", .read = wh_conf_duration, AT(hold_ns), .max = 86400 * S},
	{.name = "max-age", .read = read_max_age, .min = S, .max = 30 * 86400 * S, .choices = age_choices},
	{.name = "window", .read = read_windows},
	{.name = NULL},
};
#undef AT

int wh_conf_failback(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     void *out)
{
	const struct wh_conf_failback *failback = out;
	int err = wh_conf_section(r, key->name, value, failback_keys, out);

	if (!err && failback->mode == WH_FAILBACK_WINDOW && !failback->n_windows)
		return wh_conf_refuse(&r->source, wh_conf_either(value, "mode", "mode")->at,
				      "mode: window needs the key \"window\", as in [\"sat 02:00-04:00\"]");
	return err;
}
