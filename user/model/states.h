/* SPDX-License-Identifier: GPL-2.0 */
/*
 * states.h: the state machine of one WAN in one family; internal to model/.  model.c feeds it; the table of
 * states is in states.c.  Whether a round is good is health.h's matter, and what a state means for traffic masks.c's.
 */
#ifndef WANHELM_MODEL_STATES_H
#define WANHELM_MODEL_STATES_H

#include "model/model.h"

/* `down` needs this long with something sent and nothing heard, however many rounds are bad. */
#define WH_QUIET_NS 250000000ULL
/* Where all others are in doubt too, a judgement waits at most this long for theirs, and looks that often. */
#define WH_DOUBT_NS 400000000ULL
#define WH_DOUBT_LOOK_NS 5000000ULL

/*
 * What a state means for traffic:
 *
 *	fresh (takes new flows)				up, suspect, forced-up
 *	alive (existing flows stay)			those and draining, recovering
 */
static inline bool wh_state_is_fresh(enum wh_wan_state state)
{
	return state == WH_WAN_UP || state == WH_WAN_SUSPECT || state == WH_WAN_FORCED_UP;
}

static inline bool wh_state_is_alive(enum wh_wan_state state)
{
	return wh_state_is_fresh(state) || state == WH_WAN_DRAINING || state == WH_WAN_RECOVERING;
}

/* The state that the world sees, from usability, the hand and what the probes say. */
enum wh_wan_state wh_states_shown(const struct wh_wan_model *w, enum wh_family family);

void wh_states_usable(struct wh_model *m, unsigned wan, enum wh_family family, bool usable, const char *why,
		      uint64_t now_ns);
void wh_states_hand(struct wh_model *m, unsigned wan, enum wh_hand_verb verb, const char *why, uint64_t now_ns);
void wh_states_verdict(struct wh_model *m, unsigned wan, enum wh_family family, struct wh_verdict verdict,
		       uint64_t now_ns);

/* What recovers is up from now on, because a person says so. */
void wh_states_accept(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns);

/* Packets were sent since the family's silence.since_ns, and nothing has come back. */
void wh_states_silent(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns);

/* What time alone brings about, and when it next may; UINT64_MAX: never. */
void wh_states_pass(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns);
uint64_t wh_states_next(const struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns);

#endif
