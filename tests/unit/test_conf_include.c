/* SPDX-License-Identifier: GPL-2.0 */
/* test_conf_include.c: files that include files: what comes of it, whose places messages name, and the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "conf_parse.h"

static char dir[] = "/tmp/test_conf_include.XXXXXX";

static int make_dir(void **state)
{
	char sub[64];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	return mkdir(sub, 0700);
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void put_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static int read_main(const char *text, char error[WH_CONF_ERROR_LEN])
{
	char path[128];

	put_file("main.yaml", text);
	snprintf(path, sizeof(path), "%s/main.yaml", dir);
	return wh_conf_read(path, &config, error);
}

static void assert_accepted(const char *text)
{
	char error[WH_CONF_ERROR_LEN] = "";

	if (read_main(text, error))
		fail_msg("refused: %s", error);
}

/* The message, which begins with a file's path in the folder of the test. */
static void assert_refusal(const char *text, const char *expected)
{
	char error[WH_CONF_ERROR_LEN] = "accepted";

	assert_int_equal(read_main(text, error), -EINVAL);
	assert_memory_equal(error, dir, strlen(dir));
	assert_string_equal(error + strlen(dir) + 1, expected);
}

static void test_every_section(void **state)
{
	(void)state;
	put_file("top.yaml", "lan: [lan0]\n");
	put_file("wans.yaml", "\n\nfiber: {device: wan1, include: sub/fiber.yaml}\n");
	put_file("sub/fiber.yaml", "include: more.yaml\n");
	put_file("sub/more.yaml", "weight: 7\n");
	put_file("sets.yaml", "web: [80]\n");
	put_file("classes.yaml", "# first\nvoice:\n  match:\n    - {dscp: ef}\n");
	put_file("line.yaml", "proto: udp\ndport: 53\n");
	put_file("probes.yaml", "default: {quorum: 2}\n");
	put_file("one.yaml", "mode: manual\n");
	put_file("nothing.yaml", "# nothing yet\n");
	assert_accepted("include: [top.yaml, nothing.yaml]\n"
			"wans:\n  cable: {device: wan3}\n  include: wans.yaml\n  lte: {device: wan2}\n"
			"sets: {include: sets.yaml}\n"
			"probes: {include: probes.yaml}\n"
			"failback:\n  include: one.yaml\n  hold: 1m\n"
			"classes:\n"
			"  web: {match: [{dport: $web}, {include: line.yaml}], failback: {include: one.yaml}}\n"
			"  include: classes.yaml\n");
	assert_int_equal(config.n_wans, 3); /* in the order in which the text would stand in one file */
	assert_string_equal(config.wans[1].name, "fiber");
	assert_int_equal(config.wans[1].weight, 7);
	assert_string_equal(config.wans[2].name, "lte");
	assert_int_equal(config.profiles[0].quorum, 2);
	assert_int_equal(config.failback.mode, WH_FAILBACK_MANUAL);
	assert_true(config.failback.hold_ns == 60 * S);
	assert_string_equal(config.classes[0].name, "web");
	assert_string_equal(config.classes[1].name, "voice");
	assert_int_equal(config.n_matches, 3);
	assert_int_equal(config.matches[1].dport.n, 1);
}

static void test_whole_paths(void **state)
{
	char text[256];

	(void)state;
	put_file("sub/wan.yaml", "device: wan3\n");
	snprintf(text, sizeof(text), LAN WANS "  dsl: {include: %s/sub/wan.yaml}\n", dir);
	assert_accepted(text);
	assert_string_equal(config.wans[2].device, "wan3");
}

/* A match knows the file where its line begins. */
static void test_files_of_matches(void **state)
{
	(void)state;
	put_file("classes.yaml", "# first\nvoice:\n  match:\n    - {dscp: ef}\n");
	put_file("line.yaml", "proto: udp\n");
	assert_accepted(LAN WANS
			"classes:\n  dns:\n    match:\n      - {include: line.yaml}\n  include: classes.yaml\n");
	assert_int_equal(config.n_files, 3);
	assert_int_equal(config.matches[0].file, 0);
	assert_int_equal(config.matches[0].line, 8);
	assert_int_equal(config.matches[1].file, 2);
	assert_int_equal(config.matches[1].line, 4);
	assert_memory_equal(config.files[2], dir, strlen(dir));
	assert_string_equal(config.files[2] + strlen(dir), "/classes.yaml");
}

static void test_places(void **state)
{
	(void)state;
	put_file("wan.yaml", "# a WAN\ndevice: wan3\nweigth: 7\n");
	assert_refusal(LAN WANS "  dsl: {include: wan.yaml}\n",
		       "wan.yaml:3:1: unknown key \"weigth\"; did you mean \"weight\"?");
	put_file("wan.yaml", "device: wan3\n\tweight: 7\n");
	assert_refusal(LAN WANS "  dsl: {include: wan.yaml}\n", "wan.yaml:2:1: not YAML: a tab; indent with spaces");
	put_file("wan.yaml", "device: wan3\nweight: caf\xff\n");
	assert_refusal(LAN WANS "  dsl: {include: wan.yaml}\n", "wan.yaml:2:12: not YAML: invalid leading UTF-8 octet");
	put_file("wan.yaml", "device: wan3\nweight: 0\n");
	assert_refusal(LAN WANS "  dsl: {include: wan.yaml}\n", "wan.yaml:2:9: weight: " NO_WEIGHT "\"0\"");
	put_file("wan.yaml", "weight: 1\n");
	assert_refusal(LAN WANS "  dsl: {include: wan.yaml}\n", "main.yaml:5:3: the WAN \"dsl\" has no device");
	put_file("wan.yaml", "device: wan3\nmtu: 576\n");
	assert_refusal(LAN WANS "  dsl: {prefix6: \"2001:db8::/48\", include: wan.yaml}\n",
		       "wan.yaml:2:6: mtu: IPv6, which \"prefix6\" asks for, needs at least 1280");
	put_file("wan.yaml", "- device\n");
	assert_refusal(LAN WANS "  dsl: {include: wan.yaml}\n",
		       "wan.yaml:1:1: the file must hold keys with values, as in \"lan: [lan0]\"");
}

static void test_duplicates(void **state)
{
	char expected[256];

	(void)state;
	put_file("wan.yaml", "device: wan3\nweight: 7\n");
	snprintf(expected, sizeof(expected),
		 "main.yaml:5:28: duplicate key \"weight\": it stands in %s/wan.yaml:2 already", dir);
	assert_refusal(LAN WANS "  dsl: {include: wan.yaml, weight: 1}\n", expected);
	snprintf(expected, sizeof(expected),
		 "wan.yaml:2:1: duplicate key \"weight\": it stands in %s/main.yaml:5 already", dir);
	assert_refusal(LAN WANS "  dsl: {weight: 1, include: wan.yaml}\n", expected);
	put_file("lan.yaml", "lan: [lan1]\n");
	snprintf(expected, sizeof(expected), "lan.yaml:1:1: duplicate key \"lan\": it stands in %s/main.yaml:1 already",
		 dir);
	assert_refusal(LAN WANS "include: lan.yaml\n", expected);
}

static void test_what_is_no_file(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/pipe", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refusal(LAN WANS "include: none.yaml\n",
		       "main.yaml:5:10: include: \"none.yaml\" cannot be read: No such file or directory");
	assert_refusal(LAN WANS "  dsl: {device: wan3, include: [sub]}\n",
		       "main.yaml:5:33: include: \"sub\" cannot be read: Not a regular file");
	assert_refusal(LAN WANS "include: pipe\n",
		       "main.yaml:5:10: include: \"pipe\" cannot be read: Not a regular file");
	assert_refusal(LAN WANS "include: /nonexistent/x.yaml\n",
		       "main.yaml:5:10: include: \"/nonexistent/x.yaml\" cannot be read: No such file or directory");
	assert_refusal(LAN WANS "include: {}\n", "main.yaml:5:10: include: must be a file, or a list of files");
	assert_refusal(LAN WANS "include: []\n", "main.yaml:5:10: include: must be a file, or a list of files");
	assert_refusal(LAN WANS "include:\n", "main.yaml:5:9: include: must be a file, or a list of files");
	assert_refusal(LAN WANS "include: [[]]\n", "main.yaml:5:11: include: must be a file, or a list of files");
	assert_refusal(LAN WANS "includ: x\n", "main.yaml:5:1: unknown key \"includ\"; did you mean \"include\"?");
}

static void test_loops_and_depth(void **state)
{
	char name[32], text[64];

	(void)state;
	assert_refusal(LAN WANS "include: main.yaml\n", "main.yaml:5:10: include: \"main.yaml\" includes itself");
	put_file("a.yaml", "failback: {include: sub/b.yaml}\n");
	put_file("sub/b.yaml", "hold: 1s\ninclude: ../a.yaml\n");
	assert_refusal(LAN WANS "include: a.yaml\n", "sub/b.yaml:2:10: include: \"../a.yaml\" includes itself");
	for (unsigned i = 1; i < 10; i++) {
		snprintf(name, sizeof(name), "d%u.yaml", i);
		snprintf(text, sizeof(text), "include: d%u.yaml\n", i + 1);
		put_file(name, text);
	}
	put_file("d9.yaml", "accel: tc\n");
	assert_refusal(LAN WANS "include: d1.yaml\n", "d8.yaml:1:10: include: nested more than 8 files deep");
	assert_accepted(LAN WANS "include: d2.yaml\n");
}

static void test_number_and_size(void **state)
{
	static char text[1024 * 1024 + 32];
	size_t used = (size_t)snprintf(text, sizeof(text), LAN WANS "include: [");

	(void)state;
	put_file("nothing.yaml", "");
	for (unsigned i = 1; i < WH_MAX_FILES; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%snothing.yaml", i > 1 ? ",\n" : "");
	snprintf(text + used, sizeof(text) - used, "]\n");
	assert_accepted(text);
	assert_int_equal(config.n_files, WH_MAX_FILES);
	snprintf(text + used, sizeof(text) - used, ",\nnothing.yaml]\n");
	assert_refusal(text, "main.yaml:68:1: include: more than 63 files");

	memset(text, '#', 1024 * 1024 + 1);
	text[1024 * 1024 + 1] = '\0';
	put_file("large.yaml", text);
	assert_refusal(LAN WANS "include: large.yaml\n", "large.yaml:1:1: the file is larger than 1 MiB");
}

static void test_too_many_keys(void **state)
{
	static char text[16384];
	size_t used = 0;

	(void)state;
	for (unsigned i = 0; i < 1022; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "key%u: 1\n", i);
	put_file("keys.yaml", text);
	assert_refusal(LAN WANS "limits:\ninclude: keys.yaml\n", "keys.yaml:1022:1: more than 1024 keys in one map");
}

/* From memory, as from a file of that name: relative to the folder where the program runs. */
static void test_from_memory(void **state)
{
	char here[512], error[WH_CONF_ERROR_LEN] = "";
	static const char text[] = LAN WANS "include: accel.yaml\n";

	(void)state;
	put_file("accel.yaml", "accel: fast\n");
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(wh_conf_parse("t.yaml", text, strlen(text), LOCAL_PORTS, &config, error), -EINVAL);
	assert_string_equal(error, "accel.yaml:1:8: accel: must be auto, tc or xdp, not \"fast\"");
	assert_int_equal(chdir(here), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_section),	cmocka_unit_test(test_files_of_matches),
		cmocka_unit_test(test_whole_paths),	cmocka_unit_test(test_places),
		cmocka_unit_test(test_duplicates),	cmocka_unit_test(test_what_is_no_file),
		cmocka_unit_test(test_loops_and_depth), cmocka_unit_test(test_number_and_size),
		cmocka_unit_test(test_too_many_keys),	cmocka_unit_test(test_from_memory),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
