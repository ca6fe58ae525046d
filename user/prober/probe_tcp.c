/* SPDX-License-Identifier: GPL-2.0 */
/*
 * probe_tcp.c: connection attempts: what answers is closed at once by a reset, so that nothing lingers on
 * either side.  A refusal is an answer too; silence, and a router's ICMP error in the target's place, is none.
 */
#include "prober/prober_private.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

#define TIMEOUT_MAX_MS 60000

/* In netinet/in.h and linux/in.h, which exclude each other. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

void wh_tcp_init(struct wh_tcp *tcp, int epoll)
{
	*tcp = (struct wh_tcp){.epoll = epoll, .next_end_ns = UINT64_MAX};
	for (unsigned i = 0; i < WH_TCP_ATTEMPTS; i++)
		tcp->attempts[i].fd = -1;
}

static struct wh_tcp_attempt *free_attempt(struct wh_tcp *tcp)
{
	for (unsigned i = 0; i < WH_TCP_ATTEMPTS; i++)
		if (tcp->attempts[i].fd < 0)
			return &tcp->attempts[i];
	return NULL;
}

static int prepare(int fd, const struct wh_prober_order *order)
{
	bool v4 = order->addr.family == WH_V4;
	struct wh_address source = wh_prober_source(order->addr.family, order->wan);
	union wh_sockaddr from = wh_prober_sockaddr(&source, 0);
	struct linger reset = {.l_onoff = 1};
	int one = 1;

	/* The port is chosen at connect(), so that one port serves many targets. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) ||
	    setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) || bind(fd, &from.any, sizeof(from)))
		return -errno;
	return 0;
}

int wh_tcp_start(struct wh_tcp *tcp, const struct wh_prober_order *order)
{
	union wh_sockaddr to = wh_prober_sockaddr(&order->addr, order->port);
	struct wh_tcp_attempt *attempt = free_attempt(tcp);
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = attempt};
	uint32_t timeout_ms = order->timeout_ms < TIMEOUT_MAX_MS ? order->timeout_ms : TIMEOUT_MAX_MS;
	_cleanup_close_ int fd = -1;
	uint64_t start_ns;
	int err;

	if (!attempt)
		return -EAGAIN;
	fd = socket(wh_prober_af(order->addr.family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = prepare(fd, order);
	if (err)
		return err;
	start_ns = wh_now_ns();
	if (connect(fd, &to.any, sizeof(to)) && errno != EINPROGRESS)
		return -errno;
	if (epoll_ctl(tcp->epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	*attempt = (struct wh_tcp_attempt){wh_take_fd(&fd), *order, start_ns, start_ns + timeout_ms * WH_NS_PER_MS};
	tcp->n++;
	if (attempt->end_ns < tcp->next_end_ns)
		tcp->next_end_ns = attempt->end_ns;
	return 0;
}

static void close_attempt(struct wh_tcp *tcp, struct wh_tcp_attempt *attempt)
{
	close(attempt->fd);
	attempt->fd = -1;
	tcp->n--;
}

/* The kernel timed the handshake itself; we may have been late. */
static uint64_t rtt_of(const struct wh_tcp_attempt *attempt)
{
	uint64_t rtt_ns = wh_now_ns() - attempt->start_ns;
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	if (!getsockopt(attempt->fd, IPPROTO_TCP, TCP_INFO, &info, &len) && info.tcpi_rtt &&
	    info.tcpi_rtt * 1000ULL < rtt_ns)
		return info.tcpi_rtt * 1000ULL;
	return rtt_ns;
}

/* Whether an ICMP error, and not the target, ended the attempt: the kernel calls some of them a refusal. */
static bool by_icmp(int fd)
{
	union {
		char bytes[256];
		struct cmsghdr align;
	} control;
	struct msghdr msg = {.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};

	return recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0;
}

void wh_tcp_finish(struct wh_tcp *tcp, struct wh_tcp_attempt *attempt, int sock)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (attempt->fd < 0) /* given up in the same turn */
		return;
	if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (!err)
		wh_prober_tell(sock, &attempt->order, WH_PROBE_ANSWERED, rtt_of(attempt));
	else if (err == ECONNREFUSED && !by_icmp(attempt->fd))
		wh_prober_tell(sock, &attempt->order, WH_PROBE_REFUSED, wh_now_ns() - attempt->start_ns);
	close_attempt(tcp, attempt);
}

int wh_tcp_expire(struct wh_tcp *tcp)
{
	uint64_t now_ns = wh_now_ns();

	if (now_ns >= tcp->next_end_ns) {
		tcp->next_end_ns = UINT64_MAX;
		for (unsigned i = 0; i < WH_TCP_ATTEMPTS; i++) {
			struct wh_tcp_attempt *attempt = &tcp->attempts[i];

			if (attempt->fd >= 0 && attempt->end_ns <= now_ns)
				close_attempt(tcp, attempt);
			else if (attempt->fd >= 0 && attempt->end_ns < tcp->next_end_ns)
				tcp->next_end_ns = attempt->end_ns;
		}
	}
	return tcp->n ? (int)((tcp->next_end_ns - now_ns) / WH_NS_PER_MS) + 1 : -1;
}
