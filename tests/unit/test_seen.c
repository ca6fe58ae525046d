/* SPDX-License-Identifier: GPL-2.0 */
/* test_seen.c: model/seen.h: what is a change of a neighbour's link-layer address, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "model/seen.h"

static const uint8_t one[ETH_ALEN] = {2, 0, 0, 0, 0, 1}, other[ETH_ALEN] = {2, 0, 0, 0, 0, 2};

static struct in6_addr numbered(unsigned number)
{
	struct in6_addr addr = {};

	addr.s6_addr32[0] = htonl(0xfd000000);
	addr.s6_addr32[3] = htonl(number);
	return addr;
}

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct wh_seen));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void test_another_address_is_a_change(void **state)
{
	struct in6_addr addr = numbered(1);

	assert_false(wh_seen_note(*state, &addr, one)); /* first seen */
	assert_false(wh_seen_note(*state, &addr, one)); /* confirmed */
	assert_true(wh_seen_note(*state, &addr, other));
	assert_false(wh_seen_note(*state, &addr, other));
	assert_true(wh_seen_note(*state, &addr, one));
}

static void test_silence_is_a_change_once(void **state)
{
	struct in6_addr addr = numbered(1);

	assert_false(wh_seen_note(*state, &addr, NULL)); /* never had one */
	assert_false(wh_seen_note(*state, &addr, one));
	assert_true(wh_seen_note(*state, &addr, NULL));
	assert_false(wh_seen_note(*state, &addr, NULL));
	assert_false(wh_seen_note(*state, &addr, other)); /* what was learnt before is void already */
}

static void test_neighbours_are_apart(void **state)
{
	struct in6_addr addr = numbered(1), next = numbered(2);

	wh_seen_note(*state, &addr, one);
	assert_false(wh_seen_note(*state, &next, other));
	assert_false(wh_seen_note(*state, &addr, one));
}

/* Of those that there is no room for each word is a change, and those that are known go on. */
static void test_full(void **state)
{
	struct wh_seen *seen = *state;
	struct in6_addr addr;

	for (unsigned i = 0; i < WH_SEEN_MAX; i++) {
		addr = numbered(i);
		assert_false(wh_seen_is_full(seen));
		assert_false(wh_seen_note(seen, &addr, one));
	}
	assert_true(wh_seen_is_full(seen));
	addr = numbered(WH_SEEN_MAX);
	assert_true(wh_seen_note(seen, &addr, one));
	assert_true(wh_seen_note(seen, &addr, one));
	for (unsigned i = 0; i < WH_SEEN_MAX; i++) {
		addr = numbered(i);
		assert_false(wh_seen_note(seen, &addr, one));
		assert_true(wh_seen_note(seen, &addr, other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_another_address_is_a_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silence_is_a_change_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_neighbours_are_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
