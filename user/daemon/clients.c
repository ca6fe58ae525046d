/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clients.c: the neighbours on the LANs.  What is sent to a client goes to the MAC that its own packets came with;
 * that another box has its address now is learnt from the kernel's neighbours alone, if it does not speak.  Then the
 * LAN's number in wh_wires counts up, and answers go the kernel's way until their clients have spoken again.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/wiring.h"
#include "lib/clock.h"
#include "lib/log.h"

#define COUNT_NS (100 * WH_NS_PER_MS) /* at most so often a LAN */
#define RELEARN_NS (60 * WH_NS_PER_S)

static int lan_at(const struct wh_wiring *w, unsigned ifindex)
{
	for (unsigned lan = 0; lan < WH_LAN_PROBER; lan++) {
		if (ifindex && w->seen_on[lan] == ifindex)
			return (int)lan;
	}
	return -1;
}

static void on_told(void *arg, unsigned ifindex, const struct in6_addr *addr, const uint8_t *mac)
{
	struct wh_daemon *d = arg;
	struct wh_wiring *w = d->wiring;
	int lan = lan_at(w, ifindex);

	if (lan < 0)
		return;
	if (!w->seen[lan])
		w->seen[lan] = calloc(1, sizeof(*w->seen[lan]));
	if (!w->seen[lan] || wh_seen_note(w->seen[lan], addr, mac))
		w->moved |= 1ULL << lan;
}

/* What changed meanwhile is not known. */
static void on_lost(void *arg)
{
	struct wh_daemon *d = arg;
	struct wh_wiring *w = d->wiring;

	for (unsigned lan = 0; lan < WH_LAN_PROBER; lan++) {
		if (w->seen[lan])
			memset(w->seen[lan], 0, sizeof(*w->seen[lan]));
		if (w->seen_on[lan])
			w->moved |= 1ULL << lan;
	}
}

/* Who is there no more has filled a table: begun anew with those who are. */
static void relearn_if_full(struct wh_daemon *d, uint64_t now_ns)
{
	struct wh_wiring *w = d->wiring;
	bool full = false;

	for (unsigned lan = 0; lan < WH_LAN_PROBER; lan++)
		full |= w->seen[lan] && wh_seen_is_full(w->seen[lan]);
	if (!full || (w->relearnt_ns && now_ns < w->relearnt_ns + RELEARN_NS))
		return;
	w->relearnt_ns = now_ns;
	on_lost(d);
	wh_netlink_tell_neighbours(d->netlink);
}

void wh_clients_follow(struct wh_daemon *d, const unsigned ifindex[WH_MAX_LANS])
{
	struct wh_wiring *w = d->wiring;
	bool others = false;

	for (unsigned lan = 0; lan < WH_LAN_PROBER; lan++) {
		if (w->seen_on[lan] == ifindex[lan])
			continue;
		w->seen_on[lan] = ifindex[lan];
		free(w->seen[lan]);
		w->seen[lan] = NULL;
		w->moved |= 1ULL << lan;
		others |= ifindex[lan] != 0;
	}
	if (others)
		wh_netlink_tell_neighbours(d->netlink);
}

bool wh_clients_count(struct wh_daemon *d, uint64_t now_ns)
{
	struct wh_wiring *w = d->wiring;
	bool counted = false;

	for (uint64_t left = w->moved; left; left &= left - 1) {
		unsigned lan = (unsigned)__builtin_ctzll(left);

		if (w->counted_ns[lan] && now_ns < w->counted_ns[lan] + COUNT_NS)
			continue;
		w->rows.row[WH_WIRE_LAN + lan].neighbours++;
		w->counted_ns[lan] = now_ns;
		w->moved &= ~(1ULL << lan);
		counted = true;
	}
	if (counted)
		relearn_if_full(d, now_ns);
	return counted;
}

void wh_clients_start(struct wh_daemon *d)
{
	static const struct wh_neighbour_ops ops = {.told = on_told, .lost = on_lost};

	wh_netlink_watch_neighbours(d->netlink, &ops, d);
}

void wh_clients_end(struct wh_daemon *d)
{
	for (unsigned lan = 0; lan < WH_MAX_LANS; lan++)
		free(d->wiring->seen[lan]);
}
