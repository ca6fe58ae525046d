/* SPDX-License-Identifier: GPL-2.0 */
/*
 * names_file.h: the memory of names (names.h) in a file, over a restart or a reboot: one JSON object a line, with the
 * wall clock's time at which a name no longer has the address, because clients remember too.  The daemon calls it.
 */
#ifndef WANHELM_DNS_NAMES_FILE_H
#define WANHELM_DNS_NAMES_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "dns/names.h"

#define WH_NAMES_FILE "names.jsonl"

/* The memory's clock and the wall clock, in seconds, at one moment. */
struct wh_names_time {
	uint64_t now_s;
	uint64_t wall_s;
};

/*
 * Take in what STATE_DIR/names.jsonl holds.  0, also where there is none; or -errno.  Lines that are none of ours are
 * passed over; how many, in *bad.
 */
int wh_names_load(struct wh_names *names, const char *state_dir, struct wh_names_time at, size_t *bad);

/* A file that is being written, in slices; zeroed: none. */
struct wh_names_save {
	FILE *out;
	size_t next;
};

/* Begin anew, in a file beside the old one.  0 or -errno. */
int wh_names_save_begin(struct wh_names_save *save, const char *state_dir);
/*
 * Write a slice of up to `max` pairs; after the last the new file takes the old one's place.  1: there is more; 0;
 * -errno: given up, with the old file as it was.
 */
int wh_names_save_step(struct wh_names_save *save, const struct wh_names *names, const char *state_dir, size_t max,
		       struct wh_names_time at);
/* Give up what has been begun. */
void wh_names_save_abort(struct wh_names_save *save);

#endif
