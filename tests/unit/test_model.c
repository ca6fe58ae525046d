/* SPDX-License-Identifier: GPL-2.0 */
/* test_model.c: the model as the daemon uses it: hold, absence, the hand, a restart, our own starvation. */
#include "model_fixture.h"

#define W 0 /* the WAN under test */

static struct sim sim;

static void hold_is_kept(void **state)
{
	uint64_t began_ns;

	(void)state;
	sim_start(&sim, 1);
	sim.lines[W].dead = true;
	assert_true(sim_until(&sim, W, WH_WAN_DOWN, 5 * SECOND));
	sim.lines[W].dead = false;
	began_ns = sim.now_ns;
	assert_true(sim_until(&sim, W, WH_WAN_RECOVERING, 5 * SECOND));
	assert_in_range(sim.now_ns - began_ns, 1600 * MS, 2500 * MS); /* 10 rounds */
	began_ns = sim.now_ns;
	assert_true(sim_until(&sim, W, WH_WAN_UP, 40 * SECOND));
	assert_true(sim.now_ns - began_ns == 30 * SECOND);
	/* a failure while recovering */
	sim.lines[W].dead = true;
	assert_true(sim_until(&sim, W, WH_WAN_DOWN, 5 * SECOND));
	sim.lines[W].dead = false;
	assert_true(sim_until(&sim, W, WH_WAN_RECOVERING, 5 * SECOND));
	sim.lines[W].dead = true;
	sim.n_changes = 0;
	assert_true(sim_until(&sim, W, WH_WAN_DOWN, SECOND));
	assert_int_equal(sim.n_changes, 1);
}

static void absent_comes_and_goes(void **state)
{
	struct wh_family_model *w = &sim.model.wans[W].of[WH_V4];

	(void)state;
	sim_init(&sim, 1);
	assert_int_equal(w->state, WH_WAN_ABSENT);
	wh_model_usable(&sim.model, W, WH_V4, false, "gateway", sim.now_ns);
	assert_int_equal(sim.n_changes, 0);
	assert_string_equal(w->reason, "no gateway");
	wh_model_usable(&sim.model, W, WH_V4, true, NULL, sim.now_ns);
	assert_int_equal(w->state, WH_WAN_PENDING);
	assert_string_equal(last_change(&sim)->cause, "start");
	assert_true(sim_until(&sim, W, WH_WAN_UP, SECOND));
	sim.n_changes = 0;
	wh_model_usable(&sim.model, W, WH_V4, true, NULL, sim.now_ns); /* nothing new */
	assert_int_equal(sim.n_changes, 0);
	wh_model_usable(&sim.model, W, WH_V4, false, "address", sim.now_ns);
	wh_model_usable(&sim.model, W, WH_V4, false, "device", sim.now_ns);
	assert_int_equal(sim.n_changes, 1);
	assert_string_equal(last_change(&sim)->cause, "address");
	assert_string_equal(w->reason, "no device");
	assert_int_equal(wh_health_good_targets(&w->health), 0); /* what was known is of the past */
	/* not probed meanwhile, and what comes in late changes nothing */
	sim.orders_sent = 0;
	sim_run(&sim, 2 * SECOND);
	assert_int_equal(sim.orders_sent, 0);
	assert_int_equal(sim.n_changes, 1);
	wh_model_usable(&sim.model, W, WH_V4, true, "address", sim.now_ns);
	assert_int_equal(w->state, WH_WAN_DOWN);
	assert_string_equal(last_change(&sim)->cause, "address");
	assert_true(sim_until(&sim, W, WH_WAN_RECOVERING, 3 * SECOND));
}

static void the_hand(void **state)
{
	struct wh_family_model *w = &sim.model.wans[W].of[WH_V4];

	(void)state;
	sim_start(&sim, 1);
	assert_true(sim_until(&sim, W, WH_WAN_UP, SECOND));
	wh_model_hand(&sim.model, W, WH_HAND_DOWN, "maintenance", sim.now_ns);
	assert_int_equal(w->state, WH_WAN_FORCED_DOWN);
	assert_string_equal(last_change(&sim)->cause, "hand");
	assert_string_equal(w->reason, "by hand: maintenance");
	sim.n_changes = 0;
	wh_model_hand(&sim.model, W, WH_HAND_DOWN, "again", sim.now_ns);
	assert_int_equal(sim.n_changes, 0);
	/* probing goes on, and shows when the hand lets go */
	sim.lines[W].dead = true;
	sim_run(&sim, 5 * SECOND);
	assert_int_equal(w->judged, WH_WAN_DOWN);
	assert_int_equal(w->state, WH_WAN_FORCED_DOWN);
	assert_int_equal(sim.n_changes, 0);
	wh_model_hand(&sim.model, W, WH_HAND_UP, NULL, sim.now_ns);
	assert_int_equal(w->state, WH_WAN_FORCED_UP);
	assert_string_equal(w->reason, "by hand");
	wh_model_hand(&sim.model, W, WH_HAND_AUTO, NULL, sim.now_ns);
	assert_int_equal(w->state, WH_WAN_DOWN);
	assert_string_equal(last_change(&sim)->cause, "hand");
}

static void draining_ends_with_the_wan(void **state)
{
	struct wh_family_model *w = &sim.model.wans[W].of[WH_V4];

	(void)state;
	sim_start(&sim, 1);
	assert_true(sim_until(&sim, W, WH_WAN_UP, SECOND));
	wh_model_hand(&sim.model, W, WH_HAND_DRAIN, NULL, sim.now_ns);
	assert_int_equal(w->state, WH_WAN_DRAINING);
	sim.n_changes = 0;
	sim.lines[W].dead = true;
	assert_true(sim_until(&sim, W, WH_WAN_DOWN, SECOND));
	assert_int_equal(sim.n_changes, 1); /* suspicion does not show */
	sim.lines[W].dead = false;
	assert_true(sim_until(&sim, W, WH_WAN_DRAINING, 3 * SECOND));
	wh_model_hand(&sim.model, W, WH_HAND_AUTO, NULL, sim.now_ns);
	assert_int_equal(w->state, WH_WAN_RECOVERING);
}

static void absent_beats_the_hand(void **state)
{
	static const enum wh_hand_verb verbs[] = {WH_HAND_DOWN, WH_HAND_UP, WH_HAND_DRAIN};
	static const enum wh_wan_state shown[] = {WH_WAN_FORCED_DOWN, WH_WAN_FORCED_UP, WH_WAN_DOWN};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct wh_family_model *w = sim_adopt(&sim, WH_WAN_UP);

		wh_model_hand(&sim.model, W, verbs[i], NULL, sim.now_ns);
		wh_model_usable(&sim.model, W, WH_V4, false, "carrier", sim.now_ns);
		assert_int_equal(w->state, WH_WAN_ABSENT);
		wh_model_hand(&sim.model, W, verbs[i], NULL, sim.now_ns);
		assert_int_equal(w->state, WH_WAN_ABSENT);
		wh_model_usable(&sim.model, W, WH_V4, true, "carrier", sim.now_ns);
		assert_int_equal(w->state, shown[i]); /* draining: when the probes find it well again */
		wh_model_hand(&sim.model, W, WH_HAND_AUTO, NULL, sim.now_ns);
		assert_int_equal(w->state, WH_WAN_DOWN);
	}
}

static void adoption_tells_nobody(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WH_WAN_STATE_COUNT; i++) {
		static const enum wh_hand_verb verbs[WH_WAN_STATE_COUNT] = {[WH_WAN_FORCED_DOWN] = WH_HAND_DOWN,
									    [WH_WAN_FORCED_UP] = WH_HAND_UP,
									    [WH_WAN_DRAINING] = WH_HAND_DRAIN};
		struct wh_family_model *w = sim_adopt(&sim, i);

		wh_model_hand(&sim.model, W, verbs[i], NULL, sim.now_ns);
		wh_model_usable(&sim.model, W, WH_V4, i != WH_WAN_ABSENT, "device", sim.now_ns);
		assert_int_equal(sim.n_changes, 0);
		assert_int_equal(w->state, i);
		/* it goes on from there */
		if (i == WH_WAN_ABSENT)
			wh_model_usable(&sim.model, W, WH_V4, true, NULL, sim.now_ns);
		sim_run(&sim, 40 * SECOND);
		assert_int_equal(w->judged, WH_WAN_UP);
	}
	/* one that failed while no controller ran is found out */
	sim_adopt(&sim, WH_WAN_UP);
	sim.lines[W].dead = true;
	assert_true(sim_until(&sim, W, WH_WAN_DOWN, 3 * SECOND));
}

static void starvation_is_not_held_against_a_wan(void **state)
{
	struct wh_family_model *w = &sim.model.wans[W].of[WH_V4];
	unsigned changes;

	(void)state;
	for (unsigned told = 0; told < 2; told++) {
		struct wh_signal *signal = &sim.lines[W].signal;

		sim_start(&sim, 1);
		sim.lines[W].rtt_ns = 100 * MS;
		sim_run(&sim, 5 * SECOND);
		changes = sim.n_changes;
		/* probes go out, and then nothing of us runs for 2 s: what was sent is unanswered at our next look */
		wh_health_burst(&w->health, sim.now_ns);
		sim_run(&sim, 50 * MS);
		wh_health_calm(&w->health);
		memset(sim.replies, 0, sizeof(sim.replies));
		signal->sent_ns = sim.now_ns;
		signal->heard_ns = sim.now_ns - 20 * MS;
		sim.now_ns += 2 * SECOND;
		if (told)
			wh_model_starved(&sim.model, 2 * SECOND, sim.now_ns);
		sim_run(&sim, 5 * SECOND);
		/* untold, it is taken for a sign: this test would notice if starvation did nothing */
		assert_int_equal(sim.n_changes > changes, !told);
	}
	/* a little late is nothing */
	sim_start(&sim, 1);
	sim_run(&sim, 100 * MS);
	sim.lines[W].dead = true;
	for (unsigned i = 0; i < 100; i++) {
		sim_run(&sim, 10 * MS);
		wh_model_starved(&sim.model, WH_STARVED_NS - 1, sim.now_ns);
	}
	assert_int_equal(w->state, WH_WAN_DOWN);
}

/* Every answer comes after its time: doubtful, and then the timeouts have learnt. */
static void a_way_that_grows_slow(void **state)
{
	struct wh_family_model *w = &sim.model.wans[W].of[WH_V4];

	(void)state;
	sim_start(&sim, 1);
	sim_run(&sim, 5 * SECOND);
	sim.lines[W].rtt_ns = 320 * MS;
	sim.n_changes = 0;
	sim_run(&sim, 20 * SECOND);
	assert_in_range(sim.n_changes, 2, 20);
	for (unsigned i = 0; i < sim.n_changes; i++)
		assert_int_not_equal(sim.changes[i].change.to, WH_WAN_DOWN);
	assert_int_equal(w->state, WH_WAN_UP);
	sim.n_changes = 0;
	sim_run(&sim, 60 * SECOND);
	assert_int_equal(sim.n_changes, 0);
}

static void strange_results(void **state)
{
	struct wh_family_model *w = &sim.model.wans[W].of[WH_V4];

	(void)state;
	sim_start(&sim, 1);
	wh_model_result(&sim.model, W, 0, 12345, WH_PROBE_ANSWERED, MS, sim.now_ns); /* never given out */
	wh_model_result(&sim.model, W, 99, 0, WH_PROBE_ANSWERED, MS, sim.now_ns);
	wh_model_result(&sim.model, 5, 0, 0, WH_PROBE_ANSWERED, MS, sim.now_ns); /* no such WAN */
	wh_model_result(&sim.model, 99, 0, 0, WH_PROBE_ANSWERED, MS, sim.now_ns);
	wh_model_usable(&sim.model, 99, WH_V4, true, NULL, sim.now_ns);
	wh_model_hand(&sim.model, 99, WH_HAND_UP, NULL, sim.now_ns);
	wh_model_adopt(&sim.model, 99, WH_V4, WH_WAN_UP, sim.now_ns);
	assert_true(w->heard_ns == 0);
	assert_int_equal(w->state, WH_WAN_PENDING);
	/* numbers are the model's, not a WAN's: no two probes share one */
	sim_start(&sim, 3);
	sim_run(&sim, 3 * SECOND);
	assert_int_equal(sim.model.seq, sim.orders_sent);
}

static void orders_that_do_not_fit_are_due_at_once(void **state)
{
	struct wh_probe_order orders[5];
	unsigned n;

	(void)state;
	sim_start(&sim, 3); /* two targets each */
	assert_true(wh_model_tick(&sim.model, sim.now_ns, orders, 5, &n) == sim.now_ns);
	assert_int_equal(n, 4);
	assert_int_equal(orders[3].wan, 1);
	wh_model_tick(&sim.model, sim.now_ns, orders, 5, &n);
	assert_int_equal(n, 2);
	assert_int_equal(orders[0].wan, 2);
}

static void reload_keeps_what_stays(void **state)
{
	static struct wh_config config;
	unsigned number_of[WH_MAX_WANS] = {0, 2};

	(void)state;
	sim_start(&sim, 3);
	sim_run(&sim, SECOND);
	wh_model_hand(&sim.model, 0, WH_HAND_DRAIN, NULL, sim.now_ns);
	sim.n_changes = 0;
	/* number 0 keeps its WAN, number 2 gets a new one, number 1 is free */
	config = sim.config;
	config.n_wans = 2;
	snprintf(config.wans[0].name, sizeof(config.wans[0].name), "%s", sim.model.wans[0].name);
	snprintf(config.wans[1].name, sizeof(config.wans[1].name), "new");
	wh_model_configure(&sim.model, &config, number_of, sim.now_ns);
	assert_int_equal(sim.n_changes, 0);
	assert_int_equal(sim.model.wans[0].of[WH_V4].state, WH_WAN_DRAINING);
	assert_int_equal(sim.model.wans[0].of[WH_V4].judged, WH_WAN_UP);
	assert_int_equal(sim.model.wans[2].of[WH_V4].state, WH_WAN_ABSENT);
	assert_false(sim.model.wans[1].configured);
	sim_run(&sim, SECOND);
	assert_int_equal(sim.n_changes, 0);
	/* disabled: absent, and no device brings it back */
	config.wans[0].enabled = false;
	wh_model_configure(&sim.model, &config, number_of, sim.now_ns);
	wh_model_usable(&sim.model, 0, WH_V4, true, NULL, sim.now_ns);
	assert_int_equal(sim.model.wans[0].of[WH_V4].state, WH_WAN_ABSENT);
	assert_string_equal(sim.model.wans[0].of[WH_V4].reason, "disabled");
}

static void no_targets_means_up(void **state)
{
	(void)state;
	sim_init(&sim, 1);
	sim.config.profiles[0].n_targets = 0;
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	wh_model_usable(&sim.model, W, WH_V4, true, NULL, sim.now_ns);
	sim.lines[W].dead = true;
	sim.lines[W].user_every_ns = 10 * MS;
	sim_run(&sim, 5 * SECOND);
	assert_int_equal(sim.model.wans[W].of[WH_V4].state, WH_WAN_UP);
	assert_int_equal(sim.orders_sent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hold_is_kept),
		cmocka_unit_test(absent_comes_and_goes),
		cmocka_unit_test(the_hand),
		cmocka_unit_test(draining_ends_with_the_wan),
		cmocka_unit_test(absent_beats_the_hand),
		cmocka_unit_test(adoption_tells_nobody),
		cmocka_unit_test(starvation_is_not_held_against_a_wan),
		cmocka_unit_test(a_way_that_grows_slow),
		cmocka_unit_test(strange_results),
		cmocka_unit_test(orders_that_do_not_fit_are_due_at_once),
		cmocka_unit_test(reload_keeps_what_stays),
		cmocka_unit_test(no_targets_means_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
