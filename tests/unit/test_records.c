/* SPDX-License-Identifier: GPL-2.0 */
/* test_records.c: what is kept, in memory and on disk, and what a bad disk does. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/records.h"
#include "lib/clock.h"
#include "lib/timestamp.h"

struct place {
	char dir[64];
	char state_dir[80];
	char file[120];
	char old_file[120];
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	snprintf(p->dir, sizeof(p->dir), "/tmp/wh-records-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->state_dir, sizeof(p->state_dir), "%s/state", p->dir);
	snprintf(p->file, sizeof(p->file), "%s/events.jsonl", p->state_dir);
	snprintf(p->old_file, sizeof(p->old_file), "%s/events.jsonl.1", p->state_dir);
	*state = p;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct place *p = *state;
	int err = nftw(p->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);

	free(p);
	return err;
}

static struct wh_records *open_records(const struct place *p)
{
	struct wh_records *records = NULL;

	assert_int_equal(wh_records_open(&records, p->state_dir), 0);
	return records;
}

/* A record of the event "state" at `time_s`; returns the write error. */
static int add(struct wh_records *records, uint64_t time_s, const char *wan)
{
	struct wh_record record = WH_RECORD_EMPTY;
	int write_error = 1;

	record.event = "state";
	record.time_ns = time_s * WH_NS_PER_S;
	record.wan = wan;
	assert_non_null(wh_records_add(records, &record, &write_error));
	return write_error;
}

/* The WANs of the records since then, as one word: "abc". */
static void expect_wans(struct wh_records *records, uint64_t since_s, const char *wans)
{
	json_t *array = wh_records_since(records, since_s * WH_NS_PER_S);
	char seen[32] = "";
	const json_t *record;
	size_t i;

	json_array_foreach(array, i, record)
		strncat(seen, json_string_value(json_object_get(record, "wan")), sizeof(seen) - strlen(seen) - 1);
	assert_string_equal(seen, wans);
	json_decref(array);
}

static void write_file(const struct place *p, const char *path, const char *text)
{
	FILE *f;

	mkdir(p->state_dir, 0750);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void read_file(const char *path, char *out, size_t len)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, len - 1, f);
	out[n] = '\0';
	fclose(f);
}

static void test_shape(void **state)
{
	const struct place *p = *state;
	struct wh_records *records = open_records(p);
	struct wh_record record = WH_RECORD_EMPTY;
	const json_t *kept;
	char text[2048], *line;
	struct stat st;
	int write_error = 1;

	setenv("TZ", "CET-1", 1);
	record = (struct wh_record){
		.time_ns = 1709208000250000000,
		.event = "failover",
		.wan = "fiber",
		.class = "default",
		.cause = "silence",
		.evidence = "nothing heard for \"262\" ms",
		.detect_ms = 412.5,
		.flip_us = 0.75,
		.moved = 12,
		.reset = 0,
		.lost = 3,
		.first_answer_ms = 8,
	};
	kept = wh_records_add(records, &record, &write_error);
	assert_int_equal(write_error, 0);
	line = json_dumps(kept, JSON_COMPACT | JSON_REAL_PRECISION(9));
	assert_string_equal(line,
			    "{\"time\":\"2024-02-29T13:00:00.250+01:00\",\"event\":\"failover\",\"wan\":\"fiber\","
			    "\"class\":\"default\",\"cause\":\"silence\","
			    "\"evidence\":\"nothing heard for \\\"262\\\" ms\",\"detect_ms\":412.5,\"flip_us\":0.75,"
			    "\"moved\":12,\"reset\":0,\"lost\":3,\"first_answer_ms\":8.0}");
	/* the file has the same line */
	read_file(p->file, text, sizeof(text));
	assert_int_equal(strlen(text), strlen(line) + 1);
	assert_int_equal(strncmp(text, line, strlen(line)), 0);
	assert_int_equal(text[strlen(line)], '\n');
	free(line);
	assert_int_equal(stat(p->state_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(p->file, &st), 0);
	assert_int_equal(st.st_mode & 07137, 0);
	wh_records_close(records);
}

static void test_leaves_out_what_does_not_apply(void **state)
{
	struct wh_records *records = open_records(*state);
	struct wh_record record = WH_RECORD_EMPTY;
	uint64_t before = wh_clock_ns(CLOCK_REALTIME), time_ns = 0;
	const json_t *kept;
	int write_error;

	record.event = "reload";
	record.wan = "\xff"; /* not UTF-8: cannot be told */
	kept = wh_records_add(records, &record, &write_error);
	assert_int_equal(json_object_size(kept), 2);
	assert_string_equal(json_string_value(json_object_get(kept, "event")), "reload");
	assert_int_equal(wh_timestamp_parse(json_string_value(json_object_get(kept, "time")), &time_ns), 0);
	assert_true(time_ns + WH_NS_PER_MS >= before && time_ns <= wh_clock_ns(CLOCK_REALTIME));
	wh_records_close(records);
}

static void test_since(void **state)
{
	struct wh_records *records = open_records(*state);

	expect_wans(records, 0, "");
	add(records, 100, "a");
	add(records, 300, "b");
	add(records, 200, "c"); /* the clock was set back */
	expect_wans(records, 0, "abc");
	expect_wans(records, 200, "bc");
	expect_wans(records, 201, "b");
	expect_wans(records, 301, "");
	wh_records_close(records);
}

static void test_keeps_the_last_of_many(void **state)
{
	struct wh_records *records = open_records(*state);
	char wan[16];

	for (unsigned round = 0; round < 2; round++) {
		json_t *array;

		/* from memory first, then from the file */
		for (unsigned i = 0; round == 0 && i < WH_RECORDS_KEPT + 3; i++) {
			snprintf(wan, sizeof(wan), "%u", i);
			add(records, 1 + i, wan);
		}
		array = wh_records_since(records, 0);
		assert_int_equal(json_array_size(array), WH_RECORDS_KEPT);
		assert_string_equal(json_string_value(json_object_get(json_array_get(array, 0), "wan")), "3");
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(array, WH_RECORDS_KEPT - 1), "wan")), "1026");
		json_decref(array);
		wh_records_close(records);
		records = open_records(*state);
	}
	wh_records_close(records);
}

#define LINE(second, wan) "{\"time\":\"1970-01-01T00:00:0" #second "Z\",\"event\":\"state\",\"wan\":\"" wan "\"}\n"

static void test_reads_back_what_is_sound(void **state)
{
	const struct place *p = *state;
	struct wh_records *records;

	write_file(p, p->old_file, LINE(1, "a"));
	write_file(p, p->file,
		   LINE(2, "b") "\n[1]\nnonsense\n{\"event\":\"state\",\"wan\":\"x\"}\n"
				"{\"time\":\"yesterday\",\"event\":\"state\",\"wan\":\"x\"}\n"
				"{\"time\":\"1970-01-01T00:00:03Z\",\"event\":7,\"wan\":\"x\"}\n" LINE(
					3, "c") "{\"time\":\"1970-01-01T00:00:09Z\",\"ev");
	records = open_records(p);
	expect_wans(records, 0, "abc");
	/* the line that a crash cut short does not swallow the next one */
	assert_int_equal(add(records, 5, "d"), 0);
	wh_records_close(records);
	records = open_records(p);
	expect_wans(records, 0, "abcd");
	wh_records_close(records);
}

static void test_reads_only_the_end_of_a_large_file(void **state)
{
	const struct place *p = *state;
	struct wh_records *records;
	FILE *f;

	write_file(p, p->file, LINE(1, "a"));
	f = fopen(p->file, "a");
	for (int i = 0; i < 3 << 20; i++)
		fputc(i % 100 == 99 ? '\n' : '-', f);
	fputs("\n" LINE(2, "b"), f);
	assert_int_equal(fclose(f), 0);
	records = open_records(p);
	expect_wans(records, 0, "b");
	wh_records_close(records);
}

static void test_rotates(void **state)
{
	const struct place *p = *state;
	struct wh_records *records;
	struct stat st;

	write_file(p, p->old_file, "older\n");
	write_file(p, p->file, "");
	assert_int_equal(truncate(p->file, WH_RECORDS_MAX_BYTES), 0);
	records = open_records(p);
	assert_int_equal(add(records, 1, "a"), 0); /* not above it yet */
	assert_int_equal(stat(p->old_file, &st), 0);
	assert_int_equal(st.st_size, 6);
	assert_int_equal(add(records, 2, "b"), 0);
	assert_int_equal(stat(p->old_file, &st), 0);
	assert_true(st.st_size > WH_RECORDS_MAX_BYTES);
	assert_int_equal(stat(p->file, &st), 0);
	assert_in_range(st.st_size, 50, 100);
	wh_records_close(records);
	records = open_records(p);
	expect_wans(records, 0, "ab");
	wh_records_close(records);
}

static void test_tells_a_write_error_once(void **state)
{
	const struct place *p = *state;
	struct wh_records *records;

	/* a file where the folder should be */
	int fd = open(p->state_dir, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	records = open_records(p);
	assert_int_equal(add(records, 1, "a"), -ENOTDIR);
	assert_int_equal(add(records, 2, "b"), 0);
	/* mended, and broken again */
	assert_int_equal(unlink(p->state_dir), 0);
	assert_int_equal(add(records, 3, "c"), 0);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(symlink("/dev/full", p->file), 0);
	assert_int_equal(add(records, 4, "d"), -ELOOP); /* and never through a link */
	assert_int_equal(add(records, 5, "e"), 0);
	expect_wans(records, 0, "abcde");
	wh_records_close(records);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_shape),
		TEST(test_leaves_out_what_does_not_apply),
		TEST(test_since),
		TEST(test_keeps_the_last_of_many),
		TEST(test_reads_back_what_is_sound),
		TEST(test_reads_only_the_end_of_a_large_file),
		TEST(test_rotates),
		TEST(test_tells_a_write_error_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
