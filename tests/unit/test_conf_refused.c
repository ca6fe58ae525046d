/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_refused.c: refusals of YAML and of the devices' sections, with exact line, column and reason.
 * Addresses of WANs stand in test_conf_wan.c, the other sections in test_conf_refused_policy.c, unknown keys in
 * test_conf_keys.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_refusal.h"

static void test_yaml(void **state)
{
	static const struct refusal cases[] = {
		{"@", "the file is empty"},
		{"@# nothing but a comment\n", "the file is empty"},
		{"@lan0\n", "the file must hold keys with values, as in \"lan: [lan0]\""},
		{"@- lan0\n", "the file must hold keys with values, as in \"lan: [lan0]\""},
		{LAN "wans: {a: {device: w1}\n@",
		 "not YAML: did not find expected ',' or '}' while parsing a flow mapping that begins in line 2"},
		{LAN "wans:\n@\ta: {device: w1}\n", "not YAML: a tab; indent with spaces"},
		{LAN " @firewall: bypass\n",
		 "not YAML: did not find expected key while parsing a block mapping that begins in line 1"},
		{"lan: a@: b\n", "not YAML: mapping values are not allowed in this context"},
		{LAN "# caf\xc3\xa9\nfirewall: caf\xc3\xa9@\xff\n", "not YAML: invalid leading UTF-8 octet"},
		{LAN "firewall: by@\x01pass\n", "not YAML: control characters are not allowed"},
		{"lan: @&lans [lan0]\n", "YAML anchors (&lans) are not accepted"},
		{"wans: {a: @&a {device: w1}}\n", "YAML anchors (&a) are not accepted"},
		{"lan: [@&a lan0]\n", "YAML anchors (&a) are not accepted"},
		{"lan: [@*lans]\n", "YAML aliases (*lans) are not accepted"},
		{"lan: @!!seq [lan0]\n", "YAML tags (tag:yaml.org,2002:seq) are not accepted"},
		{"lan: [@! lan0]\n", "YAML tags (!) are not accepted"},
		{TOP("@---\n") LAN, "a second YAML document; the file must hold one"},
		{TOP("? @[a]\n: b"), "a key must be a word"},
		{TOP("? @{a: b}\n: c"), "a key must be a word"},
		{TOP("@lan: [lan1]"), "duplicate key \"lan\": it stands in line 1 already"},
		{WAN("weight: 1\n    @device: wan3"), "duplicate key \"device\": it stands in line 6 already"},
		{LAN BYPASS WANS "  @lte: {device: wan3}\n", "duplicate key \"lte\": it stands in line 5 already"},
		{"lan: [@\"lan\\0\"]\n", "a NUL character"},
		{"a: [[[[[[[[[[[[[[[@[]]]]]]]]]]]]]]]]\n", "nested too deeply"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

/* Columns count characters: behind two-byte letters the place is still right. */
static void test_columns_count_characters(void **state)
{
	static const char text[] = "{lan: [\"\xc3\xa9\xc3\xa9\"], x: 1}\n";

	(void)state;
	assert_error(text, strlen(text), "t.yaml:1:15: unknown key \"x\"");
}

/* The message stays one line of readable text, whatever it quotes. */
static void test_quotes_with_care(void **state)
{
#define SIXTY "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
	static const struct refusal cases[] = {
		{TOP("@\"a\\nb\\e[31m\": 1"), "unknown key \"a?b?[31m\""},
		{TOP("@" SIXTY "gggg: 1"), "unknown key \"" SIXTY "gggg\""},
		{TOP("@" SIXTY "ggggg: 1"), "unknown key \"" SIXTY "gggg...\""},
		{TOP("@" SIXTY "ggg\xc3\xa9h: 1"), "unknown key \"" SIXTY "ggg...\""},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

static void test_too_many_keys(void **state)
{
	static char text[16384];
	size_t used = 0;

	(void)state;
	for (unsigned i = 0; i < 1025; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "key%u: 1\n", i);
	assert_error(text, used, "t.yaml:1025:1: more than 1024 keys in one map");
}

#define NO_DEVICE "must be the name of a network device, not "
#define NO_LIST "lan: must be a list of at least one device, not "
static void test_lan(void **state)
{
	static const struct refusal cases[] = {
		{"@" BYPASS WANS, "lan: is missing; write the devices where clients arrive"},
		{BYPASS WANS "lan: @lan0\n", NO_LIST "\"lan0\" (as in \"lan: [lan0]\")"},
		{BYPASS WANS "lan: @[]\n", NO_LIST "an empty list"},
		{BYPASS WANS "lan:@\n", NO_LIST "nothing"},
		{BYPASS WANS "lan: @{device: lan0}\n", NO_LIST "a map"},
		{BYPASS WANS "lan: [@[lan0]]\n", "lan: " NO_DEVICE "a list"},
		{BYPASS WANS "lan: [@\"\"]\n", "lan: " NO_DEVICE "\"\""},
		{BYPASS WANS "lan: [@sixteen-letters0]\n", "lan: " NO_DEVICE "\"sixteen-letters0\""},
		{BYPASS WANS "lan: [@a/b]\n", "lan: " NO_DEVICE "\"a/b\""},
		{BYPASS WANS "lan: [@\"a b\"]\n", "lan: " NO_DEVICE "\"a b\""},
		{BYPASS WANS "lan: [@..]\n", "lan: " NO_DEVICE "\"..\""},
		{BYPASS WANS "lan: [lan0, @lan0]\n", "lan: \"lan0\" is in the list already"},
		{BYPASS WANS "lan: [lan0, @{device: lan0}]\n", "lan: \"lan0\" is in the list already"},
		{BYPASS WANS "lan: [@{accel: tc}]\n", "lan: the entry names no device"},
		{BYPASS WANS "lan: [{device: @[lan0]}]\n", "device: " NO_DEVICE "a list"},
		{BYPASS WANS "lan: [{device: @a:b}]\n", "device: " NO_DEVICE "\"a:b\""},
		{BYPASS WANS "lan: [{device: lan0, accel: @fast}]\n", "accel: must be auto, tc or xdp, not \"fast\""},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

static void test_too_many_lans(void **state)
{
	char text[1024];
	int used = snprintf(text, sizeof(text), "lan: [l0");

	(void)state;
	for (unsigned i = 1; i < WH_MAX_LANS; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ",\n  l%u", i);
	used += snprintf(text + used, sizeof(text) - (size_t)used, "]\n" BYPASS WANS);
	assert_error(text, (size_t)used, "t.yaml:64:3: lan: more than 63 devices");
}

static void test_firewall_and_accel(void **state)
{
	static const struct refusal cases[] = {
		{LAN WANS "firewall: @bypas\n",
		 "firewall: must be kernel, untracked or bypass, not \"bypas\"; did you mean \"bypass\"?"},
		{LAN WANS "firewall: @off\n", "firewall: must be kernel, untracked or bypass, not \"off\""},
		{LAN WANS "firewall: @[bypass]\n", "firewall: must be kernel, untracked or bypass, not a list"},
		{LAN WANS "firewall:@\n", "firewall: must be kernel, untracked or bypass, not nothing"},
		{TOP("firewall-recheck: @on"), "firewall-recheck: must be auto or off, not \"on\""},
		{TOP("firewall-recheck: @atuo"),
		 "firewall-recheck: must be auto or off, not \"atuo\"; did you mean \"auto\"?"},
		{TOP("boot: @close"), "boot: must be closed or open, not \"close\"; did you mean \"closed\"?"},
		{TOP("firewall-recheck: @[]"), "firewall-recheck: must be auto or off, not an empty list"},
		{TOP("accel: @xpd"), "accel: must be auto, tc or xdp, not \"xpd\"; did you mean \"xdp\"?"},
		{TOP("accel: @atuo"), "accel: must be auto, tc or xdp, not \"atuo\"; did you mean \"auto\"?"},
		{TOP("accel: @{}"), "accel: must be auto, tc or xdp, not an empty map"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

static void test_wans(void **state)
{
	static const struct refusal cases[] = {
		{"@" LAN BYPASS, "wans: is missing; write the uplinks"},
		{LAN BYPASS "wans: @{}\n", "wans: must name at least one WAN"},
		{LAN BYPASS "wans:@\n", "wans: must name at least one WAN"},
		{LAN BYPASS "wans: @[fiber]\n", "wans: " NO_MAP "a list"},
		{LAN BYPASS "wans: @fiber\n", "wans: " NO_MAP "\"fiber\""},
		{LAN BYPASS "wans: {fiber: @wan1}\n", "fiber: " NO_MAP "\"wan1\""},
		{LAN BYPASS "wans: {@fiber: {}}\n", "the WAN \"fiber\" has no device"},
		{LAN BYPASS "wans:\n  @fiber:\n", "the WAN \"fiber\" has no device"},
		{LAN BYPASS "wans: {@-a: {device: w}}\n", "\"-a\"" IS_NO_NAME},
		{LAN BYPASS "wans: {@a b: {device: w}}\n", "\"a b\"" IS_NO_NAME},
		{LAN BYPASS "wans: {@\"\": {device: w}}\n", "\"\"" IS_NO_NAME},
		{LAN BYPASS "wans: {@caf\xc3\xa9: {device: w}}\n", "\"caf\xc3\xa9\"" IS_NO_NAME},
		{LAN BYPASS "wans: {@a2345678901234567890123456789012: {device: w}}\n",
		 "\"a2345678901234567890123456789012\"" IS_NO_NAME},
		{LAN BYPASS "wans: {a: {device: a}, b: {device: b}, c: {device: c}, d: {device: d}, e: {device: e},\n"
			    "  f: {device: f}, g: {device: g}, h: {device: h}, @i: {device: i}}\n",
		 "wans: more than 8 WANs"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

static void test_wan_devices(void **state)
{
	static const struct refusal cases[] = {
		{LAN BYPASS "wans: {a: {device: @[w]}}\n", "device: " NO_DEVICE "a list"},
		{LAN BYPASS "wans: {a: {device: @w/1}}\n", "device: " NO_DEVICE "\"w/1\""},
		{LAN BYPASS "wans:\n  a:\n    device:@\n", "device: " NO_DEVICE "nothing"},
		{LAN BYPASS "wans: {a: {device: w}, b: {device: @w}}\n",
		 "device: \"w\" belongs to the WAN \"a\" already"},
		{LAN BYPASS "wans: {a: {device: @lan0}}\n", "device: \"lan0\" is a LAN device"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_NAT6 "nat6: must be auto, npt, masquerade or none, not "
#define NO_FILTERING "filtering: must be address-and-port or endpoint-independent, not "
#define NO_PORTS "ports: must be FIRST-LAST within 1024-65535, at least 256 ports, not "
static void test_wan_values(void **state)
{
	static const struct refusal cases[] = {
		{WAN("enabled: @[true]"), "enabled: must be true or false, not a list"},
		{WAN("enabled: @yes"), "enabled: must be true or false, not \"yes\""},
		{WAN("enabled: @ture"), "enabled: must be true or false, not \"ture\"; did you mean \"true\"?"},
		{WAN("nat: @{}"), "nat: must be masquerade or none, not an empty map"},
		{WAN("nat: @npt"), "nat: must be masquerade or none, not \"npt\""},
		{WAN("nat: @masqerade"),
		 "nat: must be masquerade or none, not \"masqerade\"; did you mean \"masquerade\"?"},
		{WAN("nat6: @[npt]"), NO_NAT6 "a list"},
		{WAN("nat6: @ntp"), NO_NAT6 "\"ntp\"; did you mean \"npt\"?"},
		{WAN("nat6: @nat66"), NO_NAT6 "\"nat66\""},
		{WAN("filtering: @{}"), NO_FILTERING "an empty map"},
		{WAN("filtering: @address"), NO_FILTERING "\"address\""},
		{WAN("filtering: @endpoint-independant"),
		 NO_FILTERING "\"endpoint-independant\"; did you mean \"endpoint-independent\"?"},
		{WAN("weight: @[1]"), "weight: " NO_WEIGHT "a list"},
		{WAN("weight: @heavy"), "weight: " NO_WEIGHT "\"heavy\""},
		{WAN("weight: @0"), "weight: " NO_WEIGHT "\"0\""},
		{WAN("weight: @1001"), "weight: " NO_WEIGHT "\"1001\""},
		{WAN("weight: @-1"), "weight: " NO_WEIGHT "\"-1\""},
		{WAN("weight: @99999999999999999999"), "weight: " NO_WEIGHT "\"99999999999999999999\""},
		{WAN("ports: @[20000, 30000]"), NO_PORTS "a list"},
		{WAN("ports: @20000"), NO_PORTS "\"20000\""},
		{WAN("ports: @\"-\""), NO_PORTS "\"-\""},
		{WAN("ports: @1023-30000"), NO_PORTS "\"1023-30000\""},
		{WAN("ports: @20000-65536"), NO_PORTS "\"20000-65536\""},
		{WAN("ports: @20000-20254"), NO_PORTS "\"20000-20254\""},
		{WAN("ports: @30000-20000"), NO_PORTS "\"30000-20000\""},
		{WAN("ports: @2000000000-30000"), NO_PORTS "\"2000000000-30000\""},
		{WAN("probe: @{targets: []}"), "probe: must be the name of a probe profile, not a map"},
		{WAN("probe: @cellular"), "probe: there is no probe profile \"cellular\""},
		{WAN("probe: @defualt"), "probe: there is no probe profile \"defualt\"; did you mean \"default\"?"},
		{WAN("probe: @slwo\nprobes: {slow: {}}"),
		 "probe: there is no probe profile \"slwo\"; did you mean \"slow\"?"},
		{WAN("accel: @[]"), "accel: must be auto, tc or xdp, not an empty list"},
		{WAN("accel: @aut"), "accel: must be auto, tc or xdp, not \"aut\"; did you mean \"auto\"?"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yaml),
		cmocka_unit_test(test_columns_count_characters),
		cmocka_unit_test(test_quotes_with_care),
		cmocka_unit_test(test_too_many_keys),
		cmocka_unit_test(test_lan),
		cmocka_unit_test(test_too_many_lans),
		cmocka_unit_test(test_firewall_and_accel),
		cmocka_unit_test(test_wans),
		cmocka_unit_test(test_wan_devices),
		cmocka_unit_test(test_wan_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
