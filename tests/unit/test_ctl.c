/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_ctl.c: both sides of the control socket against each other: the controller's side runs its loop in a
 * thread, the tests are its clients.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
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

static json_t *do_status(void *arg, const json_t *request)
{
	(void)arg;
	return json_pack("{s:O}", "asked", request);
}

static json_t *do_hand(void *arg, const json_t *request)
{
	(void)arg;
	return wh_control_error(1, "wan: no WAN is called \"%s\"", json_string_value(json_object_get(request, "name")));
}

static json_t *do_events(void *arg, const json_t *request)
{
	(void)arg;
	(void)request;
	return json_pack("{s:[{s:s}]}", "events", "event", "old");
}

static json_t *do_publish(void *arg, const json_t *request)
{
	struct server *s = arg;

	wh_control_publish(s->control, json_object_get(request, "record"));
	return json_object();
}

static json_t *do_large(void *arg, const json_t *request)
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

static json_t *do_end(void *arg, const json_t *request)
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

static void *run_loop(void *arg)
{
	struct server *s = arg;

	event_base_dispatch(s->base);
	wh_control_stop(s->control);
	return NULL;
}

static void start(struct server *s, unsigned idle_ms)
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

static int connect_to(const struct server *s)
{
	int fd = wh_ctl_connect(s->run_dir);

	assert_true(fd >= 0);
	return fd;
}

static json_t *call(int fd, const char *request)
{
	json_t *answer = NULL;

	assert_int_equal(wh_ctl_call(fd, json_loads(request, 0, NULL), &answer, WAIT_MS), 0);
	return answer;
}

static void end(struct server *s)
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

static void send_text(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* The next line is a refusal that says `why` and has this exit status. */
static void expect_refusal(json_t *answer, const char *why, int exit)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_non_null(error);
	if (!strstr(error, why))
		fail_msg("\"%s\" does not say \"%s\"", error, why);
	assert_int_equal(json_integer_value(json_object_get(answer, "exit")), exit);
	json_decref(answer);
}

static void expect_refused_line(int fd, const char *line, const char *why)
{
	json_t *answer = NULL;

	send_text(fd, line, strlen(line));
	assert_int_equal(wh_ctl_next(fd, &answer, WAIT_MS), 0);
	expect_refusal(answer, why, 2);
}

static void expect_end(int fd)
{
	json_t *object = NULL;

	assert_int_equal(wh_ctl_next(fd, &object, WAIT_MS), -EPIPE);
	close(fd);
}

static void test_asks_and_answers(void **state)
{
	struct server s;
	json_t *answer, *asked;
	int fd;

	(void)state;
	start(&s, 0);
	fd = connect_to(&s);
	answer = call(fd, "{\"verb\":\"status\",\"x\":[1,\"é\"]}");
	asked = json_loads("{\"verb\":\"status\",\"x\":[1,\"é\"]}", 0, NULL);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_true(json_equal(json_object_get(answer, "asked"), asked));
	json_decref(asked);
	json_decref(answer);
	expect_refusal(call(fd, "{\"verb\":\"hand\",\"name\":\"fibre\"}"), "wan: no WAN is called \"fibre\"", 1);
	answer = call(fd, "{\"verb\":\"large\"}");
	assert_int_equal(json_string_length(json_object_get(answer, "text")), 1000000);
	json_decref(answer);
	close(fd);
	end(&s);
}

static void test_refuses_what_is_malformed(void **state)
{
	struct server s;
	int fd;

	(void)state;
	start(&s, 0);
	fd = connect_to(&s);
	expect_refused_line(fd, "{\"verb\":\n", "request: column 8");
	expect_refused_line(fd, "\n", "request: column");
	expect_refused_line(fd, "[1]\n", "request: not an object");
	expect_refused_line(fd, "{}\n", "no \"verb\"");
	expect_refused_line(fd, "{\"verb\":7}\n", "no \"verb\"");
	expect_refused_line(fd, "{\"verb\":\"x\",\"verb\":\"y\"}\n", "duplicate");
	expect_refused_line(fd, "{\"verb\":\"\xff\"}\n", "request: column");
	expect_refused_line(fd, "{\"verb\":\"statsu\"}\n", "no verb is called \"statsu\"");
	/* and goes on */
	json_decref(call(fd, "{\"verb\":\"status\"}"));
	close(fd);
	end(&s);
}

static void test_bounds_a_request(void **state)
{
	static char line[WH_CTL_MAX_LINE + 4096];
	struct server s;
	json_t *answer = NULL;
	int fd;

	(void)state;
	start(&s, 0);
	/* as long as may be */
	fd = connect_to(&s);
	snprintf(line, sizeof(line), "%-*s\n", WH_CTL_MAX_LINE, "{\"verb\":\"status\"}");
	send_text(fd, line, WH_CTL_MAX_LINE + 1);
	assert_int_equal(wh_ctl_next(fd, &answer, WAIT_MS), 0);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	/* longer */
	memset(line, ' ', sizeof(line));
	send_text(fd, line, sizeof(line));
	assert_int_equal(wh_ctl_next(fd, &answer, WAIT_MS), 0);
	expect_refusal(answer, "longer than 65536", 2);
	close(fd);
	end(&s);
}

static void test_serves_in_order(void **state)
{
	static const char two[] =
		"{\"verb\":\"status\",\"n\":1}\r\n{\"verb\":\"large\"}\n{\"verb\":\"status\",\"n\":2}\n";
	struct server s;
	json_t *answer;
	int fd;

	(void)state;
	start(&s, 0);
	fd = connect_to(&s);
	send_text(fd, two, sizeof(two) - 1);
	shutdown(fd, SHUT_WR); /* what was asked before is still answered */
	for (int n = 1; n <= 3; n++) {
		const json_t *asked;

		assert_int_equal(wh_ctl_next(fd, &answer, WAIT_MS), 0);
		asked = json_object_get(answer, "asked");
		assert_int_equal(json_integer_value(json_object_get(asked, "n")), n == 1 ? 1 : n == 3 ? 2 : 0);
		json_decref(answer);
	}
	expect_end(fd);
	end(&s);
}

static void test_bounds_clients(void **state)
{
	struct server s;
	json_t *answer = NULL;
	int fd[33], err;

	(void)state;
	start(&s, 0);
	for (int i = 0; i < 32; i++) {
		fd[i] = connect_to(&s);
		json_decref(call(fd[i], "{\"verb\":\"status\"}"));
	}
	fd[32] = connect_to(&s);
	answer = call(fd[32], "{\"verb\":\"status\"}");
	expect_refusal(answer, "too many clients", 1);
	close(fd[32]);
	close(fd[0]);
	/* its place is free as soon as the loop has seen it */
	for (int i = 0; i < WAIT_MS / 10; i++) {
		err = wh_ctl_ask(s.run_dir, json_pack("{s:s}", "verb", "status"), &answer, WAIT_MS);
		if (err == 0 && json_is_true(json_object_get(answer, "ok")))
			break;
		assert_int_equal(err, 0);
		json_decref(answer);
		answer = NULL;
		usleep(10000);
	}
	assert_non_null(answer);
	json_decref(answer);
	for (int i = 1; i < 32; i++)
		close(fd[i]);
	end(&s);
}

static void test_streams_records_and_drops_the_idle(void **state)
{
	struct server s;
	json_t *answer = NULL;
	int follower, idle, asker;

	(void)state;
	start(&s, 200);
	follower = connect_to(&s);
	idle = connect_to(&s);
	answer = call(follower, "{\"verb\":\"events\",\"follow\":true}");
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 1);
	json_decref(answer);
	/* by then more than the idle time has gone by for the follower as well */
	expect_end(idle);
	asker = connect_to(&s);
	json_decref(call(asker, "{\"verb\":\"publish\",\"record\":{\"event\":\"flap\"}}"));
	json_decref(call(asker, "{\"verb\":\"publish\",\"record\":{\"event\":\"drill\"}}"));
	assert_int_equal(wh_ctl_next(follower, &answer, WAIT_MS), 0);
	assert_string_equal(json_string_value(json_object_get(answer, "event")), "flap");
	json_decref(answer);
	assert_int_equal(wh_ctl_next(follower, &answer, WAIT_MS), 0);
	assert_string_equal(json_string_value(json_object_get(answer, "event")), "drill");
	json_decref(answer);
	/* who does not follow is told nothing: the next line is the answer */
	answer = call(asker, "{\"verb\":\"status\"}");
	assert_non_null(json_object_get(answer, "asked"));
	json_decref(answer);
	close(asker);
	close(follower);
	end(&s);
}

/* A follower that never reads is dropped before it costs more than some megabytes; the controller lives on. */
static void test_drops_a_follower_that_does_not_read(void **state)
{
	static char line[40000];
	struct server s;
	struct pollfd hung;
	int follower, asker, sent = 0;

	(void)state;
	start(&s, 0);
	follower = connect_to(&s);
	json_decref(call(follower, "{\"verb\":\"events\",\"follow\":true}"));
	asker = connect_to(&s);
	hung = (struct pollfd){.fd = follower};
	memset(line, ' ', sizeof(line));
	snprintf(line, sizeof(line), "{\"verb\":\"publish\",\"record\":{\"event\":\"%030000d\"}}", 0);
	while (poll(&hung, 1, 0) == 0 && sent < 1000) {
		json_decref(call(asker, line));
		sent++;
	}
	assert_true(hung.revents & POLLHUP);
	assert_in_range(sent, 100, 300); /* 4 MiB of 30 kB each, and what the socket takes */
	close(asker);
	close(follower);
	end(&s);
}

/* In a process of its own: as nobody. Returns bits of what went wrong. */
static int ask_as_nobody(const char *run_dir)
{
	json_t *answer = NULL;
	int wrong = 0;

	if (setresuid(65534, 65534, 65534) < 0)
		return 1;
	if (wh_ctl_ask(run_dir, json_pack("{s:s}", "verb", "status"), &answer, WAIT_MS) < 0 ||
	    !json_is_true(json_object_get(answer, "ok")))
		wrong |= 2;
	if (wh_ctl_ask(run_dir, json_pack("{s:s,s:s}", "verb", "hand", "name", "x"), &answer, WAIT_MS) < 0 ||
	    !strstr(json_string_value(json_object_get(answer, "error")), "hand: only root"))
		wrong |= 4;
	return wrong;
}

static void test_lets_others_only_look(void **state)
{
	struct server s;
	char path[128];
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIP: needs root, to ask as another user\n");
		skip();
	}
	start(&s, 0);
	snprintf(path, sizeof(path), "%s/%s", s.run_dir, WH_CTL_SOCKET);
	assert_int_equal(chmod(s.dir, 0755) | chmod(s.run_dir, 0755) | chmod(path, 0666), 0);
	pid = fork();
	if (pid == 0)
		_exit(ask_as_nobody(s.run_dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	end(&s);
}

static void test_one_controller_a_directory(void **state)
{
	struct event_base *base = event_base_new();
	struct wh_control *control = NULL, *second = NULL;
	char dir[] = "/tmp/wh-ctl-XXXXXX", run_dir[64], path[96];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	snprintf(path, sizeof(path), "%s/%s", run_dir, WH_CTL_SOCKET);
	assert_int_equal(wh_ctl_connect(run_dir), -ENOENT);
	assert_int_equal(wh_control_start(&control, base, run_dir, handlers, NULL), 0);
	assert_int_equal(stat(run_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(wh_control_start(&second, base, run_dir, handlers, NULL), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(access(path, F_OK), 0); /* the first one's socket still stands */
	wh_control_stop(control);

	/* a dead one's socket is in nobody's way */
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(wh_ctl_connect(run_dir), -ECONNREFUSED);
	assert_int_equal(wh_control_start(&control, base, run_dir, handlers, NULL), 0);
	fd = wh_ctl_connect(run_dir);
	assert_true(fd >= 0);
	close(fd);
	wh_control_stop(control);
	event_base_free(base);
	rmdir(run_dir);
	rmdir(dir);
}

static void test_long_directory_is_refused(void **state)
{
	struct event_base *base = event_base_new();
	struct wh_control *control = NULL;
	char run_dir[200];

	(void)state;
	memset(run_dir, 'a', sizeof(run_dir));
	run_dir[0] = '/';
	run_dir[sizeof(run_dir) - 1] = '\0';
	assert_int_equal(wh_ctl_connect(run_dir), -ENAMETOOLONG);
	assert_int_equal(wh_control_start(&control, base, run_dir, handlers, NULL), -ENAMETOOLONG);
	assert_null(control);
	event_base_free(base);
}

/* What the command makes of a controller that is none. */
static void test_client_against_strangers(void **state)
{
	json_t *answer = NULL;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(wh_ctl_call(pair[0], json_object(), &answer, 50), -ETIMEDOUT);
	send_text(pair[1], "{\"ok\":", 6);
	assert_int_equal(wh_ctl_next(pair[0], &answer, 50), -ETIMEDOUT); /* half a line */
	send_text(pair[1], "nonsense\n[1]\n{\"a\":1}\n{\"a\":2}\n", 30);
	assert_int_equal(wh_ctl_next(pair[0], &answer, WAIT_MS), -EBADMSG);
	assert_int_equal(wh_ctl_next(pair[0], &answer, WAIT_MS), -EBADMSG);
	assert_null(answer);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(wh_ctl_next(pair[0], &answer, WAIT_MS), 0);
		assert_int_equal(json_integer_value(json_object_get(answer, "a")), i);
		json_decref(answer);
	}
	close(pair[1]);
	assert_int_equal(wh_ctl_next(pair[0], &answer, WAIT_MS), -EPIPE);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asks_and_answers),
		cmocka_unit_test(test_refuses_what_is_malformed),
		cmocka_unit_test(test_bounds_a_request),
		cmocka_unit_test(test_serves_in_order),
		cmocka_unit_test(test_bounds_clients),
		cmocka_unit_test(test_streams_records_and_drops_the_idle),
		cmocka_unit_test(test_drops_a_follower_that_does_not_read),
		cmocka_unit_test(test_lets_others_only_look),
		cmocka_unit_test(test_one_controller_a_directory),
		cmocka_unit_test(test_long_directory_is_refused),
		cmocka_unit_test(test_client_against_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
