/* SPDX-License-Identifier: GPL-2.0 */
/*
 * health.h: the probes of one WAN in one address family: when they are due, which answer belongs to which, and
 * what a round of them says.  Pure: `now` is an argument, and no packet is sent here.  model.c calls it; what the
 * verdicts make of the WAN's state is states.c's business, and averages are meter.h's.
 *
 * A *round* is what is sent together: in quiet times the targets of a kind that is due, in a *burst* all
 * targets every WH_BURST_INTERVAL_NS (but a TCP target is left alone while its attempt is outstanding).
 * A target is good by its last result, in the order of sending: that an old probe ran out says nothing
 * where a newer one was answered.  A round is
 *	good	as soon as one of its own probes is answered and at least `quorum` targets are good (all of them,
 *		where the family has fewer),
 *	bad	if, when its last probe has been settled, fewer than that are good,
 *	neither	if none of its own was answered, and enough targets are good by other rounds.
 * The profile's targets of the other family do not exist here; but the numbers of targets are the profile's.
 */
#ifndef WANHELM_MODEL_HEALTH_H
#define WANHELM_MODEL_HEALTH_H

#include "model/config.h"
#include "model/meter.h"
#include "model/window.h"

#define WH_BURST_INTERVAL_NS 20000000ULL
/* A burst that comes to no end falls back to the normal intervals: users' traffic may well flow. */
#define WH_BURST_MAX_NS 5000000000ULL
#define WH_TIMEOUT_MIN_NS 250000000ULL
#define WH_TIMEOUT_MAX_NS 2000000000ULL
#define WH_TIMEOUT_FIRST_NS 1000000000ULL /* before anything was measured, as in RFC 6298 */
/* Rounds remembered: more than the longest automatic timeout spans in a burst, so that late answers are known. */
#define WH_ROUNDS 128

/* A probe that the daemon is to send now. */
struct wh_probe_order {
	unsigned wan;	 /* number */
	unsigned target; /* index into the WAN's profile */
	uint32_t seq;	 /* to be handed back with the result; never reused within 2^31 probes */
};

enum wh_probe_status {
	WH_PROBE_ANSWERED,
	WH_PROBE_REFUSED, /* answered with a no: the target is bad, and it proves no way to the Internet */
	WH_PROBE_UNSENT	  /* our own trouble: forgotten */
};

enum wh_target_result { WH_TARGET_UNKNOWN, WH_TARGET_OK, WH_TARGET_BAD };

/* What is known of one target; the index is the profile's. */
struct wh_target_health {
	enum wh_target_result last;
	uint64_t last_ns;      /* when `last` was known: now - last_ns is its age */
	uint64_t last_sent_ns; /* when the probe was sent that it is about */
	uint64_t rtt_ns;       /* of the last answer; 0: none yet */
	uint64_t busy_ns;      /* until then an attempt is outstanding */
};

struct wh_round {
	uint64_t sent_ns;
	uint64_t deadline_ns;
	uint32_t seq[WH_MAX_TARGETS];
	uint16_t sent;	   /* one bit a target: was probed */
	uint16_t open;	   /* of these: neither answered nor run out */
	uint16_t answered; /* of these: in time */
	bool judged;
};

struct wh_health {
	struct wh_conf_profile profile;
	uint16_t own; /* one bit a target: is of this family */
	struct wh_target_health targets[WH_MAX_TARGETS];
	struct wh_round rounds[WH_ROUNDS]; /* a ring */
	unsigned next_round;		   /* where the next one goes: there the oldest stands */
	uint64_t due_ns[WH_PROBE_KINDS];
	bool burst;
	uint64_t burst_due_ns;
	uint64_t burst_end_ns;
	struct wh_meter meter;
	struct wh_window windows[WH_MAX_TARGETS];
};

enum wh_verdict_kind {
	WH_VERDICT_NONE,
	WH_VERDICT_GOOD, /* a good round */
	WH_VERDICT_BAD,	 /* a bad round */
	WH_VERDICT_LATE	 /* an answer after its time: the way works, but slowly */
};

struct wh_verdict {
	enum wh_verdict_kind kind;
	uint64_t sent_ns; /* when the round was sent */
};

/* For people; NAN: not known. */
struct wh_figures {
	double rtt_ms;	   /* smoothed; known while a target is good */
	double jitter_ms;  /* likewise */
	double loss_ratio; /* of the probes of the last 10 s; unknown without any */
};

/* Take in a profile.  What is known of the family's targets stays if they are the same. */
void wh_health_configure(struct wh_health *h, const struct wh_conf_profile *profile, enum wh_family family,
			 uint64_t now_ns);

/* Probe from now on, with nothing known of the targets. */
void wh_health_start(struct wh_health *h, uint64_t now_ns);

/* Outstanding probes never were: neither lost nor answered. */
void wh_health_forget(struct wh_health *h);

/* Begin a burst; one that is under way goes on.  End it. */
void wh_health_burst(struct wh_health *h, uint64_t now_ns);
void wh_health_calm(struct wh_health *h);

/*
 * Start the round that is due, if one is: writes its probes (all but `wan`) and returns how many.  A round
 * that does not fit into `max` waits.  Numbers are drawn from *seq, jitter from *random.
 */
unsigned wh_health_send(struct wh_health *h, uint64_t now_ns, uint32_t *seq, uint32_t *random,
			struct wh_probe_order *orders, unsigned max);

/* A probe's result; a seq that no remembered probe has counts as late. */
struct wh_verdict wh_health_result(struct wh_health *h, unsigned target, uint32_t seq, enum wh_probe_status status,
				   uint64_t rtt_ns, uint64_t now_ns);

/* What ran out until now: one verdict a call, WH_VERDICT_NONE when there is no more. */
struct wh_verdict wh_health_expire(struct wh_health *h, uint64_t now_ns);

/* When wh_health_expire() or wh_health_send() has something to do next; UINT64_MAX: never. */
uint64_t wh_health_next(const struct wh_health *h);

/* How long a probe that is sent now may take. */
uint64_t wh_health_timeout(const struct wh_health *h);

/* How many targets the family has, and how many of them are good. */
unsigned wh_health_targets(const struct wh_health *h);
unsigned wh_health_good_targets(const struct wh_health *h);

void wh_health_figures(const struct wh_health *h, uint64_t now_ns, struct wh_figures *out);

/*
 * Of the last ten seconds, each figure of the target that has the best one, of those with `least` probes in that time;
 * `samples` is the number of the one that has most.
 */
void wh_health_best(const struct wh_health *h, uint64_t now_ns, unsigned least, struct wh_window_figures *out);

#endif
