/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables.h: the pinned maps, opened by name: what the daemon and the command (also with no controller
 * running) read and write.  Creating and loading them is load.h's business.
 */
#ifndef WANHELM_KERN_TABLES_H
#define WANHELM_KERN_TABLES_H

#include <stdbool.h>
#include <stdint.h>
#include <wanhelm/abi.h>
#include <wanhelm/count.h>
#include <wanhelm/flow.h>
#include <wanhelm/policy.h>
#include <wanhelm/reason.h>
#include <wanhelm/steer.h>
#include <wanhelm/sweep.h>
#include <wanhelm/wan.h>

#define WH_DEFAULT_BPF_DIR "/sys/fs/bpf/wanhelm"

struct wh_tables {
	int steer, signals, wans, lans, devices, routes, classes, buckets, flows, replies, binds, ports, counters,
		reasons, sweep, meta;  /* descriptors */
	struct wh_steer *steer_rows;   /* mapped: WH_STEER_ROWS rows; stores are seen by the data plane at once */
	struct wh_signal *signal_rows; /* mapped, read only: WH_MAX_WANS rows */
	struct wh_sweep *sweep_form;   /* mapped */
};

/*
 * Open what is pinned under `bpf_dir`.  0; -ENOENT where nothing is pinned; -EPROTO where another schema
 * version is; -errno.  The caller owns `t` and closes it.
 */
int wh_tables_open(struct wh_tables *t, const char *bpf_dir);
void wh_tables_close(struct wh_tables *t);

int wh_tables_wan(const struct wh_tables *t, unsigned wan, struct wh_wan *out);
int wh_tables_class(const struct wh_tables *t, unsigned class, struct wh_class *out);
int wh_tables_lan(const struct wh_tables *t, unsigned lan, struct wh_lan *out);

/* The number of the WAN of that name, or -ENOENT. */
int wh_tables_find_wan(const struct wh_tables *t, const char *name);

/* Sums over CPUs. `class` may be WH_CLASS_PROBE. */
int wh_tables_counters(const struct wh_tables *t, unsigned class, unsigned wan, struct wh_counters *out);
int wh_tables_reasons(const struct wh_tables *t, uint64_t out[WH_REASON_COUNT]);

/* The bucket table in force of a class. */
int wh_tables_buckets(const struct wh_tables *t, unsigned class, struct wh_bucket_table *out);

/* A walk through the flows, a bounded slice a call, so that a loop stays alive beside it. */
struct wh_flow_walk {
	uint64_t cursor; /* the kernel's word for where to go on */
	bool started;
	bool done;
};

/*
 * Hand up to `max` further flows to `each` (without the reply's entry: call wh_tables_reply() for those that
 * matter).  0, or -errno; walk->done is set after the last.  A flow that stays is seen at least once; one that
 * comes or goes meanwhile may be seen, missed, or seen twice.
 */
int wh_tables_walk(const struct wh_tables *t, struct wh_flow_walk *walk, unsigned max,
		   void (*each)(void *arg, const struct wh_flow4_key *key, const struct wh_flow4 *flow), void *arg);

/* The same over the bindings. */
int wh_tables_walk_binds(const struct wh_tables *t, struct wh_flow_walk *walk, unsigned max,
			 void (*each)(void *arg, const struct wh_bind4_key *key, const struct wh_bind4 *bind),
			 void *arg);

/* The entry under which a flow's answers are found; -ENOENT. */
int wh_tables_reply(const struct wh_tables *t, const struct wh_flow4_key *key, const struct wh_flow4 *flow,
		    struct wh_reply4 *out);

/*
 * The hand where no controller runs: write the override words and, for down and up, the masks that follow, so
 * that the data plane obeys at once.  0 or -errno.
 */
int wh_tables_hand(struct wh_tables *t, unsigned wan, enum wh_hand_verb verb);

/* What the override words say of a WAN. */
enum wh_hand_verb wh_tables_hand_of(const struct wh_tables *t, unsigned wan);
/* Write only the override words: the controller's part of wh_tables_hand(). */
void wh_tables_set_hand(struct wh_tables *t, unsigned wan, enum wh_hand_verb verb);

/* How many flows there is room for: what `limits.flows` was when the maps were made. 0 where it cannot be read. */
uint32_t wh_tables_max_flows(const struct wh_tables *t);

/* Age of the controller's heartbeat in milliseconds, or -1 where there never was one. */
int64_t wh_tables_heartbeat_age_ms(const struct wh_tables *t);

#endif
