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

struct collector {
	struct wh_route_set *set;
	const struct wh_daemon *daemon;
};

static void add(struct wh_route_set *set, uint32_t addr_be, unsigned prefix_len, enum wh_route_kind kind)
{
	if (!set->entries || set->n == set->room) {
		size_t room = set->room ? 2 * set->room : 64;
		struct wh_route_entry *entries = reallocarray(set->entries, room, sizeof(*entries));

		if (!entries) {
			set->failed = true;
			return;
		}
		set->entries = entries;
		set->room = room;
	}
	set->entries[set->n++] =
		(struct wh_route_entry){.key = {.prefix_len = prefix_len, .addr_be = addr_be}, .kind = kind};
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
	struct collector *c = arg;

	if (route->prefix_len == 0 && (!route->ifindex || is_wan_device(c->daemon, route->ifindex)))
		return;
	add(c->set, route->dst.s_addr, route->prefix_len,
	    route->type == RTN_LOCAL && route->prefix_len == 32 ? WH_ROUTE_LOCAL : WH_ROUTE_KERNEL);
}

/* This network, loopback, link-local, multicast, reserved and the limited broadcast (RFC 6890). */
static void add_never_steered(struct wh_route_set *set)
{
	static const struct {
		uint32_t addr;
		unsigned prefix_len;
	} never[] = {{0x00000000, 8}, {0x7f000000, 8}, {0xa9fe0000, 16}, {0xe0000000, 4}, {0xf0000000, 4}};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		add(set, htonl(never[i].addr), never[i].prefix_len, WH_ROUTE_KERNEL);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wh_route4_key)); /* which an entry begins with */
}

static const struct wh_route_entry *find(const struct wh_route_set *set, const struct wh_route4_key *key)
{
	return set->n ? bsearch(key, set->entries, set->n, sizeof(*set->entries), compare) : NULL;
}

static void sort(struct wh_route_set *set)
{
	if (set->entries)
		qsort(set->entries, set->n, sizeof(*set->entries), compare);
}

/* What an earlier controller left in the map. */
static void read_map(struct wh_daemon *d, struct wh_route_set *set)
{
	struct wh_route4_key key, *at = NULL;
	struct wh_route route;

	while (!bpf_map_get_next_key(d->tables.routes, at, &key)) {
		if (!bpf_map_lookup_elem(d->tables.routes, &key, &route))
			add(set, key.addr_be, key.prefix_len, (enum wh_route_kind)route.kind);
		at = &key;
	}
	sort(set);
}

/* Only the difference is written: a full table of the Internet's routes changes all the time, by a few. */
static void apply(struct wh_daemon *d, const struct wh_route_set *was, const struct wh_route_set *wanted)
{
	int failed = 0;

	for (size_t i = 0; i < wanted->n; i++) {
		const struct wh_route_entry *entry = &wanted->entries[i], *there = find(was, &entry->key);
		struct wh_route route = {.kind = entry->kind};

		if ((!there || there->kind != entry->kind) &&
		    bpf_map_update_elem(d->tables.routes, &entry->key, &route, BPF_ANY))
			failed = errno;
	}
	for (size_t i = 0; i < was->n; i++) {
		if (!find(wanted, &was->entries[i].key))
			bpf_map_delete_elem(d->tables.routes, &was->entries[i].key);
	}
	if (failed)
		wh_warn("not all of the kernel's routes fit into wh_routes: %s", strerror(failed));
}

/* A default route's meaning also depends on which devices are WANs. */
static uint64_t version_now(const struct wh_daemon *d)
{
	uint64_t version = wh_netlink_routes_version(d->netlink) + 1;

	for (unsigned i = 0; i < WH_MAX_WANS; i++)
		version = version * 31 + (d->conf_of[i] >= 0 ? d->wans[i].ifindex : 0);
	return version;
}

void wh_routes_update(struct wh_daemon *d)
{
	struct wh_route_set wanted = {};
	struct collector c = {.set = &wanted, .daemon = d};

	if (d->routes.entries && version_now(d) == d->routes_version)
		return;
	if (!d->routes.entries)
		read_map(d, &d->routes);
	wh_netlink_each_route4(d->netlink, add_route, &c);
	add_never_steered(&wanted);
	if (wanted.failed) {
		wh_error("out of memory for the kernel's routes; wh_routes stays as it was");
		free(wanted.entries);
		return;
	}
	sort(&wanted);
	apply(d, &d->routes, &wanted);
	free(d->routes.entries);
	d->routes = wanted;
	d->routes_version = version_now(d);
}
