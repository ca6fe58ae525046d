/* SPDX-License-Identifier: GPL-2.0 */
/* netlink_query.c: the questions of netlink.h that are answered from the picture; nothing here asks the kernel. */
#include "kern/netlink_private.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

const struct wh_link *wh_netlink_link(const struct wh_netlink *nl, const char *name)
{
	const struct wh_picture_link *links = nl->picture.links.items;

	for (size_t i = 0; i < nl->picture.links.n; i++)
		if (!strcmp(links[i].link.name, name))
			return &links[i].link;
	return NULL;
}

static bool is_usable_source(const struct wh_picture_addr *a)
{
	return a->scope == RT_SCOPE_UNIVERSE && !(a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED));
}

int wh_netlink_addr4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr *out)
{
	const struct wh_picture_addr *addrs = nl->picture.addrs.items;
	const struct wh_picture_addr *best = NULL;

	for (size_t i = 0; i < nl->picture.addrs.n; i++) {
		const struct wh_picture_addr *a = &addrs[i];

		if (a->ifindex != ifindex || !is_usable_source(a))
			continue;
		if (!best || ((best->flags & IFA_F_SECONDARY) && !(a->flags & IFA_F_SECONDARY)))
			best = a;
	}
	if (!best)
		return -ENOENT;
	*out = best->addr;
	return 0;
}

bool wh_netlink_has_addr4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr addr)
{
	const struct wh_picture_addr *addrs = nl->picture.addrs.items;

	for (size_t i = 0; i < nl->picture.addrs.n; i++)
		if (addrs[i].ifindex == ifindex && addrs[i].addr.s_addr == addr.s_addr)
			return true;
	return false;
}

int wh_netlink_gateway4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr *out)
{
	const struct wh_picture_route *routes = nl->picture.routes.items;
	const struct wh_picture_route *best = NULL;

	/* Default routes stand first, by table and then by metric: so the first of the lowest metric wins. */
	for (size_t i = 0; i < nl->picture.routes.n && !routes[i].route.dst.s_addr; i++) {
		const struct wh_picture_route *r = &routes[i];

		if (r->route.prefix_len || r->route.ifindex != ifindex || r->table == RT_TABLE_LOCAL ||
		    r->route.type != RTN_UNICAST)
			continue;
		if (!best || r->route.metric < best->route.metric)
			best = r;
	}
	if (!best || !best->gateway.s_addr)
		return -ENOENT;
	*out = best->gateway;
	return 0;
}

static bool same_prefix(const struct wh_net_route4 *a, const struct wh_net_route4 *b)
{
	return a->dst.s_addr == b->dst.s_addr && a->prefix_len == b->prefix_len;
}

static bool is_viewed(uint32_t table)
{
	return table == RT_TABLE_LOCAL || table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT;
}

void wh_netlink_each_route4(const struct wh_netlink *nl, void (*each)(void *arg, const struct wh_net_route4 *route),
			    void *arg)
{
	const struct wh_picture_route *routes = nl->picture.routes.items;
	const struct wh_net_route4 *last = NULL;

	for (size_t i = 0; i < nl->picture.routes.n; i++) {
		if (!is_viewed(routes[i].table) || (last && same_prefix(last, &routes[i].route)))
			continue;
		last = &routes[i].route;
		each(arg, last);
	}
}

uint64_t wh_netlink_routes_version(const struct wh_netlink *nl)
{
	return nl->routes_version;
}
