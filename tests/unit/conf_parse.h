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

/* Tiers as text: "0:1 1:1" are two tiers, "0:3,1:1" is one; each member WAN index:weight. */
__attribute__((unused)) static void assert_tiers(const struct wh_conf_class *class, const char *expected)
{
	char text[256] = "";
	size_t used = 0;

	for (unsigned t = 0; t < class->n_tiers; t++)
		for (unsigned m = 0; m < class->tiers[t].n_members; m++)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u:%u",
						 m   ? ","
						 : t ? " "
						     : "",
						 class->tiers[t].members[m].wan, class->tiers[t].members[m].weight);
	assert_string_equal(text, expected);
}

#endif
