/* SPDX-License-Identifier: GPL-2.0 */
/*
 * masks.c: what the model thinks of the WANs, as the words that the data plane steers by: `alive` for all classes at
 * once, from the states alone; keep and fresh of each class, as standing.c has them; who leaves and who is waited for,
 * as failback.c has it.
 */
#include "model/standing.h"
#include "model/states.h"

#include <string.h>

static uint8_t alive_of(const struct wh_model *m, enum wh_family family)
{
	uint8_t alive = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		if (m->wans[wan].configured && wh_state_is_alive(m->wans[wan].of[family].state))
			alive |= (uint8_t)(1U << wan);
	return alive;
}

static union wh_masks masks_of(const struct wh_model *m, unsigned class)
{
	const struct wh_class_back *back = m->classes[class].back;
	struct wh_class_standing v4, v6;

	wh_standing_of(m, class, WH_V4, &v4);
	wh_standing_of(m, class, WH_V6, &v6);
	return (union wh_masks){.keep4 = v4.keep,
				.fresh4 = v4.fresh,
				.leave4 = back[WH_V4].leave & v4.keep,
				.held4 = back[WH_V4].held & v4.keep,
				.keep6 = v6.keep,
				.fresh6 = v6.fresh,
				.leave6 = back[WH_V6].leave & v6.keep,
				.held6 = back[WH_V6].held & v6.keep};
}

void wh_model_wanted(const struct wh_model *m, struct wh_wanted *out)
{
	memset(out, 0, sizeof(*out));
	out->alive.alive4 = alive_of(m, WH_V4);
	out->alive.alive6 = alive_of(m, WH_V6);
	for (unsigned c = 0; m->config && c < m->config->n_classes; c++) {
		out->masks[c] = masks_of(m, c);
		out->back[c] = m->classes[c].words;
	}
}
