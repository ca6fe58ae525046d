/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_route.c: the questions of netlink.h about routes, answered from the picture.  Which of several gateways
 * the kernel reaches is netlink_neighbour.c's knowledge.
 */
#include "kern/netlink_private.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

static bool is_viewed(uint32_t table)
{
	return table == RT_TABLE_LOCAL || table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT;
}

/* --- default routes --------------------------------------------------------------------------------------- */

/* All default routes stand first: the next one of the family at or behind *at, or NULL. */
static const struct wh_picture_route *next_default(const struct wh_netlink *nl, enum wh_family family, size_t *at)
{
	const struct wh_picture_route *routes = nl->picture.routes.items;

	while (*at < nl->picture.routes.n && !routes[*at].prefix_len) {
		const struct wh_picture_route *r = &routes[(*at)++];

		if (wh_family_of(&r->dst) == family && r->table != RT_TABLE_LOCAL)
			return r;
	}
	return NULL;
}

/* The same for those that lead through a device. */
static const struct wh_picture_route *next_through(const struct wh_netlink *nl, enum wh_family family, unsigned ifindex,
						   size_t *at)
{
	const struct wh_picture_route *r;

	do {
		r = next_default(nl, family, at);
	} while (r && (r->ifindex != ifindex || r->type != RTN_UNICAST));
	return r;
}

/* They are sorted by table first, but a device's table is not asked about: so the first of the best wins. */
static const struct wh_picture_route *best_through(const struct wh_netlink *nl, enum wh_family family, unsigned ifindex)
{
	const struct wh_picture_route *best = NULL, *r;
	size_t at = 0;

	while ((r = next_through(nl, family, ifindex, &at))) {
		if (!best || r->metric < best->metric ||
		    (r->metric == best->metric && r->preference < best->preference))
			best = r;
	}
	return best;
}

int wh_netlink_gateway4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr *out)
{
	const struct wh_picture_route *best = best_through(nl, WH_V4, ifindex);

	/* A gateway of the other family (RFC 5549) is none that could be named here. */
	if (!best || wh_family_of(&best->gateway) != WH_V4)
		return -ENOENT;
	*out = wh_unmapped(&best->gateway);
	return 0;
}

int wh_netlink_gateway6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr *out)
{
	const struct wh_picture_route *best = best_through(nl, WH_V6, ifindex), *r;
	struct in6_addr chosen = {};
	int chosen_worth = -1;
	size_t at = 0;

	if (!best || IN6_IS_ADDR_UNSPECIFIED(&best->gateway))
		return -ENOENT;
	while ((r = next_through(nl, WH_V6, ifindex, &at))) {
		const struct wh_neighbour *n;
		int worth;

		if (r->metric != best->metric || r->preference != best->preference ||
		    IN6_IS_ADDR_UNSPECIFIED(&r->gateway))
			continue;
		n = wh_neighbour_of(nl, ifindex, &r->gateway);
		worth = (n->unreachable ? 0 : 2) + n->chosen;
		if (worth > chosen_worth) {
			chosen = r->gateway;
			chosen_worth = worth;
		}
	}
	wh_neighbour_choose(nl, ifindex, &chosen);
	*out = chosen;
	return 0;
}

int wh_netlink_default(const struct wh_netlink *nl, enum wh_family family, unsigned *ifindex, struct in6_addr *gateway)
{
	const struct wh_picture_route *r;
	uint32_t thrown = RT_TABLE_UNSPEC; /* a table that says "go on with the next" */
	size_t at = 0;

	while ((r = next_default(nl, family, &at))) {
		if (!is_viewed(r->table) || r->table == thrown || r->src_len)
			continue;
		if (r->type != RTN_THROW)
			break;
		thrown = r->table;
	}
	if (!r || r->type != RTN_UNICAST)
		return -ENOENT;
	*ifindex = r->ifindex;
	*gateway = r->gateway;
	return 0;
}

/* --- the delegated prefix --------------------------------------------------------------------------------- */

/* Whether the prefix is that of a link with neighbours, who would be asked for each of its addresses. */
static bool is_on_link(const struct wh_netlink *nl, const struct wh_picture_route *r)
{
	const struct wh_picture_link *link = wh_picture_find_link(&nl->picture, r->ifindex);
	const struct wh_picture_addr *addrs = nl->picture.addrs.items;

	for (size_t i = 0; link && !link->link.point_to_point && i < nl->picture.addrs.n; i++) {
		struct in6_addr prefix = addrs[i].addr;

		wh_clear_host_bits(&prefix, sizeof(prefix), r->src_len);
		if (addrs[i].ifindex == r->ifindex && addrs[i].prefix_len == r->src_len &&
		    IN6_ARE_ADDR_EQUAL(&prefix, &r->src))
			return true;
	}
	return false;
}

int wh_netlink_source_prefix6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr *prefix, unsigned *len)
{
	const struct wh_picture_route *best = NULL, *r;
	size_t at = 0;

	while ((r = next_through(nl, WH_V6, ifindex, &at))) {
		if (!r->src_len || r->src_len > 64 || is_on_link(nl, r))
			continue;
		if (!best || r->metric < best->metric || (r->metric == best->metric && r->src_len < best->src_len))
			best = r;
	}
	if (!best)
		return -ENOENT;
	*prefix = best->src;
	*len = best->src_len;
	return 0;
}

/* --- all routes ------------------------------------------------------------------------------------------- */

static void make_public(const struct wh_picture_route *r, struct wh_net_route *out)
{
	memset(out, 0, sizeof(*out));
	out->family = wh_family_of(&r->dst);
	if (out->family == WH_V4)
		out->dst4 = wh_unmapped(&r->dst);
	else
		out->dst6 = r->dst;
	out->prefix_len = r->prefix_len;
	out->type = r->type;
	out->ifindex = r->ifindex;
	out->has_gateway = !IN6_IS_ADDR_UNSPECIFIED(&r->gateway);
	out->metric = r->metric;
}

void wh_netlink_each_route(const struct wh_netlink *nl, void (*each)(void *arg, const struct wh_net_route *route),
			   void *arg)
{
	const struct wh_picture_route *routes = nl->picture.routes.items;
	const struct wh_picture_route *last = NULL;

	for (size_t i = 0; i < nl->picture.routes.n; i++) {
		const struct wh_picture_route *r = &routes[i];
		struct wh_net_route route;

		if (!is_viewed(r->table) ||
		    (last && last->prefix_len == r->prefix_len && IN6_ARE_ADDR_EQUAL(&last->dst, &r->dst)))
			continue;
		last = r;
		make_public(r, &route);
		each(arg, &route);
	}
}

uint64_t wh_netlink_routes_version(const struct wh_netlink *nl)
{
	return nl->routes_version;
}
