/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_refused_match.c: refusals of sets and match lines, with exact line, column and reason.  What is taken
 * stands in test_conf_match.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_refusal.h"

#define SETS "sets: {guests: [10.8.0.0/16], web: [80, 443]}\n"
#define LINE(fields) TOP(SETS "classes:\n  voice:\n    match:\n      - {" fields "}\n")

#define NO_LINES "match: must be a list of lines, as in [{proto: udp, dport: 5060}], not "
#define NO_FIELDS "match: must be a map of fields, as in {proto: udp, dport: 5060}, not "
static void test_lines(void **state)
{
	static const struct refusal cases[] = {
		{TOP("classes: {voice: {match: @{proto: udp}}}"), NO_LINES "a map"},
		{TOP("classes: {voice: {match: @[]}}"), NO_LINES "an empty list"},
		{TOP("classes: {voice: {match: @udp}}"), NO_LINES "\"udp\""},
		{TOP("classes:\n  voice:\n    match:@\n"), NO_LINES "nothing"},
		{TOP("classes: {voice: {match: [@{}]}}"), NO_FIELDS "an empty map"},
		{TOP("classes: {voice: {match: [@[udp]]}}"), NO_FIELDS "a list"},
		{TOP("classes: {voice: {match: [{proto: udp}, @udp]}}"), NO_FIELDS "\"udp\""},
		{LINE("@protocol: udp"), "unknown key \"protocol\""},
		{LINE("@domains: x.example"), "unknown key \"domains\"; did you mean \"domain\"?"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_IN "in: must be a device of lan, a VLAN's number from 1 to 4094, or router, not "
static void test_in(void **state)
{
	static const struct refusal cases[] = {
		{LINE("in: @lan1"), NO_IN "\"lan1\"; did you mean \"lan0\"?"},
		{LINE("in: [lan0, @ruoter]"), NO_IN "\"ruoter\"; did you mean \"router\"?"},
		{LINE("in: @eth7"), NO_IN "\"eth7\""},
		{LINE("in: @wan1"), NO_IN "\"wan1\", which is the WAN \"fiber\""},
		{LINE("in: @0"), NO_IN "\"0\""},
		{LINE("in: @4095"), NO_IN "\"4095\""},
		{LINE("in: @[]"), NO_IN "an empty list"},
		{LINE("in: @{}"), NO_IN "an empty map"},
		{LINE("in: [@[lan0]]"), NO_IN "a list"},
		{LINE("in: [1, 2, 3, 4, 5, 6, 7, 8, @9]"), "in: more than 8 VLANs in one line"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_PREFIX "must be an address, a prefix as in 10.0.5.0/24, or a set as in $guests, not "
#define NO_FAMILY "to: no packet goes there from what \"from\" says: one is IPv4, the other IPv6"
static void test_prefixes(void **state)
{
	static const struct refusal cases[] = {
		{LINE("from: @[]"), "from: " NO_PREFIX "an empty list"},
		{LINE("from: @{}"), "from: " NO_PREFIX "an empty map"},
		{LINE("to: [10.0.0.1, @[10.0.0.2]]"), "to: " NO_PREFIX "a list"},
		{LINE("from: @example.com"), "from: " NO_PREFIX "\"example.com\""},
		{LINE("from: @guests"), "from: " NO_PREFIX "\"guests\"; did you mean \"$guests\"?"},
		{LINE("from: @10.0.0.0/33"), "from: " NO_PREFIX "\"10.0.0.0/33\""},
		{LINE("from: @10.0.0.0/"), "from: " NO_PREFIX "\"10.0.0.0/\""},
		{LINE("from: @10.0.0/24"), "from: " NO_PREFIX "\"10.0.0/24\""},
		{LINE("from: @10.0.0.0/24/7"), "from: " NO_PREFIX "\"10.0.0.0/24/7\""},
		{LINE("from: @10.0.0.0/255.0.0.0"), "from: " NO_PREFIX "\"10.0.0.0/255.0.0.0\""},
		{LINE("to: @\"2001:db8::/129\""), "to: " NO_PREFIX "\"2001:db8::/129\""},
		{LINE("to: @\"::ffff:10.0.0.1\""), "to: " NO_PREFIX "\"::ffff:10.0.0.1\""},
		{LINE("to: @\"fe80::1%lan0\""), "to: " NO_PREFIX "\"fe80::1%lan0\""},
		{LINE("to: @1111111111222222222233333333334444444444555555::/56"),
		 "to: " NO_PREFIX "\"1111111111222222222233333333334444444444555555::/56\""},
		{LINE("from: @10.0.5.1/24"),
		 "from: \"10.0.5.1/24\" has bits behind its first 24; did you mean \"10.0.5.0/24\"?"},
		{LINE("from: [10.0.5.0/24, @\"2001:db8::1/64\"]"),
		 "from: \"2001:db8::1/64\" has bits behind its first 64; did you mean \"2001:db8::/64\"?"},
		{LINE("from: @10.0.0.1/0"), "from: \"10.0.0.1/0\" has bits behind its first 0; did you mean "
					    "\"0.0.0.0/0\"?"},
		{LINE("from: 10.0.0.0/8, to: @\"2001:db8::/32\""), NO_FAMILY},
		{LINE("to: @$guests, from: [\"2001:db8::/32\", \"fd00::/8\"]"), NO_FAMILY},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_PROTO "proto: must be tcp, udp, icmp, sctp, gre, esp or a number from 0 to 255, not "
#define NO_PORT "must be a port from 1 to 65535, a range as in 5060-5061, or a set as in $web, not "
#define NO_PORTS_THERE ": stands beside a protocol other than tcp, udp and sctp"
static void test_protocols_and_ports(void **state)
{
	static const struct refusal cases[] = {
		{LINE("proto: @[]"), NO_PROTO "an empty list"},
		{LINE("proto: @{}"), NO_PROTO "an empty map"},
		{LINE("proto: @256"), NO_PROTO "\"256\""},
		{LINE("proto: [tcp, @upd]"), NO_PROTO "\"upd\"; did you mean \"udp\"?"},
		{LINE("proto: @TCP"), NO_PROTO "\"TCP\"; did you mean \"tcp\"?"},
		{LINE("proto: @icmpv6"), NO_PROTO "\"icmpv6\"; did you mean \"icmp\"?"},
		{LINE("dport: @0"), "dport: " NO_PORT "\"0\""},
		{LINE("dport: @65536"), "dport: " NO_PORT "\"65536\""},
		{LINE("dport: @https"), "dport: " NO_PORT "\"https\""},
		{LINE("sport: @5061-5060"), "sport: " NO_PORT "\"5061-5060\""},
		{LINE("sport: @\"5060-\""), "sport: " NO_PORT "\"5060-\""},
		{LINE("sport: @\"-5060\""), "sport: " NO_PORT "\"-5060\""},
		{LINE("sport: @1-2-3"), "sport: " NO_PORT "\"1-2-3\""},
		{LINE("sport: @00000001-2"), "sport: " NO_PORT "\"00000001-2\""},
		{LINE("sport: @[]"), "sport: " NO_PORT "an empty list"},
		{LINE("sport: [1, @{}]"), "sport: " NO_PORT "an empty map"},
		{LINE("dport: @web"), "dport: " NO_PORT "\"web\"; did you mean \"$web\"?"},
		{LINE("proto: icmp, @dport: 80"), "dport" NO_PORTS_THERE},
		{LINE("proto: [tcp, gre], @dport: 80, sport: 7"), "dport" NO_PORTS_THERE},
		{LINE("@sport: 7, proto: [6, 7]"), "sport" NO_PORTS_THERE},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_DSCP "dscp: must be a number from 0 to 63, ef, va, cs0 to cs7 or af11 to af43, not "
#define NO_MARK "mark: must be VALUE or VALUE/MASK, as in 0x1 or 0x10/0xf0, not "
#define OUR_MARK " asks for bits of 0xff000000, which are wanhelm's own"
static void test_dscp_and_mark(void **state)
{
	static const struct refusal cases[] = {
		{LINE("dscp: @64"), NO_DSCP "\"64\""},
		{LINE("dscp: @cs8"), NO_DSCP "\"cs8\""},
		{LINE("dscp: [ef, @af14]"), NO_DSCP "\"af14\""},
		{LINE("dscp: @EF"), NO_DSCP "\"EF\""},
		{LINE("dscp: @[]"), NO_DSCP "an empty list"},
		{LINE("mark: @[1]"), NO_MARK "a list"},
		{LINE("mark: @one"), NO_MARK "\"one\""},
		{LINE("mark: @1/"), NO_MARK "\"1/\""},
		{LINE("mark: @/1"), NO_MARK "\"/1\""},
		{LINE("mark: @0/0"), NO_MARK "\"0/0\""},
		{LINE("mark: @1/2/3"), NO_MARK "\"1/2/3\""},
		{LINE("mark: @0x100000000"), NO_MARK "\"0x100000000\""},
		{LINE("mark: @00000000000000000000000000000001/1"), NO_MARK "\"00000000000000000000000000000001/1\""},
		{LINE("mark: @0x57000001"), "mark: \"0x57000001\"" OUR_MARK},
		{LINE("mark: @1/0xffffffff"), "mark: \"1/0xffffffff\"" OUR_MARK},
		{LINE("mark: @0/0x01000000"), "mark: \"0/0x01000000\"" OUR_MARK},
		{LINE("mark: @2/1"), "mark: \"2/1\" has bits outside its mask"},
		{TOP("classes: {a: {match: [{mark: @0x10}]}}\nmark: {value: 0x10, mask: 0xf0}"),
		 "mark: \"0x10\" asks for bits of 0xf0, which are wanhelm's own"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_NAME "domain: must be a host name, as in example.com or \"*.example.com\", not "
#define SIXTY "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
static void test_domains(void **state)
{
	static const struct refusal cases[] = {
		{LINE("domain: @[]"), NO_NAME "an empty list"},
		{LINE("domain: @{}"), NO_NAME "an empty map"},
		{LINE("domain: [a.example, @[b.example]]"), NO_NAME "a list"},
		{LINE("domain: @\"\""), NO_NAME "\"\""},
		{LINE("domain: @\"*\""), NO_NAME "\"*\""},
		{LINE("domain: @\"*.\""), NO_NAME "\"*.\""},
		{LINE("domain: @\".\""), NO_NAME "\".\""},
		{LINE("domain: @\"*zoom.us\""), NO_NAME "\"*zoom.us\""},
		{LINE("domain: @\"*.*.us\""), NO_NAME "\"*.*.us\""},
		{LINE("domain: @a.*.us"), NO_NAME "\"a.*.us\""},
		{LINE("domain: @.zoom.us"), NO_NAME "\".zoom.us\""},
		{LINE("domain: @zoom..us"), NO_NAME "\"zoom..us\""},
		{LINE("domain: @zoom.us.."), NO_NAME "\"zoom.us..\""},
		{LINE("domain: @-zoom.us"), NO_NAME "\"-zoom.us\""},
		{LINE("domain: @zoom-.us"), NO_NAME "\"zoom-.us\""},
		{LINE("domain: @zoom us"), NO_NAME "\"zoom us\""},
		{LINE("domain: @https://zoom.us"), NO_NAME "\"https://zoom.us\""},
		{LINE("domain: @" SIXTY "aaaa.us"), NO_NAME "\"" SIXTY "aaaa...\""},
		{LINE("domain: @" SIXTY "." SIXTY "." SIXTY "." SIXTY ".ffffffffff"), NO_NAME "\"" SIXTY ".aaa...\""},
		{LINE("domain: @m\xc3\xbcller.de"),
		 NO_NAME "\"m\xc3\xbcller.de\": write its ASCII form, which begins with xn--"},
		{LINE("domain: @192.0.2.1"), NO_NAME "\"192.0.2.1\"; addresses stand in to"},
		{LINE("domain: @\"2001:db8::1\""), NO_NAME "\"2001:db8::1\"; addresses stand in to"},
		{LINE("domain: [a.example, @\"*.192.0.2.1\"]"), NO_NAME "\"*.192.0.2.1\"; addresses stand in to"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define NO_SET "must be a list of prefixes or of ports, not "
static void test_sets(void **state)
{
	static const struct refusal cases[] = {
		{TOP("sets: @[guests]"), "sets: " NO_MAP "a list"},
		{TOP("sets: {@$guests: [10.8.0.0/16]}"), "\"$guests\"" IS_NO_NAME},
		{TOP("sets: {guests: @10.8.0.0/16}"), "guests: " NO_SET "\"10.8.0.0/16\""},
		{TOP("sets: {guests: @[]}"), "guests: " NO_SET "an empty list"},
		{TOP("sets:\n  guests:@\n"), "guests: " NO_SET "nothing"},
		{TOP("sets: {guests: [@lan0]}"), "guests: " NO_PREFIX "\"lan0\""},
		{TOP("sets: {guests: [@{}]}"), "guests: " NO_PREFIX "an empty map"},
		{TOP("sets: {guests: [10.8.0.0/16, @80]}"), "guests: " NO_PREFIX "\"80\""},
		{TOP("sets: {web: [80, @10.8.0.0/16]}"), "web: " NO_PORT "\"10.8.0.0/16\""},
		{TOP("sets: {web: [@0]}"), "web: " NO_PORT "\"0\""},
		{TOP("sets: {guests: [@10.8.0.1/16]}"),
		 "guests: \"10.8.0.1/16\" has bits behind its first 16; did you mean \"10.8.0.0/16\"?"},
		{TOP("sets: {a: [@$a]}"), "a: there is no set \"a\""},
		{TOP("sets: {all: [10.0.0.1, @$guests], guests: [10.8.0.0/16]}"), "all: there is no set \"guests\""},
		{TOP("sets: {web: [80], all: [10.0.0.1, @$web]}"),
		 "all: the set \"web\" is one of ports, not of prefixes"},
		{LINE("from: @$gusets"), "from: there is no set \"gusets\"; did you mean \"guests\"?"},
		{LINE("from: [10.0.0.1, @$pos]"), "from: there is no set \"pos\""},
		{LINE("to: @$"), "to: there is no set \"\""},
		{LINE("to: @$web"), "to: the set \"web\" is one of ports, not of prefixes"},
		{LINE("dport: [22, @$guests]"), "dport: the set \"guests\" is one of prefixes, not of ports"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

/* A text that is built up; "@" as in struct refusal. */
static char text[1024 * 1024];
static size_t used;

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	used += (size_t)vsnprintf(text + used, sizeof(text) - used, format, args);
	va_end(args);
	assert_true(used < sizeof(text));
}

static void start(const char *head)
{
	used = 0;
	put("%s", head);
}

static void test_too_many(void **state)
{
	(void)state;
	start(LAN WANS "classes:\n");
	for (unsigned i = 0; i < WH_MAX_CLASSES; i++)
		put("  c%u: {match: [{proto: tcp}]}\n", i);
	assert_error(text, used, "t.yaml:69:3: classes: more than 64, \"default\" included");

	start(LAN WANS "classes:\n  a:\n    match:\n");
	for (unsigned i = 0; i < WH_MAX_LINES + 1; i++)
		put("    - {proto: tcp}\n");
	assert_error(text, used, "t.yaml:1032:7: match: more than 1024 lines in all classes");

	start(LAN WANS "sets:\n");
	for (unsigned i = 0; i < 65; i++)
		put("  s%u: [80]\n", i);
	assert_error(text, used, "t.yaml:70:3: sets: more than 64");
}

static void test_full_pools(void **state)
{
	(void)state;
	start(LAN WANS "sets:\n  all:\n");
	for (unsigned i = 0; i < 3000; i++)
		put("  - 10.0.%u.%u\n", i / 256, i % 256);
	put("  twice: [$all, 192.0.2.1, $all]\n");
	assert_error(text, used, "t.yaml:3007:28: twice: more than 8192 prefixes in all sets and matches");

	start(LAN WANS "classes:\n  a:\n    match:\n    - dport:\n");
	for (unsigned i = 1; i < WH_MAX_PORT_RANGES + 2; i++)
		put("      - %u\n", i);
	assert_error(text, used,
		     "t.yaml:4105:9: dport: more than 4096 ports and ranges of ports in all sets and matches");

	start(LAN WANS "classes:\n  a:\n    match:\n    - domain:\n");
	for (unsigned i = 0; i < WH_MAX_DOMAINS + 1; i++)
		put("      - d%u.example\n", i);
	assert_error(text, used, "t.yaml:1033:9: domain: more than 1024 names in all matches");

	start(LAN WANS "classes:\n  a:\n    match:\n    - domain:\n");
	for (unsigned i = 100; i < 360; i++) /* all but 8 characters */
		put("      - " SIXTY "." SIXTY ".%u\n", i);
	put("      - ab.local\n");
	assert_error(text, used, "t.yaml:269:9: domain: the names of all matches have more than 32768 characters");
}

/* Each value may be used, and each port; it is the number of different ones that is bounded. */
static void test_too_different(void **state)
{
	static struct wh_config config;
	char error[WH_CONF_ERROR_LEN];

	(void)state;
	start(LAN WANS "classes:\n  a:\n    match:\n");
	for (unsigned i = 0; i < WH_MARK_MATCHES; i++)
		put("    - {mark: %u/0xff}\n    - {mark: %u/0xff, proto: udp}\n", i, i);
	assert_int_equal(wh_conf_parse("t.yaml", text, used, LOCAL_PORTS, &config, error), 0);
	put("    - {mark: 77/0xff}\n");
	assert_error(text, used, "t.yaml:5:1: classes: the match lines ask for more than 16 different marks");

	start(LAN WANS "classes:\n  a:\n    match:\n");
	for (unsigned i = 0; i < WH_MAX_LINES; i++) /* each overlaps two others here, and two more there */
		put("    - {dport: [%u-%u, %u-%u]}\n", 3 * i + 1, 3 * i + 5, 20000 + i * 7 % 1024 * 3,
		    20004 + i * 7 % 1024 * 3);
	assert_error(text, used,
		     "t.yaml:5:1: classes: the match lines' destination ports differ in more than 2048 ways");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	      cmocka_unit_test(test_in),
		cmocka_unit_test(test_prefixes),      cmocka_unit_test(test_protocols_and_ports),
		cmocka_unit_test(test_dscp_and_mark), cmocka_unit_test(test_domains),
		cmocka_unit_test(test_sets),	      cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_full_pools),    cmocka_unit_test(test_too_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
