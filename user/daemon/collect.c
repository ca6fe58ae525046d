/* SPDX-License-Identifier: GPL-2.0 */
/*
 * collect.c: walks the tables in small slices for ever: what is idle goes to the sweep, what is there is
 * counted for `status`.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/log.h"

/* Idle times with their sources: RFC 4787 REQ-5, RFC 5508 REQ-2, RFC 5382 REQ-5, RFC 7857 §2. */
static const uint64_t timers_ns[WH_TIMER_COUNT] = {
	[WH_TIMER_UDP] = 300 * WH_NS_PER_S,
	[WH_TIMER_ICMP] = 60 * WH_NS_PER_S,
	[WH_TIMER_TCP_TRANSITORY] = 240 * WH_NS_PER_S,
	[WH_TIMER_TCP_ESTABLISHED] = 7440 * WH_NS_PER_S,
	[WH_TIMER_RESET] = 10 * WH_NS_PER_S,
};

#define WALK_SLICE 1024 /* flows a slice: well under a millisecond of work */

/* live → dying → gone → deleted */
#define BIND_LOOKS 3

struct collection {
	struct wh_daemon *d;
	struct wh_sweep *form;
	uint64_t now_ns;
};

/* The shortest time after which a flow of this protocol may be over: the sweep knows the rest. */
static uint64_t shortest_ns(const struct wh_flow4_key *key, const struct wh_flow4 *flow)
{
	if (key->proto == IPPROTO_UDP)
		return timers_ns[WH_TIMER_UDP];
	if (key->proto != IPPROTO_TCP)
		return timers_ns[WH_TIMER_ICMP];
	return timers_ns[flow->pin.state == WH_FLOW_RESET ? WH_TIMER_RESET : WH_TIMER_TCP_TRANSITORY];
}

static void run_form(struct collection *c)
{
	if (!c->form->flows && !c->form->binds)
		return;
	memcpy(c->form->timers_ns, timers_ns, sizeof(timers_ns));
	c->form->task = WH_SWEEP_EXPIRE;
	if (wh_programs_sweep(c->d->programs))
		wh_error("the sweep does not run: %s", strerror(errno));
	c->form->flows = 0;
	c->form->binds = 0;
}

static void consider_flow(void *arg, const struct wh_flow4_key *key, const struct wh_flow4 *flow)
{
	struct collection *c = arg;

	if (!(flow->flags & WH_FLOW_PROBE))
		c->d->flows_seen[flow->pin.wan < WH_MAX_WANS ? flow->pin.wan : WH_MAX_WANS]++;
	if (c->now_ns < flow->seen_ns + shortest_ns(key, flow))
		return;
	c->form->flow[c->form->flows++] = *key;
	if (c->form->flows == WH_SWEEP_SLICE)
		run_form(c);
}

static void consider_bind(void *arg, const struct wh_bind4_key *key, const struct wh_bind4 *bind)
{
	struct collection *c = arg;

	if (bind->users && !(bind->users & (WH_BIND_DYING | WH_BIND_GONE)))
		return;
	if (c->form->binds < WH_SWEEP_SLICE) /* the rest waits for the next walk */
		c->form->bind[c->form->binds++] = *key;
}

static void end_flow_round(struct wh_daemon *d)
{
	memcpy(d->flows_on, d->flows_seen, sizeof(d->flows_on));
	memset(d->flows_seen, 0, sizeof(d->flows_seen));
	memset(&d->flow_walk, 0, sizeof(d->flow_walk));
}

/*
 * A binding that is going takes three looks, and between the last two its endpoint can open no flow: so a
 * batch is looked at in consecutive slices, and only then the next one is begun.
 */
static void walk_binds(struct wh_daemon *d, struct collection *c)
{
	struct wh_bind_batch *batch = &d->binds;

	if (!batch->looks) {
		if (wh_tables_walk_binds(&d->tables, &d->bind_walk, WH_SWEEP_SLICE, consider_bind, c) ||
		    d->bind_walk.done)
			memset(&d->bind_walk, 0, sizeof(d->bind_walk));
		batch->n = c->form->binds;
		memcpy(batch->keys, c->form->bind, sizeof(batch->keys));
		batch->looks = batch->n ? BIND_LOOKS : 0;
	} else {
		c->form->binds = batch->n;
		memcpy(c->form->bind, batch->keys, sizeof(batch->keys));
	}
	if (batch->looks)
		batch->looks--;
}

void wh_collect_on_timer(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval between_slices = {.tv_usec = 20000}, between_rounds = {.tv_sec = 1};
	struct wh_daemon *d = arg;
	struct collection c = {.d = d, .form = d->tables.sweep_form, .now_ns = wh_now_ns()};
	bool round_done;

	(void)fd;
	(void)what;
	c.form->flows = 0;
	c.form->binds = 0;
	if (wh_tables_walk(&d->tables, &d->flow_walk, WALK_SLICE, consider_flow, &c)) {
		wh_warn("the walk through the flows failed and is begun anew");
		d->flow_walk.done = true;
	}
	walk_binds(d, &c);
	run_form(&c);
	round_done = d->flow_walk.done;
	if (round_done)
		end_flow_round(d);
	wh_overrides_expire(d);
	evtimer_add(d->collect_timer, round_done && !d->binds.looks ? &between_rounds : &between_slices);
}
