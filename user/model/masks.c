/* SPDX-License-Identifier: GPL-2.0 */
/*
 * masks.c: what the states of the WANs mean for traffic: the words that the data plane steers by.
 *
 *	fresh (takes new flows)		up, suspect, forced-up
 *	keep (existing flows stay)	those and draining, recovering
 *	alive				the same as keep, for all classes at once
 *
 * Each family's masks follow from that family's states.  A class only ever sees the WANs of its own tiers.
 */
#include "model/model.h"

#include <string.h>

#define WAN_BIT(wan) ((uint8_t)(1U << (wan)))

/* One family's half of union wh_masks. */
struct half {
	uint8_t keep;
	uint8_t fresh;
};

static bool is_fresh(enum wh_wan_state state)
{
	return state == WH_WAN_UP || state == WH_WAN_SUSPECT || state == WH_WAN_FORCED_UP;
}

static bool is_alive(enum wh_wan_state state)
{
	return is_fresh(state) || state == WH_WAN_DRAINING || state == WH_WAN_RECOVERING;
}

/* With nothing alive a doubtful way is better than none; what a hand took away stays away. */
static bool is_last_resort(const struct wh_wan_model *w, enum wh_family family)
{
	enum wh_wan_state state = w->of[family].state;

	return (state == WH_WAN_PENDING || state == WH_WAN_DOWN) && w->hand == WH_HAND_AUTO;
}

/* A class's WANs by number, in order of preference; returns how many. */
static unsigned wans_of(const struct wh_model *m, const struct wh_conf_class *class, unsigned numbers[WH_MAX_WANS])
{
	unsigned n = 0;

	for (unsigned t = 0; t < class->n_tiers; t++) {
		for (unsigned i = 0; i < class->tiers[t].n_members && n < WH_MAX_WANS; i++) {
			unsigned wan = m->number_of[class->tiers[t].members[i].wan];

			if (m->wans[wan].configured)
				numbers[n++] = wan;
		}
	}
	return n;
}

static uint8_t last_resort(const struct wh_model *m, enum wh_family family, const unsigned numbers[WH_MAX_WANS],
			   unsigned n)
{
	const struct wh_wan_model *best = NULL;

	for (unsigned i = 0; i < n; i++) {
		const struct wh_wan_model *w = &m->wans[numbers[i]];

		if (is_last_resort(w, family) && (!best || w->of[family].heard_ns > best->of[family].heard_ns))
			best = w;
	}
	return best ? WAN_BIT(best - m->wans) : 0;
}

static struct half half_of(const struct wh_model *m, enum wh_family family, const unsigned numbers[WH_MAX_WANS],
			   unsigned n)
{
	struct half half = {0, 0};
	uint8_t recovering = 0;

	for (unsigned i = 0; i < n; i++) {
		enum wh_wan_state state = m->wans[numbers[i]].of[family].state;

		if (is_alive(state))
			half.keep |= WAN_BIT(numbers[i]);
		if (is_fresh(state))
			half.fresh |= WAN_BIT(numbers[i]);
		if (state == WH_WAN_RECOVERING)
			recovering |= WAN_BIT(numbers[i]);
	}
	if (!half.fresh)
		half.fresh = recovering;
	if (!half.fresh)
		half.fresh = last_resort(m, family, numbers, n);
	return half;
}

static union wh_masks masks_of(const struct wh_model *m, const struct wh_conf_class *class)
{
	unsigned numbers[WH_MAX_WANS];
	unsigned n = wans_of(m, class, numbers);
	struct half v4 = half_of(m, WH_V4, numbers, n), v6 = half_of(m, WH_V6, numbers, n);

	return (union wh_masks){.keep4 = v4.keep, .fresh4 = v4.fresh, .keep6 = v6.keep, .fresh6 = v6.fresh};
}

static uint8_t alive_of(const struct wh_model *m, enum wh_family family)
{
	uint8_t alive = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		if (m->wans[wan].configured && is_alive(m->wans[wan].of[family].state))
			alive |= WAN_BIT(wan);
	return alive;
}

void wh_model_wanted(const struct wh_model *m, struct wh_wanted *out)
{
	memset(out, 0, sizeof(*out));
	out->alive.alive4 = alive_of(m, WH_V4);
	out->alive.alive6 = alive_of(m, WH_V6);
	for (unsigned c = 0; m->config && c < m->config->n_classes; c++)
		out->masks[c] = masks_of(m, &m->config->classes[c]);
}
