/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_match.c: what match lines and sets that are accepted come to.  Refusals stand in
 * test_conf_refused_match.c, the other keys of a class in test_conf_class.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "conf_parse.h"

#define HOUSE                                                                                                          \
	"lan: [lan0, lan0.20, lan1]\nwans: {fiber: {device: wan1}, lte: {device: wan2}}\n"                             \
	"sets:\n  guests: [10.8.0.0/16, \"fd00:8::/32\"]\n  web: [80, 443, 8000-8099]\n"                               \
	"  most: [$guests, 10.9.0.1]\n  ports: [$web, 22]\n"

struct text {
	char bytes[1024];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text->used += (size_t)vsnprintf(text->bytes + text->used, sizeof(text->bytes) - text->used, format, args);
	va_end(args);
	assert_true(text->used < sizeof(text->bytes));
}

static void put_prefixes(struct text *text, const char *name, struct wh_conf_span span)
{
	char address[INET6_ADDRSTRLEN];

	for (uint32_t i = 0; i < span.n; i++) {
		const struct wh_conf_prefix *p = &config.prefixes[span.first + i];

		assert_in_range(span.first + i, 0, config.n_prefixes - 1);
		inet_ntop(p->addr.family == WH_V4 ? AF_INET : AF_INET6, &p->addr.v6, address, sizeof(address));
		put(text, "%s%s/%u", i ? "," : name, address, p->len);
	}
}

static void put_ports(struct text *text, const char *name, struct wh_conf_span span)
{
	for (uint32_t i = 0; i < span.n; i++) {
		const struct wh_conf_port_range *range = &config.port_ranges[span.first + i];

		assert_in_range(span.first + i, 0, config.n_port_ranges - 1);
		put(text, "%s%u-%u", i ? "," : name, range->first, range->last);
	}
}

static void put_bits(struct text *text, const char *name, const uint32_t *words, unsigned n)
{
	const char *before = name;

	for (unsigned bit = 0; bit < n; bit++) {
		if (!(words[bit / 32] & 1U << bit % 32))
			continue;
		put(text, "%s%u", before, bit);
		before = ",";
	}
}

static void put_in(struct text *text, const struct wh_conf_match *line)
{
	const uint32_t lans[] = {(uint32_t)line->in_lans, (uint32_t)(line->in_lans >> 32)};

	if (line->in_any)
		return;
	put(text, " in");
	put_bits(text, " lan ", lans, 64);
	for (unsigned i = 0; i < line->n_in_vlans; i++)
		put(text, " vlan %u", line->in_vlans[i]);
	if (line->in_router)
		put(text, " router");
}

/* A line as text, so that a test compares all of it. */
static const char *told(const struct wh_conf_match *line)
{
	static struct text text;
	const uint32_t dscp[] = {(uint32_t)line->dscp, (uint32_t)(line->dscp >> 32)};

	text = (struct text){.used = 0};
	put_in(&text, line);
	put_prefixes(&text, " from ", line->from);
	put_prefixes(&text, " to ", line->to);
	put(&text, "%s", line->proto_any ? "" : " proto");
	put_bits(&text, " ", line->protos, 256);
	put_ports(&text, " sport ", line->sport);
	put_ports(&text, " dport ", line->dport);
	put_bits(&text, " dscp ", dscp, 64);
	if (line->mark_mask)
		put(&text, " mark %x/%x", line->mark, line->mark_mask);
	for (uint32_t i = 0; i < line->names.n; i++) {
		const struct wh_conf_domain *domain = &config.domains[line->names.first + i];

		put(&text, "%s%s%s", i ? "," : " domain ", domain->below ? "*." : "",
		    config.domain_text + domain->text);
	}
	return text.bytes;
}

struct line {
	const char *line;
	const char *told;
};

static void assert_lines(const struct line *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		print_message("%s\n", cases[i].line);
		parse_format(HOUSE "classes: {voice: {match: [%s]}}\n", cases[i].line);
		assert_int_equal(config.n_matches, 1);
		assert_string_equal(told(&config.matches[0]), cases[i].told);
	}
}

static void test_in(void **state)
{
	static const struct line cases[] = {
		{"{in: lan0}", " in lan 0"},
		{"{in: [lan0.20, lan1]}", " in lan 1,2"},
		{"{in: router}", " in router"},
		{"{in: 1}", " in vlan 1"},
		{"{in: [4094, lan1, 20, router]}", " in lan 2 vlan 4094 vlan 20 router"},
		{"{in: [1, 2, 3, 4, 5, 6, 7, 8]}", " in vlan 1 vlan 2 vlan 3 vlan 4 vlan 5 vlan 6 vlan 7 vlan 8"},
	};

	(void)state;
	assert_lines(cases, COUNT(cases));
}

static void test_prefixes(void **state)
{
	static const struct line cases[] = {
		{"{from: 10.0.5.0/24}", " from 10.0.5.0/24"},
		{"{from: [10.0.5.7, \"2001:db8::7\"]}", " from 10.0.5.7/32,2001:db8::7/128"},
		{"{to: [0.0.0.0/0, \"::/0\"]}", " to 0.0.0.0/0,::/0"},
		{"{from: $guests, to: 192.0.2.0/25}", " from 10.8.0.0/16,fd00:8::/32 to 192.0.2.0/25"},
		{"{to: [$guests, 10.0.0.0/8, $most]}",
		 " to 10.8.0.0/16,fd00:8::/32,10.0.0.0/8,10.8.0.0/16,fd00:8::/32,10.9.0.1/32"},
		{"{from: [$most]}", " from 10.8.0.0/16,fd00:8::/32,10.9.0.1/32"},
		{"{from: 10.0.0.0/8, to: [\"2001:db8::/32\", 192.0.2.1]}",
		 " from 10.0.0.0/8 to 2001:db8::/32,192.0.2.1/32"},
	};

	(void)state;
	assert_lines(cases, COUNT(cases));
}

static void test_protocols_and_ports(void **state)
{
	static const struct line cases[] = {
		{"{proto: tcp}", " proto 6"},
		{"{proto: icmp}", " proto 1,58"},
		{"{proto: [udp, sctp, gre, esp]}", " proto 17,47,50,132"},
		{"{proto: [0, 255, 0x11]}", " proto 0,17,255"},
		{"{dport: 443}", " proto 6,17 dport 443-443"},
		{"{sport: [1, 65535], dport: 1-65535}", " proto 6,17 sport 1-1,65535-65535 dport 1-65535"},
		{"{proto: udp, dport: [5060-5061, 10000-20000]}", " proto 17 dport 5060-5061,10000-20000"},
		{"{proto: [tcp, sctp], sport: 7-7}", " proto 6,132 sport 7-7"},
		{"{dport: $web}", " proto 6,17 dport 80-80,443-443,8000-8099"},
		{"{dport: [$ports, 53]}", " proto 6,17 dport 80-80,443-443,8000-8099,22-22,53-53"},
	};

	(void)state;
	assert_lines(cases, COUNT(cases));
}

static void test_dscp_and_mark(void **state)
{
	static const struct line cases[] = {
		{"{dscp: ef}", " dscp 46"},
		{"{dscp: [cs0, cs1, cs2, cs3, cs4, cs5, cs6, cs7]}", " dscp 0,8,16,24,32,40,48,56"},
		{"{dscp: [af11, af12, af13, af21, af22, af23]}", " dscp 10,12,14,18,20,22"},
		{"{dscp: [af31, af32, af33, af41, af42, af43, va]}", " dscp 26,28,30,34,36,38,44"},
		{"{dscp: [0, 63, 0x20]}", " dscp 0,32,63"},
		{"{mark: 0x10/0xf0}", " mark 10/f0"},
		{"{mark: 0/0xff}", " mark 0/ff"},
		{"{mark: 7}", " mark 7/ffffff"}, /* all bits but those of our own mark */
	};

	(void)state;
	assert_lines(cases, COUNT(cases));
}

#define LABEL63 "a23456789b23456789c23456789d23456789e23456789f23456789g23456789"
#define LABEL59 "a23456789b23456789c23456789d23456789e23456789f23456789g2345"
static void test_domains(void **state)
{
	static const struct line cases[] = {
		{"{domain: zoom.us}", " domain zoom.us"},
		{"{domain: [\"*.Zoom.US\", Example.COM., localhost]}", " domain *.zoom.us,example.com,localhost"},
		{"{domain: [_sip._tcp.example.com, xn--mller-kva.de, 3com.com, 1.2.3.4.5]}",
		 " domain _sip._tcp.example.com,xn--mller-kva.de,3com.com,1.2.3.4.5"},
		{"{domain: \"*.com\"}", " domain *.com"},
	};

	(void)state;
	assert_lines(cases, COUNT(cases));
	/* the dot at the end does not count */
	parse(HOUSE "classes: {a: {match: [{domain: " LABEL63 "." LABEL63 "." LABEL63 "." LABEL59 ".b.}]}}\n");
	assert_int_equal(strlen(config.domain_text), 253);
}

static void test_all_fields(void **state)
{
	(void)state;
	parse(HOUSE
	      "classes:\n"
	      "  one:\n"
	      "    match:\n"
	      "      - {in: lan1, from: 10.0.0.0/8, to: 192.0.2.0/24, proto: udp, sport: 68, dport: 67, dscp: cs5,\n"
	      "         mark: 1/1, domain: x.example}\n"
	      "\n"
	      "      - {proto: gre}\n"
	      "  default: {}\n"
	      "  two: {match: [{in: 7}]}\n");
	assert_int_equal(config.n_matches, 3);
	assert_string_equal(told(&config.matches[0]),
			    " in lan 2 from 10.0.0.0/8 to 192.0.2.0/24 proto 17 sport 68-68 dport 67-67 dscp 40 "
			    "mark 1/1 domain x.example");
	assert_string_equal(told(&config.matches[1]), " proto 47");
	assert_string_equal(told(&config.matches[2]), " in vlan 7");
	/* whose they are, and where they stand */
	assert_int_equal(config.matches[0].class, 0);
	assert_int_equal(config.matches[0].line, 11);
	assert_int_equal(config.matches[1].class, 0);
	assert_int_equal(config.matches[1].line, 14);
	assert_int_equal(config.matches[2].class, 1);
	assert_int_equal(config.matches[2].line, 16);
	assert_int_equal(config.matches[2].file, 0);
	assert_string_equal(config.files[0], "t.yaml");
	assert_int_equal(config.n_classes, 3);
	assert_string_equal(config.classes[0].name, "one");
	assert_string_equal(config.classes[1].name, "two");
	assert_string_equal(config.classes[2].name, "default");
}

/* A set's entries are kept once, however many lines name it alone. */
static void test_sets_are_shared(void **state)
{
	(void)state;
	parse(HOUSE "classes: {a: {match: [{from: $guests}, {to: [$guests]}, {dport: $web}, {sport: $web}]}}\n");
	assert_int_equal(config.n_prefixes, 5);
	assert_int_equal(config.n_port_ranges, 7);
	assert_int_equal(config.matches[0].from.first, config.matches[1].to.first);
	assert_int_equal(config.matches[2].dport.first, config.matches[3].sport.first);
}

/* Of what a set may be named: names that are addresses or numbers, too. */
static void test_names_of_sets(void **state)
{
	(void)state;
	parse(LAN WANS "sets: {10.0.0.1: [192.0.2.7], 443: [8443], cafe: [\"cafe::/16\"]}\n"
		       "classes: {a: {match: [{from: [$10.0.0.1, $cafe, 10.0.0.1]}, {dport: [$443, 443]}]}}\n");
	assert_string_equal(told(&config.matches[0]), " from 192.0.2.7/32,cafe::/16,10.0.0.1/32");
	assert_string_equal(told(&config.matches[1]), " proto 6,17 dport 8443-8443,443-443");
}

/* All the room there is. */
static void test_limits(void **state)
{
	static char text[512 * 1024];
	size_t used = 0;

	(void)state;
	used += (size_t)snprintf(text, sizeof(text), LAN WANS "sets:\n  all: [");
	for (unsigned i = 0; i < WH_MAX_PREFIXES; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s10.1.%u.%u", i ? ", " : "", i / 256,
					 i % 256);
	used += (size_t)snprintf(text + used, sizeof(text) - used, "]\n  ports: [");
	for (unsigned i = 1; i <= WH_MAX_PORT_RANGES; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u-%u", i > 1 ? ", " : "", i, i + 1);
	used += (size_t)snprintf(text + used, sizeof(text) - used, "]\nclasses:\n");
	for (unsigned class = 0; class < WH_MAX_CLASSES - 1; class ++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "  c%u:\n    match:\n", class);
		for (unsigned i = 0; i < (class ? 16 : WH_MAX_LINES - 62 * 16); i++)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 "    - {domain: d%u.example, from: $all%s}\n", i,
						 i ? "" : ", dport: $ports");
	}
	parse(text);
	assert_int_equal(config.n_classes, WH_MAX_CLASSES);
	assert_int_equal(config.n_matches, WH_MAX_LINES);
	assert_int_equal(config.n_domains, WH_MAX_DOMAINS);
	assert_int_equal(config.n_prefixes, WH_MAX_PREFIXES);
	assert_int_equal(config.n_port_ranges, WH_MAX_PORT_RANGES);
	assert_int_equal(config.matches[WH_MAX_LINES - 1].class, WH_MAX_CLASSES - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_protocols_and_ports),
		cmocka_unit_test(test_dscp_and_mark),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_all_fields),
		cmocka_unit_test(test_sets_are_shared),
		cmocka_unit_test(test_names_of_sets),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
