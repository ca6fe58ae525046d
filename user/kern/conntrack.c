/* SPDX-License-Identifier: GPL-2.0 */
/* conntrack.c: see conntrack.h. */
#include "kern/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>
#include <wanhelm/abi.h>

/* Of both families: those whose mark is `value` under the mask. */
static int forget_one(struct mnl_socket *socket, uint32_t value, uint32_t mask)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *head;
	ssize_t got;

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	head->nfgen_family = AF_UNSPEC;
	head->version = NFNETLINK_V0;
	mnl_attr_put_u32(message, CTA_MARK, htonl(value));
	mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(mask));
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	got = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (got < 0)
		return -errno;
	return mnl_cb_run(buffer, (size_t)got, 0, mnl_socket_get_portid(socket), NULL, NULL) < 0 ? -errno : 0;
}

int wh_conntrack_forget(uint32_t mark, uint32_t mark_mask)
{
	uint32_t unit = mark_mask & -mark_mask;
	struct mnl_socket *socket = mnl_socket_open(NETLINK_NETFILTER);
	int err = 0;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		err = -errno;
	for (uint32_t i = WH_MARK_SHOWN; i <= WH_MARK_UP && !err; i++)
		err = forget_one(socket, mark + i * unit, mark_mask);
	mnl_socket_close(socket);
	return err;
}
