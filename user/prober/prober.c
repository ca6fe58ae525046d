/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prober.c: the controller's side of the prober: its process's birth and death, orders out, results in.  The
 * daemon calls it.  The process itself begins in child.c.
 */
#include "prober/prober_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define HELLO_TIMEOUT_MS 10000

struct wh_prober {
	pid_t pid; /* 0: none */
	int sock;
	unsigned ifindex; /* 0: no veth */
	uint8_t mac[ETH_ALEN];
};

static int fail(int err, const char *what, char *error, size_t error_len)
{
	snprintf(error, error_len, "%s: %s", what, strerror(-err));
	return err;
}

/* Wait for the process to be through with a step of its set-up. */
static int hear(const struct wh_prober *p, char *error, size_t error_len)
{
	struct pollfd wait = {.fd = p->sock, .events = POLLIN};
	struct wh_prober_hello hello;
	int ready;

	do
		ready = poll(&wait, 1, HELLO_TIMEOUT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return fail(ready ? -errno : -ETIMEDOUT, "the prober's process does not start", error, error_len);
	if (recv(p->sock, &hello, sizeof(hello), 0) != sizeof(hello))
		return fail(-EPIPE, "the prober's process ended while it started", error, error_len);
	if (hello.err) {
		hello.error[sizeof(hello.error) - 1] = '\0';
		snprintf(error, error_len, "%s", hello.error);
	}
	return hello.err;
}

static int fork_child(struct wh_prober *p)
{
	pid_t parent = getpid();
	int socks[2];
	int err = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	p->sock = socks[0];
	p->pid = fork();
	if (!p->pid)
		wh_prober_child(socks[1], parent);
	if (p->pid < 0)
		err = -errno;
	close(socks[1]);
	if (err)
		p->pid = 0;
	return err;
}

static int start(struct wh_prober *p, char *error, size_t error_len)
{
	struct wh_prober_hello hello = {};
	int err = fork_child(p);

	if (err)
		return fail(err, "cannot start the prober's process", error, error_len);
	err = hear(p, error, error_len);
	if (!err)
		err = wh_netns_make_veth(p->pid, &p->ifindex, p->mac, error, error_len);
	if (err)
		return err;
	memcpy(hello.mac, p->mac, sizeof(hello.mac));
	if (send(p->sock, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello))
		return fail(-errno, "the prober's process ended while it started", error, error_len);
	return hear(p, error, error_len);
}

int wh_prober_start(struct wh_prober **out, char *error, size_t error_len)
{
	struct wh_prober *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return fail(-ENOMEM, "the prober", error, error_len);
	p->sock = -1;
	err = start(p, error, error_len);
	if (err) {
		wh_prober_stop(p);
		return err;
	}
	*out = p;
	return 0;
}

void wh_prober_stop(struct wh_prober *p)
{
	if (!p)
		return;
	if (p->ifindex)
		wh_netns_remove_veth(p->ifindex);
	wh_closep(&p->sock);
	if (p->pid) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	free(p);
}

unsigned wh_prober_ifindex(const struct wh_prober *p)
{
	return p->ifindex;
}

const uint8_t *wh_prober_mac(const struct wh_prober *p)
{
	return p->mac;
}

int wh_prober_fd(const struct wh_prober *p)
{
	return p->sock;
}

/* That the process has gone shows in two ways, depending on what it had left unread. */
static int socket_error(void)
{
	return errno == ECONNRESET ? -EPIPE : -errno;
}

int wh_prober_send(struct wh_prober *p, const struct wh_prober_order *order)
{
	return send(p->sock, order, sizeof(*order), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? socket_error() : 0;
}

int wh_prober_receive(struct wh_prober *p, struct wh_prober_result *out)
{
	struct wh_prober_result result;
	ssize_t len = recv(p->sock, &result, sizeof(result), MSG_DONTWAIT | MSG_TRUNC);

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : socket_error();
	if (!len)
		return -EPIPE;
	if (len != sizeof(result) || result.status > WH_PROBE_UNSENT)
		return -EBADMSG;
	*out = result;
	return 1;
}
