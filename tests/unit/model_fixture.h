/* SPDX-License-Identifier: GPL-2.0 */
/*
 * model_fixture.h: a configuration, a model and a record of its changes for the tests of model/, and a
 * simulated network around it: WANs that answer after a while or not at all, users that send, polls of the
 * data plane's stamps every 10 ms.  Time is a variable; nothing sleeps.  Of the families, IPv4 is there unless a
 * test says otherwise, and what names none means that one.
 */
#ifndef WANHELM_TESTS_MODEL_FIXTURE_H
#define WANHELM_TESTS_MODEL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "model/model.h"

#define MS WH_NS_PER_MS
#define SECOND WH_NS_PER_S
#define START (1000 * SECOND) /* the machine has been up for a while */
#define MAX_CHANGES 512
#define MAX_REPLIES 256

struct recorded {
	struct wh_change change;
	char cause[32];
	char evidence[128];
};

struct reply {
	uint64_t at_ns; /* 0: none */
	uint64_t sent_ns;
	struct wh_probe_order order;
	enum wh_family family;
	bool probe; /* else a user's packet */
};

/* One family's way through a WAN. */
struct line {
	bool dead;
	uint64_t rtt_ns;
	uint64_t user_every_ns; /* 0: no users */
	uint64_t user_next_ns;
	bool one_way; /* users' packets are never answered */
	struct wh_signal signal;
};

struct sim {
	struct wh_config config;
	struct wh_model model;
	unsigned number_of[WH_MAX_WANS];
	struct recorded changes[MAX_CHANGES];
	unsigned n_changes;
	struct line lines[WH_MAX_WANS];	 /* IPv4 */
	struct line lines6[WH_MAX_WANS]; /* IPv6 */
	struct reply replies[MAX_REPLIES];
	unsigned orders_sent;
	bool stalled; /* the prober: nothing that it is told leaves */
	uint64_t now_ns;
	uint64_t tick_ns;
	uint64_t poll_ns;
};

static inline void record(void *arg, const struct wh_change *change)
{
	struct sim *s = arg;
	struct recorded *r = &s->changes[s->n_changes % MAX_CHANGES];

	s->n_changes++;
	r->change = *change;
	snprintf(r->cause, sizeof(r->cause), "%s", change->cause);
	snprintf(r->evidence, sizeof(r->evidence), "%s", change->evidence);
}

static inline const struct recorded *last_change(const struct sim *s)
{
	assert_true(s->n_changes > 0);
	return &s->changes[(s->n_changes - 1) % MAX_CHANGES];
}

static inline struct line *line_of(struct sim *s, unsigned wan, enum wh_family family)
{
	return family == WH_V4 ? &s->lines[wan] : &s->lines6[wan];
}

static inline struct wh_family_model *family_of(struct sim *s, unsigned wan, enum wh_family family)
{
	return &s->model.wans[wan].of[family];
}

static inline void add_target(struct wh_conf_profile *p, enum wh_family family, enum wh_probe_kind kind)
{
	struct wh_conf_target *t = &p->targets[p->n_targets++];

	t->kind = kind;
	t->addr.family = family;
	if (family == WH_V4)
		t->addr.v4.s_addr = htonl(0xc0000200U + p->n_targets);
	else
		t->addr.v6 = (struct in6_addr){.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)p->n_targets}};
	t->port = kind == WH_PROBE_TCP ? 443 : 0;
}

static inline struct wh_conf_profile default_profile(unsigned icmp, unsigned tcp)
{
	struct wh_conf_profile p = {.name = "default", .quorum = 1, .down_after = 3, .up_after = 10};

	p.interval_ns[WH_PROBE_ICMP] = 200 * MS;
	p.interval_ns[WH_PROBE_TCP] = 5 * SECOND;
	for (unsigned i = 0; i < icmp; i++)
		add_target(&p, WH_V4, WH_PROBE_ICMP);
	for (unsigned i = 0; i < tcp; i++)
		add_target(&p, WH_V4, WH_PROBE_TCP);
	return p;
}

/* `wans` WANs with two ICMP targets, in one class with a tier for each; WAN i has number wans - 1 - i. */
static inline void sim_init(struct sim *s, unsigned wans)
{
	struct wh_conf_class *class = &s->config.classes[0];

	memset(s, 0, sizeof(*s));
	s->now_ns = s->tick_ns = s->poll_ns = START;
	s->config.profiles[0] = default_profile(2, 0);
	s->config.n_profiles = 1;
	s->config.failback.hold_ns = 30 * SECOND;
	s->config.n_classes = 1;
	snprintf(class->name, sizeof(class->name), "default");
	for (unsigned i = 0; i < wans; i++) {
		struct wh_conf_wan *w = &s->config.wans[i];

		snprintf(w->name, sizeof(w->name), "wan%u", i);
		w->enabled = true;
		w->weight = 1;
		w->failback = s->config.failback;
		class->tiers[i].members[0] = (struct wh_conf_member){.wan = i, .weight = 1};
		class->tiers[i].n_members = 1;
		s->number_of[i] = wans - 1 - i;
		s->lines[i].rtt_ns = s->lines6[i].rtt_ns = 10 * MS;
	}
	s->config.n_wans = class->n_tiers = wans;
	s->model.on_change = record;
	s->model.arg = s;
	wh_model_configure(&s->model, &s->config, s->number_of, s->now_ns);
}

/* As sim_init(), with all WANs usable. */
static inline void sim_start(struct sim *s, unsigned wans)
{
	sim_init(s, wans);
	for (unsigned i = 0; i < wans; i++)
		wh_model_usable(&s->model, i, WH_V4, true, NULL, s->now_ns);
}

/* As sim_start(), with IPv6 too and two ICMP targets of it. */
static inline void sim_start_both(struct sim *s, unsigned wans)
{
	sim_start(s, wans);
	add_target(&s->config.profiles[0], WH_V6, WH_PROBE_ICMP);
	add_target(&s->config.profiles[0], WH_V6, WH_PROBE_ICMP);
	wh_model_configure(&s->model, &s->config, s->number_of, s->now_ns);
	for (unsigned i = 0; i < wans; i++)
		wh_model_usable(&s->model, i, WH_V6, true, NULL, s->now_ns);
}

/* One WAN with number 0, adopted in `state` and usable unless absent. */
static inline struct wh_family_model *sim_adopt(struct sim *s, enum wh_wan_state state)
{
	struct wh_family_model *w = family_of(s, 0, WH_V4);

	sim_init(s, 1);
	wh_model_adopt(&s->model, 0, WH_V4, state, s->now_ns);
	assert_int_equal(s->n_changes, 0);
	assert_int_equal(w->state, state);
	return w;
}

/* As the data plane does it: a stamp younger than the grain stays. */
static inline void stamp(__u64 *stamp_ns, uint64_t now_ns)
{
	if (now_ns - *stamp_ns >= WH_SIGNAL_GRAIN_NS)
		*stamp_ns = now_ns;
}

static inline void transmit(struct sim *s, struct reply packet)
{
	struct line *l = line_of(s, packet.order.wan, packet.family);

	stamp(&l->signal.sent_ns, s->now_ns);
	if (l->dead || (!packet.probe && l->one_way))
		return;
	for (unsigned i = 0; i < MAX_REPLIES; i++) {
		if (s->replies[i].at_ns)
			continue;
		packet.sent_ns = s->now_ns;
		packet.at_ns = s->now_ns + l->rtt_ns;
		s->replies[i] = packet;
		return;
	}
	fail_msg("more packets in flight than the simulation holds");
}

static inline void deliver(struct sim *s, struct reply *r)
{
	struct line *l = line_of(s, r->order.wan, r->family);

	r->at_ns = 0;
	if (l->dead)
		return;
	stamp(&l->signal.heard_ns, s->now_ns);
	if (r->probe)
		wh_model_result(&s->model, r->order.wan, r->order.target, r->order.seq, WH_PROBE_ANSWERED,
				s->now_ns - r->sent_ns, s->now_ns);
	s->tick_ns = s->now_ns;
}

static inline void poll_and_tick(struct sim *s)
{
	struct wh_probe_order orders[WH_MAX_WANS * WH_MAX_TARGETS];
	unsigned n = 0;

	if (s->poll_ns <= s->now_ns) {
		for (unsigned w = 0; w < WH_MAX_WANS; w++) {
			wh_model_signal(&s->model, w, WH_V4, &s->lines[w].signal, s->now_ns);
			wh_model_signal(&s->model, w, WH_V6, &s->lines6[w].signal, s->now_ns);
		}
		s->poll_ns = s->now_ns + 10 * MS;
	}
	s->tick_ns = wh_model_tick(&s->model, s->now_ns, orders, WH_MAX_WANS * WH_MAX_TARGETS, &n);
	assert_true(s->tick_ns > s->now_ns && s->tick_ns <= s->now_ns + SECOND);
	for (unsigned i = 0; i < n && !s->stalled; i++)
		transmit(s, (struct reply){.order = orders[i],
					   .family = s->config.profiles[0].targets[orders[i].target].addr.family,
					   .probe = true});
	s->orders_sent += n;
}

static inline void users_send(struct sim *s)
{
	for (unsigned i = 0; i < WH_MAX_WANS * WH_FAMILIES; i++) {
		unsigned w = i / WH_FAMILIES;
		enum wh_family family = i % WH_FAMILIES;
		struct line *l = line_of(s, w, family);

		if (!l->user_every_ns || l->user_next_ns > s->now_ns)
			continue;
		transmit(s, (struct reply){.order = {.wan = w}, .family = family});
		l->user_next_ns = s->now_ns + l->user_every_ns;
	}
}

/* To the next moment at which something happens, at most until end_ns. */
static inline void sim_step(struct sim *s, uint64_t end_ns)
{
	uint64_t next_ns = s->tick_ns < s->poll_ns ? s->tick_ns : s->poll_ns;

	for (unsigned i = 0; i < MAX_REPLIES; i++)
		if (s->replies[i].at_ns && s->replies[i].at_ns < next_ns)
			next_ns = s->replies[i].at_ns;
	for (unsigned i = 0; i < WH_MAX_WANS * WH_FAMILIES; i++) {
		const struct line *l = line_of(s, i / WH_FAMILIES, i % WH_FAMILIES);

		if (l->user_every_ns && l->user_next_ns < next_ns)
			next_ns = l->user_next_ns;
	}
	if (next_ns > s->now_ns)
		s->now_ns = next_ns < end_ns ? next_ns : end_ns;
	for (unsigned i = 0; i < MAX_REPLIES; i++)
		if (s->replies[i].at_ns && s->replies[i].at_ns <= s->now_ns)
			deliver(s, &s->replies[i]);
	users_send(s);
	poll_and_tick(s);
}

static inline void sim_run(struct sim *s, uint64_t for_ns)
{
	uint64_t end_ns = s->now_ns + for_ns;

	while (s->now_ns < end_ns)
		sim_step(s, end_ns);
}

/* Until WAN `wan` is in `state`; false: not within limit_ns. */
static inline bool sim_until_in(struct sim *s, unsigned wan, enum wh_family family, enum wh_wan_state state,
				uint64_t limit_ns)
{
	uint64_t end_ns = s->now_ns + limit_ns;

	while (family_of(s, wan, family)->state != state && s->now_ns < end_ns)
		sim_step(s, end_ns);
	return family_of(s, wan, family)->state == state;
}

static inline bool sim_until(struct sim *s, unsigned wan, enum wh_wan_state state, uint64_t limit_ns)
{
	return sim_until_in(s, wan, WH_V4, state, limit_ns);
}

#endif
