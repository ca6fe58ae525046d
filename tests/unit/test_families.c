/* SPDX-License-Identifier: GPL-2.0 */
/* test_families.c: the two address families of a WAN: what they share, and that it is nothing else. */
#include "health_fixture.h"

#define W 0 /* the WAN under test */

/* --- the states ------------------------------------------------------------------------------------------- */

static struct sim sim;
static struct wh_wanted wanted;

static unsigned changes_of(enum wh_family family)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sim.n_changes; i++)
		n += sim.changes[i].change.family == family;
	return n;
}

static void expect_masks(unsigned v4, unsigned v6)
{
	wh_model_wanted(&sim.model, &wanted);
	assert_int_equal(wanted.alive.alive4, v4);
	assert_int_equal(wanted.masks[0].keep4, v4);
	assert_int_equal(wanted.masks[0].fresh4, v4);
	assert_int_equal(wanted.alive.alive6, v6);
	assert_int_equal(wanted.masks[0].keep6, v6);
	assert_int_equal(wanted.masks[0].fresh6, v6);
}

static void one_dies_the_other_stays(void **state)
{
	(void)state;
	for (unsigned dying = 0; dying < WH_FAMILIES; dying++) {
		enum wh_family living = dying == WH_V4 ? WH_V6 : WH_V4;

		sim_start_both(&sim, 2);
		for (unsigned w = 0; w < 2; w++)
			sim.lines[w].user_every_ns = sim.lines6[w].user_every_ns = 5 * MS;
		sim_run(&sim, SECOND);
		expect_masks(3, 3);
		sim.n_changes = 0;
		line_of(&sim, W, dying)->dead = true;
		assert_true(sim_until_in(&sim, W, dying, WH_WAN_DOWN, SECOND));
		assert_int_equal(last_change(&sim)->change.family, dying);
		sim_run(&sim, 5 * SECOND);
		assert_int_equal(changes_of(living), 0);
		assert_int_equal(family_of(&sim, W, living)->state, WH_WAN_UP);
		expect_masks(dying == WH_V4 ? 2 : 3, dying == WH_V6 ? 2 : 3);
		assert_int_equal(wh_wan_shown(&sim.model.wans[W]), WH_WAN_UP);
		assert_int_equal(wh_wan_shown_family(&sim.model.wans[W]), living);
		assert_true(family_of(&sim, W, dying)->heard_ns + 5 * SECOND < family_of(&sim, W, living)->heard_ns);
		line_of(&sim, W, dying)->dead = false;
		assert_true(sim_until_in(&sim, W, dying, WH_WAN_RECOVERING, 5 * SECOND));
	}
}

/* The last resort of a family is the one that was last heard from in that family. */
static void last_resort_by_family(void **state)
{
	(void)state;
	sim_start_both(&sim, 2);
	for (unsigned w = 0; w < 2; w++) {
		family_of(&sim, w, WH_V4)->heard_ns = START + w;
		family_of(&sim, w, WH_V6)->heard_ns = START - w;
	}
	wh_model_wanted(&sim.model, &wanted);
	assert_int_equal(wanted.masks[0].fresh4, 2);
	assert_int_equal(wanted.masks[0].fresh6, 1);
	assert_true(wanted.alive.word == 0);
}

static void absent_is_no_news(void **state)
{
	struct wh_family_model *v6 = family_of(&sim, W, WH_V6);

	(void)state;
	sim_start(&sim, 1);
	wh_model_usable(&sim.model, W, WH_V6, false, "address", sim.now_ns);
	sim_run(&sim, SECOND);
	wh_model_hand(&sim.model, W, WH_HAND_DRAIN, NULL, sim.now_ns);
	assert_string_equal(v6->reason, "no address"); /* not the hand */
	wh_model_hand(&sim.model, W, WH_HAND_AUTO, NULL, sim.now_ns);
	wh_model_usable(&sim.model, W, WH_V6, false, "address", sim.now_ns);
	assert_int_equal(changes_of(WH_V6), 0);
	assert_int_equal(v6->state, WH_WAN_ABSENT);
	assert_string_equal(v6->reason, "no address");
	assert_int_equal(wh_wan_shown(&sim.model.wans[W]), WH_WAN_UP);
	expect_masks(1, 0);
	/* it comes and goes, and IPv4 does not mind */
	sim.n_changes = 0;
	add_target(&sim.config.profiles[0], WH_V6, WH_PROBE_TCP);
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	wh_model_usable(&sim.model, W, WH_V6, true, NULL, sim.now_ns);
	assert_int_equal(v6->state, WH_WAN_PENDING);
	assert_true(sim_until_in(&sim, W, WH_V6, WH_WAN_UP, SECOND));
	expect_masks(1, 1);
	wh_model_usable(&sim.model, W, WH_V6, false, "address", sim.now_ns);
	assert_int_equal(v6->state, WH_WAN_ABSENT);
	expect_masks(1, 0);
	assert_int_equal(changes_of(WH_V4), 0);
	assert_int_equal(changes_of(WH_V6), 3);
}

static void without_targets_it_is_up(void **state)
{
	struct wh_family_model *v6 = family_of(&sim, W, WH_V6);

	(void)state;
	sim_start(&sim, 1);
	sim.n_changes = 0;
	sim.lines6[W].dead = true;
	sim.lines6[W].user_every_ns = 10 * MS;
	for (unsigned i = 0; i < 2; i++) {
		wh_model_usable(&sim.model, W, WH_V6, true, "address", sim.now_ns);
		assert_int_equal(v6->state, WH_WAN_UP);
		assert_string_equal(v6->reason, "usable, no targets to probe");
		assert_string_equal(last_change(&sim)->cause, i ? "address" : "start");
		sim_run(&sim, 5 * SECOND);
		assert_int_equal(v6->state, WH_WAN_UP);
		wh_model_usable(&sim.model, W, WH_V6, false, "address", sim.now_ns);
		assert_int_equal(v6->state, WH_WAN_ABSENT);
	}
	assert_int_equal(changes_of(WH_V6), 4);
	for (unsigned i = 0; i < WH_MAX_TARGETS; i++)
		assert_int_equal(v6->health.targets[i].last, WH_TARGET_UNKNOWN);
	assert_true(v6->heard_ns == 0); /* IPv4's answers are not its own */
}

/* A reload takes a family's last target away while it is in doubt, dead or on its way back. */
static void last_target_is_taken_away(void **state)
{
	static const enum wh_wan_state from[] = {WH_WAN_PENDING, WH_WAN_SUSPECT, WH_WAN_DOWN, WH_WAN_RECOVERING};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		sim_adopt(&sim, from[i]);
		sim.lines[W].dead = true;
		sim_run(&sim, 20 * MS);
		family_of(&sim, W, WH_V4)->bad_rounds = 1;
		sim.config.profiles[0].n_targets = 0;
		wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
		sim_run(&sim, 2 * SECOND);
		assert_int_equal(family_of(&sim, W, WH_V4)->state, WH_WAN_UP);
		assert_int_equal(sim.n_changes, 1);
		assert_int_equal(family_of(&sim, W, WH_V4)->bad_rounds, 0);
	}
}

/* All WANs die in one family: there is nowhere to go in that one, whatever the other can do. */
static uint8_t alive_at_first_death;

static void note_alive(void *arg, const struct wh_change *change)
{
	record(arg, change);
	if (change->to != WH_WAN_DOWN || alive_at_first_death != 0xff)
		return;
	wh_model_wanted(&sim.model, &wanted);
	alive_at_first_death = wanted.alive.alive6;
	assert_int_equal(wanted.alive.alive4, 3);
}

static void dying_together_in_one_family(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		sim_start_both(&sim, 2);
		sim.model.on_change = note_alive;
		sim.model.random = i + 1;
		alive_at_first_death = 0xff;
		sim.lines6[1].user_every_ns = 5 * MS;
		sim_run(&sim, SECOND + i * 7 * MS);
		sim.lines6[0].dead = sim.lines6[1].dead = true;
		assert_true(sim_until_in(&sim, 0, WH_V6, WH_WAN_DOWN, SECOND));
		assert_true(sim_until_in(&sim, 1, WH_V6, WH_WAN_DOWN, SECOND));
		assert_int_equal(alive_at_first_death, 0);
	}
}

/* Who is told of the first change finds both made. */
static void note_both(void *arg, const struct wh_change *change)
{
	record(arg, change);
	assert_int_equal(family_of(&sim, W, WH_V4)->state, change->to);
	assert_int_equal(family_of(&sim, W, WH_V6)->state, change->to);
}

static void the_hand_holds_both(void **state)
{
	static const enum wh_hand_verb verbs[] = {WH_HAND_DOWN, WH_HAND_UP, WH_HAND_DRAIN, WH_HAND_AUTO};
	static const enum wh_wan_state shown[] = {WH_WAN_FORCED_DOWN, WH_WAN_FORCED_UP, WH_WAN_DRAINING, WH_WAN_UP};

	(void)state;
	sim_start_both(&sim, 1);
	sim_run(&sim, SECOND);
	sim.model.on_change = note_both;
	for (unsigned i = 0; i < 4; i++) {
		sim.n_changes = 0;
		wh_model_hand(&sim.model, W, verbs[i], "test", sim.now_ns);
		assert_int_equal(changes_of(WH_V4), 1);
		assert_int_equal(changes_of(WH_V6), 1);
		assert_int_equal(wh_wan_shown(&sim.model.wans[W]), shown[i]);
		assert_string_equal(family_of(&sim, W, WH_V6)->reason, "by hand: test");
	}
}

static void adopted_by_family(void **state)
{
	(void)state;
	sim_init(&sim, 1);
	add_target(&sim.config.profiles[0], WH_V6, WH_PROBE_ICMP);
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	wh_model_adopt(&sim.model, W, WH_V4, WH_WAN_UP, sim.now_ns);
	wh_model_adopt(&sim.model, W, WH_V6, WH_WAN_DOWN, sim.now_ns);
	sim_run(&sim, SECOND);
	assert_int_equal(sim.n_changes, 0);
	assert_int_equal(family_of(&sim, W, WH_V6)->state, WH_WAN_DOWN);
	assert_true(sim_until_in(&sim, W, WH_V6, WH_WAN_RECOVERING, 3 * SECOND));
	assert_int_equal(changes_of(WH_V4), 0);
	/* there are two */
	wh_model_adopt(&sim.model, W, WH_FAMILIES, WH_WAN_DOWN, sim.now_ns);
	wh_model_usable(&sim.model, W, WH_FAMILIES, false, "address", sim.now_ns);
	wh_model_signal(&sim.model, W, WH_FAMILIES, &sim.lines[W].signal, sim.now_ns);
	wh_model_result(&sim.model, W, WH_MAX_TARGETS, 0, WH_PROBE_ANSWERED, MS, sim.now_ns);
	wh_model_result(&sim.model, W, UINT32_MAX, 0, WH_PROBE_ANSWERED, MS, sim.now_ns);
}

static void starved_in_both(void **state)
{
	(void)state;
	sim_start_both(&sim, 1);
	sim_run(&sim, SECOND);
	sim.lines[W].dead = sim.lines6[W].dead = true;
	sim_run(&sim, 300 * MS);
	wh_model_starved(&sim.model, SECOND, sim.now_ns);
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		assert_true(family_of(&sim, W, family)->watched_ns == sim.now_ns);
		for (unsigned i = 0; i < WH_ROUNDS; i++)
			assert_int_equal(family_of(&sim, W, family)->health.rounds[i].open, 0);
	}
}

static void the_better_is_shown(void **state)
{
	static const struct {
		enum wh_wan_state v4, v6, shown;
	} table[] = {
		{WH_WAN_UP, WH_WAN_DOWN, WH_WAN_UP},
		{WH_WAN_ABSENT, WH_WAN_UP, WH_WAN_UP},
		{WH_WAN_SUSPECT, WH_WAN_UP, WH_WAN_UP},
		{WH_WAN_RECOVERING, WH_WAN_SUSPECT, WH_WAN_SUSPECT},
		{WH_WAN_PENDING, WH_WAN_RECOVERING, WH_WAN_RECOVERING},
		{WH_WAN_DOWN, WH_WAN_DRAINING, WH_WAN_DRAINING},
		{WH_WAN_DOWN, WH_WAN_PENDING, WH_WAN_PENDING},
		{WH_WAN_DOWN, WH_WAN_ABSENT, WH_WAN_DOWN},
		{WH_WAN_ABSENT, WH_WAN_FORCED_DOWN, WH_WAN_FORCED_DOWN},
		{WH_WAN_FORCED_UP, WH_WAN_ABSENT, WH_WAN_FORCED_UP},
		{WH_WAN_ABSENT, WH_WAN_ABSENT, WH_WAN_ABSENT},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct wh_wan_model w = {.of = {{.state = table[i].v4}, {.state = table[i].v6}}};
		bool first = table[i].shown == table[i].v4;

		assert_int_equal(wh_wan_shown(&w), table[i].shown);
		assert_int_equal(wh_wan_shown_family(&w), first ? WH_V4 : WH_V6);
		assert_int_equal(wh_better_state(table[i].v6, table[i].v4), table[i].shown);
	}
	for (unsigned i = 0; i < WH_WAN_STATE_COUNT; i++)
		assert_int_equal(wh_better_state(i, i), i);
	/* a word that somebody else wrote */
	assert_int_equal(wh_better_state((enum wh_wan_state)200, WH_WAN_DOWN), WH_WAN_DOWN);
}

/* --- the probes ------------------------------------------------------------------------------------------- */

/* Probes of `family`, with three IPv4 targets (0, 1, 3) and one of IPv6 (2). */
static void start_probes(enum wh_family family, unsigned quorum)
{
	struct wh_conf_profile p = default_profile(2, 0);

	add_target(&p, WH_V6, WH_PROBE_ICMP);
	add_target(&p, WH_V4, WH_PROBE_TCP);
	p.quorum = quorum;
	start_health(&p, family);
}

static void a_family_has_its_own_targets(void **state)
{
	(void)state;
	start_probes(WH_V4, 2);
	assert_int_equal(wh_health_targets(&health), 3);
	assert_int_equal(send_at(START), 3);
	assert_int_equal(orders[2].target, 3);
	assert_int_equal(answer(0, orders[0].seq, MS, START + MS), WH_VERDICT_NONE);
	assert_int_equal(answer(3, orders[2].seq, MS, START + MS), WH_VERDICT_GOOD);
	/* it has one: that is all of them */
	start_probes(WH_V6, 2);
	assert_int_equal(wh_health_targets(&health), 1);
	assert_true(wh_health_next(&health) == START);
	assert_int_equal(send_at(START), 1);
	assert_int_equal(orders[0].target, 2);
	assert_int_equal(answer(2, orders[0].seq, MS, START + MS), WH_VERDICT_GOOD);
	assert_int_equal(send_at(START + SECOND), 1);
	assert_int_equal(expire(START + 2 * SECOND), WH_VERDICT_BAD);
	/* the other family's TCP target neither wakes us nor is in a burst */
	assert_true(wh_health_next(&health) == health.due_ns[WH_PROBE_ICMP]);
	health.due_ns[WH_PROBE_TCP] = START;
	assert_true(wh_health_next(&health) == health.due_ns[WH_PROBE_ICMP]);
	wh_health_burst(&health, START + 3 * SECOND);
	assert_int_equal(send_at(START + 3 * SECOND), 1);
}

static void the_other_family_may_change(void **state)
{
	struct wh_conf_profile p;

	(void)state;
	start_probes(WH_V4, 1);
	send_at(START);
	answer(0, orders[0].seq, MS, START + MS);
	p = health.profile;
	p.targets[2].addr.v6.s6_addr[3] ^= 1;
	wh_health_configure(&health, &p, WH_V4, START + MS);
	assert_int_equal(health.targets[0].last, WH_TARGET_OK);
	/* but one that changed sides counts */
	p.targets[2] = p.targets[0];
	wh_health_configure(&health, &p, WH_V4, START + MS);
	assert_int_equal(health.targets[0].last, WH_TARGET_UNKNOWN);
	assert_int_equal(wh_health_targets(&health), 4);
	/* and so does an IPv6 address of ours */
	start_probes(WH_V6, 1);
	send_at(START);
	answer(2, orders[0].seq, MS, START + MS);
	p = health.profile;
	wh_health_configure(&health, &p, WH_V6, START + MS);
	assert_int_equal(health.targets[2].last, WH_TARGET_OK);
	p.targets[2].addr.v6.s6_addr[15] ^= 1;
	wh_health_configure(&health, &p, WH_V6, START + MS);
	assert_int_equal(health.targets[2].last, WH_TARGET_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_dies_the_other_stays),
		cmocka_unit_test(last_resort_by_family),
		cmocka_unit_test(absent_is_no_news),
		cmocka_unit_test(without_targets_it_is_up),
		cmocka_unit_test(last_target_is_taken_away),
		cmocka_unit_test(dying_together_in_one_family),
		cmocka_unit_test(the_hand_holds_both),
		cmocka_unit_test(adopted_by_family),
		cmocka_unit_test(starved_in_both),
		cmocka_unit_test(the_better_is_shown),
		cmocka_unit_test(a_family_has_its_own_targets),
		cmocka_unit_test(the_other_family_may_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
