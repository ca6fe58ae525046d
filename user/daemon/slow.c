/* SPDX-License-Identifier: GPL-2.0 */
/* slow.c: the slow path (kern/slow.h) on the loop, and what it asks of the tables; answers are learn.c's. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mapped.h"

static const struct timeval poll_interval = {.tv_usec = 5000};

static int find_first(void *arg, enum wh_family family, const void *key, struct wh_fragment *out)
{
	const struct wh_daemon *d = arg;

	return bpf_map_lookup_elem(d->tables.fragments[family], key, out) ? -errno : 0;
}

static int find_client(void *arg, enum wh_family family, const void *key, struct wh_delivery *out)
{
	const struct wh_daemon *d = arg;
	const struct wh_lan *lan;
	union {
		struct wh_reply common;
		struct wh_reply4 v4;
		struct wh_reply6 v6;
	} reply;

	if (bpf_map_lookup_elem(d->tables.replies[family], key, &reply))
		return -errno;
	if ((reply.common.flags & WH_FLOW_KERNEL) || reply.common.lan >= WH_MAX_LANS)
		return -ENOENT; /* the kernel's to put together */
	lan = &d->lans[reply.common.lan];
	if (!lan->ifindex)
		return -ENODEV;
	memset(out, 0, sizeof(*out));
	out->ifindex = lan->ifindex;
	out->mtu = lan->mtu;
	out->l2_len = lan->l2_len;
	if (family == WH_V4)
		out->client = wh_mapped((struct in_addr){reply.v4.client_be});
	else
		memcpy(&out->client, &reply.v6.client_be, sizeof(out->client));
	memcpy(out->src_mac, lan->mac, ETH_ALEN);
	memcpy(out->dst_mac, reply.common.client_mac, ETH_ALEN);
	return 0;
}

static void poll_kept(struct wh_daemon *d)
{
	if (wh_slow_poll(d->slow, wh_now_ns()))
		evtimer_add(d->slow_timer, &poll_interval);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	poll_kept(arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct wh_daemon *d = arg;

	(void)fd;
	(void)what;
	if (wh_slow_read(d->slow, wh_now_ns()))
		wh_warn("the slow path cannot be read");
	poll_kept(d);
}

int wh_slow_start(struct wh_daemon *d)
{
	static const struct wh_slow_ops ops = {.first = find_first, .client = find_client, .answer = wh_learn_answer};
	int err = wh_slow_open(&d->slow, d->tables.slow, &ops, d);

	if (err)
		return err;
	d->slow_event = event_new(d->base, wh_slow_fd(d->slow), EV_READ | EV_PERSIST, on_readable, d);
	d->slow_timer = evtimer_new(d->base, on_timer, d);
	if (!d->slow_event || !d->slow_timer)
		return -ENOMEM;
	event_priority_set(d->slow_event, 1);
	return event_add(d->slow_event, NULL) ? -ENOMEM : 0;
}

#define READS_MAX 32 /* together more records than the ring has room for */

/*
 * The data plane goes by the heartbeat: it is put back so far that answers go on at once.  One that another CPU is
 * giving us at this moment is lost, as any packet may be; its client asks again.
 */
void wh_slow_end(struct wh_daemon *d)
{
	__u64 *beat_ns = &d->tables.steer_rows[WH_STEER_GLOBAL].heartbeat_ns;

	__atomic_store_n(beat_ns, wh_clock_ns(CLOCK_BOOTTIME) - WH_SLOW_HEARTBEAT_NS, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < READS_MAX; i++)
		wh_slow_read(d->slow, wh_now_ns());
}
