/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kept.h: small JSON files in the state directory, for the time after a restart or a reboot: one object each.  What is
 * in them is their owners' (overrides.c, classes.c, quota.c).
 */
#ifndef WANHELM_DAEMON_KEPT_H
#define WANHELM_DAEMON_KEPT_H

#include <jansson.h>

/*
 * What STATE_DIR/file holds, as a new reference; NULL where there is none.  One that is there and cannot be read is
 * warned of, with `lost`: what follows from it, a clause.
 */
json_t *wh_kept_load(const char *state_dir, const char *file, const char *lost);

/*
 * Put `all`, whose reference is taken, in the place of what STATE_DIR/file holds, so that a crash leaves the one or the
 * other whole.  Failure is warned of: `what` cannot be kept.
 */
void wh_kept_save(const char *state_dir, const char *file, json_t *all, const char *what);

#endif
