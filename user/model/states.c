/* SPDX-License-Identifier: GPL-2.0 */
/*
 * states.c: the state machine of one WAN.
 *
 *	absent	    not usable, entered at once from anywhere    first start → pending, later → down
 *	pending	    not judged yet                 good round → up, enough bad ones → down
 *	up	                                   bad round or silence → suspect
 *	suspect	    masks as up                    good round → up, enough bad ones → down
 *	down	                                   up-after good rounds → recovering
 *	recovering  hold over → up                 enough bad rounds → down
 *
 * "Enough" is down-after bad rounds in a row and WH_QUIET_NS in which nothing at all was heard.  This runs on
 * under the hand too, as `judged`.  The hand shows as forced-down, forced-up or draining instead; a WAN that
 * drains shows down while it is down, because draining keeps flows only where they work.
 */
#include "model/states.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"

struct why {
	const char *cause;
	const char *evidence;
	uint64_t since_ns;
};

enum wh_wan_state wh_states_shown(const struct wh_wan_model *w)
{
	if (!w->usable)
		return WH_WAN_ABSENT;
	switch (w->hand) {
	case WH_HAND_DOWN:
		return WH_WAN_FORCED_DOWN;
	case WH_HAND_UP:
		return WH_WAN_FORCED_UP;
	case WH_HAND_DRAIN:
		if (w->judged == WH_WAN_PENDING || w->judged == WH_WAN_DOWN)
			return w->judged;
		return WH_WAN_DRAINING;
	case WH_HAND_AUTO:
		break;
	}
	return w->judged;
}

/* The one place where `state` changes and somebody is told. */
static void show(struct wh_model *m, unsigned wan, const struct why *why, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	struct wh_change change = {.wan = wan,
				   .from = w->state,
				   .to = wh_states_shown(w),
				   .cause = why->cause,
				   .evidence = why->evidence,
				   .since_ns = why->since_ns,
				   .now_ns = now_ns};

	if (change.to == change.from)
		return;
	w->state = change.to;
	w->since_ns = now_ns;
	snprintf(w->reason, sizeof(w->reason), "%s", why->evidence);
	if (m->on_change)
		m->on_change(m->arg, &change);
}

static void judge_as(struct wh_model *m, unsigned wan, enum wh_wan_state judged, const struct why *why, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];

	w->judged = judged;
	w->judged_since_ns = now_ns;
	w->good_rounds = 0;
	show(m, wan, why, now_ns);
}

static uint64_t quiet_since(const struct wh_wan_model *w)
{
	return w->heard_ns > w->watched_ns ? w->heard_ns : w->watched_ns;
}

static uint64_t quiet_ms(const struct wh_wan_model *w, uint64_t now_ns)
{
	uint64_t since_ns = quiet_since(w);

	return now_ns > since_ns ? (now_ns - since_ns) / WH_NS_PER_MS : 0;
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static const char *bad_evidence(const struct wh_wan_model *w, uint64_t now_ns, char *out, size_t len)
{
	snprintf(out, len, "%u bad round%s, nothing heard for %llu ms, %u of %u target%s answer", w->bad_rounds,
		 plural(w->bad_rounds), (unsigned long long)quiet_ms(w, now_ns), wh_health_good_targets(&w->health),
		 w->health.profile.n_targets, plural(w->health.profile.n_targets));
	return out;
}

static const char *good_evidence(const struct wh_wan_model *w, char *out, size_t len)
{
	snprintf(out, len, "%u good round%s, %u of %u target%s answer", w->good_rounds, plural(w->good_rounds),
		 wh_health_good_targets(&w->health), w->health.profile.n_targets, plural(w->health.profile.n_targets));
	return out;
}

static bool enough_bad(const struct wh_wan_model *w)
{
	bool doubted = w->judged == WH_WAN_PENDING || w->judged == WH_WAN_SUSPECT || w->judged == WH_WAN_RECOVERING;

	return doubted && w->bad_rounds && w->bad_rounds >= w->health.profile.down_after;
}

static void down_if_enough(struct wh_model *m, unsigned wan, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	char evidence[sizeof(w->reason)];
	uint64_t since_ns;

	if (!enough_bad(w) || now_ns < quiet_since(w) + WH_QUIET_NS)
		return;
	wh_health_calm(&w->health);
	wh_silence_restart(&w->silence);
	bad_evidence(w, now_ns, evidence, sizeof(evidence));
	/* what was heard after the first sign was a sign of life */
	since_ns = w->sign_ns > quiet_since(w) ? w->sign_ns : quiet_since(w);
	judge_as(m, wan, WH_WAN_DOWN, &(struct why){"probes", evidence, since_ns}, now_ns);
}

static void burst(struct wh_wan_model *w, bool alarmed, uint64_t now_ns)
{
	if (w->health.burst)
		return;
	w->alarmed = alarmed;
	wh_health_burst(&w->health, now_ns);
}

static void good_round(struct wh_model *m, unsigned wan, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	char evidence[sizeof(w->reason)];

	if (w->health.burst && w->alarmed)
		wh_silence_false_alarm(&w->silence, w->health.meter.srtt_ns, now_ns);
	wh_health_calm(&w->health);
	w->bad_rounds = 0;
	w->sign_ns = 0;
	w->good_rounds++;
	good_evidence(w, evidence, sizeof(evidence));
	if (w->judged == WH_WAN_PENDING)
		judge_as(m, wan, WH_WAN_UP, &(struct why){"probes", evidence, now_ns}, now_ns);
	else if (w->judged == WH_WAN_SUSPECT)
		judge_as(m, wan, WH_WAN_UP, &(struct why){"recovered", evidence, now_ns}, now_ns);
	else if (w->judged == WH_WAN_DOWN && w->good_rounds >= w->health.profile.up_after)
		judge_as(m, wan, WH_WAN_RECOVERING, &(struct why){"recovered", evidence, now_ns}, now_ns);
}

static void bad_round(struct wh_model *m, unsigned wan, uint64_t sent_ns, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	char evidence[sizeof(w->reason)];

	w->good_rounds = 0;
	w->bad_rounds++;
	if (w->judged == WH_WAN_DOWN || w->judged == WH_WAN_ABSENT)
		return;
	if (w->bad_rounds == 1) {
		if (!w->sign_ns)
			w->sign_ns = sent_ns;
		burst(w, false, now_ns);
	}
	if (w->judged == WH_WAN_UP) {
		bad_evidence(w, now_ns, evidence, sizeof(evidence));
		judge_as(m, wan, WH_WAN_SUSPECT, &(struct why){"probes", evidence, w->sign_ns}, now_ns);
	}
	down_if_enough(m, wan, now_ns);
}

void wh_states_verdict(struct wh_model *m, unsigned wan, struct wh_verdict verdict, uint64_t now_ns)
{
	switch (verdict.kind) {
	case WH_VERDICT_GOOD:
		good_round(m, wan, now_ns);
		break;
	case WH_VERDICT_BAD:
		bad_round(m, wan, verdict.sent_ns, now_ns);
		break;
	case WH_VERDICT_LATE:
		m->wans[wan].bad_rounds = 0;
		m->wans[wan].sign_ns = 0;
		break;
	case WH_VERDICT_NONE:
		break;
	}
}

void wh_states_silent(struct wh_model *m, unsigned wan, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	char evidence[sizeof(w->reason)];

	/* pending and down have nothing to lose, and no targets means no way to find out */
	if ((w->judged != WH_WAN_UP && w->judged != WH_WAN_SUSPECT && w->judged != WH_WAN_RECOVERING) ||
	    !w->health.profile.n_targets)
		return;
	if (!w->sign_ns)
		w->sign_ns = w->silence.since_ns;
	burst(w, true, now_ns);
	if (w->judged != WH_WAN_UP)
		return;
	snprintf(evidence, sizeof(evidence), "packets were sent and nothing was heard for %llu ms",
		 (unsigned long long)((now_ns - w->silence.since_ns) / WH_NS_PER_MS));
	judge_as(m, wan, WH_WAN_SUSPECT, &(struct why){"silence", evidence, w->sign_ns}, now_ns);
}

void wh_states_usable(struct wh_model *m, unsigned wan, bool usable, const char *why, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	char evidence[sizeof(w->reason)];

	if (!w->enabled) {
		usable = false;
		why = "disabled";
	}
	if (!why)
		why = "device";
	snprintf(evidence, sizeof(evidence), w->enabled ? "no %s" : "%s", why);
	if (usable == w->usable) {
		if (!usable)
			snprintf(w->reason, sizeof(w->reason), "%s", evidence);
		return;
	}
	w->usable = usable;
	w->watched_ns = now_ns;
	w->bad_rounds = 0;
	w->sign_ns = 0;
	wh_silence_restart(&w->silence);
	wh_health_start(&w->health, now_ns);
	if (!usable) {
		judge_as(m, wan, WH_WAN_ABSENT, &(struct why){why, evidence, now_ns}, now_ns);
	} else if (!w->met) {
		w->met = true;
		judge_as(m, wan, WH_WAN_PENDING, &(struct why){"start", "usable, not judged yet", now_ns}, now_ns);
	} else {
		judge_as(m, wan, WH_WAN_DOWN, &(struct why){why, "usable again, not judged yet", now_ns}, now_ns);
	}
}

void wh_states_hand(struct wh_model *m, unsigned wan, enum wh_hand_verb verb, const char *why, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	char evidence[sizeof(w->reason)];

	w->hand = verb;
	snprintf(evidence, sizeof(evidence), "by hand%s%s", why && *why ? ": " : "", why ? why : "");
	show(m, wan, &(struct why){"hand", evidence, now_ns}, now_ns);
}

void wh_states_pass(struct wh_model *m, unsigned wan, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	uint64_t hold_ns = m->config->failback_hold_ns;
	char evidence[sizeof(w->reason)];

	if ((w->judged == WH_WAN_PENDING || w->judged == WH_WAN_DOWN) && !w->health.profile.n_targets)
		judge_as(m, wan, WH_WAN_UP, &(struct why){"probes", "no targets to probe", now_ns}, now_ns);
	if (w->judged == WH_WAN_RECOVERING && !w->bad_rounds && now_ns - w->judged_since_ns >= hold_ns) {
		snprintf(evidence, sizeof(evidence), "well for %llu ms",
			 (unsigned long long)((now_ns - w->judged_since_ns) / WH_NS_PER_MS));
		judge_as(m, wan, WH_WAN_UP, &(struct why){"hold", evidence, now_ns}, now_ns);
	}
	down_if_enough(m, wan, now_ns);
}

uint64_t wh_states_next(const struct wh_model *m, unsigned wan, uint64_t now_ns)
{
	const struct wh_wan_model *w = &m->wans[wan];
	uint64_t next_ns = UINT64_MAX;

	if (w->judged == WH_WAN_RECOVERING && !w->bad_rounds)
		next_ns = w->judged_since_ns + m->config->failback_hold_ns;
	else if (enough_bad(w))
		next_ns = quiet_since(w) + WH_QUIET_NS;
	return next_ns > now_ns ? next_ns : now_ns;
}
