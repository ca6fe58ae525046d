/* SPDX-License-Identifier: GPL-2.0 */
/*
 * model.c: the model's front door: what the daemon tells it goes from here to health.c, silence.c and
 * states.c, and the tick comes by all WANs and families.  See model.h; masks.c answers wh_model_wanted().
 */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "model/standing.h"
#include "model/states.h"

/* The longest that the daemon may sleep: what nobody foresaw is late by no more than this. */
#define MAX_SLEEP_NS WH_NS_PER_S

static struct wh_wan_model *wan_of(struct wh_model *m, unsigned wan)
{
	return wan < WH_MAX_WANS && m->wans[wan].configured ? &m->wans[wan] : NULL;
}

static struct wh_family_model *family_of(struct wh_model *m, unsigned wan, enum wh_family family)
{
	return wan_of(m, wan) && (unsigned)family < WH_FAMILIES ? &m->wans[wan].of[family] : NULL;
}

static void start_family(struct wh_family_model *f, uint64_t now_ns)
{
	f->state = f->judged = WH_WAN_ABSENT;
	f->since_ns = f->judged_since_ns = f->watched_ns = now_ns;
	snprintf(f->reason, sizeof(f->reason), "not looked at yet");
}

/* The number is another WAN's now: what classes know of the one before is not of this one. */
static void forget_in_classes(struct wh_model *m, unsigned wan)
{
	for (unsigned c = 0; c < WH_MAX_CLASSES; c++) {
		memset(m->classes[c].sla[wan], 0, sizeof(m->classes[c].sla[wan]));
		for (unsigned family = 0; family < WH_FAMILIES; family++)
			m->classes[c].back[family].wans[wan] = (struct wh_back){.state = WH_BACK_IN_USE};
	}
}

static void configure_wan(struct wh_model *m, unsigned wan, const struct wh_config *config,
			  const struct wh_conf_wan *conf, uint64_t now_ns)
{
	struct wh_wan_model *w = &m->wans[wan];
	bool new = !w->configured || strcmp(w->name, conf->name) != 0;

	if (new) {
		forget_in_classes(m, wan);
		memset(w, 0, sizeof(*w));
		w->configured = true;
		snprintf(w->name, sizeof(w->name), "%s", conf->name);
	}
	w->enabled = conf->enabled; /* what follows from it comes when its usability is next told */
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		if (new)
			start_family(&w->of[family], now_ns);
		wh_health_configure(&w->of[family].health, &config->profiles[conf->profile], family, now_ns);
	}
}

/* A class that keeps its name keeps what is known, as long as its WANs keep their numbers. */
static void configure_classes(struct wh_model *m, const struct wh_config *config)
{
	static struct wh_class_model known[WH_MAX_CLASSES];

	memcpy(known, m->classes, sizeof(known));
	for (unsigned c = 0; c < WH_MAX_CLASSES; c++) {
		struct wh_class_model *class = &m->classes[c];

		*class = (struct wh_class_model){.pinned = WH_WAN_NONE, .chosen = {WH_WAN_NONE, WH_WAN_NONE}};
		if (c >= config->n_classes)
			continue;
		for (unsigned k = 0; k < WH_MAX_CLASSES; k++) {
			if (!strcmp(known[k].name, config->classes[c].name))
				*class = known[k];
		}
		snprintf(class->name, sizeof(class->name), "%s", config->classes[c].name);
	}
}

void wh_model_configure(struct wh_model *m, const struct wh_config *config, const unsigned number_of[WH_MAX_WANS],
			uint64_t now_ns)
{
	bool used[WH_MAX_WANS] = {false};

	if (!m->config)
		m->local_minute = WH_MINUTE_UNKNOWN;
	if (!m->random)
		m->random = (uint32_t)(now_ns ^ now_ns >> 32) | 1;
	m->config = config;
	memcpy(m->number_of, number_of, sizeof(m->number_of));
	for (unsigned i = 0; i < config->n_wans; i++) {
		used[number_of[i]] = true;
		configure_wan(m, number_of[i], config, &config->wans[i], now_ns);
	}
	configure_classes(m, config);
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		if (!used[wan])
			memset(&m->wans[wan], 0, sizeof(m->wans[wan]));
}

/* What the probes may have said of a WAN whose state was given by hand. */
static enum wh_wan_state judged_behind(enum wh_wan_state state)
{
	switch (state) {
	case WH_WAN_FORCED_DOWN:
		return WH_WAN_PENDING;
	case WH_WAN_FORCED_UP:
	case WH_WAN_DRAINING:
		return WH_WAN_UP; /* it carries flows: they stay until the probes say otherwise */
	default:
		return state;
	}
}

void wh_model_adopt(struct wh_model *m, unsigned wan, enum wh_family family, enum wh_wan_state state, uint64_t since_ns)
{
	struct wh_family_model *f = family_of(m, wan, family);

	if (!f || !m->wans[wan].enabled)
		return;
	f->met = true;
	f->usable = state != WH_WAN_ABSENT;
	f->state = state;
	f->judged = judged_behind(state);
	f->since_ns = f->judged_since_ns = since_ns;
	f->recovered_ns = state == WH_WAN_RECOVERING ? since_ns : 0;
	f->lost_ns = wh_state_is_alive(state) ? 0 : since_ns;
	snprintf(f->reason, sizeof(f->reason), "adopted from an earlier controller");
}

void wh_model_usable(struct wh_model *m, unsigned wan, enum wh_family family, bool usable, const char *why,
		     uint64_t now_ns)
{
	if (family_of(m, wan, family))
		wh_states_usable(m, wan, family, usable, why, now_ns);
}

static void heard(struct wh_family_model *f, uint64_t heard_ns)
{
	if (heard_ns > f->heard_ns)
		f->heard_ns = heard_ns;
}

void wh_model_signal(struct wh_model *m, unsigned wan, enum wh_family family, const struct wh_signal *signal,
		     uint64_t now_ns)
{
	struct wh_family_model *f = family_of(m, wan, family);

	if (!f)
		return;
	heard(f, signal->heard_ns);
	if (!f->usable)
		return;
	/* Where nothing was sent nothing can be heard: a prober that does not get to run is no quiet WAN. */
	if (signal->sent_ns <= f->heard_ns + WH_SIGNAL_LATE_NS)
		f->watched_ns = now_ns;
	if (wh_silence_poll(&f->silence, signal->sent_ns, f->heard_ns, f->health.meter.srtt_ns, now_ns))
		wh_states_silent(m, wan, family, now_ns);
}

/* The family that a target of the WAN's profile belongs to; NULL where there is no such target. */
static struct wh_family_model *family_of_target(struct wh_model *m, unsigned wan, unsigned target)
{
	struct wh_wan_model *w = wan_of(m, wan);

	for (unsigned family = 0; w && target < WH_MAX_TARGETS && family < WH_FAMILIES; family++)
		if (w->of[family].health.own & 1U << target)
			return &w->of[family];
	return NULL;
}

void wh_model_result(struct wh_model *m, unsigned wan, unsigned target, uint32_t seq, enum wh_probe_status status,
		     uint64_t rtt_ns, uint64_t now_ns)
{
	struct wh_family_model *f = family_of_target(m, wan, target);

	/* A seq that was never given out, nor could be remembered as such, is no answer. */
	if (!f || !f->usable || (int32_t)(m->seq - seq) <= 0)
		return;
	if (status == WH_PROBE_ANSWERED)
		heard(f, now_ns);
	wh_states_verdict(m, wan, (enum wh_family)(f - m->wans[wan].of),
			  wh_health_result(&f->health, target, seq, status, rtt_ns, now_ns), now_ns);
}

void wh_model_hand(struct wh_model *m, unsigned wan, enum wh_hand_verb verb, const char *why, uint64_t now_ns)
{
	if (wan_of(m, wan))
		wh_states_hand(m, wan, verb, why, now_ns);
}

int wh_model_index_of(const struct wh_model *m, unsigned wan)
{
	for (unsigned i = 0; m->config && i < m->config->n_wans; i++) {
		if (m->number_of[i] == wan)
			return (int)i;
	}
	return -1;
}

void wh_model_traffic(struct wh_model *m, unsigned wan, double up_bps, double down_bps)
{
	struct wh_wan_model *w = wan_of(m, wan);
	const struct wh_conf_wan *conf;
	double up, down;

	if (!w)
		return;
	conf = &m->config->wans[wh_model_index_of(m, wan)];
	up = conf->up_bps ? up_bps / (double)conf->up_bps : 0;
	down = conf->down_bps ? down_bps / (double)conf->down_bps : 0;
	w->measured = conf->up_bps || conf->down_bps;
	w->load = up > down ? up : down;
	w->carried = up_bps + down_bps < WH_CHATTER_BPS ? 0 : (up_bps + down_bps) / conf->weight;
	w->busy = w->measured && w->load * 100 >= (w->busy ? WH_IDLE_PERCENT : WH_BUSY_PERCENT);
}

void wh_model_quota(struct wh_model *m, unsigned wan, enum wh_quota_verdict verdict)
{
	if (wan_of(m, wan))
		m->wans[wan].quota = verdict;
}

void wh_model_pin(struct wh_model *m, unsigned class, unsigned wan)
{
	if (class < WH_MAX_CLASSES)
		m->classes[class].pinned = wan;
}

void wh_model_starved(struct wh_model *m, uint64_t late_ns, uint64_t now_ns)
{
	if (late_ns < WH_STARVED_NS)
		return;
	for (unsigned i = 0; i < WH_MAX_WANS * WH_FAMILIES; i++) {
		struct wh_family_model *f = &m->wans[i / WH_FAMILIES].of[i % WH_FAMILIES];

		wh_health_forget(&f->health);
		wh_silence_restart(&f->silence);
		f->watched_ns = now_ns;
	}
}

/* One family's turn; when it wants the next one. */
static uint64_t tick_family(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns,
			    struct wh_probe_order *orders, unsigned max, unsigned *n)
{
	struct wh_health *health = &m->wans[wan].of[family].health;
	struct wh_verdict verdict;
	uint64_t health_ns, states_ns;
	unsigned end;

	while ((verdict = wh_health_expire(health, now_ns)).kind != WH_VERDICT_NONE)
		wh_states_verdict(m, wan, family, verdict, now_ns);
	wh_states_pass(m, wan, family, now_ns);
	end = *n + wh_health_send(health, now_ns, &m->seq, &m->random, orders + *n, max - *n);
	for (; *n < end; (*n)++)
		orders[*n].wan = wan;
	health_ns = wh_health_next(health);
	states_ns = wh_states_next(m, wan, family, now_ns);
	return health_ns < states_ns ? health_ns : states_ns;
}

uint64_t wh_model_tick(struct wh_model *m, uint64_t now_ns, struct wh_probe_order *orders, unsigned max,
		       unsigned *n_orders)
{
	uint64_t next_ns = now_ns + MAX_SLEEP_NS;
	unsigned n = 0;

	for (unsigned i = 0; i < WH_MAX_WANS * WH_FAMILIES; i++) {
		unsigned wan = i / WH_FAMILIES;
		enum wh_family family = i % WH_FAMILIES;
		uint64_t due_ns;

		if (!wan_of(m, wan) || !m->wans[wan].of[family].usable)
			continue;
		due_ns = tick_family(m, wan, family, now_ns, orders, max, &n);
		if (due_ns < next_ns)
			next_ns = due_ns;
	}
	if (now_ns >= m->standing_ns + WH_STANDING_NS) {
		m->standing_ns = now_ns;
		wh_standing_pass(m, now_ns);
	}
	*n_orders = n;
	return next_ns > now_ns ? next_ns : now_ns;
}

enum wh_wan_state wh_better_state(enum wh_wan_state a, enum wh_wan_state b)
{
	static const enum wh_wan_state best_first[] = {WH_WAN_UP,	  WH_WAN_SUSPECT,    WH_WAN_FORCED_UP,
						       WH_WAN_RECOVERING, WH_WAN_DRAINING,   WH_WAN_PENDING,
						       WH_WAN_DOWN,	  WH_WAN_FORCED_DOWN};

	for (unsigned i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++)
		if (a == best_first[i] || b == best_first[i])
			return best_first[i];
	return WH_WAN_ABSENT;
}

enum wh_family wh_wan_shown_family(const struct wh_wan_model *w)
{
	return wh_wan_shown(w) == w->of[WH_V4].state ? WH_V4 : WH_V6;
}

enum wh_wan_state wh_wan_shown(const struct wh_wan_model *w)
{
	return wh_better_state(w->of[WH_V4].state, w->of[WH_V6].state);
}
