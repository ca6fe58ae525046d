/* SPDX-License-Identifier: GPL-2.0 */
/* seen.c: see seen.h.  Nobody is taken out: who comes back with the address that he had has not changed. */
#include "model/seen.h"

#include <string.h>

static uint32_t hash(const struct in6_addr *addr)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 4; i++)
		sum = (sum ^ addr->s6_addr32[i]) * 0x9e3779b1U;
	return sum ^ sum >> 15;
}

/* Its entry, or the empty one where it would stand: there always is one. */
static struct wh_seen_entry *find(struct wh_seen *seen, const struct in6_addr *addr)
{
	uint32_t at = hash(addr) % WH_SEEN_ROOM;

	while (seen->entries[at].used && !IN6_ARE_ADDR_EQUAL(&seen->entries[at].addr, addr))
		at = (at + 1) % WH_SEEN_ROOM;
	return &seen->entries[at];
}

bool wh_seen_note(struct wh_seen *seen, const struct in6_addr *addr, const uint8_t *mac)
{
	struct wh_seen_entry *entry = find(seen, addr);
	bool changed;

	if (!entry->used) {
		if (wh_seen_is_full(seen))
			return true;
		if (!mac) /* never had one, as far as we know */
			return false;
		seen->n++;
		entry->used = true;
		entry->addr = *addr;
	}
	changed = entry->has_mac && (!mac || memcmp(entry->mac, mac, ETH_ALEN) != 0);
	entry->has_mac = mac;
	if (mac)
		memcpy(entry->mac, mac, ETH_ALEN);
	return changed;
}
