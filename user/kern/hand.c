/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hand.c: the override words in wh_steer, and what they mean for the masks while no controller runs to draw
 * the conclusion.
 */
#include "kern/tables.h"

#include <errno.h>

enum wh_hand_verb wh_tables_hand_of(const struct wh_tables *t, unsigned wan)
{
	union wh_hand hand = {.word = t->steer_rows[WH_STEER_GLOBAL].hand.word};
	uint8_t bit = (uint8_t)(1U << wan);

	if (hand.down & bit)
		return WH_HAND_DOWN;
	if (hand.up & bit)
		return WH_HAND_UP;
	return hand.drain & bit ? WH_HAND_DRAIN : WH_HAND_AUTO;
}

void wh_tables_set_hand(struct wh_tables *t, unsigned wan, enum wh_hand_verb verb)
{
	volatile __u64 *word = &t->steer_rows[WH_STEER_GLOBAL].hand.word;
	union wh_hand hand = {.word = *word};
	uint8_t bit = (uint8_t)(1U << wan);

	hand.down &= (uint8_t)~bit;
	hand.up &= (uint8_t)~bit;
	hand.drain &= (uint8_t)~bit;
	if (verb == WH_HAND_DOWN)
		hand.down |= bit;
	else if (verb == WH_HAND_UP)
		hand.up |= bit;
	else if (verb == WH_HAND_DRAIN)
		hand.drain |= bit;
	*word = hand.word;
}

/* Every bucket of a class names all of the class's WANs. */
static bool class_has_wan(const struct wh_tables *t, unsigned class, unsigned wan)
{
	struct wh_bucket_table table;

	if (wh_tables_buckets(t, class, &table))
		return false;
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (((table.order[0] >> (i * WH_ORDER_BITS)) & WH_ORDER_MASK) == wan + 1)
			return true;
	}
	return false;
}

static void store_alive(struct wh_tables *t, unsigned wan, bool alive)
{
	volatile __u64 *word = &t->steer_rows[WH_STEER_GLOBAL].alive.word;
	union wh_alive now = {.word = *word};
	uint8_t bit = (uint8_t)(1U << wan);

	now.alive4 = (uint8_t)(alive ? now.alive4 | bit : now.alive4 & ~bit);
	*word = now.word;
}

static void open_classes(struct wh_tables *t, unsigned wan)
{
	uint8_t bit = (uint8_t)(1U << wan);

	for (unsigned class = 0; class < WH_MAX_CLASSES; class += 1) {
		volatile __u64 *word = &t->steer_rows[class].masks.word;
		union wh_masks masks = {.word = *word};
		struct wh_class row;

		if (wh_tables_class(t, class, &row) || !row.name[0] || !class_has_wan(t, class, wan))
			continue;
		masks.keep4 |= bit;
		masks.fresh4 |= bit;
		*word = masks.word;
	}
}

int wh_tables_hand(struct wh_tables *t, unsigned wan, enum wh_hand_verb verb)
{
	struct wh_wan row;

	if (wan >= WH_MAX_WANS || (verb != WH_HAND_DOWN && verb != WH_HAND_UP))
		return -EINVAL;
	wh_tables_set_hand(t, wan, verb);
	/* What is not there stays out, whatever the hand says. */
	if (verb == WH_HAND_UP && (wh_tables_wan(t, wan, &row) || row.state4 == WH_WAN_ABSENT || !row.ifindex))
		return 0;
	if (verb == WH_HAND_UP)
		open_classes(t, wan);
	store_alive(t, wan, verb == WH_HAND_UP);
	return 0;
}
