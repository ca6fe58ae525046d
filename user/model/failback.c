/* SPDX-License-Identifier: GPL-2.0 */
/* failback.c: see failback.h. */
#include "model/failback.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "model/standing.h"
#include "model/states.h"

#define WAN_BIT(wan) ((uint8_t)(1U << (wan)))
#define DAY_MINUTES (24 * 60)

/* One class and family while time passes. */
struct turn {
	struct wh_model *m;
	unsigned class;
	enum wh_family family;
	uint64_t now_ns;
	unsigned asked; /* the WAN that a person wants taken back, or WH_WAN_NONE */
	uint8_t fit;	/* as standing.c has it */
	uint8_t used;	/* those of them that are in use */
	bool failed;	/* one that took new flows has failed since the last turn */
};

static struct wh_class_back *back_of(struct wh_model *m, unsigned class, enum wh_family family)
{
	return &m->classes[class].back[family];
}

static const struct wh_conf_failback *conf_of(const struct wh_model *m, unsigned class, unsigned wan)
{
	return wh_conf_failback_of(m->config, class, (unsigned)wh_model_index_of(m, wan));
}

/* The index of the class's tier with that WAN, or its number of tiers. */
static unsigned tier_of(const struct wh_model *m, unsigned class, unsigned wan)
{
	const struct wh_conf_class *conf = &m->config->classes[class];

	for (unsigned t = 0; t < conf->n_tiers; t++) {
		if (wh_conf_tier_wans(&conf->tiers[t], m->number_of) & (1U << wan))
			return t;
	}
	return conf->n_tiers;
}

static bool is_member(const struct wh_model *m, unsigned class, unsigned wan)
{
	return m->wans[wan].configured && tier_of(m, class, wan) < m->config->classes[class].n_tiers;
}

/* --- what others ask -------------------------------------------------------------------------------------------- */

uint8_t wh_failback_in(const struct wh_model *m, unsigned class, enum wh_family family, enum wh_back_state state)
{
	uint8_t found = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (m->classes[class].back[family].wans[wan].state == state)
			found |= WAN_BIT(wan);
	}
	return found;
}

/* Taken into use since it works again, though it is still being watched. */
static bool is_early(const struct wh_model *m, unsigned class, unsigned wan, enum wh_family family)
{
	const struct wh_family_model *f = &m->wans[wan].of[family];
	const struct wh_back *b = &m->classes[class].back[family].wans[wan];

	return f->state == WH_WAN_RECOVERING && b->state == WH_BACK_IN_USE && b->returned_ns &&
	       b->returned_ns >= f->recovered_ns;
}

uint8_t wh_failback_early(const struct wh_model *m, unsigned class, enum wh_family family)
{
	uint8_t found = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (is_early(m, class, wan, family))
			found |= WAN_BIT(wan);
	}
	return found;
}

bool wh_failback_is_open(const struct wh_conf_failback *conf, unsigned minute)
{
	if (minute >= WH_WEEK_MINUTES)
		return false;
	for (unsigned i = 0; i < conf->n_windows; i++) {
		const struct wh_conf_window *w = &conf->windows[i];

		for (unsigned day = 0; day < 7; day++) {
			unsigned begin = day * DAY_MINUTES + w->first_minute;

			if ((w->days >> day & 1) && (minute + WH_WEEK_MINUTES - begin) % WH_WEEK_MINUTES <
							    (unsigned)(w->end_minute - w->first_minute))
				return true;
		}
	}
	return false;
}

/* --- back into use ---------------------------------------------------------------------------------------------- */

/* What a WAN is for the class from now on, and where that is a return, why. */
struct verdict {
	enum wh_back_state state;
	const char *cause;
	const char *evidence;
};

#define IN_USE(cause, evidence) ((struct verdict){WH_BACK_IN_USE, cause, evidence})
#define STATE(state) ((struct verdict){state, NULL, NULL})

static const char *why_out(const struct turn *t, unsigned wan)
{
	const struct wh_wan_model *w = &t->m->wans[wan];
	enum wh_wan_state state = w->of[t->family].state;

	if (state == WH_WAN_FORCED_DOWN || state == WH_WAN_DRAINING)
		return "hand";
	if (!wh_state_is_alive(state))
		return "usable";
	return w->quota == WH_QUOTA_FREE ? "sla" : "quota";
}

static bool is_held(const struct turn *t, unsigned wan)
{
	const struct wh_family_model *f = &t->m->wans[wan].of[t->family];

	if (!f->recovered_ns || f->state == WH_WAN_FORCED_UP)
		return false;
	/* Only a hold of the class's own may be over before the state says that the WAN's is. */
	if (f->state == WH_WAN_RECOVERING && (f->bad_rounds || !t->m->config->classes[t->class].own_failback))
		return true;
	return t->now_ns < f->recovered_ns + conf_of(t->m, t->class, wan)->hold_ns;
}

/* Whether flows would go back to it if it were in use. */
static bool is_wanted(const struct turn *t, unsigned wan)
{
	uint8_t first = wh_standing_best_tier(t->m, t->class, t->used | WAN_BIT(wan));

	return first & WAN_BIT(wan);
}

/* Fit, its hold over: whether the mode takes it back. */
static struct verdict by_mode(const struct turn *t, unsigned wan, const struct verdict *taken)
{
	const struct wh_conf_failback *conf = conf_of(t->m, t->class, wan);

	if ((conf->mode != WH_FAILBACK_MANUAL && conf->mode != WH_FAILBACK_WINDOW) || !is_wanted(t, wan))
		return *taken;
	if (conf->mode == WH_FAILBACK_WINDOW && wh_failback_is_open(conf, t->m->local_minute))
		return IN_USE("window", "its window is open");
	if (t->failed)
		return IN_USE("failover", "the WAN in use failed");
	if (!t->used)
		return IN_USE("failover", "nothing else is left");
	return STATE(WH_BACK_WAITS);
}

static struct verdict judge(const struct turn *t, unsigned wan, char *evidence, size_t len)
{
	const struct wh_back *b = &back_of(t->m, t->class, t->family)->wans[wan];
	const struct wh_family_model *f = &t->m->wans[wan].of[t->family];
	struct verdict taken = IN_USE(b->away ? b->away : "usable", "fit again");

	if (!(t->fit & WAN_BIT(wan))) /* what was never in use does not come back */
		return STATE(f->met && f->state != WH_WAN_PENDING ? WH_BACK_OUT : b->state);
	if (b->state == WH_BACK_IN_USE && (f->state != WH_WAN_RECOVERING || is_early(t->m, t->class, wan, t->family)))
		return STATE(WH_BACK_IN_USE);
	if (t->asked == wan)
		return IN_USE("hand", "taken back by hand");
	if (f->state == WH_WAN_FORCED_UP)
		return IN_USE("hand", "up by hand");
	if (t->m->classes[t->class].pinned == wan && f->state != WH_WAN_RECOVERING)
		return IN_USE("hand", "the class is pinned to it");
	if (is_held(t, wan))
		return STATE(WH_BACK_HELD);
	if (b->state == WH_BACK_HELD) {
		snprintf(evidence, len, "well for %llu ms",
			 (unsigned long long)((t->now_ns - f->recovered_ns) / WH_NS_PER_MS));
		taken = IN_USE("hold", evidence);
	}
	return by_mode(t, wan, &taken);
}

static void tell(const struct turn *t, unsigned wan, const struct verdict *v)
{
	struct wh_class_change change = {
		.class = t->class, .wan = wan, .family = t->family, .cause = v->cause, .evidence = v->evidence};

	if (t->m->on_return)
		t->m->on_return(t->m->arg, &change);
}

static void step(const struct turn *t, unsigned wan)
{
	struct wh_back *b = &back_of(t->m, t->class, t->family)->wans[wan];
	char evidence[64];
	struct verdict v = judge(t, wan, evidence, sizeof(evidence));

	if (v.state == WH_BACK_OUT)
		b->away = why_out(t, wan);
	b->state = v.state;
	if (!v.cause)
		return;
	b->returned_ns = t->now_ns;
	tell(t, wan, &v);
}

/* --- who follows ------------------------------------------------------------------------------------------------ */

static uint32_t later(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* The second after that moment: "born before" it takes in all that were born at it. */
static uint32_t second_after(uint64_t ns)
{
	return (uint32_t)(ns / WH_NS_PER_S) + 1;
}

/* Which flows on `wan` leave it for `better`, which came back. */
static void leave(const struct turn *t, unsigned wan, unsigned better)
{
	const struct wh_conf_failback *conf = conf_of(t->m, t->class, better);
	bool metered = t->m->config->wans[wh_model_index_of(t->m, wan)].metered;
	uint64_t limit_ns = metered ? conf->max_age_metered_ns : conf->max_age_ns;
	struct wh_class_back *back = back_of(t->m, t->class, t->family);
	struct wh_return *words = &t->m->classes[t->class].words;
	uint64_t returned_ns = back->wans[better].returned_ns;
	uint8_t leaves = 0;

	if (conf->mode == WH_FAILBACK_MOVE && t->now_ns < returned_ns + WH_FAILBACK_MOVE_NS) {
		words->moved_s = later(words->moved_s, second_after(returned_ns));
		leaves = WAN_BIT(wan);
	}
	if (limit_ns && t->now_ns < returned_ns + limit_ns + WH_FAILBACK_LATE_NS) {
		uint64_t born_ns = t->now_ns > limit_ns ? t->now_ns - limit_ns : 0;

		if (born_ns < returned_ns)
			words->old_s[wan] = later(words->old_s[wan], (uint32_t)(born_ns / WH_NS_PER_S));
		else
			words->old_s[wan] = later(words->old_s[wan], second_after(returned_ns));
		leaves = WAN_BIT(wan);
	}
	back->leave |= leaves;
	if (tier_of(t->m, t->class, wan) > tier_of(t->m, t->class, better))
		back->behind |= leaves;
}

/* What has come back itself since then has no flows that the other one had left. */
static bool may_be_left(const struct turn *t, unsigned wan, unsigned better)
{
	const struct wh_back *wans = back_of(t->m, t->class, t->family)->wans;
	unsigned tier = tier_of(t->m, t->class, wan), best = tier_of(t->m, t->class, better);

	if (wan == better || !is_member(t->m, t->class, wan) || !wh_state_is_alive(t->m->wans[wan].of[t->family].state))
		return false;
	return tier > best || (tier == best && wans[wan].returned_ns < wans[better].returned_ns);
}

static void leave_all(const struct turn *t)
{
	struct wh_class_back *back = back_of(t->m, t->class, t->family);

	back->leave = back->behind = 0;
	for (unsigned i = 0; i < WH_MAX_WANS * WH_MAX_WANS; i++) {
		unsigned wan = i % WH_MAX_WANS, better = i / WH_MAX_WANS;

		if ((back->first & WAN_BIT(better)) && back->wans[better].returned_ns && may_be_left(t, wan, better))
			leave(t, wan, better);
	}
}

/* --- who waits on what is dead ---------------------------------------------------------------------------------- */

/* Said beforehand of what is alive, so that a death is still one store, and these flows are not part of it. */
static uint8_t held_now(const struct turn *t)
{
	uint64_t hold_ns = t->m->config->classes[t->class].hold_ns;
	uint8_t held = 0;

	for (unsigned wan = 0; hold_ns && wan < WH_MAX_WANS; wan++) {
		const struct wh_family_model *f = &t->m->wans[wan].of[t->family];

		if (is_member(t->m, t->class, wan) &&
		    (wh_state_is_alive(f->state) || (f->lost_ns && t->now_ns < f->lost_ns + hold_ns)))
			held |= WAN_BIT(wan);
	}
	return held;
}

/* --- time ------------------------------------------------------------------------------------------------------- */

static uint8_t dead_in(const struct wh_model *m, enum wh_family family, uint8_t set)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (wh_state_is_alive(m->wans[wan].of[family].state))
			set &= (uint8_t)~WAN_BIT(wan);
	}
	return set;
}

static void take_turn(struct turn *t)
{
	struct wh_class_back *back = back_of(t->m, t->class, t->family);
	struct wh_class_standing standing;

	t->fit = wh_standing_fit(t->m, t->class, t->family);
	t->used = t->fit & wh_failback_in(t->m, t->class, t->family, WH_BACK_IN_USE);
	t->failed = dead_in(t->m, t->family, back->first);
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (is_member(t->m, t->class, wan))
			step(t, wan);
	}
	back->held = held_now(t);
	wh_standing_of(t->m, t->class, t->family, &standing);
	back->first = wh_standing_best_tier(t->m, t->class, standing.fresh);
	leave_all(t);
}

static void pass(struct wh_model *m, uint64_t now_ns, unsigned asked)
{
	for (unsigned class = 0; m->config && class < m->config->n_classes; class += 1) {
		struct wh_return *words = &m->classes[class].words;

		*words = (struct wh_return){0};
		for (enum wh_family family = 0; family < WH_FAMILIES; family++)
			take_turn(&(struct turn){
				.m = m, .class = class, .family = family, .now_ns = now_ns, .asked = asked});
		words->waits4 = wh_failback_in(m, class, WH_V4, WH_BACK_WAITS);
		words->waits6 = wh_failback_in(m, class, WH_V6, WH_BACK_WAITS);
	}
}

void wh_failback_pass(struct wh_model *m, uint64_t now_ns)
{
	pass(m, now_ns, WH_WAN_NONE);
}

/* --- the model's front door ------------------------------------------------------------------------------------- */

/* In how many classes and families the WAN is held back. */
static unsigned held_back(const struct wh_model *m, unsigned wan)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->config->n_classes * WH_FAMILIES; i++) {
		enum wh_back_state state = m->classes[i / WH_FAMILIES].back[i % WH_FAMILIES].wans[wan].state;

		n += state == WH_BACK_HELD || state == WH_BACK_WAITS;
	}
	return n;
}

bool wh_model_failback(struct wh_model *m, unsigned wan, uint64_t now_ns)
{
	unsigned before;

	wh_failback_pass(m, now_ns);
	before = held_back(m, wan);
	pass(m, now_ns, wan);
	for (enum wh_family family = 0; family < WH_FAMILIES; family++)
		wh_states_accept(m, wan, family, now_ns);
	return held_back(m, wan) < before;
}

void wh_model_local_time(struct wh_model *m, unsigned minute)
{
	m->local_minute = minute;
}

void wh_model_adopt_waits(struct wh_model *m, unsigned class, uint8_t waits4, uint8_t waits6)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (waits4 & WAN_BIT(wan))
			m->classes[class].back[WH_V4].wans[wan].state = WH_BACK_WAITS;
		if (waits6 & WAN_BIT(wan))
			m->classes[class].back[WH_V6].wans[wan].state = WH_BACK_WAITS;
	}
}
