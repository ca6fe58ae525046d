/* SPDX-License-Identifier: GPL-2.0 */
/*
 * child.c: the prober's process, from the fork on: into a network namespace of its own, set it up, open what
 * needs privileges, drop them, then one order after another.  prober.c is the controller's side of it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* unshare() */
#endif
#include "prober/prober_private.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ORDERS_PER_TURN 64
#define EVENTS_PER_TURN 64

struct child {
	int sock;
	int epoll;
	struct wh_icmp icmp;
	struct wh_tcp tcp;
};

/* --- set-up ----------------------------------------------------------------------------------------------- */

static void say(int sock, const struct wh_prober_hello *hello)
{
	if (send(sock, hello, sizeof(*hello), MSG_NOSIGNAL) != sizeof(*hello) || hello->err)
		_exit(1);
}

/* One step of the set-up: a failure is told, and the last that is told. */
static void must(int sock, int err, const char *what)
{
	struct wh_prober_hello hello = {.err = err};

	if (!err)
		return;
	snprintf(hello.error, sizeof(hello.error), "%s: %s", what, strerror(-err));
	say(sock, &hello);
}

/* The controller's handlers write to descriptors that are not ours; what is sent to stop it is not for us. */
static void reset_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Die with the controller, even where it is killed. */
static void die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		_exit(1);
}

static void configure_namespace(int sock)
{
	struct wh_prober_hello hello;

	must(sock, unshare(CLONE_NEWNET) ? -errno : 0, "cannot make the prober's network namespace");
	say(sock, &(struct wh_prober_hello){});
	if (recv(sock, &hello, sizeof(hello), 0) != sizeof(hello))
		_exit(1);
	hello.err = wh_netns_configure(hello.mac, hello.error, sizeof(hello.error));
	if (hello.err)
		say(sock, &hello);
}

static int watch(struct child *c, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void set_up(struct child *c, pid_t parent)
{
	die_with(parent);
	prctl(PR_SET_NAME, "wanhelm-prober", 0, 0, 0);
	reset_signals();
	wh_prober_close_others(c->sock);
	configure_namespace(c->sock);
	must(c->sock, wh_icmp_open(&c->icmp), "cannot open the prober's ICMP sockets");
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	must(c->sock, c->epoll < 0 ? -errno : 0, "cannot wait for events");
	must(c->sock, watch(c, c->sock, &c->sock), "cannot wait for orders");
	for (unsigned family = 0; family < WH_FAMILIES; family++)
		if (c->icmp.fd[family] >= 0)
			must(c->sock, watch(c, c->icmp.fd[family], &c->icmp), "cannot wait for replies");
	wh_tcp_init(&c->tcp, c->epoll);
	must(c->sock, wh_prober_drop_privileges(), "cannot drop the prober's privileges");
	die_with(parent); /* the change of user had cancelled it */
	say(c->sock, &(struct wh_prober_hello){});
}

/* --- the loop --------------------------------------------------------------------------------------------- */

void wh_prober_tell(int sock, const struct wh_prober_order *order, enum wh_probe_status status, uint64_t rtt_ns)
{
	struct wh_prober_result result = {.seq = order->seq,
					  .wan = order->wan,
					  .target = order->target,
					  .status = (uint8_t)status,
					  .rtt_ns = rtt_ns};

	if (send(sock, &result, sizeof(result), MSG_NOSIGNAL) != sizeof(result))
		_exit(0); /* the controller has gone */
}

static void carry_out(struct child *c, const struct wh_prober_order *order)
{
	bool sane = order->wan < WH_MAX_WANS && (unsigned)order->addr.family < WH_FAMILIES;
	int err = -EINVAL;

	if (sane && order->kind == WH_PROBE_ICMP)
		err = wh_icmp_send(&c->icmp, order);
	else if (sane && order->kind == WH_PROBE_TCP)
		err = wh_tcp_start(&c->tcp, order);
	if (err)
		wh_prober_tell(c->sock, order, WH_PROBE_UNSENT, 0);
}

static void take_orders(struct child *c)
{
	for (int i = 0; i < ORDERS_PER_TURN; i++) {
		struct wh_prober_order order;
		ssize_t len = recv(c->sock, &order, sizeof(order), MSG_DONTWAIT);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len <= 0)
			_exit(0);
		if (len == sizeof(order))
			carry_out(c, &order);
	}
}

static void turn(struct child *c)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n = epoll_wait(c->epoll, events, EVENTS_PER_TURN, wh_tcp_expire(&c->tcp));

	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (what == &c->sock)
			take_orders(c);
		else if (what == &c->icmp)
			wh_icmp_read(&c->icmp, c->sock);
		else
			wh_tcp_finish(&c->tcp, what, c->sock);
	}
}

void wh_prober_child(int sock, pid_t parent)
{
	static struct child c;

	c.sock = sock;
	set_up(&c, parent);
	for (;;)
		turn(&c);
}
