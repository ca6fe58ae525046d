/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lists.c: lists of prefixes and of ports, and `sets`, which gives such lists names: where a list may stand, $NAME
 * stands for all of a set's entries.  They go to the configuration's pools; lines that name one set alone share its
 * part.  Declared in keys.h and sections.h.
 */
#include "conf/sections.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>

#define A_PREFIX "an address, a prefix as in 10.0.5.0/24, or a set as in $guests"
#define A_PORT "a port from 1 to 65535, a range as in 5060-5061, or a set as in $web"

static const struct wh_conf_set *find_set(const struct wh_conf_reader *r, const char *name)
{
	for (unsigned i = 0; i < r->n_sets; i++)
		if (!strcmp(r->sets[i].name, name))
			return &r->sets[i];
	return NULL;
}

/* The names of all sets, ended by NULL. */
static void list_sets(const struct wh_conf_reader *r, const char *names[WH_CONF_MAX_SETS + 1])
{
	for (unsigned i = 0; i < r->n_sets; i++)
		names[i] = r->sets[i].name;
	names[r->n_sets] = NULL;
}

static bool names_set(const struct wh_conf_node *value)
{
	return wh_conf_is_word(value) && value->text[0] == '$';
}

/* A set's name without its "$" is no good entry of any kind. */
static void hint_set(const struct wh_conf_reader *r, const struct wh_conf_node *value, char out[WH_CONF_HINT_LEN])
{
	out[0] = '\0';
	if (find_set(r, value->text))
		snprintf(out, WH_CONF_HINT_LEN, "; did you mean \"$%s\"?", value->text);
}

/* What "$NAME" stands for. */
static int take_set(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    bool ports, struct wh_conf_span *out)
{
	const struct wh_conf_set *set = find_set(r, value->text + 1);
	const char *names[WH_CONF_MAX_SETS + 1];

	if (!set) {
		list_sets(r, names);
		return wh_conf_refuse(&r->source, value->at, "%s: there is no set \"%s\"%s", key->name,
				      WH_CONF_SHOW(value->text + 1), WH_CONF_HINT(value->text + 1, names));
	}
	if (set->ports != ports)
		return wh_conf_refuse(&r->source, value->at, "%s: the set \"%s\" is one of %s, not of %s", key->name,
				      set->name, set->ports ? "ports" : "prefixes", ports ? "ports" : "prefixes");
	*out = set->span;
	return 0;
}

/* Where entries of a kind are kept. */
struct pool {
	char *entries;
	size_t entry_size;
	unsigned *n;
	unsigned most;
	const char *what;
};

static struct pool pool_of(struct wh_config *config, bool ports)
{
	if (ports)
		return (struct pool){(char *)config->port_ranges, sizeof(config->port_ranges[0]),
				     &config->n_port_ranges, WH_MAX_PORT_RANGES, "ports and ranges of ports"};
	return (struct pool){(char *)config->prefixes, sizeof(config->prefixes[0]), &config->n_prefixes,
			     WH_MAX_PREFIXES, "prefixes"};
}

static int add(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
	       const struct pool *pool, const void *entries, unsigned n)
{
	if (n > pool->most - *pool->n)
		return wh_conf_refuse(&r->source, value->at, "%s: more than %u %s in all sets and matches", key->name,
				      pool->most, pool->what);
	memcpy(pool->entries + *pool->n * pool->entry_size, entries, n * pool->entry_size);
	*pool->n += n;
	return 0;
}

/* "N" or "FIRST-LAST" */
static bool parse_ports(const char *text, struct wh_conf_port_range *out)
{
	const char *dash = strchr(text, '-');
	uint64_t first, last;
	char start[8] = "";

	if (dash && (size_t)(dash - text) >= sizeof(start))
		return false;
	if (dash)
		memcpy(start, text, (size_t)(dash - text));
	if (wh_parse_number(dash ? start : text, 1, 65535, &first))
		return false;
	last = first;
	if (dash && wh_parse_number(dash + 1, first, 65535, &last))
		return false;
	*out = (struct wh_conf_port_range){(uint16_t)first, (uint16_t)last};
	return true;
}

static int read_entry(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		      void *out)
{
	const bool ports = *(const bool *)out;
	const struct pool pool = pool_of(r->config, ports);
	struct wh_conf_port_range range;
	struct wh_conf_prefix prefix;
	struct wh_conf_span set = {0};
	char hint[WH_CONF_HINT_LEN];
	int err;

	if (names_set(value)) {
		err = take_set(r, key, value, ports, &set);
		return err ? err : add(r, key, value, &pool, pool.entries + set.first * pool.entry_size, set.n);
	}
	hint_set(r, value, hint);
	if (!ports) {
		err = wh_conf_prefix(r, key, value, A_PREFIX, hint, &prefix);
		return err ? err : add(r, key, value, &pool, &prefix, 1);
	}
	if (!wh_conf_is_word(value) || !parse_ports(value->text, &range))
		return wh_conf_wrong(r, key->name, value, A_PORT, hint);
	return add(r, key, value, &pool, &range, 1);
}

static int read_list(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     bool ports, struct wh_conf_span *out)
{
	const struct pool pool = pool_of(r->config, ports);
	const unsigned first = *pool.n;
	int err;

	if (value->kind == WH_CONF_LIST && value->n_entries == 1)
		value = value->first;
	if (names_set(value))
		return take_set(r, key, value, ports, out);
	err = wh_conf_each(r, key, value, read_entry, &ports);
	if (!err)
		*out = (struct wh_conf_span){first, *pool.n - first};
	return err;
}

int wh_conf_prefixes(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     void *out)
{
	return read_list(r, key, value, false, out);
}

int wh_conf_port_ranges(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			void *out)
{
	return read_list(r, key, value, true, out);
}

/* Whether a set is one of ports: its first entry tells. */
static bool is_of_ports(const struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	const struct wh_conf_set *set = names_set(entry) ? find_set(r, entry->text + 1) : NULL;

	if (set)
		return set->ports;
	return wh_conf_is_word(entry) && entry->text[strspn(entry->text, "0123456789-")] == '\0';
}

static int read_set(struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	const struct wh_conf_key key = {.name = entry->key->text};
	struct wh_conf_set *set = &r->sets[r->n_sets];
	int err;

	if (r->n_sets == WH_CONF_MAX_SETS)
		return wh_conf_refuse(&r->source, entry->key->at, "sets: more than %d", WH_CONF_MAX_SETS);
	if (entry->kind != WH_CONF_LIST || !entry->first)
		return wh_conf_wrong(r, key.name, entry, "a list of prefixes or of ports", "");
	*set = (struct wh_conf_set){.ports = is_of_ports(r, entry->first)};
	snprintf(set->name, sizeof(set->name), "%s", key.name);
	err = read_list(r, &key, entry, set->ports, &set->span);
	if (!err)
		r->n_sets++;
	return err;
}

int wh_conf_sets(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	(void)out;
	return wh_conf_named(r, key->name, value, read_set);
}
