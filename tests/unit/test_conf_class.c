/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_class.c: what classes that are accepted come to: their WANs in tiers and the treatment of their traffic.
 * Matches stand in test_conf_match.c, failback in test_conf_failback.c, refusals in test_conf_refused_class.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_parse.h"

#define FIVE_WANS                                                                                                      \
	LAN "wans:\n  a: {device: w0, weight: 3}\n  sat: {device: w1, metered: true}\n  b: {device: w2}\n"             \
	    "  lte: {device: w3, metered: true, weight: 7}\n  off: {device: w4, enabled: false}\n"

static void test_places_of_wans(void **state)
{
	static const struct {
		const char *class;
		const char *tiers;
		uint8_t never;
	} cases[] = {
		/* without a list: the file's order, metered ones last */
		{"{}", "0:3 2:1 1:1 3:7", 0},
		{"{only: true}", "0:3 2:1 1:1 3:7", 0},
		{"{never: [sat]}", "0:3 2:1 3:7", 1 << 1},
		{"{never: [a, lte, off]}", "2:1 1:1", 1 << 0 | 1 << 3 | 1 << 4},
		{"{never: [a, b, sat, lte]}", "", 0x0f},
		/* with one: the metered ones only where they are named */
		{"{prefer: [b]}", "2:1 0:3", 0},
		{"{prefer: [lte]}", "3:1 0:3,2:1", 0},
		{"{prefer: [{b: 9, sat: 2}, lte]}", "2:9,1:2 3:1 0:3", 0},
		{"{prefer: [b], never: [a]}", "2:1", 1 << 0},
		{"{prefer: [lte], never: [a]}", "3:1 2:1", 1 << 0},
		{"{prefer: [lte], only: true, never: [sat]}", "3:1", 1 << 1},
		{"{balance: {a: 80, lte: 20}}", "0:80,3:20 2:1", 0},
		{"{balance: {a: 80, lte: 20}, never: [b]}", "0:80,3:20", 1 << 2},
		{"{prefer: [off]}", "0:3,2:1", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].class);
		parse_format(FIVE_WANS "classes: {default: %s}\n", cases[i].class);
		assert_tiers(&config.classes[0], cases[i].tiers);
		assert_int_equal(config.classes[0].never, cases[i].never);
	}
}

static void assert_nothing_said(const struct wh_conf_class *class)
{
	assert_int_equal(class->algorithm, WH_ALGORITHM_WEIGHTED);
	assert_int_equal(class->affinity, WH_AFFINITY_SRC_DST);
	assert_int_equal(class->on_failover, WH_FAILOVER_AUTO);
	assert_true(class->hold_ns == 0);
	assert_int_equal(class->on_none, WH_NONE_REJECT);
	assert_int_equal(class->action, WH_CLASS_STEER);
	assert_true(class->sla.latency_ns == 0 && class->sla.jitter_ns == 0 && class->sla.loss_ppm == 0);
	assert_int_equal(class->sla.action, WH_SLA_NEW);
	assert_true(class->rate_bps == 0 && class->degraded_bps == 0);
	assert_int_equal(class->mark_dscp, WH_DSCP_KEEP);
	assert_false(class->own_failback);
	assert_int_equal(class->never, 0);
}

static void test_defaults(void **state)
{
	(void)state;
	parse(LAN WANS);
	assert_int_equal(config.n_classes, 1);
	assert_nothing_said(&config.classes[0]);
	parse(LAN WANS "classes: {a: {match: [{proto: tcp}]}}\n");
	assert_int_equal(config.n_classes, 2);
	assert_string_equal(config.classes[1].name, "default");
	assert_nothing_said(&config.classes[0]);
	assert_nothing_said(&config.classes[1]);
	assert_tiers(&config.classes[0], "0:1 1:1");
	assert_tiers(&config.classes[1], "0:1 1:1");
	parse(LAN WANS "classes: {default: {sla: , degraded: , failback: }}\n");
	assert_nothing_said(&config.classes[0]);
}

static void test_every_value(void **state)
{
	const struct wh_conf_class *class = config.classes;

	(void)state;
	parse(LAN WANS "classes:\n"
		       "  voice:\n"
		       "    match: [{dscp: ef}]\n"
		       "    prefer: [fiber]\n"
		       "    algorithm: lowest-latency\n"
		       "    affinity: src\n"
		       "    on-failover: {hold: 20s}\n"
		       "    on-none: drop\n"
		       "    sla: {latency: 150ms, jitter: 30ms, loss: 1%}\n"
		       "    sla-action: move\n"
		       "    rate: 100mbit\n"
		       "    degraded: {rate: 1.5mbit}\n"
		       "    mark-dscp: cs5\n");
	assert_int_equal(class->algorithm, WH_ALGORITHM_LOWEST_LATENCY);
	assert_int_equal(class->affinity, WH_AFFINITY_SRC);
	assert_int_equal(class->on_failover, WH_FAILOVER_AUTO);
	assert_true(class->hold_ns == 20 * S);
	assert_int_equal(class->on_none, WH_NONE_DROP);
	assert_true(class->sla.latency_ns == 150 * MS && class->sla.jitter_ns == 30 * MS);
	assert_int_equal(class->sla.loss_ppm, 10000);
	assert_int_equal(class->sla.action, WH_SLA_MOVE);
	assert_true(class->rate_bps == 100000000 && class->degraded_bps == 1500000);
	assert_int_equal(class->mark_dscp, 40);
}

static void test_words(void **state)
{
	static const struct {
		const char *word;
		enum wh_algorithm algorithm;
	} algorithms[] = {{"weighted", WH_ALGORITHM_WEIGHTED},
			  {"overflow", WH_ALGORITHM_OVERFLOW},
			  {"least-used", WH_ALGORITHM_LEAST_USED}};
	static const struct {
		const char *word;
		enum wh_class_action action;
	} actions[] = {{"kernel", WH_CLASS_KERNEL}, {"drop", WH_CLASS_DROP}, {"reject", WH_CLASS_REJECT}};

	(void)state;
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		parse_format(CLASS("algorithm: %s"), algorithms[i].word);
		assert_int_equal(config.classes[0].algorithm, algorithms[i].algorithm);
	}
	for (size_t i = 0; i < COUNT(actions); i++) {
		parse_format(CLASS("action: %s"), actions[i].word);
		assert_int_equal(config.classes[0].action, actions[i].action);
	}
	assert_int_equal(parse(CLASS("on-failover: move"))->classes[0].on_failover, WH_FAILOVER_MOVE);
	assert_int_equal(parse(CLASS("sla-action: new"))->classes[0].sla.action, WH_SLA_NEW);
	assert_int_equal(parse(CLASS("mark-dscp: 0"))->classes[0].mark_dscp, 0);
	assert_int_equal(parse(CLASS("mark-dscp: 63"))->classes[0].mark_dscp, 63);
}

static void test_ends_of_ranges(void **state)
{
	(void)state;
	assert_true(parse(CLASS("rate: 1kbit"))->classes[0].rate_bps == 1000);
	assert_true(parse(CLASS("rate: 1000gbit"))->classes[0].rate_bps == 1000000000000ULL);
	assert_true(parse(CLASS("rate: 0.001mbit"))->classes[0].rate_bps == 1000);
	assert_true(parse(CLASS("sla: {latency: 1ms}"))->classes[0].sla.latency_ns == MS);
	assert_true(parse(CLASS("sla: {jitter: 1m}"))->classes[0].sla.jitter_ns == 60 * S);
	assert_int_equal(parse(CLASS("sla: {loss: 0.01%}"))->classes[0].sla.loss_ppm, 100);
	assert_int_equal(parse(CLASS("sla: {loss: 100%}"))->classes[0].sla.loss_ppm, 1000000);
	assert_true(parse(CLASS("on-failover: {hold: 100ms}"))->classes[0].hold_ns == 100 * MS);
	assert_true(parse(CLASS("on-failover: {hold: 1h}"))->classes[0].hold_ns == 3600 * S);
}

/* In the order of the file, but `default` last wherever it stands. */
static void test_order(void **state)
{
	(void)state;
	parse(LAN WANS "classes:\n  default: {affinity: flow}\n  z: {match: [{proto: tcp}]}\n"
		       "  a: {match: [{proto: udp}]}\n");
	assert_int_equal(config.n_classes, 3);
	assert_string_equal(config.classes[0].name, "z");
	assert_string_equal(config.classes[1].name, "a");
	assert_string_equal(config.classes[2].name, "default");
	assert_int_equal(config.classes[2].affinity, WH_AFFINITY_FLOW);
	assert_int_equal(config.matches[1].class, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places_of_wans), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_value),    cmocka_unit_test(test_words),
		cmocka_unit_test(test_ends_of_ranges), cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
