/* SPDX-License-Identifier: GPL-2.0 */
/*
 * routes.c: which destinations are the kernel's, from its routes and IPsec policies to wh_routes: everything that has
 * a route of its own, and what is never steered.  Only the default route's destinations are ours, where it leads to
 * a WAN or does not exist; those of a WAN's other routes keep that WAN.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "lib/log.h"

#define MAPPED_BITS 96 /* of ::ffff:0:0/96 */

struct collector {
	struct wh_route_set *set;
	const struct wh_daemon *daemon;
};

static void add(struct wh_route_set *set, const struct wh_route_key *key, enum wh_route_kind kind, unsigned wan)
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
		(struct wh_route_entry){.key = *key, .route = {.kind = (uint8_t)kind, .wan = (uint8_t)wan}};
}

/* IPv4 stands under its mapped addresses. */
static struct wh_route_key key4(uint32_t addr_be, unsigned prefix_len)
{
	return (struct wh_route_key){.prefix_len = MAPPED_BITS + prefix_len,
				     .addr_be = {{0, 0, htonl(0xffff), addr_be}}};
}

static struct wh_route_key key6(const struct in6_addr *addr, unsigned prefix_len)
{
	struct wh_route_key key = {.prefix_len = prefix_len};

	memcpy(&key.addr_be, addr, sizeof(key.addr_be));
	return key;
}

static unsigned wan_of(const struct wh_daemon *d, unsigned ifindex)
{
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (d->conf_of[i] >= 0 && ifindex && d->wans[i].ifindex == ifindex)
			return i;
	}
	return WH_WAN_NONE;
}

static bool is_link_local6(const struct wh_net_route *route)
{
	return route->family == WH_V6 && IN6_IS_ADDR_LINKLOCAL(&route->dst6);
}

/* What a route means: whose addresses are ours, what goes by one WAN only, what is the kernel's; -1: ours to steer. */
static int kind_of(const struct wh_net_route *route, unsigned wan)
{
	unsigned host = route->family == WH_V4 ? 32 : 128;

	if (route->prefix_len == 0)
		return wan < WH_MAX_WANS || !route->ifindex ? -1 : WH_ROUTE_KERNEL;
	if (route->type == RTN_LOCAL && route->prefix_len == host)
		return WH_ROUTE_LOCAL;
	if (route->type == RTN_UNREACHABLE || route->type == RTN_BLACKHOLE || route->type == RTN_PROHIBIT)
		return WH_ROUTE_NOWHERE;
	if (route->type == RTN_UNICAST && wan < WH_MAX_WANS && !is_link_local6(route))
		return WH_ROUTE_WAN;
	return WH_ROUTE_KERNEL;
}

static void add_route(void *arg, const struct wh_net_route *route)
{
	struct collector *c = arg;
	unsigned wan = wan_of(c->daemon, route->ifindex);
	int kind = kind_of(route, wan);
	struct wh_route_key key = route->family == WH_V4 ? key4(route->dst4.s_addr, route->prefix_len)
							 : key6(&route->dst6, route->prefix_len);

	if (kind >= 0)
		add(c->set, &key, (enum wh_route_kind)kind, wan);
}

/*
 * What an IPsec policy selects is never steered; one that selects everything (a road warrior's, of one source) is
 * left to the kernel's own handling of what it is shown.
 */
static void add_policy(void *arg, const struct wh_net_prefix *destination)
{
	struct collector *c = arg;
	struct wh_route_key key = destination->family == WH_V4
					  ? key4(destination->addr4.s_addr, destination->prefix_len)
					  : key6(&destination->addr6, destination->prefix_len);

	if (destination->prefix_len)
		add(c->set, &key, WH_ROUTE_KERNEL, WH_WAN_NONE);
}

/*
 * This network, loopback, link-local, multicast, reserved and the limited broadcast (RFC 6890), and IPv6's loopback,
 * link-local and multicast.  All of IPv4, too, has an entry, so that no short IPv6 prefix covers the mapped addresses.
 */
static void add_never_steered(struct wh_route_set *set)
{
	static const struct {
		uint32_t addr;
		unsigned prefix_len;
	} never[] = {{0x00000000, 8}, {0x7f000000, 8}, {0xa9fe0000, 16}, {0xe0000000, 4}, {0xf0000000, 4}};
	static const struct {
		struct in6_addr addr;
		unsigned prefix_len;
	} never6[] = {{IN6ADDR_LOOPBACK_INIT, 128}, {{{{0xfe, 0x80}}}, 10}, {{{{0xff}}}, 8}};
	struct wh_route_key all4 = key4(0, 0);
	bool has_default4 = false;

	for (size_t i = 0; i < set->n; i++)
		has_default4 |= !memcmp(&set->entries[i].key, &all4, sizeof(all4));
	if (!has_default4)
		add(set, &all4, WH_ROUTE_DEFAULT, WH_WAN_NONE);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		struct wh_route_key key = key4(htonl(never[i].addr), never[i].prefix_len);

		add(set, &key, WH_ROUTE_KERNEL, WH_WAN_NONE);
	}
	for (size_t i = 0; i < sizeof(never6) / sizeof(never6[0]); i++) {
		struct wh_route_key key = key6(&never6[i].addr, never6[i].prefix_len);

		add(set, &key, WH_ROUTE_KERNEL, WH_WAN_NONE);
	}
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wh_route_key)); /* which an entry begins with */
}

static const struct wh_route_entry *find(const struct wh_route_set *set, const struct wh_route_key *key)
{
	return set->n ? bsearch(key, set->entries, set->n, sizeof(*set->entries), compare) : NULL;
}

/* Of a prefix that came twice (a route's, and a policy's or one never steered) the kernel's stays. */
static void sort(struct wh_route_set *set)
{
	size_t kept = 0;

	if (!set->entries || !set->n)
		return;
	qsort(set->entries, set->n, sizeof(*set->entries), compare);
	for (size_t i = 1; i < set->n; i++) {
		if (compare(&set->entries[kept], &set->entries[i]) != 0)
			set->entries[++kept] = set->entries[i];
		else if (set->entries[i].route.kind == WH_ROUTE_KERNEL)
			set->entries[kept] = set->entries[i];
	}
	set->n = kept + 1;
}

/* What an earlier controller left in the map. */
static void read_map(struct wh_daemon *d, struct wh_route_set *set)
{
	struct wh_route_key key, *at = NULL;
	struct wh_route route;

	while (!bpf_map_get_next_key(d->tables.routes, at, &key)) {
		if (!bpf_map_lookup_elem(d->tables.routes, &key, &route))
			add(set, &key, (enum wh_route_kind)route.kind, route.wan);
		at = &key;
	}
	sort(set);
}

/*
 * Only the difference is written: a full table of the Internet's routes changes all the time, by a few.  Whether
 * something is the kernel's now that was not.
 */
static bool apply(struct wh_daemon *d, const struct wh_route_set *was, const struct wh_route_set *wanted)
{
	bool taken = false;
	int failed = 0;

	for (size_t i = 0; i < wanted->n; i++) {
		const struct wh_route_entry *entry = &wanted->entries[i], *there = find(was, &entry->key);

		if (there && !memcmp(&there->route, &entry->route, sizeof(entry->route)))
			continue;
		taken |= entry->route.kind != WH_ROUTE_DEFAULT;
		if (bpf_map_update_elem(d->tables.routes, &entry->key, &entry->route, BPF_ANY))
			failed = errno;
	}
	for (size_t i = 0; i < was->n; i++) {
		if (!find(wanted, &was->entries[i].key))
			bpf_map_delete_elem(d->tables.routes, &was->entries[i].key);
	}
	if (failed)
		wh_warn("not all of the kernel's routes fit into wh_routes: %s", strerror(failed));
	return taken;
}

/* A default route's meaning also depends on which devices are WANs. */
static uint64_t version_now(const struct wh_daemon *d)
{
	uint64_t version = (wh_netlink_routes_version(d->netlink) + 1) * 31 + d->ipsec_changes;

	for (unsigned i = 0; i < WH_MAX_WANS; i++)
		version = version * 31 + (d->conf_of[i] >= 0 ? d->wans[i].ifindex : 0);
	return version;
}

void wh_routes_update(struct wh_daemon *d)
{
	struct wh_route_set wanted = {};
	bool taken;
	struct collector c = {.set = &wanted, .daemon = d};

	if (d->routes.entries && version_now(d) == d->routes_version)
		return;
	if (!d->routes.entries)
		read_map(d, &d->routes);
	wh_netlink_each_route(d->netlink, add_route, &c);
	if (d->ipsec)
		wh_ipsec_each(d->ipsec, add_policy, &c);
	add_never_steered(&wanted);
	if (wanted.failed) {
		wh_error("out of memory for the kernel's routes; wh_routes stays as it was");
		free(wanted.entries);
		return;
	}
	sort(&wanted);
	taken = apply(d, &d->routes, &wanted);
	free(d->routes.entries);
	d->routes = wanted;
	d->routes_version = version_now(d);
	if (taken)
		wh_firewall_show_again(d); /* flows that are under way to there are the kernel's, too */
}
