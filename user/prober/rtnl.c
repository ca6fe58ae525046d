/* SPDX-License-Identifier: GPL-2.0 */
/* rtnl.c: one request to rtnetlink over a socket of its own, and its answer.  Used by netns.c. */
#include "prober/prober_private.h"

#include <errno.h>
#include <string.h>

struct nlmsghdr *wh_rtnl_request(void *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, WH_RTNL_REQUEST_MAX);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return nlh;
}

static int ask(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t take, void *arg)
{
	char buf[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	int more = MNL_CB_OK;

	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		ssize_t len = mnl_socket_recvfrom(socket, buf, sizeof(buf));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		more = mnl_cb_run(buf, (size_t)len, request->nlmsg_seq, mnl_socket_get_portid(socket), take, arg);
	}
	return more < 0 ? -errno : 0;
}

int wh_rtnl_ask(struct nlmsghdr *request, int (*take)(const struct nlmsghdr *, void *arg), void *arg)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	if (!socket)
		return -errno;
	request->nlmsg_seq = 1;
	err = ask(socket, request, take, arg);
	mnl_socket_close(socket);
	return err;
}
