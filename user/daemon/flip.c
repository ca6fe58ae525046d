/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flip.c: from what the model wants to the words that the data plane reads.  The only writer of the masks.
 */
#include "daemon/daemon.h"
#include "lib/clock.h"

static void store(__u64 *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void wh_flip(struct wh_daemon *d)
{
	struct wh_steer *rows = d->tables.steer_rows;
	struct wh_wanted wanted = {};

	wh_model_wanted(&d->model, &wanted);
	/* A WAN's death first: one store, and every CPU has it at its next packet. */
	if (wanted.alive.word != d->stored.alive.word) {
		store(&rows[WH_STEER_GLOBAL].alive.word, wanted.alive.word);
		store(&rows[WH_STEER_GLOBAL].flips, rows[WH_STEER_GLOBAL].flips + 1);
	}
	/* Also where the word was right already: a hand may have stored it while no controller ran. */
	wh_aftermath_flipped(d, wh_now_ns());
	d->stored.alive = wanted.alive;
	for (unsigned i = 0; i < d->config.n_classes; i++) {
		unsigned class = d->class_number[i];

		if (wanted.masks[i].word != d->stored.masks[class].word)
			store(&rows[class].masks.word, wanted.masks[i].word);
		d->stored.masks[class] = wanted.masks[i];
	}
}

void wh_flip_forget(struct wh_daemon *d, unsigned class)
{
	store(&d->tables.steer_rows[class].masks.word, 0);
	d->stored.masks[class].word = 0;
}

void wh_flip_adopt(struct wh_daemon *d)
{
	const struct wh_steer *rows = d->tables.steer_rows;

	d->stored.alive.word = rows[WH_STEER_GLOBAL].alive.word;
	for (unsigned class = 0; class < WH_MAX_CLASSES; class += 1)
		d->stored.masks[class].word = rows[class].masks.word;
}
