/* SPDX-License-Identifier: GPL-2.0 */
/* test_prober_life.c: how the prober begins and ends, what it leaves alone, and what it gives up. */
#include "prober_fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* --- looking ---------------------------------------------------------------------------------------------- */

static char *output_of(const char *command)
{
	FILE *pipe = popen(command, "r");
	char *text = NULL;
	size_t size = 0;
	ssize_t len;

	assert_non_null(pipe);
	len = getdelim(&text, &size, '\0', pipe);
	assert_int_equal(pclose(pipe), 0);
	assert_true(len > 0);
	return text;
}

static char *routing_tables(void)
{
	return output_of(
		"ip route show table all; echo ---; ip -6 route show table all; echo ---; ip rule; ip -6 rule");
}

static bool has_veth(void)
{
	return if_nametoindex(WH_PROBER_DEVICE) != 0;
}

static void wait_for_no_veth(void)
{
	uint64_t give_up_ns = wh_now_ns() + PATIENCE_MS * WH_NS_PER_MS;

	while (has_veth()) {
		assert_true(wh_now_ns() < give_up_ns);
		usleep(10000);
	}
}

/* A line of /proc/PID/status, without its name and tab. */
static const char *status_of(pid_t pid, const char *key)
{
	static char line[256];
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':') {
			fclose(file);
			line[strcspn(line, "\n")] = '\0';
			return line + strlen(key) + 1 + strspn(line + strlen(key) + 1, "\t ");
		}
	fclose(file);
	fail_msg("no %s in %s", key, path);
	return "";
}

/* --- tests ------------------------------------------------------------------------------------------------ */

static void test_routing_tables_untouched(void **state)
{
	_cleanup_free_ char *before = routing_tables();
	_cleanup_free_ char *during = NULL;
	_cleanup_free_ char *after = NULL;

	(void)state;
	start_prober();
	assert_true(has_veth());
	usleep(QUIET_MS * 1000); /* what IPv6 does, it does after a while */
	during = routing_tables();
	wh_prober_stop(prober);
	assert_false(has_veth());
	after = routing_tables();
	assert_string_equal(before, during);
	assert_string_equal(before, after);
	assert_non_null(strstr(before, "192.0.2.0/24")); /* it was compared with something */
}

static void test_device(void **state)
{
	char command[160];
	const uint8_t *mac;

	(void)state;
	start_prober();
	mac = wh_prober_mac(prober);
	assert_int_equal(wh_prober_ifindex(prober), if_nametoindex(WH_PROBER_DEVICE));
	snprintf(
		command, sizeof(command),
		"ip link show dev %s | grep -q 'state UP' && ip link show dev %s | grep -q %02x:%02x:%02x:%02x:%02x:%02x",
		WH_PROBER_DEVICE, WH_PROBER_DEVICE, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	run(command);
	run("test -z \"$(ip -o addr show dev " WH_PROBER_DEVICE ")\"");
	/* Nobody has spoken, unasked: neither of neighbours nor of routers nor of groups. */
	usleep(1500 * 1000);
	run("test \"$(ip -s link show dev " WH_PROBER_DEVICE
	    " | awk '/[RT]X:/ {getline; print $2}')\" = \"$(printf '0\\n0')\"");
	wh_prober_stop(prober);
}

static unsigned n_descriptors(pid_t pid)
{
	char command[64];
	_cleanup_free_ char *text = NULL;

	snprintf(command, sizeof(command), "ls /proc/%d/fd | wc -l", (int)pid);
	text = output_of(command);
	return (unsigned)strtoul(text, NULL, 10);
}

static void test_privileges(void **state)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	_cleanup_close_ int secret = open("/proc/self/mem", O_RDWR);
	char own[64] = "", its[64] = "", path[64];
	const gid_t group = 4;
	pid_t pid;

	(void)state;
	assert_int_equal(setgroups(1, &group), 0);
	start_prober();
	pid = child_of(getpid());
	assert_string_equal(status_of(pid, "Name"), "wanhelm-prober");
	assert_string_equal(status_of(pid, "Uid"), "65534\t65534\t65534\t65534");
	assert_string_equal(status_of(pid, "Gid"), "65534\t65534\t65534\t65534");
	assert_string_equal(status_of(pid, "Groups"), "");
	assert_string_equal(status_of(pid, "NoNewPrivs"), "1");
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		assert_string_equal(status_of(pid, sets[i]), "0000000000000000");
	assert_true(secret >= 0);
	assert_int_equal(n_descriptors(pid), 7); /* 0, 1, 2, orders, ICMP of both families, epoll */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	assert_true(readlink(path, its, sizeof(its) - 1) > 0);
	assert_true(readlink("/proc/self/ns/net", own, sizeof(own) - 1) > 0);
	assert_string_not_equal(own, its);
	/* What stops the controller is not for it. */
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	route_probes();
	send_order(order_of(WH_PROBE_ICMP, 0, TARGET, 1));
	expect_result(1, WH_PROBE_ANSWERED);
	wh_prober_stop(prober);
	assert_int_equal(kill(pid, 0), -1);
}

static void test_process_dies(void **state)
{
	struct pollfd wait;
	struct wh_prober_result result;
	struct wh_prober_order order = order_of(WH_PROBE_ICMP, 0, TARGET, 1);
	pid_t pid;

	(void)state;
	start_prober();
	assert_int_equal(wh_prober_receive(prober, &result), 0);
	/* With something unread, which makes the socket tell it in another way. */
	pid = child_of(getpid());
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(wh_prober_send(prober, &order), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait = (struct pollfd){.fd = wh_prober_fd(prober), .events = POLLIN};
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	assert_int_equal(wh_prober_receive(prober, &result), -EPIPE);
	assert_int_equal(wh_prober_send(prober, &order), -EPIPE);
	wh_prober_stop(prober);
	assert_false(has_veth());
	set_up(NULL); /* and again */
	send_order(order);
	expect_result(1, WH_PROBE_ANSWERED);
	wh_prober_stop(prober);
}

static void test_controller_killed(void **state)
{
	pid_t controller, pid, reaped;
	int said[2], status = 0;
	uint64_t give_up_ns;
	char ready;

	(void)state;
	/* Its orphan comes to us. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	assert_int_equal(pipe(said), 0);
	controller = fork();
	if (!controller) {
		char error[256];

		if (wh_prober_start(&prober, error, sizeof(error)) || write(said[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(said[1]);
	assert_int_equal(read(said[0], &ready, 1), 1);
	close(said[0]);
	pid = child_of(controller);
	assert_true(has_veth());
	/* Stopped it does not even see that its socket is closed. */
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(kill(controller, SIGKILL), 0);
	assert_int_equal(waitpid(controller, NULL, 0), controller);
	give_up_ns = wh_now_ns() + PATIENCE_MS * WH_NS_PER_MS;
	while (!(reaped = waitpid(pid, &status, WNOHANG)) && wh_now_ns() < give_up_ns)
		usleep(10000);
	if (!reaped)
		kill(pid, SIGKILL);
	assert_int_equal(reaped, pid);
	/* The namespace takes the veth along. */
	wait_for_no_veth();
}

static void test_left_over_veth(void **state)
{
	(void)state;
	run("ip link add " WH_PROBER_DEVICE " type veth peer name left0");
	start_prober();
	assert_int_equal(if_nametoindex("left0"), 0);
	wh_prober_stop(prober);
	assert_false(has_veth());
}

/* Somebody took our device away and made another: that one is not ours to remove. */
static void test_foreign_veth_at_stop(void **state)
{
	(void)state;
	start_prober();
	run("ip link del " WH_PROBER_DEVICE " && ip link add " WH_PROBER_DEVICE " type veth peer name other0");
	wh_prober_stop(prober);
	assert_true(has_veth());
	run("ip link del " WH_PROBER_DEVICE);
}

static void test_foreign_device(void **state)
{
	char error[256] = "";

	(void)state;
	run("ip link add " WH_PROBER_DEVICE " type bridge");
	prober = NULL;
	assert_int_equal(wh_prober_start(&prober, error, sizeof(error)), -EEXIST);
	assert_null(prober);
	assert_non_null(strstr(error, WH_PROBER_DEVICE));
	assert_true(has_veth());
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no process is left */
	run("ip link del " WH_PROBER_DEVICE);
}

static void test_without_privileges(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		char error[256] = "";
		int err;

		if (setgid(65534) || setuid(65534))
			_exit(3);
		err = wh_prober_start(&prober, error, sizeof(error));
		_exit(err == -EPERM && strstr(error, "namespace") && waitpid(-1, NULL, 0) < 0 ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_false(has_veth());
}

static void test_stop_nothing(void **state)
{
	(void)state;
	wh_prober_stop(NULL);
	assert_false(has_veth());
}

/* Something in the routing tables, and nothing in them that is still about to change. */
static int make_router(void **state)
{
	(void)state;
	run("ip link set lo up && ip link add wan1 type veth peer name far1 && ip link set wan1 up && ip link set far1 up && "
	    "ip addr add 192.0.2.2/24 dev wan1 && ip route add default via 192.0.2.254");
	for (;;) {
		_cleanup_free_ char *before = routing_tables();
		_cleanup_free_ char *after = NULL;

		sleep(3); /* IPv6 looks for duplicates of its addresses */
		after = routing_tables();
		if (!strcmp(before, after))
			return 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_routing_tables_untouched, make_router),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_process_dies),
		cmocka_unit_test(test_controller_killed),
		cmocka_unit_test(test_left_over_veth),
		cmocka_unit_test(test_foreign_veth_at_stop),
		cmocka_unit_test(test_foreign_device),
		cmocka_unit_test(test_without_privileges),
		cmocka_unit_test(test_stop_nothing),
	};

	return RUN_IN_NAMESPACE("prober life", tests);
}
