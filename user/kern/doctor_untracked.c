/* SPDX-License-Identifier: GPL-2.0 */
/*
 * doctor_untracked.c: see doctor_private.h.  Follows the first packet of a flow from a LAN to a WAN, untracked,
 * through a chain: rules of which it is known that they do not match are passed over, and what cannot be known (an
 * address, a port) may match.  So a chain is found only where no rule at all could accept.
 */
#include "kern/doctor_private.h"

#include <string.h>

/* Deeper jumps the kernel itself refuses. */
#define MAX_DEPTH 16

enum answer { NO, MAYBE, YES };
enum fate { GOES_ON, ACCEPTED, DROPPED };

struct walk {
	const struct wh_facts *facts;
	const json_t *nft;
	unsigned depth;
};

static bool is_untracked(const void *arg, const char *text)
{
	(void)arg;
	return strcmp(text, "untracked") == 0;
}

/* Whether a name in a rule may be the device that the packet comes in by, or leaves by as the kernel sees it. */
static bool may_be_in(const void *arg, const char *pattern)
{
	const struct wh_facts *facts = arg;

	for (unsigned i = 0; i < facts->n_devices; i++) {
		if (!facts->devices[i].wan && wh_nft_covers(pattern, facts->devices[i].name))
			return true;
	}
	return *pattern == '@';
}

static bool may_be_out(const void *arg, const char *pattern)
{
	const struct wh_facts *facts = arg;

	return wh_nft_covers(pattern, facts->default_device[WH_V4]) ||
	       wh_nft_covers(pattern, facts->default_device[WH_V6]) || *pattern == '@';
}

/* Whether what a match or map looks at can be one of `values`. */
static enum answer compare(const struct walk *w, const json_t *key, const json_t *values)
{
	if (wh_nft_is(key, "ct", "state"))
		return wh_nft_any(values, is_untracked, NULL) ? YES : NO;
	if (json_object_get(key, "ct"))
		return NO; /* there is no connection to ask */
	if (wh_nft_is(key, "meta", "iifname") || wh_nft_is(key, "meta", "iif"))
		return wh_nft_any(values, may_be_in, w->facts) ? MAYBE : NO;
	if (wh_nft_is(key, "meta", "oifname") || wh_nft_is(key, "meta", "oif"))
		return wh_nft_any(values, may_be_out, w->facts) ? MAYBE : NO;
	return MAYBE;
}

static enum answer match(const struct walk *w, const json_t *statement)
{
	const json_t *test = json_object_get(statement, "match");
	const json_t *left = json_object_get(test, "left");
	const char *op = json_string_value(json_object_get(test, "op"));
	const char *extension = json_string_value(json_object_get(json_object_get(statement, "xt"), "name"));
	enum answer answer;

	if (extension) /* of iptables: hardly anybody writes UNTRACKED there */
		return strcmp(extension, "conntrack") == 0 || strcmp(extension, "state") == 0 ? NO : MAYBE;
	if (json_object_get(statement, "limit") || json_object_get(statement, "quota"))
		return MAYBE;
	if (!test)
		return YES;
	answer = compare(w, left, json_object_get(test, "right"));
	if (!op || strcmp(op, "!=") != 0 || answer == MAYBE)
		return answer;
	if (json_object_get(left, "ct") && !wh_nft_is(left, "ct", "state"))
		return NO;
	return answer == YES ? NO : YES;
}

static enum fate walk_chain(struct walk *w, const json_t *chain);

static enum fate fate_of_verdict(struct walk *w, const json_t *chain, const json_t *verdict)
{
	const char *target = wh_nft_target(verdict);
	enum fate fate;

	if (json_object_get(verdict, "accept"))
		return ACCEPTED;
	if (json_object_get(verdict, "drop") || json_object_get(verdict, "reject"))
		return DROPPED;
	/* what a userspace program or another chain that cannot be seen decides may well be to accept */
	if (json_object_get(verdict, "queue"))
		return ACCEPTED;
	if (!target || w->depth == MAX_DEPTH)
		return GOES_ON;
	w->depth++;
	fate = walk_chain(w, wh_nft_chain(w->nft, chain, target));
	w->depth--;
	return fate;
}

/* Any element of the map that may be meant and leads to acceptance. */
static enum fate fate_of_map(struct walk *w, const json_t *chain, const json_t *map)
{
	const json_t *key = json_object_get(map, "key");
	const json_t *element;
	size_t i;

	if (json_is_string(json_object_get(map, "data")))
		return ACCEPTED; /* a map by name: not followed */
	json_array_foreach(json_object_get(json_object_get(map, "data"), "set"), i, element) {
		enum answer answer = compare(w, key, json_array_get(element, 0));
		enum fate fate = GOES_ON;

		if (answer != NO)
			fate = fate_of_verdict(w, chain, json_array_get(element, 1));
		if (fate == ACCEPTED || (fate == DROPPED && answer == YES))
			return fate;
	}
	return GOES_ON;
}

static enum fate walk_rule(struct walk *w, const json_t *chain, const json_t *rule)
{
	enum answer matches = YES;
	const json_t *statement;
	size_t i;

	json_array_foreach(rule, i, statement) {
		const json_t *map = json_object_get(statement, "vmap");
		enum answer answer = match(w, statement);
		enum fate fate;

		if (answer == NO)
			return GOES_ON;
		if (answer == MAYBE)
			matches = MAYBE;
		fate = map ? fate_of_map(w, chain, map) : fate_of_verdict(w, chain, statement);
		if (fate == ACCEPTED || (fate == DROPPED && matches == YES))
			return fate;
	}
	return GOES_ON;
}

static enum fate walk_chain(struct walk *w, const json_t *chain)
{
	const json_t *rule;
	size_t i;

	json_array_foreach(json_object_get(chain, "rules"), i, rule) {
		enum fate fate = walk_rule(w, chain, rule);

		if (fate != GOES_ON)
			return fate;
		if (wh_nft_has(rule, "return") && json_array_size(rule) == 1)
			break;
	}
	return GOES_ON;
}

void wh_doctor_untracked(struct wh_doctor *d)
{
	struct walk w = {.facts = d->facts, .nft = d->nft};
	const json_t *chain;
	size_t i;

	if (d->facts->config->firewall != WH_CONF_FIREWALL_UNTRACKED)
		return;
	json_array_foreach(d->nft, i, chain) {
		const char *hook = json_string_value(json_object_get(chain, "hook"));
		const char *policy = json_string_value(json_object_get(chain, "policy"));
		enum fate fate;

		if (!hook || strcmp(hook, "forward") != 0)
			continue;
		fate = walk_chain(&w, chain);
		if (fate == ACCEPTED || (fate == GOES_ON && (!policy || strcmp(policy, "drop") != 0)))
			continue;
		wh_doctor_found(
			d, WH_PROBLEM,
			json_sprintf("%s accepts no flow that is not tracked, and with firewall: untracked no new "
				     "flow is",
				     wh_nft_name(chain)),
			json_sprintf("write firewall: kernel, or let the rules accept ct state new,untracked"));
	}
}
