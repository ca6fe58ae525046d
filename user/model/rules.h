/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rules.h: from the configuration's match lines to the bit vectors that the data plane looks up (wanhelm/rules.h).
 * Pure and deterministic.  The daemon compiles at start and reload, kern/rule_tables.h stores; conf/ compiles too, so
 * that what does not fit is refused with the file.
 */
#ifndef WANHELM_MODEL_RULES_H
#define WANHELM_MODEL_RULES_H

#include <stddef.h>

#include "model/config.h"

/* Who has which number in the tables, by index in the configuration. */
struct wh_rule_numbers {
	uint8_t class_of[WH_MAX_CLASSES];
	uint8_t lan_of[WH_MAX_LANS];
	uint16_t vlan_of[WH_MAX_LANS]; /* the VLAN that the LAN device is of; 0: of none */
};

/* A prefix, with the lines that an address in it, and in no longer one, satisfies. */
struct wh_rule_prefix {
	struct wh_route_key key;
	struct wh_vector lines;
};

/* One more than people may name: where an IPv6 prefix covers the mapped addresses, these have an entry of their own. */
#define WH_RULE_PREFIXES (WH_MAX_PREFIXES + 1)

/* Megabytes: on the heap.  The prefixes are sorted, shorter ones before those that they cover. */
struct wh_rule_set {
	struct wh_rules rules; /* all but `slot` */
	struct wh_rule_prefix from[WH_RULE_PREFIXES];
	size_t n_from;
	struct wh_rule_prefix to[WH_RULE_PREFIXES];
	size_t n_to;
};

/*
 * 0; -E2BIG where marks or ports differ in more ways than there are vectors, or -ENOMEM: said in `error`, `out`
 * undefined.
 */
int wh_rules_compile(const struct wh_config *config, const struct wh_rule_numbers *numbers, struct wh_rule_set *out,
		     char *error, size_t error_len);

/* Order of the prefixes in a set: as memcmp() has addresses, then by length. For qsort() and bsearch() of keys. */
int wh_rule_key_compare(const void *a, const void *b);

/*
 * Add to `lines` those that ask for a name which covers `name` (lower case, no dot at its end).  Whether any did.
 * Of an address's names all lines together, and those of domain_any, are what wh_domains holds for it.
 */
bool wh_rules_add_name(const struct wh_config *config, const char *name, struct wh_vector *lines);

#endif
