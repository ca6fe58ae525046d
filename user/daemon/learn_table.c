/* SPDX-License-Identifier: GPL-2.0 */
/*
 * learn_table.c: wh_domains, out of the memory of names: for each address that has a name which some match line asks
 * for, the lines that it satisfies.  learn.c feeds it, policy.c has it made anew with each set of lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "lib/log.h"

/* --- one address ------------------------------------------------------------------------------------------ */

struct lines {
	const struct wh_config *config;
	struct wh_vector vector;
	bool any;
};

static void add_name(void *arg, const char *name)
{
	struct lines *lines = arg;

	lines->any |= wh_rules_add_name(lines->config, name, &lines->vector);
}

/* Those that an address satisfies by all its names; whether any asks for one of them. */
static bool lines_of(const struct wh_daemon *d, const struct in6_addr *addr, const struct wh_vector *domain_any,
		     struct wh_vector *out)
{
	struct lines lines = {.config = &d->config, .vector = *domain_any};

	wh_names_of(d->learning.names, addr, add_name, &lines);
	*out = lines.vector;
	return lines.any;
}

static void store(struct wh_daemon *d, const struct in6_addr *addr, const struct wh_vector *lines)
{
	if (bpf_map_update_elem(d->learning.domains, addr, lines, BPF_ANY))
		d->learning.lost++;
}

static void store_anew(struct wh_daemon *d, const struct in6_addr *addr)
{
	struct wh_vector lines;

	if (lines_of(d, addr, &d->learning.domain_any, &lines))
		store(d, addr, &lines);
	else
		bpf_map_delete_elem(d->learning.domains, addr);
}

bool wh_learn_lines(const struct wh_daemon *d, const char *name, struct wh_vector *lines)
{
	return wh_rules_add_name(&d->config, name, lines);
}

/* An address may have thousands of names: those that it had are in what stands there. */
void wh_learn_add(struct wh_daemon *d, const struct in6_addr *addr, const struct wh_vector *more)
{
	struct wh_vector lines = d->learning.domain_any;
	bool there = !bpf_map_lookup_elem(d->learning.domains, addr, &lines);
	struct wh_vector before = lines;

	for (unsigned i = 0; i < WH_VECTOR_WORDS; i++)
		lines.word[i] |= more->word[i];
	if (!there || memcmp(&before, &lines, sizeof(lines)) != 0)
		store(d, addr, &lines);
}

void wh_learn_forgotten(void *arg, const struct in6_addr *addr, const char *name)
{
	struct wh_vector lines = {};
	struct wh_daemon *d = arg;

	if (d->learning.domains >= 0 && wh_learn_lines(d, name, &lines)) /* else it had no part in what stands there */
		store_anew(d, addr);
}

/* --- all of them ------------------------------------------------------------------------------------------ */

struct listing {
	const struct wh_daemon *d;
	const struct wh_vector *domain_any;
	struct wh_rule_domain *out;
	size_t n;
};

static void list_address(void *arg, const struct in6_addr *addr)
{
	struct listing *list = arg;
	struct wh_rule_domain *next = &list->out[list->n];

	if (!lines_of(list->d, addr, list->domain_any, &next->lines))
		return;
	memcpy(&next->addr_be, addr, sizeof(next->addr_be));
	list->n++;
}

struct wh_rule_domain *wh_learn_domains(const struct wh_daemon *d, const struct wh_rules *rules, size_t *n)
{
	size_t room = wh_names_counts(d->learning.names).addresses;
	struct listing list = {.d = d, .domain_any = &rules->domain_any, .out = calloc(room + 1, sizeof(*list.out))};

	if (list.out && rules->has_domains)
		wh_names_addresses(d->learning.names, list_address, &list);
	*n = list.n;
	return list.out;
}

static void store_each(void *arg, const struct in6_addr *addr)
{
	store_anew(arg, addr);
}

int wh_learn_settle(struct wh_daemon *d, const struct wh_rules *rules)
{
	struct wh_steer *all = &d->tables.steer_rows[WH_STEER_GLOBAL];
	int domains = wh_rule_tables_domains(&d->tables);
	bool first = d->learning.domains < 0;

	if (domains < 0)
		return domains;
	if (!first)
		close(d->learning.domains);
	d->learning.domains = domains;
	d->learning.domain_any = rules->domain_any;
	if (first && rules->has_domains) /* those that an earlier controller left may have stayed */
		wh_names_addresses(d->learning.names, store_each, d);
	all->learn_names = rules->has_domains;
	return 0;
}

/*
 * An earlier controller that ended in disorder knew more than it had written down.  Its clients do, too: what stands in
 * the table stays for the least time that a name has, and goes then, unless it was heard of again.
 */
void wh_learn_forget_strays(struct wh_daemon *d)
{
	struct in6_addr addr, *last = NULL, stray;
	struct wh_vector lines;
	bool found = false;

	while (!bpf_map_get_next_key(d->learning.domains, last, &addr)) {
		if (found)
			bpf_map_delete_elem(d->learning.domains, &stray);
		found = !lines_of(d, &addr, &d->learning.domain_any, &lines);
		stray = addr;
		last = &addr;
	}
	if (found)
		bpf_map_delete_elem(d->learning.domains, &stray);
}
