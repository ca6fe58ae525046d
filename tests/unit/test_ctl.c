/* SPDX-License-Identifier: GPL-2.0 */
/* test_ctl.c: what clients ask of a controller that runs, what it answers, and whom it drops. */
#include "ctl_fixture.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
