/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_parse.c: from the kernel's messages to the netlink picture.  Knows what the attributes mean and
 * trusts no length; a message that is cut short counts as none.  The sockets are netlink.c's.
 */
#include "kern/netlink_private.h"

#include <errno.h>
#include <linux/icmpv6.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/if_vlan.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* Not in linux/if.h without the enum that net/if.h defines as well. */
#define FLAG_LOWER_UP 0x10000

/* The kernel's operstates (RFC 2863) that mean "nothing gets through". */
enum { OPER_NOT_PRESENT = 1, OPER_DOWN = 2, OPER_LOWER_LAYER_DOWN = 3 };

/* --- attributes ------------------------------------------------------------------------------------------- */

struct attrs {
	const struct nlattr **by_type;
	unsigned max;
};

static int note_attr(const struct nlattr *attr, void *data)
{
	struct attrs *attrs = data;

	if (mnl_attr_get_type(attr) <= attrs->max)
		attrs->by_type[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* The attributes after a header of `header_len` bytes; -EINVAL where the message is shorter than that. */
static int read_attrs(const struct nlmsghdr *nlh, size_t header_len, const struct nlattr **by_type, unsigned max)
{
	struct attrs attrs = {by_type, max};

	if (mnl_nlmsg_get_payload_len(nlh) < header_len)
		return -EINVAL;
	for (unsigned i = 0; i <= max; i++)
		by_type[i] = NULL;
	mnl_attr_parse(nlh, (unsigned)header_len, note_attr, &attrs);
	return 0;
}

/* The first `len` bytes of an attribute; false, and *out untouched, where it is missing or shorter. */
static bool get_bytes(const struct nlattr *attr, void *out, size_t len)
{
	if (!attr || mnl_attr_get_payload_len(attr) < len)
		return false;
	memcpy(out, mnl_attr_get_payload(attr), len);
	return true;
}

static uint32_t get_u32(const struct nlattr *attr, uint32_t otherwise)
{
	get_bytes(attr, &otherwise, sizeof(otherwise));
	return otherwise;
}

static uint8_t get_u8(const struct nlattr *attr, uint8_t otherwise)
{
	get_bytes(attr, &otherwise, sizeof(otherwise));
	return otherwise;
}

static bool get_name(const struct nlattr *attr, char *out, size_t size)
{
	size_t len = attr ? strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr)) : 0;

	if (!len || len >= size)
		return false;
	memset(out, 0, size);
	memcpy(out, mnl_attr_get_payload(attr), len);
	return true;
}

/*
 * An address of either family in the picture's form; false, and *out untouched, where it is missing or shorter.  Also
 * where it is an IPv4-mapped IPv6 one: those are never on the wire, and the picture would take them for IPv4.
 */
static bool get_addr(const struct nlattr *attr, int family, struct in6_addr *out)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (family == AF_INET && get_bytes(attr, &v4, sizeof(v4)))
		*out = wh_mapped(v4);
	else if (family == AF_INET6 && get_bytes(attr, &v6, sizeof(v6)) && wh_family_of(&v6) == WH_V6)
		*out = v6;
	else
		return false;
	return true;
}

/* An attribute that is left out where it has no bits. */
static bool get_prefix(const struct nlattr *attr, int family, unsigned len, struct in6_addr *out)
{
	if (len)
		return len <= (family == AF_INET ? 32 : 128) && get_addr(attr, family, out);
	*out = family == AF_INET ? wh_mapped((struct in_addr){}) : in6addr_any;
	return family == AF_INET || family == AF_INET6;
}

/* --- links ------------------------------------------------------------------------------------------------ */

/* Attributes within one, which may be missing. */
static void read_nested(const struct nlattr *nest, const struct nlattr **by_type, unsigned max)
{
	struct attrs attrs = {by_type, max};

	for (unsigned i = 0; i <= max; i++)
		by_type[i] = NULL;
	if (nest)
		mnl_attr_parse_nested(nest, note_attr, &attrs);
}

static bool is_kind(const struct nlattr *attr, const char *kind)
{
	char text[16];

	return get_name(attr, text, sizeof(text)) && !strcmp(text, kind);
}

static bool is_bridge_port(const struct nlattr *linkinfo)
{
	const struct nlattr *by_type[IFLA_INFO_SLAVE_KIND + 1];

	read_nested(linkinfo, by_type, IFLA_INFO_SLAVE_KIND);
	return is_kind(by_type[IFLA_INFO_SLAVE_KIND], "bridge");
}

/* A VLAN that leaves the tags in its packets ("reorder_hdr off") shows us headers of another length than its device's. */
static void take_vlan(const struct nlattr *info_data, struct wh_link *link)
{
	struct ifla_vlan_flags flags = {.flags = VLAN_FLAG_REORDER_HDR};
	const struct nlattr *data[IFLA_VLAN_PROTOCOL + 1];
	__be16 protocol = htons(ETH_P_8021Q);

	read_nested(info_data, data, IFLA_VLAN_PROTOCOL);
	get_bytes(data[IFLA_VLAN_PROTOCOL], &protocol, sizeof(protocol));
	link->vlan_plain = protocol == htons(ETH_P_8021Q) && !data[IFLA_VLAN_EGRESS_QOS];
	get_bytes(data[IFLA_VLAN_ID], &link->vlan, sizeof(link->vlan));
	get_bytes(data[IFLA_VLAN_FLAGS], &flags, sizeof(flags));
	link->steerable = link->steerable && (flags.flags & VLAN_FLAG_REORDER_HDR);
}

static void take_kind(const struct nlattr *const *attr, struct wh_link *link)
{
	const struct nlattr *by_type[IFLA_INFO_DATA + 1];

	read_nested(attr[IFLA_LINKINFO], by_type, IFLA_INFO_DATA);
	get_name(by_type[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	if (strcmp(link->kind, "vlan") != 0)
		return;
	take_vlan(by_type[IFLA_INFO_DATA], link);
	if (!attr[IFLA_LINK_NETNSID]) /* else its number is one of another namespace's */
		link->parent = get_u32(attr[IFLA_LINK], 0);
}

static bool has_carrier(unsigned flags, uint8_t operstate)
{
	return (flags & FLAG_LOWER_UP) && operstate != OPER_NOT_PRESENT && operstate != OPER_DOWN &&
	       operstate != OPER_LOWER_LAYER_DOWN;
}

/* Whether we can stand on a device of that kind, and how long its link-layer header is. */
static bool is_steerable(unsigned type, unsigned flags, uint8_t *l2_len)
{
	*l2_len = type == ARPHRD_ETHER ? ETH_HLEN : 0;
	switch (type) {
	case ARPHRD_ETHER:
	case ARPHRD_NONE: /* tun, WireGuard, many modems */
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
		return true;
	case ARPHRD_IPGRE: /* without one fixed peer its outer header is a link-layer header */
		return (flags & IFF_POINTOPOINT) && !(flags & IFF_BROADCAST);
	default:
		return false;
	}
}

static int take_link(struct wh_picture *p, const struct nlmsghdr *nlh, bool *routes_stale)
{
	const struct nlattr *attr[IFLA_MAX + 1];
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct wh_picture_link l;
	int changed;

	/* A bridge speaks of its ports in the same words, with a family of its own: a port that leaves is no link that
	 * goes. */
	if (read_attrs(nlh, sizeof(*info), attr, IFLA_MAX) || info->ifi_family != AF_UNSPEC)
		return 0;
	if (nlh->nlmsg_type == RTM_DELLINK) {
		*routes_stale = true;
		return wh_picture_remove_link(p, (unsigned)info->ifi_index);
	}
	memset(&l, 0, sizeof(l));
	l.link.ifindex = (unsigned)info->ifi_index;
	if (!get_name(attr[IFLA_IFNAME], l.link.name, sizeof(l.link.name)))
		return 0;
	l.link.has_mac = info->ifi_type == ARPHRD_ETHER && get_bytes(attr[IFLA_ADDRESS], l.link.mac, ETH_ALEN);
	l.link.steerable = is_steerable(info->ifi_type, info->ifi_flags, &l.link.l2_len);
	l.link.point_to_point = info->ifi_flags & IFF_POINTOPOINT;
	l.link.up = info->ifi_flags & IFF_UP;
	l.link.carrier = has_carrier(info->ifi_flags, get_u8(attr[IFLA_OPERSTATE], 0));
	l.link.mtu = get_u32(attr[IFLA_MTU], 0);
	take_kind(attr, &l.link);
	if (is_bridge_port(attr[IFLA_LINKINFO]))
		l.bridge = get_u32(attr[IFLA_MASTER], 0);
	changed = wh_picture_put_link(p, &l);
	/* The kernel takes a device's routes away, and puts them back, without a word about them. */
	if (changed > 0)
		*routes_stale = true;
	return changed;
}

/* --- addresses -------------------------------------------------------------------------------------------- */

static int take_addr(struct wh_picture *p, const struct nlmsghdr *nlh, bool dump, bool *routes_stale)
{
	const struct nlattr *attr[IFA_MAX + 1];
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	struct wh_picture_addr a;
	int changed;

	if (read_attrs(nlh, sizeof(*info), attr, IFA_MAX))
		return 0;
	memset(&a, 0, sizeof(a));
	a.ifindex = info->ifa_index;
	a.prefix_len = info->ifa_prefixlen;
	a.scope = info->ifa_scope;
	a.flags = get_u32(attr[IFA_FLAGS], info->ifa_flags);
	/* IFA_ADDRESS is the peer's on point-to-point devices. */
	if (!get_addr(attr[IFA_LOCAL], info->ifa_family, &a.addr) &&
	    !get_addr(attr[IFA_ADDRESS], info->ifa_family, &a.addr))
		return 0;
	/* A dump tells addresses in the kernel's order.  A new IPv6 one comes to stand before the others. */
	changed = nlh->nlmsg_type == RTM_DELADDR ? wh_picture_remove_addr(p, &a)
						 : wh_picture_put_addr(p, &a, !dump && info->ifa_family == AF_INET6);
	if (changed > 0)
		*routes_stale = true; /* routes that prefer this source go with it, without a word */
	return changed;
}

/* --- routes ----------------------------------------------------------------------------------------------- */

static bool is_wanted_table(uint32_t table)
{
	return table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT || table == RT_TABLE_LOCAL;
}

static enum wh_preference get_preference(const struct nlattr *attr)
{
	switch (get_u8(attr, ICMPV6_ROUTER_PREF_MEDIUM)) {
	case ICMPV6_ROUTER_PREF_HIGH:
		return WH_PREFER_HIGH;
	case ICMPV6_ROUTER_PREF_LOW:
		return WH_PREFER_LOW;
	default:
		return WH_PREFER_MEDIUM;
	}
}

/* A route's own gateway, or one of its next hops'; an IPv4 route's may be an IPv6 one (RFC 5549). */
static void get_gateway(const struct nlattr *gateway, const struct nlattr *via, int family, struct in6_addr *out)
{
	struct {
		__kernel_sa_family_t family;
		struct in6_addr addr;
	} __attribute__((packed)) v6;

	if (!get_addr(gateway, family, out) && get_bytes(via, &v6, sizeof(v6)) && v6.family == AF_INET6)
		*out = v6.addr;
}

static int add_multipath(struct wh_picture *p, const struct nlattr *multipath, int family,
			 const struct wh_picture_route *common)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);

	while (left >= (int)sizeof(*hop) && RTNH_OK(hop, left)) {
		const struct nlattr *attr[RTA_MAX + 1] = {};
		struct attrs attrs = {attr, RTA_MAX};
		struct wh_picture_route r = *common;
		int err;

		mnl_attr_parse_payload(RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop), note_attr, &attrs);
		r.ifindex = (uint32_t)hop->rtnh_ifindex;
		get_gateway(attr[RTA_GATEWAY], attr[RTA_VIA], family, &r.gateway);
		/* A hop whose device is down stays, but the kernel does not go there. */
		err = hop->rtnh_flags & RTNH_F_DEAD ? 0 : wh_picture_add_route(p, &r);
		if (err)
			return err;
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	return 0;
}

/* Routes that say nothing about traffic in general: for one TOS, for some sources (but for default ones). */
static bool is_conditional(const struct rtmsg *info)
{
	return info->rtm_tos || (info->rtm_src_len && info->rtm_dst_len);
}

static bool is_wanted(const struct rtmsg *info, uint32_t table)
{
	if ((info->rtm_flags & RTM_F_CLONED) || is_conditional(info))
		return false;
	if (info->rtm_family == AF_INET6 && info->rtm_type == RTN_MULTICAST)
		return false; /* one a device, all of them for ff00::/8 */
	/* Of other tables only the default routes matter. */
	return is_wanted_table(table) || !info->rtm_dst_len;
}

static int take_route(struct wh_picture *p, const struct nlmsghdr *nlh, bool dump, bool *routes_stale)
{
	const struct nlattr *attr[RTA_MAX + 1];
	const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);
	struct wh_picture_route r;

	if (read_attrs(nlh, sizeof(*info), attr, RTA_MAX))
		return 0;
	memset(&r, 0, sizeof(r));
	r.table = get_u32(attr[RTA_TABLE], info->rtm_table);
	if (!is_wanted(info, r.table) || !get_prefix(attr[RTA_DST], info->rtm_family, info->rtm_dst_len, &r.dst) ||
	    !get_prefix(attr[RTA_SRC], info->rtm_family, info->rtm_src_len, &r.src))
		return 0;
	if (!dump) {
		*routes_stale = true;
		return 0;
	}
	r.prefix_len = info->rtm_dst_len;
	r.src_len = info->rtm_src_len;
	r.type = info->rtm_type;
	r.metric = get_u32(attr[RTA_PRIORITY], 0);
	r.preference = get_preference(attr[RTA_PREF]);
	if (attr[RTA_MULTIPATH])
		return add_multipath(p, attr[RTA_MULTIPATH], info->rtm_family, &r);
	r.ifindex = get_u32(attr[RTA_OIF], 0);
	get_gateway(attr[RTA_GATEWAY], attr[RTA_VIA], info->rtm_family, &r.gateway);
	return wh_picture_add_route(p, &r);
}

int wh_picture_take(struct wh_picture *p, const struct nlmsghdr *nlh, bool dump, bool *routes_stale)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return take_link(p, nlh, routes_stale);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return take_addr(p, nlh, dump, routes_stale);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return take_route(p, nlh, dump, routes_stale);
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		*routes_stale = true; /* routes that use the object go with it, without a word */
		return 0;
	default:
		return 0;
	}
}

/* --- neighbours ------------------------------------------------------------------------------------------- */

int wh_neighbour_parse(const struct nlmsghdr *nlh, struct wh_neighbour *out)
{
	const unsigned usable = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
	const struct nlattr *attr[NDA_MAX + 1];
	const struct ndmsg *info = mnl_nlmsg_get_payload(nlh);
	struct wh_neighbour n;

	if ((nlh->nlmsg_type != RTM_NEWNEIGH && nlh->nlmsg_type != RTM_DELNEIGH) ||
	    read_attrs(nlh, sizeof(*info), attr, NDA_MAX) || (info->ndm_flags & NTF_PROXY))
		return -EINVAL;
	memset(&n, 0, sizeof(n));
	n.ifindex = (unsigned)info->ndm_ifindex;
	if (!get_addr(attr[NDA_DST], info->ndm_family, &n.addr))
		return -EINVAL;
	n.has_mac = nlh->nlmsg_type == RTM_NEWNEIGH && (info->ndm_state & usable) &&
		    get_bytes(attr[NDA_LLADDR], n.mac, ETH_ALEN);
	n.unreachable = nlh->nlmsg_type == RTM_NEWNEIGH && (info->ndm_state & NUD_FAILED);
	*out = n;
	return 0;
}
