/* SPDX-License-Identifier: GPL-2.0 */
/*
 * class.c: the traffic classes.  Called by conf.c's table after the WANs and sets.  A class's WANs are read in tiers.c,
 * what its traffic looks like in match.c.  `default` stands last, wherever the file has it.
 */
#include "conf/class.h"
#include "conf/sections.h"
#include "lib/clock.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>

#define MS WH_NS_PER_MS
#define S WH_NS_PER_S

static const struct wh_conf_choice failover_choices[] = {
	{"auto", WH_FAILOVER_AUTO},
	{"move", WH_FAILOVER_MOVE},
	{"reset", WH_FAILOVER_RESET},
	{NULL, 0},
};

static int read_on_failover(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			    void *out)
{
	static const struct wh_conf_key keys[] = {
		{.name = "hold", .read = wh_conf_duration, .min = 100 * MS, .max = 3600 * S},
		{.name = NULL},
	};
	struct wh_conf_class *class = out;

	if (value->kind == WH_CONF_MAP && value->first)
		return wh_conf_section(r, key->name, value, keys, &class->hold_ns);
	return wh_conf_choose(r, key, value, &class->on_failover);
}

static const struct wh_conf_choice affinity_choices[] = {
	{"flow", WH_AFFINITY_FLOW},
	{"src-dst", WH_AFFINITY_SRC_DST},
	{"src", WH_AFFINITY_SRC},
	{NULL, 0},
};

static const struct wh_conf_choice none_choices[] = {
	{"reject", WH_NONE_REJECT},
	{"drop", WH_NONE_DROP},
	{NULL, 0},
};

static const struct wh_conf_choice algorithm_choices[] = {
	{"weighted", WH_ALGORITHM_WEIGHTED},
	{"overflow", WH_ALGORITHM_OVERFLOW},
	{"least-used", WH_ALGORITHM_LEAST_USED},
	{"lowest-latency", WH_ALGORITHM_LOWEST_LATENCY},
	{NULL, 0},
};

/* To be steered is what a class is for, and has no word. */
static const struct wh_conf_choice action_choices[] = {
	{"kernel", WH_CLASS_KERNEL},
	{"drop", WH_CLASS_DROP},
	{"reject", WH_CLASS_REJECT},
	{NULL, 0},
};

static const struct wh_conf_choice sla_action_choices[] = {
	{"new", WH_SLA_NEW},
	{"move", WH_SLA_MOVE},
	{NULL, 0},
};

#define LOSS_LEAST_PPM 100
#define LOSS_MOST_PPM 1000000

static int read_loss(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     void *out)
{
	uint64_t ppm;

	if (!wh_conf_is_word(value) || wh_parse_percent(value->text, &ppm) || ppm < LOSS_LEAST_PPM ||
	    ppm > LOSS_MOST_PPM)
		return wh_conf_wrong(r, key->name, value, "a share from 0.01% to 100%", "");
	*(uint32_t *)out = (uint32_t)ppm;
	return 0;
}

#define AT(field) .offset = offsetof(struct wh_conf_sla, field)
static int read_sla(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	static const struct wh_conf_key keys[] = {
		{.name = "latency", .read = wh_conf_duration, AT(latency_ns), .min = MS, .max = 60 * S},
		{.name = "jitter", .read = wh_conf_duration, AT(jitter_ns), .min = MS, .max = 60 * S},
		{.name = "loss", .read = read_loss, AT(loss_ppm)},
		{.name = NULL},
	};

	return wh_conf_section(r, key->name, value, keys, out);
}
#undef AT

static int read_degraded(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			 void *out)
{
	static const struct wh_conf_key keys[] = {{.name = "rate", .read = wh_conf_rate}, {.name = NULL}};

	return wh_conf_section(r, key->name, value, keys, out);
}

/* What the class does not say is as at the top level. */
static int read_failback(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			 void *out)
{
	struct wh_conf_class *class = out;

	class->own_failback = value->first;
	if (class->own_failback)
		class->failback = r->config->failback;
	return wh_conf_failback(r, key, value, &class->failback);
}

#define AT(field) .offset = offsetof(struct wh_conf_draft, field)
static const struct wh_conf_key class_keys[] = {
	{.name = "match", .read = wh_conf_match},
	{.name = "prefer", .read = wh_conf_prefer},
	{.name = "balance", .read = wh_conf_balance},
	{.name = "only", .read = wh_conf_bool, AT(only)},
	{.name = "never", .read = wh_conf_never},
	{.name = "algorithm", .read = wh_conf_choose, AT(class.algorithm), .choices = algorithm_choices},
	{.name = "affinity", .read = wh_conf_choose, AT(class.affinity), .choices = affinity_choices},
	{.name = "on-failover", .read = read_on_failover, AT(class), .choices = failover_choices},
	{.name = "failback", .read = read_failback, AT(class)},
	{.name = "on-none", .read = wh_conf_choose, AT(class.on_none), .choices = none_choices},
	{.name = "action", .read = wh_conf_choose, AT(class.action), .choices = action_choices},
	{.name = "sla", .read = read_sla, AT(class.sla)},
	{.name = "sla-action", .read = wh_conf_choose, AT(class.sla.action), .choices = sla_action_choices},
	{.name = "rate", .read = wh_conf_rate, AT(class.rate_bps)},
	{.name = "degraded", .read = read_degraded, AT(class.degraded_bps)},
	{.name = "mark-dscp", .read = wh_conf_dscp, AT(class.mark_dscp)},
	WH_CONF_LATER("all-down"),
	WH_CONF_LATER("source"),
	{.name = NULL},
};
#undef AT

static void start_class(const char *name, struct wh_conf_draft *draft)
{
	*draft = (struct wh_conf_draft){.class = {.mark_dscp = WH_DSCP_KEEP}};
	snprintf(draft->class.name, sizeof(draft->class.name), "%s", name);
}

static void take_class(struct wh_config *config, struct wh_conf_draft *draft)
{
	wh_conf_complete(config, draft);
	config->classes[config->n_classes++] = draft->class;
}

void wh_conf_default_class(struct wh_config *config)
{
	struct wh_conf_draft draft;

	start_class(WH_CONF_DEFAULT_CLASS, &draft);
	take_class(config, &draft);
}

static int refuse_lost(struct wh_conf_reader *r, const struct wh_conf_node *name)
{
	static const char *const others[] = {WH_CONF_DEFAULT_CLASS, NULL};

	return wh_conf_refuse(&r->source, name->at, "the class \"%s\" has no match%s", name->text,
			      WH_CONF_HINT(name->text, others));
}

static int fill_class(struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	struct wh_conf_draft draft;
	int err;

	start_class(entry->key->text, &draft);
	err = wh_conf_section(r, draft.class.name, entry, class_keys, &draft);
	if (!err)
		take_class(r->config, &draft);
	return err;
}

static int read_class(struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	const unsigned before = r->config->n_matches;
	int err;

	if (!strcmp(entry->key->text, WH_CONF_DEFAULT_CLASS)) /* is read last */
		return 0;
	if (r->config->n_classes == WH_MAX_CLASSES - 1)
		return wh_conf_refuse(&r->source, entry->key->at, "classes: more than %d, \"default\" included",
				      WH_MAX_CLASSES);
	err = fill_class(r, entry);
	return err || r->config->n_matches > before ? err : refuse_lost(r, entry->key);
}

/* It takes what no other class does, and so has nothing to match. */
static int read_default(struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	const struct wh_conf_node *match = wh_conf_find(entry, "match");

	if (match)
		return wh_conf_refuse(&r->source, match->key->at,
				      "match: the class \"default\" takes what no other does");
	return fill_class(r, entry);
}

int wh_conf_classes(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	const struct wh_conf_node *last = wh_conf_find(value, WH_CONF_DEFAULT_CLASS);
	int err = wh_conf_named(r, key->name, value, read_class);

	if (err)
		return err;
	if (last)
		return read_default(r, last);
	wh_conf_default_class(out);
	return 0;
}
