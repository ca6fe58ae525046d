/* SPDX-License-Identifier: GPL-2.0 */
/*
 * neighbour_pin.c: neighbour entries made permanent, and taken back.  The daemon calls it; netlink_socket.c talks
 * to the kernel.
 */
#include "kern/neighbour_pin.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>

#include "kern/netlink_private.h"

struct entry {
	unsigned ifindex;
	struct in6_addr addr;
	uint8_t mac[ETH_ALEN];
	uint16_t state; /* NUD_* */
	uint8_t protocol;
};

static bool is_ours(const struct entry *e)
{
	return e->protocol == WH_NEIGHBOUR_PROTOCOL && (e->state & NUD_PERMANENT);
}

/* --- from messages ---------------------------------------------------------------------------------------- */

struct parse {
	struct entry entry;
	uint8_t family;
	bool has_addr;
};

static int take_attribute(const struct nlattr *attr, void *arg)
{
	struct parse *p = arg;
	size_t len = mnl_attr_get_payload_len(attr);
	const void *value = mnl_attr_get_payload(attr);
	struct in_addr addr;

	switch (mnl_attr_get_type(attr)) {
	case NDA_DST:
		if (p->family == AF_INET && len == sizeof(addr)) {
			memcpy(&addr, value, len);
			p->entry.addr = wh_mapped(addr);
			p->has_addr = true;
		} else if (p->family == AF_INET6 && len == sizeof(p->entry.addr)) {
			memcpy(&p->entry.addr, value, len);
			p->has_addr = true;
		}
		break;
	case NDA_LLADDR:
		if (len == ETH_ALEN)
			memcpy(p->entry.mac, value, len);
		break;
	case NDA_PROTOCOL:
		if (len == sizeof(p->entry.protocol))
			p->entry.protocol = *(const uint8_t *)value;
		break;
	}
	return MNL_CB_OK;
}

/* 0, or -EINVAL where it is no neighbour of either family. */
static int parse_entry(const struct nlmsghdr *nlh, struct entry *out)
{
	const struct ndmsg *info = mnl_nlmsg_get_payload(nlh);
	struct parse p = {};

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -EINVAL;
	p.family = info->ndm_family;
	p.entry.ifindex = (unsigned)info->ndm_ifindex;
	p.entry.state = info->ndm_state;
	mnl_attr_parse(nlh, sizeof(*info), take_attribute, &p);
	if (!p.has_addr)
		return -EINVAL;
	*out = p.entry;
	return 0;
}

/* --- conversations ---------------------------------------------------------------------------------------- */

/* One question and its answer, on a socket of its own. */
static int converse(struct nlmsghdr *request, int (*take)(void *arg, const struct nlmsghdr *nlh), void *arg)
{
	struct mnl_socket *socket;
	int err = wh_netlink_socket(NETLINK_ROUTE, &socket);

	if (err)
		return err;
	err = wh_netlink_ask(socket, request, take, arg);
	mnl_socket_close(socket);
	return err;
}

static struct nlmsghdr *begin(void *buf, uint16_t type, uint16_t flags, const struct entry *e)
{
	bool mapped = IN6_IS_ADDR_V4MAPPED(&e->addr);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *info;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ndm_family = mapped ? AF_INET : AF_INET6;
	info->ndm_ifindex = (int)e->ifindex;
	if (mapped)
		mnl_attr_put_u32(nlh, NDA_DST, e->addr.s6_addr32[3]);
	else
		mnl_attr_put(nlh, NDA_DST, sizeof(e->addr), &e->addr);
	return nlh;
}

static int take_one(void *arg, const struct nlmsghdr *nlh)
{
	struct entry told;

	if (!parse_entry(nlh, &told))
		*(struct entry *)arg = told;
	return 0;
}

/* Fill in what the kernel knows of e->addr on e->ifindex: state NUD_NONE where there is no entry. 0 or -errno. */
static int look_up(struct entry *e)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	int err = converse(begin(buf, RTM_GETNEIGH, 0, e), take_one, e);

	return err == -ENOENT ? 0 : err;
}

static int take_none(void *arg, const struct nlmsghdr *nlh)
{
	(void)arg;
	(void)nlh;
	return 0;
}

static int store(const struct entry *e)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = begin(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, e);
	struct ndmsg *info = mnl_nlmsg_get_payload(nlh);

	info->ndm_state = e->state;
	/* It is a gateway; left out, the kernel would take it for a host from now on (RFC 4861 §7.2.5). */
	if (info->ndm_family == AF_INET6)
		info->ndm_flags = NTF_ROUTER;
	mnl_attr_put(nlh, NDA_LLADDR, sizeof(e->mac), e->mac);
	mnl_attr_put_u8(nlh, NDA_PROTOCOL, e->protocol);
	return converse(nlh, take_none, NULL);
}

int wh_neighbour_pin(unsigned ifindex, const struct in6_addr *addr, const uint8_t mac[ETH_ALEN])
{
	struct entry e = {.ifindex = ifindex, .addr = *addr};
	int err = look_up(&e);

	if (err)
		return err;
	if ((e.state & NUD_PERMANENT) && !is_ours(&e))
		return -EEXIST;
	e.state = NUD_PERMANENT;
	e.protocol = WH_NEIGHBOUR_PROTOCOL;
	memcpy(e.mac, mac, ETH_ALEN);
	return store(&e);
}

int wh_neighbour_unpin(unsigned ifindex, const struct in6_addr *addr)
{
	struct entry e = {.ifindex = ifindex, .addr = *addr};
	int err = look_up(&e);

	if (err == -ENODEV) /* entries go with their device */
		return 0;
	if (err || !is_ours(&e))
		return err;
	/* The kernel takes no protocol back, but another one: an entry that stayed marked would be ours if somebody pinned it. */
	e.protocol = RTPROT_KERNEL;
	e.state = NUD_STALE;
	return store(&e);
}

/* --- ours ------------------------------------------------------------------------------------------------- */

struct pins {
	struct entry entries[WH_NEIGHBOUR_PINS_MAX];
	unsigned n;
};

static int take_ours(void *arg, const struct nlmsghdr *nlh)
{
	struct pins *pins = arg;
	struct entry e;

	if (!parse_entry(nlh, &e) && is_ours(&e) && pins->n < WH_NEIGHBOUR_PINS_MAX)
		pins->entries[pins->n++] = e;
	return 0;
}

int wh_neighbour_pins(void (*each)(void *arg, unsigned ifindex, const struct in6_addr *addr,
				   const uint8_t mac[ETH_ALEN]),
		      void *arg)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct pins pins = {};
	int err;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ndmsg)); /* zeros: of both families */
	err = converse(nlh, take_ours, &pins);
	if (err && err != -EINTR) /* the tables changed meanwhile: ours stand all the same */
		return err;
	for (unsigned i = 0; i < pins.n; i++)
		each(arg, pins.entries[i].ifindex, &pins.entries[i].addr, pins.entries[i].mac);
	return 0;
}
