/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_query.c: the questions of netlink.h about links and addresses, answered from the picture; nothing here
 * asks the kernel.
 */
#include "kern/netlink_private.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* --- links ------------------------------------------------------------------------------------------------ */

const struct wh_link *wh_netlink_link(const struct wh_netlink *nl, const char *name)
{
	const struct wh_picture_link *links = nl->picture.links.items;

	for (size_t i = 0; i < nl->picture.links.n; i++)
		if (!strcmp(links[i].link.name, name))
			return &links[i].link;
	return NULL;
}

const struct wh_link *wh_netlink_link_at(const struct wh_netlink *nl, unsigned ifindex)
{
	const struct wh_picture_link *there = wh_picture_find_link(&nl->picture, ifindex);

	return there ? &there->link : NULL;
}

bool wh_netlink_has_vlans(const struct wh_netlink *nl, unsigned ifindex)
{
	const struct wh_picture_link *links = nl->picture.links.items;

	for (size_t i = 0; i < nl->picture.links.n; i++)
		if (links[i].link.parent == ifindex && links[i].link.up)
			return true;
	return false;
}

/* --- addresses -------------------------------------------------------------------------------------------- */

static bool is_ready(const struct wh_picture_addr *a)
{
	return !(a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
}

/* What speaks against an address as a source: each flaw outweighs all that stand behind it. */
static unsigned flaws(const struct wh_picture_addr *a)
{
	bool is_unique_local = (a->addr.s6_addr[0] & 0xfe) == 0xfc;
	bool is_second = a->flags & IFA_F_SECONDARY; /* which is IFA_F_TEMPORARY in IPv6 */

	return (a->flags & IFA_F_DEPRECATED ? 4 : 0) | (is_unique_local ? 2 : 0) | (is_second ? 1 : 0);
}

static int best_addr(const struct wh_netlink *nl, unsigned ifindex, enum wh_family family, uint8_t scope,
		     struct in6_addr *out)
{
	const struct wh_picture_addr *addrs = nl->picture.addrs.items;
	const struct wh_picture_addr *best = NULL;

	for (size_t i = 0; i < nl->picture.addrs.n; i++) {
		const struct wh_picture_addr *a = &addrs[i];

		if (a->ifindex != ifindex || wh_family_of(&a->addr) != family || a->scope != scope || !is_ready(a))
			continue;
		if (!best || flaws(a) < flaws(best))
			best = a;
	}
	if (!best)
		return -ENOENT;
	*out = best->addr;
	return 0;
}

int wh_netlink_addr4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr *out)
{
	struct in6_addr mapped;
	int err = best_addr(nl, ifindex, WH_V4, RT_SCOPE_UNIVERSE, &mapped);

	if (!err)
		*out = wh_unmapped(&mapped);
	return err;
}

int wh_netlink_addr6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr *out)
{
	return best_addr(nl, ifindex, WH_V6, RT_SCOPE_UNIVERSE, out);
}

void wh_netlink_each_addr6(const struct wh_netlink *nl, unsigned ifindex,
			   bool (*each)(void *arg, const struct in6_addr *addr, unsigned prefix_len), void *arg)
{
	const struct wh_picture_addr *addrs = nl->picture.addrs.items;

	for (size_t i = 0; i < nl->picture.addrs.n; i++) {
		if (addrs[i].ifindex == ifindex && addrs[i].scope == RT_SCOPE_UNIVERSE &&
		    !IN6_IS_ADDR_V4MAPPED(&addrs[i].addr) && is_ready(&addrs[i]) &&
		    !each(arg, &addrs[i].addr, addrs[i].prefix_len))
			return;
	}
}

int wh_netlink_linklocal6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr *out)
{
	return best_addr(nl, ifindex, WH_V6, RT_SCOPE_LINK, out);
}

static const struct wh_picture_addr *find_ready(const struct wh_netlink *nl, unsigned ifindex,
						const struct in6_addr *addr)
{
	const struct wh_picture_addr *addrs = nl->picture.addrs.items;

	for (size_t i = 0; i < nl->picture.addrs.n; i++)
		if (addrs[i].ifindex == ifindex && IN6_ARE_ADDR_EQUAL(&addrs[i].addr, addr) && is_ready(&addrs[i]))
			return &addrs[i];
	return NULL;
}

bool wh_netlink_has_addr4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr addr)
{
	struct in6_addr mapped = wh_mapped(addr);

	return find_ready(nl, ifindex, &mapped);
}

bool wh_netlink_has_addr6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr addr)
{
	return find_ready(nl, ifindex, &addr);
}

int wh_netlink_prefix_len6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr addr)
{
	const struct wh_picture_addr *found = find_ready(nl, ifindex, &addr);

	return found ? found->prefix_len : -ENOENT;
}
