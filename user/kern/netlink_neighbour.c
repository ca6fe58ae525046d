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

static struct wh_neighbour *find(struct wh_neighbours *n, unsigned ifindex, struct in_addr addr)
{
	for (unsigned i = 0; i < n->n; i++)
		if (n->followed[i].ifindex == ifindex && n->followed[i].addr.s_addr == addr.s_addr)
			return &n->followed[i];
	return NULL;
}

static struct wh_neighbour *follow(struct wh_neighbours *n, unsigned ifindex, struct in_addr addr)
{
	struct wh_neighbour *slot;

	if (n->n < WH_NEIGHBOURS_FOLLOWED) {
		slot = &n->followed[n->n++];
	} else {
		slot = &n->followed[n->oldest];
		n->oldest = (n->oldest + 1) % WH_NEIGHBOURS_FOLLOWED;
	}
	memset(slot, 0, sizeof(*slot));
	slot->ifindex = ifindex;
	slot->addr = addr;
	return slot;
}

static int take_answer(void *arg, const struct nlmsghdr *nlh)
{
	struct wh_neighbour *asked = arg;
	struct wh_neighbour told;

	if (!wh_neighbour_parse(nlh, &told) && told.ifindex == asked->ifindex && told.addr.s_addr == asked->addr.s_addr)
		*asked = told;
	return 0;
}

/* What the kernel knows of a neighbour now; that it knows nothing of it is an answer like any other. */
static void ask(struct wh_neighbour *n, struct mnl_socket *query)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *info;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ndm_family = AF_INET;
	info->ndm_ifindex = (int)n->ifindex;
	mnl_attr_put_u32(nlh, NDA_DST, n->addr.s_addr);
	n->has_mac = false;
	wh_netlink_ask(query, nlh, take_answer, n);
}

bool wh_neighbours_take(struct wh_neighbours *n, const struct nlmsghdr *nlh)
{
	struct wh_neighbour told;
	struct wh_neighbour *known;
	bool changed;

	if (wh_neighbour_parse(nlh, &told))
		return false;
	known = find(n, told.ifindex, told.addr);
	if (!known)
		return false;
	/* Its state changes every few seconds, but nobody asks for that. */
	changed = known->has_mac != told.has_mac || memcmp(known->mac, told.mac, ETH_ALEN) != 0;
	*known = told;
	return changed;
}

void wh_neighbours_refresh(struct wh_neighbours *n, struct mnl_socket *query)
{
	for (unsigned i = 0; i < n->n; i++)
		ask(&n->followed[i], query);
}

int wh_netlink_neighbour4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr addr, uint8_t out[ETH_ALEN])
{
	struct wh_neighbour *n = find(nl->neighbours, ifindex, addr);

	if (!n) {
		n = follow(nl->neighbours, ifindex, addr);
		ask(n, nl->query);
	}
	if (!n->has_mac)
		return -ENOENT;
	memcpy(out, n->mac, ETH_ALEN);
	return 0;
}
