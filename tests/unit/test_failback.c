/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_failback.c: when a class goes back to a WAN that is fit again, by hold, mode, window and hand; which flows are to
 * follow; and on-failover's hold.  WANs are named by number; the class prefers 2, then 1, then 0, unless a test says
 * otherwise.
 */
#include "model/failback.h"
#include "model/standing.h"
#include "model_fixture.h"

#define WANS 3
#define BIT(wan) (1U << (wan))
#define ALL 7U
#define HOUR (3600 * SECOND)

static struct sim sim;
static struct wh_conf_class *class;
static struct wh_wanted wanted;

static struct {
	unsigned n;
	unsigned wan;
	char cause[32], evidence[96];
} told;

static void on_return(void *arg, const struct wh_class_change *change)
{
	(void)arg;
	told.n++;
	told.wan = change->wan;
	snprintf(told.cause, sizeof(told.cause), "%s", change->cause);
	snprintf(told.evidence, sizeof(told.evidence), "%s", change->evidence);
}

static void set_failback(struct wh_conf_failback failback)
{
	for (unsigned i = 0; i < WANS; i++)
		sim.config.wans[i].failback = failback;
}

static int begin(void **state)
{
	(void)state;
	sim_start(&sim, WANS);
	class = &sim.config.classes[0];
	memset(&told, 0, sizeof(told));
	sim.model.on_return = on_return;
	sim_run(&sim, 2 * SECOND);
	return 0;
}

static struct wh_conf_wan *conf_of(unsigned wan)
{
	return &sim.config.wans[WANS - 1 - wan];
}

static unsigned fresh(void)
{
	wh_model_wanted(&sim.model, &wanted);
	return wanted.masks[0].fresh4;
}

static enum wh_standing why(unsigned wan)
{
	struct wh_class_standing s;

	wh_standing_of(&sim.model, 0, WH_V4, &s);
	return s.why[wan];
}

static void die(unsigned wan)
{
	sim.lines[wan].dead = true;
	assert_true(sim_until(&sim, wan, WH_WAN_DOWN, 5 * SECOND));
}

static void heal(unsigned wan)
{
	uint64_t end_ns = sim.now_ns + 10 * SECOND;

	sim.lines[wan].dead = false;
	while (sim.model.wans[wan].of[WH_V4].state == WH_WAN_DOWN && sim.now_ns < end_ns)
		sim_step(&sim, end_ns);
	assert_int_not_equal(sim.model.wans[wan].of[WH_V4].state, WH_WAN_DOWN);
}

/* Down, and well again for longer than the usual hold. */
static void die_and_heal(unsigned wan)
{
	die(wan);
	heal(wan);
	assert_true(sim_until(&sim, wan, WH_WAN_UP, 40 * SECOND));
	sim_run(&sim, SECOND);
}

static void expect_told(unsigned n, unsigned wan, const char *cause)
{
	assert_int_equal(told.n, n);
	assert_int_equal(told.wan, wan);
	assert_string_equal(told.cause, cause);
}

/* --- hold ------------------------------------------------------------------------------------------------------- */

static void test_drain_goes_back_after_the_hold(void **state)
{
	(void)state;
	die(2);
	assert_int_equal(fresh(), 3);
	heal(2);
	sim_run(&sim, 29 * SECOND);
	assert_int_equal(fresh(), 3);
	assert_int_equal(told.n, 0);
	sim_run(&sim, 2 * SECOND);
	assert_int_equal(fresh(), ALL);
	expect_told(1, 2, "hold");
	assert_string_equal(told.evidence, "well for 30000 ms");
	assert_int_equal(wanted.masks[0].leave4, 0); /* who is elsewhere stays there */
}

static void test_hold_of_a_wan_of_its_own(void **state)
{
	(void)state;
	conf_of(2)->failback.hold_ns = 5 * SECOND;
	die(2);
	heal(2);
	assert_true(sim_until(&sim, 2, WH_WAN_UP, 6 * SECOND));
	assert_int_equal(fresh(), ALL);
}

static void test_longer_hold_of_a_class(void **state)
{
	(void)state;
	class->own_failback = true;
	class->failback = (struct wh_conf_failback){.hold_ns = 90 * SECOND};
	die_and_heal(2);
	assert_int_equal(fresh(), 3);
	assert_int_equal(why(2), WH_STANDING_HELD);
	assert_int_equal(why(1), WH_STANDING_FRESH);
	assert_int_equal(told.n, 0);
	sim_run(&sim, 60 * SECOND);
	assert_int_equal(fresh(), ALL);
	expect_told(1, 2, "hold");
}

static void test_shorter_hold_of_a_class(void **state)
{
	(void)state;
	class->own_failback = true;
	class->failback = (struct wh_conf_failback){.hold_ns = 5 * SECOND};
	die(2);
	heal(2);
	sim_run(&sim, 4 * SECOND);
	assert_int_equal(fresh(), 3);
	sim_run(&sim, 2 * SECOND);
	assert_int_equal(sim.model.wans[2].of[WH_V4].state, WH_WAN_RECOVERING);
	assert_int_equal(fresh(), ALL);
	expect_told(1, 2, "hold");
	sim_run(&sim, 40 * SECOND);
	assert_int_equal(told.n, 1);
	/* the next time anew */
	die(2);
	heal(2);
	assert_int_equal(fresh(), 3);
}

/* What is held serves where nothing else does, and is held on as soon as something does. */
static void test_held_with_nothing_else(void **state)
{
	(void)state;
	for (unsigned wan = 0; wan < WANS; wan++)
		die(wan);
	heal(2);
	assert_int_equal(fresh(), BIT(2));
	heal(1);
	assert_int_equal(fresh(), BIT(1) | BIT(2)); /* both recover */
	assert_int_equal(told.n, 0);
}

/* --- manual ----------------------------------------------------------------------------------------------------- */

static void begin_manual(void)
{
	set_failback((struct wh_conf_failback){.mode = WH_FAILBACK_MANUAL, .hold_ns = 30 * SECOND});
}

static void test_manual(void **state)
{
	char text[160];

	(void)state;
	begin_manual();
	die_and_heal(2);
	sim_run(&sim, HOUR);
	assert_int_equal(fresh(), 3);
	assert_int_equal(wanted.masks[0].keep4, ALL);
	assert_int_equal(wanted.back[0].waits4, BIT(2));
	assert_int_equal(why(2), WH_STANDING_WAITS);
	wh_standing_text(&sim.model, 0, 2, WH_V4, sim.now_ns, text, sizeof(text));
	assert_string_equal(text, "fit again, and waits to be taken back: `wanhelm failback wan0`");
	assert_int_equal(told.n, 0);
	assert_true(wh_model_failback(&sim.model, 2, sim.now_ns));
	assert_int_equal(fresh(), ALL);
	expect_told(1, 2, "hand");
	assert_false(wh_model_failback(&sim.model, 2, sim.now_ns));
	assert_int_equal(told.n, 1);
}

/* The hand does not wait for the hold either. */
static void test_failback_by_hand_in_the_hold(void **state)
{
	(void)state;
	die(2);
	assert_false(wh_model_failback(&sim.model, 2, sim.now_ns));
	assert_int_equal(fresh(), 3);
	heal(2);
	sim_run(&sim, SECOND);
	assert_true(wh_model_failback(&sim.model, 2, sim.now_ns));
	assert_int_equal(sim.model.wans[2].of[WH_V4].state, WH_WAN_UP);
	assert_int_equal(fresh(), ALL);
	expect_told(1, 2, "hand");
}

/* Any mode ends when a WAN in use fails, though another one is left. */
static void test_manual_ends_when_the_one_in_use_fails(void **state)
{
	(void)state;
	begin_manual();
	die_and_heal(2);
	sim_run(&sim, HOUR);
	assert_int_equal(fresh(), 3);
	sim.lines[1].dead = true;
	assert_true(sim_until(&sim, 1, WH_WAN_DOWN, 5 * SECOND));
	assert_int_equal(fresh(), BIT(2) | BIT(0)); /* at once, not with the next pass of time */
	expect_told(1, 2, "failover");
	assert_string_equal(told.evidence, "the WAN in use failed");
}

static void test_manual_with_nothing_else(void **state)
{
	(void)state;
	begin_manual();
	for (unsigned wan = 0; wan < WANS; wan++)
		die(wan);
	heal(2);
	assert_int_equal(fresh(), BIT(2));
	assert_true(sim_until(&sim, 2, WH_WAN_UP, 40 * SECOND));
	expect_told(1, 2, "failover");
	sim_run(&sim, HOUR);
	assert_int_equal(fresh(), BIT(2));
	heal(1);
	sim_run(&sim, HOUR);
	/* behind the one in use it need not wait: so a death finds it in the masks already */
	assert_int_equal(fresh(), BIT(2) | BIT(1));
}

/* A WAN that was never in use does not come back. */
static void test_first_start_is_no_return(void **state)
{
	(void)state;
	sim_init(&sim, WANS);
	sim.model.on_return = on_return;
	begin_manual();
	wh_model_usable(&sim.model, 0, WH_V4, true, NULL, sim.now_ns);
	wh_model_usable(&sim.model, 1, WH_V4, true, NULL, sim.now_ns);
	sim_run(&sim, 10 * SECOND);
	wh_model_usable(&sim.model, 2, WH_V4, true, NULL, sim.now_ns);
	sim_run(&sim, 10 * SECOND);
	assert_int_equal(fresh(), ALL);
	assert_int_equal(told.n, 0);
}

/* After the hand, quota and limits the mode holds too, and no hold. */
static void test_after_the_hand(void **state)
{
	(void)state;
	wh_model_hand(&sim.model, 2, WH_HAND_DOWN, NULL, sim.now_ns);
	wh_model_hand(&sim.model, 2, WH_HAND_AUTO, NULL, sim.now_ns);
	assert_int_equal(fresh(), ALL);
	expect_told(1, 2, "hand");
	begin_manual();
	wh_model_hand(&sim.model, 2, WH_HAND_DRAIN, NULL, sim.now_ns);
	assert_int_equal(fresh(), 3);
	wh_model_hand(&sim.model, 2, WH_HAND_AUTO, NULL, sim.now_ns);
	assert_int_equal(fresh(), 3);
	wh_model_hand(&sim.model, 2, WH_HAND_UP, NULL, sim.now_ns);
	assert_int_equal(fresh(), ALL);
	expect_told(2, 2, "hand");
}

static void test_after_quota(void **state)
{
	(void)state;
	begin_manual();
	wh_model_quota(&sim.model, 2, WH_QUOTA_AVOIDED);
	sim_run(&sim, SECOND);
	wh_model_quota(&sim.model, 2, WH_QUOTA_FREE);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), 3);
	set_failback((struct wh_conf_failback){.mode = WH_FAILBACK_DRAIN, .hold_ns = 30 * SECOND});
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), ALL);
	expect_told(1, 2, "quota");
}

static void test_after_limits(void **state)
{
	(void)state;
	class->sla.latency_ns = 50 * MS;
	sim.lines[2].rtt_ns = 120 * MS;
	sim_run(&sim, 20 * SECOND);
	assert_int_equal(fresh(), 3);
	begin_manual();
	sim.lines[2].rtt_ns = 10 * MS;
	sim_run(&sim, 90 * SECOND);
	assert_int_equal(fresh(), 3);
	assert_int_equal(why(2), WH_STANDING_WAITS);
	assert_true(wh_model_failback(&sim.model, 2, sim.now_ns));
	assert_int_equal(fresh(), ALL);
}

/* A pin is a hand's word, too. */
static void test_pin_takes_it_back(void **state)
{
	(void)state;
	begin_manual();
	die_and_heal(2);
	assert_int_equal(fresh(), 3);
	wh_model_pin(&sim.model, 0, 2);
	assert_int_equal(fresh(), BIT(2));
	sim_run(&sim, SECOND);
	wh_model_pin(&sim.model, 0, WH_WAN_NONE);
	assert_int_equal(fresh(), ALL);
}

static void test_mode_of_a_class(void **state)
{
	(void)state;
	sim.config.classes[1] = *class;
	sim.config.n_classes = 2;
	snprintf(sim.config.classes[1].name, WH_NAME_LEN, "voice");
	sim.config.classes[1].own_failback = true;
	sim.config.classes[1].failback = (struct wh_conf_failback){.mode = WH_FAILBACK_MANUAL};
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	die_and_heal(2);
	assert_int_equal(fresh(), ALL);
	assert_int_equal(wanted.masks[1].fresh4, 3);
	assert_true(wh_model_failback(&sim.model, 2, sim.now_ns));
	fresh();
	assert_int_equal(wanted.masks[1].fresh4, ALL);
}

static void test_adopted(void **state)
{
	(void)state;
	begin_manual();
	die_and_heal(2);
	fresh();
	assert_int_equal(wanted.back[0].waits4, BIT(2));
	memset(&sim.model, 0, sizeof(sim.model));
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	wh_model_adopt_waits(&sim.model, 0, wanted.back[0].waits4, wanted.back[0].waits6);
	for (unsigned wan = 0; wan < WANS; wan++)
		wh_model_adopt(&sim.model, wan, WH_V4, WH_WAN_UP, sim.now_ns - HOUR);
	assert_int_equal(fresh(), 3);
	sim_run(&sim, 10 * SECOND);
	assert_int_equal(fresh(), 3);
}

/* What recovers when the controller starts is not in use before its time. */
static void test_adopted_recovering(void **state)
{
	(void)state;
	sim_init(&sim, WANS);
	for (unsigned wan = 0; wan < WANS; wan++)
		wh_model_adopt(&sim.model, wan, WH_V4, wan == 2 ? WH_WAN_RECOVERING : WH_WAN_UP, sim.now_ns);
	assert_int_equal(fresh(), 3);
	sim_run(&sim, 10 * SECOND);
	assert_int_equal(fresh(), 3);
	sim_run(&sim, 25 * SECOND);
	assert_int_equal(fresh(), ALL);
}

/* A class that gets it while it recovers does not use it for having used it once. */
static void test_member_again_while_it_recovers(void **state)
{
	const struct wh_conf_class whole = *class;

	(void)state;
	die_and_heal(2);
	assert_int_equal(fresh(), ALL);
	class->n_tiers = 2;
	class->tiers[0] = whole.tiers[1];
	class->tiers[1] = whole.tiers[2];
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	assert_int_equal(fresh(), 3);
	die(2);
	heal(2);
	*class = whole;
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), 3);
}

/* The number's next WAN is another. */
static void test_number_of_another_wan(void **state)
{
	(void)state;
	begin_manual();
	die_and_heal(2);
	assert_int_equal(fresh(), 3);
	snprintf(conf_of(2)->name, WH_NAME_LEN, "another");
	wh_model_configure(&sim.model, &sim.config, sim.number_of, sim.now_ns);
	wh_model_usable(&sim.model, 2, WH_V4, true, NULL, sim.now_ns);
	sim_run(&sim, 10 * SECOND);
	assert_int_equal(fresh(), ALL);
}

/* --- window ----------------------------------------------------------------------------------------------------- */

#define DAY 1440U
#define AT(day, hour, minute) ((day)*DAY + (hour)*60U + (minute))

static struct wh_conf_failback windows(unsigned days, unsigned first, unsigned end)
{
	return (struct wh_conf_failback){
		.mode = WH_FAILBACK_WINDOW,
		.windows = {{.days = (uint8_t)days, .first_minute = (uint16_t)first, .end_minute = (uint16_t)end}},
		.n_windows = 1};
}

static void test_window_is_open(void **state)
{
	struct wh_conf_failback saturday = windows(1 << 6, 120, 240), nights = windows(0x41, 23 * 60, 25 * 60);

	(void)state;
	assert_false(wh_failback_is_open(&saturday, AT(6, 1, 59)));
	assert_true(wh_failback_is_open(&saturday, AT(6, 2, 0)));
	assert_true(wh_failback_is_open(&saturday, AT(6, 3, 59)));
	assert_false(wh_failback_is_open(&saturday, AT(6, 4, 0)));
	assert_false(wh_failback_is_open(&saturday, AT(5, 3, 0)));
	/* Saturday's and Sunday's, over midnight and over the week's end */
	assert_true(wh_failback_is_open(&nights, AT(6, 23, 30)));
	assert_true(wh_failback_is_open(&nights, AT(0, 0, 59)));
	assert_false(wh_failback_is_open(&nights, AT(0, 1, 0)));
	assert_true(wh_failback_is_open(&nights, AT(1, 0, 30)));
	assert_false(wh_failback_is_open(&nights, AT(2, 0, 30)));
	assert_false(wh_failback_is_open(&nights, WH_MINUTE_UNKNOWN));
	saturday.windows[1] = nights.windows[0];
	saturday.n_windows = 2;
	assert_true(wh_failback_is_open(&saturday, AT(0, 0, 30)));
}

static void test_window(void **state)
{
	char text[160];

	(void)state;
	set_failback(windows(1 << 6, 120, 240));
	wh_model_local_time(&sim.model, AT(5, 12, 0));
	die_and_heal(2);
	assert_int_equal(fresh(), 3);
	wh_standing_text(&sim.model, 0, 2, WH_V4, sim.now_ns, text, sizeof(text));
	assert_string_equal(text, "fit again, and waits to be taken back: `wanhelm failback wan0`, or its window");
	wh_model_local_time(&sim.model, WH_MINUTE_UNKNOWN);
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), 3);
	wh_model_local_time(&sim.model, AT(6, 2, 0));
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), ALL);
	expect_told(1, 2, "window");
	wh_model_local_time(&sim.model, AT(6, 4, 0)); /* it shuts behind */
	sim_run(&sim, SECOND);
	assert_int_equal(fresh(), ALL);
}

/* --- who follows ------------------------------------------------------------------------------------------------ */

static uint32_t second_of(uint64_t ns)
{
	return (uint32_t)(ns / SECOND);
}

static void test_move(void **state)
{
	uint32_t returned_s;

	(void)state;
	set_failback((struct wh_conf_failback){.mode = WH_FAILBACK_MOVE, .hold_ns = 30 * SECOND});
	die(2);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, 0);
	heal(2);
	assert_true(sim_until(&sim, 2, WH_WAN_UP, 40 * SECOND));
	returned_s = second_of(sim.now_ns);
	assert_int_equal(fresh(), ALL);
	assert_int_equal(wanted.masks[0].leave4, 3);
	assert_int_equal(wanted.masks[0].leave6, 0);
	assert_int_equal(wanted.masks[0].keep4, ALL);
	assert_int_equal(wanted.back[0].moved_s, returned_s + 1);
	for (unsigned wan = 0; wan < WANS; wan++)
		assert_int_equal(wanted.back[0].old_s[wan], 0);
	sim_run(&sim, 590 * SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, 3);
	assert_int_equal(wanted.back[0].moved_s, returned_s + 1);
	sim_run(&sim, 20 * SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, 0);
	assert_int_equal(wanted.back[0].moved_s, 0);
}

/* It fails again before all have moved: nobody is told to leave for it. */
static void test_move_ends_with_the_better_one(void **state)
{
	(void)state;
	set_failback((struct wh_conf_failback){.mode = WH_FAILBACK_MOVE});
	die_and_heal(2);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, 3);
	die(2);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, 0);
}

/* In one tier those that belong to the returned one leave: their bucket says which. What has come back later stays. */
static void test_move_within_a_tier(void **state)
{
	(void)state;
	set_failback((struct wh_conf_failback){.mode = WH_FAILBACK_MOVE});
	class->n_tiers = 2;
	class->tiers[0].members[1] = class->tiers[1].members[0];
	class->tiers[0].n_members = 2;
	class->tiers[1] = class->tiers[2];
	die(2);
	die(1);
	heal(1);
	sim_run(&sim, SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, BIT(0));
	heal(2);
	sim_run(&sim, SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, BIT(1) | BIT(0));
	assert_int_equal(sim.model.classes[0].back[WH_V4].behind, BIT(0));
}

/* A WAN behind the one in use comes back: nobody goes to it. */
static void test_no_move_to_what_is_behind(void **state)
{
	(void)state;
	set_failback((struct wh_conf_failback){.mode = WH_FAILBACK_MOVE});
	die_and_heal(1);
	assert_int_equal(fresh(), ALL);
	assert_int_equal(wanted.masks[0].leave4, 0);
}

static void test_max_age(void **state)
{
	uint32_t returned_s;

	(void)state;
	set_failback((struct wh_conf_failback){.hold_ns = 30 * SECOND, .max_age_metered_ns = 600 * SECOND});
	conf_of(0)->metered = true;
	die_and_heal(2);
	returned_s = second_of(sim.now_ns) - 1;
	fresh();
	assert_int_equal(wanted.masks[0].leave4, BIT(0)); /* the other one is not metered, and has no limit */
	assert_int_equal(wanted.back[0].moved_s, 0);
	assert_int_equal(wanted.back[0].old_s[1], 0);
	assert_int_equal(wanted.back[0].old_s[0], second_of(sim.now_ns) - 600);
	assert_int_equal(sim.model.classes[0].back[WH_V4].behind, BIT(0));
	sim_run(&sim, 300 * SECOND);
	fresh();
	assert_in_range(wanted.back[0].old_s[0], second_of(sim.now_ns) - 601, second_of(sim.now_ns) - 600);
	/* never beyond the return: what was born later is there for another reason */
	sim_run(&sim, 308 * SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, BIT(0));
	assert_in_range(wanted.back[0].old_s[0], returned_s, returned_s + 1);
	sim_run(&sim, 80 * SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].leave4, 0);
	assert_int_equal(wanted.back[0].old_s[0], 0);
}

/* --- on-failover's hold ----------------------------------------------------------------------------------------- */

static void test_hold_on_a_dead_wan(void **state)
{
	(void)state;
	class->hold_ns = 20 * SECOND;
	sim_run(&sim, SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].held4, ALL); /* beforehand, so that a death is one store */
	die(2);
	fresh();
	assert_int_equal(wanted.alive.alive4, 3);
	assert_int_equal(wanted.masks[0].fresh4, 3);
	assert_int_equal(wanted.masks[0].keep4, ALL);
	assert_int_equal(wanted.masks[0].held4, ALL);
	sim_run(&sim, 19 * SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].keep4, ALL);
	sim_run(&sim, 2 * SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].keep4, 3);
	assert_int_equal(wanted.masks[0].held4, 3);
	heal(2);
	sim_run(&sim, SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].keep4, ALL);
	assert_int_equal(wanted.masks[0].held4, ALL);
}

/* The line is gone altogether meanwhile: the wait began with the first loss. */
static void test_hold_through_absent(void **state)
{
	(void)state;
	class->hold_ns = 20 * SECOND;
	die(2);
	sim_run(&sim, 10 * SECOND);
	wh_model_usable(&sim.model, 2, WH_V4, false, "carrier", sim.now_ns);
	sim_run(&sim, 5 * SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].held4, ALL);
	sim_run(&sim, 6 * SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].held4, 3);
}

static void test_no_hold_no_wait(void **state)
{
	(void)state;
	sim_run(&sim, SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].held4, 0);
	class->hold_ns = 20 * SECOND;
	wh_model_quota(&sim.model, 2, WH_QUOTA_BLOCKED);
	sim_run(&sim, SECOND);
	fresh();
	assert_int_equal(wanted.masks[0].held4, 3); /* what is blocked is blocked */
	assert_int_equal(wanted.masks[0].keep4, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_drain_goes_back_after_the_hold, begin),
		cmocka_unit_test_setup(test_hold_of_a_wan_of_its_own, begin),
		cmocka_unit_test_setup(test_longer_hold_of_a_class, begin),
		cmocka_unit_test_setup(test_shorter_hold_of_a_class, begin),
		cmocka_unit_test_setup(test_held_with_nothing_else, begin),
		cmocka_unit_test_setup(test_manual, begin),
		cmocka_unit_test_setup(test_failback_by_hand_in_the_hold, begin),
		cmocka_unit_test_setup(test_manual_ends_when_the_one_in_use_fails, begin),
		cmocka_unit_test_setup(test_manual_with_nothing_else, begin),
		cmocka_unit_test_setup(test_first_start_is_no_return, begin),
		cmocka_unit_test_setup(test_after_the_hand, begin),
		cmocka_unit_test_setup(test_after_quota, begin),
		cmocka_unit_test_setup(test_after_limits, begin),
		cmocka_unit_test_setup(test_pin_takes_it_back, begin),
		cmocka_unit_test_setup(test_mode_of_a_class, begin),
		cmocka_unit_test_setup(test_adopted, begin),
		cmocka_unit_test_setup(test_adopted_recovering, begin),
		cmocka_unit_test_setup(test_member_again_while_it_recovers, begin),
		cmocka_unit_test_setup(test_number_of_another_wan, begin),
		cmocka_unit_test(test_window_is_open),
		cmocka_unit_test_setup(test_window, begin),
		cmocka_unit_test_setup(test_move, begin),
		cmocka_unit_test_setup(test_move_ends_with_the_better_one, begin),
		cmocka_unit_test_setup(test_move_within_a_tier, begin),
		cmocka_unit_test_setup(test_no_move_to_what_is_behind, begin),
		cmocka_unit_test_setup(test_max_age, begin),
		cmocka_unit_test_setup(test_hold_on_a_dead_wan, begin),
		cmocka_unit_test_setup(test_hold_through_absent, begin),
		cmocka_unit_test_setup(test_no_hold_no_wait, begin),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
