/* SPDX-License-Identifier: GPL-2.0 */
/* rule_tables.c: see rule_tables.h. */
#include "kern/rule_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "lib/cleanup.h"

/* What a compiled set leaves open stands first. */
#define AFTER_SLOT sizeof(((struct wh_rules *)0)->slot)

/* --- what is in force --------------------------------------------------------------------------------------- */

/* The map that stands at `index` of a map of maps: a descriptor, -ENOENT, -errno. */
static int open_inner(int outer, __u32 index)
{
	__u32 id;
	int fd;

	if (bpf_map_lookup_elem(outer, &index, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

/* -ENOENT where there is none yet. */
static int read_rules(const struct wh_tables *t, struct wh_rules *out)
{
	_cleanup_close_ int fd = open_inner(t->rules, 0);
	__u32 zero = 0;

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, &zero, out) ? -errno : 0;
}

/* Whether the map holds these prefixes with these vectors, and no others. */
static bool same_prefixes(int outer, __u32 index, const struct wh_rule_prefix *prefixes, size_t n)
{
	_cleanup_close_ int fd = open_inner(outer, index);
	struct wh_route_key key, *last = NULL;
	size_t there = 0;

	if (fd < 0)
		return false;
	for (; there <= n && !bpf_map_get_next_key(fd, last, &key); there++) {
		const struct wh_rule_prefix *want = bsearch(&key, prefixes, n, sizeof(*prefixes), wh_rule_key_compare);
		struct wh_vector lines;

		if (!want || bpf_map_lookup_elem(fd, &key, &lines) || memcmp(&lines, &want->lines, sizeof(lines)) != 0)
			return false;
		last = &key;
	}
	return there == n;
}

static bool in_force(const struct wh_tables *t, const struct wh_rules *old, const struct wh_rule_set *set)
{
	return !memcmp((const char *)old + AFTER_SLOT, (const char *)&set->rules + AFTER_SLOT,
		       sizeof(*old) - AFTER_SLOT) &&
	       same_prefixes(t->prefixes, WH_PREFIXES_FROM(old->slot), set->from, set->n_from) &&
	       same_prefixes(t->prefixes, WH_PREFIXES_TO(old->slot), set->to, set->n_to);
}

int wh_rule_tables_domains(const struct wh_tables *t)
{
	_cleanup_free_ struct wh_rules *rules = malloc(sizeof(*rules));
	int err;

	if (!rules)
		return -ENOMEM;
	err = read_rules(t, rules);
	return err ? err : open_inner(t->domains, rules->slot);
}

/* --- storing ------------------------------------------------------------------------------------------------ */

/* Of the same parameters as the templates in bpf/maps.h: the kernel takes no others. */
static int store_prefixes(int outer, __u32 index, const struct wh_rule_prefix *prefixes, size_t n)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "wh_prefix_set", sizeof(struct wh_route_key),
						sizeof(struct wh_vector), WH_RULE_PREFIXES, &options);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		if (bpf_map_update_elem(fd, &prefixes[i].key, &prefixes[i].lines, BPF_ANY))
			return -errno;
	}
	return bpf_map_update_elem(outer, &index, &fd, BPF_ANY) ? -errno : 0;
}

static int store_domains(int outer, __u32 index, const struct wh_rule_domain *domains, size_t n)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "wh_domain_set", sizeof(struct wh_addr6),
						sizeof(struct wh_vector), WH_DOMAIN_ADDRESSES, &options);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		if (bpf_map_update_elem(fd, &domains[i].addr_be, &domains[i].lines, BPF_ANY))
			return -errno;
	}
	return bpf_map_update_elem(outer, &index, &fd, BPF_ANY) ? -errno : 0;
}

static int store_rules(int outer, const struct wh_rules *rules)
{
	_cleanup_close_ int fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "wh_rule_set", sizeof(__u32), sizeof(struct wh_rules), 1, NULL);
	__u32 zero = 0;

	if (fd < 0 || bpf_map_update_elem(fd, &zero, rules, BPF_ANY))
		return -errno;
	/* The kernel comes back when no program looks at the old set any more. */
	return bpf_map_update_elem(outer, &zero, &fd, BPF_ANY) ? -errno : 0;
}

/* A whole set into the slot; nobody looks there until the set itself stands in wh_rules. */
static int store_set(const struct wh_tables *t, const struct wh_rules *rules, const struct wh_rule_set *set,
		     const struct wh_rule_domain *domains, size_t n_domains)
{
	int err = store_prefixes(t->prefixes, WH_PREFIXES_FROM(rules->slot), set->from, set->n_from);

	if (!err)
		err = store_prefixes(t->prefixes, WH_PREFIXES_TO(rules->slot), set->to, set->n_to);
	if (!err)
		err = store_domains(t->domains, rules->slot, domains, n_domains);
	return err ? err : store_rules(t->rules, rules);
}

int wh_rule_tables_store(struct wh_tables *t, const struct wh_rule_set *set, const struct wh_rule_domain *domains,
			 size_t n_domains, bool *stored)
{
	_cleanup_free_ struct wh_rules *rules = malloc(sizeof(*rules));
	int err;

	if (!rules)
		return -ENOMEM;
	*stored = false;
	err = read_rules(t, rules);
	if (err && err != -ENOENT)
		return err;
	if (!err && in_force(t, rules, set))
		return 0;
	rules->slot = err ? 0 : (rules->slot + 1) % WH_RULE_SLOTS;
	memcpy((char *)rules + AFTER_SLOT, (const char *)&set->rules + AFTER_SLOT, sizeof(*rules) - AFTER_SLOT);
	err = store_set(t, rules, set, domains, n_domains);
	if (err)
		return err;
	__atomic_add_fetch(&t->steer_rows[WH_STEER_GLOBAL].policy, 1, __ATOMIC_RELEASE);
	*stored = true;
	return 0;
}
