/* SPDX-License-Identifier: GPL-2.0 */
/* test_conf_budget.c: what a WAN carries and costs, taken and refused: metered, bandwidth, quota. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_parse.h"

static void test_defaults(void **state)
{
	const struct wh_conf_wan *wan = &parse(WAN("bandwidth:\n    quota:"))->wans[1];

	(void)state;
	assert_false(wan->metered);
	assert_true(wan->up_bps == 0 && wan->down_bps == 0 && wan->quota.limit_bytes == 0);
	assert_int_equal(wan->quota.reset_day, 1);
	assert_int_equal(wan->quota.warn_percent, 80);
	assert_int_equal(wan->quota.action, WH_QUOTA_AVOID);
}

static void test_values(void **state)
{
	const struct wh_conf_wan *wan = &config.wans[1];

	(void)state;
	parse(WAN("metered: true\n    bandwidth: {up: 1.5mbit, down: 10gbit}\n"
		  "    quota: {limit: 50GB, reset-day: 31, warn: 100%, action: block}"));
	assert_true(wan->metered);
	assert_true(wan->up_bps == 1500000 && wan->down_bps == 10000000000);
	assert_true(wan->quota.limit_bytes == 50000000000);
	assert_int_equal(wan->quota.reset_day, 31);
	assert_int_equal(wan->quota.warn_percent, 100);
	assert_int_equal(wan->quota.action, WH_QUOTA_BLOCK);
	parse(WAN("bandwidth: {up: 500kbit}\n    quota: {limit: 1MB, warn: 1%, action: avoid}"));
	assert_true(wan->up_bps == 500000 && wan->down_bps == 0 && wan->quota.limit_bytes == 1000000);
	assert_int_equal(wan->quota.warn_percent, 1);
	assert_int_equal(wan->quota.action, WH_QUOTA_AVOID);
	assert_true(parse(WAN("quota: {limit: 1000KB}"))->wans[1].quota.limit_bytes == 1000000);
	assert_true(parse(WAN("quota: {limit: 1.25TB}"))->wans[1].quota.limit_bytes == 1250000000000);
	assert_true(parse(WAN("quota: {limit: 1000TB}"))->wans[1].quota.limit_bytes == 1000000000000000);
}

#define NO_RATE "must be a rate from 1kbit to 1000gbit with its unit (kbit, mbit, gbit), not "
#define NO_SIZE "limit: must be a size from 1MB to 1000TB with its unit (KB, MB, GB, TB), not "
#define NO_DAY "reset-day: must be a whole number from 1 to 31, not "
#define NO_WARN "warn: must be a whole share from 1% to 100%, not "
static void test_refused(void **state)
{
	static const struct refusal cases[] = {
		{WAN("metered: @yes"), "metered: must be true or false, not \"yes\""},
		{WAN("bandwidth: @10mbit"), "bandwidth: " NO_MAP "\"10mbit\""},
		{WAN("bandwidth: {up: @10}"), "up: " NO_RATE "\"10\""},
		{WAN("bandwidth: {up: 10mbit, down: @10mbps}"), "down: " NO_RATE "\"10mbps\""},
		{WAN("bandwidth: {down: @0mbit}"), "down: " NO_RATE "\"0mbit\""},
		{WAN("bandwidth: {down: @[]}"), "down: " NO_RATE "an empty list"},
		{WAN("quota: @50GB"), "quota: " NO_MAP "\"50GB\""},
		{WAN("quota: @{reset-day: 1}"), "quota: has no limit"},
		{WAN("quota: {limit: @[]}"), NO_SIZE "an empty list"},
		{WAN("quota: {limit: @50}"), NO_SIZE "\"50\""},
		{WAN("quota: {limit: @50gb}"), NO_SIZE "\"50gb\""},
		{WAN("quota: {limit: @999KB}"), NO_SIZE "\"999KB\""},
		{WAN("quota: {limit: @1001TB}"), NO_SIZE "\"1001TB\""},
		{WAN("quota: {limit: 1GB, reset-day: @0}"), NO_DAY "\"0\""},
		{WAN("quota: {limit: 1GB, reset-day: @32}"), NO_DAY "\"32\""},
		{WAN("quota: {limit: 1GB, reset-day: @{}}"), NO_DAY "an empty map"},
		{WAN("quota: {limit: 1GB, warn: @80}"), NO_WARN "\"80\""},
		{WAN("quota: {limit: 1GB, warn: @0%}"), NO_WARN "\"0%\""},
		{WAN("quota: {limit: 1GB, warn: @101%}"), NO_WARN "\"101%\""},
		{WAN("quota: {limit: 1GB, warn: @80.5%}"), NO_WARN "\"80.5%\""},
		{WAN("quota: {limit: 1GB, action: @drop}"), "action: must be avoid or block, not \"drop\""},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define METERED(probes) LAN "wans:\n  a: {device: w0}\n  m: {device: w1, metered: true}\n" probes

static uint64_t icmp_ns(unsigned wan)
{
	return config.profiles[config.wans[wan].profile].interval_ns[WH_PROBE_ICMP];
}

/* Echo requests each 5 s on a metered WAN, where the file does not say otherwise. */
static void test_metered_wans_are_probed_sparingly(void **state)
{
	static const struct {
		const char *probes;
		uint64_t a_ns, m_ns;
	} cases[] = {
		{"", 200 * MS, 5 * S},
		{"probes: {default: {quorum: 2}}\n", 200 * MS, 5 * S},
		{"probes: {default: {interval: {tcp: 1m}}}\n", 200 * MS, 5 * S},
		{"probes: {default: {interval: {icmp: 200ms}}}\n", 200 * MS, 200 * MS},
		{"probes: {default: {interval: 1s}}\n", S, S},
		{"probes: {other: {interval: 1s}}\n", 200 * MS, 5 * S},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].probes);
		parse_format(METERED("%s"), cases[i].probes);
		assert_true(icmp_ns(0) == cases[i].a_ns && icmp_ns(1) == cases[i].m_ns);
		assert_string_equal(config.profiles[config.wans[1].profile].name, "default");
	}
}

static void test_profiles_of_metered_wans(void **state)
{
	(void)state;
	parse(LAN "wans:\n  a: {device: w0, probe: x}\n  b: {device: w1, probe: x, metered: true}\n"
		  "  c: {device: w2, probe: x, metered: true}\n  d: {device: w3, metered: true}\n"
		  "  e: {device: w4, probe: y, metered: true}\n"
		  "probes: {x: {quorum: 2, interval: {tcp: 9s}}, y: {interval: 3s}, default: {up-after: 7}}\n");
	assert_true(icmp_ns(0) == 200 * MS && icmp_ns(1) == 5 * S && icmp_ns(3) == 5 * S && icmp_ns(4) == 3 * S);
	assert_int_equal(config.wans[1].profile, config.wans[2].profile); /* one for both */
	assert_int_equal(config.n_profiles, 3 + 2);
	for (unsigned i = 0; i < 3; i++) { /* the same in all else */
		const struct wh_conf_profile *p = &config.profiles[config.wans[i].profile];

		assert_string_equal(p->name, "x");
		assert_int_equal(p->quorum, 2);
		assert_int_equal(p->up_after, 7);
		assert_int_equal(p->n_targets, 4);
		assert_true(p->interval_ns[WH_PROBE_TCP] == 9 * S);
	}
	/* what is inherited was said */
	parse(LAN "wans: {a: {device: w0, probe: x, metered: true}}\n"
		  "probes: {x: {quorum: 2}, default: {interval: {icmp: 1s}}}\n");
	assert_true(icmp_ns(0) == S);
	assert_int_equal(config.n_profiles, 2);
}

/* Of every profile that may be written another one. */
static void test_all_profiles_metered(void **state)
{
	(void)state;
	parse(LAN "wans:\n  a: {device: w0, metered: true}\n  b: {device: w1, probe: p1, metered: true}\n"
		  "  c: {device: w2, probe: p2, metered: true}\n  d: {device: w3, probe: p3, metered: true}\n"
		  "  e: {device: w4, probe: p4, metered: true}\n  f: {device: w5, probe: p5, metered: true}\n"
		  "  g: {device: w6, probe: p6, metered: true}\n  h: {device: w7, probe: p7, metered: true}\n"
		  "probes: {p1: {}, p2: {}, p3: {}, p4: {}, p5: {}, p6: {}, p7: {}}\n");
	assert_int_equal(config.n_profiles, 2 * WH_MAX_PROFILES);
	for (unsigned i = 0; i < WH_MAX_WANS; i++)
		assert_true(icmp_ns(i) == 5 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_metered_wans_are_probed_sparingly),
		cmocka_unit_test(test_profiles_of_metered_wans),
		cmocka_unit_test(test_all_profiles_metered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
