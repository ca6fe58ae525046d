/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_classify.c: which class a new flow gets.  Random match lines are stored as the controller does it, random packets
 * of both families go through the hooks, and class and line of the flows that they open are held against a matcher that
 * goes line by line (tests/unit/linear_match.h).
 */
#include "rules.h"

#include <string.h>

#include "../unit/random_rules.h"
#include "lib/cleanup.h"
#include "lib/mapped.h"

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
	p.vlan = rules_numbers.vlan_of[p.lan];
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
	struct wh_vector lines = rules_set.rules.domain_any;

	for (unsigned i = 0; i < p->n_names; i++)
		wh_rules_add_name(&rules_config, p->names[i], &lines);
	if (p->n_names)
		assert_int_equal(bpf_map_update_elem(domains, &addr, &lines, BPF_ANY), 0);
	else
		bpf_map_delete_elem(domains, &addr);
}

static unsigned class_of(int line)
{
	return rules_numbers.class_of[line < 0 ? RULES_CLASSES - 1 : rules_config.matches[line].class];
}

static void expect_flow(const struct packet *in, int line)
{
	struct wh_flow flow;

	assert_true(lab_flow(in, &flow));
	assert_int_equal(flow.line, line < 0 ? WH_LINE_NONE : line);
	assert_int_equal(flow.class, class_of(line));
	assert_int_equal(flow.policy, (uint16_t)rules_generation());
}

static void new_rules(unsigned lines)
{
	lab_forget_flows();
	for (unsigned i = 0; i < RULES_LANS; i++)
		rules_numbers.vlan_of[i] = once_in(2) ? 0 : rules_vlans[pick(3)];
	random_rules(&rules_config, lines);
	assert_true(rules_store());
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
			int line = linear_match(&rules_config, &p);
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

static bool all_seen(const unsigned seen[RULES_CLASSES])
{
	for (unsigned class = 0; class < RULES_CLASSES; class += 1) {
		if (!seen[class])
			return false;
	}
	return true;
}

/* By WANs of their own, classes are told apart from outside. Chance may leave one out for long. */
static void test_each_class_by_its_wan(void **state)
{
	static const uint8_t wans[RULES_CLASSES] = {1, 2, 4, 8, 16};
	unsigned seen[RULES_CLASSES] = {0};

	(void)state;
	rules_set_classes(wans);
	lab_set_alive(0x1f);
	for (unsigned i = 0; i < 2000 || (i < 4000 && !all_seen(seen)); i++) {
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
		class = class_of(linear_match(&rules_config, &p));
		r = run_from_lan(&p, &in);
		expect_out(&r, &in, class);
		seen[class]++;
	}
	assert_true(all_seen(seen));
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
		expect_flow(&in, linear_match(&rules_config, &p));
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
		expect_flow(&in, linear_match(&rules_config, &p));
	}
}

static const struct CMUnitTest tests[] = {
	RULES_TEST(test_any_packet_of_any_rules),
	RULES_TEST(test_each_class_by_its_wan),
	RULES_TEST(test_by_the_kernel),
	RULES_TEST(test_the_routers_own),
};

int main(void)
{
	seed(NULL);
	return lab_main(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), 4096);
}
