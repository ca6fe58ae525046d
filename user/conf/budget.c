/* SPDX-License-Identifier: GPL-2.0 */
/* budget.c: how much a WAN carries, and may carry in a month: `bandwidth` and `quota`.  Called by wan.c's table. */
#include "conf/sections.h"
#include "lib/text.h"

#define SIZE_LEAST 1000000ULL
#define SIZE_MOST 1000000000000000ULL
#define PPM_PER_PERCENT 10000

#define AT(field) .offset = offsetof(struct wh_conf_wan, field)
int wh_conf_bandwidth(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		      void *out)
{
	static const struct wh_conf_key keys[] = {
		{.name = "up", .read = wh_conf_rate, AT(up_bps)},
		{.name = "down", .read = wh_conf_rate, AT(down_bps)},
		{.name = NULL},
	};

	return wh_conf_section(r, key->name, value, keys, out);
}
#undef AT

static int read_size(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     void *out)
{
	uint64_t bytes;

	if (!wh_conf_is_word(value) || wh_parse_size(value->text, &bytes) || bytes < SIZE_LEAST || bytes > SIZE_MOST)
		return wh_conf_wrong(r, key->name, value, "a size from 1MB to 1000TB with its unit (KB, MB, GB, TB)",
				     "");
	*(uint64_t *)out = bytes;
	return 0;
}

static int read_percent(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			void *out)
{
	uint64_t ppm;

	if (!wh_conf_is_word(value) || wh_parse_percent(value->text, &ppm) || ppm % PPM_PER_PERCENT ||
	    ppm < PPM_PER_PERCENT || ppm > 100 * PPM_PER_PERCENT)
		return wh_conf_wrong(r, key->name, value, "a whole share from 1% to 100%", "");
	*(unsigned *)out = (unsigned)(ppm / PPM_PER_PERCENT);
	return 0;
}

static const struct wh_conf_choice quota_choices[] = {
	{"avoid", WH_QUOTA_AVOID},
	{"block", WH_QUOTA_BLOCK},
	{NULL, 0},
};

#define AT(field) .offset = offsetof(struct wh_conf_quota, field)
int wh_conf_quota(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	static const struct wh_conf_key keys[] = {
		{.name = "limit", .read = read_size, AT(limit_bytes)},
		{.name = "reset-day", .read = wh_conf_number, AT(reset_day), .min = 1, .max = 31},
		{.name = "warn", .read = read_percent, AT(warn_percent)},
		{.name = "action", .read = wh_conf_choose, AT(action), .choices = quota_choices},
		{.name = NULL},
	};
	const struct wh_conf_quota *quota = out;
	int err = wh_conf_section(r, key->name, value, keys, out);

	if (!err && value->first && !quota->limit_bytes)
		return wh_conf_refuse(&r->source, value->at, "quota: has no limit");
	return err;
}
#undef AT
