/* SPDX-License-Identifier: GPL-2.0 */
/*
 * states.c: the state machine of one WAN in one family.
 *
 *	absent	    not usable, entered at once from anywhere    first start → pending, later → down, but
 *	                                                         straight → up without targets to probe
 *	pending	    not judged yet                 good round → up, enough bad ones → down
 *	up	                                   bad round or silence → suspect
 *	suspect	    masks as up                    good round → up, enough bad ones → down
 *	down	                                   up-after good rounds → recovering
 *	recovering  hold over → up                 enough bad rounds → down
 *
 * "Enough" is down-after bad rounds in a row and WH_QUIET_NS in which nothing at all was heard, although something
 * was sent.  This runs on under the hand too, as `judged`.  The hand shows as forced-down, forced-up or draining
 * instead; a WAN that drains shows down while it is down, because draining keeps flows only where they work.
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

enum wh_wan_state wh_states_shown(const struct wh_wan_model *w, enum wh_family family)
{
	const struct wh_family_model *f = &w->of[family];

	if (!f->usable)
		return WH_WAN_ABSENT;
	switch (w->hand) {
	case WH_HAND_DOWN:
		return WH_WAN_FORCED_DOWN;
	case WH_HAND_UP:
		return WH_WAN_FORCED_UP;
	case WH_HAND_DRAIN:
		if (f->judged == WH_WAN_PENDING || f->judged == WH_WAN_DOWN)
			return f->judged;
		return WH_WAN_DRAINING;
	case WH_HAND_AUTO:
		break;
	}
	return f->judged;
}

/* The one place where `state` changes; false where it does not. */
static bool settle(struct wh_model *m, unsigned wan, enum wh_family family, const struct why *why, uint64_t now_ns,
		   struct wh_change *out)
{
	struct wh_family_model *f = &m->wans[wan].of[family];

	*out = (struct wh_change){.wan = wan,
				  .family = family,
				  .from = f->state,
				  .to = wh_states_shown(&m->wans[wan], family),
				  .cause = why->cause,
				  .evidence = why->evidence,
				  .since_ns = why->since_ns,
				  .now_ns = now_ns};
	if (out->to == out->from)
		return false;
	if (wh_state_is_alive(out->from) && !wh_state_is_alive(out->to))
		f->lost_ns = now_ns;
	f->state = out->to;
	f->since_ns = now_ns;
	snprintf(f->reason, sizeof(f->reason), "%.*s", (int)sizeof(f->reason) - 1, why->evidence);
	return true;
}

/* The one place where somebody is told, when all that changes together has changed: who is told stores masks. */
static void tell(struct wh_model *m, const struct wh_change *changes, unsigned n, uint64_t now_ns)
{
	if (n)
		wh_failback_pass(m, now_ns);
	for (unsigned i = 0; i < n && m->on_change; i++)
		m->on_change(m->arg, &changes[i]);
}

static void judge_as(struct wh_model *m, unsigned wan, enum wh_family family, enum wh_wan_state judged,
		     const struct why *why, uint64_t now_ns)
{
	struct wh_family_model *f = &m->wans[wan].of[family];
	struct wh_change change;

	if (judged == WH_WAN_RECOVERING)
		f->recovered_ns = now_ns;
	else if (judged != WH_WAN_UP && judged != WH_WAN_SUSPECT)
		f->recovered_ns = 0;
	f->judged = judged;
	f->judged_since_ns = now_ns;
	f->good_rounds = 0;
	tell(m, &change, settle(m, wan, family, why, now_ns, &change), now_ns);
}

static uint64_t quiet_since(const struct wh_family_model *f)
{
	return f->heard_ns > f->watched_ns ? f->heard_ns : f->watched_ns;
}

static uint64_t quiet_ms(const struct wh_family_model *f, uint64_t now_ns)
{
	uint64_t since_ns = quiet_since(f);

	return now_ns > since_ns ? (now_ns - since_ns) / WH_NS_PER_MS : 0;
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static const char *bad_evidence(const struct wh_family_model *f, uint64_t now_ns, char *out, size_t len)
{
	unsigned all = wh_health_targets(&f->health);

	snprintf(out, len, "%u bad round%s, nothing heard for %llu ms, %u of %u target%s answer", f->bad_rounds,
		 plural(f->bad_rounds), (unsigned long long)quiet_ms(f, now_ns), wh_health_good_targets(&f->health),
		 all, plural(all));
	return out;
}

static const char *good_evidence(const struct wh_family_model *f, char *out, size_t len)
{
	unsigned all = wh_health_targets(&f->health);

	snprintf(out, len, "%u good round%s, %u of %u target%s answer", f->good_rounds, plural(f->good_rounds),
		 wh_health_good_targets(&f->health), all, plural(all));
	return out;
}

static bool enough_bad(const struct wh_family_model *f)
{
	bool doubted = f->judged == WH_WAN_PENDING || f->judged == WH_WAN_SUSPECT || f->judged == WH_WAN_RECOVERING;

	return doubted && f->bad_rounds && f->bad_rounds >= f->health.profile.down_after;
}

/* Judged in all but name. */
static bool is_condemned(const struct wh_family_model *f, uint64_t now_ns)
{
	return enough_bad(f) && now_ns >= quiet_since(f) + WH_QUIET_NS;
}

/*
 * Where every other WAN is in doubt as well in this family, it is not known yet whether there is anywhere to go,
 * and sessions must not be moved or reset for nothing: the judgement waits, not long, for those on the others.
 */
static bool waits_for_others(const struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	bool doubt = false;

	if (now_ns >= quiet_since(&m->wans[wan].of[family]) + WH_QUIET_NS + WH_DOUBT_NS)
		return false;
	for (unsigned other = 0; other < WH_MAX_WANS; other++) {
		const struct wh_family_model *o = &m->wans[other].of[family];

		if (other == wan || !m->wans[other].configured || !o->usable)
			continue;
		if (o->state == WH_WAN_UP || o->state == WH_WAN_FORCED_UP || o->state == WH_WAN_RECOVERING)
			return false;
		doubt = doubt || (o->state == WH_WAN_SUSPECT && !is_condemned(o, now_ns));
	}
	return doubt;
}

/* All that are condemned go down before anybody is told of one. */
static void put_down_condemned(struct wh_model *m, enum wh_family family, uint64_t now_ns)
{
	char evidence[WH_MAX_WANS][sizeof(m->wans[0].of[0].reason)];
	struct wh_change changes[WH_MAX_WANS];
	unsigned n = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_family_model *f = &m->wans[wan].of[family];
		struct why why = {"probes", evidence[wan], 0};

		if (!m->wans[wan].configured || !is_condemned(f, now_ns))
			continue;
		wh_health_calm(&f->health);
		wh_silence_restart(&f->silence);
		bad_evidence(f, now_ns, evidence[wan], sizeof(evidence[wan]));
		/* what was heard after the first sign was a sign of life */
		why.since_ns = f->sign_ns > quiet_since(f) ? f->sign_ns : quiet_since(f);
		f->judged = WH_WAN_DOWN;
		f->judged_since_ns = now_ns;
		f->recovered_ns = 0;
		f->good_rounds = 0;
		n += settle(m, wan, family, &why, now_ns, &changes[n]);
	}
	tell(m, changes, n, now_ns);
}

static void down_if_enough(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	if (is_condemned(&m->wans[wan].of[family], now_ns) && !waits_for_others(m, wan, family, now_ns))
		put_down_condemned(m, family, now_ns);
}

static void burst(struct wh_family_model *f, bool alarmed, uint64_t now_ns)
{
	if (f->health.burst)
		return;
	f->alarmed = alarmed;
	wh_health_burst(&f->health, now_ns);
}

static void good_round(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	struct wh_family_model *f = &m->wans[wan].of[family];
	char evidence[sizeof(f->reason)];

	if (f->health.burst && f->alarmed)
		wh_silence_false_alarm(&f->silence, f->health.meter.srtt_ns, now_ns);
	wh_health_calm(&f->health);
	f->bad_rounds = 0;
	f->sign_ns = 0;
	f->good_rounds++;
	good_evidence(f, evidence, sizeof(evidence));
	if (f->judged == WH_WAN_PENDING)
		judge_as(m, wan, family, WH_WAN_UP, &(struct why){"probes", evidence, now_ns}, now_ns);
	else if (f->judged == WH_WAN_SUSPECT)
		judge_as(m, wan, family, WH_WAN_UP, &(struct why){"recovered", evidence, now_ns}, now_ns);
	else if (f->judged == WH_WAN_DOWN && f->good_rounds >= f->health.profile.up_after)
		judge_as(m, wan, family, WH_WAN_RECOVERING, &(struct why){"recovered", evidence, now_ns}, now_ns);
}

static void bad_round(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t sent_ns, uint64_t now_ns)
{
	struct wh_family_model *f = &m->wans[wan].of[family];
	char evidence[sizeof(f->reason)];

	f->good_rounds = 0;
	f->bad_rounds++;
	if (f->judged == WH_WAN_DOWN || f->judged == WH_WAN_ABSENT)
		return;
	if (f->bad_rounds == 1) {
		if (!f->sign_ns)
			f->sign_ns = sent_ns;
		burst(f, false, now_ns);
	}
	if (f->judged == WH_WAN_UP) {
		bad_evidence(f, now_ns, evidence, sizeof(evidence));
		judge_as(m, wan, family, WH_WAN_SUSPECT, &(struct why){"probes", evidence, f->sign_ns}, now_ns);
	}
	down_if_enough(m, wan, family, now_ns);
}

void wh_states_verdict(struct wh_model *m, unsigned wan, enum wh_family family, struct wh_verdict verdict,
		       uint64_t now_ns)
{
	switch (verdict.kind) {
	case WH_VERDICT_GOOD:
		good_round(m, wan, family, now_ns);
		break;
	case WH_VERDICT_BAD:
		bad_round(m, wan, family, verdict.sent_ns, now_ns);
		break;
	case WH_VERDICT_LATE:
		m->wans[wan].of[family].bad_rounds = 0;
		m->wans[wan].of[family].sign_ns = 0;
		break;
	case WH_VERDICT_NONE:
		break;
	}
}

void wh_states_silent(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	struct wh_family_model *f = &m->wans[wan].of[family];
	char evidence[sizeof(f->reason)];

	/* pending and down have nothing to lose, and no targets means no way to find out */
	if ((f->judged != WH_WAN_UP && f->judged != WH_WAN_SUSPECT && f->judged != WH_WAN_RECOVERING) ||
	    !wh_health_targets(&f->health))
		return;
	if (!f->sign_ns)
		f->sign_ns = f->silence.since_ns;
	burst(f, true, now_ns);
	if (f->judged != WH_WAN_UP)
		return;
	snprintf(evidence, sizeof(evidence), "packets were sent and nothing was heard for %llu ms",
		 (unsigned long long)((now_ns - f->silence.since_ns) / WH_NS_PER_MS));
	judge_as(m, wan, family, WH_WAN_SUSPECT, &(struct why){"silence", evidence, f->sign_ns}, now_ns);
}

/* Usable from now on. */
static void begin(struct wh_model *m, unsigned wan, enum wh_family family, const char *cause, uint64_t now_ns)
{
	struct wh_family_model *f = &m->wans[wan].of[family];
	enum wh_wan_state judged = f->met ? WH_WAN_DOWN : WH_WAN_PENDING;
	const char *evidence = f->met ? "usable again, not judged yet" : "usable, not judged yet";

	if (!wh_health_targets(&f->health)) {
		judged = WH_WAN_UP;
		evidence = "usable, no targets to probe";
	}
	f->met = true;
	judge_as(m, wan, family, judged, &(struct why){cause, evidence, now_ns}, now_ns);
}

void wh_states_usable(struct wh_model *m, unsigned wan, enum wh_family family, bool usable, const char *why,
		      uint64_t now_ns)
{
	struct wh_family_model *f = &m->wans[wan].of[family];
	char evidence[sizeof(f->reason)];

	if (!m->wans[wan].enabled) {
		usable = false;
		why = "disabled";
	}
	if (!why)
		why = "device";
	snprintf(evidence, sizeof(evidence), m->wans[wan].enabled ? "no %s" : "%s", why);
	if (usable == f->usable) {
		if (!usable)
			snprintf(f->reason, sizeof(f->reason), "%s", evidence);
		return;
	}
	f->usable = usable;
	f->watched_ns = now_ns;
	f->bad_rounds = 0;
	f->sign_ns = 0;
	wh_silence_restart(&f->silence);
	wh_health_start(&f->health, now_ns);
	if (!usable)
		judge_as(m, wan, family, WH_WAN_ABSENT, &(struct why){why, evidence, now_ns}, now_ns);
	else
		begin(m, wan, family, f->met ? why : "start", now_ns);
}

void wh_states_hand(struct wh_model *m, unsigned wan, enum wh_hand_verb verb, const char *why, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	struct wh_change changes[WH_FAMILIES];
	char evidence[sizeof(w->of[0].reason)];
	unsigned n = 0;

	w->hand = verb;
	snprintf(evidence, sizeof(evidence), "by hand%s%s", why && *why ? ": " : "", why ? why : "");
	wh_trim_utf8(evidence);
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct wh_family_model *f = &w->of[family];

		n += settle(m, wan, family, &(struct why){"hand", evidence, now_ns}, now_ns, &changes[n]);
		/* The state may be what it was, as after a restart; who did it is told all the same. */
		if (verb != WH_HAND_AUTO && f->usable)
			snprintf(f->reason, sizeof(f->reason), "%s", evidence);
	}
	tell(m, changes, n, now_ns);
}

void wh_states_accept(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	if (m->wans[wan].of[family].judged == WH_WAN_RECOVERING)
		judge_as(m, wan, family, WH_WAN_UP, &(struct why){"hand", "taken back by hand", now_ns}, now_ns);
}

static uint64_t hold_of(const struct wh_model *m, unsigned wan)
{
	return m->config->wans[wh_model_index_of(m, wan)].failback.hold_ns;
}

void wh_states_pass(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	struct wh_family_model *f = &m->wans[wan].of[family];
	uint64_t hold_ns = hold_of(m, wan);
	char evidence[sizeof(f->reason)];

	/* A reload may have taken the last target away. */
	if (!wh_health_targets(&f->health) && f->judged != WH_WAN_ABSENT && f->judged != WH_WAN_UP) {
		f->bad_rounds = 0;
		f->sign_ns = 0;
		judge_as(m, wan, family, WH_WAN_UP, &(struct why){"probes", "no targets to probe", now_ns}, now_ns);
	}
	if (f->judged == WH_WAN_RECOVERING && !f->bad_rounds && now_ns - f->judged_since_ns >= hold_ns) {
		snprintf(evidence, sizeof(evidence), "well for %llu ms",
			 (unsigned long long)((now_ns - f->judged_since_ns) / WH_NS_PER_MS));
		judge_as(m, wan, family, WH_WAN_UP, &(struct why){"hold", evidence, now_ns}, now_ns);
	}
	down_if_enough(m, wan, family, now_ns);
}

uint64_t wh_states_next(const struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	const struct wh_family_model *f = &m->wans[wan].of[family];
	uint64_t next_ns = UINT64_MAX;

	if (f->judged == WH_WAN_RECOVERING && !f->bad_rounds)
		next_ns = f->judged_since_ns + hold_of(m, wan);
	else if (is_condemned(f, now_ns))
		next_ns = now_ns + WH_DOUBT_LOOK_NS;
	else if (enough_bad(f))
		next_ns = quiet_since(f) + WH_QUIET_NS;
	return next_ns > now_ns ? next_ns : now_ns;
}
