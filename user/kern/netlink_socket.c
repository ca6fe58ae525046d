/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_socket.c: a netlink socket, and questions to the kernel over it, answered to their end.  What is
 * asked and when is netlink.c's business.
 */
#include "kern/netlink_private.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/cleanup.h"

#define ANSWER_TIMEOUT_S 5

int wh_netlink_socket(int bus, struct mnl_socket **out)
{
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int err;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout))) {
		err = -errno;
		mnl_socket_close(socket);
		return err;
	}
	*out = socket;
	return 0;
}

int wh_netlink_subscribe(struct mnl_socket *socket, int group)
{
	return mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) ? -errno : 0;
}

int wh_netlink_receive(struct mnl_socket *socket, void *buf, size_t len, int flags)
{
	for (;;) {
		struct sockaddr_nl from = {};
		socklen_t from_len = sizeof(from);
		ssize_t got = recvfrom(mnl_socket_get_fd(socket), buf, len, flags | MSG_TRUNC, (struct sockaddr *)&from,
				       &from_len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (from_len != sizeof(from) || from.nl_pid)
			continue; /* other processes may send us datagrams too; the kernel's port is 0 */
		return (size_t)got > len ? -ENOBUFS : (int)got;
	}
}

struct answer {
	int (*take)(void *arg, const struct nlmsghdr *nlh);
	void *arg;
	uint32_t seq;
	bool dump; /* is complete only when that is said: not all of the kernel's answers are marked as several */
	bool complete;
	bool interrupted; /* the tables changed under the dump */
	int err;	  /* the first */
};

/* What the kernel says of the request itself: an int at the front of NLMSG_ERROR and NLMSG_DONE. */
static int verdict(const struct nlmsghdr *nlh)
{
	int err = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(err))
		memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
	return err < 0 ? err : 0;
}

static void take_datagram(struct answer *answer, const void *buf, int len)
{
	for (const struct nlmsghdr *nlh = buf; mnl_nlmsg_ok(nlh, len) && !answer->complete;
	     nlh = mnl_nlmsg_next(nlh, &len)) {
		int err;

		if (nlh->nlmsg_seq != answer->seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			answer->interrupted = true;
		if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
			err = verdict(nlh);
			answer->complete = true;
		} else {
			err = answer->err ? 0 : answer->take(answer->arg, nlh);
			answer->complete = !answer->dump && !(nlh->nlmsg_flags & NLM_F_MULTI);
		}
		if (err < 0 && !answer->err)
			answer->err = err;
	}
}

int wh_netlink_ask(struct mnl_socket *query, struct nlmsghdr *request, int (*take)(void *arg, const struct nlmsghdr *),
		   void *arg)
{
	static uint32_t last_seq;
	struct answer answer = {
		.take = take, .arg = arg, .seq = ++last_seq, .dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP};
	_cleanup_free_ char *buf = malloc(WH_NETLINK_MESSAGE_MAX);

	if (!buf)
		return -ENOMEM;
	/* What is left of an answer that did not come in time: the kernel makes no second dump before it is read. */
	while (wh_netlink_receive(query, buf, WH_NETLINK_MESSAGE_MAX, MSG_DONTWAIT) != -EAGAIN)
		;
	request->nlmsg_seq = answer.seq;
	if (mnl_socket_sendto(query, request, request->nlmsg_len) < 0)
		return -errno;
	while (!answer.complete) {
		int len = wh_netlink_receive(query, buf, WH_NETLINK_MESSAGE_MAX, 0);

		if (len < 0)
			return len == -EAGAIN ? -ETIMEDOUT : len;
		take_datagram(&answer, buf, len);
	}
	if (answer.err)
		return answer.err;
	return answer.interrupted ? -EINTR : 0;
}
