/* SPDX-License-Identifier: GPL-2.0 */
/*
 * policy.c: classes, their lanes, bucket tables and match lines, from configuration to maps.  Written at start and reload
 * only (match lines that name VLANs also when a device becomes one); what says the same as what is in force is not
 * written again.
 *
 * A packet is classed by lines that are in force, so that what they lead to is there before them and goes after them:
 * rows and buckets, masks, lines, and last the rows of classes that are no more.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "kern/qdisc.h"
#include "kern/rule_tables.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "model/buckets.h"
#include "model/lanes.h"

/* --- numbers ------------------------------------------------------------------------------------------------ */

/* What has no rules yet is of class 0. */
#define DEFAULT_NUMBER 0

static int known_number(const struct wh_class rows[WH_MAX_CLASSES], const char *name)
{
	for (unsigned number = 0; number < WH_MAX_CLASSES; number++) {
		if (!strncmp(rows[number].name, name, sizeof(rows[number].name)))
			return (int)number;
	}
	return -1;
}

/* A number that nobody has: one that is empty in the tables before one whose last class may still have flows. */
static unsigned free_number(const struct wh_class rows[WH_MAX_CLASSES], uint64_t taken)
{
	for (unsigned number = 0; number < WH_MAX_CLASSES; number++) {
		if (!(taken >> number & 1) && !rows[number].name[0])
			return number;
	}
	return (unsigned)__builtin_ctzll(~taken);
}

void wh_policy_number(const struct wh_daemon *d, const struct wh_config *config, uint8_t class_number[WH_MAX_CLASSES])
{
	struct wh_class rows[WH_MAX_CLASSES] = {};
	uint64_t taken = 1ULL << DEFAULT_NUMBER;
	unsigned last = config->n_classes - 1; /* `default` */

	for (unsigned number = 0; number < WH_MAX_CLASSES; number++)
		wh_tables_class(&d->tables, number, &rows[number]);
	class_number[last] = DEFAULT_NUMBER;
	for (unsigned i = 0; i < last; i++) {
		int known = known_number(rows, config->classes[i].name);

		class_number[i] = known > DEFAULT_NUMBER ? (uint8_t)known : DEFAULT_NUMBER;
		taken |= 1ULL << class_number[i];
	}
	for (unsigned i = 0; i < last; i++) {
		if (class_number[i] != DEFAULT_NUMBER)
			continue;
		class_number[i] = (uint8_t)free_number(rows, taken);
		taken |= 1ULL << class_number[i];
	}
}

/* --- classes ------------------------------------------------------------------------------------------------ */

/* *changed: some row says something else than before. */
static int store_classes(struct wh_daemon *d, bool *changed)
{
	struct wh_class there;

	for (unsigned i = 0; i < d->config.n_classes; i++) {
		const struct wh_conf_class *class = &d->config.classes[i];
		struct wh_class row = {.affinity = (__u8) class->affinity,
				       .on_failover = (__u8) class->on_failover,
				       .on_none = (__u8) class->on_none,
				       .action = (__u8) class->action,
				       .allowed = wh_conf_class_wans(class, d->number_of)};
		__u32 number = d->class_number[i];

		memcpy(row.name, class->name, sizeof(row.name));
		if (!wh_tables_class(&d->tables, number, &there) && !memcmp(&there, &row, sizeof(row)))
			continue;
		if (bpf_map_update_elem(d->tables.classes, &number, &row, BPF_ANY))
			return -errno;
		*changed = true;
	}
	return 0;
}

/* --- lanes -------------------------------------------------------------------------------------------------- */

/* What a packet finds there meanwhile is the one or the other; an account that is under way goes on. */
static int store_lane(struct wh_daemon *d, __u32 row, struct wh_lane *lane)
{
	struct wh_lane there;

	if (!bpf_map_lookup_elem(d->tables.lanes, &row, &there)) {
		lane->up.paid_ns = there.up.paid_ns;
		lane->down.paid_ns = there.down.paid_ns;
	}
	return bpf_map_update_elem(d->tables.lanes, &row, lane, BPF_ANY) ? -errno : 0;
}

static int store_lanes(struct wh_daemon *d)
{
	struct wh_lane lane;
	int err = 0;

	for (unsigned class = 0; class < d->config.n_classes; class += 1) {
		for (unsigned wan = 0; wan < d->config.n_wans && !err; wan++) {
			unsigned number = d->number_of[wan];

			wh_lane_fill(&d->config, class, wan, d->wan_is_paced[number], &lane);
			err = store_lane(d, d->class_number[class] * WH_MAX_WANS + number, &lane);
		}
	}
	return err;
}

void wh_policy_pace(struct wh_daemon *d)
{
	unsigned ifindex[WH_MAX_WANS];
	bool paced[WH_MAX_WANS];

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		ifindex[wan] = d->wans[wan].ifindex;
	wh_qdisc_paces(ifindex, paced);
	if (!memcmp(paced, d->wan_is_paced, sizeof(paced)))
		return;
	memcpy(d->wan_is_paced, paced, sizeof(paced));
	if (store_lanes(d))
		wh_error("wh_lanes: %s", strerror(errno));
}

static void forget_classes(struct wh_daemon *d)
{
	static const struct wh_class none;
	struct wh_class row;

	for (__u32 number = 0; number < WH_MAX_CLASSES; number++) {
		if (d->class_conf_of[number] >= 0 || wh_tables_class(&d->tables, number, &row) || !row.name[0])
			continue;
		wh_flip_forget(d, number);
		if (bpf_map_update_elem(d->tables.classes, &number, &none, BPF_ANY))
			wh_error("wh_classes: %s", strerror(errno));
	}
}

/* --- buckets ------------------------------------------------------------------------------------------------ */

static bool in_force(struct wh_daemon *d, const struct wh_bucket_table tables[WH_MAX_CLASSES])
{
	struct wh_bucket_table there;

	for (unsigned i = 0; i < d->config.n_classes; i++) {
		unsigned number = d->class_number[i];

		if (wh_tables_buckets(&d->tables, number, &there) ||
		    memcmp(&there, &tables[number], sizeof(there)) != 0)
			return false;
	}
	return true;
}

/* A whole new set, put in the place of the old one by one store: no packet sees half of each. */
static int store_set(struct wh_daemon *d, const struct wh_bucket_table tables[WH_MAX_CLASSES])
{
	_cleanup_close_ int set = bpf_map_create(BPF_MAP_TYPE_ARRAY, "wh_bucket_set", sizeof(__u32),
						 sizeof(struct wh_bucket_table), WH_MAX_CLASSES, NULL);
	__u32 zero = 0;

	if (set < 0)
		return -errno;
	for (__u32 number = 0; number < WH_MAX_CLASSES; number++) {
		if (bpf_map_update_elem(set, &number, &tables[number], BPF_ANY))
			return -errno;
	}
	return bpf_map_update_elem(d->tables.buckets, &zero, &set, BPF_ANY) ? -errno : 0;
}

static int store_buckets(struct wh_daemon *d)
{
	_cleanup_free_ struct wh_bucket_table *tables = calloc(WH_MAX_CLASSES, sizeof(*tables));
	struct wh_class row;

	if (!tables)
		return -ENOMEM;
	for (unsigned i = 0; i < d->config.n_classes; i++)
		wh_buckets_fill(&d->config.classes[i], d->number_of, &tables[d->class_number[i]]);
	if (in_force(d, tables))
		return 0;
	/* A class that goes has new flows for as long as its lines are in force. */
	for (unsigned number = 0; number < WH_MAX_CLASSES; number++) {
		if (d->class_conf_of[number] < 0 && !wh_tables_class(&d->tables, number, &row) && row.name[0])
			wh_tables_buckets(&d->tables, number, &tables[number]);
	}
	return store_set(d, tables);
}

/* --- match lines -------------------------------------------------------------------------------------------- */

static void rule_numbers_of(const struct wh_daemon *d, struct wh_rule_numbers *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->class_of, d->class_number, sizeof(out->class_of));
	memcpy(out->lan_of, d->lan_number, sizeof(out->lan_of));
	for (unsigned i = 0; i < d->config.n_lans; i++) {
		const struct wh_link *link = wh_netlink_link(d->netlink, d->config.lan[i]);

		out->vlan_of[i] = link ? link->vlan : 0;
	}
}

/* With what is known of names; then that is brought up to date in them. */
static int put_in_force(struct wh_daemon *d, const struct wh_rule_set *set, bool *stored)
{
	size_t n_domains;
	_cleanup_free_ struct wh_rule_domain *domains = wh_learn_domains(d, &set->rules, &n_domains);
	int err;

	if (!domains)
		return -ENOMEM;
	err = wh_rule_tables_store(&d->tables, set, domains, n_domains, stored);
	if (*stored)
		wh_debug("%u match lines are in force", d->config.n_matches);
	return err ? err : wh_learn_settle(d, &set->rules);
}

static int store_rules(struct wh_daemon *d, bool *stored, char *error, size_t error_len)
{
	_cleanup_free_ struct wh_rule_set *set = malloc(sizeof(*set));
	int err;

	if (!set) {
		snprintf(error, error_len, "out of memory");
		return -ENOMEM;
	}
	rule_numbers_of(d, &d->rule_numbers);
	err = wh_rules_compile(&d->config, &d->rule_numbers, set, error, error_len);
	if (err)
		return err;
	err = put_in_force(d, set, stored);
	if (err)
		snprintf(error, error_len, "%s", strerror(-err));
	return err;
}

void wh_policy_follow(struct wh_daemon *d)
{
	struct wh_rule_numbers now;
	bool stored = false;
	char error[128];

	rule_numbers_of(d, &now);
	if (memcmp(&now, &d->rule_numbers, sizeof(now)) != 0 && store_rules(d, &stored, error, sizeof(error)))
		wh_error("cannot store the match lines: %s", error);
}

int wh_policy_store(struct wh_daemon *d, char *error, size_t error_len)
{
	bool changed = false, stored = false;
	int err = store_classes(d, &changed);

	if (!err)
		err = store_lanes(d);
	if (!err)
		err = store_buckets(d);
	if (err) {
		snprintf(error, error_len, "%s", strerror(-err));
		return err;
	}
	wh_flip(d); /* the masks of classes that are new */
	err = store_rules(d, &stored, error, error_len);
	if (err)
		return err;
	/* Flows are to be looked at again also where only what is done with their class has changed. */
	if (changed && !stored)
		wh_rule_tables_renew(&d->tables);
	forget_classes(d);
	return 0;
}
