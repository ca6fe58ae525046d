/* SPDX-License-Identifier: GPL-2.0 */
/* probes.c: the probe profiles.  Called by conf.c's table; which WAN uses which is read in wan.c. */
#include "conf/sections.h"
#include "lib/clock.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>

#define MS WH_NS_PER_MS
#define S WH_NS_PER_S

#define EXPECTED_TARGET "icmp:ADDRESS or tcp:ADDRESS:PORT"

static const char default_name[] = "default";

/* What can be probed, by the word before the first colon; WH_CONF_NOT_BUILT as in choices. */
static const struct wh_conf_choice target_kinds[] = {
	{"icmp", WH_PROBE_ICMP},     {"tcp", WH_PROBE_TCP},	   {"dns", WH_CONF_NOT_BUILT},
	{"http", WH_CONF_NOT_BUILT}, {"https", WH_CONF_NOT_BUILT}, {NULL, 0},
};

static int target_kind(struct wh_conf_reader *r, const struct wh_conf_node *value, size_t len, int *kind)
{
	const char *words[sizeof(target_kinds) / sizeof(target_kinds[0])] = {NULL};
	char word[16] = "", what[32];

	if (len < sizeof(word))
		memcpy(word, value->text, len);
	for (size_t i = 0; target_kinds[i].word; i++) {
		words[i] = target_kinds[i].word;
		if (strcmp(word, words[i]) != 0)
			continue;
		if (target_kinds[i].value == WH_CONF_NOT_BUILT) {
			snprintf(what, sizeof(what), "targets: %s", word);
			return wh_conf_later(r, value->at, what);
		}
		*kind = target_kinds[i].value;
		return 0;
	}
	return wh_conf_wrong(r, "targets", value, EXPECTED_TARGET, WH_CONF_HINT(word, words));
}

/* `where`: "ADDRESS:PORT", or "[ADDRESS]:PORT" in IPv6, whose addresses have colons of their own. */
static int parse_tcp(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     const char *where, struct wh_conf_target *target)
{
	bool bracket = *where == '[';
	const char *start = where + bracket, *end = strchr(start, bracket ? ']' : ':');
	const char *colon = end ? end + bracket : NULL;
	char address[INET6_ADDRSTRLEN] = "";
	uint64_t port;
	int err;

	if (!bracket && colon && strchr(colon + 1, ':'))
		return wh_conf_wrong(r, key->name, value, "tcp:[ADDRESS]:PORT where the address is IPv6", "");
	if (!colon || *colon != ':' || (size_t)(end - start) >= sizeof(address) ||
	    wh_parse_number(colon + 1, 1, 65535, &port))
		return wh_conf_wrong(r, key->name, value, "tcp:ADDRESS:PORT with a port from 1 to 65535", "");
	memcpy(address, start, (size_t)(end - start));
	target->port = (uint16_t)port;
	err = wh_conf_host(r, key, value, address, &target->addr);
	if (!err && bracket && target->addr.family == WH_V4)
		return wh_conf_wrong(r, key->name, value, "tcp:ADDRESS:PORT where the address is IPv4", "");
	return err;
}

static int read_target(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		       struct wh_conf_target *out)
{
	const char *colon = wh_conf_is_word(value) ? strchr(value->text, ':') : NULL;
	struct wh_conf_target target = {0};
	int kind = 0, err;

	if (!colon)
		return wh_conf_wrong(r, key->name, value, EXPECTED_TARGET, "");
	err = target_kind(r, value, (size_t)(colon - value->text), &kind);
	if (err)
		return err;
	target.kind = (enum wh_probe_kind)kind;
	err = kind == WH_PROBE_TCP ? parse_tcp(r, key, value, colon + 1, &target)
				   : wh_conf_host(r, key, value, colon + 1, &target.addr);
	if (!err)
		err = wh_conf_check_routable(r, key, value, &target.addr);
	if (err)
		return err;
	if (strlen(value->text) >= sizeof(target.text)) /* a port with a great many zeros */
		return wh_conf_wrong(r, key->name, value, EXPECTED_TARGET, "");
	snprintf(target.text, sizeof(target.text), "%s", value->text);
	*out = target;
	return 0;
}

static bool same_target(const struct wh_conf_target *a, const struct wh_conf_target *b)
{
	if (a->kind != b->kind || a->port != b->port || a->addr.family != b->addr.family)
		return false;
	return a->addr.family == WH_V4 ? a->addr.v4.s_addr == b->addr.v4.s_addr
				       : IN6_ARE_ADDR_EQUAL(&a->addr.v6, &b->addr.v6);
}

static int read_targets(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			void *out)
{
	struct wh_conf_profile *profile = out;

	if (value->kind != WH_CONF_LIST || !value->first)
		return wh_conf_wrong(r, key->name, value, "a list of at least one target", "");
	if (value->n_entries > WH_MAX_TARGETS)
		return wh_conf_refuse(&r->source, value->at, "targets: more than %d", WH_MAX_TARGETS);
	profile->n_targets = 0;
	for (const struct wh_conf_node *entry = value->first; entry; entry = entry->next) {
		struct wh_conf_target *target = &profile->targets[profile->n_targets];
		int err = read_target(r, key, entry, target);

		if (err)
			return err;
		for (unsigned i = 0; i < profile->n_targets; i++)
			if (same_target(&profile->targets[i], target))
				return wh_conf_refuse(&r->source, entry->at, "targets: \"%s\" is in the list already",
						      target->text);
		profile->n_targets++;
	}
	return 0;
}

#define METERED_INTERVAL (5 * S) /* of icmp, where the file does not say another */

#define INTERVAL_RANGE .read = wh_conf_duration, .min = 10 * MS, .max = 3600 * S

static int read_interval(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			 void *out)
{
	static const struct wh_conf_key kinds[] = {
		{.name = "icmp", .offset = WH_PROBE_ICMP * sizeof(uint64_t), INTERVAL_RANGE},
		{.name = "tcp", .offset = WH_PROBE_TCP * sizeof(uint64_t), INTERVAL_RANGE},
		WH_CONF_LATER("dns"),
		WH_CONF_LATER("http"),
		{.name = NULL},
	};
	static const struct wh_conf_key one = {.name = "interval", INTERVAL_RANGE};
	struct wh_conf_profile *profile = out;
	uint64_t ns = 0;
	int err;

	if (value->kind != WH_CONF_MAP || wh_conf_find(value, kinds[WH_PROBE_ICMP].name))
		r->intervals |= 1U << (profile - r->config->profiles);
	if (value->kind == WH_CONF_MAP)
		return wh_conf_section(r, key->name, value, kinds, profile->interval_ns);
	err = wh_conf_duration(r, &one, value, &ns);
	for (unsigned kind = 0; kind < WH_PROBE_KINDS && !err; kind++)
		profile->interval_ns[kind] = ns;
	return err;
}

static int read_timeout(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			void *out)
{
	if (wh_conf_is_auto(value)) {
		*(uint64_t *)out = 0;
		return 0;
	}
	return wh_conf_duration(r, key, value, out);
}

#define AT(field) .offset = offsetof(struct wh_conf_profile, field)
static const struct wh_conf_key profile_keys[] = {
	{.name = "targets", .read = read_targets},
	{.name = "quorum", .read = wh_conf_number, AT(quorum), .min = 1, .max = WH_MAX_TARGETS},
	{.name = "interval", .read = read_interval},
	{.name = "timeout",
	 .read = read_timeout,
	 AT(timeout_ns),
	 .min = 10 * MS,
	 .max = 60 * S,
	 .choices = wh_conf_auto_choices},
	{.name = "down-after", .read = wh_conf_number, AT(down_after), .min = 1, .max = 100},
	{.name = "up-after", .read = wh_conf_number, AT(up_after), .min = 1, .max = 1000},
	{.name = NULL},
};
#undef AT

/* Two networks in each family.  The IPv4 ones read the same in either byte order. */
static const struct wh_conf_target default_targets[] = {
	{.kind = WH_PROBE_ICMP, .addr = {.family = WH_V4, .v4.s_addr = 0x01010101}, .text = "icmp:1.1.1.1"},
	{.kind = WH_PROBE_ICMP, .addr = {.family = WH_V4, .v4.s_addr = 0x08080808}, .text = "icmp:8.8.8.8"},
	{.kind = WH_PROBE_ICMP,
	 .addr = {.family = WH_V6, .v6.s6_addr = {0x26, 0x06, 0x47, 0, 0x47, [14] = 0x11, 0x11}},
	 .text = "icmp:2606:4700:4700::1111"},
	{.kind = WH_PROBE_ICMP,
	 .addr = {.family = WH_V6, .v6.s6_addr = {0x20, 0x01, 0x48, 0x60, 0x48, 0x60, [14] = 0x88, 0x88}},
	 .text = "icmp:2001:4860:4860::8888"},
};

void wh_conf_default_profile(struct wh_conf_profile *profile)
{
	*profile = (struct wh_conf_profile){
		.n_targets = sizeof(default_targets) / sizeof(default_targets[0]),
		.quorum = 1,
		.down_after = 3,
		.up_after = 10,
		.interval_ns = {[WH_PROBE_ICMP] = 200 * MS, [WH_PROBE_TCP] = 5 * S},
	};
	snprintf(profile->name, sizeof(profile->name), "%s", default_name);
	memcpy(profile->targets, default_targets, sizeof(default_targets));
}

/* Each family is judged by its own targets; one that has none, not by probes. */
static int check_quorum(struct wh_conf_reader *r, const struct wh_conf_node *entry,
			const struct wh_conf_profile *profile)
{
	const struct wh_conf_node *at = wh_conf_either(entry, "quorum", "targets");
	unsigned n[WH_FAMILIES] = {0};

	for (unsigned i = 0; i < profile->n_targets; i++)
		n[profile->targets[i].addr.family]++;
	for (unsigned family = 0; family < WH_FAMILIES; family++)
		if (n[family] && profile->quorum > n[family])
			return wh_conf_refuse(&r->source, at->at, "quorum: %u of %u %s targets can never be good",
					      profile->quorum, n[family], wh_conf_family_names[family]);
	return 0;
}

unsigned wh_conf_sparing_profile(struct wh_conf_reader *r, unsigned profile)
{
	struct wh_config *config = r->config;
	struct wh_conf_profile *sparing;

	if (r->intervals & 1U << profile)
		return profile;
	for (unsigned i = r->n_profiles; i < config->n_profiles; i++)
		if (!strcmp(config->profiles[i].name, config->profiles[profile].name))
			return i;
	sparing = &config->profiles[config->n_profiles];
	*sparing = config->profiles[profile];
	sparing->interval_ns[WH_PROBE_ICMP] = METERED_INTERVAL;
	return config->n_profiles++;
}

static int fill_profile(struct wh_conf_reader *r, const struct wh_conf_node *entry, struct wh_conf_profile *profile)
{
	int err = wh_conf_section(r, profile->name, entry, profile_keys, profile);

	return err ? err : check_quorum(r, entry, profile);
}

static int read_profile(struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	struct wh_config *config = r->config;
	struct wh_conf_profile *profile = &config->profiles[config->n_profiles];

	if (!strcmp(entry->key->text, default_name)) /* was read first */
		return 0;
	if (config->n_profiles == WH_MAX_PROFILES)
		return wh_conf_refuse(&r->source, entry->key->at, "probes: more than %d profiles, \"default\" included",
				      WH_MAX_PROFILES);
	*profile = config->profiles[0];
	r->intervals |= (r->intervals & 1) << config->n_profiles;
	snprintf(profile->name, sizeof(profile->name), "%s", entry->key->text);
	config->n_profiles++;
	return fill_profile(r, entry, profile);
}

int wh_conf_probes(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	const struct wh_conf_node *ours = wh_conf_find(value, default_name);
	int err = ours ? fill_profile(r, ours, &r->config->profiles[0]) : 0;

	(void)out;
	return err ? err : wh_conf_named(r, key->name, value, read_profile);
}
