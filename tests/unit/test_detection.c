/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_detection.c: how fast a silent death is found, and that health is not taken for one: the whole model
 * against a simulated network.
 */
#include <stdlib.h>

#include "model_fixture.h"

#define PHASES 1000

static struct sim sim;

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Cut a healthy WAN at a random moment; returns the time until it is down. */
static uint64_t cut_once(unsigned icmp, unsigned tcp, uint64_t rtt_ns, uint64_t user_every_ns)
{
	uint64_t cut_ns;

	sim_init(&sim, 2);
	sim.config.profiles[0] = default_profile(icmp, tcp);
	sim.model.random = (uint32_t)random() | 1;
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	for (unsigned w = 0; w < 2; w++) {
		wh_model_usable(&sim.model, w, WH_V4, true, NULL, sim.now_ns);
		sim.lines[w].rtt_ns = rtt_ns;
		sim.lines[w].user_every_ns = user_every_ns;
		sim.lines[w].user_next_ns = sim.now_ns + (uint64_t)random() % (10 * MS);
	}
	sim_run(&sim, SECOND + (uint64_t)random() % SECOND);
	assert_int_equal(sim.model.wans[0].of[WH_V4].state, WH_WAN_UP);
	cut_ns = sim.now_ns;
	sim.lines[0].dead = true;
	assert_true(sim_until(&sim, 0, WH_WAN_DOWN, 5 * SECOND));
	assert_int_equal(sim.model.wans[1].of[WH_V4].state, WH_WAN_UP);
	/* the record counts from the first sign, which is not before the cut but for what was in flight */
	assert_true(last_change(&sim)->change.since_ns + rtt_ns >= cut_ns);
	assert_true(last_change(&sim)->change.since_ns < sim.now_ns);
	return sim.now_ns - cut_ns;
}

static void cut_often(const char *what, unsigned icmp, unsigned tcp, uint64_t user_every_ns)
{
	static uint64_t took_ns[PHASES];

	for (unsigned i = 0; i < PHASES; i++) {
		took_ns[i] = cut_once(icmp, tcp, MS + (uint64_t)random() % (19 * MS), user_every_ns);
		assert_in_range(took_ns[i], 250 * MS, 700 * MS);
	}
	qsort(took_ns, PHASES, sizeof(took_ns[0]), compare_ns);
	print_message("  %s: least %u, median %u, most %u ms\n", what, (unsigned)(took_ns[0] / MS),
		      (unsigned)(took_ns[PHASES / 2] / MS), (unsigned)(took_ns[PHASES - 1] / MS));
}

static void silent_blackhole(void **state)
{
	(void)state;
	srandom(20240501);
	print_message("  seed 20240501, %u phases each, from the cut to down\n", PHASES);
	cut_often("no users", 2, 0, 0);
	cut_often("users, a packet each 5 ms", 2, 0, 5 * MS);
	cut_often("users, a packet each 100 ms", 2, 0, 100 * MS);
	cut_often("ICMP and TCP targets, no users", 2, 1, 0);
	cut_often("ICMP and TCP targets, users", 2, 1, 5 * MS);
}

/* With a slow interval the users' own packets raise the alarm. */
static void slow_interval_with_users(void **state)
{
	uint64_t cut_ns;

	(void)state;
	sim_init(&sim, 1);
	sim.config.profiles[0].interval_ns[WH_PROBE_ICMP] = 5 * SECOND;
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	wh_model_usable(&sim.model, 0, WH_V4, true, NULL, sim.now_ns);
	sim.lines[0].user_every_ns = 20 * MS;
	sim.lines[0].user_next_ns = sim.now_ns;
	sim_run(&sim, 7 * SECOND);
	cut_ns = sim.now_ns;
	sim.lines[0].dead = true;
	assert_true(sim_until(&sim, 0, WH_WAN_DOWN, SECOND));
	print_message("  interval 5 s, users: %u ms\n", (unsigned)((sim.now_ns - cut_ns) / MS));
	assert_string_equal(sim.changes[sim.n_changes - 2].cause, "silence");
}

static void health_is_quiet(void **state)
{
	static const uint64_t rtts_ns[] = {MS, 20 * MS, 120 * MS, 600 * MS};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		unsigned changes;

		sim_start(&sim, 1);
		sim.lines[0].rtt_ns = rtts_ns[i];
		sim.lines[0].user_every_ns = 7 * MS;
		sim.lines[0].user_next_ns = sim.now_ns;
		sim_run(&sim, 20 * SECOND);
		assert_int_equal(sim.model.wans[0].of[WH_V4].state, WH_WAN_UP);
		changes = sim.n_changes;
		sim_run(&sim, 60 * SECOND);
		assert_int_equal(sim.n_changes, changes);
	}
}

/* Probes of a long way are not taken for silence, with no users to be heard meanwhile. */
static void long_way_slow_interval(void **state)
{
	unsigned changes;

	(void)state;
	sim_init(&sim, 1);
	sim.config.profiles[0].interval_ns[WH_PROBE_ICMP] = 5 * SECOND;
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	wh_model_usable(&sim.model, 0, WH_V4, true, NULL, sim.now_ns);
	sim.lines[0].rtt_ns = 600 * MS;
	sim_run(&sim, 30 * SECOND);
	assert_int_equal(sim.model.wans[0].of[WH_V4].state, WH_WAN_UP);
	changes = sim.n_changes;
	sim_run(&sim, 300 * SECOND);
	assert_int_equal(sim.n_changes, changes);
}

/* One-way traffic raises a few alarms in ten seconds, and the WAN stays in use. */
static void one_way_traffic(void **state)
{
	unsigned suspects = 0, orders;

	(void)state;
	sim_start(&sim, 1);
	sim.lines[0].one_way = true;
	sim.lines[0].user_every_ns = 5 * MS;
	sim.lines[0].user_next_ns = sim.now_ns;
	sim_run(&sim, 5 * SECOND);
	sim.n_changes = 0;
	orders = sim.orders_sent;
	sim_run(&sim, 100 * SECOND);
	for (unsigned i = 0; i < sim.n_changes; i++) {
		assert_int_not_equal(sim.changes[i].change.to, WH_WAN_DOWN);
		suspects += sim.changes[i].change.to == WH_WAN_SUSPECT;
	}
	print_message("  one-way traffic: %u alarms in 100 s, %u probes\n", suspects, sim.orders_sent - orders);
	assert_in_range(suspects, 1, 40);
	assert_in_range(sim.orders_sent - orders, 900, 1300); /* 2 targets, 200 ms: 1000 */
}

/* Users' traffic flows, but no target answers: doubtful for ever, never down, and no endless burst. */
static void targets_die_users_live(void **state)
{
	struct wh_probe_order orders[WH_MAX_TARGETS];
	struct wh_signal signal = {0};
	unsigned n, sent = 0;

	(void)state;
	sim_start(&sim, 1);
	assert_true(sim_until(&sim, 0, WH_WAN_UP, SECOND));
	for (uint64_t end_ns = sim.now_ns + 60 * SECOND; sim.now_ns < end_ns; sim.now_ns += 10 * MS) {
		signal.sent_ns = signal.heard_ns = sim.now_ns;
		wh_model_signal(&sim.model, 0, WH_V4, &signal, sim.now_ns);
		wh_model_tick(&sim.model, sim.now_ns, orders, WH_MAX_TARGETS, &n);
		sent += n;
	}
	assert_int_equal(sim.model.wans[0].of[WH_V4].state, WH_WAN_SUSPECT);
	assert_false(sim.model.wans[0].of[WH_V4].health.burst);
	assert_in_range(sent, 600, 1200);
	/* and then the users' traffic dies too */
	sim.lines[0].dead = true;
	sim.lines[0].signal = signal;
	assert_true(sim_until(&sim, 0, WH_WAN_DOWN, SECOND));
}

/* No probe leaves, and no answer comes: that is the prober's trouble, not the WANs'. */
static void prober_stalls(void **state)
{
	(void)state;
	sim_start(&sim, 2);
	assert_true(sim_until(&sim, 0, WH_WAN_UP, SECOND) && sim_until(&sim, 1, WH_WAN_UP, SECOND));
	sim.n_changes = 0;
	sim.stalled = true;
	sim_run(&sim, 10 * SECOND);
	sim.stalled = false;
	sim_run(&sim, SECOND);
	for (unsigned i = 0; i < sim.n_changes; i++)
		assert_int_not_equal(sim.changes[i].change.to, WH_WAN_DOWN);
	for (unsigned w = 0; w < 2; w++)
		assert_int_equal(sim.model.wans[w].of[WH_V4].state, WH_WAN_UP);
	/* A death is found as ever, and also where it begins meanwhile. */
	sim.stalled = true;
	sim_run(&sim, SECOND);
	sim.lines[0].dead = true;
	sim.stalled = false;
	assert_true(sim_until(&sim, 0, WH_WAN_DOWN, SECOND));
	assert_int_equal(sim.model.wans[1].of[WH_V4].state, WH_WAN_UP);
}

/* What was alive when the first of them was told dead. */
static uint8_t alive_at_first_death;

static void note_alive(void *arg, const struct wh_change *change)
{
	struct sim *s = arg;
	struct wh_wanted wanted;

	record(s, change);
	if (change->to != WH_WAN_DOWN || alive_at_first_death != 0xff)
		return;
	wh_model_wanted(&s->model, &wanted);
	alive_at_first_death = wanted.alive.alive4;
}

static uint64_t cut_both(void)
{
	uint64_t cut_ns;

	sim_init(&sim, 2);
	sim.config.profiles[0] = default_profile(2, 0);
	sim.model.random = (uint32_t)random() | 1;
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	sim.model.on_change = note_alive;
	alive_at_first_death = 0xff;
	for (unsigned w = 0; w < 2; w++) {
		wh_model_usable(&sim.model, w, WH_V4, true, NULL, sim.now_ns);
		sim.lines[w].rtt_ns = MS + (uint64_t)random() % (19 * MS);
		sim.lines[w].user_every_ns = w ? 0 : 5 * MS;
		sim.lines[w].user_next_ns = sim.now_ns;
	}
	sim_run(&sim, SECOND + (uint64_t)random() % SECOND);
	cut_ns = sim.now_ns;
	sim.lines[0].dead = sim.lines[1].dead = true;
	assert_true(sim_until(&sim, 0, WH_WAN_DOWN, 5 * SECOND));
	assert_true(sim_until(&sim, 1, WH_WAN_DOWN, 5 * SECOND));
	return sim.now_ns - cut_ns;
}

/* All WANs die within a moment: none is taken for a way out for the others' sessions. */
static void test_dying_together(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		assert_in_range(cut_both(), 250 * MS, 1000 * MS);
		assert_int_equal(alive_at_first_death, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dying_together),	    cmocka_unit_test(silent_blackhole),
		cmocka_unit_test(slow_interval_with_users), cmocka_unit_test(health_is_quiet),
		cmocka_unit_test(long_way_slow_interval),   cmocka_unit_test(one_way_traffic),
		cmocka_unit_test(targets_die_users_live),   cmocka_unit_test(prober_stalls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
