/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_neighbour.c: the neighbours that somebody asked for, followed from then on.  netlink.c hands in the
 * notifications and asks for all of them again after an overrun.
 */
#include "kern/netlink_private.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

static bool is_neighbour(const struct wh_neighbour *n, unsigned ifindex, const struct in6_addr *addr)
{
	return n->ifindex == ifindex && IN6_ARE_ADDR_EQUAL(&n->addr, addr);
}

static struct wh_neighbour *find(struct wh_neighbours *n, unsigned ifindex, const struct in6_addr *addr)
{
	for (unsigned i = 0; i < n->n; i++)
		if (is_neighbour(&n->followed[i], ifindex, addr))
			return &n->followed[i];
	return NULL;
}

static struct wh_neighbour *follow(struct wh_neighbours *n, unsigned ifindex, const struct in6_addr *addr)
{
	struct wh_neighbour *slot;

	if (n->n < WH_NEIGHBOURS_FOLLOWED) {
		slot = &n->followed[n->n++];
	} else {
		slot = &n->followed[n->oldest];
		n->oldest = (n->oldest + 1) % WH_NEIGHBOURS_FOLLOWED;
	}
	*slot = (struct wh_neighbour){.ifindex = ifindex, .addr = *addr};
	return slot;
}

static void learn(struct wh_neighbour *n, const struct wh_neighbour *told)
{
	bool chosen = n->chosen;

	*n = *told;
	n->chosen = chosen;
}

static int take_answer(void *arg, const struct nlmsghdr *nlh)
{
	struct wh_neighbour *asked = arg;
	struct wh_neighbour told;

	if (!wh_neighbour_parse(nlh, &told) && is_neighbour(&told, asked->ifindex, &asked->addr))
		learn(asked, &told);
	return 0;
}

/* What the kernel knows of a neighbour now; that it knows nothing of it is an answer like any other. */
static void ask(struct wh_neighbour *n, struct mnl_socket *query)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	bool is_v4 = wh_family_of(&n->addr) == WH_V4;
	struct ndmsg *info;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ndm_family = is_v4 ? AF_INET : AF_INET6;
	info->ndm_ifindex = (int)n->ifindex;
	if (is_v4)
		mnl_attr_put_u32(nlh, NDA_DST, wh_unmapped(&n->addr).s_addr);
	else
		mnl_attr_put(nlh, NDA_DST, sizeof(n->addr), &n->addr);
	n->has_mac = n->unreachable = false;
	wh_netlink_ask(query, nlh, take_answer, n);
}

bool wh_neighbours_take(struct wh_neighbours *n, const struct nlmsghdr *nlh)
{
	struct wh_neighbour told;
	struct wh_neighbour *known;
	bool changed;

	if (wh_neighbour_parse(nlh, &told))
		return false;
	known = find(n, told.ifindex, &told.addr);
	if (!known)
		return false;
	/* Its state changes every few seconds, but nobody asks for more than these. */
	changed = known->has_mac != told.has_mac || known->unreachable != told.unreachable ||
		  memcmp(known->mac, told.mac, ETH_ALEN) != 0;
	learn(known, &told);
	return changed;
}

/* --- all of them ------------------------------------------------------------------------------------------ */

void wh_neighbours_tell(const struct wh_netlink *nl, const struct nlmsghdr *nlh)
{
	struct wh_neighbour told;

	if (!nl->neighbour_ops.told || wh_neighbour_parse(nlh, &told))
		return;
	if (told.has_mac || told.unreachable)
		nl->neighbour_ops.told(nl->neighbour_arg, told.ifindex, &told.addr, told.has_mac ? told.mac : NULL);
}

static int tell_dumped(void *arg, const struct nlmsghdr *nlh)
{
	wh_neighbours_tell(arg, nlh);
	return 0;
}

int wh_netlink_tell_neighbours(struct wh_netlink *nl)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	if (!nl->neighbour_ops.told)
		return 0;
	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ndmsg));
	return wh_netlink_ask(nl->query, nlh, tell_dumped, nl);
}

void wh_netlink_watch_neighbours(struct wh_netlink *nl, const struct wh_neighbour_ops *ops, void *arg)
{
	nl->neighbour_ops = *ops;
	nl->neighbour_arg = arg;
}

/* --- those that were asked for ---------------------------------------------------------------------------- */

void wh_neighbours_refresh(struct wh_neighbours *n, struct mnl_socket *query)
{
	for (unsigned i = 0; i < n->n; i++)
		ask(&n->followed[i], query);
}

struct wh_neighbour *wh_neighbour_of(const struct wh_netlink *nl, unsigned ifindex, const struct in6_addr *addr)
{
	struct wh_neighbour *n = find(nl->neighbours, ifindex, addr);

	if (!n) {
		n = follow(nl->neighbours, ifindex, addr);
		ask(n, nl->query);
	}
	return n;
}

void wh_neighbour_choose(const struct wh_netlink *nl, unsigned ifindex, const struct in6_addr *addr)
{
	struct wh_neighbours *n = nl->neighbours;

	for (unsigned i = 0; i < n->n; i++)
		if (n->followed[i].ifindex == ifindex)
			n->followed[i].chosen = IN6_ARE_ADDR_EQUAL(&n->followed[i].addr, addr);
}

static int mac_of(const struct wh_neighbour *n, uint8_t out[ETH_ALEN])
{
	if (!n->has_mac)
		return -ENOENT;
	memcpy(out, n->mac, ETH_ALEN);
	return 0;
}

int wh_netlink_neighbour4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr addr, uint8_t out[ETH_ALEN])
{
	struct in6_addr mapped = wh_mapped(addr);

	return mac_of(wh_neighbour_of(nl, ifindex, &mapped), out);
}

int wh_netlink_neighbour6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr addr, uint8_t out[ETH_ALEN])
{
	return mac_of(wh_neighbour_of(nl, ifindex, &addr), out);
}
