/* SPDX-License-Identifier: GPL-2.0 */
/*
 * model.h: the controller's judgement: what is known of each WAN in each address family, which state follows,
 * which masks follow from the states, and which probes are due.  Pure: no file descriptors, no clock, no
 * allocation; `now` is an argument (CLOCK_MONOTONIC nanoseconds), so a day of failovers is tested in a millisecond.
 *
 * The daemon feeds it (links, signals, probe results, the hand), calls wh_model_tick() when it asks for it,
 * sends the probes that it orders, and stores the masks that it wants.  Every change of state goes through
 * one function inside, which calls `on_change` once.
 *
 * WANs are named by their *number* (the row of wh_wans and the bit in masks), 0..WH_MAX_WANS-1, which stays
 * the same across reloads; `number_of[i]` says which number the configuration's WAN i has.  The two families of a
 * WAN share its name and the hand and nothing else: one may be absent, or die, while the other carries on.
 */
#ifndef WANHELM_MODEL_MODEL_H
#define WANHELM_MODEL_MODEL_H

#include "model/config.h"
#include "model/failback.h"
#include "model/health.h"
#include "model/silence.h"
#include "model/sla.h"
#include <wanhelm/steer.h>
#include <wanhelm/wan.h>

/* A change of state, as it is told to the daemon. */
struct wh_change {
	unsigned wan;
	enum wh_family family;
	enum wh_wan_state from;
	enum wh_wan_state to;
	const char *cause;    /* a word: "probes", "carrier", "hand", "start", … */
	const char *evidence; /* a sentence; valid during the call */
	uint64_t since_ns;    /* when the first sign was seen: where from detection is counted */
	uint64_t now_ns;
};

/* One family on one WAN.  The daemon reads the first part; what follows is the model's own. */
struct wh_family_model {
	enum wh_wan_state state;  /* what the world says, the hand included */
	enum wh_wan_state judged; /* what the probes alone say */
	uint64_t since_ns;	  /* when `state` was entered */
	char reason[96];	  /* why it is in this state */
	bool usable;		  /* device, carrier, address, gateway are there */
	uint64_t heard_ns;	  /* when anything last came back this way; 0: never */
	struct wh_health health;  /* wh_health_figures() reads it; health.targets[] have their last results */

	bool met;		  /* was usable before: comes back as down, not as pending */
	uint64_t watched_ns;	  /* quiet is counted from here at the earliest: what was sent before was heard of */
	uint64_t judged_since_ns; /* when `judged` was entered */
	uint64_t recovered_ns;	  /* when it last worked again after it was down; 0: it does not, or was never down */
	uint64_t lost_ns;	  /* when `state` last ceased to carry flows; 0: it never did */
	uint64_t sign_ns;	  /* the first sign of the present trouble; 0: none */
	unsigned bad_rounds;	  /* in a row */
	unsigned good_rounds;	  /* in a row */
	bool alarmed;		  /* the present burst was begun by silence */
	struct wh_silence silence;
};

/* What a WAN's monthly quota means for new flows. */
enum wh_quota_verdict { WH_QUOTA_FREE, WH_QUOTA_AVOIDED, WH_QUOTA_BLOCKED };

/* One WAN. */
struct wh_wan_model {
	bool configured;
	bool enabled; /* by the configuration */
	char name[WH_NAME_LEN];
	enum wh_hand_verb hand;
	enum wh_quota_verdict quota;
	double load;	/* share of its bandwidth that is in use, the fuller direction; 0 without a bandwidth */
	double carried; /* bits a second, both directions, for each point of its weight */
	bool measured;	/* has a bandwidth, and `load` says something */
	bool busy;
	struct wh_family_model of[WH_FAMILIES];
};

/* What one class knows of its WANs, by number. */
struct wh_class_model {
	char name[WH_NAME_LEN];
	unsigned pinned; /* WAN number, or WH_WAN_NONE */
	struct wh_sla_watch sla[WH_MAX_WANS][WH_FAMILIES];
	uint8_t chosen[WH_FAMILIES]; /* by least-used or lowest-latency; WH_WAN_NONE: nobody yet */
	struct wh_class_back back[WH_FAMILIES];
	struct wh_return words; /* what the data plane is to know of it */
};

/* What changed for one class on one WAN; all texts are valid during the call. */
struct wh_class_change {
	unsigned class; /* index */
	unsigned wan;
	enum wh_family family;
	const char *cause; /* a word */
	const char *evidence;
};

struct wh_model {
	const struct wh_config *config;
	unsigned number_of[WH_MAX_WANS];				   /* configuration index → WAN number */
	struct wh_wan_model wans[WH_MAX_WANS];				   /* by number */
	struct wh_class_model classes[WH_MAX_CLASSES];			   /* by index */
	void (*on_change)(void *arg, const struct wh_change *change);	   /* may be NULL */
	void (*on_class)(void *arg, const struct wh_class_change *change); /* may be NULL */
	/* A class takes a WAN into use again.  May be NULL. */
	void (*on_return)(void *arg, const struct wh_class_change *change);
	void *arg;

	uint32_t seq;	      /* of the next probe */
	uint32_t random;      /* for jitter */
	uint64_t standing_ns; /* when standing.c last let time pass */
	unsigned local_minute;
};

/* What the words should be: `alive` for the last row of wh_steer, the others for each configured class. */
struct wh_wanted {
	union wh_alive alive;
	union wh_masks masks[WH_MAX_CLASSES];
	struct wh_return back[WH_MAX_CLASSES];
};

/* The index of a WAN (by number) in the configuration, or -1. */
int wh_model_index_of(const struct wh_model *m, unsigned wan);

/*
 * Start (with a zeroed model), or take in another configuration: WANs keep their numbers' state where the
 * name stayed (the caller sees to the numbers).  `config` must outlive the model.  Calls on_change for
 * nothing.  A new WAN is absent until wh_model_usable() or wh_model_adopt(), and so is one that was disabled:
 * tell the usability of all of them again.
 */
void wh_model_configure(struct wh_model *m, const struct wh_config *config, const unsigned number_of[WH_MAX_WANS],
			uint64_t now_ns);

/*
 * Take over the state of one family that an earlier controller left in the maps, before the first tick.  Calls
 * on_change for nothing.  The hand is not part of it: after this, tell wh_model_hand() what it does, AUTO too.
 */
void wh_model_adopt(struct wh_model *m, unsigned wan, enum wh_family family, enum wh_wan_state state,
		    uint64_t since_ns);

/*
 * What a family needs came or went: the device and its carrier (then tell it of both), its address or its gateway.
 * `why` names what is missing, or came back.  A family without targets in the WAN's profile is up while it is usable.
 */
void wh_model_usable(struct wh_model *m, unsigned wan, enum wh_family family, bool usable, const char *why,
		     uint64_t now_ns);

/*
 * What the data plane saw: the stamps of wh_signals.  Cheap, called every few milliseconds.  It may start a
 * burst of probes, so let a tick follow.
 */
void wh_model_signal(struct wh_model *m, unsigned wan, enum wh_family family, const struct wh_signal *signal,
		     uint64_t now_ns);

/*
 * A probe's result; the family is the target's.  A late or unknown `seq` is understood.  It may begin or end a
 * burst: let a tick follow.
 */
void wh_model_result(struct wh_model *m, unsigned wan, unsigned target, uint32_t seq, enum wh_probe_status status,
		     uint64_t rtt_ns, uint64_t now_ns);

/* The hand, which holds for both families.  Each that is there tells its change, after both have changed. */
void wh_model_hand(struct wh_model *m, unsigned wan, enum wh_hand_verb verb, const char *why, uint64_t now_ns);

/* What users and probes send and receive on a WAN, bits a second; to be told about once a second. */
void wh_model_traffic(struct wh_model *m, unsigned wan, double up_bps, double down_bps);

/* What the quota says of a WAN from now on. */
void wh_model_quota(struct wh_model *m, unsigned wan, enum wh_quota_verdict verdict);

/* Put one WAN first for a class (index); WH_WAN_NONE takes that back. */
void wh_model_pin(struct wh_model *m, unsigned class, unsigned wan);

/* Take a WAN that is held back by any class into use now, hold or not.  Whether there was any. */
bool wh_model_failback(struct wh_model *m, unsigned wan, uint64_t now_ns);

/* The minute of the week, local time, from Sunday 0:00, or WH_MINUTE_UNKNOWN; to be told once a minute at least. */
void wh_model_local_time(struct wh_model *m, unsigned minute);

/* What an earlier controller held back from a class (index), WANs as bits; after wh_model_configure(). */
void wh_model_adopt_waits(struct wh_model *m, unsigned class, uint8_t waits4, uint8_t waits6);

/*
 * The loop was away for `late_ns` more than it wanted: probes that ran out meanwhile say something about us,
 * not about a WAN, and are forgotten.  To be called before the results and signals that waited meanwhile are
 * handed on.  Less than WH_STARVED_NS is nothing.
 */
#define WH_STARVED_NS 50000000ULL
void wh_model_starved(struct wh_model *m, uint64_t late_ns, uint64_t now_ns);

/*
 * Let time pass: judge what ran out, start what is due.  Writes at most `max` orders and their number to
 * *n_orders; returns when it wants to be called next (absolute, never more than a second ahead).  A round that
 * does not fit is still due, so there should be room for WH_MAX_TARGETS at least.
 */
uint64_t wh_model_tick(struct wh_model *m, uint64_t now_ns, struct wh_probe_order *orders, unsigned max,
		       unsigned *n_orders);

/* The masks that follow from the states. */
void wh_model_wanted(const struct wh_model *m, struct wh_wanted *out);

/*
 * The better of two states: the one that does more for traffic.  A WAN's shown state is the better of its
 * families', and `shown family` is the one that has it: IPv4 where they are alike.
 */
enum wh_wan_state wh_better_state(enum wh_wan_state a, enum wh_wan_state b);
enum wh_family wh_wan_shown_family(const struct wh_wan_model *w);
enum wh_wan_state wh_wan_shown(const struct wh_wan_model *w);

#endif
