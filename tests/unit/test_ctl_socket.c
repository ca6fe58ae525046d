/* SPDX-License-Identifier: GPL-2.0 */
/* test_ctl_socket.c: the control socket's place: one controller there, a dead one, none, and what is no controller. */
#include "ctl_fixture.h"

#include <sys/stat.h>
#include <sys/un.h>

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
		cmocka_unit_test(test_one_controller_a_directory),
		cmocka_unit_test(test_long_directory_is_refused),
		cmocka_unit_test(test_client_against_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
