/* SPDX-License-Identifier: GPL-2.0 */
/*
 * maps.h: every map, with its pin name (but for bound.h's, which has programs of its own).  Sizes that the configuration decides stand as 1 here and are set
 * before loading (user/kern/load.c).  Nothing that must not vanish is in an LRU.  Those of one family have its digit in
 * their names in the kernel (family.h).
 */
#ifndef WH_BPF_MAPS_H
#define WH_BPF_MAPS_H

#include "family.h"

#include <wanhelm/count.h>
#include <wanhelm/explain.h>
#include <wanhelm/lane.h>
#include <wanhelm/policy.h>
#include <wanhelm/reason.h>
#include <wanhelm/rules.h>
#include <wanhelm/slow.h>
#include <wanhelm/steer.h>

/* --- what the controller writes ------------------------------------------------------------------------ */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WH_STEER_ROWS);
	__type(key, __u32);
	__type(value, struct wh_steer);
} wh_steer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WH_MAX_WANS);
	__type(key, __u32);
	__type(value, struct wh_wan);
} wh_wans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WH_MAX_LANS);
	__type(key, __u32);
	__type(value, struct wh_lan);
} wh_lans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * (WH_MAX_WANS + WH_MAX_LANS));
	__type(key, __u32); /* ifindex */
	__type(value, struct wh_device);
} wh_devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct wh_route_key);
	__type(value, struct wh_route);
} wh_routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WH_MAX_CLASSES);
	__type(key, __u32);
	__type(value, struct wh_class);
} wh_classes SEC(".maps");

/*
 * One class's bucket table (struct wh_bucket_table) an element; swapped whole by storing another such map in
 * wh_buckets.  By size, because clang 14 leaves the value's type out of an inner map's BTF.
 */
struct bucket_set {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WH_MAX_CLASSES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct wh_bucket_table));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct bucket_set);
} wh_buckets SEC(".maps");

/*
 * The match lines (rules.h), swapped whole as bucket tables are.  The templates of the inner maps have the sizes that
 * user/kern/rule_tables.c gives those that it stores.
 */
struct rule_set {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct wh_rules));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct rule_set);
} wh_rules SEC(".maps");

struct prefix_set {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct wh_route_key));
	__uint(value_size, sizeof(struct wh_vector));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WH_PREFIX_MAPS);
	__type(key, __u32);
	__array(values, struct prefix_set);
} wh_prefixes SEC(".maps");

struct domain_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WH_DOMAIN_ADDRESSES);
	__uint(key_size, sizeof(struct wh_addr6));
	__uint(value_size, sizeof(struct wh_vector));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WH_RULE_SLOTS);
	__type(key, __u32);
	__array(values, struct domain_set);
} wh_domains SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wh_meta);
} wh_meta SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wh_wires);
} wh_wires SEC(".maps");

/* Written at start and reload; the data plane keeps account in it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WH_LANE_ROWS);
	__type(key, __u32);
	__type(value, struct wh_lane);
} wh_lanes SEC(".maps");

/* --- what the data plane writes ------------------------------------------------------------------------ */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, flow_key_t);
	__type(value, flow_t);
} wh_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, reply_key_t);
	__type(value, reply_t);
} wh_replies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, bind_key_t);
	__type(value, struct wh_bind);
} wh_binds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct wh_port_key);
	__type(value, port_t);
} wh_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wh_client_key);
	__type(value, struct wh_client);
} wh_clients SEC(".maps");

/* --- what may be forgotten: the oldest goes first ------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, flow_key_t);
	__type(value, pending_t);
} wh_pending SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 15);
	__type(key, inbound_key_t);
	__type(value, inbound_t);
} wh_inbound SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 13);
	__type(key, fragment_key_t);
	__type(value, struct wh_fragment);
} wh_fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WH_SLOW_RING);
} wh_slow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wh_explain);
} wh_explain SEC(".maps");

/* --- counters and signals ------------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WH_SIGNAL_ROWS);
	__type(key, __u32);
	__type(value, struct wh_signal);
} wh_signals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WH_COUNTER_ROWS);
	__type(key, __u32);
	__type(value, struct wh_counters);
} wh_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WH_REASON_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} wh_reasons SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, sweep_t);
} wh_sweep SEC(".maps");

#endif
