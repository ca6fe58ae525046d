/* SPDX-License-Identifier: GPL-2.0 */
/* test_states.c: the state machine of a WAN: each arrow of its table, and what is told of it. */
#include "model/states.h"
#include "model_fixture.h"

#define W 0 /* the WAN under test */

static struct sim sim;

enum event { GOOD, TEN_GOOD, BAD, BAD_QUIET, THREE_BAD_HEARD, THREE_BAD, LATE, SILENCE, HOLD, GONE, EVENTS };

static void verdicts(enum wh_verdict_kind kind, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		wh_states_verdict(&sim.model, W, WH_V4, (struct wh_verdict){kind, sim.now_ns - 200 * MS}, sim.now_ns);
}

static void happen(enum event event)
{
	struct wh_family_model *w = &sim.model.wans[W].of[WH_V4];

	sim.now_ns += SECOND;
	w->heard_ns = sim.now_ns - (event == THREE_BAD_HEARD ? 249 : 250) * MS;
	switch (event) {
	case GOOD:
	case TEN_GOOD:
		verdicts(WH_VERDICT_GOOD, event == GOOD ? 1 : 10);
		break;
	case BAD:
	case BAD_QUIET:
	case THREE_BAD:
	case THREE_BAD_HEARD:
		verdicts(WH_VERDICT_BAD, event == BAD ? 1 : event == BAD_QUIET ? 2 : 3);
		break;
	case LATE:
		verdicts(WH_VERDICT_LATE, 1);
		break;
	case SILENCE:
		w->silence.since_ns = sim.now_ns - 50 * MS;
		wh_states_silent(&sim.model, W, WH_V4, sim.now_ns);
		break;
	case HOLD:
		sim.now_ns += 29 * SECOND;
		wh_states_pass(&sim.model, W, WH_V4, sim.now_ns);
		break;
	case GONE:
		wh_model_usable(&sim.model, W, WH_V4, false, "carrier", sim.now_ns);
		break;
	default:
		fail();
	}
}

static void each_arrow(void **state)
{
#define A WH_WAN_ABSENT
#define P WH_WAN_PENDING
#define U WH_WAN_UP
#define S WH_WAN_SUSPECT
#define D WH_WAN_DOWN
#define R WH_WAN_RECOVERING
	static const struct {
		enum wh_wan_state from, to[EVENTS];
	} table[] = {
		/*    GOOD TEN BAD 2BAD HEARD 3BAD LATE SILENT HOLD GONE */
		{P, {U, U, P, P, P, D, P, P, P, A}}, {U, {U, U, S, S, S, D, U, S, U, A}},
		{S, {U, U, S, S, S, D, S, S, S, A}}, {D, {D, R, D, D, D, D, D, D, D, A}},
		{R, {R, R, R, R, R, D, R, R, U, A}},
	};
#undef A
#undef P
#undef U
#undef S
#undef D
#undef R
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned e = 0; e < EVENTS; e++) {
			struct wh_family_model *w = sim_adopt(&sim, table[i].from);

			happen(e);
			if (w->state != table[i].to[e])
				fail_msg("from %d by event %u: %d, not %d", (int)table[i].from, e, (int)w->state,
					 (int)table[i].to[e]);
			assert_int_equal(w->judged, w->state);
			if (w->state == table[i].from) {
				assert_int_equal(sim.n_changes, 0);
				continue;
			}
			assert_int_equal(last_change(&sim)->change.to, w->state);
			assert_true(w->since_ns == sim.now_ns);
			assert_string_equal(w->reason, last_change(&sim)->evidence);
		}
	}
}

static void causes_and_evidence(void **state)
{
	(void)state;
	sim_adopt(&sim, WH_WAN_UP);
	happen(THREE_BAD);
	assert_int_equal(sim.n_changes, 2);
	assert_string_equal(sim.changes[0].cause, "probes");
	assert_string_equal(sim.changes[0].evidence, "1 bad round, nothing heard for 250 ms, 0 of 2 targets answer");
	assert_string_equal(sim.changes[1].cause, "probes");
	assert_string_equal(sim.changes[1].evidence, "3 bad rounds, nothing heard for 250 ms, 0 of 2 targets answer");
	assert_true(sim.changes[1].change.since_ns == sim.now_ns - 200 * MS); /* when the first bad round was sent */
	assert_int_equal(sim.changes[1].change.from, WH_WAN_SUSPECT);
	happen(TEN_GOOD);
	assert_string_equal(last_change(&sim)->cause, "recovered");
	happen(HOLD);
	assert_string_equal(last_change(&sim)->cause, "hold");
	happen(SILENCE);
	assert_string_equal(last_change(&sim)->cause, "silence");
	assert_string_equal(last_change(&sim)->evidence, "packets were sent and nothing was heard for 50 ms");
	assert_true(last_change(&sim)->change.since_ns == sim.now_ns - 50 * MS);
	happen(GONE);
	assert_string_equal(last_change(&sim)->cause, "carrier");
	assert_string_equal(last_change(&sim)->evidence, "no carrier");
}

static void good_rounds_must_be_in_a_row(void **state)
{
	struct wh_family_model *w;

	(void)state;
	w = sim_adopt(&sim, WH_WAN_DOWN);
	verdicts(WH_VERDICT_GOOD, 9);
	verdicts(WH_VERDICT_BAD, 1);
	verdicts(WH_VERDICT_GOOD, 9);
	assert_int_equal(w->state, WH_WAN_DOWN);
	verdicts(WH_VERDICT_GOOD, 1);
	assert_int_equal(w->state, WH_WAN_RECOVERING);
	/* and bad ones: a good one or a late answer begins the count anew */
	w = sim_adopt(&sim, WH_WAN_PENDING);
	sim.now_ns += SECOND;
	verdicts(WH_VERDICT_BAD, 2);
	verdicts(WH_VERDICT_LATE, 1);
	verdicts(WH_VERDICT_BAD, 2);
	assert_int_equal(w->state, WH_WAN_PENDING);
	verdicts(WH_VERDICT_BAD, 1);
	assert_int_equal(w->state, WH_WAN_DOWN);
}

/* Enough bad rounds while users' traffic is heard: down as soon as 250 ms have been quiet, and told in time. */
static void down_waits_for_quiet(void **state)
{
	struct wh_family_model *w;

	(void)state;
	w = sim_adopt(&sim, WH_WAN_UP);
	happen(THREE_BAD_HEARD);
	assert_true(wh_states_next(&sim.model, W, WH_V4, sim.now_ns) == sim.now_ns + MS);
	wh_states_pass(&sim.model, W, WH_V4, sim.now_ns + MS - 1);
	assert_int_equal(w->state, WH_WAN_SUSPECT);
	wh_states_pass(&sim.model, W, WH_V4, sim.now_ns + MS);
	assert_int_equal(w->state, WH_WAN_DOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_arrow),
		cmocka_unit_test(causes_and_evidence),
		cmocka_unit_test(good_rounds_must_be_in_a_row),
		cmocka_unit_test(down_waits_for_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
