/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctl_fixture.h: both sides of the control socket against each other: the controller's side runs its loop in a
 * thread, the tests are its clients.
 */
#ifndef WANHELM_TESTS_CTL_FIXTURE_H
#define WANHELM_TESTS_CTL_FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "daemon/control.h"

#define WAIT_MS 10000 /* far more than anything here takes */

struct server {
	char dir[64];
	char run_dir[80];
	struct event_base *base;
	struct wh_control *control;
	pthread_t thread;
};

static inline json_t *do_status(void *arg, const json_t *request)
{
	(void)arg;
	return json_pack("{s:O}", "asked", request);
}

static inline json_t *do_hand(void *arg, const json_t *request)
{
	(void)arg;
	return wh_control_error(WH_CONTROL_FAILED, "wan: no WAN is called \"%s\"",
				json_string_value(json_object_get(request, "name")));
}

static inline json_t *do_events(void *arg, const json_t *request)
{
	(void)arg;
	(void)request;
	return json_pack("{s:[{s:s}]}", "events", "event", "old");
}

static inline json_t *do_publish(void *arg, const json_t *request)
{
	struct server *s = arg;

	wh_control_publish(s->control, json_object_get(request, "record"));
	return json_object();
}

static inline json_t *do_large(void *arg, const json_t *request)
{
	char *text = malloc(1000001);
	json_t *answer;

	(void)arg;
	(void)request;
	memset(text, 'x', 1000000);
	text[1000000] = '\0';
	answer = json_pack("{s:s}", "text", text);
	free(text);
	return answer;
}

static inline json_t *do_end(void *arg, const json_t *request)
{
	struct server *s = arg;

	(void)request;
	event_base_loopbreak(s->base);
	return json_pack("{s:s}", "message", "ended");
}

static const struct wh_control_handler handlers[] = {
	{.verb = "status", .fn = do_status, .everyone = true},
	{.verb = "hand", .fn = do_hand},
	{.verb = "events", .fn = do_events, .everyone = true, .streams = true},
	{.verb = "publish", .fn = do_publish},
	{.verb = "large", .fn = do_large},
	{.verb = "end", .fn = do_end},
	{0},
};

static inline void *run_loop(void *arg)
{
	struct server *s = arg;

	event_base_dispatch(s->base);
	wh_control_stop(s->control);
	return NULL;
}

static inline void start(struct server *s, unsigned idle_ms)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/wh-ctl-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->run_dir, sizeof(s->run_dir), "%s/run", s->dir);
	s->base = event_base_new();
	assert_int_equal(wh_control_start(&s->control, s->base, s->run_dir, handlers, s), 0);
	if (idle_ms)
		wh_control_set_idle_ms(s->control, idle_ms);
	assert_int_equal(pthread_create(&s->thread, NULL, run_loop, s), 0);
}

static inline int connect_to(const struct server *s)
{
	int fd = wh_ctl_connect(s->run_dir);

	assert_true(fd >= 0);
	return fd;
}

static inline json_t *call(int fd, const char *request)
{
	json_t *answer = NULL;

	assert_int_equal(wh_ctl_call(fd, json_loads(request, 0, NULL), &answer, WAIT_MS), 0);
	return answer;
}

static inline void end(struct server *s)
{
	json_t *answer = NULL;
	char path[128];

	assert_int_equal(wh_ctl_ask(s->run_dir, json_pack("{s:s}", "verb", "end"), &answer, WAIT_MS), 0);
	/* the answer arrives although the loop has ended */
	assert_string_equal(json_string_value(json_object_get(answer, "message")), "ended");
	json_decref(answer);
	pthread_join(s->thread, NULL);
	event_base_free(s->base);
	snprintf(path, sizeof(path), "%s/%s", s->run_dir, WH_CTL_SOCKET);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(s->run_dir), 0);
	assert_int_equal(rmdir(s->dir), 0);
}

static inline void send_text(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* The next line is a refusal that says `why` and has this exit status. */
static inline void expect_refusal(json_t *answer, const char *why, int exit)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_non_null(error);
	if (!strstr(error, why))
		fail_msg("\"%s\" does not say \"%s\"", error, why);
	assert_int_equal(json_integer_value(json_object_get(answer, "exit")), exit);
	json_decref(answer);
}

static inline void expect_refused_line(int fd, const char *line, const char *why)
{
	json_t *answer = NULL;

	send_text(fd, line, strlen(line));
	assert_int_equal(wh_ctl_next(fd, &answer, WAIT_MS), 0);
	expect_refusal(answer, why, 2);
}

static inline void expect_end(int fd)
{
	json_t *object = NULL;

	assert_int_equal(wh_ctl_next(fd, &object, WAIT_MS), -EPIPE);
	close(fd);
}

#endif
