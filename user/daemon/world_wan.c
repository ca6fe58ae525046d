/* SPDX-License-Identifier: GPL-2.0 */
/*
 * world_wan.c: from the configuration and the kernel's picture to the row of a WAN in wh_wans, and to what the model
 * is told of its usability, family by family.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "lib/clock.h"

#define MTU6_MIN 1280 /* RFC 8200 §5 */

int wh_world_write_wan(struct wh_daemon *d, unsigned wan)
{
	__u32 key = wan;

	return bpf_map_update_elem(d->tables.wans, &key, &d->wans[wan], BPF_ANY) ? -errno : 0;
}

/* --- the device ------------------------------------------------------------------------------------------- */

/* What is missing of the device, or NULL. */
static const char *fill_device(const struct wh_conf_wan *conf, const struct wh_link *link, struct wh_wan *row)
{
	row->ifindex = 0;
	if (!conf->enabled)
		return "disabled";
	if (!link || !link->steerable)
		return "device";
	row->ifindex = link->ifindex;
	row->l2_len = link->l2_len;
	row->mtu = conf->mtu && conf->mtu < link->mtu ? conf->mtu : link->mtu;
	memcpy(row->mac, link->mac, sizeof(row->mac));
	return link->up && link->carrier ? NULL : "carrier";
}

static void fill_from_configuration(const struct wh_conf_wan *conf, struct wh_wan *row)
{
	snprintf(row->name, sizeof(row->name), "%s", conf->name);
	snprintf(row->device, sizeof(row->device), "%s", conf->device);
	row->flags = WH_WAN_CONFIGURED;
	if (conf->filtering == WH_FILTER_ENDPOINT_INDEPENDENT)
		row->flags |= WH_WAN_OPEN;
	row->port_first = conf->port_first;
	row->port_last = conf->port_last;
	row->weight = conf->weight;
}

/* --- IPv4 ------------------------------------------------------------------------------------------------- */

/* What is missing for the family to be usable, or NULL; the row gets what is there. A gateway that went stays in it. */
static const char *fill4(const struct wh_daemon *d, const struct wh_conf_wan *conf, const struct wh_link *link,
			 struct wh_wan4 *v4)
{
	struct in_addr addr = {}, gateway = {};
	uint8_t had_gateway = v4->flags & WH_WAN_GATEWAY;

	v4->flags = conf->nat == WH_NAT_MASQUERADE ? WH_WAN_MASQUERADE : 0;
	if (conf->source_auto[WH_V4] ? wh_netlink_addr4(d->netlink, link->ifindex, &addr) != 0
				     : !wh_netlink_has_addr4(d->netlink, link->ifindex, conf->source4)) {
		v4->addr_be = 0;
		return "address";
	}
	v4->addr_be = conf->source_auto[WH_V4] ? addr.s_addr : conf->source4.s_addr;
	if (!conf->gateway_auto[WH_V4])
		gateway = conf->gateway4;
	else if (wh_netlink_gateway4(d->netlink, link->ifindex, &gateway) && !link->point_to_point && link->l2_len) {
		v4->flags |= had_gateway;
		return "gateway";
	}
	v4->gateway_be = gateway.s_addr;
	if (gateway.s_addr)
		v4->flags |= WH_WAN_GATEWAY;
	return NULL;
}

/* --- IPv6 ------------------------------------------------------------------------------------------------- */

static void mask_prefix(struct wh_addr6 *out, const struct in6_addr *addr, unsigned len)
{
	memset(out, 0, sizeof(*out));
	for (unsigned bit = 0; bit < len; bit += 8) {
		unsigned left = len - bit;

		((uint8_t *)out)[bit / 8] = addr->s6_addr[bit / 8] & (left >= 8 ? 0xff : (uint8_t)(0xff << (8 - left)));
	}
}

/* The WAN's own prefix: what is routed to us there; without one, that of its address, where nothing is translated. */
static void fill_prefix(const struct wh_daemon *d, const struct wh_conf_wan *conf, const struct wh_link *link,
			struct wh_wan6 *v6)
{
	struct in6_addr prefix = conf->prefix6, addr;
	unsigned len = conf->prefix6_auto ? 0 : conf->prefix6_len;

	if (conf->prefix6_auto && wh_netlink_source_prefix6(d->netlink, link->ifindex, &prefix, &len))
		len = 0;
	memcpy(&addr, &v6->addr_be, sizeof(addr));
	if (!len && conf->nat6 == WH_NAT6_NONE) {
		int on_link = wh_netlink_prefix_len6(d->netlink, link->ifindex, addr);

		prefix = addr;
		len = on_link > 0 && on_link <= 64 ? (unsigned)on_link : 0;
	}
	v6->prefix_len = (uint8_t)len;
	mask_prefix(&v6->prefix_be, &prefix, len);
}

struct inside_search {
	const struct wh_daemon *d;
	struct wh_wan6 *v6; /* of the WAN that is looked for */
	bool found;
};

static bool is_delegated(const struct wh_daemon *d, const struct in6_addr *addr)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		const struct wh_wan6 *v6 = &d->wans[wan].v6;
		struct wh_addr6 prefix;

		mask_prefix(&prefix, addr, v6->prefix_len);
		if (d->conf_of[wan] >= 0 && v6->prefix_len && !memcmp(&prefix, &v6->prefix_be, sizeof(prefix)))
			return true;
	}
	return false;
}

/* As long as the WAN's prefix, and none that a WAN gave us, unless there is no other. */
static bool consider_inside(void *arg, const struct in6_addr *addr, unsigned prefix_len)
{
	struct inside_search *search = arg;
	struct wh_wan6 *v6 = search->v6;
	bool delegated = is_delegated(search->d, addr);
	struct wh_addr6 prefix;

	mask_prefix(&prefix, addr, v6->prefix_len);
	if (prefix_len < v6->prefix_len || !memcmp(&prefix, &v6->prefix_be, sizeof(prefix)) ||
	    (delegated && search->found))
		return true;
	v6->inside_be = prefix;
	v6->inside_len = v6->prefix_len;
	search->found = true;
	return delegated; /* one of our own is what was looked for */
}

/* The prefix of the LANs' own addresses that is to become the WAN's. */
static bool fill_inside(const struct wh_daemon *d, struct wh_wan6 *v6)
{
	struct inside_search search = {.d = d, .v6 = v6};

	for (unsigned i = 0; i < d->config.n_lans; i++) {
		const struct wh_link *link = wh_netlink_link(d->netlink, d->config.lan[i]);

		if (link)
			wh_netlink_each_addr6(d->netlink, link->ifindex, consider_inside, &search);
		if (search.found && !is_delegated(d, (const struct in6_addr *)&v6->inside_be))
			return true;
	}
	return search.found;
}

/* How sources are translated; what is missing for that, or NULL. */
static const char *fill_nat6(const struct wh_daemon *d, const struct wh_conf_wan *conf, const struct wh_link *link,
			     struct wh_wan6 *v6)
{
	bool npt;

	fill_prefix(d, conf, link, v6);
	v6->inside_len = 0;
	memset(&v6->inside_be, 0, sizeof(v6->inside_be));
	npt = v6->prefix_len && (conf->nat6 == WH_NAT6_AUTO || conf->nat6 == WH_NAT6_NPT) && fill_inside(d, v6);
	if (npt)
		v6->flags |= WH_WAN_NPT;
	if (v6->prefix_len && conf->nat6 != WH_NAT6_MASQUERADE)
		v6->flags |= WH_WAN_OWN_PREFIX;
	if (conf->nat6 == WH_NAT6_AUTO || conf->nat6 == WH_NAT6_MASQUERADE)
		v6->flags |= WH_WAN_MASQUERADE;
	return conf->nat6 == WH_NAT6_NPT && !v6->prefix_len ? "prefix" : NULL;
}

static const char *fill6(const struct wh_daemon *d, const struct wh_conf_wan *conf, const struct wh_link *link,
			 uint32_t mtu, struct wh_wan6 *v6)
{
	struct in6_addr addr = conf->source6, gateway = {}, present;
	uint8_t had_gateway = v6->flags & WH_WAN_GATEWAY;

	v6->flags = 0;
	memcpy(&present, &v6->addr_be, sizeof(present));
	if (conf->source_auto[WH_V6] && wh_netlink_has_addr6(d->netlink, link->ifindex, present))
		addr = present; /* every binding hangs on it: not given up for another while it stays */
	else if (conf->source_auto[WH_V6] ? wh_netlink_addr6(d->netlink, link->ifindex, &addr) != 0
					  : !wh_netlink_has_addr6(d->netlink, link->ifindex, addr)) {
		memset(&v6->addr_be, 0, sizeof(v6->addr_be));
		return "address";
	}
	memcpy(&v6->addr_be, &addr, sizeof(addr));
	if (mtu < MTU6_MIN)
		return "an MTU of 1280";
	if (!conf->gateway_auto[WH_V6]) {
		gateway = conf->gateway6;
	} else if (wh_netlink_gateway6(d->netlink, link->ifindex, &gateway) && !link->point_to_point && link->l2_len) {
		v6->flags |= had_gateway;
		return "gateway";
	}
	memcpy(&v6->gateway_be, &gateway, sizeof(gateway));
	if (!IN6_IS_ADDR_UNSPECIFIED(&gateway))
		v6->flags |= WH_WAN_GATEWAY;
	return fill_nat6(d, conf, link, v6);
}

/* --- the row ---------------------------------------------------------------------------------------------- */

/* What each family lacks, NULL: nothing. */
static void fill(struct wh_daemon *d, unsigned wan, struct wh_wan *row, const char *missing[WH_FAMILIES])
{
	const struct wh_conf_wan *conf = &d->config.wans[d->conf_of[wan]];
	const struct wh_link *link = conf->enabled ? wh_netlink_link(d->netlink, conf->device) : NULL;
	const char *device;

	fill_from_configuration(conf, row);
	device = fill_device(conf, link, row);
	missing[WH_V4] = missing[WH_V6] = device;
	if (row->ifindex) {
		const char *v4 = fill4(d, conf, link, &row->v4), *v6 = fill6(d, conf, link, row->mtu, &row->v6);

		missing[WH_V4] = device ? device : v4;
		missing[WH_V6] = device ? device : v6;
	}
	wh_neighbours_fill(d, wan, row);
}

/* What the model keeps in the row. */
static void keep_states(struct wh_wan *row, const struct wh_wan *now)
{
	row->v4.state = now->v4.state;
	row->v4.since_s = now->v4.since_s;
	row->v6.state = now->v6.state;
	row->v6.since_s = now->v6.since_s;
}

static bool stand_on(struct wh_daemon *d, unsigned wan, const struct wh_wan *row, bool first)
{
	wh_world_set_device(d, row->ifindex, WH_ROLE_WAN, wan, row->l2_len);
	return !wh_world_attach(d, WH_HOOK_WAN_IN, row->device, row->ifindex, row->l2_len, first) &&
	       !wh_world_attach(d, WH_HOOK_WAN_OUT, row->device, row->ifindex, row->l2_len, first);
}

/* Until the gateways' link-layer addresses are known, flows that the kernel hands over cannot leave. */
static bool wants_mac(const struct wh_wan *row)
{
	const uint8_t both = WH_WAN_GATEWAY | WH_WAN_GATEWAY_MAC;

	return row->ifindex && row->l2_len &&
	       ((row->v4.flags & both) == WH_WAN_GATEWAY || (row->v6.flags & both) == WH_WAN_GATEWAY);
}

void wh_world_wan(struct wh_daemon *d, unsigned wan)
{
	unsigned old_ifindex = d->wans[wan].ifindex;
	const char *missing[WH_FAMILIES];
	struct wh_wan row = d->wans[wan];

	fill(d, wan, &row, missing);
	/* A WAN that goes is out of `alive` before its row changes; one that comes has its row first. */
	for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
		if (missing[family])
			wh_model_usable(&d->model, wan, family, false, missing[family], wh_now_ns());
	}
	wh_flip(d);
	keep_states(&row, &d->wans[wan]);
	if (memcmp(&row, &d->wans[wan], sizeof(row)) != 0) {
		d->wans[wan] = row;
		wh_world_write_wan(d, wan);
	}
	if (old_ifindex != row.ifindex)
		wh_world_unset_device(d, old_ifindex, WH_ROLE_WAN, wan);
	if (row.ifindex && !stand_on(d, wan, &row, old_ifindex != row.ifindex))
		missing[WH_V4] = missing[WH_V6] = "hook";
	if (wants_mac(&row))
		wh_neighbours_suspect(d, wan);
	for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
		/* What was missing last is the cause of a return, too. */
		if (missing[family])
			d->missing[wan][family] = missing[family];
		wh_model_usable(&d->model, wan, family, !missing[family], d->missing[wan][family], wh_now_ns());
	}
}
