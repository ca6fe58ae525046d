/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_rules_stored.c: match lines as they are put in force (kern/rule_tables.h), what follows for single packets, and
 * what many lines cost.
 */
#include "rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct packet tcp_to(uint16_t port)
{
	return lab_segment(CLIENT_A, 5000, REMOTE_1, port, TCP_SYN);
}

static void expect_class(uint16_t port, unsigned class, unsigned line)
{
	struct packet in = tcp_to(port);
	struct wh_flow flow;

	lab_from_lan(&in);
	assert_true(lab_flow(&in, &flow));
	assert_int_equal(flow.class, class);
	assert_int_equal(flow.line, line);
}

static void test_without_rules(void **state)
{
	(void)state;
	expect_class(80, 0, WH_LINE_NONE);
	assert_int_equal(wh_rule_tables_domains(&lab.t), -ENOENT);
}

static void test_no_lines(void **state)
{
	(void)state;
	rules_numbers.class_of[RULES_CLASSES - 1] = 2;
	assert_true(rules_store());
	rules_numbers.class_of[RULES_CLASSES - 1] = 0;
	expect_class(80, 2, WH_LINE_NONE);
}

/* A line for that destination. */
static void put_prefix(const char *text, unsigned len)
{
	struct wh_conf_prefix *prefix = &rules_config.prefixes[rules_config.n_prefixes];

	rules_add_line()->to = (struct wh_conf_span){rules_config.n_prefixes++, 1};
	prefix->len = len;
	assert_int_equal(inet_pton(AF_INET, text, &prefix->addr.v4), 1);
}

/* What is in force already is not stored: a restart classes nothing anew. */
static void test_stored_once(void **state)
{
	uint32_t before = rules_generation();

	(void)state;
	put_prefix("20.1.0.0", 16);
	put_prefix("20.1.1.0", 24);
	assert_true(rules_store());
	assert_int_equal(rules_generation(), before + 1);
	assert_false(rules_store());
	assert_int_equal(rules_generation(), before + 1);
	rules_config.prefixes[1].len = 25; /* a prefix, and nothing else */
	assert_true(rules_store());
	assert_int_equal(rules_generation(), before + 2);
	rules_config.matches[0].dscp = 1; /* all but the prefixes' keys */
	assert_true(rules_store());
	assert_false(rules_store());
	rules_config.n_matches--;
	assert_true(rules_store());
	rules_config.n_matches++;
	assert_true(rules_store());
	assert_int_equal(rules_generation(), before + 5);
}

static void test_names_from_the_start(void **state)
{
	struct wh_rule_domain known = {};
	bool stored;

	(void)state;
	strcpy(rules_config.domain_text, "example.net");
	rules_config.n_domains = 1;
	rules_add_line()->names = (struct wh_conf_span){0, 1};
	rules_compile();
	known.lines = rules_set.rules.domain_any;
	assert_true(wh_rules_add_name(&rules_config, "example.net", &known.lines));
	lab_put6(&known.addr_be, (address)0xffff << 32 | REMOTE_1);
	assert_int_equal(wh_rule_tables_store(&lab.t, &rules_set, &known, 1, &stored), 0);
	expect_class(80, rules_numbers.class_of[0], 0);
}

/* A refused flow's sender is told, or not, as its own class has it. */
static void test_each_class_refuses_its_own_way(void **state)
{
	struct wh_class silent = {.name = "silent", .on_none = WH_NONE_DROP};
	uint32_t number = rules_numbers.class_of[0];
	struct packet loud_in = tcp_to(80), silent_in = tcp_to(443);
	struct result r;

	(void)state;
	rules_config.port_ranges[0] = (struct wh_conf_port_range){443, 443};
	rules_add_line()->dport = (struct wh_conf_span){0, 1};
	assert_true(rules_store());
	assert_int_equal(bpf_map_update_elem(lab.t.classes, &number, &silent, BPF_ANY), 0);
	lab_set_alive(0);
	for (unsigned class = 0; class < RULES_CLASSES; class += 1)
		lab.t.steer_rows[class].masks.word = 0;
	r = lab_from_lan(&silent_in);
	expect_dropped(&r);
	r = lab_from_lan(&loud_in);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_true(result_is_refusal(&r, &loud_in));
}

/* --- what it costs ------------------------------------------------------------------------------------------ */

#define TURNS 15
#define REPEAT 4000

/* Lines that each ask for much; the last one is the packet's. */
static void costly_rules(unsigned lines)
{
	memset(&rules_config, 0, sizeof(rules_config));
	rules_config.n_classes = RULES_CLASSES;
	for (unsigned line = 0; line < lines; line++) {
		struct wh_conf_match *m = rules_add_line();
		bool last = line == lines - 1;

		m->from = (struct wh_conf_span){rules_config.n_prefixes, 1};
		m->to = (struct wh_conf_span){rules_config.n_prefixes + 1, 1};
		m->dport = (struct wh_conf_span){rules_config.n_port_ranges, 1};
		m->proto_any = false;
		m->protos[0] = 1U << IPPROTO_TCP | 1U << IPPROTO_UDP;
		rules_config.prefixes[rules_config.n_prefixes++] = (struct wh_conf_prefix){
			.addr = {.family = WH_V4, .v4.s_addr = htobe32(IP(192, 168, 0, 0))}, .len = 16};
		rules_config.prefixes[rules_config.n_prefixes++] = (struct wh_conf_prefix){
			.addr = {.family = WH_V4,
				 .v4.s_addr = htobe32(last ? (uint32_t)REMOTE_1 : IP(20, 2, 0, 0) + line * 977)},
			.len = 32};
		rules_config.port_ranges[rules_config.n_port_ranges++] =
			last ? (struct wh_conf_port_range){80, 80}
			     : (struct wh_conf_port_range){(uint16_t)(1000 + 7 * line), (uint16_t)(1003 + 7 * line)};
	}
}

/* Nanoseconds of a new flow's first packet at lan_in, on its way up: it stays without a flow. */
static uint32_t cost(const struct packet *in)
{
	struct __sk_buff skb = {.ifindex = lab.lan_ifindex[0]};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->bytes, .data_size_in = (__u32)in->len, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .repeat = REPEAT);

	assert_int_equal(bpf_prog_test_run_opts(wh_programs_fd(lab.programs, WH_HOOK_LAN_IN, WH_V4, PACKET_L2), &run),
			 0);
	return run.duration;
}

static int compare(const void *a, const void *b)
{
	return (int)(*(const uint32_t *)a - *(const uint32_t *)b);
}

static void test_many_lines_cost_what_one_does(void **state)
{
	uint32_t one[TURNS], many[TURNS];
	struct packet in = tcp_to(80);
	double ratio;

	(void)state;
	lab_set_firewall(WH_FIREWALL_KERNEL, 0);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		costly_rules(1);
		assert_true(rules_store());
		one[turn] = cost(&in);
		costly_rules(WH_MAX_LINES);
		assert_true(rules_store());
		many[turn] = cost(&in);
	}
	qsort(one, TURNS, sizeof(one[0]), compare);
	qsort(many, TURNS, sizeof(many[0]), compare);
	ratio = (double)many[TURNS / 2] / one[TURNS / 2];
	print_message(
		"a first packet: %u ns with 1 line, %u ns with %u (medians of %u turns): ratio %.3f; least %u and %u\n",
		one[TURNS / 2], many[TURNS / 2], WH_MAX_LINES, TURNS, ratio, one[0], many[0]);
	assert_true(ratio < 1.5);
	/* That it was the last line that was found. */
	lab_set_firewall(WH_FIREWALL_BYPASS, 0);
	expect_class(80, rules_numbers.class_of[0], WH_MAX_LINES - 1);
}

static const struct CMUnitTest tests[] = {
	RULES_TEST(test_without_rules),
	RULES_TEST(test_no_lines),
	RULES_TEST(test_stored_once),
	RULES_TEST(test_names_from_the_start),
	RULES_TEST(test_each_class_refuses_its_own_way),
	RULES_TEST(test_many_lines_cost_what_one_does),
};

LAB_MAIN(tests, 4096)
