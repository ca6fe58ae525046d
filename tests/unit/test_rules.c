/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_rules.c: the compiler of match lines.  Its vectors are looked up as the data plane does, and must say of each
 * packet what a matcher says that goes from line to line (linear_match.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "lib/mapped.h"
#include "model/rules.h"
#include "random_rules.h"

static struct wh_config config;
static struct wh_rule_set set;
static struct wh_rule_numbers numbers;
static char error[256];

static int compile(void)
{
	return wh_rules_compile(&config, &numbers, &set, error, sizeof(error));
}

/* LAN numbers are not the configuration's indices, nor are those of classes. */
static int set_up(void **state)
{
	(void)state;
	memset(&config, 0, sizeof(config));
	memset(&numbers, 0, sizeof(numbers));
	config.n_lans = RULES_LANS;
	config.n_classes = RULES_CLASSES;
	for (unsigned i = 0; i < RULES_LANS; i++)
		numbers.lan_of[i] = (uint8_t)(7 - 3 * i);
	for (unsigned i = 0; i < RULES_CLASSES; i++)
		numbers.class_of[i] = (uint8_t)(20 + 5 * i);
	return 0;
}

/* --- looking up, as the data plane does --------------------------------------------------------------------- */

static bool holds(const struct wh_route_key *key, const struct in6_addr *addr)
{
	const uint8_t *prefix = (const uint8_t *)&key->addr_be;

	for (unsigned bit = 0; bit < key->prefix_len; bit++) {
		if ((prefix[bit / 8] ^ addr->s6_addr[bit / 8]) & (0x80 >> bit % 8))
			return false;
	}
	return true;
}

static struct wh_vector longest(const struct wh_rule_prefix *prefixes, size_t n, const struct wh_address *of,
				const struct wh_vector *any)
{
	struct in6_addr addr = of->family == WH_V4 ? wh_mapped(of->v4) : of->v6;
	const struct wh_rule_prefix *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (holds(&prefixes[i].key, &addr) && (!best || prefixes[i].key.prefix_len > best->key.prefix_len))
			best = &prefixes[i];
	}
	return best ? best->lines : *any;
}

static struct wh_vector names_of(const struct linear_packet *p)
{
	struct wh_vector lines = set.rules.domain_any;

	for (unsigned i = 0; i < p->n_names; i++)
		wh_rules_add_name(&config, p->names[i], &lines);
	return lines;
}

static struct wh_vector marks_of(uint32_t mark)
{
	struct wh_vector lines = set.rules.mark_any;

	for (unsigned i = 0; i < set.rules.n_marks; i++) {
		for (unsigned w = 0;
		     (mark & set.rules.marks[i].mask) == set.rules.marks[i].value && w < WH_VECTOR_WORDS; w++)
			lines.word[w] |= set.rules.marks[i].lines.word[w];
	}
	return lines;
}

static int look_up(const struct linear_packet *p)
{
	const struct wh_rules *r = &set.rules;
	unsigned in = p->lan < 0 ? WH_IN_ROUTER : numbers.lan_of[p->lan];
	struct wh_vector from = longest(set.from, set.n_from, &p->src, &r->from_any);
	struct wh_vector to = longest(set.to, set.n_to, &p->dst, &r->to_any);
	struct wh_vector names = names_of(p), marks = marks_of(p->mark);

	for (unsigned w = 0; w < r->words; w++) {
		uint64_t lines = from.word[w] & to.word[w] & names.word[w] & marks.word[w] & r->in[in].word[w] &
				 r->proto[p->proto].word[w] & r->dscp[p->dscp].word[w] &
				 r->sport_lines[r->sport[p->sport]].word[w] &
				 r->dport_lines[r->dport[p->dport]].word[w];

		if (lines)
			return (int)(w * 64 + (unsigned)__builtin_ctzll(lines));
	}
	return LINEAR_NONE;
}

static void expect(const struct linear_packet *p, int line)
{
	assert_int_equal(linear_match(&config, p), line);
	assert_int_equal(look_up(p), line);
}

/* --- random ------------------------------------------------------------------------------------------------- */

#define ROUNDS 500
#define PACKETS 200 /* 100,000 in all */

static void any_packet_of_any_rules(void **state)
{
	unsigned matched = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		random_rules(&config, once_in(10) ? 1 + pick(WH_MAX_LINES) : 1 + pick(150));
		for (unsigned i = 0; i < RULES_LANS; i++)
			numbers.vlan_of[i] = once_in(2) ? 0 : rules_vlans[pick(3)];
		assert_int_equal(compile(), 0);
		for (unsigned i = 0; i < PACKETS; i++) {
			struct linear_packet p = random_packet(pick(2));
			int want, got;

			p.vlan = p.lan < 0 ? 0 : numbers.vlan_of[p.lan];
			want = linear_match(&config, &p);
			got = look_up(&p);
			if (got != want)
				fail_msg("round %u packet %u: line %d, not %d", round, i, got, want);
			matched += want != LINEAR_NONE;
		}
	}
	/* Neither all nor none, or nothing was tested. */
	assert_in_range(matched, ROUNDS * PACKETS / 10, ROUNDS * PACKETS * 99 / 100);
}

/* --- edges -------------------------------------------------------------------------------------------------- */

static struct wh_conf_match *add_line(void)
{
	struct wh_conf_match *m = &config.matches[config.n_matches++];

	m->in_any = m->proto_any = true;
	return m;
}

static void add_prefix(struct wh_conf_span *span, const char *text, unsigned len)
{
	struct wh_conf_prefix *prefix = &config.prefixes[config.n_prefixes++];

	if (!span->n)
		span->first = config.n_prefixes - 1;
	span->n++;
	prefix->len = len;
	prefix->addr.family = strchr(text, ':') ? WH_V6 : WH_V4;
	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &prefix->addr.v6), 1);
}

static struct linear_packet packet_to(const char *text)
{
	struct linear_packet p = {.proto = IPPROTO_TCP};

	p.dst.family = p.src.family = strchr(text, ':') ? WH_V6 : WH_V4;
	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &p.dst.v6), 1);
	return p;
}

static void expect_to(const char *text, int line)
{
	struct linear_packet p = packet_to(text);

	expect(&p, line);
}

/* The shorter prefix's line comes first although the trie answers with the longer one. */
static void prefixes_that_cover(void **state)
{
	(void)state;
	add_prefix(&add_line()->to, "20.1.1.7", 32);
	add_prefix(&add_line()->to, "20.0.0.0", 8);
	add_prefix(&add_line()->to, "20.1.1.0", 24);
	add_prefix(&add_line()->to, "20.1.0.0", 16);
	assert_int_equal(compile(), 0);
	assert_int_equal(set.n_to, 4);
	expect_to("20.1.1.7", 0);
	expect_to("20.1.1.8", 1);
	expect_to("20.2.1.7", 1);
	expect_to("21.1.1.7", LINEAR_NONE);
	expect_to("2001:db8::1", LINEAR_NONE);
}

/* What is next to a covering prefix's end is not covered by it. */
static void prefixes_side_by_side(void **state)
{
	(void)state;
	add_prefix(&add_line()->to, "20.1.0.0", 17);
	add_prefix(&add_line()->to, "20.1.128.0", 17);
	add_prefix(&add_line()->to, "20.1.127.255", 32);
	assert_int_equal(compile(), 0);
	expect_to("20.1.127.255", 0);
	expect_to("20.1.128.0", 1);
	expect_to("20.1.255.255", 1);
}

static void prefixes_of_everything(void **state)
{
	(void)state;
	add_prefix(&add_line()->to, "::", 0);
	add_prefix(&add_line()->to, "0.0.0.0", 0);
	add_line();
	assert_int_equal(compile(), 0);
	expect_to("2001:db8::1", 0);
	expect_to("20.1.1.1", 1);
}

/* ::/0 is IPv6's own, though the tables have IPv4 beneath it. */
static void ipv6_prefixes_do_not_cover_ipv4(void **state)
{
	(void)state;
	add_prefix(&add_line()->to, "::", 0);
	add_prefix(&add_line()->to, "::ffff:0:0", 95);
	add_prefix(&add_line()->to, "::ffff:1401:0", 112);
	add_prefix(&add_line()->to, "20.1.0.0", 16);
	add_line();
	assert_int_equal(compile(), 0);
	expect_to("2001:db8::1", 0);
	expect_to("20.1.1.1", 3);
	expect_to("20.2.1.1", 4);
}

/* As many prefixes as there may be, and one more entry for what they leave of IPv4. */
static void as_many_prefixes_as_there_may_be(void **state)
{
	struct wh_conf_match *m = add_line();
	char text[64];

	(void)state;
	add_prefix(&m->to, "::", 0);
	for (unsigned i = 1; i < WH_MAX_PREFIXES; i++) {
		snprintf(text, sizeof(text), "2001:db8:%x::", i);
		add_prefix(&m->to, text, 48);
	}
	assert_int_equal(compile(), 0);
	assert_int_equal(set.n_to, WH_RULE_PREFIXES);
	expect_to("2001:db8:1fff::1", 0);
	expect_to("20.1.1.1", LINEAR_NONE);
}

static void add_range(struct wh_conf_span *span, uint16_t first, uint16_t last)
{
	if (!span->n)
		span->first = config.n_port_ranges;
	span->n++;
	config.port_ranges[config.n_port_ranges++] = (struct wh_conf_port_range){first, last};
}

static void expect_port(uint16_t port, int line)
{
	struct linear_packet p = packet_to("20.1.1.1");

	p.dport = port;
	expect(&p, line);
}

static void ports_at_the_ends(void **state)
{
	struct wh_conf_match *m;

	(void)state;
	add_range(&add_line()->dport, 0, 0);
	add_range(&add_line()->dport, 65535, 65535);
	m = add_line(); /* ranges that overlap, and one twice */
	add_range(&m->dport, 80, 90);
	add_range(&m->dport, 85, 95);
	add_range(&m->dport, 80, 90);
	add_range(&add_line()->dport, 0, 65534);
	assert_int_equal(compile(), 0);
	expect_port(0, 0);
	expect_port(65535, 1);
	expect_port(79, 3);
	expect_port(80, 2);
	expect_port(91, 2);
	expect_port(95, 2);
	expect_port(96, 3);
	expect_port(65534, 3);
}

static void ports_in_too_many_ways(void **state)
{
	(void)state;
	/* port i is in the lines whose number has a bit that i has: 2^k - 1 ways and none, of k lines */
	for (unsigned line = 0; line < 12; line++) {
		struct wh_conf_match *m = add_line();

		for (unsigned port = 0; port < 4096 && config.n_port_ranges < WH_MAX_PORT_RANGES; port++) {
			if (port >> line & 1 && !(port & ((1U << line) - 1)))
				add_range(&m->sport, (uint16_t)port, (uint16_t)(port | ((1U << line) - 1)));
		}
	}
	config.n_matches = 11;
	assert_int_equal(compile(), 0);
	config.n_matches = 12;
	assert_int_equal(compile(), -E2BIG);
	assert_string_equal(error, "the match lines' source ports differ in more than 2048 ways");
}

static void marks(void **state)
{
	struct linear_packet p = packet_to("20.1.1.1");
	struct wh_conf_match *m;

	(void)state;
	for (unsigned i = 0; i < WH_MARK_MATCHES; i++) {
		m = add_line();
		m->mark = i;
		m->mark_mask = 0x1f;
	}
	m = add_line(); /* a pair that is there already, its idle bits aside */
	m->mark = 0x103;
	m->mark_mask = 0x1f;
	assert_int_equal(compile(), 0);
	assert_int_equal(set.rules.n_marks, WH_MARK_MATCHES);
	p.mark = 0xabc00003;
	expect(&p, 3);
	p.mark = 0x1f;
	expect(&p, LINEAR_NONE);
	m->mark_mask = 0x3f;
	assert_int_equal(compile(), -E2BIG);
	assert_string_equal(error, "the match lines ask for more than 16 different marks");
}

/* Both of a packet's marks count, and so do lines that ask for none. */
static void marks_together(void **state)
{
	struct linear_packet p = packet_to("20.1.1.1");
	struct wh_conf_match *m;

	(void)state;
	m = add_line();
	m->mark = m->mark_mask = 1;
	add_range(&m->dport, 80, 80);
	m = add_line();
	m->mark = m->mark_mask = 2;
	add_line();
	assert_int_equal(compile(), 0);
	p.mark = 3;
	expect(&p, 1);
	p.dport = 80;
	expect(&p, 0);
	p.mark = 0;
	expect(&p, 2);
}

static void names(void **state)
{
	struct wh_vector lines = {};
	struct wh_conf_match *m = add_line();

	(void)state;
	strcpy(config.domain_text, "zoom.us");
	config.domains[0] = (struct wh_conf_domain){.text = 0, .below = true};
	config.domains[1] = (struct wh_conf_domain){.text = 0, .below = false};
	m->names = (struct wh_conf_span){0, 1};
	add_line()->names = (struct wh_conf_span){1, 1};
	assert_int_equal(compile(), 0);
	assert_int_equal(set.rules.has_domains, 1);
	assert_int_equal(set.rules.domain_any.word[0], 0);
	assert_false(wh_rules_add_name(&config, "xzoom.us", &lines));
	assert_false(wh_rules_add_name(&config, "us", &lines));
	assert_false(wh_rules_add_name(&config, "zoom.us.example", &lines));
	assert_int_equal(lines.word[0], 0);
	assert_true(wh_rules_add_name(&config, "eu.zoom.us", &lines));
	assert_int_equal(lines.word[0], 1);
	assert_true(wh_rules_add_name(&config, "zoom.us", &lines));
	assert_int_equal(lines.word[0], 3);
}

/* Whoever stores a set must see that it is another, though no vector of it is. */
static void other_names_make_another_set(void **state)
{
	static struct wh_rules before;
	uint32_t sum;

	(void)state;
	strcpy(config.domain_text, "zoom.us");
	config.domains[0] = (struct wh_conf_domain){.text = 0, .below = true};
	add_line()->names = (struct wh_conf_span){0, 1};
	add_line();
	assert_int_equal(compile(), 0);
	before = set.rules;
	assert_int_equal(compile(), 0);
	assert_memory_equal(&set.rules, &before, sizeof(before));
	strcpy(config.domain_text, "zoom.eu");
	assert_int_equal(compile(), 0);
	sum = set.rules.names_sum;
	assert_int_not_equal(sum, before.names_sum);
	set.rules.names_sum = before.names_sum;
	assert_memory_equal(&set.rules, &before, sizeof(before));
	config.domains[0].below = false;
	assert_int_equal(compile(), 0);
	assert_int_not_equal(sum, set.rules.names_sum);
}

static void vlans(void **state)
{
	struct linear_packet p = packet_to("20.1.1.1");
	struct wh_conf_match *m = add_line();

	(void)state;
	m->in_any = false;
	m->n_in_vlans = 1;
	m->in_vlans[0] = 10;
	m = add_line();
	m->in_any = false;
	m->in_router = true;
	m = add_line();
	m->in_any = false;
	m->in_lans = 2;
	numbers.vlan_of[0] = 10;
	assert_int_equal(compile(), 0);
	p.vlan = 10;
	expect(&p, 0);
	p.vlan = 0;
	p.lan = 1;
	expect(&p, 2);
	p.lan = LINEAR_ROUTER;
	expect(&p, 1);
}

static void the_last_line(void **state)
{
	struct linear_packet p = packet_to("20.1.1.1");

	(void)state;
	for (unsigned i = 0; i < WH_MAX_LINES; i++) {
		struct wh_conf_match *m = add_line();

		m->class = 2;
		m->dscp = i < WH_MAX_LINES - 1 ? 1ULL << 10 : 1ULL << 46;
	}
	assert_int_equal(compile(), 0);
	assert_int_equal(set.rules.words, WH_VECTOR_WORDS);
	p.dscp = 46;
	expect(&p, WH_MAX_LINES - 1);
	assert_int_equal(set.rules.class_of[WH_MAX_LINES - 1], numbers.class_of[2]);
	p.dscp = 10;
	expect(&p, 0);
	p.dscp = 0;
	expect(&p, LINEAR_NONE);
}

static void no_lines(void **state)
{
	(void)state;
	assert_int_equal(compile(), 0);
	assert_int_equal(set.rules.words, 0);
	assert_int_equal(set.rules.default_class, numbers.class_of[RULES_CLASSES - 1]);
	expect_to("20.1.1.1", LINEAR_NONE);
}

/* The largest configuration; told, because a reload waits for it. */
static void as_large_as_it_may_be(void **state)
{
	struct timespec begin, end;
	double ms;

	(void)state;
	for (unsigned line = 0; line < WH_MAX_LINES; line++) {
		struct wh_conf_match *m = add_line();

		for (unsigned i = 0; i < WH_MAX_PREFIXES / WH_MAX_LINES; i++) {
			config.prefixes[config.n_prefixes] = (struct wh_conf_prefix){
				.addr = {.family = WH_V4, .v4.s_addr = pick(UINT32_MAX)}, .len = 8 + pick(25)};
			clear_host_bits(&config.prefixes[config.n_prefixes]);
			if (!i)
				m->from = (struct wh_conf_span){config.n_prefixes, 4};
			if (i == 4)
				m->to = (struct wh_conf_span){config.n_prefixes, 4};
			config.n_prefixes++;
		}
		for (unsigned i = 0; i < WH_MAX_PORT_RANGES / WH_MAX_LINES; i++) {
			uint16_t port = (uint16_t)(pick(500) * 64);

			add_range(i < 2 ? &m->sport : &m->dport, port, (uint16_t)(port + pick(3)));
		}
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	assert_int_equal(compile(), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	ms = (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
	print_message("1024 lines, 8192 prefixes, 4096 port ranges: %.1f ms, %zu and %zu prefixes in the tables\n", ms,
		      set.n_from, set.n_to);
	assert_true(ms < 1000);
	for (unsigned i = 0; i < 500; i++) {
		struct linear_packet p = random_packet(pick(2));

		expect(&p, linear_match(&config, &p));
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
	const struct CMUnitTest tests[] = {
		TEST(any_packet_of_any_rules),
		TEST(prefixes_that_cover),
		TEST(prefixes_side_by_side),
		TEST(prefixes_of_everything),
		TEST(ipv6_prefixes_do_not_cover_ipv4),
		TEST(as_many_prefixes_as_there_may_be),
		TEST(ports_at_the_ends),
		TEST(ports_in_too_many_ways),
		TEST(marks),
		TEST(marks_together),
		TEST(names),
		TEST(other_names_make_another_set),
		TEST(vlans),
		TEST(the_last_line),
		TEST(no_lines),
		TEST(as_large_as_it_may_be),
	};

	return cmocka_run_group_tests(tests, seed, NULL);
}
