/* SPDX-License-Identifier: GPL-2.0 */
/*
 * doctor_nft.c: see doctor_private.h.  Finding things in what `nft -j list ruleset` prints.  Whatever does not look
 * as expected is passed over: other versions may say more than is known here.
 */
#include "kern/doctor_private.h"

#include <string.h>

#include "kern/boot.h"
#include "kern/firewall.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

/* Not our own tables. */
static bool is_looked_at(const json_t *item)
{
	static const char *const families[] = {"ip", "ip6", "inet", NULL};
	static const char *const ours[] = {WH_FIREWALL_TABLE, WH_BOOT_TABLE, NULL};

	return is_one_of(text_of(item, "family"), families) &&
	       (!is_one_of(text_of(item, "table"), ours) || strcmp(text_of(item, "family"), "inet") != 0);
}

/* The paths that a base chain's own hook puts it on. */
static int path_of(const json_t *chain)
{
	static const struct {
		const char *hook;
		int path;
	} hooks[] = {
		{"prerouting", WH_PATH_PREROUTING}, {"forward", WH_PATH_FORWARD}, {"postrouting", WH_PATH_POSTROUTING}};

	if (strcmp(text_of(chain, "type"), "nat") == 0)
		return WH_PATH_NAT;
	for (unsigned i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		if (strcmp(text_of(chain, "hook"), hooks[i].hook) == 0)
			return hooks[i].path;
	}
	return 0;
}

json_t *wh_nft_chain(const json_t *nft, const json_t *from, const char *name)
{
	json_t *chain;
	size_t i;

	json_array_foreach(nft, i, chain) {
		if (strcmp(text_of(chain, "name"), name) == 0 &&
		    strcmp(text_of(chain, "table"), text_of(from, "table")) == 0 &&
		    strcmp(text_of(chain, "family"), text_of(from, "family")) == 0)
			return chain;
	}
	return NULL;
}

const char *wh_nft_target(const json_t *statement)
{
	const json_t *jump = json_object_get(statement, "jump");

	if (!jump)
		jump = json_object_get(statement, "goto");
	return json_string_value(json_object_get(jump, "target"));
}

/* Put a chain that can be reached on `path` on it; whether that is new to it. */
static bool put_on_path(json_t *chain, json_int_t path)
{
	json_int_t known = json_integer_value(json_object_get(chain, "path"));

	if ((known | path) == known)
		return false;
	json_object_set_new(chain, "path", json_integer(known | path));
	return true;
}

/* Follow every jump in a part of a rule, also those that stand in maps. */
static bool follow(const json_t *nft, const json_t *from, const json_t *part, json_int_t path)
{
	const char *target = wh_nft_target(part);
	bool changed = false;
	json_t *chain, *value;
	const char *key;
	size_t i;

	if (target) {
		chain = wh_nft_chain(nft, from, target);
		return chain && put_on_path(chain, path);
	}
	json_array_foreach(part, i, value)
		changed |= follow(nft, from, value, path);
	if (json_is_object(part)) {
		json_object_foreach((json_t *)part, key, value)
			changed |= follow(nft, from, value, path);
	}
	return changed;
}

static void follow_jumps(const json_t *nft)
{
	bool changed = true;

	while (changed) {
		json_t *chain;
		size_t i;

		changed = false;
		json_array_foreach(nft, i, chain) {
			json_int_t path = json_integer_value(json_object_get(chain, "path"));

			changed |= path && follow(nft, chain, json_object_get(chain, "rules"), path);
		}
	}
}

json_t *wh_nft_prepare(const json_t *ruleset)
{
	json_t *nft = json_array();
	json_t *item, *chain;
	size_t i;

	json_array_foreach(ruleset, i, item) {
		chain = json_object_get(item, "chain");
		if (!chain || !is_looked_at(chain))
			continue;
		chain = json_copy(chain);
		json_object_set_new(chain, "rules", json_array());
		json_object_set_new(chain, "path", json_integer(path_of(chain)));
		json_array_append_new(nft, chain);
	}
	json_array_foreach(ruleset, i, item) {
		const json_t *rule = json_object_get(item, "rule");

		chain = rule ? wh_nft_chain(nft, rule, text_of(rule, "chain")) : NULL;
		if (chain && json_is_array(json_object_get(rule, "expr")))
			json_array_append(json_object_get(chain, "rules"), json_object_get(rule, "expr"));
	}
	follow_jumps(nft);
	return nft;
}

const char *wh_nft_name(const json_t *chain)
{
	static char name[WH_FACT_NAMES];

	snprintf(name, sizeof(name), "%s %s %s", text_of(chain, "family"), text_of(chain, "table"),
		 text_of(chain, "name"));
	return name;
}

bool wh_nft_is(const json_t *expression, const char *kind, const char *key)
{
	return strcmp(text_of(json_object_get(expression, kind), "key"), key) == 0;
}

bool wh_nft_any(const json_t *right, bool (*is)(const void *arg, const char *text), const void *arg)
{
	const json_t *inside = json_object_get(right, "set");
	const json_t *value;
	size_t i;

	if (!inside)
		inside = json_object_get(right, "|");
	if (inside)
		return wh_nft_any(inside, is, arg);
	json_array_foreach(right, i, value) {
		if (wh_nft_any(value, is, arg))
			return true;
	}
	return json_is_string(right) && is(arg, json_string_value(right));
}

bool wh_nft_covers(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return strncmp(pattern, name, len - 1) == 0;
	return strcmp(pattern, name) == 0;
}

bool wh_nft_has(const json_t *rule, const char *kind)
{
	const json_t *statement;
	size_t i;

	json_array_foreach(rule, i, statement) {
		if (json_object_get(statement, kind))
			return true;
	}
	return false;
}

bool wh_nft_has_xt(const json_t *rule, const char *name)
{
	const json_t *statement;
	size_t i;

	json_array_foreach(rule, i, statement) {
		if (strcmp(text_of(json_object_get(statement, "xt"), "name"), name) == 0)
			return true;
	}
	return false;
}
