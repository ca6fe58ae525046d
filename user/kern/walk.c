/* SPDX-License-Identifier: GPL-2.0 */
/*
 * walk.c: walks through the big hash tables by batches, and what is done with what was met there: its reply looked
 * up, its key written into the sweep's form.  The kernel copies a whole hash chain at once: where a slice is too
 * small for one (-ENOSPC), it is asked for with more room.
 */
#include "kern/tables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "lib/cleanup.h"

#define WALK_LARGEST 65536

/* What a family's entries measure. */
static const struct {
	size_t flow_key, flow, port;
} size_of[WH_FAMILIES] = {
	[WH_V4] = {sizeof(struct wh_flow4_key), sizeof(struct wh_flow4), sizeof(struct wh_port4)},
	[WH_V6] = {sizeof(struct wh_flow6_key), sizeof(struct wh_flow6), sizeof(struct wh_port6)},
};

/* --- slices ----------------------------------------------------------------------------------------------- */

/* One batch of at most *count; *count says how many came. 0, -ENOSPC, -errno. */
static int batch(int map, struct wh_flow_walk *walk, void *keys, void *values, __u32 *count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 next = 0, from = (__u32)walk->cursor;
	int err = bpf_map_lookup_batch(map, walk->started ? &from : NULL, &next, keys, values, count, &opts) ? -errno
													     : 0;

	if (err == -ENOENT) { /* the last batch */
		walk->done = true;
		err = 0;
	}
	if (!err) {
		walk->started = true;
		walk->cursor = next;
	}
	return err;
}

struct slice {
	size_t key_size, value_size;
	__u32 count;
	char *keys, *values;
};

static void slice_free(struct slice *slice)
{
	free(slice->keys);
	free(slice->values);
}

#define _cleanup_slice_ __attribute__((cleanup(slice_free)))

static int read_slice(int map, struct wh_flow_walk *walk, unsigned max, struct slice *slice)
{
	int err = -ENOSPC;

	for (__u32 room = max; err == -ENOSPC && room <= WALK_LARGEST; room *= 4) {
		__u32 count = room;

		slice_free(slice);
		slice->keys = malloc(room * slice->key_size);
		slice->values = malloc(room * slice->value_size);
		if (!slice->keys || !slice->values)
			return -ENOMEM;
		err = batch(map, walk, slice->keys, slice->values, &count);
		slice->count = err ? 0 : count;
	}
	return err;
}

static const void *key_at(const struct slice *slice, __u32 i)
{
	return slice->keys + i * slice->key_size;
}

static const void *value_at(const struct slice *slice, __u32 i)
{
	return slice->values + i * slice->value_size;
}

/* --- walks ------------------------------------------------------------------------------------------------ */

static struct wh_flow_entry entry_at(enum wh_family family, const struct slice *slice, __u32 i)
{
	struct wh_flow_entry entry = {.family = family};

	memcpy(&entry.flow, value_at(slice, i), sizeof(entry.flow));
	if (family == WH_V4) {
		entry.key4 = *(const struct wh_flow4_key *)key_at(slice, i);
		entry.external4_be = ((const struct wh_flow4 *)value_at(slice, i))->external_be;
	} else {
		entry.key6 = *(const struct wh_flow6_key *)key_at(slice, i);
		entry.external6_be = ((const struct wh_flow6 *)value_at(slice, i))->external_be;
	}
	return entry;
}

int wh_tables_walk(const struct wh_tables *t, enum wh_family family, struct wh_flow_walk *walk, unsigned max,
		   void (*each)(void *arg, const struct wh_flow_entry *entry), void *arg)
{
	_cleanup_slice_ struct slice slice = {.key_size = size_of[family].flow_key, .value_size = size_of[family].flow};
	int err = read_slice(t->flows[family], walk, max, &slice);

	for (__u32 i = 0; i < slice.count; i++) {
		struct wh_flow_entry entry = entry_at(family, &slice, i);

		each(arg, &entry);
	}
	return err;
}

int wh_tables_walk_ports(const struct wh_tables *t, enum wh_family family, struct wh_flow_walk *walk, unsigned max,
			 void (*each)(void *arg, const struct wh_port_key *key, uint16_t freed), void *arg)
{
	_cleanup_slice_ struct slice slice = {.key_size = sizeof(struct wh_port_key),
					      .value_size = size_of[family].port};
	int err = read_slice(t->ports[family], walk, max, &slice);

	for (__u32 i = 0; i < slice.count; i++) {
		const void *port = value_at(&slice, i);

		each(arg, key_at(&slice, i),
		     family == WH_V4 ? ((const struct wh_port4 *)port)->holding.freed
				     : ((const struct wh_port6 *)port)->holding.freed);
	}
	return err;
}

int wh_tables_walk_clients(const struct wh_tables *t, struct wh_flow_walk *walk, unsigned max,
			   void (*each)(void *arg, const struct wh_client_key *key, uint32_t flows), void *arg)
{
	_cleanup_slice_ struct slice slice = {.key_size = sizeof(struct wh_client_key),
					      .value_size = sizeof(struct wh_client)};
	int err = read_slice(t->clients, walk, max, &slice);

	for (__u32 i = 0; i < slice.count; i++)
		each(arg, key_at(&slice, i), ((const struct wh_client *)value_at(&slice, i))->flows);
	return err;
}

/* --- what was met ----------------------------------------------------------------------------------------- */

int wh_tables_reply(const struct wh_tables *t, const struct wh_flow_entry *entry, struct wh_reply *out)
{
	const union wh_pin pin = entry->flow.pin;
	struct wh_reply4_key key4 = {.remote_be = entry->key4.dst_be,
				     .external_be = entry->external4_be,
				     .remote_port_be = entry->key4.dport_be,
				     .external_port_be = pin.external_port,
				     .proto = entry->key4.proto,
				     .wan = pin.wan};
	struct wh_reply6_key key6 = {.remote_be = entry->key6.dst_be,
				     .external_be = entry->external6_be,
				     .remote_port_be = entry->key6.dport_be,
				     .external_port_be = pin.external_port,
				     .proto = entry->key6.proto,
				     .wan = pin.wan};
	const void *key = entry->family == WH_V4 ? (const void *)&key4 : &key6;
	union {
		struct wh_reply common;
		struct wh_reply4 reply4;
		struct wh_reply6 reply6;
	} reply;

	if (bpf_map_lookup_elem(t->replies[entry->family], key, &reply))
		return -errno;
	*out = reply.common;
	return 0;
}

int wh_tables_route(const struct wh_tables *t, const struct wh_flow_entry *entry, struct wh_route *out)
{
	struct wh_route_key key = {.prefix_len = 128, .addr_be = {{0, 0, htonl(0xffff), entry->key4.dst_be}}};
	struct wh_route route;

	if (entry->family == WH_V6)
		key.addr_be = entry->key6.dst_be;
	if (bpf_map_lookup_elem(t->routes, &key, &route))
		return -errno;
	*out = route;
	return 0;
}

void wh_tables_forget_client(const struct wh_tables *t, const struct wh_client_key *key)
{
	struct wh_client client;

	if (!bpf_map_lookup_elem(t->clients, key, &client) && !client.flows)
		bpf_map_delete_elem(t->clients, key);
}

/* --- forms ------------------------------------------------------------------------------------------------ */

struct wh_sweep *wh_tables_form(const struct wh_tables *t, enum wh_family family)
{
	return family == WH_V4 ? (struct wh_sweep *)t->sweep_form4 : (struct wh_sweep *)t->sweep_form6;
}

void wh_tables_form_flow(const struct wh_tables *t, const struct wh_flow_entry *entry)
{
	__u32 at = wh_tables_form(t, entry->family)->flows++;

	if (entry->family == WH_V4)
		t->sweep_form4->flow[at] = entry->key4;
	else
		t->sweep_form6->flow[at] = entry->key6;
}

void wh_tables_form_port(const struct wh_tables *t, enum wh_family family, const struct wh_port_key *key)
{
	__u32 at = wh_tables_form(t, family)->ports++;

	if (family == WH_V4)
		t->sweep_form4->port[at] = *key;
	else
		t->sweep_form6->port[at] = *key;
}
