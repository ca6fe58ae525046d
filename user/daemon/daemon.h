/* SPDX-License-Identifier: GPL-2.0 */
/*
 * daemon.h: the controller's one object and who does what with it.  One thread: libevent calls, one of the
 * parts below answers, and turn.c draws the conclusions.
 *
 *	main.c       options, signals, start and end
 *	start.c      taking up work: kernel objects, tables, sockets, in their order
 *	settle.c     a configuration taken: numbers, tables, policy; reload
 *	turn.c       the heartbeat of it all: signals and time → model → probes and masks
 *	world.c      kernel's picture → rows of the tables and attached programs; world_wan.c: of WANs
 *	wires.c      where XDP carries packets (with carriers.c and clients.c: wiring.h)
 *	neighbours.c the gateways' link-layer addresses; kernel entries pinned while its own default WAN is dead
 *	firewall.c   our table in the kernel's firewall, and what follows from changes of the ruleset
 *	slow.c       packets to cut up, fragments to keep waiting
 *	learn.c      answers of the DNS that wait: names of addresses, for classes that ask for them; learn_table.c:
 *	             what match lines make of them
 *	routes.c     kernel's routes → wh_routes
 *	policy.c     configuration → classes, bucket tables, match lines
 *	flip.c       model → masks: the only writer of wh_steer's masks, and of who leaves after a return
 *	aftermath.c  after a switch: verification, the record; aftermath_reset.c: the sessions that cannot go on
 *	collect.c    idle flows, bindings and ports; counts for status; timers.c: how long is idle
 *	overrides.c  the hand: verbs, expiry, what survives a reboot
 *	classes.c    pins of classes by hand, what changes for a class
 *	throughput.c how fast each WAN runs; quota.c: how much of its month is used
 *	kept.c       the files of overrides.c, classes.c and quota.c
 *	explain.c    what the data plane would do with a flow, in the configuration's words
 *	status.c, verbs.c, control.c, records.c, metrics.c   what is told to people
 */
#ifndef WANHELM_DAEMON_DAEMON_H
#define WANHELM_DAEMON_DAEMON_H

#include <event2/event.h>
#include <jansson.h>
#include <limits.h>

#include "daemon/control.h"
#include "daemon/learn.h"
#include "daemon/records.h"
#include "kern/attach.h"
#include "kern/boot.h"
#include "kern/firewall.h"
#include "kern/firewall_watch.h"
#include "kern/ipsec.h"
#include "kern/load.h"
#include "kern/netlink.h"
#include "kern/resolve.h"
#include "kern/rule_tables.h"
#include "kern/slow.h"
#include "kern/tables.h"
#include "model/model.h"
#include "model/quota.h"
#include "model/rules.h"
#include "prober/prober.h"

#define WH_REASON_LEN 96
/* Before this the clock was never set, and tells neither months nor hours: 2024-01-01. */
#define WH_CLOCK_IS_SET_S 1704067200
#define WH_COLLECT_SLICE 1024 /* entries a slice: well under a millisecond of work */

/* An override by hand, beside its bit in wh_steer. */
struct wh_override {
	uint64_t until_s; /* wall clock; 0: no end */
	char reason[WH_REASON_LEN];
};

/* What follows the death of a WAN, until its record is written: one for both families where they die together. */
struct wh_aftermath {
	bool open;
	bool died[WH_FAMILIES];
	struct wh_change change; /* the first one */
	char evidence[160];
	char cause[32];
	uint64_t flipped_ns;
	double flip_us;
	int64_t lost; /* -1: not known */
	uint64_t moved_before;
	uint64_t reset_before;
	uint64_t reset_by_walk;
	uint64_t answered_ns;
	bool switched;	      /* another WAN could take over */
	uint64_t returned_ns; /* when it was last told that the WAN is in use again */
};

/* Sent packets of a WAN when something was last heard on it: what came after was lost. */
struct wh_heard {
	uint64_t heard_ns;
	uint64_t sent_packets;
};

/* The prefixes in wh_routes, sorted. */
struct wh_route_entry {
	struct wh_route_key key;
	struct wh_route route;
};

struct wh_route_set {
	struct wh_route_entry *entries;
	size_t n, room;
	bool failed; /* memory ran out: not whole */
};

/* A gateway, and what is known of its link-layer address. */
struct wh_gateway {
	unsigned ifindex;
	struct in6_addr addr; /* IPv4: ::ffff:a.b.c.d; ::: there is none to be asked for */
	uint8_t mac[ETH_ALEN];
	bool known;
	uint64_t asked_ns, heard_ns;
};

/* What a WAN has carried, probes included, and how fast it did over the last second. */
struct wh_throughput {
	uint64_t taken_ns; /* when it was last looked at; 0: never */
	uint64_t tx_bytes, rx_bytes;
	double tx_bps, rx_bps; /* NAN: not known yet */
};

/* A class's pin, beside its word in wh_steer. */
struct wh_class_pin {
	uint64_t until_s; /* wall clock; 0: no end */
};

/* A walk for ever, through one family's table and then through the other's. */
struct wh_lap {
	enum wh_family family;
	struct wh_flow_walk walk;
	bool done; /* both have been walked through since it was last set back */
};

/* Where the collection stands. */
struct wh_collection {
	struct wh_lap flows, ports;
	struct wh_flow_walk clients;
	uint64_t clients_ns;	    /* when the clients were last begun with */
	uint64_t seen[WH_MAX_WANS]; /* users' flows by WAN, in this lap so far */
};

struct wh_daemon {
	/* where things are */
	const char *config_path;
	const char *run_dir;
	const char *bpf_dir;
	const char *state_dir;

	/* what runs */
	struct event_base *base;
	struct event *turn_timer, *netlink_event, *prober_event, *collect_timer, *walk_timer, *world_timer;
	struct event *ipsec_event, *resolver_event, *neighbour_timer, *firewall_event, *firewall_timer, *slow_event,
		*slow_timer;
	struct event *signals[3];
	struct wh_programs *programs;
	struct wh_tables tables;
	struct wh_netlink *netlink;
	struct wh_ipsec *ipsec; /* NULL where the kernel has none */
	struct wh_resolver *resolver;
	struct wh_firewall_watch *firewall_watch;
	struct wh_slow_path *slow;
	struct wh_learning learning;
	struct wh_prober *prober;
	struct wh_control *control;
	struct wh_records *records;
	bool adopted; /* the tables were there already */
	int hook_err; /* -EBUSY: a hook that is somebody else's at the start */
	char hook_error[256];
	uint64_t started_ns;

	/* what is wanted and believed */
	struct wh_config config;
	unsigned number_of[WH_MAX_WANS];      /* configuration index → WAN number */
	int conf_of[WH_MAX_WANS];	      /* WAN number → configuration index, -1: none */
	uint8_t class_number[WH_MAX_CLASSES]; /* configuration index → class number */
	int class_conf_of[WH_MAX_CLASSES];    /* class number → configuration index, -1: none */
	unsigned class_numbers;		      /* those below are in use, or were since our start */
	uint8_t lan_number[WH_MAX_LANS];      /* configuration index → LAN number */
	struct wh_model model;

	/* what stands in the tables, as we last wrote it */
	struct wh_wan wans[WH_MAX_WANS];
	struct wh_lan lans[WH_MAX_LANS];
	struct wh_wanted stored;	     /* masks by class number */
	struct wh_rule_numbers rule_numbers; /* that the match lines in force were compiled with */
	struct wh_heard heard[WH_MAX_WANS];
	struct wh_throughput throughput[WH_MAX_WANS];
	bool wan_is_paced[WH_MAX_WANS]; /* sends by an fq qdisc */
	struct wh_route_set routes;
	struct wh_wiring *wiring; /* wires.c */

	const char *missing[WH_MAX_WANS][WH_FAMILIES]; /* what it last lacked to be usable; NULL: never anything */
	struct wh_gateway gateways[WH_MAX_WANS][WH_FAMILIES];
	struct wh_gateway pinned[WH_FAMILIES]; /* the kernel's entry that we made permanent */
	bool no_kernel_route[WH_FAMILIES];     /* told already */
	uint64_t ruleset_shown_ns;	       /* when flows were last made to show themselves again */
	uint64_t ipsec_changes;

	/* work in progress */
	struct wh_override overrides[WH_MAX_WANS];
	struct wh_class_pin class_pins[WH_MAX_CLASSES]; /* by index in the configuration */
	struct wh_account accounts[WH_MAX_WANS];
	uint64_t accounts_saved_ns;
	struct wh_aftermath aftermath[WH_MAX_WANS];
	uint8_t owed[WH_FAMILIES]; /* WANs whose sessions are still to be told, bit by number */
	unsigned walked;	   /* the WAN that is being walked for, WH_WAN_NONE: none */
	enum wh_family walked_family;
	struct wh_flow_walk reset_walk;
	uint64_t walk_begun_ns, walk_took_ns; /* the last one that came to its end */
	uint64_t old_owed_ns;		      /* when old sessions were last looked for */
	int packet_socket;
	struct wh_collection collection;
	uint64_t flows_on[WH_MAX_WANS]; /* users' flows by WAN, as they were last counted */
	uint64_t next_turn_ns;
	uint64_t prober_died_ns;

	bool full_looked; /* what was refused before our start is not news */
	uint64_t full_seen, full_told_ns;
	uint64_t routes_version; /* of the kernel's picture, when wh_routes was last written */

	/* counted for metrics */
	uint64_t reattached, reloads_ok, reloads_failed;
};

/* start.c */
/* -EINVAL: the configuration does not go with the machine; -errno; then end it all the same. */
int wh_daemon_start(struct wh_daemon *d, const struct wh_config *config, char *error, size_t error_len);
void wh_daemon_end(struct wh_daemon *d);

/* settle.c */
/* Take a configuration: numbers for its WANs, and the model. */
void wh_settle_take(struct wh_daemon *d, const struct wh_config *config);
/* The number of the WAN of that name in the configuration; WH_WAN_NONE, also of NULL. */
unsigned wh_wan_named(const struct wh_daemon *d, const char *name);
/* Bring everything into line with the configuration that was just taken; the hand and the policy too. 0 or -errno. */
int wh_settle(struct wh_daemon *d, char *error, size_t error_len);
/* Read the configuration again; 0 or -errno with a line in `error` and nothing changed. */
int wh_daemon_reload(struct wh_daemon *d, char *error, size_t error_len);

/* turn.c */
void wh_turn(struct wh_daemon *d);
void wh_turn_on_timer(evutil_socket_t fd, short what, void *arg);
void wh_turn_on_results(evutil_socket_t fd, short what, void *arg);
void wh_turn_on_change(void *arg, const struct wh_change *change);

/* world.c */
/* Bring rows, devices, hooks and routes up to date with the kernel's picture. */
void wh_world_update(struct wh_daemon *d);
/* The same without the routes: what another program may have taken away without a notification. */
void wh_world_hooks(struct wh_daemon *d);
void wh_world_on_change(void *arg);
/* Refuse what the picture forbids (a bridge's port as LAN). 0 or -EINVAL with a line in `error`. */
int wh_world_check(const struct wh_daemon *d, const struct wh_config *config, char *error, size_t error_len);
/* Give the configuration's WANs their numbers: those of their names in the tables, else free ones. */
void wh_world_number(const struct wh_daemon *d, const struct wh_config *config, unsigned number_of[WH_MAX_WANS]);
/* The same for its LAN devices. */
void wh_world_number_lans(const struct wh_daemon *d, const struct wh_config *config, uint8_t lan_number[WH_MAX_LANS]);
/* After an update: take off what stood in the tables before and is no longer in the configuration. */
void wh_world_forget(struct wh_daemon *d, const struct wh_wan old_wans[WH_MAX_WANS],
		     const struct wh_lan old_lans[WH_MAX_LANS]);
/* The prober's end of its veth: row, device, hook. */
int wh_world_prober(struct wh_daemon *d, char *error, size_t error_len);
int wh_world_write_wan(struct wh_daemon *d, unsigned wan);
/* wh_devices; taken out only if it is still what it was: two WANs may have changed places. */
void wh_world_set_device(struct wh_daemon *d, unsigned ifindex, enum wh_role role, unsigned number, unsigned l2_len);
void wh_world_unset_device(struct wh_daemon *d, unsigned ifindex, enum wh_role role, unsigned number);
/* Attach where it is not attached; 0 also when it was. `first`: not before, so its absence is no news. */
int wh_world_attach(struct wh_daemon *d, enum wh_hook hook, const char *device, unsigned ifindex, unsigned l2_len,
		    bool first);

/* world_wan.c */
void wh_world_wan(struct wh_daemon *d, unsigned wan);

/* wires.c */
/* What an earlier controller left is read; the neighbours are watched from now on. 0 or -errno. */
int wh_wires_start(struct wh_daemon *d);
void wh_wires_end(struct wh_daemon *d);
/* XDP where it is to be and can be, by the rows of WANs and LANs as they are now. */
void wh_wires_update(struct wh_daemon *d);
/* Each turn: what is due of the LANs' neighbours. */
void wh_wires_turn(struct wh_daemon *d);
/* Of a row of wh_wires: {"in", "out", "why"}. */
json_t *wh_wires_status(const struct wh_daemon *d, unsigned row);

/* neighbours.c */
int wh_neighbours_start(struct wh_daemon *d);
/* Put what is known of the gateways in the row's fields into the row. */
void wh_neighbours_fill(struct wh_daemon *d, unsigned wan, struct wh_wan *row);
/* A WAN is in doubt: ask everybody for its gateways now. */
void wh_neighbours_suspect(struct wh_daemon *d, unsigned wan);
/* Pin the gateway of the kernel's own default route while that WAN is dead, and take the pin back after. */
void wh_neighbours_pin(struct wh_daemon *d);

/* firewall.c */
/* Before the start: what `boot` says, while no data plane is pinned. 0 or -errno with a line in `error`. */
int wh_firewall_boot(const struct wh_config *config, const char *bpf_dir, char *error, size_t error_len);
/* The data plane is attached: nothing is closed any more. The same. */
int wh_firewall_open(const struct wh_daemon *d, char *error, size_t error_len);
/* The table and the watch; 0 or -errno with a line in `error`. */
int wh_firewall_start(struct wh_daemon *d, char *error, size_t error_len);
/* The table and the mode as the configuration has them now. 0 or -errno with a line in `error`. */
int wh_firewall_settle(struct wh_daemon *d, char *error, size_t error_len);
/* Rules or routes have changed: each flow is looked at once more, now or as soon as that may be done again. */
void wh_firewall_show_again(struct wh_daemon *d);
/* Tell once where the kernel has no default route for new flows to pass by. */
void wh_firewall_routes(struct wh_daemon *d);

/* slow.c */
int wh_slow_start(struct wh_daemon *d);
/* Nobody waits for us any more; what does still, goes on. */
void wh_slow_end(struct wh_daemon *d);

/* routes.c */
void wh_routes_update(struct wh_daemon *d);

/* policy.c */
/* Give the configuration's classes their numbers: those of their names in the tables, else free ones; `default` 0. */
void wh_policy_number(const struct wh_daemon *d, const struct wh_config *config, uint8_t class_number[WH_MAX_CLASSES]);
/* 0, or -errno with a clause in `error`. */
int wh_policy_store(struct wh_daemon *d, char *error, size_t error_len);
/* Devices have come or changed: match lines that name VLANs mean others now. */
void wh_policy_follow(struct wh_daemon *d);

/* Once a second: an fq qdisc may have come or gone. */
void wh_policy_pace(struct wh_daemon *d);

/* flip.c */
void wh_flip(struct wh_daemon *d);
/* Take over the masks that an earlier controller stored. */
void wh_flip_adopt(struct wh_daemon *d);
/* The class of that number is no more: so are its masks. */
void wh_flip_forget(struct wh_daemon *d, unsigned class);

/* aftermath.c */
void wh_aftermath_open(struct wh_daemon *d, const struct wh_change *change);
/* A WAN is taken into use again by a class. */
void wh_aftermath_on_return(void *arg, const struct wh_class_change *change);
void wh_aftermath_flipped(struct wh_daemon *d, uint64_t flipped_ns);
/* Whether a switch is waited on for its first answer. */
bool wh_aftermath_waits(const struct wh_daemon *d);
void wh_aftermath_watch(struct wh_daemon *d, uint64_t now_ns);

/* aftermath_reset.c */
/* Now and then: those are owed, too, that have grown too old for a WAN that is better left. */
void wh_aftermath_owe_old(struct wh_daemon *d, uint64_t now_ns);
/* Begin to tell sessions where they cannot go on, as soon as there is a better WAN, and not before. */
void wh_aftermath_walk(struct wh_daemon *d);
void wh_aftermath_on_walk(evutil_socket_t fd, short what, void *arg);
/* The WANs that take new flows of the class of that number in that family; of any class. */
uint8_t wh_fresh_for(const struct wh_daemon *d, unsigned class, enum wh_family family);
uint8_t wh_fresh_anywhere(const struct wh_daemon *d, enum wh_family family);

/* collect.c */
void wh_collect_on_timer(evutil_socket_t fd, short what, void *arg);

/* timers.c */
/* Idle times by enum wh_timer, scaled as the environment says. */
const uint64_t *wh_timers_ns(void);

/* overrides.c */
void wh_overrides_load(struct wh_daemon *d);
int wh_overrides_set(struct wh_daemon *d, unsigned wan, enum wh_hand_verb verb, uint64_t for_s, const char *reason);
/* Follow the override words, which a person may have written without us. */
void wh_overrides_watch(struct wh_daemon *d);
void wh_overrides_expire(struct wh_daemon *d);

/* throughput.c */
/* Once a second: how fast each WAN runs; the model is told. */
void wh_throughput_watch(struct wh_daemon *d);

/* quota.c */
void wh_quota_load(struct wh_daemon *d);
/* Once a second: the months' accounts, and what follows from them. */
void wh_quota_watch(struct wh_daemon *d);
void wh_quota_save(struct wh_daemon *d);
/* The same, up to the last byte. */
void wh_quota_end(struct wh_daemon *d);

/* classes.c */
/* Pin a class (index) to a WAN number, WH_WAN_NONE takes that back; for_s 0: without end. */
void wh_classes_pin(struct wh_daemon *d, unsigned class, unsigned wan, uint64_t for_s);
void wh_classes_load(struct wh_daemon *d);
/* Follow the pins in wh_steer, which a person may have written without us, and end those whose time is over. */
void wh_classes_watch(struct wh_daemon *d);
void wh_classes_on_change(void *arg, const struct wh_class_change *change);
/* Of these verbs the arguments are in ctl/ctl.h. */
json_t *wh_classes_on_pin(void *arg, const json_t *request);
json_t *wh_classes_on_auto(void *arg, const json_t *request);

/* explain.c: a verb; its arguments are in ctl/ctl.h */
json_t *wh_explain_flow(void *arg, const json_t *request);

/* status.c */
json_t *wh_status(struct wh_daemon *d);
json_t *wh_status_wan(struct wh_daemon *d, unsigned wan);

/* verbs.c: the table for wh_control_start() */
extern const struct wh_control_handler wh_verbs[];

/* Keep a record, log it, and send it to those who follow. */
void wh_tell(struct wh_daemon *d, const struct wh_record *record);

#endif
