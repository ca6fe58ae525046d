/* SPDX-License-Identifier: GPL-2.0 */
/*
 * model.c: the model's front door: what the daemon tells it goes from here to health.c, silence.c and
 * states.c, and the tick comes by all WANs.  See model.h; masks.c answers wh_model_wanted().
 */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "model/states.h"

/* The longest that the daemon may sleep: what nobody foresaw is late by no more than this. */
#define MAX_SLEEP_NS WH_NS_PER_S

static struct wh_wan_model *wan_of(struct wh_model *m, unsigned wan)
{
	return wan < WH_MAX_WANS && m->wans[wan].configured ? &m->wans[wan] : NULL;
}

static void configure_wan(struct wh_wan_model *w, const struct wh_config *config, const struct wh_conf_wan *conf,
			  uint64_t now_ns)
{
	if (!w->configured || strcmp(w->name, conf->name) != 0) {
		memset(w, 0, sizeof(*w));
		w->configured = true;
		snprintf(w->name, sizeof(w->name), "%s", conf->name);
		w->state = w->judged = WH_WAN_ABSENT;
		w->since_ns = w->judged_since_ns = w->watched_ns = now_ns;
		snprintf(w->reason, sizeof(w->reason), "not looked at yet");
	}
	w->enabled = conf->enabled; /* what follows from it comes when its usability is next told */
	wh_health_configure(&w->health, &config->profiles[conf->profile], now_ns);
}

void wh_model_configure(struct wh_model *m, const struct wh_config *config, const unsigned number_of[WH_MAX_WANS],
			uint64_t now_ns)
{
	bool used[WH_MAX_WANS] = {false};

	if (!m->random)
		m->random = (uint32_t)(now_ns ^ now_ns >> 32) | 1;
	m->config = config;
	memcpy(m->number_of, number_of, sizeof(m->number_of));
	for (unsigned i = 0; i < config->n_wans; i++) {
		used[number_of[i]] = true;
		configure_wan(&m->wans[number_of[i]], config, &config->wans[i], now_ns);
	}
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

void wh_model_adopt(struct wh_model *m, unsigned wan, enum wh_wan_state state, uint64_t since_ns)
{
	struct wh_wan_model *w = wan_of(m, wan);

	if (!w || !w->enabled)
		return;
	w->met = true;
	w->usable = state != WH_WAN_ABSENT;
	w->state = state;
	w->judged = judged_behind(state);
	w->since_ns = w->judged_since_ns = since_ns;
	snprintf(w->reason, sizeof(w->reason), "adopted from an earlier controller");
}

void wh_model_usable(struct wh_model *m, unsigned wan, bool usable, const char *why, uint64_t now_ns)
{
	if (wan_of(m, wan))
		wh_states_usable(m, wan, usable, why, now_ns);
}

static void heard(struct wh_wan_model *w, uint64_t heard_ns)
{
	if (heard_ns > w->heard_ns)
		w->heard_ns = heard_ns;
}

void wh_model_signal(struct wh_model *m, unsigned wan, const struct wh_signal *signal, uint64_t now_ns)
{
	struct wh_wan_model *w = wan_of(m, wan);

	if (!w)
		return;
	heard(w, signal->heard_ns);
	if (!w->usable)
		return;
	if (wh_silence_poll(&w->silence, signal->sent_ns, w->heard_ns, w->health.meter.srtt_ns, now_ns))
		wh_states_silent(m, wan, now_ns);
}

void wh_model_result(struct wh_model *m, unsigned wan, unsigned target, uint32_t seq, enum wh_probe_status status,
		     uint64_t rtt_ns, uint64_t now_ns)
{
	struct wh_wan_model *w = wan_of(m, wan);

	/* A seq that was never given out, nor could be remembered as such, is no answer. */
	if (!w || !w->usable || target >= w->health.profile.n_targets || (int32_t)(m->seq - seq) <= 0)
		return;
	if (status == WH_PROBE_ANSWERED)
		heard(w, now_ns);
	wh_states_verdict(m, wan, wh_health_result(&w->health, target, seq, status, rtt_ns, now_ns), now_ns);
}

void wh_model_hand(struct wh_model *m, unsigned wan, enum wh_hand_verb verb, const char *why, uint64_t now_ns)
{
	if (wan_of(m, wan))
		wh_states_hand(m, wan, verb, why, now_ns);
}

void wh_model_starved(struct wh_model *m, uint64_t late_ns, uint64_t now_ns)
{
	if (late_ns < WH_STARVED_NS)
		return;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_wan_model *w = &m->wans[wan];

		wh_health_forget(&w->health);
		wh_silence_restart(&w->silence);
		w->watched_ns = now_ns;
	}
}

static unsigned send_round(struct wh_model *m, unsigned wan, uint64_t now_ns, struct wh_probe_order *orders,
			   unsigned max)
{
	unsigned n = wh_health_send(&m->wans[wan].health, now_ns, &m->seq, &m->random, orders, max);

	for (unsigned i = 0; i < n; i++)
		orders[i].wan = wan;
	return n;
}

uint64_t wh_model_tick(struct wh_model *m, uint64_t now_ns, struct wh_probe_order *orders, unsigned max,
		       unsigned *n_orders)
{
	uint64_t next_ns = now_ns + MAX_SLEEP_NS;
	unsigned n = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_wan_model *w = wan_of(m, wan);
		struct wh_verdict verdict;
		uint64_t due_ns;

		if (!w || !w->usable)
			continue;
		while ((verdict = wh_health_expire(&w->health, now_ns)).kind != WH_VERDICT_NONE)
			wh_states_verdict(m, wan, verdict, now_ns);
		wh_states_pass(m, wan, now_ns);
		n += send_round(m, wan, now_ns, orders + n, max - n);
		due_ns = wh_health_next(&w->health);
		if (due_ns < next_ns)
			next_ns = due_ns;
		due_ns = wh_states_next(m, wan, now_ns);
		if (due_ns < next_ns)
			next_ns = due_ns;
	}
	*n_orders = n;
	return next_ns > now_ns ? next_ns : now_ns;
}
