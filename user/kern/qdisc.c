/* SPDX-License-Identifier: GPL-2.0 */
/* qdisc.c: see qdisc.h.  Asks the kernel each time: nobody tells of a changed qdisc but rtnetlink, and it is rarely read. */
#include "kern/qdisc.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>

/* What the qdiscs of a device have shown so far. */
struct queues {
	bool root_fq, root_mq;
	unsigned leaves, fq_leaves; /* of mq */
};

/* The devices that are asked for. */
struct question {
	const unsigned *ifindex;
	struct queues queues[WH_MAX_WANS];
};

static struct queues *queues_of(struct question *asked, int ifindex)
{
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (asked->ifindex[i] == (unsigned)ifindex)
			return &asked->queues[i];
	}
	return NULL;
}

static int read_kind(const struct nlattr *attr, void *data)
{
	const char **kind = data;

	if (mnl_attr_get_type(attr) == TCA_KIND && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		*kind = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

static int read_qdisc(const struct nlmsghdr *message, void *data)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct queues *q = queues_of(data, tc->tcm_ifindex);
	const char *kind = "";

	if (!q || tc->tcm_parent == TC_H_INGRESS) /* clsact says the same */
		return MNL_CB_OK;
	mnl_attr_parse(message, sizeof(*tc), read_kind, &kind);
	if (tc->tcm_parent == TC_H_ROOT) {
		q->root_fq = !strcmp(kind, "fq");
		q->root_mq = !strcmp(kind, "mq");
	} else {
		q->leaves++;
		q->fq_leaves += !strcmp(kind, "fq");
	}
	return MNL_CB_OK;
}

static int ask(mnl_cb_t take, void *arg)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	unsigned sequence = message->nlmsg_seq = (unsigned)time(NULL);
	int more = MNL_CB_OK;

	if (!socket)
		return -errno;
	message->nlmsg_type = RTM_GETQDISC;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(message, sizeof(struct tcmsg));
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		more = MNL_CB_ERROR;
	while (more > MNL_CB_STOP) {
		ssize_t len = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		more = len > 0 ? mnl_cb_run(buffer, (size_t)len, sequence, mnl_socket_get_portid(socket), take, arg)
			       : MNL_CB_ERROR;
	}
	mnl_socket_close(socket);
	return more == MNL_CB_STOP ? 0 : -EIO;
}

void wh_qdisc_paces(const unsigned ifindex[WH_MAX_WANS], bool paces[WH_MAX_WANS])
{
	struct question asked = {.ifindex = ifindex};
	bool answered = !ask(read_qdisc, &asked);

	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		const struct queues *q = &asked.queues[i];

		paces[i] = answered && (q->root_fq || (q->root_mq && q->leaves && q->leaves == q->fq_leaves));
	}
}

/* --- what somebody put there ------------------------------------------------------------------------------ */

struct watcher {
	void (*each)(void *arg, unsigned ifindex, const char *kind);
	void *arg;
};

static int hand_on(const struct nlmsghdr *message, void *data)
{
	static const char *const plain[] = {"noqueue", "mq", "pfifo_fast", "fq_codel"};
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	const struct watcher *watcher = data;
	const char *kind = "";

	if (tc->tcm_parent == TC_H_INGRESS)
		return MNL_CB_OK;
	mnl_attr_parse(message, sizeof(*tc), read_kind, &kind);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (!strcmp(kind, plain[i]))
			return MNL_CB_OK;
	}
	watcher->each(watcher->arg, (unsigned)tc->tcm_ifindex, kind);
	return MNL_CB_OK;
}

int wh_qdisc_each(void (*each)(void *arg, unsigned ifindex, const char *kind), void *arg)
{
	struct watcher watcher = {each, arg};

	return ask(hand_on, &watcher);
}
