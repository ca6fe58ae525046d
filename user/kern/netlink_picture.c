/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_picture.c: the arrays behind the netlink picture and the few ways in which they change.  Knows
 * nothing of messages (netlink_parse.c) or sockets (netlink.c).
 */
#include "kern/netlink_private.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_FIRST_CAPACITY 16

int wh_array_append(struct wh_array *a, const void *item, size_t size)
{
	if (a->n == a->capacity) {
		size_t capacity = a->capacity ? a->capacity * 2 : ARRAY_FIRST_CAPACITY;
		void *items = reallocarray(a->items, capacity, size);

		if (!items)
			return -ENOMEM;
		a->items = items;
		a->capacity = capacity;
	}
	memcpy((char *)a->items + a->n++ * size, item, size);
	return 0;
}

static int put_in_front(struct wh_array *a, const void *item, size_t size)
{
	int err = wh_array_append(a, item, size);

	if (err)
		return err;
	memmove((char *)a->items + size, a->items, (a->n - 1) * size);
	memcpy(a->items, item, size);
	return 0;
}

static void remove_at(struct wh_array *a, size_t at, size_t size)
{
	char *item = (char *)a->items + at * size;

	memmove(item, item + size, (--a->n - at) * size);
}

void wh_picture_free(struct wh_picture *p)
{
	free(p->links.items);
	free(p->addrs.items);
	free(p->routes.items);
	*p = (struct wh_picture){};
}

/* --- links ------------------------------------------------------------------------------------------------ */

struct wh_picture_link *wh_picture_find_link(const struct wh_picture *p, unsigned ifindex)
{
	struct wh_picture_link *links = p->links.items;

	for (size_t i = 0; i < p->links.n; i++)
		if (links[i].link.ifindex == ifindex)
			return &links[i];
	return NULL;
}

/* But for the bridge's name, which is not in the message. */
static bool same_link(const struct wh_picture_link *a, const struct wh_picture_link *b)
{
	const struct wh_link *x = &a->link;
	const struct wh_link *y = &b->link;

	return a->bridge == b->bridge && x->ifindex == y->ifindex && !strcmp(x->name, y->name) &&
	       !memcmp(x->mac, y->mac, sizeof(x->mac)) && x->has_mac == y->has_mac &&
	       x->point_to_point == y->point_to_point && x->up == y->up && x->carrier == y->carrier &&
	       x->mtu == y->mtu && x->steerable == y->steerable && x->l2_len == y->l2_len && x->parent == y->parent &&
	       x->vlan_plain == y->vlan_plain;
}

int wh_picture_put_link(struct wh_picture *p, const struct wh_picture_link *link)
{
	struct wh_picture_link *known = wh_picture_find_link(p, link->link.ifindex);
	int err;

	if (!known) {
		err = wh_array_append(&p->links, link, sizeof(*link));
		return err ? err : 1;
	}
	if (same_link(known, link))
		return 0;
	*known = *link;
	return 1;
}

int wh_picture_remove_link(struct wh_picture *p, unsigned ifindex)
{
	struct wh_picture_link *known = wh_picture_find_link(p, ifindex);

	if (!known)
		return 0;
	remove_at(&p->links, (size_t)(known - (struct wh_picture_link *)p->links.items), sizeof(*known));
	return 1;
}

void wh_picture_name_masters(struct wh_picture *p)
{
	struct wh_picture_link *links = p->links.items;

	for (size_t i = 0; i < p->links.n; i++) {
		const struct wh_picture_link *bridge = links[i].bridge ? wh_picture_find_link(p, links[i].bridge)
								       : NULL;

		memset(links[i].link.master, 0, sizeof(links[i].link.master));
		if (bridge)
			memcpy(links[i].link.master, bridge->link.name, sizeof(links[i].link.master));
	}
}

/* --- addresses -------------------------------------------------------------------------------------------- */

/* The kernel's own idea of the same address: device, address and prefix length. */
static struct wh_picture_addr *find_addr(const struct wh_picture *p, const struct wh_picture_addr *like)
{
	struct wh_picture_addr *addrs = p->addrs.items;

	for (size_t i = 0; i < p->addrs.n; i++)
		if (addrs[i].ifindex == like->ifindex && IN6_ARE_ADDR_EQUAL(&addrs[i].addr, &like->addr) &&
		    addrs[i].prefix_len == like->prefix_len)
			return &addrs[i];
	return NULL;
}

int wh_picture_put_addr(struct wh_picture *p, const struct wh_picture_addr *addr, bool in_front)
{
	struct wh_picture_addr *known = find_addr(p, addr);
	int err;

	if (known && known->scope == addr->scope && known->flags == addr->flags)
		return 0;
	if (known && !((known->flags ^ addr->flags) & IFA_F_SECONDARY)) {
		*known = *addr;
		return 1;
	}
	/* New, or an IPv4 secondary one promoted, which the kernel puts behind the primary ones that it has. */
	err = in_front ? put_in_front(&p->addrs, addr, sizeof(*addr)) : wh_array_append(&p->addrs, addr, sizeof(*addr));
	if (err)
		return err;
	if (known)
		remove_at(&p->addrs, (size_t)(find_addr(p, addr) - (struct wh_picture_addr *)p->addrs.items),
			  sizeof(*addr));
	return 1;
}

int wh_picture_remove_addr(struct wh_picture *p, const struct wh_picture_addr *addr)
{
	struct wh_picture_addr *known = find_addr(p, addr);

	if (!known)
		return 0;
	remove_at(&p->addrs, (size_t)(known - (struct wh_picture_addr *)p->addrs.items), sizeof(*known));
	return 1;
}

/* --- routes ----------------------------------------------------------------------------------------------- */

int wh_picture_add_route(struct wh_picture *p, const struct wh_picture_route *route)
{
	struct wh_picture_route ordered = *route;

	ordered.order = (uint32_t)p->routes.n;
	return wh_array_append(&p->routes, &ordered, sizeof(ordered));
}

/* The order in which the kernel's default rules ask the tables; all others after them. */
static int table_rank(uint32_t table)
{
	switch (table) {
	case RT_TABLE_LOCAL:
		return 0;
	case RT_TABLE_MAIN:
		return 1;
	case RT_TABLE_DEFAULT:
		return 2;
	default:
		return 3;
	}
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_routes(const void *left, const void *right)
{
	const struct wh_picture_route *a = left;
	const struct wh_picture_route *b = right;
	int by;

	by = COMPARE(a->prefix_len, b->prefix_len);
	if (!by)
		by = memcmp(&a->dst, &b->dst, sizeof(a->dst));
	if (!by)
		by = COMPARE(table_rank(a->table), table_rank(b->table));
	if (!by)
		by = COMPARE(a->src_len, b->src_len);
	if (!by)
		by = COMPARE(a->metric, b->metric);
	if (!by)
		by = COMPARE(a->preference, b->preference);
	return by ? by : COMPARE(a->order, b->order);
}

void wh_picture_sort_routes(struct wh_picture *p)
{
	if (p->routes.n)
		qsort(p->routes.items, p->routes.n, sizeof(struct wh_picture_route), compare_routes);
}

bool wh_picture_same_routes(const struct wh_picture *a, const struct wh_picture *b)
{
	const struct wh_picture_route *x = a->routes.items;
	const struct wh_picture_route *y = b->routes.items;

	if (a->routes.n != b->routes.n)
		return false;
	for (size_t i = 0; i < a->routes.n; i++)
		if (memcmp(&x[i], &y[i], offsetof(struct wh_picture_route, order)) != 0)
			return false;
	return true;
}
