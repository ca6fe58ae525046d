/* SPDX-License-Identifier: GPL-2.0 */
/* test_numbers.c: classes and LAN devices keep their numbers from one configuration to the next. */
#include "tables_fixture.h"

#include <stdio.h>

#include "daemon/daemon.h"

static struct wh_daemon d;
static struct wh_config config;
static uint8_t number[WH_MAX_CLASSES];

/* --- classes ------------------------------------------------------------------------------------------------ */

static void name_class(unsigned i, const char *name)
{
	snprintf(config.classes[i].name, sizeof(config.classes[i].name), "%s", name);
	config.n_classes = i + 1;
}

/* As the policy writes them. */
static void write_rows(void)
{
	for (unsigned i = 0; i < config.n_classes; i++) {
		struct wh_class row = {};
		__u32 key = number[i];

		memcpy(row.name, config.classes[i].name, sizeof(row.name));
		put(d.tables.classes, &key, &row);
	}
}

static void clear_row(__u32 key)
{
	put(d.tables.classes, &key, &(struct wh_class){});
}

static void take_place(void **state)
{
	memset(&d, 0, sizeof(d));
	memset(&config, 0, sizeof(config));
	d.tables = place(state)->tables;
}

static void classes_keep_their_numbers(void **state)
{
	take_place(state);
	name_class(0, "voice");
	name_class(1, "bulk");
	name_class(2, "default");
	wh_policy_number(&d, &config, number);
	assert_int_equal(number[0], 1);
	assert_int_equal(number[1], 2);
	assert_int_equal(number[2], 0);
	write_rows();

	/* Others before them, and one gone: its number is not given away while its row is there. */
	name_class(0, "games");
	name_class(1, "bulk");
	name_class(2, "default");
	wh_policy_number(&d, &config, number);
	assert_int_equal(number[0], 3);
	assert_int_equal(number[1], 2);
	assert_int_equal(number[2], 0);
	write_rows();
	clear_row(1);

	name_class(0, "voice");
	name_class(1, "games");
	name_class(2, "default");
	wh_policy_number(&d, &config, number);
	assert_int_equal(number[0], 1);
	assert_int_equal(number[1], 3);
}

/* With all numbers taken, that of a class that goes is the one that is left. */
static void as_many_classes_as_there_may_be(void **state)
{
	char name[16];
	uint64_t seen = 0;
	uint8_t gone;

	take_place(state);
	for (unsigned i = 0; i < WH_MAX_CLASSES - 1; i++) {
		snprintf(name, sizeof(name), "class%u", i);
		name_class(i, name);
	}
	name_class(WH_MAX_CLASSES - 1, "default");
	wh_policy_number(&d, &config, number);
	for (unsigned i = 0; i < WH_MAX_CLASSES; i++)
		seen |= 1ULL << number[i];
	assert_true(seen == ~0ULL);
	write_rows();
	gone = number[7];
	snprintf(config.classes[7].name, sizeof(config.classes[7].name), "new");
	wh_policy_number(&d, &config, number);
	assert_int_equal(number[7], gone);
}

/* --- LAN devices -------------------------------------------------------------------------------------------- */

static void take_lans(unsigned n, const char *const names[])
{
	config.n_lans = n;
	for (unsigned i = 0; i < n; i++)
		snprintf(config.lan[i], sizeof(config.lan[i]), "%s", names[i]);
	wh_world_number_lans(&d, &config, number);
}

static void write_lans(void)
{
	memset(d.lans, 0, sizeof(d.lans));
	for (unsigned i = 0; i < config.n_lans; i++)
		snprintf(d.lans[number[i]].device, sizeof(d.lans[number[i]].device), "%s", config.lan[i]);
}

static void lans_keep_their_numbers(void **state)
{
	(void)state;
	memset(&d, 0, sizeof(d));
	take_lans(2, (const char *const[]){"br0", "lan.20"});
	assert_int_equal(number[0], 0);
	assert_int_equal(number[1], 1);
	write_lans();
	take_lans(2, (const char *const[]){"lan.30", "lan.20"});
	assert_int_equal(number[0], 2);
	assert_int_equal(number[1], 1);
	write_lans();
	take_lans(3, (const char *const[]){"lan.20", "br0", "lan.30"});
	assert_int_equal(number[0], 1);
	assert_int_equal(number[1], 0);
	assert_int_equal(number[2], 2);
}

static void as_many_lans_as_there_may_be(void **state)
{
	char text[WH_LAN_PROBER][8];
	const char *names[WH_LAN_PROBER];
	uint8_t gone;

	(void)state;
	memset(&d, 0, sizeof(d));
	for (unsigned i = 0; i < WH_LAN_PROBER; i++) {
		snprintf(text[i], sizeof(text[i]), "lan%u", i);
		names[i] = text[i];
	}
	take_lans(WH_LAN_PROBER, names);
	write_lans();
	gone = number[9];
	names[9] = "new";
	take_lans(WH_LAN_PROBER, names);
	assert_int_equal(number[9], gone);
	for (unsigned i = 0; i < WH_LAN_PROBER; i++)
		assert_int_not_equal(number[i], WH_LAN_PROBER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(classes_keep_their_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(as_many_classes_as_there_may_be, set_up, tear_down),
		cmocka_unit_test(lans_keep_their_numbers),
		cmocka_unit_test(as_many_lans_as_there_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
