/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rule_tables.h: match lines in force: what model/rules.h compiled goes into wh_rules, wh_prefixes and wh_domains
 * (wanhelm/rules.h).  The daemon stores at start and reload.
 */
#ifndef WANHELM_KERN_RULE_TABLES_H
#define WANHELM_KERN_RULE_TABLES_H

#include "kern/tables.h"
#include "model/rules.h"

/* An address (IPv4 mapped) that is known to have names, and the lines that it satisfies by them, domain_any's too. */
struct wh_rule_domain {
	struct wh_addr6 addr_be;
	struct wh_vector lines;
};

/*
 * Put a set in force, with what is known of names under it: prefixes and names into the slot that is not in force,
 * then the set itself by one store.  Then nothing that runs sees the old one any more, and the policy's generation in
 * wh_steer is counted up: flows that carry another were classed under other lines.
 *
 * A set that is in force already is not stored again, so that a restart classes nothing anew; what stands in its
 * wh_domains then stays.  *stored says which it was.  0, or -errno with the old set still in force.
 */
int wh_rule_tables_store(struct wh_tables *t, const struct wh_rule_set *set, const struct wh_rule_domain *domains,
			 size_t n_domains, bool *stored);

/* The map of wh_domains that is in force: a descriptor to close; -ENOENT: no set is; -errno. */
int wh_rule_tables_domains(const struct wh_tables *t);

#endif
