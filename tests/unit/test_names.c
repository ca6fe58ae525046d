/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_names.c: the memory of names: what is learnt, how long it stays, what goes where there is no room, and the file
 * that keeps it.  Time is an argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns/names_file.h"
#include "lib/mapped.h"
#include "random.h"

#define NOW_S 100000
#define WALL_S 1700000000

static struct wh_names *names;
static char dir[64];
static unsigned n_forgotten;
static char last_forgotten[300]; /* "name address" */

static void forgotten(void *arg, const struct in6_addr *addr, const char *name)
{
	char text[INET6_ADDRSTRLEN];

	assert_ptr_equal(arg, &n_forgotten);
	n_forgotten++;
	inet_ntop(AF_INET6, addr, text, sizeof(text));
	snprintf(last_forgotten, sizeof(last_forgotten), "%s %s", name, text);
}

static int set_up(void **state)
{
	(void)state;
	n_forgotten = 0;
	snprintf(dir, sizeof(dir), "/tmp/wh-names-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return wh_names_new(&names, 42, forgotten, &n_forgotten);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	wh_names_free(names);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static struct in6_addr addr6(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static struct in6_addr numbered(uint32_t n)
{
	return wh_mapped((struct in_addr){htonl(0x0a000000 + n)});
}

static void learn(const char *name, const char *address, uint32_t ttl_s, uint64_t now_s)
{
	struct in6_addr addr = addr6(address);

	assert_int_equal(wh_names_learn(names, name, &addr, ttl_s, now_s), 0);
}

/* The names of an address, each with a blank before it, in any order. */
static char listed[4096];

static void list(void *arg, const char *name)
{
	(void)arg;
	strcat(strcat(listed, " "), name);
}

static const char *names_of(const char *address)
{
	struct in6_addr addr = addr6(address);

	listed[0] = '\0';
	wh_names_of(names, &addr, list, NULL);
	return listed;
}

static void assert_counts(size_t n_names, size_t n_addresses, size_t n_pairs)
{
	struct wh_names_counts count = wh_names_counts(names);

	assert_int_equal(count.names, n_names);
	assert_int_equal(count.addresses, n_addresses);
	assert_int_equal(count.pairs, n_pairs);
}

static void expire(uint64_t now_s)
{
	wh_names_expire(names, WH_NAMES_PAIRS, now_s);
}

/* --- learning --------------------------------------------------------------------------------------------- */

static void an_address_has_all_its_names(void **state)
{
	(void)state;
	learn("a.test", "::ffff:192.0.2.1", 60, NOW_S);
	learn("b.test", "::ffff:192.0.2.1", 60, NOW_S);
	learn("a.test", "2001:db8::1", 60, NOW_S);
	learn("a.test", "2001:db8::1", 60, NOW_S);
	assert_counts(2, 2, 3);
	names_of("::ffff:192.0.2.1");
	assert_non_null(strstr(listed, " a.test"));
	assert_non_null(strstr(listed, " b.test"));
	assert_string_equal(names_of("2001:db8::1"), " a.test");
	assert_string_equal(names_of("2001:db8::2"), "");
}

static void times_have_bounds(void **state)
{
	(void)state;
	learn("short.test", "::1", 1, NOW_S);
	learn("hour.test", "::2", 3600, NOW_S);
	learn("year.test", "::3", 31536000, NOW_S);
	expire(NOW_S + WH_NAMES_TTL_MIN_S - 1);
	assert_counts(3, 3, 3);
	expire(NOW_S + WH_NAMES_TTL_MIN_S);
	assert_counts(2, 2, 2);
	assert_string_equal(last_forgotten, "short.test ::1");
	expire(NOW_S + 3599);
	assert_counts(2, 2, 2);
	expire(NOW_S + 3600);
	assert_counts(1, 1, 1);
	expire(NOW_S + WH_NAMES_TTL_MAX_S);
	assert_counts(0, 0, 0);
	assert_int_equal(n_forgotten, 3);
}

/* Clients that heard it earlier use it as long as they were told then. */
static void a_shorter_time_takes_nothing_back(void **state)
{
	(void)state;
	learn("a.test", "::1", 3600, NOW_S);
	learn("a.test", "::1", 300, NOW_S + 10);
	expire(NOW_S + 3599);
	assert_counts(1, 1, 1);
	learn("a.test", "::1", 3600, NOW_S + 3599);
	expire(NOW_S + 3600);
	assert_counts(1, 1, 1);
}

static void a_name_that_moves_has_both_for_a_while(void **state)
{
	(void)state;
	learn("a.test", "::1", 300, NOW_S);
	learn("a.test", "::2", 300, NOW_S + 200);
	assert_string_equal(names_of("::1"), " a.test");
	assert_string_equal(names_of("::2"), " a.test");
	expire(NOW_S + 300);
	assert_string_equal(names_of("::1"), "");
	assert_string_equal(names_of("::2"), " a.test");
	assert_counts(1, 1, 1);
}

/* --- forgetting ------------------------------------------------------------------------------------------- */

static void what_is_left_is_there_while_one_is_forgotten(void *arg, const struct in6_addr *addr, const char *name)
{
	(void)arg;
	assert_string_equal(name, "a.test");
	listed[0] = '\0';
	wh_names_of(names, addr, list, NULL);
	n_forgotten++;
}

static void of_what_is_forgotten_the_rest_is_told(void **state)
{
	(void)state;
	wh_names_free(names);
	assert_int_equal(wh_names_new(&names, 1, what_is_left_is_there_while_one_is_forgotten, NULL), 0);
	learn("a.test", "::1", 300, NOW_S);
	learn("b.test", "::1", 600, NOW_S);
	expire(NOW_S + 300);
	assert_int_equal(n_forgotten, 1);
	assert_string_equal(listed, " b.test");
}

static void slices_come_round(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		learn(name, "::1", i % 2 ? 3600 : 300, NOW_S);
	}
	for (unsigned i = 0; i < 10; i++)
		wh_names_expire(names, 100, NOW_S + 300);
	assert_counts(500, 1, 500);
	for (unsigned i = 0; i < 10; i++)
		wh_names_expire(names, 100, NOW_S + 3600);
	assert_counts(0, 0, 0);
}

static void the_oldest_makes_room(void **state)
{
	struct in6_addr addr;

	(void)state;
	for (uint32_t i = 0; i < WH_NAMES_ADDRESSES; i++) {
		addr = numbered(i);
		assert_int_equal(wh_names_learn(names, "a.test", &addr, 300, NOW_S), 0);
	}
	addr = numbered(0); /* heard of again */
	assert_int_equal(wh_names_learn(names, "a.test", &addr, 300, NOW_S), 0);
	assert_int_equal(n_forgotten, 0);
	learn("a.test", "::1", 300, NOW_S);
	assert_int_equal(n_forgotten, 1);
	assert_string_equal(last_forgotten, "a.test ::ffff:10.0.0.1");
	assert_counts(1, WH_NAMES_ADDRESSES, WH_NAMES_ADDRESSES);
}

static void names_and_pairs_have_bounds_too(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i <= WH_NAMES_NAMES; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		learn(name, "::1", 300, NOW_S);
	}
	assert_counts(WH_NAMES_NAMES, 1, WH_NAMES_NAMES);
	assert_string_equal(last_forgotten, "n0.test ::1");
	for (unsigned i = 0; i < 10; i++) {
		for (uint32_t k = 0; k < 8000; k++) {
			struct in6_addr addr = numbered(k);

			snprintf(name, sizeof(name), "m%u.test", i);
			assert_int_equal(wh_names_learn(names, name, &addr, 300, NOW_S), 0);
		}
	}
	assert_int_equal(wh_names_counts(names).pairs, WH_NAMES_PAIRS);
}

/* --- the whole of it -------------------------------------------------------------------------------------- */

static unsigned n_seen;

static void see(void *arg, const struct in6_addr *addr)
{
	(void)arg;
	(void)addr;
	n_seen++;
}

static void every_address_is_shown_once(void **state)
{
	(void)state;
	n_seen = 0;
	for (uint32_t i = 0; i < 300; i++) {
		struct in6_addr addr = numbered(i % 100);
		char name[32];

		snprintf(name, sizeof(name), "n%u.test", i / 100);
		assert_int_equal(wh_names_learn(names, name, &addr, 300, NOW_S), 0);
	}
	wh_names_addresses(names, see, NULL);
	assert_int_equal(n_seen, 100);
}

/* Learnt and forgotten at random, against a table of when each pair ends. */
static void it_agrees_with_a_simple_table(void **state)
{
	static uint64_t until_s[20][50];
	uint64_t now_s = NOW_S;
	char name[32];

	(void)state;
	memset(until_s, 0, sizeof(until_s));
	for (unsigned round = 0; round < 20000; round++) {
		unsigned n = pick(20), a = pick(50), ttl_s = 300 + pick(2000), pairs = 0;
		struct in6_addr addr = numbered(a);

		now_s += pick(20);
		snprintf(name, sizeof(name), "n%u.test", n);
		assert_int_equal(wh_names_learn(names, name, &addr, ttl_s, now_s), 0);
		if (until_s[n][a] < now_s + ttl_s)
			until_s[n][a] = now_s + ttl_s;
		if (pick(10))
			continue;
		expire(now_s);
		for (unsigned i = 0; i < 20 * 50; i++) {
			if (until_s[i / 50][i % 50] > now_s)
				pairs++;
			else
				until_s[i / 50][i % 50] = 0;
		}
		assert_int_equal(wh_names_counts(names).pairs, pairs);
	}
}

/* --- the file --------------------------------------------------------------------------------------------- */

static struct wh_names_time at(uint64_t now_s, uint64_t wall_s)
{
	return (struct wh_names_time){.now_s = now_s, .wall_s = wall_s};
}

static void save(size_t slice)
{
	struct wh_names_save file = {};
	int more = 1;

	assert_int_equal(wh_names_save_begin(&file, dir), 0);
	while (more == 1)
		more = wh_names_save_step(&file, names, dir, slice, at(NOW_S, WALL_S));
	assert_int_equal(more, 0);
	assert_null(file.out);
}

static size_t load(struct wh_names_time when)
{
	size_t bad;

	wh_names_free(names);
	n_forgotten = 0;
	assert_int_equal(wh_names_new(&names, 43, forgotten, &n_forgotten), 0);
	assert_int_equal(wh_names_load(names, dir, when, &bad), 0);
	return bad;
}

/* After a reboot the memory's clock begins anew; what clients remember does not. */
static void it_outlives_a_restart(void **state)
{
	(void)state;
	learn("a.test", "::ffff:192.0.2.1", 300, NOW_S);
	learn("a.test", "2001:db8::1", 3600, NOW_S);
	learn("b.test", "::ffff:192.0.2.1", 3600, NOW_S);
	for (size_t slice = 1; slice < 5; slice++)
		save(slice);
	assert_int_equal(load(at(5, WALL_S + 100)), 0);
	assert_counts(2, 2, 3);
	expire(5 + 200);
	assert_counts(2, 2, 2);
	assert_string_equal(names_of("::ffff:192.0.2.1"), " b.test");
	expire(5 + 3500);
	assert_counts(0, 0, 0);
}

static void what_is_over_by_then_is_not_taken_in(void **state)
{
	(void)state;
	learn("a.test", "::1", 300, NOW_S);
	learn("b.test", "::1", 3600, NOW_S);
	save(100);
	assert_int_equal(load(at(5, WALL_S + 300)), 0);
	assert_counts(1, 1, 1);
	assert_int_equal(load(at(5, 0)), 0); /* a clock that is not set yet: no longer than ever */
	assert_counts(2, 1, 2);
	expire(5 + WH_NAMES_TTL_MAX_S);
	assert_counts(0, 0, 0);
}

static void a_file_may_hold_anything(void **state)
{
	static const char *const lines[] = {
		"\n",
		"{\n",
		"[]\n",
		"{\"name\":\"A.test\",\"address\":\"::1\",\"until_s\":1700000100}\n",
		"{\"name\":\"a.test.\",\"address\":\"::1\",\"until_s\":1700000100}\n",
		"{\"name\":\"\",\"address\":\"::1\",\"until_s\":1700000100}\n",
		"{\"name\":\"a.test\",\"address\":\"x\",\"until_s\":1700000100}\n",
		"{\"name\":\"a.test\",\"address\":\"::1\",\"until_s\":-1}\n",
		"{\"name\":\"a.test\",\"address\":\"::1\"}\n",
		"{\"name\":\"good.test\",\"address\":\"192.0.2.1\",\"until_s\":1700000100}\n",
		"{\"name\":\"good.test\",\"address\":\"192.0.2.1\",\"un",
	};
	char path[128];
	FILE *file;

	(void)state;
	assert_int_equal(load(at(NOW_S, WALL_S)), 0); /* none at all */
	snprintf(path, sizeof(path), "%s/%s", dir, WH_NAMES_FILE);
	file = fopen(path, "w");
	assert_non_null(file);
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		fputs(lines[i], file);
	fclose(file);
	assert_int_equal(load(at(NOW_S, WALL_S)), sizeof(lines) / sizeof(lines[0]) - 1);
	assert_counts(1, 1, 1);
	assert_string_equal(names_of("::ffff:192.0.2.1"), " good.test");
}

static int save_to_full_disk(size_t slice)
{
	struct wh_names_save file = {};
	int more = 1;

	assert_int_equal(wh_names_save_begin(&file, dir), 0);
	fclose(file.out);
	file.out = fopen("/dev/full", "w");
	while (more == 1)
		more = wh_names_save_step(&file, names, dir, slice, at(NOW_S, WALL_S));
	assert_null(file.out);
	return more;
}

/* A file that cannot be written leaves the old one as it was, whenever that shows. */
static void a_failure_keeps_the_old_file(void **state)
{
	struct wh_names_save file = {};
	char path[128], name[32];

	(void)state;
	learn("a.test", "::1", 3600, NOW_S);
	save(100);
	learn("b.test", "::1", 3600, NOW_S);
	assert_true(save_to_full_disk(100) < 0);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		learn(name, "::1", 3600, NOW_S);
	}
	assert_true(save_to_full_disk(1001) < 0);
	load(at(NOW_S, WALL_S));
	assert_counts(1, 1, 1);
	snprintf(path, sizeof(path), "%s/none/below", dir);
	assert_true(wh_names_save_begin(&file, path) < 0);
}

#define NAMES_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NAMES_TEST(an_address_has_all_its_names),
		NAMES_TEST(times_have_bounds),
		NAMES_TEST(a_shorter_time_takes_nothing_back),
		NAMES_TEST(a_name_that_moves_has_both_for_a_while),
		NAMES_TEST(of_what_is_forgotten_the_rest_is_told),
		NAMES_TEST(slices_come_round),
		NAMES_TEST(the_oldest_makes_room),
		NAMES_TEST(names_and_pairs_have_bounds_too),
		NAMES_TEST(every_address_is_shown_once),
		NAMES_TEST(it_agrees_with_a_simple_table),
		NAMES_TEST(it_outlives_a_restart),
		NAMES_TEST(what_is_over_by_then_is_not_taken_in),
		NAMES_TEST(a_file_may_hold_anything),
		NAMES_TEST(a_failure_keeps_the_old_file),
	};

	return cmocka_run_group_tests_name("names", tests, seed, NULL);
}
