/* SPDX-License-Identifier: GPL-2.0 */
/*
 * firewall_watch.c: see firewall_watch.h.  The kernel ends the notifications about a transaction with one of a new
 * generation, which names the process; a socket filter lets only those by, so that a ruleset of thousands of rules
 * wakes us once and does not overrun the socket.
 */
#include "kern/firewall_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#define READ_MAX 64 /* messages in one turn */
#define MESSAGE_MAX 8192
#define ANSWER_TIMEOUT_S 5

#define TYPE_OF(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

struct wh_firewall_watch {
	struct mnl_socket *socket;
	uint32_t pid; /* ours, as the kernel writes it: of the first PID namespace, not of a container's */
	void (*changed)(void *arg, bool by_us);
	void *arg;
};

static int take_attr(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_PID && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		*(uint32_t *)arg = ntohl(mnl_attr_get_u32(attr));
	return MNL_CB_OK;
}

/* Which process a message of a generation names, or 0. */
static uint32_t pid_of(const struct nlmsghdr *nlh)
{
	uint32_t pid = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct nfgenmsg))
		mnl_attr_parse(nlh, sizeof(struct nfgenmsg), take_attr, &pid);
	return pid;
}

/* The next datagram that the kernel itself sent: its length, or -errno. */
static int receive(struct mnl_socket *socket, void *buf, size_t len, int flags)
{
	for (;;) {
		struct sockaddr_nl from = {};
		socklen_t from_len = sizeof(from);
		ssize_t got = recvfrom(mnl_socket_get_fd(socket), buf, len, flags, (struct sockaddr *)&from, &from_len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (from_len == sizeof(from) && !from.nl_pid)
			return (int)got;
	}
}

/* The answer to a question about the generation names who asks: so we learn what we are called. */
static int learn_pid(struct wh_firewall_watch *watch)
{
	char buf[MESSAGE_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *general;
	int len;

	nlh->nlmsg_type = TYPE_OF(NFT_MSG_GETGEN);
	nlh->nlmsg_flags = NLM_F_REQUEST;
	general = mnl_nlmsg_put_extra_header(nlh, sizeof(*general));
	general->version = NFNETLINK_V0;
	if (mnl_socket_sendto(watch->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	len = receive(watch->socket, buf, sizeof(buf), 0);
	if (len < 0)
		return len == -EAGAIN ? -ETIMEDOUT : len;
	if (!mnl_nlmsg_ok(nlh, len))
		return -EBADMSG;
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error ?: -EBADMSG;
	watch->pid = pid_of(nlh);
	return watch->pid ? 0 : -EOPNOTSUPP;
}

/* Let by what begins with a message of a new generation. */
static int filter(struct wh_firewall_watch *watch)
{
	struct sock_filter code[] = {
		/* a half-word is loaded as if it were big-endian; netlink's are the machine's */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(TYPE_OF(NFT_MSG_NEWGEN)), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (setsockopt(mnl_socket_get_fd(watch->socket), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		return -errno;
	return 0;
}

static int listen_to_group(struct wh_firewall_watch *watch)
{
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	int group = NFNLGRP_NFTABLES;
	int err;

	if (mnl_socket_bind(watch->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(watch->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		return -errno;
	err = learn_pid(watch);
	if (!err)
		err = filter(watch);
	if (!err && mnl_socket_setsockopt(watch->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		err = -errno;
	return err;
}

int wh_firewall_watch_open(struct wh_firewall_watch **out, void (*changed)(void *arg, bool by_us), void *arg)
{
	struct wh_firewall_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->changed = changed;
	watch->arg = arg;
	watch->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	err = watch->socket ? listen_to_group(watch) : -errno;
	if (err) {
		wh_firewall_watch_close(watch);
		return err;
	}
	*out = watch;
	return 0;
}

void wh_firewall_watch_close(struct wh_firewall_watch *watch)
{
	if (watch && watch->socket)
		mnl_socket_close(watch->socket);
	free(watch);
}

int wh_firewall_watch_fd(const struct wh_firewall_watch *watch)
{
	return mnl_socket_get_fd(watch->socket);
}

static void take(struct wh_firewall_watch *watch, const void *buf, int len)
{
	for (const struct nlmsghdr *nlh = buf; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type == TYPE_OF(NFT_MSG_NEWGEN))
			watch->changed(watch->arg, pid_of(nlh) == watch->pid);
	}
}

int wh_firewall_watch_read(struct wh_firewall_watch *watch)
{
	char buf[MESSAGE_MAX] __attribute__((aligned(8)));

	for (unsigned i = 0; i < READ_MAX; i++) {
		int len = receive(watch->socket, buf, sizeof(buf), MSG_DONTWAIT);

		if (len == -EAGAIN)
			return 0;
		if (len < 0 && len != -ENOBUFS)
			return len;
		if (len < 0)
			watch->changed(watch->arg, false);
		else
			take(watch, buf, len);
	}
	return 0;
}
