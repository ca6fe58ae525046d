/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hand.c: the override words in wh_steer, what they mean for the masks while no controller runs to draw the
 * conclusion, and what to ask before.
 */
#include "kern/tables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* In which families the WAN is there at all. */
static void families_of(const struct wh_wan *row, bool out[WH_FAMILIES])
{
	out[WH_V4] = row->ifindex && row->v4.state != WH_WAN_ABSENT;
	out[WH_V6] = row->ifindex && row->v6.state != WH_WAN_ABSENT;
}

/* The mask of WANs with the WAN's bit set or taken away. */
static uint8_t with(uint8_t mask, unsigned wan, bool set)
{
	return (uint8_t)(set ? mask | 1U << wan : mask & ~(1U << wan));
}

static void store_alive(struct wh_tables *t, unsigned wan, const bool alive[WH_FAMILIES])
{
	volatile __u64 *word = &t->steer_rows[WH_STEER_GLOBAL].alive.word;
	union wh_alive now = {.word = *word};

	now.alive4 = with(now.alive4, wan, alive[WH_V4]);
	now.alive6 = with(now.alive6, wan, alive[WH_V6]);
	*word = now.word;
}

static void open_classes(struct wh_tables *t, unsigned wan, const bool there[WH_FAMILIES])
{
	uint8_t bit4 = with(0, wan, there[WH_V4]), bit6 = with(0, wan, there[WH_V6]);

	for (unsigned class = 0; class < WH_MAX_CLASSES; class += 1) {
		volatile __u64 *word = &t->steer_rows[class].masks.word;
		union wh_masks masks = {.word = *word};
		struct wh_class row;

		if (wh_tables_class(t, class, &row) || !row.name[0] || !class_has_wan(t, class, wan))
			continue;
		masks.keep4 |= bit4;
		masks.fresh4 |= bit4;
		masks.keep6 |= bit6;
		masks.fresh6 |= bit6;
		masks.leave4 &= (uint8_t)~bit4;
		masks.leave6 &= (uint8_t)~bit6;
		*word = masks.word;
	}
}

/* Nobody is there to say when the wait is over. */
static void wait_no_longer(struct wh_tables *t, unsigned wan)
{
	for (unsigned class = 0; class < WH_MAX_CLASSES; class += 1) {
		volatile __u64 *word = &t->steer_rows[class].masks.word;
		union wh_masks masks = {.word = *word};

		masks.held4 = with(masks.held4, wan, false);
		masks.held6 = with(masks.held6, wan, false);
		if (masks.word != *word)
			*word = masks.word;
	}
}

int wh_tables_hand(struct wh_tables *t, unsigned wan, enum wh_hand_verb verb)
{
	bool there[WH_FAMILIES] = {false, false};
	struct wh_wan row;

	if (wan >= WH_MAX_WANS || (verb != WH_HAND_DOWN && verb != WH_HAND_UP))
		return -EINVAL;
	wh_tables_set_hand(t, wan, verb);
	/* What is not there stays out, whatever the hand says. */
	if (verb == WH_HAND_UP && !wh_tables_wan(t, wan, &row)) {
		families_of(&row, there);
		open_classes(t, wan, there);
	}
	if (verb == WH_HAND_DOWN)
		wait_no_longer(t, wan);
	store_alive(t, wan, there);
	return 0;
}

/* --- what to ask before ----------------------------------------------------------------------------------- */

static bool is_address_of(const struct wh_wan *row, const char *text)
{
	uint8_t addr[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, addr) == 1)
		return !memcmp(addr, &row->v4.addr_be, sizeof(row->v4.addr_be));
	return inet_pton(AF_INET6, text, addr) == 1 && !memcmp(addr, &row->v6.addr_be, sizeof(row->v6.addr_be));
}

bool wh_tables_hand_risk(const struct wh_tables *t, unsigned wan, enum wh_hand_verb verb, const char *ssh, char *why,
			 size_t len)
{
	const union wh_alive alive = {.word = t->steer_rows[WH_STEER_GLOBAL].alive.word};
	const uint8_t bit = (uint8_t)(1U << wan);
	bool last4 = alive.alive4 == bit, last6 = alive.alive6 == bit;
	struct wh_wan row;

	if ((verb != WH_HAND_DOWN && verb != WH_HAND_DRAIN) || wh_tables_wan(t, wan, &row))
		return false;
	if (!((alive.alive4 | alive.alive6) & ~bit))
		snprintf(why, len, "%s is the last WAN that works", row.name);
	else if (last4 || last6)
		snprintf(why, len, "%s is the last WAN that works for %s", row.name, last4 ? "IPv4" : "IPv6");
	else if (verb == WH_HAND_DOWN && ssh && is_address_of(&row, ssh))
		snprintf(why, len, "your ssh session comes in by %s", row.name);
	else
		return false;
	return true;
}
