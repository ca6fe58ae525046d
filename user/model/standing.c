/* SPDX-License-Identifier: GPL-2.0 */
/* standing.c: see standing.h, whose table this follows from top to bottom. */
#include "model/standing.h"

#include <stdio.h>
#include <string.h>

#include "model/states.h"

#define WAN_BIT(wan) ((uint8_t)(1U << (wan)))

/* --- WANs as sets, bit by number ------------------------------------------------------------------------------ */

static uint8_t class_set(const struct wh_model *m, unsigned class)
{
	return wh_conf_class_wans(&m->config->classes[class], m->number_of);
}

/* Those of `set` in one of the states that the function knows. */
static uint8_t in_state(const struct wh_model *m, enum wh_family family, uint8_t set, bool (*is)(enum wh_wan_state))
{
	uint8_t found = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if ((set & WAN_BIT(wan)) && is(m->wans[wan].of[family].state))
			found |= WAN_BIT(wan);
	}
	return found;
}

static bool is_recovering(enum wh_wan_state state)
{
	return state == WH_WAN_RECOVERING;
}

/* Those whose quota says so, but for what the hand holds up. */
static uint8_t in_quota(const struct wh_model *m, uint8_t set, enum wh_quota_verdict verdict)
{
	uint8_t found = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if ((set & WAN_BIT(wan)) && m->wans[wan].quota == verdict && m->wans[wan].hand != WH_HAND_UP)
			found |= WAN_BIT(wan);
	}
	return found;
}

static uint8_t busy_in(const struct wh_model *m, uint8_t set)
{
	uint8_t found = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if ((set & WAN_BIT(wan)) && m->wans[wan].busy && m->wans[wan].hand != WH_HAND_UP)
			found |= WAN_BIT(wan);
	}
	return found;
}

static void give_reason(struct wh_class_standing *s, uint8_t set, enum wh_standing why)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (set & WAN_BIT(wan))
			s->why[wan] = why;
	}
}

/* Leave only `kept` of the set, and say why of the others. */
static uint8_t narrow(struct wh_class_standing *s, uint8_t set, uint8_t kept, enum wh_standing why)
{
	give_reason(s, set & (uint8_t)~kept, why);
	return set & kept;
}

/* --- where nothing is well -------------------------------------------------------------------------------------- */

/* With nothing alive a doubtful way is better than none; what a hand took away stays away. */
static bool is_last_resort(const struct wh_wan_model *w, enum wh_family family)
{
	enum wh_wan_state state = w->of[family].state;

	return (state == WH_WAN_PENDING || state == WH_WAN_DOWN) && w->hand == WH_HAND_AUTO;
}

/* The one last heard from; of equals the one that the class prefers. */
static uint8_t last_resort(const struct wh_model *m, enum wh_family family, const struct wh_conf_class *class,
			   uint8_t blocked)
{
	const struct wh_wan_model *best = NULL;

	for (unsigned t = 0; t < class->n_tiers; t++) {
		for (unsigned i = 0; i < class->tiers[t].n_members; i++) {
			unsigned wan = m->number_of[class->tiers[t].members[i].wan];
			const struct wh_wan_model *w = &m->wans[wan];

			if (w->configured && !(blocked & WAN_BIT(wan)) && is_last_resort(w, family) &&
			    (!best || w->of[family].heard_ns > best->of[family].heard_ns))
				best = w;
		}
	}
	return best ? WAN_BIT(best - m->wans) : 0;
}

/* --- SLA -------------------------------------------------------------------------------------------------------- */

static uint8_t outside(const struct wh_model *m, unsigned class, enum wh_family family, uint8_t set)
{
	uint8_t found = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if ((set & WAN_BIT(wan)) && m->classes[class].sla[wan][family].outside &&
		    m->wans[wan].hand != WH_HAND_UP)
			found |= WAN_BIT(wan);
	}
	return found;
}

static uint8_t least_bad(const struct wh_model *m, unsigned class, enum wh_family family, uint8_t set)
{
	unsigned best = WH_WAN_NONE;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if ((set & WAN_BIT(wan)) && (best == WH_WAN_NONE || m->classes[class].sla[wan][family].excess <
									    m->classes[class].sla[best][family].excess))
			best = wan;
	}
	return best == WH_WAN_NONE ? 0 : WAN_BIT(best);
}

/* Those that the limits leave. */
static uint8_t within_limits(const struct wh_model *m, unsigned class, enum wh_family family, uint8_t set)
{
	uint8_t inside = set & (uint8_t)~outside(m, class, family, set);

	return inside ? inside : least_bad(m, class, family, set);
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

/* Those that take new flows as far as their states go: recovering ones where nothing else is well. */
static uint8_t well_of(const struct wh_model *m, unsigned class, enum wh_family family, uint8_t usable)
{
	uint8_t recovering = in_state(m, family, usable, is_recovering);
	uint8_t well = in_state(m, family, usable, wh_state_is_fresh);

	well |= recovering & wh_failback_early(m, class, family);
	return well ? well : recovering;
}

/* Without what is held back, as long as anything else is left; the pin is a hand's, and stands above that. */
static uint8_t in_use(const struct wh_model *m, unsigned class, enum wh_family family, uint8_t set, uint8_t pinned,
		      struct wh_class_standing *s)
{
	uint8_t held = wh_failback_in(m, class, family, WH_BACK_HELD) & (uint8_t)~pinned;
	uint8_t waits = wh_failback_in(m, class, family, WH_BACK_WAITS) & (uint8_t)~pinned;

	if (set & (uint8_t)~held)
		set = narrow(s, set, (uint8_t)~held, WH_STANDING_HELD);
	return set & (uint8_t)~waits ? narrow(s, set, (uint8_t)~waits, WH_STANDING_WAITS) : set;
}

/* From what is well to those among which tier and algorithm choose. */
static uint8_t eligible(const struct wh_model *m, unsigned class, enum wh_family family, uint8_t well,
			struct wh_class_standing *s)
{
	const struct wh_conf_class *conf = &m->config->classes[class];
	uint8_t pinned = m->classes[class].pinned < WH_MAX_WANS ? WAN_BIT(m->classes[class].pinned) : 0;
	uint8_t set = narrow(s, well, within_limits(m, class, family, well), WH_STANDING_SLA), others;

	others = set & (uint8_t)~in_quota(m, set, WH_QUOTA_AVOIDED);
	if (others)
		set = narrow(s, set, others, WH_STANDING_AVOIDED);
	set = in_use(m, class, family, set, pinned, s);
	others = conf->algorithm == WH_ALGORITHM_OVERFLOW ? set & (uint8_t)~busy_in(m, set) : set;
	if (others)
		set = narrow(s, set, others, WH_STANDING_BUSY);
	if (set & pinned)
		set = narrow(s, set, pinned, WH_STANDING_UNPINNED);
	return set;
}

static bool chooses_one(const struct wh_conf_class *class)
{
	return class->algorithm == WH_ALGORITHM_LEAST_USED || class->algorithm == WH_ALGORITHM_LOWEST_LATENCY;
}

uint8_t wh_standing_best_tier(const struct wh_model *m, unsigned class, uint8_t set)
{
	const struct wh_conf_class *conf = &m->config->classes[class];

	for (unsigned t = 0; t < conf->n_tiers; t++) {
		uint8_t found = set & wh_conf_tier_wans(&conf->tiers[t], m->number_of);

		if (found)
			return found;
	}
	return 0;
}

/* What new flows are chosen by, of the WANs of a tier: the less the better. */
struct cost {
	bool latency;
	bool share; /* of the bandwidth, where all of them have one; else what each carries for its weight */
};

static struct cost cost_in(const struct wh_model *m, enum wh_algorithm algorithm, uint8_t tier)
{
	struct cost by = {.latency = algorithm == WH_ALGORITHM_LOWEST_LATENCY, .share = true};

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		by.share = by.share && (!(tier & WAN_BIT(wan)) || m->wans[wan].measured);
	return by;
}

static double cost_of(const struct wh_model *m, struct cost by, enum wh_family family, unsigned wan)
{
	const struct wh_wan_model *w = &m->wans[wan];

	if (by.latency)
		return (double)w->of[family].health.meter.srtt_ns;
	return by.share ? w->load : w->carried;
}

/* WH_WAN_NONE of an empty tier. */
static unsigned least_cost(const struct wh_model *m, struct cost by, enum wh_family family, uint8_t tier)
{
	unsigned best = WH_WAN_NONE;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if ((tier & WAN_BIT(wan)) &&
		    (best == WH_WAN_NONE || cost_of(m, by, family, wan) < cost_of(m, by, family, best)))
			best = wan;
	}
	return best;
}

/* Of the best tier the chosen one only; lower tiers stay behind it, where it may be needed at once. */
static uint8_t with_choice(const struct wh_model *m, unsigned class, enum wh_family family, uint8_t set,
			   struct wh_class_standing *s)
{
	uint8_t tier = wh_standing_best_tier(m, class, set);
	unsigned chosen = m->classes[class].chosen[family];

	/* The chosen one has just gone: at once the next best. */
	if (chosen >= WH_MAX_WANS || !(tier & WAN_BIT(chosen)))
		chosen = least_cost(m, cost_in(m, m->config->classes[class].algorithm, tier), family, tier);
	if (chosen == WH_WAN_NONE)
		return set;
	return narrow(s, set, (uint8_t)((set & ~tier) | WAN_BIT(chosen)), WH_STANDING_NOT_CHOSEN);
}

void wh_standing_of(const struct wh_model *m, unsigned class, enum wh_family family, struct wh_class_standing *out)
{
	const struct wh_conf_class *conf = &m->config->classes[class];
	uint8_t all = class_set(m, class), blocked = in_quota(m, all, WH_QUOTA_BLOCKED);
	uint8_t usable = all & (uint8_t)~blocked, well = well_of(m, class, family, usable);

	memset(out, 0, sizeof(*out));
	give_reason(out, all, WH_STANDING_STATE);
	give_reason(out, blocked, WH_STANDING_BLOCKED);
	out->keep = in_state(m, family, usable, wh_state_is_alive) | (m->classes[class].back[family].held & usable);
	if (well) {
		out->fresh = eligible(m, class, family, well, out);
		if (chooses_one(conf))
			out->fresh = with_choice(m, class, family, out->fresh, out);
		give_reason(out, out->fresh, WH_STANDING_FRESH);
	} else {
		out->fresh = last_resort(m, family, conf, blocked);
		give_reason(out, out->fresh, WH_STANDING_RESORT);
	}
	/* Who is outside the limits keeps nothing where the class says so and somewhere is better. */
	if (conf->sla.action == WH_SLA_MOVE)
		out->keep &= (uint8_t) ~(outside(m, class, family, out->keep) & ~out->fresh);
}

uint8_t wh_standing_fit(const struct wh_model *m, unsigned class, enum wh_family family)
{
	uint8_t all = class_set(m, class), fit;

	fit = in_state(m, family, all, wh_state_is_fresh) | in_state(m, family, all, is_recovering);
	fit &= (uint8_t) ~(in_quota(m, all, WH_QUOTA_BLOCKED) | in_quota(m, all, WH_QUOTA_AVOIDED));
	return fit & (uint8_t)~outside(m, class, family, all);
}

/* --- time ------------------------------------------------------------------------------------------------------- */

static struct wh_sla_view view_of(const struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	const struct wh_wan_model *w = &m->wans[wan];
	struct wh_sla_view view = {.full = w->measured && w->load * 100 > WH_FULL_PERCENT};

	wh_health_best(&w->of[family].health, now_ns, WH_SLA_SAMPLES, &view.figures);
	return view;
}

static void watch_class(struct wh_model *m, unsigned class, unsigned wan, enum wh_family family,
			const struct wh_sla_view *view, uint64_t now_ns)
{
	const struct wh_conf_sla *limits = &m->config->classes[class].sla;
	struct wh_sla_watch *watch = &m->classes[class].sla[wan][family];
	struct wh_class_change change = {.class = class, .wan = wan, .family = family, .cause = "sla"};
	char figure[80], evidence[128];

	if (!wh_sla_watch(watch, limits, view, now_ns) || !m->on_class)
		return;
	wh_sla_text(limits, view, figure, sizeof(figure));
	snprintf(evidence, sizeof(evidence), "%s the class's limits%s%s", watch->outside ? "outside" : "inside",
		 figure[0] ? ": " : "", figure);
	change.evidence = evidence;
	m->on_class(m->arg, &change);
}

/* The figures are the same for all classes, and are worked out once. */
static void watch_limits(struct wh_model *m, unsigned wan, enum wh_family family, uint64_t now_ns)
{
	struct wh_sla_view view = view_of(m, wan, family, now_ns);

	for (unsigned class = 0; class < m->config->n_classes; class += 1) {
		if (class_set(m, class) & WAN_BIT(wan))
			watch_class(m, class, wan, family, &view, now_ns);
	}
}

/* Whether the difference is worth it that new flows change over. */
static bool is_worth_it(struct cost by, double cost, double present)
{
	if (by.latency)
		return cost + WH_LATENCY_STEP_NS < present && cost < present * (1 - WH_LATENCY_STEP_PERCENT / 100.0);
	return cost < present - (by.share ? 1 : present) * WH_LOAD_STEP_PERCENT / 100.0;
}

static void choose(struct wh_model *m, unsigned class, enum wh_family family)
{
	const struct wh_conf_class *conf = &m->config->classes[class];
	uint8_t usable = class_set(m, class), tier;
	uint8_t *chosen = &m->classes[class].chosen[family];
	struct wh_class_standing unused = {0};
	unsigned best;
	struct cost by;

	usable &= (uint8_t)~in_quota(m, usable, WH_QUOTA_BLOCKED);
	tier = wh_standing_best_tier(m, class, eligible(m, class, family, well_of(m, class, family, usable), &unused));
	by = cost_in(m, conf->algorithm, tier);
	best = least_cost(m, by, family, tier);
	if (*chosen >= WH_MAX_WANS || !(tier & WAN_BIT(*chosen)) ||
	    is_worth_it(by, cost_of(m, by, family, best), cost_of(m, by, family, *chosen)))
		*chosen = (uint8_t)best;
}

void wh_standing_pass(struct wh_model *m, uint64_t now_ns)
{
	for (unsigned i = 0; m->config && i < WH_MAX_WANS * WH_FAMILIES; i++) {
		if (m->wans[i / WH_FAMILIES].configured)
			watch_limits(m, i / WH_FAMILIES, i % WH_FAMILIES, now_ns);
	}
	for (unsigned class = 0; m->config && class < m->config->n_classes; class += 1) {
		const struct wh_conf_class *conf = &m->config->classes[class];

		for (unsigned family = 0; chooses_one(conf) && family < WH_FAMILIES; family++)
			choose(m, class, family);
	}
	wh_failback_pass(m, now_ns);
}

/* --- for people ------------------------------------------------------------------------------------------------- */

static bool waits_for_window(const struct wh_model *m, unsigned class, unsigned wan)
{
	return wh_conf_failback_of(m->config, class, (unsigned)wh_model_index_of(m, wan))->mode == WH_FAILBACK_WINDOW;
}

void wh_standing_text(const struct wh_model *m, unsigned class, unsigned wan, enum wh_family family, uint64_t now_ns,
		      char *out, size_t len)
{
	static const char *const texts[WH_STANDING_COUNT] = {
#define X(name, text) text,
		WH_STANDINGS(X)
#undef X
	};
	struct wh_class_standing s;
	struct wh_sla_view view;
	char figure[80] = "";

	wh_standing_of(m, class, family, &s);
	if (s.why[wan] == WH_STANDING_STATE) {
		snprintf(out, len, "%s", m->wans[wan].of[family].reason);
		return;
	}
	if (s.why[wan] == WH_STANDING_SLA) {
		view = view_of(m, wan, family, now_ns);
		wh_sla_text(&m->config->classes[class].sla, &view, figure, sizeof(figure));
	} else if (s.why[wan] == WH_STANDING_BUSY) {
		snprintf(figure, sizeof(figure), "%.0f %% of its bandwidth", m->wans[wan].load * 100);
	} else if (s.why[wan] == WH_STANDING_WAITS) {
		snprintf(figure, sizeof(figure), "`wanhelm failback %s`%s", m->wans[wan].name,
			 waits_for_window(m, class, wan) ? ", or its window" : "");
	}
	snprintf(out, len, "%s%s%s", texts[s.why[wan]], figure[0] ? ": " : "", figure);
}
