/* SPDX-License-Identifier: GPL-2.0 */
/*
 * standing.h: how a class stands to each of its WANs: which may take its new flows, which may keep those they have, and
 * why not the others.  Pure.  model.c lets time pass here, masks.c makes words for the data plane of it, and whoever
 * explains something to people asks for the reasons.
 *
 * What decides, the stronger first:
 *
 *	never        absence from the tiers (conf/class.c)
 *	absent       state
 *	the hand     state; `up` stands above all that follows
 *	health       state; where nothing is well, what recovers, then the one last heard from
 *	quota block  such a WAN carries nothing
 *	SLA          those inside the class's limits; where none is, the least bad one
 *	avoided      quota, as long as anything else is left
 *	failback     what is fit again and held back, the same
 *	busy         with algorithm overflow: load, the same
 *	class pin    the pinned WAN, if it is still among them
 *	tier         the order in the buckets
 *	algorithm    least-used, lowest-latency: of the best tier one only; weighted: the buckets' shares
 */
#ifndef WANHELM_MODEL_STANDING_H
#define WANHELM_MODEL_STANDING_H

#include "model/model.h"

/* Of a load, as a share of the line's bandwidth: busy from here on, until below there. */
#define WH_BUSY_PERCENT 80
#define WH_IDLE_PERCENT 70
/* From here on the line is full of our own traffic, and its latency says nothing of it. */
#define WH_FULL_PERCENT 90

/* Less than that is probes and the like: a line without anything on it. */
#define WH_CHATTER_BPS 100000

/*
 * How much better another WAN must be to be chosen instead: in points of the share, or of what the chosen one carries,
 * and of the round-trip time.
 */
#define WH_LOAD_STEP_PERCENT 10
#define WH_LATENCY_STEP_PERCENT 20
#define WH_LATENCY_STEP_NS 2000000ULL

#define WH_STANDING_NS 100000000ULL /* how often time is let pass here */

/* name, text for people */
#define WH_STANDINGS(X)                                                                                                \
	X(OUTSIDE, "not among the class's WANs")                                                                       \
	X(FRESH, "takes new flows")                                                                                    \
	X(STATE, "its state")                                                                                          \
	X(RESORT, "nothing better is left")                                                                            \
	X(BLOCKED, "its quota is used up")                                                                             \
	X(SLA, "outside the class's limits")                                                                           \
	X(AVOIDED, "its quota is used up, and others are left")                                                        \
	X(HELD, "fit again, but not for long enough")                                                                  \
	X(WAITS, "fit again, and waits to be taken back")                                                              \
	X(BUSY, "busy, and others are left")                                                                           \
	X(UNPINNED, "the class is pinned to another")                                                                  \
	X(NOT_CHOSEN, "another of its tier is better now")

enum wh_standing {
#define X(name, text) WH_STANDING_##name,
	WH_STANDINGS(X)
#undef X
		WH_STANDING_COUNT
};

/* By WAN number; one family. */
struct wh_class_standing {
	uint8_t keep;
	uint8_t fresh;
	enum wh_standing why[WH_MAX_WANS];
};

void wh_standing_of(const struct wh_model *m, unsigned class, enum wh_family family, struct wh_class_standing *out);

/*
 * The class's WANs that nothing speaks against but failback and the class's own choice: well or recovering, inside the
 * limits, with quota left.
 */
uint8_t wh_standing_fit(const struct wh_model *m, unsigned class, enum wh_family family);

/* Of the set those in the best of the class's tiers that has any. */
uint8_t wh_standing_best_tier(const struct wh_model *m, unsigned class, uint8_t set);

/* The text above, with the figure that decides where there is one: "outside the class's limits: loss 4 %, limit 1 %". */
void wh_standing_text(const struct wh_model *m, unsigned class, unsigned wan, enum wh_family family, uint64_t now_ns,
		      char *out, size_t len);

/* Let time pass: who is inside the limits, who is chosen.  Calls m->on_class for what changed. */
void wh_standing_pass(struct wh_model *m, uint64_t now_ns);

#endif
