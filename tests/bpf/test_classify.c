/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_classify.c: which class a new flow gets.  Random match lines are stored as the controller does it, random packets
 * of both families go through the hooks, and class and line of the flows that they open are held against a matcher that
 * goes line by line (tests/unit/linear_match.h).
 */
#include "harness.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../unit/random_rules.h"
#include "kern/rule_tables.h"
#include "lib/cleanup.h"
#include "lib/mapped.h"

static struct wh_config config;
static struct wh_rule_set set;
/* LANs as the lab has them; the classes' numbers are not their places in the configuration. */
static struct wh_rule_numbers numbers = {.class_of = {3, 1, 4, 2, 0}, .lan_of = {0, 1}};

/* --- the policy --------------------------------------------------------------------------------------------- */

/* Compile and store. Whether it was stored. */
static bool store(void)
{
	char error[128];
	bool stored;

	assert_int_equal(wh_rules_compile(&config, &numbers, &set, error, sizeof(error)), 0);
	assert_int_equal(wh_rule_tables_store(&lab.t, &set, NULL, 0, &stored), 0);
	return stored;
}

static uint32_t generation(void)
{
	return lab.t.steer_rows[WH_STEER_GLOBAL].policy;
}

/* Every class may use these WANs, in the order of their numbers. */
static void set_classes(const uint8_t wans[RULES_CLASSES])
{
	_cleanup_close_ int tables = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_buckets", sizeof(uint32_t),
						    sizeof(struct wh_bucket_table), WH_MAX_CLASSES, NULL);
	uint32_t zero = 0;

	assert_true(tables >= 0);
	for (uint32_t class = 0; class < RULES_CLASSES; class += 1) {
		union wh_masks masks = {
			.keep4 = wans[class], .fresh4 = wans[class], .keep6 = wans[class], .fresh6 = wans[class]};
		struct wh_class row = {.affinity = WH_AFFINITY_FLOW, .on_none = WH_NONE_REJECT};
		static struct wh_bucket_table table;
		uint32_t order = 0;

		for (unsigned wan = LAB_WANS; wan-- > 0;) {
			if (wans[class] & (1U << wan))
				order = order << WH_ORDER_BITS | (wan + 1);
		}
		for (unsigned i = 0; i < WH_BUCKETS; i++)
			table.order[i] = order;
		snprintf(row.name, sizeof(row.name), "class%u", class);
		assert_int_equal(bpf_map_update_elem(lab.t.classes, &class, &row, BPF_ANY), 0);
		assert_int_equal(bpf_map_update_elem(tables, &class, &table, BPF_ANY), 0);
		lab.t.steer_rows[class].masks.word = masks.word;
	}
	assert_int_equal(bpf_map_update_elem(lab.t.buckets, &zero, &tables, BPF_ANY), 0);
}

static int set_up(void **state)
{
	static const uint8_t both[RULES_CLASSES] = {3, 3, 3, 3, 3};
	uint32_t zero = 0;
	int err = lab_reset(state);

	set_classes(both);
	memset(&config, 0, sizeof(config));
	config.n_classes = RULES_CLASSES;
	config.n_lans = RULES_LANS;
	bpf_map_delete_elem(lab.t.rules, &zero);
	return err;
}

/* --- packets ------------------------------------------------------------------------------------------------ */

static address address_of(const struct wh_address *addr)
{
	address value = 0;

	if (addr->family == WH_V4)
		return be32toh(addr->v4.s_addr);
	for (unsigned i = 0; i < 16; i++)
		value = value << 8 | addr->v6.s6_addr[i];
	return value;
}

/* Protocols without ports of ours: another client's session with that destination may be in the way. */
static bool may_be_refused(const struct linear_packet *p)
{
	return p->proto == IPPROTO_GRE || p->proto == IPPROTO_SCTP;
}

/* One that a client may send and that is ours to steer. */
static struct linear_packet some_packet(void)
{
	enum wh_family family = pick(2);
	struct linear_packet p;

	do
		p = random_packet(family);
	while (address_of(&p.src) == ROUTER_LAN0 || address_of(&p.src) == ROUTER6_LAN0 ||
	       (may_be_refused(&p) && !once_in(5)));
	p.lan = (int)pick(RULES_LANS);
	p.vlan = numbers.vlan_of[p.lan];
	if (p.proto == IPPROTO_ICMP || p.proto == IPPROTO_ICMPV6) {
		p.proto = family == WH_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		p.sport = (uint16_t)pick(65536); /* its identifier */
	}
	return p;
}

static struct packet bytes_of(const struct linear_packet *p)
{
	bool v6 = p->dst.family == WH_V6;
	struct spec s = {.t = {address_of(&p->src), address_of(&p->dst), p->sport, p->dport,
			       p->proto == IPPROTO_ICMPV6 ? PROTO_ICMP : p->proto},
			 .tos = (uint8_t)(p->dscp << 2 | pick(4)),
			 .label = v6 ? pick(1 << 20) : 0,
			 .payload = (uint16_t)pick(100),
			 .ihl = v6 ? 0 : (uint8_t)(5 + pick(3)),
			 .dst_mac = p->lan == LINEAR_ROUTER ? mac_isp : lab.lan[p->lan].mac};

	if (v6 && once_in(3))
		s.extensions[0] = EXTEND_OPTIONS;
	return client_packet(s);
}

/* What is known of the destination's names. */
static void learn_names(int domains, const struct linear_packet *p)
{
	struct in6_addr addr = p->dst.family == WH_V4 ? wh_mapped(p->dst.v4) : p->dst.v6;
	struct wh_vector lines = set.rules.domain_any;

	for (unsigned i = 0; i < p->n_names; i++)
		wh_rules_add_name(&config, p->names[i], &lines);
	if (p->n_names)
		assert_int_equal(bpf_map_update_elem(domains, &addr, &lines, BPF_ANY), 0);
	else
		bpf_map_delete_elem(domains, &addr);
}

static unsigned class_of(int line)
{
	return numbers.class_of[line < 0 ? RULES_CLASSES - 1 : config.matches[line].class];
}

static void expect_flow(const struct packet *in, int line)
{
	struct wh_flow flow;

	assert_true(lab_flow(in, &flow));
	assert_int_equal(flow.line, line < 0 ? WH_LINE_NONE : line);
	assert_int_equal(flow.class, class_of(line));
	assert_int_equal(flow.policy, (uint16_t)generation());
}

static void new_rules(unsigned lines)
{
	lab_forget_flows();
	for (unsigned i = 0; i < RULES_LANS; i++)
		numbers.vlan_of[i] = once_in(2) ? 0 : rules_vlans[pick(3)];
	random_rules(&config, lines);
	assert_true(store());
}

/* --- random ------------------------------------------------------------------------------------------------- */

#define ROUNDS 130
#define PACKETS 900 /* 100,000 in all, and some whose flow is there already */

static struct result run_from_lan(const struct linear_packet *p, const struct packet *in)
{
	struct lab_context context = {.ifindex = lab.lan_ifindex[p->lan], .mark = p->mark};

	return lab_run(WH_HOOK_LAN_IN, &context, in);
}

static void test_any_packet_of_any_rules(void **state)
{
	unsigned matched = 0, compared = 0, refused = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		_cleanup_close_ int domains = -1;

		new_rules(1 + pick(once_in(3) ? 8 : once_in(4) ? WH_MAX_LINES : 150));
		domains = wh_rule_tables_domains(&lab.t);
		assert_true(domains >= 0);
		for (unsigned i = 0; i < PACKETS; i++) {
			struct linear_packet p = some_packet();
			struct packet in = bytes_of(&p);
			int line = linear_match(&config, &p);
			struct wh_flow flow;

			if (lab_flow(&in, &flow))
				continue;
			learn_names(domains, &p);
			run_from_lan(&p, &in);
			if (may_be_refused(&p) && !lab_flow(&in, &flow)) {
				refused++;
				continue;
			}
			expect_flow(&in, line);
			compared++;
			matched += line >= 0;
		}
	}
	print_message("%u packets compared, %u of them matched a line, %u refused\n", compared, matched, refused);
	assert_true(compared > 100000);
	assert_in_range(matched, compared / 10, compared * 99ULL / 100);
}

/* By WANs of their own, classes are told apart from outside. */
static void test_each_class_by_its_wan(void **state)
{
	static const uint8_t wans[RULES_CLASSES] = {1, 2, 4, 8, 16};
	unsigned seen[RULES_CLASSES] = {0};

	(void)state;
	set_classes(wans);
	lab_set_alive(0x1f);
	for (unsigned i = 0; i < 2000; i++) {
		struct linear_packet p;
		struct packet in;
		struct wh_flow flow;
		struct result r;
		unsigned class;

		if (i % 200 == 0)
			new_rules(1 + pick(30));
		p = some_packet();
		p.n_names = 0;
		in = bytes_of(&p);
		if (may_be_refused(&p) || lab_flow(&in, &flow))
			continue;
		class = class_of(linear_match(&config, &p));
		r = run_from_lan(&p, &in);
		expect_out(&r, &in, class);
		seen[class]++;
	}
	for (unsigned class = 0; class < RULES_CLASSES; class += 1)
		assert_true(seen[class]);
}

/* Where the firewall is asked, the class is found at lan_in and is the flow's when it is accepted. */
static void test_by_the_kernel(void **state)
{
	(void)state;
	lab_set_firewall(WH_FIREWALL_KERNEL, 0);
	new_rules(200);
	for (unsigned i = 0; i < 2000; i++) {
		struct linear_packet p = some_packet();
		struct lab_context context = {.ifindex = lab.wan_ifindex[0], .ingress_ifindex = lab.lan_ifindex[p.lan]};
		struct packet in, out;
		struct wh_flow flow;
		struct result r;

		p.n_names = 0;
		in = bytes_of(&p);
		if (may_be_refused(&p) || lab_flow(&in, &flow))
			continue;
		r = run_from_lan(&p, &in);
		assert_int_equal(r.verdict, VERDICT_NEXT);
		/* What lan_in noted is forgotten at times: then wan_out looks itself, and at the same things. */
		if (once_in(4))
			lab_forget_pending();
		out = lab_forwarded(&in, 0);
		context.mark = r.mark;
		lab_run(WH_HOOK_WAN_OUT, &context, &out);
		expect_flow(&in, linear_match(&config, &p));
	}
}

static void test_the_routers_own(void **state)
{
	(void)state;
	new_rules(200);
	for (unsigned i = 0; i < 2000; i++) {
		struct linear_packet p = some_packet();
		struct lab_context context = {.ifindex = lab.wan_ifindex[0], .mark = p.mark};
		const struct wh_wan *wan = &lab.wan[0];
		struct packet in;
		struct wh_flow flow;

		p.n_names = 0;
		p.lan = LINEAR_ROUTER;
		if (p.src.family == WH_V4)
			p.src.v4.s_addr = wan->v4.addr_be;
		else
			memcpy(&p.src.v6, &wan->v6.addr_be, sizeof(p.src.v6));
		in = bytes_of(&p);
		if (may_be_refused(&p) || lab_flow(&in, &flow))
			continue;
		lab_run(WH_HOOK_WAN_OUT, &context, &in);
		expect_flow(&in, linear_match(&config, &p));
	}
}

/* --- storing ------------------------------------------------------------------------------------------------ */

static struct wh_conf_match *add_line(void)
{
	struct wh_conf_match *m = &config.matches[config.n_matches++];

	m->in_any = m->proto_any = true;
	return m;
}

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
	numbers.class_of[RULES_CLASSES - 1] = 2;
	assert_true(store());
	numbers.class_of[RULES_CLASSES - 1] = 0;
	expect_class(80, 2, WH_LINE_NONE);
}

/* What is in force already is not stored: a restart classes nothing anew. */
static void test_stored_once(void **state)
{
	uint32_t before = generation();

	(void)state;
	random_rules(&config, 300);
	assert_true(store());
	assert_int_equal(generation(), before + 1);
	assert_false(store());
	assert_int_equal(generation(), before + 1);
	config.prefixes[0].len += config.prefixes[0].len ? -1U : 1; /* a prefix, and nothing else */
	clear_host_bits(&config.prefixes[0]);
	assert_true(store());
	assert_int_equal(generation(), before + 2);
	assert_false(store());
	config.n_matches--;
	assert_true(store());
	config.n_matches++;
	assert_true(store());
	assert_int_equal(generation(), before + 4);
}

static void test_names_from_the_start(void **state)
{
	struct wh_rule_domain known = {};
	char error[128];
	bool stored;

	(void)state;
	strcpy(config.domain_text, "example.net");
	config.n_domains = 1;
	add_line()->names = (struct wh_conf_span){0, 1};
	assert_int_equal(wh_rules_compile(&config, &numbers, &set, error, sizeof(error)), 0);
	known.lines = set.rules.domain_any;
	assert_true(wh_rules_add_name(&config, "example.net", &known.lines));
	lab_put6(&known.addr_be, (address)0xffff << 32 | REMOTE_1);
	assert_int_equal(wh_rule_tables_store(&lab.t, &set, &known, 1, &stored), 0);
	expect_class(80, numbers.class_of[0], 0);
}

/* A refused flow's sender is told, or not, as its own class has it. */
static void test_each_class_refuses_its_own_way(void **state)
{
	struct wh_class silent = {.name = "silent", .on_none = WH_NONE_DROP};
	uint32_t number = numbers.class_of[0];
	struct packet loud_in = tcp_to(80), silent_in = tcp_to(443);
	struct result r;

	(void)state;
	config.port_ranges[0] = (struct wh_conf_port_range){443, 443};
	add_line()->dport = (struct wh_conf_span){0, 1};
	assert_true(store());
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
	memset(&config, 0, sizeof(config));
	config.n_classes = RULES_CLASSES;
	for (unsigned line = 0; line < lines; line++) {
		struct wh_conf_match *m = add_line();
		bool last = line == lines - 1;

		m->from = (struct wh_conf_span){config.n_prefixes, 1};
		m->to = (struct wh_conf_span){config.n_prefixes + 1, 1};
		m->dport = (struct wh_conf_span){config.n_port_ranges, 1};
		m->proto_any = false;
		m->protos[0] = 1U << IPPROTO_TCP | 1U << IPPROTO_UDP;
		config.prefixes[config.n_prefixes++] = (struct wh_conf_prefix){
			.addr = {.family = WH_V4, .v4.s_addr = htobe32(IP(192, 168, 0, 0))}, .len = 16};
		config.prefixes[config.n_prefixes++] = (struct wh_conf_prefix){
			.addr = {.family = WH_V4,
				 .v4.s_addr = htobe32(last ? (uint32_t)REMOTE_1 : IP(20, 2, 0, 0) + line * 977)},
			.len = 32};
		config.port_ranges[config.n_port_ranges++] =
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
		assert_true(store());
		one[turn] = cost(&in);
		costly_rules(WH_MAX_LINES);
		assert_true(store());
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
	expect_class(80, numbers.class_of[0], WH_MAX_LINES - 1);
}

static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup(f, set_up)
	TEST(test_any_packet_of_any_rules),
	TEST(test_each_class_by_its_wan),
	TEST(test_by_the_kernel),
	TEST(test_the_routers_own),
	TEST(test_without_rules),
	TEST(test_no_lines),
	TEST(test_stored_once),
	TEST(test_names_from_the_start),
	TEST(test_each_class_refuses_its_own_way),
	TEST(test_many_lines_cost_what_one_does),
};

int main(void)
{
	seed_random();
	return lab_main(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), 4096);
}
