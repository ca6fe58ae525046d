/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_refused_policy.c: refusals of probes, limits and mark, with exact line, column and reason.  YAML and
 * devices stand in test_conf_refused.c, classes in test_conf_refused_class.c, unknown keys in test_conf_keys.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_refusal.h"

#define NO_TARGET "targets: must be icmp:ADDRESS or tcp:ADDRESS:PORT, not "
#define NO_TCP "targets: must be tcp:ADDRESS:PORT with a port from 1 to 65535, not "
#define NO_BRACKETS "targets: must be tcp:[ADDRESS]:PORT where the address is IPv6, not "
static void test_targets(void **state)
{
	static const struct refusal cases[] = {
		{PROBE("targets: @icmp:1.1.1.1"),
		 "targets: must be a list of at least one target, not \"icmp:1.1.1.1\""},
		{PROBE("targets: @[]"), "targets: must be a list of at least one target, not an empty list"},
		{PROBE("targets: [@[]]"), NO_TARGET "an empty list"},
		{PROBE("targets: [@1.1.1.1]"), NO_TARGET "\"1.1.1.1\""},
		{PROBE("targets: [@icmp: 1.1.1.1]"), NO_TARGET "a map"},
		{PROBE("targets: [@imcp:1.1.1.1]"), NO_TARGET "\"imcp:1.1.1.1\"; did you mean \"icmp\"?"},
		{PROBE("targets: [@gopher:1.1.1.1]"), NO_TARGET "\"gopher:1.1.1.1\""},
		{PROBE("targets: [@a-very-long-kind-of-probe:1.1.1.1]"),
		 NO_TARGET "\"a-very-long-kind-of-probe:1.1.1.1\""},
		{PROBE("targets: [@icmp:example.com]"), "targets: " NO_HOST "\"icmp:example.com\""},
		{PROBE("targets: [@icmp:127.0.0.1]"), "targets: " NO_HOST "\"icmp:127.0.0.1\""},
		{PROBE("targets: [@\"icmp:fe80::1%wan1\"]"),
		 "targets: " NO_HOST "\"icmp:fe80::1%wan1\"; leave out the \"%wan1\""},
		{PROBE("targets: [@\"icmp:[2606:4700::1111]\"]"),
		 "targets: " NO_HOST "\"icmp:[2606:4700::1111]\"; leave out the brackets"},
		{PROBE("targets: [@\"icmp:ff02::1\"]"), "targets: " NO_HOST "\"icmp:ff02::1\""},
		{PROBE("targets: [@\"icmp:::1\"]"), "targets: " NO_HOST "\"icmp:::1\""},
		{PROBE("targets: [@\"icmp:fe80::1\"]"),
		 "targets: \"icmp:fe80::1\" is link-local: no router forwards it"},
		{PROBE("targets: [@icmp:169.254.1.1]"),
		 "targets: \"icmp:169.254.1.1\" is link-local: no router forwards it"},
		{PROBE("targets: [@\"tcp:[fe80::1]:443\"]"),
		 "targets: \"tcp:[fe80::1]:443\" is link-local: no router forwards it"},
		{PROBE("targets: [@\"tcp:2606:4700::1111:443\"]"), NO_BRACKETS "\"tcp:2606:4700::1111:443\""},
		{PROBE("targets: [@\"tcp:2606:4700::1111\"]"), NO_BRACKETS "\"tcp:2606:4700::1111\""},
		{PROBE("targets: [@\"tcp:[2606:4700::1111]\"]"), NO_TCP "\"tcp:[2606:4700::1111]\""},
		{PROBE("targets: [@\"tcp:[2606:4700::1111\"]"), NO_TCP "\"tcp:[2606:4700::1111\""},
		{PROBE("targets: [@\"tcp:[2606:4700::1111]443\"]"), NO_TCP "\"tcp:[2606:4700::1111]443\""},
		{PROBE("targets: [@\"tcp:[2606:4700::1111]:0\"]"), NO_TCP "\"tcp:[2606:4700::1111]:0\""},
		{PROBE("targets: [@\"tcp:[2606:4700::g]:443\"]"), "targets: " NO_HOST "\"tcp:[2606:4700::g]:443\""},
		{PROBE("targets: [@\"tcp:[0000:0000:0000:0000:0000:0000:0000:0000:0000:1]:1\"]"),
		 NO_TCP "\"tcp:[0000:0000:0000:0000:0000:0000:0000:0000:0000:1]:1\""},
		{PROBE("targets: [@\"tcp:[]:443\"]"), "targets: " NO_HOST "\"tcp:[]:443\""},
		{PROBE("targets: [@\"tcp:[1.1.1.1]:443\"]"),
		 "targets: must be tcp:ADDRESS:PORT where the address is IPv4, not \"tcp:[1.1.1.1]:443\""},
		{PROBE("targets: [tcp@:[2606:4700::1111]:443]"),
		 "not YAML: brackets within a word; put the word in quotes"},
		{PROBE("targets: [@tcp:1.1.1.1]"), NO_TCP "\"tcp:1.1.1.1\""},
		{PROBE("targets: [@tcp:1.1.1.1:0]"), NO_TCP "\"tcp:1.1.1.1:0\""},
		{PROBE("targets: [@tcp:1.1.1.1:65536]"), NO_TCP "\"tcp:1.1.1.1:65536\""},
		{PROBE("targets: [@tcp:1.1.1.1:https]"), NO_TCP "\"tcp:1.1.1.1:https\""},
		{PROBE("targets: [@tcp:1.1.1:443]"), "targets: " NO_HOST "\"tcp:1.1.1:443\""},
		{PROBE("targets: [icmp:1.1.1.1, @icmp:1.1.1.1]"), "targets: \"icmp:1.1.1.1\" is in the list already"},
		{PROBE("targets: [\"icmp:2606:4700::1111\", @\"icmp:2606:4700:0::1111\"]"),
		 "targets: \"icmp:2606:4700:0::1111\" is in the list already"},
		{PROBE("targets: [tcp:1.1.1.1:53, @tcp:1.1.1.1:053]"),
		 "targets: \"tcp:1.1.1.1:053\" is in the list already"},
		{PROBE("targets: [@tcp:1.1.1.1:0000000000000000000000000000000000000000000000000000443]"),
		 NO_TARGET "\"tcp:1.1.1.1:0000000000000000000000000000000000000000000000000000...\""},
		{PROBE("targets: [@dns:9.9.9.9/example.com]"), "targets: dns: not built yet"},
		{PROBE("targets: [@http://example.com/=204]"), "targets: http: not built yet"},
		{PROBE("targets: [@https://example.com/=204]"), "targets: https: not built yet"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

static void test_too_many_targets(void **state)
{
	char text[1024];
	int used = snprintf(text, sizeof(text), LAN BYPASS WANS "probes: {default: {targets: [");

	(void)state;
	for (unsigned i = 0; i < WH_MAX_TARGETS + 1; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%sicmp:9.9.9.%u", i ? ", " : "", i);
	used += snprintf(text + used, sizeof(text) - (size_t)used, "]}}\n");
	assert_error(text, (size_t)used, "t.yaml:6:29: targets: more than 16");
}

#define NO_QUORUM "quorum: must be a whole number from 1 to 16, not "
#define NO_INTERVAL "must be a duration from 10ms to 1h with its unit (ms, s, m, h, d), not "
#define NO_TIMEOUT "timeout: must be auto or a duration from 10ms to 1m with its unit (ms, s, m, h, d), not "
static void test_profiles(void **state)
{
	static const struct refusal cases[] = {
		{TOP("probes: @[default]"), "probes: " NO_MAP "a list"},
		{TOP("probes: {default: @[]}"), "default: " NO_MAP "an empty list"},
		{TOP("probes: {slow: @fast}"), "slow: " NO_MAP "\"fast\""},
		{TOP("probes: {@a b: {}}"), "\"a b\"" IS_NO_NAME},
		{TOP("probes: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, @h: {}}"),
		 "probes: more than 8 profiles, \"default\" included"},
		{PROBE("quorum: @[1]"), NO_QUORUM "a list"},
		{PROBE("quorum: @0"), NO_QUORUM "\"0\""},
		{PROBE("quorum: @17"), NO_QUORUM "\"17\""},
		{PROBE("quorum: @3"), "quorum: 3 of 2 IPv4 targets can never be good"},
		{PROBE("quorum: 2\n  x: {targets: @[icmp:9.9.9.9]}"), "quorum: 2 of 1 IPv4 targets can never be good"},
		{PROBE("targets: [icmp:9.9.9.9, icmp:1.1.1.1, \"icmp:2620:fe::fe\"]\n    quorum: @2"),
		 "quorum: 2 of 1 IPv6 targets can never be good"},
		{PROBE("targets: [\"icmp:2620:fe::fe\"]\n    quorum: @2"),
		 "quorum: 2 of 1 IPv6 targets can never be good"},
		{PROBE("interval: @[1s]"), "interval: " NO_INTERVAL "a list"},
		{PROBE("interval: @200"), "interval: " NO_INTERVAL "\"200\""},
		{PROBE("interval: @9ms"), "interval: " NO_INTERVAL "\"9ms\""},
		{PROBE("interval: @61m"), "interval: " NO_INTERVAL "\"61m\""},
		{PROBE("interval: {icmp: @{}}"), "icmp: " NO_INTERVAL "an empty map"},
		{PROBE("interval: {icmp: @0s}"), "icmp: " NO_INTERVAL "\"0s\""},
		{PROBE("interval: {tcp: @[]}"), "tcp: " NO_INTERVAL "an empty list"},
		{PROBE("interval: {tcp: @2h}"), "tcp: " NO_INTERVAL "\"2h\""},
		{PROBE("timeout: @{}"), NO_TIMEOUT "an empty map"},
		{PROBE("timeout: @9ms"), NO_TIMEOUT "\"9ms\""},
		{PROBE("timeout: @61s"), NO_TIMEOUT "\"61s\""},
		{PROBE("timeout: @atuo"), NO_TIMEOUT "\"atuo\"; did you mean \"auto\"?"},
		{PROBE("down-after: @{}"), "down-after: must be a whole number from 1 to 100, not an empty map"},
		{PROBE("down-after: @0"), "down-after: must be a whole number from 1 to 100, not \"0\""},
		{PROBE("down-after: @101"), "down-after: must be a whole number from 1 to 100, not \"101\""},
		{PROBE("up-after: @[]"), "up-after: " NO_WEIGHT "an empty list"},
		{PROBE("up-after: @0"), "up-after: " NO_WEIGHT "\"0\""},
		{PROBE("up-after: @1001"), "up-after: " NO_WEIGHT "\"1001\""},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_FLOWS "flows: must be a whole number from 1024 to 16777216, not "
#define NO_SHARE "flows-per-client: must be a whole number from 1 to 16777216, not "
#define NO_MARK "must be a whole number from 1 to 4294967295, not "
#define NO_ROOM(value, mask, most)                                                                                     \
	"mark: above the value " value " the mask " mask " has no room for 10 more; at most " most
static void test_small_sections(void **state)
{
	static const struct refusal cases[] = {
		{TOP("limits: @262144"), "limits: " NO_MAP "\"262144\""},
		{TOP("limits: {flows: @{}}"), NO_FLOWS "an empty map"},
		{TOP("limits: {flows: @1023}"), NO_FLOWS "\"1023\""},
		{TOP("limits: {flows: @16777217}"), NO_FLOWS "\"16777217\""},
		{TOP("limits: {flows-per-client: @[]}"), NO_SHARE "an empty list"},
		{TOP("limits: {flows-per-client: @0}"), NO_SHARE "\"0\""},
		{TOP("limits: {flows-per-client: @16777217}"), NO_SHARE "\"16777217\""},
		{TOP("mark: @0x57000000"), "mark: " NO_MAP "\"0x57000000\""},
		{TOP("mark: {value: @[]}"), "value: " NO_MARK "an empty list"},
		{TOP("mark: {value: @0}"), "value: " NO_MARK "\"0\""},
		{TOP("mark: {value: @0x100000000}"), "value: " NO_MARK "\"0x100000000\""},
		{TOP("mark: {mask: @{}}"), "mask: " NO_MARK "an empty map"},
		{TOP("mark: {mask: @0}"), "mask: " NO_MARK "\"0\""},
		{TOP("mark: {mask: @0x100000000}"), "mask: " NO_MARK "\"0x100000000\""},
		{TOP("mark: {mask: 0xf0, value: @0x101}"), "mark: the value 0x101 has bits outside the mask 0xf0"},
		{TOP("mark: {value: @1}"), "mark: the value 0x1 has bits outside the mask 0xff000000"},
		{TOP("mark: {mask: @0x0f}"), "mark: the value 0x57000000 has bits outside the mask 0xf"},
		{TOP("mark: {value: 1, mask: @0xf0f}"), "mark: the mask 0xf0f is not one run of bits"},
		{TOP("mark: {mask: @0xf0000001, value: 1}"), "mark: the mask 0xf0000001 is not one run of bits"},
		{TOP("mark: {value: 0x10, mask: @0x70}"), "mark: the mask 0x70 has less than 4 bits"},
		{TOP("mark: {value: 0x80000000, mask: @0x80000000}"), "mark: the mask 0x80000000 has less than 4 bits"},
		{TOP("mark: {mask: 0xf0, value: @0x70}"), NO_ROOM("0x70", "0xf0", "0x50")},
		{TOP("mark: {mask: 0xf0000000, value: @0xf0000000}"),
		 NO_ROOM("0xf0000000", "0xf0000000", "0x50000000")},
		{TOP("mark: {mask: 0xffffffff, value: @0xfffffff7}"),
		 NO_ROOM("0xfffffff7", "0xffffffff", "0xfffffff5")},
		{TOP("mark: {value: @0xf7000000}"), NO_ROOM("0xf7000000", "0xff000000", "0xf5000000")},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_too_many_targets),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_small_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
