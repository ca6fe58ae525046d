/* SPDX-License-Identifier: GPL-2.0 */
/*
 * seen.h: which link-layer address each neighbour on one LAN was last seen with, to tell a change from news that are
 * none.  Pure; bounded.
 */
#ifndef WANHELM_MODEL_SEEN_H
#define WANHELM_MODEL_SEEN_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define WH_SEEN_MAX 4096	       /* neighbours */
#define WH_SEEN_ROOM (2 * WH_SEEN_MAX) /* a power of two: half of it stays empty, so that looking is short */

struct wh_seen_entry {
	struct in6_addr addr; /* IPv4: ::ffff:a.b.c.d */
	uint8_t mac[ETH_ALEN];
	bool used;
	bool has_mac;
};

/* Begins zeroed. */
struct wh_seen {
	struct wh_seen_entry entries[WH_SEEN_ROOM];
	unsigned n;
};

/*
 * A neighbour has this link-layer address now, or (NULL) was asked and did not answer.  Whether what may have been
 * learnt before is not so any more: another address than it had, or none where it had one.  Of one for which there
 * is no room anything may be true.
 */
bool wh_seen_note(struct wh_seen *seen, const struct in6_addr *addr, const uint8_t *mac);

static inline bool wh_seen_is_full(const struct wh_seen *seen)
{
	return seen->n >= WH_SEEN_MAX;
}

#endif
