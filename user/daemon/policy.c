/* SPDX-License-Identifier: GPL-2.0 */
/*
 * policy.c: classes and their bucket tables, from configuration to maps.  Written at start and reload only;
 * a set that says the same as the one in force is not written again.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "lib/cleanup.h"
#include "model/buckets.h"

static int store_classes(struct wh_daemon *d)
{
	for (__u32 i = 0; i < WH_MAX_CLASSES; i++) {
		struct wh_class row = {};

		if (i < d->config.n_classes) {
			const struct wh_conf_class *class = &d->config.classes[i];

			memcpy(row.name, class->name, sizeof(row.name));
			row.affinity = (__u8) class->affinity;
			row.on_failover = (__u8) class->on_failover;
			row.on_none = (__u8) class->on_none;
		}
		if (bpf_map_update_elem(d->tables.classes, &i, &row, BPF_ANY))
			return -errno;
	}
	return 0;
}

static bool in_force(struct wh_daemon *d, const struct wh_bucket_table *tables)
{
	struct wh_bucket_table there;

	for (unsigned i = 0; i < d->config.n_classes; i++) {
		if (wh_tables_buckets(&d->tables, i, &there) || memcmp(&there, &tables[i], sizeof(there)) != 0)
			return false;
	}
	return true;
}

/* A whole new set, put in the place of the old one by one store: no packet sees half of each. */
static int store_buckets(struct wh_daemon *d, const struct wh_bucket_table *tables)
{
	_cleanup_close_ int set = bpf_map_create(BPF_MAP_TYPE_ARRAY, "wh_bucket_set", sizeof(__u32),
						 sizeof(struct wh_bucket_table), WH_MAX_CLASSES, NULL);
	__u32 zero = 0;

	if (set < 0)
		return -errno;
	for (__u32 i = 0; i < d->config.n_classes; i++) {
		if (bpf_map_update_elem(set, &i, &tables[i], BPF_ANY))
			return -errno;
	}
	return bpf_map_update_elem(d->tables.buckets, &zero, &set, BPF_ANY) ? -errno : 0;
}

int wh_policy_store(struct wh_daemon *d)
{
	_cleanup_free_ struct wh_bucket_table *tables = calloc(d->config.n_classes, sizeof(*tables));
	int err;

	if (!tables)
		return -ENOMEM;
	for (unsigned i = 0; i < d->config.n_classes; i++)
		wh_buckets_fill(&d->config.classes[i], d->number_of, &tables[i]);
	err = store_classes(d);
	return err || in_force(d, tables) ? err : store_buckets(d, tables);
}
