/* SPDX-License-Identifier: GPL-2.0 */
/* test_table_status.c: WANs as the maps alone have them: the hand without a controller, and the status. */
#include "tables_fixture.h"

#include <errno.h>

#include "ctl/table_status.h"

/* --- WANs ------------------------------------------------------------------------------------------------- */

/* "fiber" is 0, "lte" 1. */
static void put_wan(struct place *p, unsigned wan, enum wh_wan_state state4, enum wh_wan_state state6)
{
	struct wh_wan row = {.ifindex = 5 + wan,
			     .flags = WH_WAN_CONFIGURED,
			     .v4 = {.addr_be = htonl(0xc6120002 + wan * 0x100), .state = (uint8_t)state4, .since_s = 4},
			     .v6 = {.state = (uint8_t)state6, .since_s = 6}};

	if (state6 != WH_WAN_ABSENT)
		row.v6.addr_be = address6(wan ? "2001:db8:2::2" : "2001:db8:1::2");
	strcpy(row.name, wan ? "lte" : "fiber");
	put(p->tables.wans, &wan, &row);
}

static union wh_alive *alive(struct place *p)
{
	return &p->rows[WH_STEER_GLOBAL].alive;
}

static void test_the_hand_in_both_families(void **state)
{
	struct place *p = place(state);

	put_wan(p, 0, WH_WAN_UP, WH_WAN_DOWN);
	put_wan(p, 1, WH_WAN_UP, WH_WAN_ABSENT);
	alive(p)->alive4 = 3;
	alive(p)->alive6 = 1;
	assert_int_equal(wh_tables_hand(&p->tables, 0, WH_HAND_DOWN), 0);
	assert_int_equal(alive(p)->alive4, 2);
	assert_int_equal(alive(p)->alive6, 0);
	assert_int_equal(wh_tables_hand_of(&p->tables, 0), WH_HAND_DOWN);
	assert_int_equal(wh_tables_hand(&p->tables, 0, WH_HAND_UP), 0);
	assert_int_equal(alive(p)->alive4, 3);
	assert_int_equal(alive(p)->alive6, 1);
	/* what is not there stays out */
	assert_int_equal(wh_tables_hand(&p->tables, 1, WH_HAND_UP), 0);
	assert_int_equal(alive(p)->alive6, 1);
	assert_int_equal(wh_tables_hand(&p->tables, 1, WH_HAND_DRAIN), -EINVAL);
}

static void test_what_to_ask_before(void **state)
{
	static const struct {
		uint8_t alive4, alive6;
		enum wh_hand_verb verb;
		const char *ssh, *why;
	} cases[] = {
		{3, 3, WH_HAND_DOWN, NULL, NULL},
		{3, 3, WH_HAND_DOWN, "198.18.1.2", NULL},
		{3, 3, WH_HAND_DOWN, "198.18.0.2", "your ssh session comes in by fiber"},
		{3, 3, WH_HAND_DOWN, "2001:db8:1::2", "your ssh session comes in by fiber"},
		{3, 3, WH_HAND_DRAIN, "198.18.0.2", NULL},
		{3, 3, WH_HAND_DOWN, "nonsense", NULL},
		{1, 1, WH_HAND_DOWN, NULL, "fiber is the last WAN that works"},
		{1, 0, WH_HAND_DRAIN, NULL, "fiber is the last WAN that works"},
		{0, 0, WH_HAND_DOWN, NULL, "fiber is the last WAN that works"},
		{1, 3, WH_HAND_DOWN, NULL, "fiber is the last WAN that works for IPv4"},
		{3, 1, WH_HAND_DRAIN, NULL, "fiber is the last WAN that works for IPv6"},
		{3, 0, WH_HAND_DOWN, NULL, NULL},
		{3, 2, WH_HAND_DOWN, NULL, NULL},
		{1, 1, WH_HAND_UP, "198.18.0.2", NULL},
		{1, 1, WH_HAND_AUTO, "198.18.0.2", NULL},
	};
	struct place *p = place(state);

	put_wan(p, 0, WH_WAN_UP, WH_WAN_UP);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char why[128] = "";

		alive(p)->alive4 = cases[i].alive4;
		alive(p)->alive6 = cases[i].alive6;
		assert_int_equal(wh_tables_hand_risk(&p->tables, 0, cases[i].verb, cases[i].ssh, why, sizeof(why)),
				 cases[i].why != NULL);
		assert_string_equal(why, cases[i].why ? cases[i].why : "");
	}
}

/* --- status ----------------------------------------------------------------------------------------------- */

static const char *text_at(const json_t *object, const char *first, const char *second)
{
	const json_t *value = json_object_get(object, first);

	return json_string_value(second ? json_object_get(value, second) : value);
}

static void test_a_wan_is_shown_by_its_better_family(void **state)
{
	struct place *p = place(state);
	const uint64_t flows[WH_MAX_WANS] = {0};
	json_t *status, *fiber, *lte;

	put_wan(p, 0, WH_WAN_DOWN, WH_WAN_UP);
	put_wan(p, 1, WH_WAN_SUSPECT, WH_WAN_ABSENT);
	status = wh_table_status(&p->tables, flows);
	fiber = json_array_get(json_object_get(status, "wans"), 0);
	lte = json_array_get(json_object_get(status, "wans"), 1);
	assert_string_equal(text_at(fiber, "state", NULL), "up");
	assert_string_equal(text_at(fiber, "since", NULL), text_at(fiber, "v6", "since"));
	assert_string_equal(text_at(fiber, "v4", "state"), "down");
	assert_string_equal(text_at(fiber, "v6", "state"), "up");
	assert_string_equal(text_at(fiber, "v6", "address"), "2001:db8:1::2");
	assert_string_equal(text_at(lte, "state", NULL), "suspect");
	assert_string_equal(text_at(lte, "v6", "state"), "absent");
	assert_true(json_is_null(json_object_get(json_object_get(lte, "v6"), "address")));
	assert_true(json_is_null(json_object_get(json_object_get(lte, "v6"), "gateway")));
	json_decref(status);
	/* the hand may be younger than the rows; what is absent it does not bring */
	wh_tables_set_hand(&p->tables, 1, WH_HAND_DOWN);
	status = wh_table_status(&p->tables, flows);
	lte = json_array_get(json_object_get(status, "wans"), 1);
	assert_string_equal(text_at(lte, "state", NULL), "forced-down");
	assert_string_equal(text_at(lte, "v6", "state"), "absent");
	json_decref(status);
}

/* Nobody would end the wait of flows that a class holds on a dead WAN. */
static void test_down_ends_waiting(void **state)
{
	struct place *p = place(state);
	union wh_masks masks = {.keep4 = 3, .fresh4 = 3, .held4 = 3, .held6 = 1};

	put_wan(p, 0, WH_WAN_UP, WH_WAN_UP);
	put_wan(p, 1, WH_WAN_UP, WH_WAN_UP);
	p->rows[WH_STEER_GLOBAL].alive.word = (union wh_alive){.alive4 = 3, .alive6 = 3}.word;
	p->rows[5].masks = masks;
	assert_int_equal(wh_tables_hand(&p->tables, 0, WH_HAND_DOWN), 0);
	assert_int_equal(p->rows[WH_STEER_GLOBAL].alive.alive4, 2);
	assert_int_equal(p->rows[5].masks.held4, 2);
	assert_int_equal(p->rows[5].masks.held6, 0);
	assert_int_equal(p->rows[5].masks.keep4, 3);
}

static void test_every_reason_is_told(void **state)
{
	static const char *const ids[] = {
#define X(name, id, text) id,
		WH_REASONS(X)
#undef X
	};
	struct place *p = place(state);
	const uint64_t flows[WH_MAX_WANS] = {0};
	json_t *status = wh_table_status(&p->tables, flows);

	for (unsigned i = 1; i < WH_REASON_COUNT; i++) {
		const char *part = i < WH_REASON_FIRST_KERNEL ? "drops" : "kernel";

		if (!json_is_integer(json_object_get(json_object_get(status, part), ids[i])))
			fail_msg("%s is silent", ids[i]);
	}
	json_decref(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_hand_in_both_families, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_to_ask_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_wan_is_shown_by_its_better_family, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_down_ends_waiting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_reason_is_told, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
