/* SPDX-License-Identifier: GPL-2.0 */
/*
 * silence.h: the passive alarm of one WAN and family: packets leave and nothing comes back.  Pure.  model.c
 * feeds it with the data plane's stamps every few milliseconds; states.c decides what an alarm means.
 *
 * How long a silence may last adapts itself: twice the round trip, at least WH_SILENCE_MIN_NS.  An alarm
 * that proves false doubles it up to WH_SILENCE_MAX_NS, and after WH_SILENCE_RELAX_NS without another it is
 * back, so one-way traffic raises a few alarms and then no more.  It is never below twice the round trip,
 * not even where that is more than the maximum: a shorter one would be false always.
 */
#ifndef WANHELM_MODEL_SILENCE_H
#define WANHELM_MODEL_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#define WH_SILENCE_MIN_NS 50000000ULL
#define WH_SILENCE_MAX_NS 250000000ULL
#define WH_SILENCE_RELAX_NS 10000000000ULL

struct wh_silence {
	uint64_t since_ns;	 /* the poll that first saw an unanswered send; 0: none is unanswered */
	uint64_t heard_ns;	 /* what was last heard at that poll */
	uint64_t false_alarm_ns; /* the last one */
	unsigned doublings;
};

/* How long it may last now; srtt_ns 0: not known. */
uint64_t wh_silence_threshold(const struct wh_silence *s, uint64_t srtt_ns, uint64_t now_ns);

/* When something was last sent and last heard.  True: the silence has lasted too long. */
bool wh_silence_poll(struct wh_silence *s, uint64_t sent_ns, uint64_t heard_ns, uint64_t srtt_ns, uint64_t now_ns);

/* The WAN was well all the time. */
void wh_silence_false_alarm(struct wh_silence *s, uint64_t srtt_ns, uint64_t now_ns);

/* The clock starts again at the next poll. */
void wh_silence_restart(struct wh_silence *s);

#endif
