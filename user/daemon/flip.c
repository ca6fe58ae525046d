/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flip.c: from what the model wants to the words that the data plane reads.  The only writer of the masks.
 */
#include <string.h>

#include "daemon/daemon.h"
#include "kern/family.h"
#include "lib/clock.h"

static void store(__u64 *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Plain data for the data plane, a 32-bit word at a time: each is good by itself. */
static void store_return(struct wh_return *row, const struct wh_return *value)
{
	__atomic_store_n(&row->moved_s, value->moved_s, __ATOMIC_RELAXED);
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		__atomic_store_n(&row->old_s[wan], value->old_s[wan], __ATOMIC_RELAXED);
	row->waits4 = value->waits4;
	row->waits6 = value->waits6;
}

/* Sessions whose WAN may no longer keep them are told so, though they be silent. */
static void owe(struct wh_daemon *d, unsigned class, union wh_alive before, const union wh_masks *masks)
{
	for (enum wh_family family = 0; family < WH_FAMILIES; family++)
		d->owed[family] |= wh_kept_by(d->stored.masks[class], before, family) &
				   (uint8_t)~wh_kept_by(*masks, d->stored.alive, family);
}

static void store_class(struct wh_daemon *d, unsigned class, const union wh_masks *masks, const struct wh_return *back,
			union wh_alive before)
{
	struct wh_steer *row = &d->tables.steer_rows[class];

	/* Before the masks that send packets there. */
	if (memcmp(back, &d->stored.back[class], sizeof(*back)) != 0)
		store_return(&row->back, back);
	if (masks->word != d->stored.masks[class].word)
		store(&row->masks.word, masks->word);
	owe(d, class, before, masks);
	d->stored.masks[class] = *masks;
	d->stored.back[class] = *back;
}

void wh_flip(struct wh_daemon *d)
{
	struct wh_steer *rows = d->tables.steer_rows;
	struct wh_wanted wanted = {};
	union wh_alive alive;

	wh_model_wanted(&d->model, &wanted);
	/* A WAN's death first: one store, and every CPU has it at its next packet. */
	if (wanted.alive.word != d->stored.alive.word) {
		store(&rows[WH_STEER_GLOBAL].alive.word, wanted.alive.word);
		store(&rows[WH_STEER_GLOBAL].flips, rows[WH_STEER_GLOBAL].flips + 1);
	}
	/* Also where the word was right already: a hand may have stored it while no controller ran. */
	wh_aftermath_flipped(d, wh_now_ns());
	alive = d->stored.alive;
	d->stored.alive = wanted.alive;
	for (unsigned i = 0; i < d->config.n_classes; i++)
		store_class(d, d->class_number[i], &wanted.masks[i], &wanted.back[i], alive);
}

void wh_flip_forget(struct wh_daemon *d, unsigned class)
{
	static const union wh_masks masks;
	static const struct wh_return back;

	store_class(d, class, &masks, &back, d->stored.alive);
}

void wh_flip_adopt(struct wh_daemon *d)
{
	const struct wh_steer *rows = d->tables.steer_rows;

	d->stored.alive.word = rows[WH_STEER_GLOBAL].alive.word;
	for (unsigned class = 0; class < WH_MAX_CLASSES; class += 1) {
		d->stored.masks[class].word = rows[class].masks.word;
		d->stored.back[class] = rows[class].back;
	}
	for (unsigned i = 0; i < d->config.n_classes; i++) {
		const struct wh_return *back = &rows[d->class_number[i]].back;

		wh_model_adopt_waits(&d->model, i, back->waits4, back->waits6);
	}
}
