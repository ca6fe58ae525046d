/* SPDX-License-Identifier: GPL-2.0 */
/*
 * aftermath.c: what follows a switch.  The flip is done; then the sessions that cannot go on are told so
 * (aftermath_reset.c), and for a while it is watched what the users' flows meet on the other WAN.  Then one record
 * says it all: where a WAN dies in both families at about the same time, it is one failover.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"
#include "kern/words.h"
#include "lib/clock.h"

#define WATCH_NS (2 * WH_NS_PER_S)

/* What users' flows have counted; all 0 where that cannot be read. */
static void read_totals(const struct wh_daemon *d, struct wh_counters totals[WH_MAX_WANS])
{
	memset(totals, 0, WH_MAX_WANS * sizeof(*totals));
	wh_tables_totals(&d->tables, d->class_numbers, totals);
}

/* Flows that came to others than the dead WAN. */
static uint64_t sum_moved(const struct wh_daemon *d, const struct wh_counters totals[WH_MAX_WANS], unsigned dead)
{
	uint64_t moved = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->conf_of[wan] >= 0 && wan != dead)
			moved += totals[wan].moved;
	}
	return moved;
}

/* --- opening: at the change of state, before the flip ----------------------------------------------------- */

static bool carries(enum wh_wan_state state)
{
	return state == WH_WAN_UP || state == WH_WAN_SUSPECT || state == WH_WAN_RECOVERING ||
	       state == WH_WAN_DRAINING || state == WH_WAN_FORCED_UP;
}

void wh_aftermath_on_return(void *arg, const struct wh_class_change *change)
{
	struct wh_record record = WH_RECORD_EMPTY;
	struct wh_daemon *d = arg;
	const struct wh_conf_class *class = &d->config.classes[change->class];
	struct wh_aftermath *a = &d->aftermath[change->wan];
	uint64_t now_ns = wh_now_ns();

	/* The families and classes that follow the first one are not told: it is the same return. */
	if (a->returned_ns && now_ns < a->returned_ns + WATCH_NS)
		return;
	a->returned_ns = now_ns;
	record.event = "failback";
	record.wan = d->wans[change->wan].name;
	record.class = class->own_failback ? class->name : NULL;
	record.cause = change->cause;
	record.evidence = change->evidence;
	wh_tell(d, &record);
}

/* Whether the WAN still carries something of the other family. */
static bool other_carries(const struct wh_daemon *d, const struct wh_change *change)
{
	enum wh_family other = change->family == WH_V4 ? WH_V6 : WH_V4;

	return carries(d->model.wans[change->wan].of[other].state);
}

static void begin(struct wh_daemon *d, struct wh_aftermath *a, const struct wh_change *change,
		  const struct wh_counters totals[WH_MAX_WANS])
{
	memset(a, 0, sizeof(*a));
	a->open = true;
	a->change = *change;
	snprintf(a->cause, sizeof(a->cause), "%s", change->cause);
	snprintf(a->evidence, sizeof(a->evidence), "%s", change->evidence ? change->evidence : "");
	a->moved_before = sum_moved(d, totals, change->wan);
	a->reset_before = totals[change->wan].reset;
}

void wh_aftermath_open(struct wh_daemon *d, const struct wh_change *change)
{
	struct wh_aftermath *a = &d->aftermath[change->wan];
	struct wh_counters totals[WH_MAX_WANS];

	if (!carries(change->from) || carries(change->to))
		return;
	/* One that was not in use again yet fails over nothing. */
	if (change->from == WH_WAN_RECOVERING)
		return;
	read_totals(d, totals);
	if (!a->open)
		begin(d, a, change, totals);
	a->died[change->family] = true;
	/* Packets are counted for both families together: what one alone has lost is not known. */
	a->lost = -1;
	if (d->heard[change->wan].heard_ns && !other_carries(d, change))
		a->lost = (int64_t)(totals[change->wan].tx_packets - d->heard[change->wan].sent_packets);
}

void wh_aftermath_flipped(struct wh_daemon *d, uint64_t flipped_ns)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_aftermath *a = &d->aftermath[wan];

		if (!a->open || a->flipped_ns)
			continue;
		a->flipped_ns = flipped_ns;
		a->flip_us = (double)(flipped_ns - a->change.now_ns) / 1e3;
	}
}

/* --- watching, and the record ----------------------------------------------------------------------------- */

/* The WANs that took over in a family that was lost; 0 in the other one. */
static uint8_t heirs(const struct wh_daemon *d, const struct wh_aftermath *a, enum wh_family family)
{
	return a->died[family] ? wh_fresh_anywhere(d, family) : 0;
}

/* When an answer to a user's packet was first heard on a WAN that took over. */
static void watch_answers(const struct wh_daemon *d, struct wh_aftermath *a)
{
	for (unsigned i = 0; i < WH_SIGNAL_ROWS && !a->answered_ns; i++) {
		uint64_t heard_ns = d->tables.signal_rows[i].user_heard_ns;

		if ((heirs(d, a, i / WH_MAX_WANS) & (1U << i % WH_MAX_WANS)) && heard_ns > a->flipped_ns)
			a->answered_ns = heard_ns;
	}
}

static bool users_sent_since(const struct wh_daemon *d, const struct wh_aftermath *a)
{
	for (unsigned i = 0; i < WH_SIGNAL_ROWS; i++) {
		if ((heirs(d, a, i / WH_MAX_WANS) & (1U << i % WH_MAX_WANS)) &&
		    d->tables.signal_rows[i].user_sent_ns > a->flipped_ns)
			return true;
	}
	return false;
}

static void write_record(struct wh_daemon *d, unsigned wan)
{
	struct wh_aftermath *a = &d->aftermath[wan];
	struct wh_record record = WH_RECORD_EMPTY;
	char evidence[sizeof(a->evidence) + 32];
	struct wh_counters totals[WH_MAX_WANS];
	uint64_t moved, reset;

	a->open = false;
	snprintf(evidence, sizeof(evidence), "%s%s%s: %s", a->died[WH_V4] ? wh_word_of_family(WH_V4) : "",
		 a->died[WH_V4] && a->died[WH_V6] ? " and " : "", a->died[WH_V6] ? wh_word_of_family(WH_V6) : "",
		 a->evidence);
	read_totals(d, totals);
	moved = sum_moved(d, totals, wan) - a->moved_before;
	reset = totals[wan].reset - a->reset_before + a->reset_by_walk;
	record.event = "failover";
	record.wan = d->wans[wan].name;
	record.cause = a->cause;
	record.evidence = evidence;
	record.detect_ms = (double)(a->change.now_ns - a->change.since_ns) / 1e6;
	record.flip_us = a->flip_us;
	record.moved = (int64_t)moved;
	record.reset = (int64_t)reset;
	record.lost = a->lost;
	if (a->answered_ns)
		record.first_answer_ms = (double)(a->answered_ns - a->flipped_ns) / 1e6;
	wh_tell(d, &record);
	if (!a->answered_ns && users_sent_since(d, a)) {
		record = WH_RECORD_EMPTY;
		record.event = "unverified";
		record.wan = d->wans[wan].name;
		record.evidence = "after the switch users sent on another WAN, and nothing came back for 2 s";
		wh_tell(d, &record);
	}
}

bool wh_aftermath_waits(const struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->aftermath[wan].open && !d->aftermath[wan].answered_ns)
			return true;
	}
	return false;
}

void wh_aftermath_watch(struct wh_daemon *d, uint64_t now_ns)
{
	wh_aftermath_owe_old(d, now_ns);
	wh_aftermath_walk(d);
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_aftermath *a = &d->aftermath[wan];

		if (!a->open || !a->flipped_ns)
			continue;
		if (heirs(d, a, WH_V4) | heirs(d, a, WH_V6))
			a->switched = true;
		watch_answers(d, a);
		if (now_ns < a->flipped_ns + WATCH_NS || d->walked == wan)
			continue;
		if (a->switched)
			write_record(d, wan);
		a->open = false; /* without another WAN there was no failover to tell of */
	}
}
