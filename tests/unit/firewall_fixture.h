/* SPDX-License-Identifier: GPL-2.0 */
/*
 * firewall_fixture.h: a router in a network namespace of its own, which ends with the process; where packets are
 * wanted, a client and the outside, each the namespace of a child that ends with the process too.  A chain of the
 * test's stands in for our programs and marks what comes from the client.
 */
#ifndef WANHELM_TESTS_FIREWALL_FIXTURE_H
#define WANHELM_TESTS_FIREWALL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/firewall.h"

/* libnftables 1.0 loses the first state of each timeout that it parses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libnftables";
}

/* The mark of a new flow that is going to use WAN number w, and of packets that only go up. */
#define MARK 0x57000000U
#define MASK 0xff000000U
#define SHOWN(w) (MARK + ((w) + 1) * 0x01000000U)
#define UP (MARK + 0x09000000U)

static const struct wh_firewall_options usual = {
	.mark = MARK, .mark_mask = MASK, .wans = {"wan1", "wan2"}, .n_wans = 2};

static inline void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void run(const char *format, ...)
{
	char command[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		fail_msg("failed: %s", command);
}

/* What a command prints, in a buffer that the next call takes again. */
static inline const char *output_of(const char *command)
{
	static char text[65536];
	FILE *pipe = popen(command, "r");
	size_t len;

	assert_non_null(pipe);
	len = fread(text, 1, sizeof(text) - 1, pipe);
	text[len] = '\0';
	pclose(pipe);
	return text;
}

static inline void put(const struct wh_firewall_options *options)
{
	char error[WH_FIREWALL_ERROR_LEN] = "";

	if (wh_firewall_put(options, error))
		fail_msg("%s", error);
}

/* main() of the tests: in a namespace, or not at all. */
#define RUN_IN_NAMESPACE(name, tests, group_set_up)                                                                    \
	(unshare(CLONE_NEWNET) ? skip_all(name) : cmocka_run_group_tests_name(name, tests, group_set_up, NULL))

static inline int skip_all(const char *name)
{
	printf("[  SKIPPED ] %s\nSKIP: the tests of %s make a network namespace, which needs root\n", name, name);
	return 0;
}

#endif
