/* SPDX-License-Identifier: GPL-2.0 */
/*
 * neighbours.c: the gateways' link-layer addresses, kept in the rows of the WANs: asked for each second, of everybody
 * as soon as a gateway does not answer or its WAN is in doubt, so that a replaced gateway is known within a second.
 *
 * While the kernel's own default WAN is dead, nothing would reach our hook there: the kernel waits for its gateway.
 * Its entry is pinned for that time.
 */
#include <errno.h>
#include <string.h>

#include "daemon/daemon.h"
#include "kern/family.h"
#include "kern/neighbour_pin.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mapped.h"

#define LOOK_NS (200 * WH_NS_PER_MS)
#define ASK_NS WH_NS_PER_S
#define SILENT_NS (1500 * WH_NS_PER_MS) /* then the one that we know may no longer be the one */

/* --- asking ----------------------------------------------------------------------------------------------- */

static void ask(struct wh_daemon *d, unsigned wan, enum wh_family family, bool everybody, uint64_t now_ns)
{
	struct wh_gateway *g = &d->gateways[wan][family];
	const struct wh_wan *row = &d->wans[wan];
	const uint8_t *known = g->known && !everybody ? g->mac : NULL;
	struct in6_addr own;
	int err;

	g->asked_ns = now_ns;
	if (family == WH_V4) {
		struct in_addr own4 = {.s_addr = row->v4.addr_be}, target = {.s_addr = row->v4.gateway_be};

		err = wh_resolver_ask4(d->resolver, row->ifindex, row->mac, known, own4, target);
	} else {
		if (wh_netlink_linklocal6(d->netlink, row->ifindex, &own))
			memcpy(&own, &row->v6.addr_be, sizeof(own));
		err = wh_resolver_ask6(d->resolver, row->ifindex, row->mac, known, &own, &g->addr);
	}
	if (err)
		wh_debug("%s: cannot ask for the gateway's address: %s", row->name, strerror(-err));
}

static bool is_asked_for(const struct wh_daemon *d, unsigned wan, enum wh_family family)
{
	const struct wh_gateway *g = &d->gateways[wan][family];

	return d->conf_of[wan] >= 0 && d->wans[wan].ifindex && d->wans[wan].l2_len &&
	       g->ifindex == d->wans[wan].ifindex && !IN6_IS_ADDR_UNSPECIFIED(&g->addr);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = {.tv_usec = LOOK_NS / 1000};
	uint64_t now_ns = wh_now_ns();
	struct wh_daemon *d = arg;

	(void)fd;
	(void)what;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
			const struct wh_gateway *g = &d->gateways[wan][family];
			bool silent = !g->known || now_ns > g->heard_ns + SILENT_NS;

			if (is_asked_for(d, wan, family) && now_ns >= g->asked_ns + (silent ? LOOK_NS : ASK_NS))
				ask(d, wan, family, silent, now_ns);
		}
	}
	evtimer_add(d->neighbour_timer, &soon);
}

void wh_neighbours_suspect(struct wh_daemon *d, unsigned wan)
{
	for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
		if (is_asked_for(d, wan, family))
			ask(d, wan, family, true, wh_now_ns());
	}
}

/* --- hearing ---------------------------------------------------------------------------------------------- */

static void on_heard(void *arg, unsigned ifindex, enum wh_family family, const struct in6_addr *addr,
		     const uint8_t mac[ETH_ALEN])
{
	struct wh_daemon *d = arg;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_gateway *g = &d->gateways[wan][family];
		bool changed;

		if (g->ifindex != ifindex || !IN6_ARE_ADDR_EQUAL(&g->addr, addr))
			continue;
		changed = !g->known || memcmp(g->mac, mac, ETH_ALEN) != 0;
		g->heard_ns = wh_now_ns();
		if (!changed)
			continue;
		if (g->known)
			wh_info("%s: its gateway has another link-layer address", d->wans[wan].name);
		g->known = true;
		memcpy(g->mac, mac, ETH_ALEN);
		wh_neighbours_fill(d, wan, &d->wans[wan]);
		wh_world_write_wan(d, wan);
		wh_neighbours_pin(d);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct wh_daemon *d = arg;

	(void)fd;
	(void)what;
	wh_resolver_read(d->resolver, on_heard, d);
}

/* --- the row ---------------------------------------------------------------------------------------------- */

/* Until we have asked ourselves, what the kernel knows will do. */
static void take_kernels(const struct wh_daemon *d, enum wh_family family, struct wh_gateway *g)
{
	struct in_addr addr4;

	memcpy(&addr4, &g->addr.s6_addr[12], sizeof(addr4));
	g->known = family == WH_V4 ? !wh_netlink_neighbour4(d->netlink, g->ifindex, addr4, g->mac)
				   : !wh_netlink_neighbour6(d->netlink, g->ifindex, g->addr, g->mac);
}

static void follow(const struct wh_daemon *d, enum wh_family family, struct wh_gateway *g, unsigned ifindex,
		   const struct in6_addr *addr)
{
	if (g->ifindex == ifindex && IN6_ARE_ADDR_EQUAL(&g->addr, addr))
		return;
	memset(g, 0, sizeof(*g));
	g->ifindex = ifindex;
	g->addr = *addr;
	if (ifindex && !IN6_IS_ADDR_UNSPECIFIED(addr))
		take_kernels(d, family, g);
}

static void put_mac(const struct wh_gateway *g, uint8_t mac[ETH_ALEN], uint8_t *flags)
{
	memcpy(mac, g->mac, ETH_ALEN);
	*flags = (uint8_t)(g->known ? *flags | WH_WAN_GATEWAY_MAC : *flags & ~WH_WAN_GATEWAY_MAC);
}

void wh_neighbours_fill(struct wh_daemon *d, unsigned wan, struct wh_wan *row)
{
	struct wh_gateway *g = d->gateways[wan];
	struct in6_addr addr4 = {}, addr6 = {};

	if (row->l2_len && (row->v4.flags & WH_WAN_GATEWAY))
		addr4 = wh_mapped((struct in_addr){row->v4.gateway_be});
	if (row->l2_len && (row->v6.flags & WH_WAN_GATEWAY))
		memcpy(&addr6, &row->v6.gateway_be, sizeof(addr6));
	follow(d, WH_V4, &g[WH_V4], row->ifindex, &addr4);
	follow(d, WH_V6, &g[WH_V6], row->ifindex, &addr6);
	put_mac(&g[WH_V4], row->v4.gateway_mac, &row->v4.flags);
	put_mac(&g[WH_V6], row->v6.gateway_mac, &row->v6.flags);
}

/* --- the kernel's own default gateway ------------------------------------------------------------------- */

static bool is_alive(const struct wh_daemon *d, unsigned wan, enum wh_family family)
{
	return wh_alive_of(d->stored.alive, family) & (1U << wan);
}

/* The gateway whose entry is to be pinned now, or NULL. */
static const struct wh_gateway *to_pin(const struct wh_daemon *d, enum wh_family family)
{
	struct in6_addr addr;
	unsigned ifindex;

	if (wh_netlink_default(d->netlink, family, &ifindex, &addr))
		return NULL;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		const struct wh_gateway *g = &d->gateways[wan][family];

		if (d->conf_of[wan] >= 0 && g->ifindex == ifindex && g->known && IN6_ARE_ADDR_EQUAL(&g->addr, &addr))
			return is_alive(d, wan, family) ? NULL : g;
	}
	return NULL;
}

void wh_neighbours_pin(struct wh_daemon *d)
{
	for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
		const struct wh_gateway *wanted = to_pin(d, family);
		struct wh_gateway *pinned = &d->pinned[family];
		bool same = wanted && pinned->known && wanted->ifindex == pinned->ifindex &&
			    IN6_ARE_ADDR_EQUAL(&wanted->addr, &pinned->addr);
		int err;

		if (pinned->known && !same) {
			wh_neighbour_unpin(pinned->ifindex, &pinned->addr);
			pinned->known = false;
		}
		if (!wanted || (same && !memcmp(wanted->mac, pinned->mac, ETH_ALEN)))
			continue;
		err = wh_neighbour_pin(wanted->ifindex, &wanted->addr, wanted->mac);
		if (!err)
			*pinned = *wanted;
		else if (err != -EEXIST)
			wh_warn("cannot pin the entry of the kernel's own gateway: %s", strerror(-err));
	}
}

/* --- start ------------------------------------------------------------------------------------------------ */

static void unpin_left(void *arg, unsigned ifindex, const struct in6_addr *addr, const uint8_t mac[ETH_ALEN])
{
	(void)arg;
	(void)mac;
	wh_neighbour_unpin(ifindex, addr);
}

int wh_neighbours_start(struct wh_daemon *d)
{
	static const struct timeval now = {};

	/* What an earlier controller left is pinned again at once where it is still wanted. */
	wh_neighbour_pins(unpin_left, NULL);
	wh_neighbours_pin(d);
	d->resolver_event = event_new(d->base, wh_resolver_fd(d->resolver), EV_READ | EV_PERSIST, on_readable, d);
	d->neighbour_timer = evtimer_new(d->base, on_timer, d);
	if (!d->resolver_event || !d->neighbour_timer)
		return -ENOMEM;
	return event_add(d->resolver_event, NULL) || evtimer_add(d->neighbour_timer, &now) ? -ENOMEM : 0;
}
