/* SPDX-License-Identifier: GPL-2.0 */
/*
 * values.c: the readers of single values that several sections share.  Declared in keys.h, used by the tables.
 * Addresses are read in address.c.
 */
#include "conf/keys.h"
#include "lib/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Longest list of choices; a longer one only loses suggestions. */
#define MAX_CHOICES 8

int wh_conf_number(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	char expected[80];
	uint64_t number;

	if (wh_conf_is_word(value) && !wh_parse_number(value->text, key->min, key->max, &number)) {
		*(uint32_t *)out = (uint32_t)number;
		return 0;
	}
	snprintf(expected, sizeof(expected), "a whole number from %" PRIu64 " to %" PRIu64, key->min, key->max);
	return wh_conf_wrong(r, key->name, value, expected, "");
}

const struct wh_conf_choice wh_conf_auto_choices[] = {{"auto", 0}, {NULL, 0}};

bool wh_conf_is_auto(const struct wh_conf_node *value)
{
	return wh_conf_is_word(value) && !strcmp(value->text, wh_conf_auto_choices[0].word);
}

const char *wh_conf_hint_choice(const struct wh_conf_key *key, const struct wh_conf_node *value,
				char out[WH_CONF_HINT_LEN])
{
	const char *words[MAX_CHOICES + 1] = {NULL};

	for (size_t i = 0; key->choices[i].word && i < MAX_CHOICES; i++)
		words[i] = key->choices[i].word;
	return wh_conf_hinted(value->text, words, out);
}

/* Where the key has choices, its own reader has tried them. */
int wh_conf_duration(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     void *out)
{
	char expected[128], hint[WH_CONF_HINT_LEN], min[24], max[24];
	uint64_t ns;

	if (wh_conf_is_word(value) && !wh_parse_duration(value->text, &ns) && ns >= key->min && ns <= key->max) {
		*(uint64_t *)out = ns;
		return 0;
	}
	wh_format_duration(key->min, min, sizeof(min));
	wh_format_duration(key->max, max, sizeof(max));
	snprintf(expected, sizeof(expected), "%s%sa duration from %s to %s with its unit (ms, s, m, h, d)",
		 key->choices ? key->choices[0].word : "", key->choices ? " or " : "", min, max);
	return wh_conf_wrong(r, key->name, value, expected, key->choices ? wh_conf_hint_choice(key, value, hint) : "");
}

#define RATE_LEAST 1000ULL
#define RATE_MOST 1000000000000ULL

int wh_conf_rate(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	uint64_t bps;

	if (!wh_conf_is_word(value) || wh_parse_rate(value->text, &bps) || bps < RATE_LEAST || bps > RATE_MOST)
		return wh_conf_wrong(r, key->name, value,
				     "a rate from 1kbit to 1000gbit with its unit (kbit, mbit, gbit)", "");
	*(uint64_t *)out = bps;
	return 0;
}

/* RFC 2474 (cs), 2597 (af), 3246 (ef), 5865 (va). */
static const struct wh_conf_choice dscp_names[] = {
	{"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},	{"cs4", 32},  {"cs5", 40},  {"cs6", 48},  {"cs7", 56},
	{"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18}, {"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28},
	{"af33", 30}, {"af41", 34}, {"af42", 36}, {"af43", 38}, {"va", 44},   {"ef", 46},   {NULL, 0},
};

int wh_conf_dscp(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	uint64_t number;

	for (const struct wh_conf_choice *c = dscp_names; c->word && wh_conf_is_word(value); c++) {
		if (!strcmp(c->word, value->text)) {
			*(uint8_t *)out = (uint8_t)c->value;
			return 0;
		}
	}
	if (!wh_conf_is_word(value) || wh_parse_number(value->text, 0, 63, &number))
		return wh_conf_wrong(r, key->name, value, "a number from 0 to 63, ef, va, cs0 to cs7 or af11 to af43",
				     "");
	*(uint8_t *)out = (uint8_t)number;
	return 0;
}

/* "a, b or c" */
static void list_choices(const struct wh_conf_choice *choices, char *out, size_t len)
{
	size_t used = 0;

	for (const struct wh_conf_choice *c = choices; c->word && used < len; c++) {
		const char *before = c == choices ? "" : c[1].word ? ", " : " or ";

		used += (size_t)snprintf(out + used, len - used, "%s%s", before, c->word);
	}
}

int wh_conf_choose(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	char text[160], hint[WH_CONF_HINT_LEN];

	for (size_t i = 0; key->choices[i].word && wh_conf_is_word(value); i++) {
		if (strcmp(value->text, key->choices[i].word) != 0)
			continue;
		*(int *)out = key->choices[i].value;
		return 0;
	}
	list_choices(key->choices, text, sizeof(text));
	return wh_conf_wrong(r, key->name, value, text, wh_conf_hint_choice(key, value, hint));
}

int wh_conf_bool(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	static const struct wh_conf_choice words[] = {{"true", true}, {"false", false}, {NULL, 0}};
	struct wh_conf_key named = {.name = key->name, .choices = key->choices ? key->choices : words};
	int chosen = 0;
	int err = wh_conf_choose(r, &named, value, &chosen);

	if (!err)
		*(bool *)out = chosen;
	return err;
}

int wh_conf_accel(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	static const struct wh_conf_choice choices[] = {
		{"auto", WH_ACCEL_AUTO}, {"tc", WH_ACCEL_TC}, {"xdp", WH_ACCEL_XDP}, {NULL, 0}};
	struct wh_conf_key named = {.name = key->name, .choices = choices};

	return wh_conf_choose(r, &named, value, out);
}

/* As the kernel has it (dev_valid_name). */
static bool is_device_name(const char *text)
{
	return *text && strlen(text) < IFNAMSIZ && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
	       !strpbrk(text, "/: \t\n\v\f\r");
}

int wh_conf_device(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	if (!wh_conf_is_word(value) || !is_device_name(value->text))
		return wh_conf_wrong(r, key->name, value, "the name of a network device", "");
	snprintf(out, IFNAMSIZ, "%s", value->text);
	return 0;
}
