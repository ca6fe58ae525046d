/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf.c: what files that are accepted come to.  Addresses and ports of WANs: test_conf_wan.c; how a file may
 * be written: test_conf_files.c; refusals: test_conf_refused.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "conf_parse.h"

#define TWO_WANS "lan: [lan0]\nwans:\n  fiber: {device: wan1}\n  lte: {device: wan2}\n"
#define THREE_WANS TWO_WANS "  dsl: {device: wan3, weight: 5}\n"

static const struct wh_conf_class *last_class(const struct wh_config *c)
{
	return &c->classes[c->n_classes - 1];
}

static void assert_target(const struct wh_conf_target *target, const char *text, const char *address)
{
	char found[INET6_ADDRSTRLEN] = "";

	inet_ntop(target->addr.family == WH_V6 ? AF_INET6 : AF_INET, &target->addr.v6, found, sizeof(found));
	assert_string_equal(target->text, text);
	assert_string_equal(found, address);
}

static void test_defaults(void **state)
{
	const struct wh_config *c = parse(TWO_WANS);
	const struct wh_conf_profile *p = &c->profiles[0];

	(void)state;
	assert_int_equal(c->n_lans, 1);
	assert_string_equal(c->lan[0], "lan0");
	assert_int_equal(c->firewall, WH_CONF_FIREWALL_KERNEL);
	assert_true(c->firewall_recheck);
	assert_false(c->boot_closed);
	assert_int_equal(c->failback.mode, WH_FAILBACK_DRAIN);
	assert_true(c->failback.hold_ns == 30 * S);
	assert_int_equal(c->max_flows, 262144);
	assert_int_equal(c->flows_per_client, 16384);
	assert_int_equal(c->mark, 0x57000000);
	assert_true(c->mark_mask == 0xff000000);
	assert_int_equal(c->n_profiles, 1);
	assert_string_equal(p->name, "default");
	assert_int_equal(p->n_targets, 4);
	assert_target(&p->targets[0], "icmp:1.1.1.1", "1.1.1.1");
	assert_target(&p->targets[1], "icmp:8.8.8.8", "8.8.8.8");
	assert_target(&p->targets[2], "icmp:2606:4700:4700::1111", "2606:4700:4700::1111");
	assert_target(&p->targets[3], "icmp:2001:4860:4860::8888", "2001:4860:4860::8888");
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
	assert_true(wan->enabled && wan->prefix6_auto);
	for (unsigned family = 0; family < WH_FAMILIES; family++)
		assert_true(wan->gateway_auto[family] && wan->source_auto[family]);
	assert_int_equal(wan->nat, WH_NAT_MASQUERADE);
	assert_int_equal(wan->nat6, WH_NAT6_AUTO);
	assert_int_equal(wan->filtering, WH_FILTER_ADDRESS_AND_PORT);
	assert_int_equal(wan->mtu, 0);
	assert_int_equal(wan->weight, 1);
	assert_int_equal(wan->port_first, 20000);
	assert_int_equal(wan->port_last, 31999);
	assert_int_equal(wan->profile, 0);
	assert_int_equal(c->n_classes, 1);
	assert_string_equal(c->classes[0].name, "default");
	assert_int_equal(c->classes[0].affinity, WH_AFFINITY_SRC_DST);
	assert_int_equal(c->classes[0].on_failover, WH_FAILOVER_AUTO);
	assert_int_equal(c->classes[0].on_none, WH_NONE_REJECT);
	assert_tiers(last_class(c), "0:1 1:1");
}

/* The innermost wins, wherever in the file it stands. */
static void test_accel(void **state)
{
	const struct wh_config *c = parse("lan: [lan0, {device: lan1}, {device: lan2, accel: auto}]\n"
					  "wans:\n"
					  "  fiber: {device: wan1}\n"
					  "  lte: {device: wan2, accel: tc}\n"
					  "accel: xdp\n");

	(void)state;
	assert_int_equal(c->accel, WH_ACCEL_XDP);
	assert_int_equal(c->lan_accel[0], WH_ACCEL_XDP);
	assert_int_equal(c->lan_accel[1], WH_ACCEL_XDP);
	assert_int_equal(c->lan_accel[2], WH_ACCEL_AUTO);
	assert_int_equal(c->wans[0].accel, WH_ACCEL_XDP);
	assert_int_equal(c->wans[1].accel, WH_ACCEL_TC);
}

static const char full[] =
	"lan: [lan0, {device: lan0.20, accel: tc}]\n"
	"firewall: bypass\n"
	"firewall-recheck: off\n"
	"accel: tc\n"
	"classes:\n"
	"  default: {prefer: [{fiber: 3, lte: 1}, old], only: true, affinity: flow, on-failover: reset,\n"
	"            on-none: drop}\n"
	"wans:\n"
	"  fiber: {device: wan1, enabled: true, gateway: 192.0.2.1, source: 192.0.2.7, nat: none, weight: 1000,\n"
	"          nat6: npt, prefix6: \"2001:db8:7::/48\", mtu: 1280, filtering: endpoint-independent,\n"
	"          ports: 1024-1279, probe: slow, accel: auto}\n"
	"  lte: {device: wwan0, gateway: [198.51.100.1], probe: default}\n"
	"  old: {device: wan9, enabled: false, gateway: auto, nat: masquerade, ports: 61000-65535}\n"
	"probes:\n"
	"  slow: {interval: 30m, timeout: 60s, targets: [\"tcp:[2620:fe::fe]:443\"], quorum: 1}\n"
	"  default:\n"
	"    targets: [icmp:1.0.0.1, \"tcp:1.0.0.1:65535\", icmp:8.8.4.4]\n"
	"    quorum: 3\n"
	"    interval: {icmp: 10ms, tcp: 1h}\n"
	"    timeout: 10ms\n"
	"    down-after: 100\n"
	"    up-after: 1000\n"
	"failback: {mode: drain, hold: 1d}\n"
	"limits: {flows: 16777216, flows-per-client: 1}\n"
	"mark: {value: 0x500, mask: 0xf00}\n";

static void test_every_key(void **state)
{
	const struct wh_config *c = parse(full);

	(void)state;
	assert_int_equal(c->n_lans, 2);
	assert_string_equal(c->lan[1], "lan0.20");
	assert_int_equal(c->lan_accel[0], WH_ACCEL_TC);
	assert_int_equal(c->wans[0].accel, WH_ACCEL_AUTO);
	assert_true(c->failback.hold_ns == 86400 * S);
	assert_int_equal(c->max_flows, 16777216);
	assert_int_equal(c->mark, 0x500);
	assert_int_equal(c->mark_mask, 0xf00);
	assert_int_equal(c->n_wans, 3);
	assert_int_equal(c->wans[0].nat6, WH_NAT6_NPT);
	assert_int_equal(c->wans[0].prefix6_len, 48);
	assert_int_equal(c->wans[0].filtering, WH_FILTER_ENDPOINT_INDEPENDENT);
	assert_int_equal(c->wans[0].mtu, 1280);
	assert_int_equal(c->firewall, WH_CONF_FIREWALL_BYPASS);
	assert_false(c->firewall_recheck);
	assert_int_equal(c->flows_per_client, 1);
	assert_int_equal(c->classes[0].on_none, WH_NONE_DROP);
	assert_int_equal(c->wans[0].nat, WH_NAT_NONE);
	assert_int_equal(c->wans[0].weight, 1000);
	assert_int_equal(c->wans[0].port_first, 1024);
	assert_int_equal(c->wans[0].port_last, 1279);
	assert_int_equal(c->wans[2].port_last, 65535);
	assert_string_equal(c->profiles[c->wans[0].profile].name, "slow");
	assert_string_equal(c->profiles[c->wans[1].profile].name, "default");
	assert_true(c->wans[0].enabled && !c->wans[2].enabled);
	assert_int_equal(c->classes[0].affinity, WH_AFFINITY_FLOW);
	assert_int_equal(c->classes[0].on_failover, WH_FAILOVER_RESET);
	assert_tiers(last_class(c), "0:3,1:1");
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
	assert_target(&d->targets[1], "tcp:1.0.0.1:65535", "1.0.0.1");
	assert_int_equal(d->quorum, 3);
	assert_true(d->interval_ns[WH_PROBE_ICMP] == 10 * MS && d->interval_ns[WH_PROBE_TCP] == 3600 * S);
	assert_true(d->timeout_ns == 10 * MS);
	assert_int_equal(d->down_after, 100);

	assert_string_equal(slow->name, "slow");
	assert_int_equal(slow->n_targets, 1);
	assert_target(&slow->targets[0], "tcp:[2620:fe::fe]:443", "2620:fe::fe");
	assert_int_equal(slow->targets[0].port, 443);
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
		assert_tiers(last_class(parse(text)), cases[i].tiers);
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
		assert_tiers(last_class(&config), "1:1");
	}
	snprintf(text, sizeof(text), "%sclasses: {default: {prefer: [a], only: true}}\n", wans);
	assert_tiers(last_class(parse(text)), "");
}

/* A mark is taken as long as ten more fit above it. */
static void test_marks(void **state)
{
	static const struct {
		const char *text;
		uint32_t value, mask;
	} cases[] = {
		{"{value: 0x50, mask: 0xf0}", 0x50, 0xf0},
		{"{value: 1, mask: 15}", 1, 15},
		{"{value: 0xfffffff5, mask: 0xffffffff}", 0xfffffff5, 0xffffffff},
		{"{value: 0x50000000, mask: 0xf0000000}", 0x50000000, 0xf0000000},
		{"{value: 0x1000000}", 0x1000000, 0xff000000},
		{"{mask: 0x7f000000}", 0x57000000, 0x7f000000},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), TWO_WANS "mark: %s\n", cases[i].text);
		parse(text);
		assert_true(config.mark == cases[i].value && config.mark_mask == cases[i].mask);
	}
}

/* A family may have more targets than the other, or none. */
static void test_targets_of_both_families(void **state)
{
	const struct wh_conf_profile *p =
		parse(TWO_WANS
		      "probes: {default: {quorum: 2, targets:\n"
		      "  [icmp:2620:fe::fe, icmp:1.1.1.1, \"tcp:[2620:fe::9]:853\", icmp:9.9.9.9, icmp:8.8.8.8]}}\n")
			->profiles;

	(void)state;
	assert_int_equal(p->n_targets, 5);
	assert_target(&p->targets[0], "icmp:2620:fe::fe", "2620:fe::fe");
	assert_int_equal(p->targets[1].addr.family, WH_V4);
	assert_target(&p->targets[2], "tcp:[2620:fe::9]:853", "2620:fe::9");
	assert_int_equal(p->targets[2].port, 853);
	parse(TWO_WANS "probes: {default: {quorum: 2, targets: [icmp:2620:fe::fe, icmp:2620:fe::9]}}\n");
	/* alike in their first bytes, and yet no duplicates */
	parse(TWO_WANS "probes: {default: {targets: [icmp:38.6.71.0, icmp:2606:4700::1111]}}\n");
}

static void test_firewall(void **state)
{
	(void)state;
	assert_int_equal(parse(TWO_WANS "firewall: kernel\n")->firewall, WH_CONF_FIREWALL_KERNEL);
	assert_int_equal(parse(TWO_WANS "firewall: untracked\n")->firewall, WH_CONF_FIREWALL_UNTRACKED);
	assert_int_equal(parse(TWO_WANS "firewall: bypass\n")->firewall, WH_CONF_FIREWALL_BYPASS);
	assert_true(parse(TWO_WANS "firewall-recheck: auto\n")->firewall_recheck);
	assert_true(parse(TWO_WANS "boot: closed\n")->boot_closed);
	assert_false(parse(TWO_WANS "boot: open\n")->boot_closed);
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
	assert_tiers(last_class(&config), "0:1 1:1 2:1 3:1 4:1 5:1 6:1 7:1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_wan_and_class_defaults),
		cmocka_unit_test(test_accel),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_profiles_inherit),
		cmocka_unit_test(test_partial_interval_and_auto_timeout),
		cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_disabled_wan_is_in_no_tier),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_targets_of_both_families),
		cmocka_unit_test(test_firewall),
		cmocka_unit_test(test_full_house),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
