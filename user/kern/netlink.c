/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink.c: the sockets behind the netlink picture, and what is dumped again.  The daemon calls it.
 * Talking to the kernel is netlink_socket.c's business, what its messages mean netlink_parse.c's, and when a
 * dump may be made netlink_pace.c's.
 *
 * Links and addresses follow their notifications at once.  Routes do not: the kernel removes IPv4 routes with
 * their device, source address or next-hop object without telling anybody, so a notification only says that
 * it is time for a new dump.
 */
#include "kern/netlink_private.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/cleanup.h"

#define NOTIFY_BUFFER (4 << 20)
#define READ_MAX 64	  /* datagrams a call of wh_netlink_read(): the probes wait for nobody */
#define DISCARD_MAX 16384 /* datagrams thrown away before a dump */
#define DUMP_TRIES 8	  /* when the tables change under the dump */

/* --- dumps ------------------------------------------------------------------------------------------------ */

static int take_dumped(void *arg, const struct nlmsghdr *nlh)
{
	bool ignored;

	return wh_picture_take(arg, nlh, true, &ignored);
}

/* Of all families at once: a kernel without IPv6 answers a question for it with everything that it has. */
static int dump(struct mnl_socket *query, uint16_t type, struct wh_picture *into)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (type == RTM_GETLINK) {
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
		mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	} else {
		mnl_nlmsg_put_extra_header(nlh, type == RTM_GETADDR ? sizeof(struct ifaddrmsg) : sizeof(struct rtmsg));
	}
	return wh_netlink_ask(query, nlh, take_dumped, into);
}

/* A fresh picture of the routes alone, or of everything. */
static int dump_picture(struct mnl_socket *query, bool everything, struct wh_picture *out)
{
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		struct wh_picture fresh = {};

		err = everything ? dump(query, RTM_GETLINK, &fresh) : 0;
		if (!err && everything)
			err = dump(query, RTM_GETADDR, &fresh);
		if (!err)
			err = dump(query, RTM_GETROUTE, &fresh);
		if (err) {
			wh_picture_free(&fresh);
			continue;
		}
		wh_picture_name_masters(&fresh);
		wh_picture_sort_routes(&fresh);
		*out = fresh;
	}
	return err;
}

static int reload_routes(struct wh_netlink *nl, bool *changed)
{
	struct wh_picture fresh;
	struct wh_array old = nl->picture.routes;
	int err = dump_picture(nl->query, false, &fresh);

	if (err)
		return err;
	*changed = !wh_picture_same_routes(&nl->picture, &fresh);
	nl->picture.routes = fresh.routes;
	nl->routes_version++;
	free(old.items);
	nl->routes_stale = false;
	return 0;
}

static int reload_all(struct wh_netlink *nl, bool *changed)
{
	struct wh_picture fresh;
	char byte;
	int err;

	/* What waits is older than the dump.  What comes after this will be told twice, which does no harm. */
	for (int i = 0; i < DISCARD_MAX; i++) {
		err = wh_netlink_receive(nl->notify, &byte, sizeof(byte), MSG_DONTWAIT);
		if (err < 0 && err != -ENOBUFS)
			break;
	}
	err = dump_picture(nl->query, true, &fresh);
	if (err)
		return err;
	wh_picture_free(&nl->picture);
	nl->picture = fresh;
	nl->routes_version++;
	wh_neighbours_refresh(nl->neighbours, nl->query);
	nl->stale = nl->routes_stale = false;
	*changed = true;
	if (nl->neighbour_ops.lost)
		nl->neighbour_ops.lost(nl->neighbour_arg);
	wh_netlink_tell_neighbours(nl);
	return 0;
}

static int dump_if_due(struct wh_netlink *nl, bool *changed)
{
	int err;

	if (!wh_pace_due(&nl->pace) || (!nl->stale && !nl->routes_stale))
		return 0;
	err = nl->stale ? reload_all(nl, changed) : reload_routes(nl, changed);
	wh_pace_dumped(&nl->pace, err);
	return err;
}

/* --- notifications ---------------------------------------------------------------------------------------- */

struct batch {
	struct wh_netlink *nl;
	bool changed;
};

static int take_notification(const struct nlmsghdr *nlh, void *data)
{
	struct batch *batch = data;
	struct wh_netlink *nl = batch->nl;
	int changed = wh_picture_take(&nl->picture, nlh, false, &nl->routes_stale);

	if (changed < 0)
		nl->stale = true; /* no memory for it: the dump will try again */
	wh_neighbours_tell(nl, nlh);
	if (changed > 0 || wh_neighbours_take(nl->neighbours, nlh))
		batch->changed = true;
	return MNL_CB_OK;
}

static int take_notifications(struct wh_netlink *nl, bool *changed)
{
	_cleanup_free_ char *buf = malloc(WH_NETLINK_MESSAGE_MAX);
	struct batch batch = {nl, false};
	int len = 0;

	if (!buf)
		return -ENOMEM;
	for (int i = 0; i < READ_MAX; i++) {
		len = wh_netlink_receive(nl->notify, buf, WH_NETLINK_MESSAGE_MAX, MSG_DONTWAIT);
		if (len == -ENOBUFS) {
			nl->overruns++;
			nl->stale = true;
			continue;
		}
		if (len < 0)
			break;
		mnl_cb_run(buf, (size_t)len, 0, 0, take_notification, &batch);
	}
	wh_picture_name_masters(&nl->picture);
	*changed = batch.changed;
	return len < 0 && len != -EAGAIN && len != -ENOBUFS ? len : 0;
}

int wh_netlink_read(struct wh_netlink *nl)
{
	bool noticed = false;
	bool dumped = false;
	int err = take_notifications(nl, &noticed);
	int dump_err;

	/* A carrier's loss does not wait for a dump of the routes. */
	if (noticed && !nl->stale)
		nl->changed(nl->arg);
	dump_err = dump_if_due(nl, &dumped);
	if (nl->stale || nl->routes_stale)
		wh_pace_want(&nl->pace);
	if (dumped)
		nl->changed(nl->arg);
	return err ? err : dump_err;
}

/* --- life ------------------------------------------------------------------------------------------------- */

int wh_netlink_set_buffer(struct wh_netlink *nl, int bytes)
{
	int fd = mnl_socket_get_fd(nl->notify);

	if (!setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) ? -errno : 0;
}

static int subscribe(struct wh_netlink *nl)
{
	static const int groups[] = {RTNLGRP_LINK,	 RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				     RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_NEIGH};
	int err = wh_netlink_set_buffer(nl, NOTIFY_BUFFER);

	for (size_t i = 0; !err && i < sizeof(groups) / sizeof(groups[0]); i++)
		err = wh_netlink_subscribe(nl->notify, groups[i]);
	/* Kernels without next-hop objects have none that could go. */
	wh_netlink_subscribe(nl->notify, RTNLGRP_NEXTHOP);
	return err;
}

static int open_all(struct wh_netlink *nl)
{
	bool changed;
	int err;

	nl->neighbours = calloc(1, sizeof(*nl->neighbours));
	if (!nl->neighbours)
		return -ENOMEM;
	err = wh_netlink_socket(NETLINK_ROUTE, &nl->notify);
	if (!err)
		err = wh_netlink_socket(NETLINK_ROUTE, &nl->query);
	if (!err)
		err = subscribe(nl);
	if (!err)
		err = wh_pace_open(&nl->pace, nl->notify);
	return err ? err : reload_all(nl, &changed);
}

int wh_netlink_open(struct wh_netlink **out, void (*changed)(void *arg), void *arg)
{
	struct wh_netlink *nl = calloc(1, sizeof(*nl));
	int err;

	if (!nl)
		return -ENOMEM;
	nl->changed = changed;
	nl->arg = arg;
	err = open_all(nl);
	if (err) {
		wh_netlink_close(nl);
		return err;
	}
	*out = nl;
	return 0;
}

void wh_netlink_close(struct wh_netlink *nl)
{
	if (!nl)
		return;
	if (nl->notify)
		mnl_socket_close(nl->notify);
	if (nl->query)
		mnl_socket_close(nl->query);
	wh_pace_close(&nl->pace);
	wh_picture_free(&nl->picture);
	free(nl->neighbours);
	free(nl);
}

int wh_netlink_fd(const struct wh_netlink *nl)
{
	return nl->pace.epoll;
}

bool wh_netlink_is_whole(const struct wh_netlink *nl)
{
	return !nl->stale;
}

uint64_t wh_netlink_overruns(const struct wh_netlink *nl)
{
	return nl->overruns;
}
