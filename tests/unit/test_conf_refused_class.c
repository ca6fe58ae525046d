/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_refused_class.c: refusals of classes, with exact line, column and reason: their WANs and values.  Their
 * matches stand in test_conf_refused_match.c, failback in test_conf_failback.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_refusal.h"

#define NO_PREFER "prefer: must be a list of at least one WAN, not "
#define NO_TIER "prefer: must be a WAN, or WANs with weights as in {fiber: 3, lte: 1}, not "
#define NO_BALANCE "balance: must be WANs with weights, as in {fiber: 80, lte: 20}, not "
static void test_class_wans(void **state)
{
	static const struct refusal cases[] = {
		{CLASS("prefer: @fiber"), NO_PREFER "\"fiber\""},
		{CLASS("prefer: @[]"), NO_PREFER "an empty list"},
		{CLASS("prefer: @{fiber: 1}"), NO_PREFER "a map"},
		{CLASS("prefer: [@[fiber]]"), NO_TIER "a list"},
		{CLASS("prefer: [@{}]"), NO_TIER "an empty map"},
		{CLASS("prefer:\n    -@"), NO_TIER "nothing"},
		{CLASS("prefer: [@fibre, lte]"), "prefer: there is no WAN \"fibre\"; did you mean \"fiber\"?"},
		{CLASS("prefer: [fiber, @cable]"), "prefer: there is no WAN \"cable\""},
		{CLASS("prefer: [lte, {@fibr: 1}]"), "prefer: there is no WAN \"fibr\"; did you mean \"fiber\"?"},
		{CLASS("prefer: [fiber, @fiber]"), "prefer: the WAN \"fiber\" is listed twice"},
		{CLASS("prefer: [fiber, {lte: 1, @fiber: 2}]"), "prefer: the WAN \"fiber\" is listed twice"},
		{CLASS("prefer: [{fiber: @[]}]"), "fiber: " NO_WEIGHT "an empty list"},
		{CLASS("prefer: [{fiber: @0}]"), "fiber: " NO_WEIGHT "\"0\""},
		{CLASS("prefer: [{fiber: 1, lte: @1001}]"), "lte: " NO_WEIGHT "\"1001\""},
		{CLASS("balance: @[fiber, lte]"), NO_BALANCE "a list"},
		{CLASS("balance: @{}"), NO_BALANCE "an empty map"},
		{CLASS("balance: @fiber"), NO_BALANCE "\"fiber\""},
		{CLASS("balance: {@ltr: 1}"), "balance: there is no WAN \"ltr\"; did you mean \"lte\"?"},
		{CLASS("balance: {fiber: @heavy}"), "fiber: " NO_WEIGHT "\"heavy\""},
		{CLASS("balance: {lte: @1001}"), "lte: " NO_WEIGHT "\"1001\""},
		{CLASS("prefer: [lte]\n    @balance: {fiber: 1}"), "balance: cannot stand beside prefer"},
		{CLASS("@balance: {fiber: 1}\n    prefer: [lte]"), "balance: cannot stand beside prefer"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_AFFINITY "affinity: must be flow, src-dst or src, not "
#define NO_FAILOVER "on-failover: must be auto, move or reset, not "
#define NO_FAILOVER_HOLD "must be a duration from 100ms to 1h with its unit (ms, s, m, h, d), not "
#define NO_NONE "on-none: must be reject or drop, not "
static void test_class_values(void **state)
{
	static const struct refusal cases[] = {
		{TOP("classes: @[default]"), "classes: " NO_MAP "a list"},
		{TOP("classes: {default: @fiber}"), "default: " NO_MAP "\"fiber\""},
		{TOP("classes: {@voice: {prefer: [fiber]}}"), "the class \"voice\" has no match"},
		{TOP("classes: {@voice: }"), "the class \"voice\" has no match"},
		{TOP("classes: {default: {}, @defalt: {}}"),
		 "the class \"defalt\" has no match; did you mean \"default\"?"},
		{TOP("classes: {default: {@match: [{proto: tcp}]}}"),
		 "match: the class \"default\" takes what no other does"},
		{TOP("classes: {@a b: {}}"), "\"a b\"" IS_NO_NAME},
		{CLASS("only: @[true]"), "only: must be true or false, not a list"},
		{CLASS("only: @1"), "only: must be true or false, not \"1\""},
		{CLASS("only: @treu"), "only: must be true or false, not \"treu\"; did you mean \"true\"?"},
		{CLASS("affinity: @{}"), NO_AFFINITY "an empty map"},
		{CLASS("affinity: @none"), NO_AFFINITY "\"none\""},
		{CLASS("affinity: @src-dts"), NO_AFFINITY "\"src-dts\"; did you mean \"src-dst\"?"},
		{CLASS("on-failover: @[move]"), NO_FAILOVER "a list"},
		{CLASS("on-failover: @drop"), NO_FAILOVER "\"drop\""},
		{CLASS("on-failover: @rest"), NO_FAILOVER "\"rest\"; did you mean \"reset\"?"},
		{CLASS("on-failover: {hold: @99ms}"), "hold: " NO_FAILOVER_HOLD "\"99ms\""},
		{CLASS("on-failover: {hold: @61m}"), "hold: " NO_FAILOVER_HOLD "\"61m\""},
		{CLASS("on-failover: {hold: @auto}"), "hold: " NO_FAILOVER_HOLD "\"auto\""},
		{CLASS("on-none: @{}"), NO_NONE "an empty map"},
		{CLASS("on-none: @none"), NO_NONE "\"none\""},
		{CLASS("on-none: @dorp"), NO_NONE "\"dorp\"; did you mean \"drop\"?"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_NEVER "never: must be a list of at least one WAN, not "
static void test_never(void **state)
{
	static const struct refusal cases[] = {
		{CLASS("never: @lte"), NO_NEVER "\"lte\""},
		{CLASS("never: @[]"), NO_NEVER "an empty list"},
		{CLASS("never: @{lte: 1}"), NO_NEVER "a map"},
		{CLASS("never: [@{lte: 1}]"), "never: must be a WAN, not a map"},
		{CLASS("never: [fiber, @ltr]"), "never: there is no WAN \"ltr\"; did you mean \"lte\"?"},
		{CLASS("never: [lte, @lte]"), "never: the WAN \"lte\" is listed twice"},
		{CLASS("never: [@lte]\n    prefer: [fiber, lte]"), "never: the WAN \"lte\" stands in prefer, too"},
		{CLASS("prefer: [{fiber: 1, lte: 2}]\n    never: [@fiber]"),
		 "never: the WAN \"fiber\" stands in prefer, too"},
		{CLASS("balance: {fiber: 1, lte: 2}\n    never: [@lte]"),
		 "never: the WAN \"lte\" stands in balance, too"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_ALGORITHM "algorithm: must be weighted, overflow, least-used or lowest-latency, not "
#define NO_ACTION "action: must be kernel, drop or reject, not "
#define NO_DSCP "mark-dscp: must be a number from 0 to 63, ef, va, cs0 to cs7 or af11 to af43, not "
#define NO_RATE "rate: must be a rate from 1kbit to 1000gbit with its unit (kbit, mbit, gbit), not "
static void test_treatment(void **state)
{
	static const struct refusal cases[] = {
		{CLASS("algorithm: @[]"), NO_ALGORITHM "an empty list"},
		{CLASS("algorithm: @random"), NO_ALGORITHM "\"random\""},
		{CLASS("algorithm: @least-usde"), NO_ALGORITHM "\"least-usde\"; did you mean \"least-used\"?"},
		{CLASS("action: @{}"), NO_ACTION "an empty map"},
		{CLASS("action: @steer"), NO_ACTION "\"steer\""},
		{CLASS("action: @kernle"), NO_ACTION "\"kernle\"; did you mean \"kernel\"?"},
		{CLASS("mark-dscp: @[ef]"), NO_DSCP "a list"},
		{CLASS("mark-dscp: @64"), NO_DSCP "\"64\""},
		{CLASS("mark-dscp: @af44"), NO_DSCP "\"af44\""},
		{CLASS("rate: @{}"), NO_RATE "an empty map"},
		{CLASS("rate: @5"), NO_RATE "\"5\""},
		{CLASS("rate: @5MB"), NO_RATE "\"5MB\""},
		{CLASS("rate: @5Mbit"), NO_RATE "\"5Mbit\""},
		{CLASS("rate: @0.999kbit"), NO_RATE "\"0.999kbit\""},
		{CLASS("rate: @1000.1gbit"), NO_RATE "\"1000.1gbit\""},
		{CLASS("rate: @1.0001kbit"), NO_RATE "\"1.0001kbit\""},
		{CLASS("degraded: @5mbit"), "degraded: " NO_MAP "\"5mbit\""},
		{CLASS("degraded: {rate: @[]}"), NO_RATE "an empty list"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_LIMIT "must be a duration from 1ms to 1m with its unit (ms, s, m, h, d), not "
#define NO_LOSS "loss: must be a share from 0.01% to 100%, not "
static void test_sla(void **state)
{
	static const struct refusal cases[] = {
		{CLASS("sla: @150ms"), "sla: " NO_MAP "\"150ms\""},
		{CLASS("sla: {latency: @[]}"), "latency: " NO_LIMIT "an empty list"},
		{CLASS("sla: {latency: @0ms}"), "latency: " NO_LIMIT "\"0ms\""},
		{CLASS("sla: {latency: @61s}"), "latency: " NO_LIMIT "\"61s\""},
		{CLASS("sla: {jitter: @30}"), "jitter: " NO_LIMIT "\"30\""},
		{CLASS("sla: {loss: @{}}"), NO_LOSS "an empty map"},
		{CLASS("sla: {loss: @1}"), NO_LOSS "\"1\""},
		{CLASS("sla: {loss: @0%}"), NO_LOSS "\"0%\""},
		{CLASS("sla: {loss: @0.009%}"), NO_LOSS "\"0.009%\""},
		{CLASS("sla: {loss: @100.01%}"), NO_LOSS "\"100.01%\""},
		{CLASS("sla: {loss: @1 %}"), NO_LOSS "\"1 %\""},
		{CLASS("sla-action: @[]"), "sla-action: must be new or move, not an empty list"},
		{CLASS("sla-action: @drop"), "sla-action: must be new or move, not \"drop\""},
		{CLASS("sla-action: @mvoe"), "sla-action: must be new or move, not \"mvoe\"; did you mean \"move\"?"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_class_wans), cmocka_unit_test(test_class_values), cmocka_unit_test(test_never),
		cmocka_unit_test(test_treatment),  cmocka_unit_test(test_sla),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
