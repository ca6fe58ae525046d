/* SPDX-License-Identifier: GPL-2.0 */
/* conf_parse.h: configurations that must be accepted, for test_conf_*.c.  Include cmocka.h first. */
#ifndef WANHELM_TESTS_CONF_PARSE_H
#define WANHELM_TESTS_CONF_PARSE_H

#include "conf_refusal.h"

#define MS 1000000ULL
#define S 1000000000ULL

static struct wh_config config; /* large */

__attribute__((unused)) static const struct wh_config *parse(const char *text)
{
	char error[WH_CONF_ERROR_LEN] = "";

	memset(&config, 0x5a, sizeof(config));
	if (wh_conf_parse("t.yaml", text, strlen(text), LOCAL_PORTS, &config, error))
		fail_msg("refused: %s\n%s", error, text);
	return &config;
}

/* A format that fits. */
__attribute__((format(printf, 1, 2))) static inline const struct wh_config *parse_format(const char *format, ...)
{
	static char text[1024 * 1024];
	va_list args;

	va_start(args, format);
	assert_in_range(vsnprintf(text, sizeof(text), format, args), 1, sizeof(text) - 1);
	va_end(args);
	return parse(text);
}

#endif
