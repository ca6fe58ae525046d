/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xdp_driver.c: what drivers can do with XDP, as the kernel tells it: its netdev family of generic netlink (Linux 6.3),
 * and ethtool.
 */
#include "kern/xdp.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kern/netlink_private.h"
#include "lib/cleanup.h"

/* Of linux/netdev.h (Linux 6.3), which the headers that we build with may not have. */
#define NETDEV_FAMILY "netdev"
#define NETDEV_VERSION 1
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3

struct listener {
	void (*each)(void *arg, unsigned ifindex, uint64_t features);
	void *arg;
};

static struct nlmsghdr *request(void *buf, uint16_t family, uint16_t flags, uint8_t command, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = version;
	return nlh;
}

static int take_family(void *arg, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID && mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
			*(uint16_t *)arg = mnl_attr_get_u16(attr);
	}
	return 0;
}

/* The number that the kernel gave the family; -ENOENT: it has none. */
static int find_family(struct mnl_socket *socket, uint16_t *out)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = request(buf, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 1);
	int err;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
	*out = 0;
	err = wh_netlink_ask(socket, nlh, take_family, out);
	return err ? err : *out ? 0 : -ENOENT;
}

static int take_device(void *arg, const struct nlmsghdr *nlh)
{
	const struct listener *listener = arg;
	const struct nlattr *attr;
	uint32_t ifindex = 0;
	uint64_t features = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == NETDEV_A_DEV_IFINDEX && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			ifindex = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == NETDEV_A_DEV_XDP_FEATURES && mnl_attr_validate(attr, MNL_TYPE_U64) >= 0)
			features = mnl_attr_get_u64(attr);
	}
	listener->each(listener->arg, ifindex, features);
	return 0;
}

int wh_xdp_each_driver(void (*each)(void *arg, unsigned ifindex, uint64_t features), void *arg)
{
	char buf[WH_NETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct listener listener = {each, arg};
	struct mnl_socket *socket;
	uint16_t family;
	int err = wh_netlink_socket(NETLINK_GENERIC, &socket);

	if (err)
		return err;
	err = find_family(socket, &family);
	if (!err)
		err = wh_netlink_ask(socket, request(buf, family, NLM_F_DUMP, NETDEV_CMD_DEV_GET, NETDEV_VERSION),
				     take_device, &listener);
	mnl_socket_close(socket);
	return err == -ENOENT ? -EOPNOTSUPP : err == -EINTR ? 0 : err; /* what came or went meanwhile shows next time */
}

bool wh_xdp_hides_tags(const char *device)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&flags};

	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	return fd >= 0 && !ioctl(fd, SIOCETHTOOL, &request) && (flags.data & ETH_FLAG_RXVLAN);
}
