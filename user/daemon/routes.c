/* SPDX-License-Identifier: GPL-2.0 */
/*
 * routes.c: which destinations are the kernel's, from its routes to wh_routes: everything that has a route of
 * its own, and what is never steered.  Only the default route's destinations are ours, where it leads to a WAN
 * or does not exist.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "lib/log.h"

struct route_set {
	struct wh_route4_key *keys;
	size_t n, room;
	bool failed;
	const struct wh_daemon *daemon;
};

static void add(struct route_set *set, uint32_t addr_be, unsigned prefix_len)
{
	if (set->n == set->room) {
		size_t room = set->room ? 2 * set->room : 64;
		struct wh_route4_key *keys = reallocarray(set->keys, room, sizeof(*keys));

		if (!keys) {
			set->failed = true;
			return;
		}
		set->keys = keys;
		set->room = room;
	}
	set->keys[set->n++] = (struct wh_route4_key){.prefix_len = prefix_len, .addr_be = addr_be};
}

static bool is_wan_device(const struct wh_daemon *d, unsigned ifindex)
{
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (d->conf_of[i] >= 0 && ifindex && d->wans[i].ifindex == ifindex)
			return true;
	}
	return false;
}

static void add_route(void *arg, const struct wh_net_route4 *route)
{
	struct route_set *set = arg;

	if (route->prefix_len == 0 && (!route->ifindex || is_wan_device(set->daemon, route->ifindex)))
		return;
	add(set, route->dst.s_addr, route->prefix_len);
}

/* This network, loopback, link-local, multicast, reserved and the limited broadcast (RFC 6890). */
static void add_never_steered(struct route_set *set)
{
	static const struct {
		uint32_t addr;
		unsigned prefix_len;
	} never[] = {{0x00000000, 8}, {0x7f000000, 8}, {0xa9fe0000, 16}, {0xe0000000, 4}, {0xf0000000, 4}};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		add(set, htonl(never[i].addr), never[i].prefix_len);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wh_route4_key));
}

/* What stands in the map and not in the set goes. */
static void remove_others(struct wh_daemon *d, const struct route_set *set)
{
	struct wh_route4_key key, *at = NULL, next;

	while (!bpf_map_get_next_key(d->tables.routes, at, &next)) {
		bool wanted = bsearch(&next, set->keys, set->n, sizeof(next), compare) != NULL;

		if (!wanted && !bpf_map_delete_elem(d->tables.routes, &next)) {
			at = NULL; /* a trie forgets where it was when the key it stood on goes */
			continue;
		}
		key = next;
		at = &key;
	}
}

static void add_missing(struct wh_daemon *d, const struct route_set *set)
{
	const struct wh_route kernel = {.kind = WH_ROUTE_KERNEL};
	int failed = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (bpf_map_update_elem(d->tables.routes, &set->keys[i], &kernel, BPF_ANY))
			failed = errno;
	}
	if (failed)
		wh_warn("not all of the kernel's routes fit into wh_routes: %s", strerror(failed));
}

void wh_routes_update(struct wh_daemon *d)
{
	struct route_set set = {.daemon = d};

	wh_netlink_each_route4(d->netlink, add_route, &set);
	add_never_steered(&set);
	if (!set.failed) {
		qsort(set.keys, set.n, sizeof(*set.keys), compare);
		add_missing(d, &set);
		remove_others(d, &set);
	} else {
		wh_error("out of memory for the kernel's routes; wh_routes stays as it was");
	}
	free(set.keys);
}
