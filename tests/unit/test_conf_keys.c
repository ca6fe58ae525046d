/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_keys.c: the keys of the language, section by section, kept here a second time on purpose.  Every
 * one is known: misspelt it is recognised, and where its feature is not built yet the message says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_refusal.h"

#define MAX_WORDS 24

static const struct section {
	const char *text; /* "@" stands where the key goes; its value follows */
	const char *built[MAX_WORDS];
	const char *later[MAX_WORDS];
} sections[] = {
	{TOP("@: {}"),
	 {"include", "lan", "firewall", "firewall-recheck", "boot", "accel", "wans", "probes", "failback", "limits",
	  "mark", "sets", "classes"},
	 {"all-down", "damping", "hooks", "dashboard"}},
	{BYPASS WANS "lan: [{device: lan0}, {@: {}}]\n", {"include", "device", "accel"}, {NULL}},
	{LAN BYPASS WANS "  cable: {@: {}}\n",
	 {"include", "device", "enabled", "gateway", "source", "nat", "nat6", "prefix6", "weight", "mtu", "ports",
	  "filtering", "probe", "accel", "metered", "bandwidth", "quota", "failback"},
	 {"dns"}},
	{TOP("  cable: {bandwidth: {@: {}}}"), {"include", "up", "down"}, {NULL}},
	{TOP("  cable: {quota: {@: {}}}"), {"include", "limit", "reset-day", "warn", "action"}, {NULL}},
	{TOP("  cable: {failback: {@: {}}}"), {"include", "mode", "hold", "max-age", "window"}, {NULL}},
	{TOP("probes: {default: {@: {}}}"),
	 {"include", "targets", "quorum", "interval", "timeout", "down-after", "up-after"},
	 {NULL}},
	{TOP("probes: {default: {}, cellular: {@: {}}}"),
	 {"include", "targets", "quorum", "interval", "timeout", "down-after", "up-after"},
	 {NULL}},
	{TOP("probes: {default: {interval: {@: {}}}}"), {"include", "icmp", "tcp"}, {"dns", "http"}},
	{TOP("failback: {@: {}}"), {"include", "mode", "hold", "max-age", "window"}, {NULL}},
	{TOP("limits: {@: {}}"), {"include", "flows", "flows-per-client"}, {NULL}},
	{TOP("mark: {@: {}}"), {"include", "value", "mask"}, {NULL}},
	{TOP("classes: {default: {@: {}}}"),
	 {"include", "match", "prefer", "balance", "only", "never", "algorithm", "affinity", "on-failover", "failback",
	  "on-none", "action", "sla", "sla-action", "rate", "degraded", "mark-dscp"},
	 {"all-down", "source"}},
	{TOP("classes: {default: {on-failover: {@: {}}}}"), {"include", "hold"}, {NULL}},
	{TOP("classes: {default: {failback: {@: {}}}}"), {"include", "mode", "hold", "max-age", "window"}, {NULL}},
	{TOP("classes: {default: {sla: {@: {}}}}"), {"include", "latency", "jitter", "loss"}, {NULL}},
	{TOP("classes: {default: {degraded: {@: {}}}}"), {"include", "rate"}, {NULL}},
	{TOP("classes: {voice: {match: [{@: {}}]}}"),
	 {"include", "in", "from", "to", "proto", "sport", "dport", "dscp", "mark", "domain"},
	 {NULL}},
};

/* The section's text with `word` as key, refused at the key for `reason`. */
static void assert_key_refused(const struct section *section, const char *word, const char *reason)
{
	const char *mark = strchr(section->text, '@');
	char text[1024];
	struct refusal c = {.text = text, .reason = reason};

	assert_non_null(mark);
	snprintf(text, sizeof(text), "%.*s@%s%s", (int)(mark - section->text), section->text, word, mark + 1);
	print_message("%s\n", reason);
	assert_refused(&c);
}

static void test_later_keys(void **state)
{
	char reason[128];

	(void)state;
	for (size_t i = 0; i < COUNT(sections); i++) {
		for (const char *const *key = sections[i].later; *key; key++) {
			snprintf(reason, sizeof(reason), "%s: not built yet", *key);
			assert_key_refused(&sections[i], *key, reason);
		}
	}
}

static void assert_misspelling(const struct section *section, const char *key)
{
	char word[64], reason[192];

	snprintf(word, sizeof(word), "%sx", key);
	snprintf(reason, sizeof(reason), "unknown key \"%s\"; did you mean \"%s\"?", word, key);
	assert_key_refused(section, word, reason);
}

static void test_misspelt_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sections); i++) {
		for (const char *const *key = sections[i].built; *key; key++)
			assert_misspelling(&sections[i], *key);
		for (const char *const *key = sections[i].later; *key; key++)
			assert_misspelling(&sections[i], *key);
	}
}

/* A built key is not "unknown" and not "not built yet": it minds its value, or takes it. */
static void test_built_keys(void **state)
{
	static struct wh_config config;

	(void)state;
	for (size_t i = 0; i < COUNT(sections); i++) {
		for (const char *const *key = sections[i].built; *key; key++) {
			const char *mark = strchr(sections[i].text, '@');
			char text[1024], error[WH_CONF_ERROR_LEN] = "";

			snprintf(text, sizeof(text), "%.*s%s%s", (int)(mark - sections[i].text), sections[i].text, *key,
				 mark + 1);
			print_message("%s\n", *key);
			wh_conf_parse("t.yaml", text, strlen(text), LOCAL_PORTS, &config, error);
			assert_null(strstr(error, "unknown"));
			assert_null(strstr(error, "not built yet"));
		}
	}
}

static void test_strange_keys(void **state)
{
	static const struct refusal cases[] = {
		{TOP("@wan: {}"), "unknown key \"wan\"; did you mean \"wans\"?"},
		{TOP("@colour: red"), "unknown key \"colour\""},
		{TOP("@Lan: [lan1]"), "unknown key \"Lan\"; did you mean \"lan\"?"},
		{WAN("@gatway: auto"), "unknown key \"gatway\"; did you mean \"gateway\"?"},
		{WAN("@<<: {}"), "unknown key \"<<\""},
		{WAN("@\"\": 1"), "unknown key \"\""},
		{WAN("weight: 0\n    @colour: red"), "unknown key \"colour\""}, /* keys are looked at before values */
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_later_keys),
		cmocka_unit_test(test_misspelt_keys),
		cmocka_unit_test(test_built_keys),
		cmocka_unit_test(test_strange_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
