/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tiers.c: which WANs a class uses, in which order: `prefer`, `balance`, `never`, and the places of those that are
 * named nowhere.  See class.h.
 */
#include "conf/class.h"

#include <string.h>

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
		    struct wh_conf_draft *draft, struct wh_conf_tier *tier)
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
static int read_weights(struct wh_conf_reader *r, const char *key, const struct wh_conf_node *map,
			struct wh_conf_draft *draft, struct wh_conf_tier *tier)
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

int wh_conf_prefer(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	struct wh_conf_draft *draft = out;

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

int wh_conf_balance(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	struct wh_conf_draft *draft = out;
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

int wh_conf_never(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	struct wh_conf_draft *draft = out;

	if (value->kind != WH_CONF_LIST || !value->first)
		return wh_conf_wrong(r, key->name, value, "a list of at least one WAN", "");
	for (const struct wh_conf_node *entry = value->first; entry; entry = entry->next) {
		unsigned wan = 0;
		int err;

		if (!wh_conf_is_word(entry))
			return wh_conf_wrong(r, key->name, entry, "a WAN", "");
		err = find_wan(r, key->name, entry, &wan);
		if (err)
			return err;
		if (draft->listed & 1U << wan)
			return wh_conf_refuse(&r->source, entry->at, "never: the WAN \"%s\" stands in %s, too",
					      entry->text, draft->order->key->text);
		if (draft->class.never & 1U << wan)
			return wh_conf_refuse(&r->source, entry->at, "never: the WAN \"%s\" is listed twice",
					      entry->text);
		draft->class.never |= (uint8_t)(1U << wan);
	}
	return 0;
}

/* With a list: the others by weight in one last tier, those alone that the class need not pay for. */
static void add_rest(const struct wh_config *config, struct wh_conf_draft *draft, unsigned usable)
{
	struct wh_conf_tier rest = {0};

	for (unsigned i = 0; i < config->n_wans; i++)
		if (usable & 1U << i && !config->wans[i].metered)
			add_member(&rest, i, config->wans[i].weight);
	add_tier(&draft->class, &rest);
}

/* Without one: a tier for each in the order of the file, the metered ones last. */
static void add_all(const struct wh_config *config, struct wh_conf_draft *draft, unsigned usable, bool metered)
{
	for (unsigned i = 0; i < config->n_wans; i++) {
		struct wh_conf_tier tier = {0};

		if (usable & 1U << i && config->wans[i].metered == metered)
			add_member(&tier, i, config->wans[i].weight);
		add_tier(&draft->class, &tier);
	}
}

void wh_conf_complete(const struct wh_config *config, struct wh_conf_draft *draft)
{
	unsigned usable = 0;

	for (unsigned i = 0; i < config->n_wans; i++)
		if (config->wans[i].enabled && !((draft->listed | draft->class.never) & 1U << i))
			usable |= 1U << i;
	if (!draft->order) {
		add_all(config, draft, usable, false);
		add_all(config, draft, usable, true);
	} else if (!draft->only) {
		add_rest(config, draft, usable);
	}
}
