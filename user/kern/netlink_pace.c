/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_pace.c: how often the kernel is asked for everything.  Dumps run from a timer, never before ten times
 * the work of the last one, and once its length, have passed, so that a storm of changes, or a table of a million
 * routes, takes at most a tenth of our processor and half of our time.  Time that others had the processor for is no
 * reason to be late with news.  netlink.c and ipsec.c say when one is wanted.
 */
#include "kern/netlink_private.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

#define REST_FACTOR 10
#define RETRY_NS (1 * WH_NS_PER_S) /* after a dump that failed */

/* The kernel makes a dump within our own calls. */
static uint64_t work_ns(void)
{
	return wh_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int wh_pace_open(struct wh_pace *pace, struct mnl_socket *notify)
{
	_cleanup_close_ int epoll = epoll_create1(EPOLL_CLOEXEC);
	_cleanup_close_ int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int err = epoll < 0 || timer < 0 ? -errno : watch(epoll, timer);

	if (!err)
		err = watch(epoll, mnl_socket_get_fd(notify));
	if (err)
		return err;
	*pace = (struct wh_pace){.open = true, .epoll = wh_take_fd(&epoll), .timer = wh_take_fd(&timer)};
	return 0;
}

void wh_pace_close(struct wh_pace *pace)
{
	if (!pace->open)
		return;
	wh_closep(&pace->timer);
	wh_closep(&pace->epoll);
}

void wh_pace_want(struct wh_pace *pace)
{
	uint64_t at_ns = pace->not_before_ns ? pace->not_before_ns : 1;
	struct itimerspec at = {
		.it_value = {.tv_sec = (time_t)(at_ns / WH_NS_PER_S), .tv_nsec = (long)(at_ns % WH_NS_PER_S)}};

	timerfd_settime(pace->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

bool wh_pace_due(struct wh_pace *pace)
{
	uint64_t expirations;

	pace->began_ns = wh_now_ns();
	pace->began_work_ns = work_ns();
	return read(pace->timer, &expirations, sizeof(expirations)) == sizeof(expirations);
}

void wh_pace_dumped(struct wh_pace *pace, int err)
{
	uint64_t end_ns = wh_now_ns(), lasted_ns = end_ns - pace->began_ns;
	uint64_t rest_ns = REST_FACTOR * (work_ns() - pace->began_work_ns);

	if (rest_ns < lasted_ns)
		rest_ns = lasted_ns;
	pace->not_before_ns = end_ns + (err ? RETRY_NS : rest_ns);
}
