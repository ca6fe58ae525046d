/* SPDX-License-Identifier: GPL-2.0 */
/*
 * keys.c: reads a section by its table, and the entries of sections whose keys are the user's names.  The
 * readers of single values stand in values.c.
 */
#include "conf/keys.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Longest table and "include"; a longer one only loses suggestions. */
#define MAX_KEYS 48

int wh_conf_later(struct wh_conf_reader *r, struct wh_conf_place at, const char *what)
{
	return wh_conf_refuse(&r->source, at, "%s: not built yet", what);
}

bool wh_conf_is_word(const struct wh_conf_node *value)
{
	return value->kind == WH_CONF_WORD && !value->nothing;
}

/* What stands there, where it is not a word with content. */
static const char *name_shape(const struct wh_conf_node *value)
{
	switch (value->kind) {
	case WH_CONF_LIST:
		return value->first ? "a list" : "an empty list";
	case WH_CONF_MAP:
		return value->first ? "a map" : "an empty map";
	default:
		return "nothing";
	}
}

int wh_conf_wrong(struct wh_conf_reader *r, const char *key, const struct wh_conf_node *value, const char *expected,
		  const char *hint)
{
	if (wh_conf_is_word(value))
		return wh_conf_refuse(&r->source, value->at, "%s: must be %s, not \"%s\"%s", key, expected,
				      WH_CONF_SHOW(value->text), hint);
	return wh_conf_refuse(&r->source, value->at, "%s: must be %s, not %s", key, expected, name_shape(value));
}

static int refuse_unknown(struct wh_conf_reader *r, const struct wh_conf_node *name, const struct wh_conf_key *keys)
{
	const char *words[MAX_KEYS + 1] = {"include"}; /* of every section, see include.c */

	for (size_t i = 1; keys->name && i < MAX_KEYS; i++, keys++)
		words[i] = keys->name;
	return wh_conf_refuse(&r->source, name->at, "unknown key \"%s\"%s", WH_CONF_SHOW(name->text),
			      WH_CONF_HINT(name->text, words));
}

static int check_key(struct wh_conf_reader *r, const struct wh_conf_node *name, const struct wh_conf_key *keys)
{
	const struct wh_conf_key *key = keys;

	while (key->name && strcmp(key->name, name->text) != 0)
		key++;
	if (!key->name)
		return refuse_unknown(r, name, keys);
	return key->read ? 0 : wh_conf_later(r, name->at, key->name);
}

/* A section with nothing in it, all its lines commented out perhaps, says nothing: that is no mistake. */
static int check_map(struct wh_conf_reader *r, const char *name, const struct wh_conf_node *map)
{
	return map->kind == WH_CONF_MAP || map->nothing ? 0
							: wh_conf_wrong(r, name, map, "a map of keys and values", "");
}

int wh_conf_section(struct wh_conf_reader *r, const char *name, const struct wh_conf_node *map,
		    const struct wh_conf_key *keys, void *base)
{
	int err = check_map(r, name, map);

	for (const struct wh_conf_node *entry = map->first; entry && !err; entry = entry->next)
		err = check_key(r, entry->key, keys);
	for (const struct wh_conf_key *key = keys; key->name && !err; key++) {
		const struct wh_conf_node *value = wh_conf_find(map, key->name);

		if (value)
			err = key->read(r, key, value, (char *)base + key->offset);
	}
	return err;
}

/* Names stand in commands, in messages and in maps: words without surprises. */
static int check_name(struct wh_conf_reader *r, const struct wh_conf_node *name)
{
	size_t len = strlen(name->text);
	bool good = isalnum((unsigned char)name->text[0]) && len < WH_NAME_LEN;

	for (size_t i = 0; i < len && good; i++)
		good = isalnum((unsigned char)name->text[i]) || strchr("_.-", name->text[i]);
	if (good)
		return 0;
	return wh_conf_refuse(
		&r->source, name->at,
		"\"%s\" is no name: up to %d letters, digits, \"-\", \"_\" and \".\", a letter or digit first",
		WH_CONF_SHOW(name->text), WH_NAME_LEN - 1);
}

int wh_conf_each(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		 wh_conf_read_fn *read, void *out)
{
	int err = 0;

	if (value->kind != WH_CONF_LIST || !value->first)
		return read(r, key, value, out);
	for (const struct wh_conf_node *entry = value->first; entry && !err; entry = entry->next)
		err = read(r, key, entry, out);
	return err;
}

int wh_conf_named(struct wh_conf_reader *r, const char *section, const struct wh_conf_node *map, wh_conf_named_fn *read)
{
	int err = check_map(r, section, map);

	for (const struct wh_conf_node *entry = map->first; entry && !err; entry = entry->next) {
		err = check_name(r, entry->key);
		if (!err)
			err = read(r, entry);
	}
	return err;
}
