/* SPDX-License-Identifier: GPL-2.0 */
/*
 * collect.c: walks the tables of both families in small slices for ever: what is idle goes to the sweep, users' flows
 * are counted for `status`.  How long is idle stands in timers.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/log.h"

#define CLIENTS_EVERY_NS (10 * WH_NS_PER_S)

/* One slice of everything; `family` is the one of what is being walked. */
struct slice {
	struct wh_daemon *d;
	enum wh_family family;
	uint64_t now_ns;
};

/* --- the sweep -------------------------------------------------------------------------------------------- */

static void clear_form(struct wh_sweep *form)
{
	form->flows = 0;
	form->ports = 0;
}

static void run_form(struct wh_daemon *d, enum wh_family family)
{
	struct wh_sweep *form = wh_tables_form(&d->tables, family);
	int err;

	if (!form->flows && !form->ports)
		return;
	memcpy(form->timers_ns, wh_timers_ns(), sizeof(form->timers_ns));
	form->task = WH_SWEEP_EXPIRE;
	err = wh_programs_sweep(d->programs, family);
	if (err)
		wh_error("the sweep does not run: %s", strerror(-err));
	clear_form(form);
}

/* --- laps ------------------------------------------------------------------------------------------------- */

/* After a slice of the lap's walk: on to the next table where this one has come to its end, or failed. */
static void step(struct wh_lap *lap, int err)
{
	if (err)
		wh_warn("a walk through the flows' tables failed and is begun anew: %s", strerror(-err));
	if (!lap->walk.done && !err)
		return;
	memset(&lap->walk, 0, sizeof(lap->walk));
	if (lap->family == WH_V6)
		lap->done = true;
	lap->family = lap->family == WH_V4 ? WH_V6 : WH_V4;
}

/* --- flows ------------------------------------------------------------------------------------------------ */

/* The shortest time after which a flow of this protocol may be over: the sweep knows the rest. */
static uint64_t shortest_ns(const struct wh_flow_entry *entry)
{
	if (entry->flow.flags & (WH_FLOW_FOREIGN | WH_FLOW_INBOUND))
		return wh_timers_ns()[WH_TIMER_ICMP];
	switch (wh_flow_proto(entry)) {
	case IPPROTO_UDP:
		return wh_timers_ns()[WH_TIMER_UDP];
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return wh_timers_ns()[WH_TIMER_ICMP];
	case IPPROTO_TCP:
		return wh_timers_ns()[entry->flow.pin.state == WH_FLOW_RESET ? WH_TIMER_RESET
									     : WH_TIMER_TCP_TRANSITORY];
	default:
		return wh_timers_ns()[WH_TIMER_OTHER];
	}
}

static void consider_flow(void *arg, const struct wh_flow_entry *entry)
{
	const struct slice *s = arg;

	if (wh_flow_is_users(&entry->flow))
		s->d->collection.seen[entry->flow.pin.wan]++;
	if (s->now_ns < entry->flow.seen_ns + shortest_ns(entry))
		return;
	wh_tables_form_flow(&s->d->tables, entry);
	if (wh_tables_form(&s->d->tables, s->family)->flows == WH_SWEEP_SLICE)
		run_form(s->d, s->family);
}

static void walk_flows(struct slice *s)
{
	struct wh_collection *c = &s->d->collection;

	s->family = c->flows.family;
	step(&c->flows, wh_tables_walk(&s->d->tables, s->family, &c->flows.walk, WH_COLLECT_SLICE, consider_flow, s));
	run_form(s->d, s->family);
	if (s->family == WH_V6 && c->flows.family == WH_V4) { /* a whole lap */
		memcpy(s->d->flows_on, c->seen, sizeof(c->seen));
		memset(c->seen, 0, sizeof(c->seen));
	}
}

/* --- freed ports ------------------------------------------------------------------------------------------ */

static void consider_port(void *arg, const struct wh_port_key *key, uint16_t freed)
{
	const struct slice *s = arg;

	if (freed == WH_PORT_IN_USE ||
	    (freed != WH_PORT_GONE &&
	     WH_PORT_FREE_S(freed, s->now_ns / WH_NS_PER_S) * WH_NS_PER_S < wh_timers_ns()[WH_TIMER_PORT]))
		return;
	wh_tables_form_port(&s->d->tables, s->family, key);
	if (wh_tables_form(&s->d->tables, s->family)->ports == WH_SWEEP_SLICE)
		run_form(s->d, s->family);
}

static void walk_ports(struct slice *s)
{
	struct wh_lap *lap = &s->d->collection.ports;

	s->family = lap->family;
	step(lap, wh_tables_walk_ports(&s->d->tables, s->family, &lap->walk, WH_COLLECT_SLICE, consider_port, s));
	run_form(s->d, s->family);
}

/* --- clients ---------------------------------------------------------------------------------------------- */

static void consider_client(void *arg, const struct wh_client_key *key, uint32_t flows)
{
	const struct slice *s = arg;

	if (!flows)
		wh_tables_forget_client(&s->d->tables, key);
}

/* Those without flows, now and then: most will have some again soon. */
static void walk_clients(struct slice *s)
{
	struct wh_collection *c = &s->d->collection;

	if (!c->clients.started && s->now_ns < c->clients_ns + CLIENTS_EVERY_NS)
		return;
	if (!c->clients.started)
		c->clients_ns = s->now_ns;
	if (wh_tables_walk_clients(&s->d->tables, &c->clients, WH_COLLECT_SLICE, consider_client, s) || c->clients.done)
		memset(&c->clients, 0, sizeof(c->clients));
}

/* --- time ------------------------------------------------------------------------------------------------- */

/* Whether everything has been walked through since the last rest. */
static bool may_rest(struct wh_collection *c)
{
	if (!c->flows.done || !c->ports.done)
		return false;
	c->flows.done = c->ports.done = false;
	return true;
}

void wh_collect_on_timer(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval between_slices = {.tv_usec = 20000}, rest = {.tv_sec = 1};
	struct wh_daemon *d = arg;
	struct slice s = {.d = d, .now_ns = wh_now_ns()};

	(void)fd;
	(void)what;
	clear_form(wh_tables_form(&d->tables, WH_V4)); /* whatever an earlier controller left there */
	clear_form(wh_tables_form(&d->tables, WH_V6));
	walk_flows(&s);
	walk_ports(&s);
	walk_clients(&s);
	wh_learn_step(d);
	wh_overrides_expire(d);
	evtimer_add(d->collect_timer, may_rest(&d->collection) ? &rest : &between_slices);
}
