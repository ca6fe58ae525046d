/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rules_prefix.c: the vectors of prefixes.  A trie answers with the longest prefix only, so each has the lines of
 * those that cover it, too: sorted, a prefix follows what covers it, and a stack holds these.
 *
 * IPv4 stands in the IPv6 trie under its mapped addresses, which no packet on a wire has.  An IPv6 prefix that covers
 * them is none of IPv4's: they begin anew at ::ffff:0:0/96.
 */
#include "model/rules_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/mapped.h"

#define MAPPED_BITS 96

/* One direction at work. */
struct direction {
	const struct wh_config *config;
	size_t span; /* offset of its struct wh_conf_span in a match line */
	struct wh_vector *any;
	struct wh_rule_prefix *out;
	size_t *n;
	uint16_t *entry_of; /* index of out[] by index of the pool; valid where used */
};

/* A prefix of the pool, to be sorted. */
struct sortable {
	struct wh_route_key key;
	uint16_t pool;
};

static const struct wh_conf_span *span_of(const struct direction *d, unsigned line)
{
	return (const struct wh_conf_span *)((const char *)&d->config->matches[line] + d->span);
}

static struct wh_route_key key_of(const struct wh_conf_prefix *prefix)
{
	bool v4 = prefix->addr.family == WH_V4;
	struct in6_addr addr = v4 ? wh_mapped(prefix->addr.v4) : prefix->addr.v6;
	struct wh_route_key key = {.prefix_len = prefix->len + (v4 ? MAPPED_BITS : 0)};

	memcpy(&key.addr_be, &addr, sizeof(key.addr_be));
	return key;
}

static bool is_in(const struct wh_route_key *inner, const struct wh_route_key *outer)
{
	const uint8_t *a = (const uint8_t *)&inner->addr_be, *b = (const uint8_t *)&outer->addr_be;
	unsigned bytes = outer->prefix_len / 8, bits = outer->prefix_len % 8;

	if (inner->prefix_len < outer->prefix_len || memcmp(a, b, bytes) != 0)
		return false;
	return !bits || !((a[bytes] ^ b[bytes]) >> (8 - bits));
}

static struct wh_route_key all_mapped(void)
{
	return key_of(&(struct wh_conf_prefix){.addr = {.family = WH_V4}});
}

int wh_rule_key_compare(const void *a, const void *b)
{
	const struct wh_route_key *x = a, *y = b;
	int order = memcmp(&x->addr_be, &y->addr_be, sizeof(x->addr_be));

	return order ? order : (x->prefix_len > y->prefix_len) - (x->prefix_len < y->prefix_len);
}

/* Those of the pool that this direction's lines ask for and a packet can be in. How many. */
static size_t collect(const struct direction *d, bool *used, struct sortable *out)
{
	const struct wh_route_key mapped = all_mapped();
	size_t n = 0;

	for (unsigned line = 0; line < d->config->n_matches; line++) {
		for (unsigned i = 0; i < span_of(d, line)->n; i++)
			used[span_of(d, line)->first + i] = true;
	}
	for (unsigned i = 0; i < d->config->n_prefixes; i++) {
		const struct wh_conf_prefix *prefix = &d->config->prefixes[i];
		struct wh_route_key key = key_of(prefix);

		used[i] &= prefix->addr.family == WH_V4 || !is_in(&key, &mapped);
		if (used[i])
			out[n++] = (struct sortable){key, (uint16_t)i};
	}
	qsort(out, n, sizeof(*out), wh_rule_key_compare);
	return n;
}

/* One entry for equal ones, and the mapped addresses' own where it is needed. */
static void enter(struct direction *d, const struct sortable *sorted, size_t n)
{
	const struct wh_route_key mapped = all_mapped();
	bool covered = false, entered = false;

	for (size_t i = 0; i <= n; i++) {
		const struct wh_route_key *key = i < n ? &sorted[i].key : NULL;

		if (covered && !entered && (!key || wh_rule_key_compare(key, &mapped) >= 0)) {
			d->out[(*d->n)++].key = mapped;
			entered = true;
		}
		if (!key)
			return;
		covered |= key->prefix_len < MAPPED_BITS && is_in(&mapped, key);
		if (!*d->n || wh_rule_key_compare(key, &d->out[*d->n - 1].key) != 0)
			d->out[(*d->n)++].key = *key;
		d->entry_of[sorted[i].pool] = (uint16_t)(*d->n - 1);
	}
}

static void set_own(struct direction *d, const bool *used)
{
	for (unsigned line = 0; line < d->config->n_matches; line++) {
		const struct wh_conf_span *span = span_of(d, line);

		if (!span->n)
			wh_vector_set(d->any, line);
		for (uint32_t i = span->first; i < span->first + span->n; i++) {
			if (used[i])
				wh_vector_set(&d->out[d->entry_of[i]].lines, line);
		}
	}
}

/* Each has the lines of the one that covers it next, which has all of those above. */
static void inherit(struct direction *d)
{
	const struct wh_route_key mapped = all_mapped();
	size_t covering[129], depth = 0; /* of one address there are so many prefixes at most */

	for (size_t i = 0; i < *d->n; i++) {
		struct wh_rule_prefix *prefix = &d->out[i];

		while (depth && !is_in(&prefix->key, &d->out[covering[depth - 1]].key))
			depth--;
		if (depth && wh_rule_key_compare(&prefix->key, &mapped) != 0)
			wh_vector_add(&prefix->lines, &d->out[covering[depth - 1]].lines);
		else
			wh_vector_add(&prefix->lines, d->any);
		covering[depth++] = i;
	}
}

static int compile_direction(struct direction *d)
{
	_cleanup_free_ struct sortable *sorted = calloc(WH_MAX_PREFIXES, sizeof(*sorted));
	_cleanup_free_ bool *used = calloc(WH_MAX_PREFIXES, sizeof(*used));
	_cleanup_free_ uint16_t *entry_of = calloc(WH_MAX_PREFIXES, sizeof(*entry_of));

	if (!sorted || !used || !entry_of)
		return -ENOMEM;
	d->entry_of = entry_of;
	enter(d, sorted, collect(d, used, sorted));
	set_own(d, used);
	inherit(d);
	d->entry_of = NULL;
	return 0;
}

int wh_rules_prefixes(const struct wh_config *config, struct wh_rule_set *out)
{
	struct direction from = {.config = config,
				 .span = offsetof(struct wh_conf_match, from),
				 .any = &out->rules.from_any,
				 .out = out->from,
				 .n = &out->n_from};
	struct direction to = {.config = config,
			       .span = offsetof(struct wh_conf_match, to),
			       .any = &out->rules.to_any,
			       .out = out->to,
			       .n = &out->n_to};
	int err = compile_direction(&from);

	return err ? err : compile_direction(&to);
}
