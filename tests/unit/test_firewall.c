/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_firewall.c: our table and the watch over it: put, taken out, found changed, and who changed it.  What it
 * does to packets is test_firewall_packets.c's.
 */
#include "firewall_fixture.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kern/firewall_watch.h"

static int set_up(void **state)
{
	(void)state;
	return system("nft flush ruleset");
}

/* --- the table -------------------------------------------------------------------------------------------- */

static void test_put_and_remove(void **state)
{
	char error[WH_FIREWALL_ERROR_LEN] = "";

	(void)state;
	assert_int_equal(wh_firewall_present(&usual), 0);
	assert_int_equal(wh_firewall_remove(error), 0); /* nothing to remove is no error */
	put(&usual);
	assert_int_equal(wh_firewall_present(&usual), 1);
	put(&usual);
	assert_int_equal(wh_firewall_present(&usual), 1);
	assert_int_equal(wh_firewall_remove(error), 0);
	assert_int_equal(wh_firewall_present(&usual), 0);
	assert_string_equal(output_of("nft list ruleset"), "");
}

static void test_users_tables_stay(void **state)
{
	char error[WH_FIREWALL_ERROR_LEN];
	char *before;

	(void)state;
	run("nft 'add table inet wanhelm2; add table ip wanhelm; add chain ip wanhelm c; add rule ip wanhelm c drop'");
	before = strdup(output_of("nft -a list ruleset"));
	assert_int_equal(wh_firewall_present(&usual), 0);
	put(&usual);
	assert_int_equal(wh_firewall_remove(error), 0);
	assert_string_equal(output_of("nft -a list ruleset"), before);
	free(before);
}

static void test_other_options_are_seen(void **state)
{
	struct wh_firewall_options other = usual;

	(void)state;
	put(&usual);
	other.untracked = true;
	assert_int_equal(wh_firewall_present(&other), 0);
	put(&other);
	assert_int_equal(wh_firewall_present(&other), 1);
	other = usual;
	other.mark_mask = 0x0f000000;
	other.mark = 0x01000000;
	assert_int_equal(wh_firewall_present(&other), 0);
	other = usual;
	other.n_wans = 1;
	put(&usual);
	assert_int_equal(wh_firewall_present(&other), 0);
	other.n_wans = 0;
	put(&other);
	assert_int_equal(wh_firewall_present(&other), 1);
	other = usual;
	strcpy(other.wans[1], "wan3");
	assert_int_equal(wh_firewall_present(&other), 0);
}

/* The last chain's first rule, which others are named after. */
static unsigned handle_of_a_rule(void)
{
	const char *at = strstr(output_of("nft -a list chain inet wanhelm leaving"), "snat ip to");

	assert_non_null(at);
	return (unsigned)strtoul(strstr(at, "# handle ") + strlen("# handle "), NULL, 10);
}

static void test_every_change_is_seen(void **state)
{
	static const char *const changes[] = {
		"nft flush ruleset",
		"nft delete table inet wanhelm",
		"nft flush table inet wanhelm",
		"nft flush chain inet wanhelm leaving",
		"nft add chain inet wanhelm another",
		"nft insert rule inet wanhelm passing drop",
		"nft delete rule inet wanhelm leaving handle %u",
		"nft insert rule inet wanhelm leaving handle %u drop && nft delete rule inet wanhelm leaving handle %u",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		unsigned handle;
		char command[256];

		put(&usual);
		assert_int_equal(wh_firewall_present(&usual), 1);
		handle = handle_of_a_rule();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(command, sizeof(command), changes[i], handle, handle);
#pragma GCC diagnostic pop
		run("%s", command);
		if (wh_firewall_present(&usual))
			fail_msg("not noticed: %s", command);
	}
}

static void refused(const struct wh_firewall_options *options, const char *why)
{
	char error[WH_FIREWALL_ERROR_LEN] = "";

	assert_int_equal(wh_firewall_put(options, error), -EINVAL);
	assert_string_equal(error, why);
	assert_int_equal(wh_firewall_present(options), -EINVAL);
	assert_string_equal(output_of("nft list ruleset"), "");
}

static void test_refused(void **state)
{
	struct wh_firewall_options bad = usual;

	(void)state;
	bad.mark_mask = 0x7000000;
	bad.mark = 0;
	refused(&bad, "mark: the mask 0x7000000 has no room for 11 values from 0x0 on");
	bad.mark_mask = 0xff000000;
	bad.mark = 0xf8000000;
	refused(&bad, "mark: the mask 0xff000000 has no room for 11 values from 0xf8000000 on");
	bad.mark_mask = 0;
	bad.mark = 0;
	refused(&bad, "mark: the mask 0x0 has no room for 11 values from 0x0 on");
	bad.mark_mask = 0x10100; /* a hole */
	refused(&bad, "mark: the mask 0x10100 has no room for 11 values from 0x0 on");
	bad = usual;
	strcpy(bad.wans[1], "wan*");
	refused(&bad, "device \"wan*\": nftables has no way to write this name");
	strcpy(bad.wans[1], "a\"b");
	refused(&bad, "device \"a\"b\": nftables has no way to write this name");
}

/* Nothing is half done where the kernel refuses, and its own word is passed on. */
static void test_kernel_refuses(void **state)
{
	char error[WH_FIREWALL_ERROR_LEN] = "";
	pid_t child;
	int status;

	(void)state;
	child = fork();
	if (child == 0) {
		if (setuid(65534))
			_exit(1);
		if (wh_firewall_put(&usual, error) != -EIO || !strstr(error, "Operation not permitted"))
			_exit(2);
		_exit(strchr(error, '\n') ? 3 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_string_equal(output_of("nft list ruleset"), "");
}

/* --- the watch -------------------------------------------------------------------------------------------- */

static struct wh_firewall_watch *watch;
static unsigned by_us, by_others;

static void note(void *arg, bool us)
{
	assert_ptr_equal(arg, &by_us);
	++*(us ? &by_us : &by_others);
}

static int open_watch(void **state)
{
	if (set_up(state))
		return -1;
	by_us = by_others = 0;
	return wh_firewall_watch_open(&watch, note, &by_us);
}

static int close_watch(void **state)
{
	(void)state;
	wh_firewall_watch_close(watch);
	return 0;
}

/* Notifications are in the socket when the command is over: so there is nothing to wait for. */
static void heard(unsigned us, unsigned others)
{
	assert_int_equal(wh_firewall_watch_read(watch), 0);
	assert_int_equal(by_us, us);
	assert_int_equal(by_others, others);
}

static void test_who_changed_it(void **state)
{
	char error[WH_FIREWALL_ERROR_LEN];
	struct pollfd wait = {.fd = wh_firewall_watch_fd(watch), .events = POLLIN};

	(void)state;
	assert_int_equal(poll(&wait, 1, 0), 0);
	heard(0, 0);
	put(&usual);
	assert_int_equal(poll(&wait, 1, 0), 1);
	heard(1, 0);
	run("nft add table inet users");
	heard(1, 1);
	assert_int_equal(wh_firewall_present(&usual), 1); /* looking changes nothing */
	run("nft list ruleset >/dev/null");
	heard(1, 1);
	assert_int_equal(wh_firewall_remove(error), 0);
	heard(2, 1);
}

static void test_flush_ruleset(void **state)
{
	(void)state;
	put(&usual);
	heard(1, 0);
	run("nft flush ruleset");
	heard(1, 1);
	assert_int_equal(wh_firewall_present(&usual), 0);
}

static void test_iptables_nft(void **state)
{
	(void)state;
	put(&usual);
	run("iptables-nft -A FORWARD -p tcp --dport 25 -j REJECT");
	assert_int_equal(wh_firewall_watch_read(watch), 0);
	assert_int_equal(by_us, 1);
	assert_true(by_others >= 1);
	by_others = 0;
	run("iptables-nft -D FORWARD -p tcp --dport 25 -j REJECT");
	heard(1, 1);
}

static void test_elements(void **state)
{
	(void)state;
	run("nft 'add table ip t; add set ip t s { type ipv4_addr; flags timeout; }'");
	heard(0, 1);
	run("nft add element ip t s '{ 192.0.2.1 timeout 10m }'");
	heard(0, 2);
}

/* A transaction of thousands of rules is one change, and its notifications do not fill the socket. */
static void test_once_per_transaction(void **state)
{
	int bytes = 4096;
	FILE *nft;

	(void)state;
	assert_int_equal(setsockopt(wh_firewall_watch_fd(watch), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	nft = popen("nft -f -", "w");
	assert_non_null(nft);
	fputs("table ip t {\nchain c {\n", nft);
	for (unsigned i = 0; i < 3000; i++)
		fprintf(nft, "ip saddr 10.0.%u.%u drop\n", i / 256, i % 256);
	fputs("}\n}\n", nft);
	assert_int_equal(pclose(nft), 0);
	heard(0, 1);
}

static void test_overrun_is_a_change(void **state)
{
	int bytes = 1;

	(void)state;
	assert_int_equal(setsockopt(wh_firewall_watch_fd(watch), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	for (unsigned i = 0; i < 50; i++)
		put(&usual);
	assert_int_equal(wh_firewall_watch_read(watch), 0);
	assert_true(by_us < 50);
	assert_int_equal(by_others, 1);
	by_us = by_others = 0;
	put(&usual);
	heard(1, 0);
}

#define TABLE(function) cmocka_unit_test_setup(function, set_up)
#define WATCH(function) cmocka_unit_test_setup_teardown(function, open_watch, close_watch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE(test_put_and_remove),
		TABLE(test_users_tables_stay),
		TABLE(test_other_options_are_seen),
		TABLE(test_every_change_is_seen),
		TABLE(test_refused),
		TABLE(test_kernel_refuses),
		WATCH(test_who_changed_it),
		WATCH(test_flush_ruleset),
		WATCH(test_iptables_nft),
		WATCH(test_elements),
		WATCH(test_once_per_transaction),
		WATCH(test_overrun_is_a_change),
	};

	return RUN_IN_NAMESPACE("firewall", tests, NULL);
}
