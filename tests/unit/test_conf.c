/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf.c: files that are accepted, and what they come to.  Refusals: test_conf_refused.c; random
 * damage: test_conf_random.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"

#define MS 1000000ULL
#define S 1000000000ULL

#define TWO_WANS "lan: [lan0]\nfirewall: bypass\nwans:\n  fiber: {device: wan1}\n  lte: {device: wan2}\n"
#define THREE_WANS TWO_WANS "  dsl: {device: wan3, weight: 5}\n"

static struct wh_config config; /* large */

static const struct wh_config *parse(const char *text)
{
	char error[WH_CONF_ERROR_LEN] = "";

	memset(&config, 0x5a, sizeof(config));
	if (wh_conf_parse("t.yaml", text, strlen(text), &config, error))
		fail_msg("refused: %s", error);
	return &config;
}

/* Tiers as text: "0:1 1:1" are two tiers, "0:3,1:1" is one; each member WAN index:weight. */
static void assert_tiers(const struct wh_config *c, const char *expected)
{
	const struct wh_conf_class *class = &c->classes[c->n_classes - 1];
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

static void test_defaults(void **state)
{
	const struct wh_config *c = parse(TWO_WANS);
	const struct wh_conf_profile *p = &c->profiles[0];

	(void)state;
	assert_int_equal(c->n_lans, 1);
	assert_string_equal(c->lan[0], "lan0");
	assert_int_equal(c->firewall, WH_FIREWALL_BYPASS);
	assert_int_equal(c->failback, WH_FAILBACK_DRAIN);
	assert_true(c->failback_hold_ns == 30 * S);
	assert_int_equal(c->max_flows, 262144);
	assert_int_equal(c->mark, 0x57000000);
	assert_true(c->mark_mask == 0xff000000);
	assert_int_equal(c->n_profiles, 1);
	assert_string_equal(p->name, "default");
	assert_int_equal(p->n_targets, 2);
	assert_string_equal(p->targets[0].text, "icmp:1.1.1.1");
	assert_true(p->targets[0].addr.s_addr == inet_addr("1.1.1.1"));
	assert_string_equal(p->targets[1].text, "icmp:8.8.8.8");
	assert_true(p->targets[1].addr.s_addr == inet_addr("8.8.8.8"));
	assert_int_equal(p->quorum, 1);
	assert_int_equal(p->down_after, 3);
	assert_int_equal(p->up_after, 10);
	assert_true(p->interval_ns[WH_PROBE_ICMP] == 200 * MS);
	assert_true(p->interval_ns[WH_PROBE_TCP] == 5 * S);
	assert_true(p->timeout_ns == 0);
}

static void test_wan_and_class_defaults(void **state)
{
	const struct wh_config *c = parse(TWO_WANS);
	const struct wh_conf_wan *wan = &c->wans[1];

	(void)state;
	assert_int_equal(c->n_wans, 2);
	assert_string_equal(c->wans[0].name, "fiber");
	assert_string_equal(wan->name, "lte");
	assert_string_equal(wan->device, "wan2");
	assert_true(wan->enabled && wan->gateway_auto && wan->source_auto);
	assert_int_equal(wan->nat, WH_NAT_MASQUERADE);
	assert_int_equal(wan->weight, 1);
	assert_int_equal(wan->port_first, 20000);
	assert_int_equal(wan->port_last, 31999);
	assert_int_equal(wan->profile, 0);
	assert_int_equal(c->n_classes, 1);
	assert_string_equal(c->classes[0].name, "default");
	assert_int_equal(c->classes[0].affinity, WH_AFFINITY_SRC_DST);
	assert_int_equal(c->classes[0].on_failover, WH_FAILOVER_AUTO);
	assert_tiers(c, "0:1 1:1");
}

static const char full[] =
	"lan: [lan0, {device: lan0.20, accel: tc}]\n"
	"firewall: bypass\n"
	"accel: tc\n"
	"classes:\n"
	"  default: {prefer: [{fiber: 3, lte: 1}, old], only: true, affinity: flow, on-failover: reset}\n"
	"wans:\n"
	"  fiber: {device: wan1, enabled: true, gateway: 192.0.2.1, source: 192.0.2.7, nat: none, weight: 1000,\n"
	"          ports: 1024-1279, probe: slow, accel: auto}\n"
	"  lte: {device: wwan0, gateway: [198.51.100.1], probe: default}\n"
	"  old: {device: wan9, enabled: false, gateway: auto, nat: masquerade, ports: 1024-65535}\n"
	"probes:\n"
	"  slow: {interval: 30m, timeout: 60s, targets: [\"tcp:9.9.9.9:443\"], quorum: 1}\n"
	"  default:\n"
	"    targets: [icmp:1.0.0.1, \"tcp:1.0.0.1:65535\", icmp:8.8.4.4]\n"
	"    quorum: 3\n"
	"    interval: {icmp: 10ms, tcp: 1h}\n"
	"    timeout: 10ms\n"
	"    down-after: 100\n"
	"    up-after: 1000\n"
	"failback: {mode: drain, hold: 1d}\n"
	"limits: {flows: 16777216}\n"
	"mark: {value: 0x300, mask: 0xf00}\n";

static void test_every_key(void **state)
{
	const struct wh_config *c = parse(full);

	(void)state;
	assert_int_equal(c->n_lans, 2);
	assert_string_equal(c->lan[1], "lan0.20");
	assert_true(c->failback_hold_ns == 86400 * S);
	assert_int_equal(c->max_flows, 16777216);
	assert_int_equal(c->mark, 0x300);
	assert_int_equal(c->mark_mask, 0xf00);
	assert_int_equal(c->n_wans, 3);
	assert_false(c->wans[0].gateway_auto || c->wans[0].source_auto || c->wans[1].gateway_auto);
	assert_true(c->wans[0].gateway.s_addr == inet_addr("192.0.2.1"));
	assert_true(c->wans[0].source.s_addr == inet_addr("192.0.2.7"));
	assert_true(c->wans[1].gateway.s_addr == inet_addr("198.51.100.1"));
	assert_int_equal(c->wans[0].nat, WH_NAT_NONE);
	assert_int_equal(c->wans[0].weight, 1000);
	assert_int_equal(c->wans[0].port_first, 1024);
	assert_int_equal(c->wans[0].port_last, 1279);
	assert_int_equal(c->wans[2].port_last, 65535);
	assert_string_equal(c->profiles[c->wans[0].profile].name, "slow");
	assert_string_equal(c->profiles[c->wans[1].profile].name, "default");
	assert_true(c->wans[0].enabled && !c->wans[2].enabled && c->wans[2].gateway_auto);
	assert_int_equal(c->classes[0].affinity, WH_AFFINITY_FLOW);
	assert_int_equal(c->classes[0].on_failover, WH_FAILOVER_RESET);
	assert_tiers(c, "0:3,1:1");
}

/* A profile takes what it does not set from `default`, which may stand behind it in the file. */
static void test_profiles_inherit(void **state)
{
	const struct wh_config *c = parse(full);
	const struct wh_conf_profile *d = &c->profiles[0], *slow = &c->profiles[1];

	(void)state;
	assert_int_equal(c->n_profiles, 2);
	assert_string_equal(d->name, "default");
	assert_int_equal(d->n_targets, 3);
	assert_int_equal(d->targets[1].kind, WH_PROBE_TCP);
	assert_int_equal(d->targets[1].port, 65535);
	assert_true(d->targets[1].addr.s_addr == inet_addr("1.0.0.1"));
	assert_int_equal(d->quorum, 3);
	assert_true(d->interval_ns[WH_PROBE_ICMP] == 10 * MS && d->interval_ns[WH_PROBE_TCP] == 3600 * S);
	assert_true(d->timeout_ns == 10 * MS);
	assert_int_equal(d->down_after, 100);

	assert_string_equal(slow->name, "slow");
	assert_int_equal(slow->n_targets, 1);
	assert_string_equal(slow->targets[0].text, "tcp:9.9.9.9:443");
	assert_int_equal(slow->quorum, 1);
	assert_true(slow->interval_ns[WH_PROBE_ICMP] == 1800 * S && slow->interval_ns[WH_PROBE_TCP] == 1800 * S);
	assert_true(slow->timeout_ns == 60 * S);
	assert_int_equal(slow->down_after, 100);
	assert_int_equal(slow->up_after, 1000);
}

static void test_partial_interval_and_auto_timeout(void **state)
{
	const struct wh_config *c = parse(TWO_WANS "probes:\n"
						   "  default: {timeout: 1s}\n"
						   "  x: {interval: {tcp: 1m}, timeout: auto}\n");

	(void)state;
	assert_true(c->profiles[0].timeout_ns == S);
	assert_true(c->profiles[1].interval_ns[WH_PROBE_ICMP] == 200 * MS);
	assert_true(c->profiles[1].interval_ns[WH_PROBE_TCP] == 60 * S);
	assert_true(c->profiles[1].timeout_ns == 0);
}

static void test_tiers(void **state)
{
	static const struct {
		const char *class;
		const char *tiers;
	} cases[] = {
		{"{}", "0:1 1:1 2:5"},
		{"", "0:1 1:1 2:5"},
		{"{only: true}", "0:1 1:1 2:5"},
		{"{prefer: [lte]}", "1:1 0:1,2:5"},
		{"{prefer: [lte], only: true}", "1:1"},
		{"{prefer: [dsl, lte, fiber]}", "2:1 1:1 0:1"},
		{"{prefer: [{dsl: 7, lte: 2}]}", "2:7,1:2 0:1"},
		{"{balance: {fiber: 80, lte: 20}}", "0:80,1:20 2:5"},
		{"{balance: {fiber: 80, lte: 20}, only: true}", "0:80,1:20"},
		{"{balance: {fiber: 80, lte: 20}, only: false}", "0:80,1:20 2:5"},
		{"{on-failover: move, affinity: src}", "0:1 1:1 2:5"},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), THREE_WANS "classes:\n  default: %s\n", cases[i].class);
		print_message("default: %s\n", cases[i].class);
		assert_tiers(parse(text), cases[i].tiers);
	}
	assert_int_equal(config.classes[0].on_failover, WH_FAILOVER_MOVE);
	assert_int_equal(config.classes[0].affinity, WH_AFFINITY_SRC);
}

/* A WAN that is switched off keeps its place in the array and is in no tier, wherever it is named. */
static void test_disabled_wan_is_in_no_tier(void **state)
{
	static const char wans[] =
		"lan: [l]\nfirewall: bypass\nwans: {a: {device: w1, enabled: false}, b: {device: w2}}\n";
	static const char *const classes[] = {"{}", "{prefer: [a, b]}", "{prefer: [b]}", "{balance: {a: 9, b: 1}}",
					      "{prefer: [{a: 1}, {b: 1}]}"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		snprintf(text, sizeof(text), "%sclasses: {default: %s}\n", wans, classes[i]);
		assert_int_equal(parse(text)->n_wans, 2);
		assert_tiers(&config, "1:1");
	}
	snprintf(text, sizeof(text), "%sclasses: {default: {prefer: [a], only: true}}\n", wans);
	assert_tiers(parse(text), "");
}

static void test_full_house(void **state)
{
	char text[8192];
	int used = snprintf(text, sizeof(text), "firewall: bypass\nlan: [");

	(void)state;
	for (unsigned i = 0; i < WH_MAX_LANS - 1; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%slan%u", i ? ", " : "", i);
	used += snprintf(text + used, sizeof(text) - (size_t)used, "]\nprobes:\n");
	for (unsigned i = 1; i < WH_MAX_PROFILES; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "  p%u: {quorum: 2}\n", i);
	used += snprintf(text + used, sizeof(text) - (size_t)used, "wans:\n");
	for (unsigned i = 0; i < WH_MAX_WANS; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "  w%u: {device: wan%u}\n", i, i);
	parse(text);
	assert_int_equal(config.n_lans, WH_MAX_LANS - 1);
	assert_int_equal(config.n_profiles, WH_MAX_PROFILES);
	assert_int_equal(config.n_wans, WH_MAX_WANS);
	assert_tiers(&config, "0:1 1:1 2:1 3:1 4:1 5:1 6:1 7:1");
}

/* A byte order mark, Windows line ends, a document mark, quotes and empty sections are no mistakes. */
static void test_ways_of_writing(void **state)
{
	(void)state;
	parse("\xef\xbb\xbf" TWO_WANS);
	parse("%YAML 1.1\n---\n" TWO_WANS "...\n");
	parse("lan: [lan0]\r\nfirewall: bypass\r\nwans:\r\n  a: {device: w1}\r\n");
	parse(TWO_WANS "limits:\nmark: {}\nfailback:\nprobes:\nclasses:\n");
	assert_int_equal(config.max_flows, 262144);
	assert_tiers(&config, "0:1 1:1");
	parse("\"lan\": ['lan0']\n'firewall': \"bypass\"\nwans: {a: {device: 'w1', weight: \"7\"}}\n");
	assert_int_equal(config.wans[0].weight, 7);
}

static void test_shipped_files(void **state)
{
	static const char *const files[] = {"share/wanhelm.yaml.example", "examples/two-wan.yaml",
					    "examples/balance.yaml"};
	char error[WH_CONF_ERROR_LEN] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (wh_conf_read(files[i], &config, error))
			fail_msg("refused (run from the top of the source tree): %s", error);
		assert_int_equal(config.n_wans, 2);
		assert_int_equal(config.classes[0].tiers[0].n_members, i == 2 ? 2 : 1);
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
	size_t room = 1024 * 1024 - strlen(TWO_WANS);
	char *comment = malloc(room + 1);

	(void)state;
	assert_true(fd >= 0 && comment);
	memset(comment, '#', room + 1);
	assert_int_equal(write(fd, TWO_WANS, strlen(TWO_WANS)), strlen(TWO_WANS));
	assert_int_equal(write(fd, comment, room), room);
	assert_int_equal(wh_conf_read(path, &config, error), 0);
	assert_int_equal(write(fd, comment, 1), 1);
	assert_int_equal(wh_conf_read(path, &config, error), -EINVAL);
	assert_non_null(strstr(error, ":1:1: the file is larger than 1 MiB"));
	close(fd);
	unlink(path);
	free(comment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_wan_and_class_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_profiles_inherit),
		cmocka_unit_test(test_partial_interval_and_auto_timeout),
		cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_disabled_wan_is_in_no_tier),
		cmocka_unit_test(test_full_house),
		cmocka_unit_test(test_ways_of_writing),
		cmocka_unit_test(test_shipped_files),
		cmocka_unit_test(test_unreadable_files),
		cmocka_unit_test(test_file_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
