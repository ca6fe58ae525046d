/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_files.c: files as files: how one may be written, those that we ship, one that cannot be read or is too
 * large, and the machine's own ports, which are read beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"

#define WHOLE "lan: [lan0]\nwans:\n  fiber: {device: wan1}\n  lte: {device: wan2}\n"

static struct wh_config config; /* large */

static void parse(const char *text)
{
	char error[WH_CONF_ERROR_LEN] = "";

	memset(&config, 0x5a, sizeof(config));
	if (wh_conf_parse("t.yaml", text, strlen(text), (struct wh_conf_ports){0}, &config, error))
		fail_msg("refused: %s", error);
}

/* A byte order mark, Windows line ends, a document mark, quotes and empty sections are no mistakes. */
static void test_ways_of_writing(void **state)
{
	(void)state;
	parse("\xef\xbb\xbf" WHOLE);
	parse("%YAML 1.1\n---\n" WHOLE "...\n");
	parse("lan: [lan0]\r\nfirewall: bypass\r\nwans:\r\n  a: {device: w1}\r\n");
	parse(WHOLE "limits:\nmark: {}\nfailback:\nprobes:\nclasses:\n");
	assert_int_equal(config.max_flows, 262144);
	assert_int_equal(config.n_classes, 1);
	parse("\"lan\": ['lan0']\n'firewall': \"bypass\"\nwans: {a: {device: 'w1', weight: \"7\"}}\n");
	assert_int_equal(config.wans[0].weight, 7);
}

static void test_shipped_files(void **state)
{
	static const char *const files[] = {"share/wanhelm.yaml.example", "docs/examples/two-wan.yaml",
					    "docs/examples/balance.yaml", "docs/examples/ipv6.yaml"};
	char error[WH_CONF_ERROR_LEN] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (wh_conf_read(files[i], &config, error))
			fail_msg("refused (run from the top of the source tree): %s", error);
		assert_int_equal(config.n_wans, 2);
		assert_int_equal(config.classes[0].tiers[0].n_members, i == 2 ? 2 : 1);
	}
}

/* Of each what it is an example of. */
static void test_documented_examples(void **state)
{
	static const struct {
		const char *file;
		unsigned n_wans;
		unsigned n_classes;
		unsigned n_matches;
	} cases[] = {
		{"home-office", 2, 4, 6},	{"retail", 3, 6, 6}, {"branch", 3, 6, 8}, {"four-wans", 4, 3, 3},
		{"ipv6-two-prefixes", 3, 3, 3},
	};
	char path[128], error[WH_CONF_ERROR_LEN] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "docs/examples/%s.yaml", cases[i].file);
		if (wh_conf_read(path, &config, error))
			fail_msg("refused (run from the top of the source tree): %s", error);
		print_message("%s\n", cases[i].file);
		assert_int_equal(config.n_wans, cases[i].n_wans);
		assert_int_equal(config.n_classes, cases[i].n_classes);
		assert_int_equal(config.n_matches, cases[i].n_matches);
	}
}

static void test_unreadable_files(void **state)
{
	static struct wh_config before;
	char error[WH_CONF_ERROR_LEN] = "";

	(void)state;
	memset(&config, 0x5a, sizeof(config));
	before = config;
	assert_int_equal(wh_conf_read("/nonexistent/wanhelm.yaml", &config, error), -ENOENT);
	assert_string_equal(error, "/nonexistent/wanhelm.yaml: cannot be read: No such file or directory");
	assert_int_equal(wh_conf_read("/", &config, error), -EISDIR);
	assert_string_equal(error, "/: cannot be read: Is a directory");
	assert_memory_equal(&config, &before, sizeof(config));
}

static void test_file_size(void **state)
{
	char path[] = "/tmp/test_conf.XXXXXX", error[WH_CONF_ERROR_LEN] = "";
	int fd = mkstemp(path);
	size_t room = 1024 * 1024 - strlen(WHOLE);
	char *comment = malloc(room + 1);

	(void)state;
	assert_true(fd >= 0 && comment);
	memset(comment, '#', room + 1);
	assert_int_equal(write(fd, WHOLE, strlen(WHOLE)), strlen(WHOLE));
	assert_int_equal(write(fd, comment, room), room);
	assert_int_equal(wh_conf_read(path, &config, error), 0);
	assert_int_equal(write(fd, comment, 1), 1);
	assert_int_equal(wh_conf_read(path, &config, error), -EINVAL);
	assert_non_null(strstr(error, ":1:1: the file is larger than 1 MiB"));
	close(fd);
	unlink(path);
	free(comment);
}

/* The file is held against what this kernel says. */
static void test_reads_the_kernels_ports(void **state)
{
	char path[] = "/tmp/test_conf_files.XXXXXX", error[WH_CONF_ERROR_LEN] = "", expected[WH_CONF_ERROR_LEN];
	int fd = mkstemp(path);
	FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
	unsigned first, last;

	(void)state;
	assert_true(fd >= 0 && range);
	assert_int_equal(fscanf(range, "%u %u", &first, &last), 2);
	fclose(range);
	dprintf(fd, "lan: [lan0]\nwans: {a: {device: w, ports: 1024-65535}}\n");
	close(fd);
	snprintf(expected, sizeof(expected),
		 "%s:2:30: ports: 1024-65535 overlaps %u-%u, which the kernel gives to its own sockets "
		 "(net.ipv4.ip_local_port_range)",
		 path, first, last);
	assert_int_equal(wh_conf_read(path, &config, error), -EINVAL);
	assert_string_equal(error, expected);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways_of_writing),	    cmocka_unit_test(test_shipped_files),
		cmocka_unit_test(test_documented_examples), cmocka_unit_test(test_unreadable_files),
		cmocka_unit_test(test_file_size),	    cmocka_unit_test(test_reads_the_kernels_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
