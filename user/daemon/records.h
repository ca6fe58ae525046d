/* SPDX-License-Identifier: GPL-2.0 */
/*
 * records.h: what happened: one record an event, the last of them in memory, all of them in
 * STATE_DIR/events.jsonl, one JSON object a line.  The daemon writes them at its one place for each kind of
 * event; `wanhelm events` shows them.
 */
#ifndef WANHELM_DAEMON_RECORDS_H
#define WANHELM_DAEMON_RECORDS_H

#include <jansson.h>
#include <math.h>
#include <stdint.h>

#define WH_DEFAULT_STATE_DIR "/var/lib/wanhelm"
#define WH_RECORDS_FILE "events.jsonl"
#define WH_RECORDS_KEPT 1024		/* in memory */
#define WH_RECORDS_MAX_BYTES (8L << 20) /* a larger file becomes events.jsonl.1 */

/* Start from WH_RECORD_EMPTY: what is left as it is there does not apply and does not appear. */
struct wh_record {
	uint64_t time_ns;  /* CLOCK_REALTIME; 0: now */
	const char *event; /* "state", "failover", … */
	const char *wan;
	const char *class;
	const char *cause;
	const char *evidence;
	double detect_ms;
	double flip_us;
	int64_t moved;
	int64_t reset;
	int64_t lost;
	double first_answer_ms;
};

#define WH_RECORD_EMPTY                                                                                                \
	((struct wh_record){                                                                                           \
		.detect_ms = NAN, .flip_us = NAN, .moved = -1, .reset = -1, .lost = -1, .first_answer_ms = NAN})

struct wh_records;

/*
 * Open, and read back the last records of an earlier run.  A folder that can be neither made nor read is no
 * failure (wh_records_add() will tell).  0 or -ENOMEM.
 */
int wh_records_open(struct wh_records **out, const char *state_dir);
void wh_records_close(struct wh_records *records);

/*
 * Keep a record.  Returns it as `wanhelm events --json` shows it, owned by `records` until the next call;
 * NULL: out of memory.  *write_error is 0, or -errno for the first record in a row that could not be written.
 */
const json_t *wh_records_add(struct wh_records *records, const struct wh_record *record, int *write_error);

/* A new array of the records in memory not older than `since_ns` of CLOCK_REALTIME, oldest first. */
json_t *wh_records_since(const struct wh_records *records, uint64_t since_ns);

#endif
