/* SPDX-License-Identifier: GPL-2.0 */
/* tables.c: see tables.h. The walk through the flows is in walk.c. */
#include "kern/tables.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/pins.h"
#include "lib/clock.h"

/* Which pin goes to which descriptor. */
static const struct {
	const char *name;
	size_t at;
} pins[] = {
#define PIN(field, name)                                                                                               \
	{                                                                                                              \
		name, offsetof(struct wh_tables, field)                                                                \
	}
	PIN(steer, "wh_steer"),	      PIN(signals, "wh_signals"), PIN(wans, "wh_wans"),
	PIN(lans, "wh_lans"),	      PIN(devices, "wh_devices"), PIN(routes, "wh_routes"),
	PIN(classes, "wh_classes"),   PIN(buckets, "wh_buckets"), PIN(flows, "wh_flows4"),
	PIN(replies, "wh_replies4"),  PIN(binds, "wh_binds4"),	  PIN(ports, "wh_ports4"),
	PIN(counters, "wh_counters"), PIN(reasons, "wh_reasons"), PIN(sweep, "wh_sweep"),
	PIN(meta, "wh_meta"),
#undef PIN
};

#define PINS (sizeof(pins) / sizeof(pins[0]))

static int *descriptor(struct wh_tables *t, size_t i)
{
	return (int *)((char *)t + pins[i].at);
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

int wh_tables_open(struct wh_tables *t, const char *bpf_dir)
{
	struct wh_tables opened = {};
	int err = 0;

	for (size_t i = 0; i < PINS; i++)
		*descriptor(&opened, i) = -1;
	for (size_t i = 0; i < PINS && !err; i++) {
		int fd = wh_pin_open(bpf_dir, pins[i].name);

		if (fd < 0)
			err = fd;
		else
			*descriptor(&opened, i) = fd;
	}
	if (!err)
		err = check_schema(&opened);
	if (!err) {
		opened.steer_rows =
			map_rows(opened.steer, WH_STEER_ROWS * sizeof(struct wh_steer), PROT_READ | PROT_WRITE);
		opened.signal_rows = map_rows(opened.signals, WH_MAX_WANS * sizeof(struct wh_signal), PROT_READ);
		opened.sweep_form = map_rows(opened.sweep, sizeof(struct wh_sweep), PROT_READ | PROT_WRITE);
		if (!opened.steer_rows || !opened.signal_rows || !opened.sweep_form)
			err = -ENOMEM;
	}
	if (err) {
		wh_tables_close(&opened);
		return err;
	}
	*t = opened;
	return 0;
}

void wh_tables_close(struct wh_tables *t)
{
	if (t->steer_rows)
		munmap(t->steer_rows, WH_STEER_ROWS * sizeof(struct wh_steer));
	if (t->signal_rows)
		munmap(t->signal_rows, WH_MAX_WANS * sizeof(struct wh_signal));
	if (t->sweep_form)
		munmap(t->sweep_form, sizeof(struct wh_sweep));
	for (size_t i = 0; i < PINS; i++) {
		if (*descriptor(t, i) >= 0)
			close(*descriptor(t, i));
		*descriptor(t, i) = -1;
	}
	t->steer_rows = NULL;
	t->signal_rows = NULL;
	t->sweep_form = NULL;
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

int wh_tables_counters(const struct wh_tables *t, unsigned class, unsigned wan, struct wh_counters *out)
{
	int cpus = libbpf_num_possible_cpus();
	struct wh_counters *each, sum = {};
	int err;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	err = row(t->counters, class * WH_MAX_WANS + wan, each);
	for (int i = 0; i < cpus && !err; i++) {
		sum.tx_packets += each[i].tx_packets;
		sum.tx_bytes += each[i].tx_bytes;
		sum.rx_packets += each[i].rx_packets;
		sum.rx_bytes += each[i].rx_bytes;
		sum.new_flows += each[i].new_flows;
		sum.moved += each[i].moved;
		sum.reset += each[i].reset;
	}
	free(each);
	if (!err)
		*out = sum;
	return err;
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

int wh_tables_reply(const struct wh_tables *t, const struct wh_flow4_key *key, const struct wh_flow4 *flow,
		    struct wh_reply4 *out)
{
	struct wh_reply4_key reply = {.remote_be = key->dst_be,
				      .external_be = flow->external_be,
				      .remote_port_be = key->dport_be,
				      .external_port_be = flow->pin.external_port,
				      .proto = key->proto,
				      .wan = flow->pin.wan};

	return bpf_map_lookup_elem(t->replies, &reply, out) ? -errno : 0;
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

	return bpf_obj_get_info_by_fd(t->flows, &info, &len) ? 0 : info.max_entries;
}
