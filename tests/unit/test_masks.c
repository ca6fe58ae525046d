/* SPDX-License-Identifier: GPL-2.0 */
/* test_masks.c: which masks follow from the states. */
#include "model_fixture.h"

static struct sim sim;
static struct wh_wanted wanted;

/* WAN numbers 0…n-1 in the given states, in one class with a tier each; the highest number is the first choice. */
static void states(unsigned n, const enum wh_wan_state *list)
{
	sim_init(&sim, n);
	for (unsigned i = 0; i < n; i++) {
		wh_model_adopt(&sim.model, i, WH_V4, list[i], sim.now_ns);
		sim.model.wans[i].of[WH_V4].heard_ns = START - i * SECOND;
	}
	wh_model_wanted(&sim.model, &wanted);
}

#define STATES(...)                                                                                                    \
	states(sizeof((enum wh_wan_state[]){__VA_ARGS__}) / sizeof(enum wh_wan_state),                                 \
	       (enum wh_wan_state[]){__VA_ARGS__})

static void expect(unsigned alive, unsigned keep, unsigned fresh)
{
	assert_int_equal(wanted.alive.word, alive);
	assert_int_equal(wanted.alive.alive4, alive);
	assert_int_equal(wanted.masks[0].keep4, keep);
	assert_int_equal(wanted.masks[0].fresh4, fresh);
	assert_int_equal(wanted.masks[0].keep6 | wanted.masks[0].fresh6, 0);
	assert_int_equal(wanted.masks[1].word, 0);
}

/* Beside a WAN that is up (number 1), so that no last resort is needed. */
static void each_state(void **state)
{
	static const struct {
		bool alive, fresh;
	} table[WH_WAN_STATE_COUNT] = {
		[WH_WAN_UP] = {true, true},	     [WH_WAN_SUSPECT] = {true, true},
		[WH_WAN_FORCED_UP] = {true, true},   [WH_WAN_DRAINING] = {true, false},
		[WH_WAN_RECOVERING] = {true, false},
	};

	(void)state;
	for (unsigned i = 0; i < WH_WAN_STATE_COUNT; i++) {
		STATES((enum wh_wan_state)i, WH_WAN_UP);
		expect(2 | table[i].alive, 2 | table[i].alive, 2 | table[i].fresh);
	}
}

static void recovering_steps_in(void **state)
{
	(void)state;
	STATES(WH_WAN_RECOVERING, WH_WAN_DOWN, WH_WAN_RECOVERING);
	expect(5, 5, 5);
	STATES(WH_WAN_RECOVERING, WH_WAN_DRAINING, WH_WAN_FORCED_DOWN);
	expect(3, 3, 1);
}

static void last_resort(void **state)
{
	(void)state;
	/* the one last heard from: number 0 */
	STATES(WH_WAN_DOWN, WH_WAN_DOWN, WH_WAN_PENDING);
	expect(0, 0, 1);
	/* not the absent, not what the hand took away, not what drains */
	STATES(WH_WAN_ABSENT, WH_WAN_FORCED_DOWN, WH_WAN_DOWN, WH_WAN_DOWN);
	expect(0, 0, 4);
	STATES(WH_WAN_DRAINING, WH_WAN_DOWN);
	expect(1, 1, 2);
	STATES(WH_WAN_ABSENT, WH_WAN_FORCED_DOWN);
	expect(0, 0, 0);
	/* a tie: the first tier, which is the highest number */
	STATES(WH_WAN_DOWN, WH_WAN_DOWN, WH_WAN_DOWN);
	for (unsigned i = 0; i < 3; i++)
		sim.model.wans[i].of[WH_V4].heard_ns = START;
	wh_model_wanted(&sim.model, &wanted);
	expect(0, 0, 4);
	/* one that drained until it died takes nothing new */
	wh_model_hand(&sim.model, 2, WH_HAND_DRAIN, NULL, START);
	assert_int_equal(sim.model.wans[2].of[WH_V4].state, WH_WAN_DOWN);
	wh_model_wanted(&sim.model, &wanted);
	expect(0, 0, 2);
}

/* A class knows only the WANs of its own tiers, and needs its own last resort. */
static void classes_see_their_own(void **state)
{
	struct wh_conf_class *own;

	(void)state;
	STATES(WH_WAN_DOWN, WH_WAN_RECOVERING, WH_WAN_UP);
	own = &sim.config.classes[0];
	sim.config.classes[1] = *own; /* wan2 and wan1 are numbers 0 and 1 */
	sim.config.n_classes = 3;
	own->n_tiers = 1;
	own->tiers[0].members[0].wan = 2;
	sim.config.classes[2] = *own;
	sim.config.classes[2].tiers[0].members[1].wan = 1;
	sim.config.classes[2].tiers[0].n_members = 2;
	wh_model_wanted(&sim.model, &wanted);
	assert_int_equal(wanted.alive.alive4, 6);
	assert_int_equal(wanted.masks[0].keep4, 0);
	assert_int_equal(wanted.masks[0].fresh4, 1);
	assert_int_equal(wanted.masks[1].keep4, 6);
	assert_int_equal(wanted.masks[1].fresh4, 4);
	assert_int_equal(wanted.masks[2].keep4, 2);
	assert_int_equal(wanted.masks[2].fresh4, 2);
}

/* The whole way: the first WAN dies, the second carries on, both die, one comes back. */
static void a_failover(void **state)
{
	(void)state;
	sim_start(&sim, 2);
	sim_run(&sim, SECOND);
	wh_model_wanted(&sim.model, &wanted);
	expect(3, 3, 3);
	sim.lines[1].dead = true;
	assert_true(sim_until(&sim, 1, WH_WAN_DOWN, SECOND));
	wh_model_wanted(&sim.model, &wanted);
	expect(1, 1, 1);
	sim_run(&sim, SECOND);
	sim.lines[0].dead = true;
	assert_true(sim_until(&sim, 0, WH_WAN_DOWN, SECOND));
	wh_model_wanted(&sim.model, &wanted);
	expect(0, 0, 1); /* last heard from */
	sim.lines[1].dead = false;
	assert_true(sim_until(&sim, 1, WH_WAN_RECOVERING, 5 * SECOND));
	wh_model_wanted(&sim.model, &wanted);
	expect(2, 2, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state),  cmocka_unit_test(recovering_steps_in),
		cmocka_unit_test(last_resort), cmocka_unit_test(classes_see_their_own),
		cmocka_unit_test(a_failover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
