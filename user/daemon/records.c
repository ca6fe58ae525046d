/* SPDX-License-Identifier: GPL-2.0 */
/*
 * records.c: the ring of records in memory and their shape in JSON.  The file is records_file.c's.
 */
#include "daemon/records.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/timestamp.h"
#include "daemon/records_file.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

struct kept {
	uint64_t time_ns;
	json_t *object;
};

struct wh_records {
	char *state_dir;
	bool failing; /* the last write failed, and that has been told */
	unsigned next;
	unsigned count;
	struct kept ring[WH_RECORDS_KEPT];
};

/* Takes the reference. */
static void keep(struct wh_records *records, uint64_t time_ns, json_t *object)
{
	struct kept *slot = &records->ring[records->next];

	json_decref(slot->object);
	*slot = (struct kept){.time_ns = time_ns, .object = object};
	records->next = (records->next + 1) % WH_RECORDS_KEPT;
	if (records->count < WH_RECORDS_KEPT)
		records->count++;
}

static void keep_line(void *arg, const char *line, size_t len)
{
	json_t *object = json_loadb(line, len, 0, NULL);
	const char *time = json_string_value(json_object_get(object, "time"));
	uint64_t time_ns;

	if (time && json_is_string(json_object_get(object, "event")) && wh_timestamp_parse(time, &time_ns) == 0)
		keep(arg, time_ns, object);
	else
		json_decref(object);
}

int wh_records_open(struct wh_records **out, const char *state_dir)
{
	struct wh_records *records = calloc(1, sizeof(*records));

	if (!records)
		return -ENOMEM;
	records->state_dir = strdup(state_dir);
	if (!records->state_dir) {
		free(records);
		return -ENOMEM;
	}
	wh_records_file_tail(state_dir, keep_line, records);
	*out = records;
	return 0;
}

void wh_records_close(struct wh_records *records)
{
	if (!records)
		return;
	for (unsigned i = 0; i < WH_RECORDS_KEPT; i++)
		json_decref(records->ring[i].object);
	free(records->state_dir);
	free(records);
}

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_object_set_new(object, key, json_string(text));
}

static void set_real(json_t *object, const char *key, double value)
{
	if (isfinite(value))
		json_object_set_new(object, key, json_real(value));
}

static void set_count(json_t *object, const char *key, int64_t value)
{
	if (value >= 0)
		json_object_set_new(object, key, json_integer(value));
}

static json_t *to_json(const struct wh_record *record, uint64_t time_ns)
{
	char time[WH_TIMESTAMP_LEN];
	json_t *object = json_object();

	wh_timestamp_format(time_ns, time);
	set_text(object, "time", time);
	set_text(object, "event", record->event);
	set_text(object, "wan", record->wan);
	set_text(object, "class", record->class);
	set_text(object, "cause", record->cause);
	set_text(object, "evidence", record->evidence);
	set_real(object, "detect_ms", record->detect_ms);
	set_real(object, "flip_us", record->flip_us);
	set_count(object, "moved", record->moved);
	set_count(object, "reset", record->reset);
	set_count(object, "lost", record->lost);
	set_real(object, "first_answer_ms", record->first_answer_ms);
	return object;
}

static int write_out(struct wh_records *records, const json_t *object)
{
	/* 9 digits: picoseconds of a millisecond are noise */
	_cleanup_free_ char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
	int err = line ? wh_records_file_append(records->state_dir, line) : -ENOMEM;
	bool told = records->failing;

	records->failing = err < 0;
	return told ? 0 : err;
}

const json_t *wh_records_add(struct wh_records *records, const struct wh_record *record, int *write_error)
{
	uint64_t time_ns = record->time_ns ? record->time_ns : wh_clock_ns(CLOCK_REALTIME);
	json_t *object = to_json(record, time_ns);

	if (!object)
		return NULL;
	keep(records, time_ns, object);
	*write_error = write_out(records, object);
	return object;
}

json_t *wh_records_since(const struct wh_records *records, uint64_t since_ns)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < records->count; i++) {
		unsigned at = (records->next + WH_RECORDS_KEPT - records->count + i) % WH_RECORDS_KEPT;

		if (records->ring[at].time_ns >= since_ns)
			json_array_append(array, records->ring[at].object);
	}
	return array;
}
