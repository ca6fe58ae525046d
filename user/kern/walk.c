/* SPDX-License-Identifier: GPL-2.0 */
/*
 * walk.c: walks through the big hash tables by batches.  The kernel copies a whole hash chain at once: where
 * a slice is too small for one (-ENOSPC), it is asked for with more room.
 */
#include "kern/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "lib/cleanup.h"

#define WALK_LARGEST 65536

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
	void *keys;
	void *values;
	__u32 count;
};

static int read_slice(int map, struct wh_flow_walk *walk, unsigned max, size_t key_size, size_t value_size,
		      struct slice *out)
{
	int err = -ENOSPC;

	for (__u32 room = max; err == -ENOSPC && room <= WALK_LARGEST; room *= 4) {
		_cleanup_free_ void *keys = malloc(room * key_size);
		_cleanup_free_ void *values = malloc(room * value_size);
		__u32 count = room;

		if (!keys || !values)
			return -ENOMEM;
		err = batch(map, walk, keys, values, &count);
		if (!err) {
			out->keys = keys;
			out->values = values;
			out->count = count;
			keys = values = NULL;
		}
	}
	return err;
}

int wh_tables_walk(const struct wh_tables *t, struct wh_flow_walk *walk, unsigned max,
		   void (*each)(void *arg, const struct wh_flow4_key *key, const struct wh_flow4 *flow), void *arg)
{
	const struct wh_flow4_key *keys;
	const struct wh_flow4 *flows;
	struct slice slice = {};
	int err = read_slice(t->flows, walk, max, sizeof(*keys), sizeof(*flows), &slice);

	keys = slice.keys;
	flows = slice.values;
	for (__u32 i = 0; i < slice.count; i++)
		each(arg, &keys[i], &flows[i]);
	free(slice.keys);
	free(slice.values);
	return err;
}

int wh_tables_walk_binds(const struct wh_tables *t, struct wh_flow_walk *walk, unsigned max,
			 void (*each)(void *arg, const struct wh_bind4_key *key, const struct wh_bind4 *bind),
			 void *arg)
{
	const struct wh_bind4_key *keys;
	const struct wh_bind4 *binds;
	struct slice slice = {};
	int err = read_slice(t->binds, walk, max, sizeof(*keys), sizeof(*binds), &slice);

	keys = slice.keys;
	binds = slice.values;
	for (__u32 i = 0; i < slice.count; i++)
		each(arg, &keys[i], &binds[i]);
	free(slice.keys);
	free(slice.values);
	return err;
}
