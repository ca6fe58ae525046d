/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netns.c: the veth between the router and the prober's namespace, and what is set up in there.  The first
 * half runs in the controller, the second in the process; both before it drops its privileges.
 *
 * Our end has no address, and no IPv6 before it comes up, so that not even a multicast route appears in a
 * table of the router's.  The MACs are ours, which keeps udev from changing them behind our back.  The other end
 * has no ARP (IFF_NOARP, which means neighbour discovery and group memberships of IPv6 too) and a permanent
 * entry for the next hop, so nothing crosses the veth but probes.
 */
#include "prober/prober_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/cleanup.h"

#define REQUEST_BUFFER(name) char name[WH_RTNL_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)))

static int fail(int err, const char *what, char *error, size_t error_len)
{
	snprintf(error, error_len, "%s: %s", what, strerror(-err));
	return err;
}

/* --- links ------------------------------------------------------------------------------------------------ */

static struct nlmsghdr *link_request(void *buf, uint16_t type, uint16_t flags, const char *name, unsigned ifi_flags)
{
	struct nlmsghdr *nlh = wh_rtnl_request(buf, type, flags);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifi_flags = ifi_flags;
	info->ifi_change = ifi_flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return nlh;
}

static int set_up(const char *name, unsigned more_flags)
{
	REQUEST_BUFFER(buf);

	return wh_rtnl_ask(link_request(buf, RTM_NEWLINK, 0, name, IFF_UP | more_flags), NULL, NULL);
}

struct found_link {
	unsigned ifindex;
	char kind[16];
};

static int note_kind(const struct nlattr *attr, void *arg)
{
	struct found_link *found = arg;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND && mnl_attr_get_payload_len(attr) <= sizeof(found->kind))
		memcpy(found->kind, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	return MNL_CB_OK;
}

static int note_link_attr(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
		mnl_attr_parse_nested(attr, note_kind, arg);
	return MNL_CB_OK;
}

static int note_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct found_link *found = arg;

	if (nlh->nlmsg_type == RTM_NEWLINK && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*info)) {
		found->ifindex = (unsigned)info->ifi_index;
		mnl_attr_parse(nlh, sizeof(*info), note_link_attr, found);
	}
	return MNL_CB_OK; /* the acknowledgement follows */
}

static int find_link(const char *name, struct found_link *found)
{
	REQUEST_BUFFER(buf);

	*found = (struct found_link){};
	return wh_rtnl_ask(link_request(buf, RTM_GETLINK, 0, name, 0), note_link, found);
}

/* --- the controller's half -------------------------------------------------------------------------------- */

int wh_netns_remove_veth(unsigned ifindex)
{
	struct found_link found;
	REQUEST_BUFFER(buf);
	int err = find_link(WH_PROBER_DEVICE, &found);

	if (!err && strcmp(found.kind, "veth") != 0)
		return -EEXIST;
	if (!err && ifindex != WH_NETNS_ANY && ifindex != found.ifindex)
		return 0;
	if (!err)
		err = wh_rtnl_ask(link_request(buf, RTM_DELLINK, 0, WH_PROBER_DEVICE, 0), NULL, NULL);
	return err == -ENODEV ? 0 : err; /* or it has gone with the namespace meanwhile */
}

static int make_mac(uint8_t mac[ETH_ALEN])
{
	if (getrandom(mac, ETH_ALEN, 0) != ETH_ALEN)
		return -errno;
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02); /* locally administered, for one */
	return 0;
}

static int create_pair(pid_t pid, const uint8_t ours[ETH_ALEN], const uint8_t theirs[ETH_ALEN])
{
	REQUEST_BUFFER(buf);
	struct nlmsghdr *nlh = link_request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, WH_PROBER_DEVICE, 0);
	struct nlattr *info, *data, *peer;

	mnl_attr_put(nlh, IFLA_ADDRESS, ETH_ALEN, ours);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, WH_PROBER_PEER);
	mnl_attr_put(nlh, IFLA_ADDRESS, ETH_ALEN, theirs);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_PID, (uint32_t)pid);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return wh_rtnl_ask(nlh, NULL, NULL);
}

/* Where the file cannot be written it may still say what we want: a read-only /proc/sys with the default set. */
static int set_ipv6(const char *device, const char *key, char wanted)
{
	_cleanup_close_ int fd = -1;
	char path[80], value = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", device, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		return write(fd, &wanted, 1) == 1 ? 0 : -errno;
	if (errno == ENOENT) /* a kernel without IPv6 */
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return read(fd, &value, 1) == 1 && value == wanted ? 0 : -EROFS;
}

static int bring_up(unsigned *ifindex, char *error, size_t error_len)
{
	struct found_link found;
	int err = set_ipv6(WH_PROBER_DEVICE, "disable_ipv6", '1');

	if (err)
		return fail(err, "cannot disable IPv6 on " WH_PROBER_DEVICE " (net.ipv6.conf)", error, error_len);
	err = set_up(WH_PROBER_DEVICE, 0);
	if (!err)
		err = find_link(WH_PROBER_DEVICE, &found);
	if (err)
		return fail(err, "cannot set the veth " WH_PROBER_DEVICE " up", error, error_len);
	*ifindex = found.ifindex;
	return 0;
}

int wh_netns_make_veth(pid_t pid, unsigned *ifindex, uint8_t mac[ETH_ALEN], char *error, size_t error_len)
{
	uint8_t ours[ETH_ALEN], theirs[ETH_ALEN];
	int err = wh_netns_remove_veth(WH_NETNS_ANY);

	if (err == -EEXIST) {
		snprintf(error, error_len, "a device %s is there already and is none of ours", WH_PROBER_DEVICE);
		return err;
	}
	if (!err)
		err = make_mac(ours);
	if (!err)
		err = make_mac(theirs);
	if (!err)
		err = create_pair(pid, ours, theirs);
	if (err)
		return fail(err, "cannot make the veth " WH_PROBER_DEVICE, error, error_len);
	err = bring_up(ifindex, error, error_len);
	if (err)
		wh_netns_remove_veth(WH_NETNS_ANY);
	else
		memcpy(mac, ours, ETH_ALEN);
	return err;
}

/* --- the process's half ----------------------------------------------------------------------------------- */

static void put_address(struct nlmsghdr *nlh, uint16_t type, const struct wh_address *addr)
{
	mnl_attr_put(nlh, type, addr->family == WH_V4 ? sizeof(addr->v4) : sizeof(addr->v6), &addr->v6);
}

static int add_address(unsigned ifindex, const struct wh_address *addr)
{
	REQUEST_BUFFER(buf);
	struct nlmsghdr *nlh = wh_rtnl_request(buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifa_family = (uint8_t)wh_prober_af(addr->family);
	info->ifa_prefixlen = addr->family == WH_V4 ? 32 : 128;
	info->ifa_flags = addr->family == WH_V4 ? 0 : IFA_F_NODAD; /* it is good at once */
	info->ifa_index = ifindex;
	put_address(nlh, IFA_LOCAL, addr);
	return wh_rtnl_ask(nlh, NULL, NULL);
}

static int add_neighbour(unsigned ifindex, const struct wh_address *addr, const uint8_t mac[ETH_ALEN])
{
	REQUEST_BUFFER(buf);
	struct nlmsghdr *nlh = wh_rtnl_request(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ndm_family = (uint8_t)wh_prober_af(addr->family);
	info->ndm_ifindex = (int)ifindex;
	info->ndm_state = NUD_PERMANENT;
	put_address(nlh, NDA_DST, addr);
	mnl_attr_put(nlh, NDA_LLADDR, ETH_ALEN, mac);
	return wh_rtnl_ask(nlh, NULL, NULL);
}

static int add_default_route(unsigned ifindex, const struct wh_address *gateway)
{
	REQUEST_BUFFER(buf);
	struct nlmsghdr *nlh = wh_rtnl_request(buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->rtm_family = (uint8_t)wh_prober_af(gateway->family);
	info->rtm_table = RT_TABLE_MAIN;
	info->rtm_protocol = RTPROT_STATIC;
	info->rtm_type = RTN_UNICAST;
	info->rtm_flags = RTNH_F_ONLINK;
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	put_address(nlh, RTA_GATEWAY, gateway);
	return wh_rtnl_ask(nlh, NULL, NULL);
}

static int configure_family(unsigned ifindex, enum wh_family family, const uint8_t router_mac[ETH_ALEN])
{
	struct wh_address gateway = wh_prober_gateway(family);
	int err = 0;

	for (unsigned wan = 0; !err && wan < WH_MAX_WANS; wan++) {
		struct wh_address source = wh_prober_source(family, wan);

		err = add_address(ifindex, &source);
	}
	if (!err)
		err = add_neighbour(ifindex, &gateway, router_mac);
	if (!err)
		err = add_default_route(ifindex, &gateway);
	return err;
}

static bool has_ipv6(void)
{
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 || errno != EAFNOSUPPORT;
}

int wh_netns_configure(const uint8_t router_mac[ETH_ALEN], char *error, size_t error_len)
{
	struct found_link peer;
	int err = find_link(WH_PROBER_PEER, &peer);

	/* The machine's default may be to have no IPv6: where that stays, the addresses fail and say so. */
	set_ipv6(WH_PROBER_PEER, "disable_ipv6", '0');
	set_ipv6(WH_PROBER_PEER, "accept_ra", '0'); /* and so nobody asks for one */
	if (!err)
		err = set_up("lo", 0);
	if (!err)
		err = set_up(WH_PROBER_PEER, IFF_NOARP);
	if (!err)
		err = configure_family(peer.ifindex, WH_V4, router_mac);
	if (!err && has_ipv6())
		err = configure_family(peer.ifindex, WH_V6, router_mac);
	return err ? fail(err, "cannot set up the prober's network namespace", error, error_len) : 0;
}
