/* SPDX-License-Identifier: GPL-2.0 */
/*
 * control.h: the controller's side of the control socket (ctl/ctl.h): who may ask what, bounds, dispatch to
 * handlers, streams of records.  What a verb does is its handler's business.
 *
 * The run directory is locked while the controller lives, so there is one controller a directory, and a
 * socket found in it with the lock free is a dead one's.
 */
#ifndef WANHELM_DAEMON_CONTROL_H
#define WANHELM_DAEMON_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

struct wh_control;

/* Returns the answer as a new reference ("ok": true is put in where "ok" is missing); NULL: out of memory. */
typedef json_t *(*wh_control_fn)(void *arg, const json_t *request);

struct wh_control_handler {
	const char *verb;
	wh_control_fn fn;
	bool everyone; /* also for who is neither root nor the controller's own user: it changes nothing */
	bool streams;  /* with "follow": true the client is handed what is published after the answer */
};

/*
 * Make the run directory (0750) and listen in it (0660).  `handlers` ends with a verb of NULL, and outlives
 * the control.  0; -EADDRINUSE where another controller lives there; -errno.
 */
int wh_control_start(struct wh_control **out, struct event_base *base, const char *run_dir,
		     const struct wh_control_handler *handlers, void *arg);

/* Close; answers not yet sent are, as far as their readers take them at once.  Not from within a handler. */
void wh_control_stop(struct wh_control *control);

/* Send a record to all who follow. */
void wh_control_publish(struct wh_control *control, const json_t *record);

/* The command's exit status after a request that failed: what was asked for cannot be done, or is no question. */
enum wh_control_exit { WH_CONTROL_FAILED = 1, WH_CONTROL_USAGE = 2 };

/* The answer of a request that failed. */
json_t *wh_control_error(enum wh_control_exit exit, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For tests: drop idle clients after this time instead of 10 s. */
void wh_control_set_idle_ms(struct wh_control *control, unsigned idle_ms);

#endif
