/* SPDX-License-Identifier: GPL-2.0 */
/*
 * class.c: the traffic classes and their WANs in tiers.  Called by conf.c's table after the WANs.
 * A class leaves here complete: WANs that the file does not list stand in the last tier.
 */
#include "conf/sections.h"

#include <stdio.h>
#include <string.h>

/* A class while it is being read. */
struct draft {
	struct wh_conf_class class;
	const struct wh_conf_node *order; /* the value of `prefer` or `balance` */
	unsigned listed;		  /* WANs named there, bit by index */
	bool only;
};

static const char default_name[] = "default";

static void add_member(struct wh_conf_tier *tier, unsigned wan, uint32_t weight)
{
	tier->members[tier->n_members++] = (struct wh_conf_member){.wan = wan, .weight = weight};
}

static void add_tier(struct wh_conf_class *class, const struct wh_conf_tier *tier)
{
	if (tier->n_members)
		class->tiers[class->n_tiers++] = *tier;
}

static int find_wan(struct wh_conf_reader *r, const char *key, const struct wh_conf_node *name, unsigned *out)
{
	const char *names[WH_MAX_WANS + 1] = {NULL};

	for (unsigned i = 0; i < r->config->n_wans; i++) {
		names[i] = r->config->wans[i].name;
		if (!strcmp(names[i], name->text)) {
			*out = i;
			return 0;
		}
	}
	return wh_conf_refuse(&r->source, name->at, "%s: there is no WAN \"%s\"%s", key, WH_CONF_SHOW(name->text),
			      WH_CONF_HINT(name->text, names));
}

/* A WAN that is switched off may be named, but takes no place. */
static int list_wan(struct wh_conf_reader *r, const char *key, const struct wh_conf_node *name, uint32_t weight,
		    struct draft *draft, struct wh_conf_tier *tier)
{
	unsigned wan = 0;
	int err = find_wan(r, key, name, &wan);

	if (err)
		return err;
	if (draft->listed & 1U << wan)
		return wh_conf_refuse(&r->source, name->at, "%s: the WAN \"%s\" is listed twice", key, name->text);
	draft->listed |= 1U << wan;
	if (r->config->wans[wan].enabled)
		add_member(tier, wan, weight);
	return 0;
}

/* {A: 3, B: 1} */
static int read_weights(struct wh_conf_reader *r, const char *key, const struct wh_conf_node *map, struct draft *draft,
			struct wh_conf_tier *tier)
{
	for (const struct wh_conf_node *entry = map->first; entry; entry = entry->next) {
		struct wh_conf_key weight_key = {.name = entry->key->text, .min = 1, .max = 1000};
		uint32_t weight = 0;
		unsigned wan = 0;
		int err = find_wan(r, key, entry->key, &wan);

		if (!err)
			err = wh_conf_number(r, &weight_key, entry, &weight);
		if (!err)
			err = list_wan(r, key, entry->key, weight, draft, tier);
		if (err)
			return err;
	}
	return 0;
}

static int read_prefer(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		       void *out)
{
	struct draft *draft = out;

	if (value->kind != WH_CONF_LIST || !value->first)
		return wh_conf_wrong(r, key->name, value, "a list of at least one WAN", "");
	draft->order = value;
	for (const struct wh_conf_node *entry = value->first; entry; entry = entry->next) {
		struct wh_conf_tier tier = {0};
		int err;

		if (entry->kind == WH_CONF_MAP && entry->first)
			err = read_weights(r, key->name, entry, draft, &tier);
		else if (wh_conf_is_word(entry))
			err = list_wan(r, key->name, entry, 1, draft, &tier);
		else
			err = wh_conf_wrong(r, key->name, entry, "a WAN, or WANs with weights as in {fiber: 3, lte: 1}",
					    "");
		if (err)
			return err;
		add_tier(&draft->class, &tier);
	}
	return 0;
}

static int read_balance(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			void *out)
{
	struct draft *draft = out;
	struct wh_conf_tier tier = {0};
	int err;

	if (draft->order)
		return wh_conf_refuse(&r->source, value->key->at, "balance: cannot stand beside prefer");
	if (value->kind != WH_CONF_MAP || !value->first)
		return wh_conf_wrong(r, key->name, value, "WANs with weights, as in {fiber: 80, lte: 20}", "");
	draft->order = value;
	err = read_weights(r, key->name, value, draft, &tier);
	if (!err)
		add_tier(&draft->class, &tier);
	return err;
}

static const struct wh_conf_choice failover_choices[] = {
	{"auto", WH_FAILOVER_AUTO},
	{"move", WH_FAILOVER_MOVE},
	{"reset", WH_FAILOVER_RESET},
	{NULL, 0},
};

static int read_on_failover(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			    void *out)
{
	static const struct wh_conf_key keys[] = {WH_CONF_LATER("hold"), {.name = NULL}};

	if (value->kind == WH_CONF_MAP && value->first)
		return wh_conf_section(r, key->name, value, keys, out);
	return wh_conf_choose(r, key, value, out);
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

#define AT(field) .offset = offsetof(struct draft, field)
static const struct wh_conf_key class_keys[] = {
	{.name = "prefer", .read = read_prefer},
	{.name = "balance", .read = read_balance},
	{.name = "only", .read = wh_conf_bool, AT(only)},
	{.name = "affinity", .read = wh_conf_choose, AT(class.affinity), .choices = affinity_choices},
	{.name = "on-failover", .read = read_on_failover, AT(class.on_failover), .choices = failover_choices},
	{.name = "on-none", .read = wh_conf_choose, AT(class.on_none), .choices = none_choices},
	WH_CONF_LATER("match"),
	WH_CONF_LATER("never"),
	WH_CONF_LATER("algorithm"),
	WH_CONF_LATER("all-down"),
	WH_CONF_LATER("action"),
	WH_CONF_LATER("source"),
	WH_CONF_LATER("failback"),
	WH_CONF_LATER("sla"),
	WH_CONF_LATER("sla-action"),
	WH_CONF_LATER("rate"),
	WH_CONF_LATER("degraded"),
	{.name = NULL},
};
#undef AT

/* The places of the WANs that are not listed: without any list by the file's order, else all in one last tier. */
static void complete(const struct wh_config *config, struct draft *draft)
{
	struct wh_conf_tier rest = {0};

	for (unsigned i = 0; i < config->n_wans; i++) {
		if (draft->listed & 1U << i || !config->wans[i].enabled)
			continue;
		add_member(&rest, i, config->wans[i].weight);
		if (!draft->order) {
			add_tier(&draft->class, &rest);
			rest.n_members = 0;
		}
	}
	if (draft->order && !draft->only)
		add_tier(&draft->class, &rest);
}

static void take_class(struct wh_config *config, struct draft *draft)
{
	snprintf(draft->class.name, sizeof(draft->class.name), "%s", default_name);
	complete(config, draft);
	config->classes[0] = draft->class;
	config->n_classes = 1;
}

void wh_conf_default_class(struct wh_config *config)
{
	take_class(config, &(struct draft){0});
}

static int read_class(struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	struct draft draft = {0};
	int err;

	if (strcmp(entry->key->text, default_name) != 0)
		return wh_conf_later(r, entry->key->at, entry->key->text);
	err = wh_conf_section(r, default_name, entry, class_keys, &draft);
	if (!err)
		take_class(r->config, &draft);
	return err;
}

int wh_conf_classes(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	(void)out;
	return wh_conf_named(r, key->name, value, read_class);
}
