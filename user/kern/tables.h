/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables.h: the pinned maps, opened by name: what the daemon and the command (also with no controller
 * running) read and write.  Creating and loading them is load.h's business.
 */
#ifndef WANHELM_KERN_TABLES_H
#define WANHELM_KERN_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wanhelm/abi.h>
#include <wanhelm/count.h>
#include <wanhelm/flow.h>
#include <wanhelm/lane.h>
#include <wanhelm/policy.h>
#include <wanhelm/reason.h>
#include <wanhelm/steer.h>
#include <wanhelm/sweep.h>
#include <wanhelm/wan.h>
#include <wanhelm/wire.h>

#define WH_DEFAULT_BPF_DIR "/sys/fs/bpf/wanhelm"

struct wh_tables {
	/* descriptors */
	int steer, signals, wans, lans, devices, routes, classes, buckets, lanes, rules, prefixes, domains, counters,
		reasons, clients, slow, wires, meta;
	int flows[WH_FAMILIES], replies[WH_FAMILIES], binds[WH_FAMILIES], ports[WH_FAMILIES], fragments[WH_FAMILIES],
		sweep[WH_FAMILIES];
	/* mapped */
	struct wh_steer *steer_rows;   /* WH_STEER_ROWS; stores are seen by the data plane at once */
	struct wh_signal *signal_rows; /* WH_SIGNAL_ROWS: family * WH_MAX_WANS + wan; read only */
	struct wh_sweep4 *sweep_form4;
	struct wh_sweep6 *sweep_form6;
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

/* `classes` of wh_tables_totals(): all there may be, and the probes. */
#define WH_CLASSES_AND_PROBES (WH_CLASS_PROBE + 1)

/*
 * What each WAN has counted, summed over CPUs and the classes of the numbers below `classes`.  One system call, so
 * that it may be asked for each turn.  0 or -errno.
 */
int wh_tables_totals(const struct wh_tables *t, unsigned classes, struct wh_counters out[WH_MAX_WANS]);

/* Sums over CPUs. */
int wh_tables_reasons(const struct wh_tables *t, uint64_t out[WH_REASON_COUNT]);

/* The bucket table in force of a class. */
int wh_tables_buckets(const struct wh_tables *t, unsigned class, struct wh_bucket_table *out);

/* --- flows ---------------------------------------------------------------------------------------------- */

/* A flow of either family, as it stood when it was read. */
struct wh_flow_entry {
	enum wh_family family;
	union {
		struct wh_flow4_key key4;
		struct wh_flow6_key key6;
	};
	struct wh_flow flow;
	union {
		__be32 external4_be;
		struct wh_addr6 external6_be;
	};
};

/* What both families' keys have, from where it stands in each. */
static inline __u8 wh_flow_proto(const struct wh_flow_entry *entry)
{
	return entry->family == WH_V4 ? entry->key4.proto : entry->key6.proto;
}

static inline __be16 wh_flow_sport(const struct wh_flow_entry *entry)
{
	return entry->family == WH_V4 ? entry->key4.sport_be : entry->key6.sport_be;
}

static inline __be16 wh_flow_dport(const struct wh_flow_entry *entry)
{
	return entry->family == WH_V4 ? entry->key4.dport_be : entry->key6.dport_be;
}

/* Whether it is a user's: what people count and see.  Probes are not, nor what only the kernel knows the way of. */
static inline bool wh_flow_is_users(const struct wh_flow *flow)
{
	return !(flow->flags & (WH_FLOW_PROBE | WH_FLOW_FOREIGN)) && flow->pin.wan < WH_MAX_WANS;
}

/* The entry under which a flow's answers are found; -ENOENT. */
int wh_tables_reply(const struct wh_tables *t, const struct wh_flow_entry *entry, struct wh_reply *out);

/* What is to be done with the flow's destination; -ENOENT where no entry says. */
int wh_tables_route(const struct wh_tables *t, const struct wh_flow_entry *entry, struct wh_route *out);

/* A walk through a table, a bounded slice a call, so that a loop stays alive beside it.  Begins zeroed. */
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
int wh_tables_walk(const struct wh_tables *t, enum wh_family family, struct wh_flow_walk *walk, unsigned max,
		   void (*each)(void *arg, const struct wh_flow_entry *entry), void *arg);

/* The same over the ports; `freed` as in union wh_holding. */
int wh_tables_walk_ports(const struct wh_tables *t, enum wh_family family, struct wh_flow_walk *walk, unsigned max,
			 void (*each)(void *arg, const struct wh_port_key *key, uint16_t freed), void *arg);

/* The same over the clients, of both families, with the number of their flows. */
int wh_tables_walk_clients(const struct wh_tables *t, struct wh_flow_walk *walk, unsigned max,
			   void (*each)(void *arg, const struct wh_client_key *key, uint32_t flows), void *arg);

/*
 * Take out a client that has no flows.  One that opens its first one at this very moment may have one more than it
 * is allowed.
 */
void wh_tables_forget_client(const struct wh_tables *t, const struct wh_client_key *key);

/* --- the sweep's order forms ---------------------------------------------------------------------------- */

/* The part that both families' forms have in common. */
struct wh_sweep *wh_tables_form(const struct wh_tables *t, enum wh_family family);

/*
 * Write a key into the family's form and count it: the caller has the form done (wh_programs_sweep()) and its
 * counts set back before one of them passes WH_SWEEP_SLICE.
 */
void wh_tables_form_flow(const struct wh_tables *t, const struct wh_flow_entry *entry);
void wh_tables_form_port(const struct wh_tables *t, enum wh_family family, const struct wh_port_key *key);

/* --- the hand ------------------------------------------------------------------------------------------- */

/*
 * The hand where no controller runs: write the override words and, for down and up, the masks that follow, so
 * that the data plane obeys at once.  0 or -errno.
 */
int wh_tables_hand(struct wh_tables *t, unsigned wan, enum wh_hand_verb verb);

/* What the override words say of a WAN. */
enum wh_hand_verb wh_tables_hand_of(const struct wh_tables *t, unsigned wan);
/* Write only the override words: the controller's part of wh_tables_hand(). */
void wh_tables_set_hand(struct wh_tables *t, unsigned wan, enum wh_hand_verb verb);

/*
 * Whether a careful person would want to be asked before the WAN is taken out of use: because it is the last one that
 * works, in either family, or because with `down` their ssh session would be cut, which came in to the address
 * `ssh` (NULL: none is known).  Then `why` says so in a clause.
 */
bool wh_tables_hand_risk(const struct wh_tables *t, unsigned wan, enum wh_hand_verb verb, const char *ssh, char *why,
			 size_t len);

/* --- figures -------------------------------------------------------------------------------------------- */

/* How many flows of a family there is room for: `limits.flows` when the maps were made. 0 where it cannot be read. */
uint32_t wh_tables_max_flows(const struct wh_tables *t);

/* Age of the controller's heartbeat in milliseconds, or -1 where there never was one. */
int64_t wh_tables_heartbeat_age_ms(const struct wh_tables *t);

#endif
