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
#include "lib/text.h"

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

/* The one place where `state` changes; false where it does not. */
static bool settle(struct wh_model *m, unsigned wan, const struct why *why, uint64_t now_ns, struct wh_change *out)
{
	struct wh_wan_model *w = &m->wans[wan];

	*out = (struct wh_change){.wan = wan,
				  .from = w->state,
				  .to = wh_states_shown(w),
				  .cause = why->cause,
				  .evidence = why->evidence,
				  .since_ns = why->since_ns,
				  .now_ns = now_ns};
	if (out->to == out->from)
		return false;
	w->state = out->to;
	w->since_ns = now_ns;
	snprintf(w->reason, sizeof(w->reason), "%.*s", (int)sizeof(w->reason) - 1, why->evidence);
	return true;
}

/* The one place where somebody is told. */
static void show(struct wh_model *m, unsigned wan, const struct why *why, uint64_t now_ns)
{
	struct wh_change change;

	if (settle(m, wan, why, now_ns, &change) && m->on_change)
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

/* Judged in all but name. */
static bool is_condemned(const struct wh_wan_model *w, uint64_t now_ns)
{
	return enough_bad(w) && now_ns >= quiet_since(w) + WH_QUIET_NS;
}

/*
 * Where every other WAN is in doubt as well, it is not known yet whether there is anywhere to go, and sessions
 * must not be moved or reset for nothing: the judgement waits, not long, for those on the others.
 */
static bool waits_for_others(const struct wh_model *m, unsigned wan, uint64_t now_ns)
{
	bool doubt = false;

	if (now_ns >= quiet_since(&m->wans[wan]) + WH_QUIET_NS + WH_DOUBT_NS)
		return false;
	for (unsigned other = 0; other < WH_MAX_WANS; other++) {
		const struct wh_wan_model *o = &m->wans[other];

		if (other == wan || !o->configured || !o->usable)
			continue;
		if (o->state == WH_WAN_UP || o->state == WH_WAN_FORCED_UP || o->state == WH_WAN_RECOVERING)
			return false;
		doubt = doubt || (o->state == WH_WAN_SUSPECT && !is_condemned(o, now_ns));
	}
	return doubt;
}

/* All that are condemned go down before anybody is told of one: who is told stores masks. */
static void put_down_condemned(struct wh_model *m, uint64_t now_ns)
{
	char evidence[WH_MAX_WANS][sizeof(m->wans[0].reason)];
	struct wh_change changes[WH_MAX_WANS];
	unsigned n = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_wan_model *w = &m->wans[wan];
		struct why why = {"probes", evidence[wan], 0};

		if (!w->configured || !is_condemned(w, now_ns))
			continue;
		wh_health_calm(&w->health);
		wh_silence_restart(&w->silence);
		bad_evidence(w, now_ns, evidence[wan], sizeof(evidence[wan]));
		/* what was heard after the first sign was a sign of life */
		why.since_ns = w->sign_ns > quiet_since(w) ? w->sign_ns : quiet_since(w);
		w->judged = WH_WAN_DOWN;
		w->judged_since_ns = now_ns;
		w->good_rounds = 0;
		n += settle(m, wan, &why, now_ns, &changes[n]);
	}
	for (unsigned i = 0; i < n && m->on_change; i++)
		m->on_change(m->arg, &changes[i]);
}

static void down_if_enough(struct wh_model *m, unsigned wan, uint64_t now_ns)
{
	if (is_condemned(&m->wans[wan], now_ns) && !waits_for_others(m, wan, now_ns))
		put_down_condemned(m, now_ns);
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
	wh_trim_utf8(evidence);
	show(m, wan, &(struct why){"hand", evidence, now_ns}, now_ns);
	/* The state may be what it was, as after a restart; who did it is told all the same. */
	if (verb != WH_HAND_AUTO)
		snprintf(w->reason, sizeof(w->reason), "%s", evidence);
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
	else if (is_condemned(w, now_ns))
		next_ns = now_ns + WH_DOUBT_LOOK_NS;
	else if (enough_bad(w))
		next_ns = quiet_since(w) + WH_QUIET_NS;
	return next_ns > now_ns ? next_ns : now_ns;
}
