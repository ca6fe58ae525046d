/* SPDX-License-Identifier: GPL-2.0 */
/*
 * conf_refusal.h: tables of refused configurations, for test_conf_refused*.c.  In a case's text "@" marks the
 * place that the message must name; it is taken out before the text is read.  Include cmocka.h first.
 */
#ifndef WANHELM_TESTS_CONF_REFUSAL_H
#define WANHELM_TESTS_CONF_REFUSAL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define LAN "lan: [lan0]\n"
#define BYPASS "firewall: bypass\n"
#define WANS "wans:\n  fiber: {device: wan1}\n  lte: {device: wan2}\n"
#define TOP(more) LAN BYPASS WANS more "\n"
#define WAN(more) LAN BYPASS "wans:\n  lte: {device: wan2}\n  fiber:\n    device: wan1\n    " more "\n"
#define PROBE(more) LAN BYPASS WANS "probes:\n  default:\n    " more "\n"
#define CLASS(more) LAN BYPASS WANS "classes:\n  default:\n    " more "\n"

/* What several sections say alike. */
#define NO_MAP "must be a map of keys and values, not "
#define NO_HOST "must be the address of a host, not "
#define NO_WEIGHT "must be a whole number from 1 to 1000, not "
#define IS_NO_NAME " is no name: up to 31 letters, digits, \"-\", \"_\" and \".\", a letter or digit first"

/* What the kernel keeps for itself in these tests: its default. */
#define LOCAL_PORTS ((struct wh_conf_ports){32768, 60999})

struct refusal {
	const char *text;
	const char *reason;
};

/* Refused with exactly this message, and the configuration that was there is untouched. */
static void assert_error(const char *text, size_t len, const char *expected)
{
	static struct wh_config config, before; /* large */
	char error[WH_CONF_ERROR_LEN] = "accepted";

	memset(&config, 0x5a, sizeof(config));
	before = config;
	assert_int_equal(wh_conf_parse("t.yaml", text, len, LOCAL_PORTS, &config, error), -EINVAL);
	assert_string_equal(error, expected);
	assert_memory_equal(&config, &before, sizeof(config));
}

static void assert_refused(const struct refusal *c)
{
	char text[2048], expected[WH_CONF_ERROR_LEN];
	const char *mark = strchr(c->text, '@');
	unsigned line = 1, column = 1;

	assert_non_null(mark);
	for (const char *p = c->text; p < mark; p++) {
		column += ((unsigned char)*p & 0xc0) != 0x80; /* characters, not bytes */
		if (*p == '\n') {
			line++;
			column = 1;
		}
	}
	snprintf(text, sizeof(text), "%.*s%s", (int)(mark - c->text), c->text, mark + 1);
	snprintf(expected, sizeof(expected), "t.yaml:%u:%u: %s", line, column, c->reason);
	assert_error(text, strlen(text), expected);
}

static inline void assert_all_refused(const struct refusal *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		print_message("%s\n", cases[i].reason);
		assert_refused(&cases[i]);
	}
}

#endif
