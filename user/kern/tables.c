/* SPDX-License-Identifier: GPL-2.0 */
/* tables.c: see tables.h.  Flows are walk.c's, overrides hand.c's. */
#include "kern/tables.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/pins.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

/* Which pin goes to which descriptor; those that each family has of its own have its digit behind the name. */
static const struct {
	const char *name;
	size_t at;
	bool by_family;
} pins[] = {
#define PIN(field, name)                                                                                               \
	{                                                                                                              \
		name, offsetof(struct wh_tables, field), false                                                         \
	}
#define PINS_OF(field, name)                                                                                           \
	{                                                                                                              \
		name, offsetof(struct wh_tables, field), true                                                          \
	}
	PIN(steer, "wh_steer"),
	PIN(signals, "wh_signals"),
	PIN(wans, "wh_wans"),
	PIN(lans, "wh_lans"),
	PIN(devices, "wh_devices"),
	PIN(routes, "wh_routes"),
	PIN(classes, "wh_classes"),
	PIN(buckets, "wh_buckets"),
	PIN(counters, "wh_counters"),
	PIN(reasons, "wh_reasons"),
	PIN(clients, "wh_clients"),
	PIN(slow, "wh_slow"),
	PIN(lanes, "wh_lanes"),
	PIN(rules, "wh_rules"),
	PIN(prefixes, "wh_prefixes"),
	PIN(domains, "wh_domains"),
	PIN(wires, "wh_wires"),
	PIN(meta, "wh_meta"),
	PINS_OF(flows, "wh_flows"),
	PINS_OF(replies, "wh_replies"),
	PINS_OF(binds, "wh_binds"),
	PINS_OF(ports, "wh_ports"),
	PINS_OF(fragments, "wh_fragments"),
	PINS_OF(sweep, "wh_sweep"),
#undef PIN
#undef PINS_OF
};

#define PINS (sizeof(pins) / sizeof(pins[0]))

static unsigned descriptors(size_t pin)
{
	return pins[pin].by_family ? WH_FAMILIES : 1;
}

static int *descriptor(struct wh_tables *t, size_t pin, unsigned family)
{
	return (int *)((char *)t + pins[pin].at) + family;
}

static int open_pin(struct wh_tables *t, const char *bpf_dir, size_t pin, unsigned family)
{
	static const char *const digits[WH_FAMILIES] = {"4", "6"};
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "%s%s", pins[pin].name, pins[pin].by_family ? digits[family] : "");
	fd = wh_pin_open(bpf_dir, name);
	if (fd < 0)
		return fd;
	*descriptor(t, pin, family) = fd;
	return 0;
}

static void *map_rows(int fd, size_t len, int protection)
{
	void *rows = mmap(NULL, len, protection, MAP_SHARED, fd, 0);

	if (rows == MAP_FAILED)
		return NULL;
	/* The prober is forked from the controller, and must not be able to steer. */
	madvise(rows, len, MADV_DONTFORK);
	return rows;
}

static int check_schema(const struct wh_tables *t)
{
	struct wh_meta meta;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(t->meta, &zero, &meta))
		return -errno;
	return meta.schema == WH_SCHEMA_VERSION ? 0 : -EPROTO;
}

/* Which rows are mapped where. */
struct mapping {
	void **rows;
	size_t len;
	int fd;
	int protection;
};

#define MAPPINGS 4

static void mappings_of(struct wh_tables *t, struct mapping out[MAPPINGS])
{
	const int both = PROT_READ | PROT_WRITE;

	out[0] = (struct mapping){(void **)&t->steer_rows, WH_STEER_ROWS * sizeof(*t->steer_rows), t->steer, both};
	out[1] = (struct mapping){(void **)&t->signal_rows, WH_SIGNAL_ROWS * sizeof(*t->signal_rows), t->signals,
				  PROT_READ};
	out[2] = (struct mapping){(void **)&t->sweep_form4, sizeof(*t->sweep_form4), t->sweep[WH_V4], both};
	out[3] = (struct mapping){(void **)&t->sweep_form6, sizeof(*t->sweep_form6), t->sweep[WH_V6], both};
}

static int map_all(struct wh_tables *t)
{
	struct mapping mappings[MAPPINGS];
	int err = 0;

	mappings_of(t, mappings);
	for (unsigned i = 0; i < MAPPINGS; i++) {
		*mappings[i].rows = map_rows(mappings[i].fd, mappings[i].len, mappings[i].protection);
		if (!*mappings[i].rows)
			err = -ENOMEM;
	}
	return err;
}

int wh_tables_open(struct wh_tables *t, const char *bpf_dir)
{
	struct wh_tables opened = {};
	int err = 0;

	for (size_t i = 0; i < PINS; i++) {
		for (unsigned family = 0; family < descriptors(i); family++)
			*descriptor(&opened, i, family) = -1;
	}
	for (size_t i = 0; i < PINS; i++) {
		for (unsigned family = 0; family < descriptors(i) && !err; family++)
			err = open_pin(&opened, bpf_dir, i, family);
	}
	if (!err)
		err = check_schema(&opened);
	if (!err)
		err = map_all(&opened);
	if (err) {
		wh_tables_close(&opened);
		return err;
	}
	*t = opened;
	return 0;
}

void wh_tables_close(struct wh_tables *t)
{
	struct mapping mappings[MAPPINGS];

	mappings_of(t, mappings);
	for (unsigned i = 0; i < MAPPINGS; i++) {
		if (*mappings[i].rows)
			munmap(*mappings[i].rows, mappings[i].len);
		*mappings[i].rows = NULL;
	}
	for (size_t i = 0; i < PINS; i++) {
		for (unsigned family = 0; family < descriptors(i); family++) {
			wh_closep(descriptor(t, i, family));
			*descriptor(t, i, family) = -1;
		}
	}
}

static int row(int map, unsigned number, void *out)
{
	__u32 key = number;

	return bpf_map_lookup_elem(map, &key, out) ? -errno : 0;
}

int wh_tables_wan(const struct wh_tables *t, unsigned wan, struct wh_wan *out)
{
	return row(t->wans, wan, out);
}

int wh_tables_class(const struct wh_tables *t, unsigned class, struct wh_class *out)
{
	return row(t->classes, class, out);
}

int wh_tables_lan(const struct wh_tables *t, unsigned lan, struct wh_lan *out)
{
	return row(t->lans, lan, out);
}

int wh_tables_find_wan(const struct wh_tables *t, const char *name)
{
	struct wh_wan wan;

	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (!wh_tables_wan(t, i, &wan) && (wan.flags & WH_WAN_CONFIGURED) &&
		    !strncmp(wan.name, name, sizeof(wan.name)))
			return (int)i;
	}
	return -ENOENT;
}

static void add(struct wh_counters *sum, const struct wh_counters *more)
{
	sum->tx_packets += more->tx_packets;
	sum->tx_bytes += more->tx_bytes;
	sum->rx_packets += more->rx_packets;
	sum->rx_bytes += more->rx_bytes;
	sum->new_flows += more->new_flows;
	sum->moved += more->moved;
	sum->reset += more->reset;
}

int wh_tables_totals(const struct wh_tables *t, unsigned classes, struct wh_counters out[WH_MAX_WANS])
{
	__u32 keys[WH_COUNTER_ROWS], next, rows = classes * WH_MAX_WANS;
	struct wh_counters sum[WH_MAX_WANS] = {};
	_cleanup_free_ struct wh_counters *each = NULL;
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)rows * (unsigned)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	if (bpf_map_lookup_batch(t->counters, NULL, &next, keys, each, &rows, NULL))
		return -errno;
	for (unsigned i = 0; i < rows * (unsigned)cpus; i++)
		add(&sum[keys[i / (unsigned)cpus] % WH_MAX_WANS], &each[i]);
	memcpy(out, sum, sizeof(sum));
	return 0;
}

int wh_tables_reasons(const struct wh_tables *t, uint64_t out[WH_REASON_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *each;
	int err = 0;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	for (unsigned reason = 0; reason < WH_REASON_COUNT && !err; reason++) {
		err = row(t->reasons, reason, each);
		out[reason] = 0;
		for (int i = 0; i < cpus && !err; i++)
			out[reason] += each[i];
	}
	free(each);
	return err;
}

int wh_tables_buckets(const struct wh_tables *t, unsigned class, struct wh_bucket_table *out)
{
	__u32 id;
	int set, err;

	err = row(t->buckets, 0, &id);
	if (err)
		return err;
	set = bpf_map_get_fd_by_id(id);
	if (set < 0)
		return -errno;
	err = row(set, class, out);
	close(set);
	return err;
}

int64_t wh_tables_heartbeat_age_ms(const struct wh_tables *t)
{
	uint64_t beat = t->steer_rows[WH_STEER_GLOBAL].heartbeat_ns;
	uint64_t now = wh_clock_ns(CLOCK_BOOTTIME);

	return beat ? (int64_t)((now - beat) / WH_NS_PER_MS) : -1;
}

uint32_t wh_tables_max_flows(const struct wh_tables *t)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(t->flows[WH_V4], &info, &len) ? 0 : info.max_entries;
}
