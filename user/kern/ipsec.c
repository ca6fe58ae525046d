/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipsec.c: what IPsec policies select.  Policies are few and change seldom, so that a notification only says
 * that it is time for a new dump; the sockets and the pace of dumps are netlink_private.h's.
 */
#include "kern/ipsec.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdlib.h>
#include <string.h>

#include "kern/netlink_private.h"

#define READ_MAX 64 /* datagrams a call */

struct wh_ipsec {
	struct wh_pace pace;
	struct mnl_socket *notify;
	struct mnl_socket *query;
	struct wh_array prefixes; /* struct wh_net_prefix from zeroed memory, sorted, each once */
	bool stale;		  /* to be dumped again */
	void (*changed)(void *arg);
	void *arg;
};

/* --- policies --------------------------------------------------------------------------------------------- */

/* Whether a policy protects what it selects, and that without further conditions. */
static bool is_wanted(const struct nlmsghdr *nlh, const struct xfrm_userpolicy_info *policy)
{
	const struct nlattr *attr;
	bool protects = false;

	if (policy->dir != XFRM_POLICY_OUT || policy->action != XFRM_POLICY_ALLOW)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*policy))
	{
		const void *payload = mnl_attr_get_payload(attr);
		struct xfrm_mark mark;
		uint32_t interface;

		if (mnl_attr_get_type(attr) == XFRMA_TMPL) {
			protects = mnl_attr_get_payload_len(attr) >= sizeof(struct xfrm_user_tmpl);
		} else if (mnl_attr_get_type(attr) == XFRMA_MARK && mnl_attr_get_payload_len(attr) >= sizeof(mark)) {
			memcpy(&mark, payload, sizeof(mark));
			if (mark.v)
				return false;
		} else if (mnl_attr_get_type(attr) == XFRMA_IF_ID &&
			   mnl_attr_get_payload_len(attr) >= sizeof(interface)) {
			memcpy(&interface, payload, sizeof(interface));
			if (interface)
				return false;
		}
	}
	return protects;
}

static bool read_destination(const struct xfrm_selector *selector, struct wh_net_prefix *out)
{
	memset(out, 0, sizeof(*out));
	out->prefix_len = selector->prefixlen_d;
	if (selector->family == AF_INET && selector->prefixlen_d <= 32) {
		out->family = WH_V4;
		out->addr4.s_addr = selector->daddr.a4;
		wh_clear_host_bits(&out->addr4, sizeof(out->addr4), out->prefix_len);
		return true;
	}
	if (selector->family == AF_INET6 && selector->prefixlen_d <= 128) {
		out->family = WH_V6;
		memcpy(&out->addr6, &selector->daddr, sizeof(out->addr6));
		wh_clear_host_bits(&out->addr6, sizeof(out->addr6), out->prefix_len);
		return true;
	}
	return false;
}

static int take_policy(void *arg, const struct nlmsghdr *nlh)
{
	struct xfrm_userpolicy_info policy;
	struct wh_net_prefix prefix;

	if (nlh->nlmsg_type != XFRM_MSG_NEWPOLICY || mnl_nlmsg_get_payload_len(nlh) < sizeof(policy))
		return 0;
	memcpy(&policy, mnl_nlmsg_get_payload(nlh), sizeof(policy));
	if (!is_wanted(nlh, &policy) || !read_destination(&policy.sel, &prefix))
		return 0;
	return wh_array_append(arg, &prefix, sizeof(prefix));
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wh_net_prefix));
}

static void sort_once_each(struct wh_array *a)
{
	struct wh_net_prefix *prefixes = a->items;
	size_t n = 0;

	if (!a->n)
		return;
	qsort(prefixes, a->n, sizeof(*prefixes), compare);
	for (size_t i = 1; i < a->n; i++)
		if (compare(&prefixes[n], &prefixes[i]) != 0)
			prefixes[++n] = prefixes[i];
	a->n = n + 1;
}

static bool same(const struct wh_array *a, const struct wh_array *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->items, b->items, a->n * sizeof(struct wh_net_prefix)));
}

/* --- dumps and notifications ------------------------------------------------------------------------------ */

static int reload(struct wh_ipsec *ipsec, bool *changed)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct wh_array fresh = {};
	int err;

	nlh->nlmsg_type = XFRM_MSG_GETPOLICY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct xfrm_userpolicy_id));
	err = wh_netlink_ask(ipsec->query, nlh, take_policy, &fresh);
	if (err) {
		free(fresh.items);
		return err;
	}
	sort_once_each(&fresh);
	*changed = !same(&fresh, &ipsec->prefixes);
	free(ipsec->prefixes.items);
	ipsec->prefixes = fresh;
	ipsec->stale = false;
	return 0;
}

/* Whatever comes of the group says that policies are not what they were; so does that something was lost. */
static int take_notifications(struct wh_ipsec *ipsec)
{
	char byte;

	for (int i = 0; i < READ_MAX; i++) {
		int len = wh_netlink_receive(ipsec->notify, &byte, sizeof(byte), MSG_DONTWAIT);

		if (len < 0 && len != -ENOBUFS)
			return len == -EAGAIN ? 0 : len;
		ipsec->stale = true;
	}
	return 0;
}

int wh_ipsec_read(struct wh_ipsec *ipsec)
{
	int err = take_notifications(ipsec);
	bool changed = false;

	if (wh_pace_due(&ipsec->pace) && ipsec->stale) {
		int dump_err = reload(ipsec, &changed);

		wh_pace_dumped(&ipsec->pace, dump_err);
		err = err ? err : dump_err;
	}
	if (ipsec->stale)
		wh_pace_want(&ipsec->pace);
	if (changed)
		ipsec->changed(ipsec->arg);
	return err;
}

void wh_ipsec_each(const struct wh_ipsec *ipsec, void (*each)(void *arg, const struct wh_net_prefix *destination),
		   void *arg)
{
	const struct wh_net_prefix *prefixes = ipsec->prefixes.items;

	for (size_t i = 0; i < ipsec->prefixes.n; i++)
		each(arg, &prefixes[i]);
}

/* --- life ------------------------------------------------------------------------------------------------- */

static int open_all(struct wh_ipsec *ipsec)
{
	bool changed;
	int err = wh_netlink_socket(NETLINK_XFRM, &ipsec->notify);

	if (!err)
		err = wh_netlink_socket(NETLINK_XFRM, &ipsec->query);
	if (!err)
		err = wh_netlink_subscribe(ipsec->notify, XFRMNLGRP_POLICY);
	if (!err)
		err = wh_pace_open(&ipsec->pace, ipsec->notify);
	return err ? err : reload(ipsec, &changed);
}

int wh_ipsec_open(struct wh_ipsec **out, void (*changed)(void *arg), void *arg)
{
	struct wh_ipsec *ipsec = calloc(1, sizeof(*ipsec));
	int err;

	if (!ipsec)
		return -ENOMEM;
	ipsec->changed = changed;
	ipsec->arg = arg;
	err = open_all(ipsec);
	if (err) {
		wh_ipsec_close(ipsec);
		return err;
	}
	*out = ipsec;
	return 0;
}

void wh_ipsec_close(struct wh_ipsec *ipsec)
{
	if (!ipsec)
		return;
	if (ipsec->notify)
		mnl_socket_close(ipsec->notify);
	if (ipsec->query)
		mnl_socket_close(ipsec->query);
	wh_pace_close(&ipsec->pace);
	free(ipsec->prefixes.items);
	free(ipsec);
}

int wh_ipsec_fd(const struct wh_ipsec *ipsec)
{
	return ipsec->pace.epoll;
}
