/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_conf_wan.c: the addresses and ports of WANs, taken and refused: gateway, source, prefix6, ports beside the
 * kernel's, mtu.  Their other values stand in test_conf.c and test_conf_refused.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "conf_refusal.h"

static struct wh_config config; /* large */

/* The WAN of a file that has `more` in it; it is read as on a machine whose kernel uses `local` itself. */
static const struct wh_conf_wan *parse(const char *more, struct wh_conf_ports local)
{
	char text[512], error[WH_CONF_ERROR_LEN] = "";

	memset(&config, 0x5a, sizeof(config));
	snprintf(text, sizeof(text), LAN "wans:\n  fiber: {device: wan1, %s}\n", more);
	if (wh_conf_parse("t.yaml", text, strlen(text), local, &config, error))
		fail_msg("%s: refused: %s", more, error);
	return &config.wans[0];
}

/* Both families as text, "auto" where nothing is set. */
static void assert_pair(const bool is_auto[WH_FAMILIES], const struct in_addr *v4, const struct in6_addr *v6,
			const char *expected)
{
	char text4[INET_ADDRSTRLEN] = "auto", text6[INET6_ADDRSTRLEN] = "auto", both[80];

	if (!is_auto[WH_V4])
		inet_ntop(AF_INET, v4, text4, sizeof(text4));
	if (!is_auto[WH_V6])
		inet_ntop(AF_INET6, v6, text6, sizeof(text6));
	snprintf(both, sizeof(both), "%s %s", text4, text6);
	assert_string_equal(both, expected);
}

static void test_gateway_and_source(void **state)
{
	static const struct {
		const char *value;
		const char *addresses;
	} cases[] = {
		{"auto", "auto auto"},
		{"192.0.2.1", "192.0.2.1 auto"},
		{"[192.0.2.1]", "192.0.2.1 auto"},
		{"2001:db8::1", "auto 2001:db8::1"},
		{"[192.0.2.1, 2001:db8::1]", "192.0.2.1 2001:db8::1"},
		{"[\"fd00::1\", 100.64.0.1]", "100.64.0.1 fd00::1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[128];
		const struct wh_conf_wan *wan;

		snprintf(text, sizeof(text), "gateway: %s", cases[i].value);
		wan = parse(text, LOCAL_PORTS);
		assert_pair(wan->gateway_auto, &wan->gateway4, &wan->gateway6, cases[i].addresses);
		assert_pair(wan->source_auto, &wan->source4, &wan->source6, "auto auto");
		snprintf(text, sizeof(text), "source: %s", cases[i].value);
		wan = parse(text, LOCAL_PORTS);
		assert_pair(wan->source_auto, &wan->source4, &wan->source6, cases[i].addresses);
		assert_pair(wan->gateway_auto, &wan->gateway4, &wan->gateway6, "auto auto");
	}
}

/* A router is often known by nothing else. */
static void test_link_local_gateways(void **state)
{
	const struct wh_conf_wan *wan = parse("gateway: [169.254.1.1, fe80::1], source: auto", LOCAL_PORTS);

	(void)state;
	assert_pair(wan->gateway_auto, &wan->gateway4, &wan->gateway6, "169.254.1.1 fe80::1");
}

#define NO_PAIR "must be auto, an address, or a list of one address a family, not "
static void test_refused_gateways(void **state)
{
	static const struct refusal cases[] = {
		{WAN("gateway: @{v4: 192.0.2.1}"), "gateway: " NO_PAIR "a map"},
		{WAN("gateway: @[]"), "gateway: " NO_PAIR "an empty list"},
		{WAN("gateway:@"), "gateway: " NO_PAIR "nothing"},
		{WAN("gateway: @\"\""), "gateway: " NO_PAIR "\"\""},
		{WAN("gateway: @atuo"), "gateway: " NO_PAIR "\"atuo\"; did you mean \"auto\"?"},
		{WAN("gateway: @192.0.2.256"), "gateway: " NO_PAIR "\"192.0.2.256\""},
		{WAN("gateway: @192.0.2.1/24"), "gateway: " NO_PAIR "\"192.0.2.1/24\""},
		{WAN("gateway: @0.0.0.0"), "gateway: " NO_PAIR "\"0.0.0.0\""},
		{WAN("gateway: @127.0.0.1"), "gateway: " NO_PAIR "\"127.0.0.1\""},
		{WAN("gateway: @224.0.0.1"), "gateway: " NO_PAIR "\"224.0.0.1\""},
		{WAN("gateway: @255.255.255.255"), "gateway: " NO_PAIR "\"255.255.255.255\""},
		{WAN("gateway: @2001:db8::1/64"), "gateway: " NO_PAIR "\"2001:db8::1/64\""},
		{WAN("gateway: @2001:db8:::1"), "gateway: " NO_PAIR "\"2001:db8:::1\""},
		{WAN("gateway: @\"::\""), "gateway: " NO_PAIR "\"::\""},
		{WAN("gateway: @\"::1\""), "gateway: " NO_PAIR "\"::1\""},
		{WAN("gateway: @ff02::2"), "gateway: " NO_PAIR "\"ff02::2\""},
		{WAN("gateway: @\"::ffff:192.0.2.1\""), "gateway: " NO_PAIR "\"::ffff:192.0.2.1\""},
		{WAN("gateway: @\"::192.0.2.1\""), "gateway: " NO_PAIR "\"::192.0.2.1\""},
		{WAN("gateway: @fe80::1%wan1"), "gateway: " NO_PAIR "\"fe80::1%wan1\"; leave out the \"%wan1\""},
		{WAN("gateway: @\"[fe80::1]\""), "gateway: " NO_PAIR "\"[fe80::1]\"; leave out the brackets"},
		{WAN("gateway: [@auto]"), "gateway: " NO_HOST "\"auto\""},
		{WAN("gateway: [@[192.0.2.1]]"), "gateway: " NO_HOST "a list"},
		{WAN("gateway: [192.0.2.1, @\"\"]"), "gateway: " NO_HOST "\"\""},
		{WAN("gateway: [192.0.2.1, @\"fe80::1%wan1\"]"),
		 "gateway: " NO_HOST "\"fe80::1%wan1\"; leave out the \"%wan1\""},
		{WAN("gateway: [192.0.2.1, @192.0.2.2]"), "gateway: a second IPv4 address"},
		{WAN("gateway: [\"fe80::1\", 192.0.2.1, @\"2001:db8::1\"]"), "gateway: a second IPv6 address"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define LINK_LOCAL " is link-local: no router forwards it"
static void test_refused_sources(void **state)
{
	static const struct refusal cases[] = {
		{WAN("source:@"), "source: " NO_PAIR "nothing"},
		{WAN("source: @wan1"), "source: " NO_PAIR "\"wan1\""},
		{WAN("source: @239.1.1.1"), "source: " NO_PAIR "\"239.1.1.1\""},
		{WAN("source: @ff0e::1"), "source: " NO_PAIR "\"ff0e::1\""},
		{WAN("source: [192.0.2.7, @192.0.2.8]"), "source: a second IPv4 address"},
		{WAN("source: @fe80::7"), "source: \"fe80::7\"" LINK_LOCAL},
		{WAN("source: @febf::7"), "source: \"febf::7\"" LINK_LOCAL},
		{WAN("source: [192.0.2.7, @\"fe80::7\"]"), "source: \"fe80::7\"" LINK_LOCAL},
		{WAN("source: @169.254.3.3"), "source: \"169.254.3.3\"" LINK_LOCAL},
		{WAN("gateway: 192.0.2.1\n    source: @192.0.2.1"), "source: is the gateway's address"},
		{WAN("gateway: [192.0.2.1, \"2001:db8::1\"]\n    source: @[192.0.2.7, \"2001:db8:0::1\"]"),
		 "source: is the gateway's address"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

static void test_prefix6(void **state)
{
	static const struct {
		const char *value;
		const char *first;
		unsigned len;
	} cases[] = {
		{"2001:db8:4700::/56", "2001:db8:4700::", 56},
		{"2001:db8:4700:80::/57", "2001:db8:4700:80::", 57},
		{"2001::/16", "2001::", 16},
		{"2001:db8:1:ffff::/64", "2001:db8:1:ffff::", 64},
		{"fd12:3456:789a::/48", "fd12:3456:789a::", 48},
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct wh_conf_wan *wan;

		snprintf(text, sizeof(text), "prefix6: %s", cases[i].value);
		wan = parse(text, LOCAL_PORTS);
		assert_false(wan->prefix6_auto);
		inet_ntop(AF_INET6, &wan->prefix6, text, sizeof(text));
		assert_string_equal(text, cases[i].first);
		assert_int_equal(wan->prefix6_len, cases[i].len);
	}
	assert_true(parse("prefix6: auto", LOCAL_PORTS)->prefix6_auto);
}

#define NO_PREFIX "prefix6: must be auto or a routable IPv6 prefix of 16 to 64 bits as in 2001:db8:4700::/56, not "
static void test_refused_prefixes(void **state)
{
	static const struct refusal cases[] = {
		{WAN("prefix6:@"), NO_PREFIX "nothing"},
		{WAN("prefix6: @[\"2001:db8::/56\"]"), NO_PREFIX "a list"},
		{WAN("prefix6: @aut"), NO_PREFIX "\"aut\"; did you mean \"auto\"?"},
		{WAN("prefix6: @\"2001:db8::\""), NO_PREFIX "\"2001:db8::\""},
		{WAN("prefix6: @/56"), NO_PREFIX "\"/56\""},
		{WAN("prefix6: @2001:db8::/"), NO_PREFIX "\"2001:db8::/\""},
		{WAN("prefix6: @2001:db8::/56/57"), NO_PREFIX "\"2001:db8::/56/57\""},
		{WAN("prefix6: @2000::/15"), NO_PREFIX "\"2000::/15\""},
		{WAN("prefix6: @2001:db8::/65"), NO_PREFIX "\"2001:db8::/65\""},
		{WAN("prefix6: @2001:db8::/-1"), NO_PREFIX "\"2001:db8::/-1\""},
		{WAN("prefix6: @192.0.2.0/24"), NO_PREFIX "\"192.0.2.0/24\""},
		{WAN("prefix6: @::/16"), NO_PREFIX "\"::/16\""},
		{WAN("prefix6: @fe80::/64"), NO_PREFIX "\"fe80::/64\""},
		{WAN("prefix6: @ff00::/16"), NO_PREFIX "\"ff00::/16\""},
		{WAN("prefix6: @1111111111222222222233333333334444444444555555::/56"),
		 NO_PREFIX "\"1111111111222222222233333333334444444444555555::/56\""},
		{WAN("prefix6: @2001:db8:4700:1::/56"),
		 "prefix6: \"2001:db8:4700:1::/56\" has bits behind its first 56; did you mean \"2001:db8:4700::/56\"?"},
		{WAN("prefix6: @2001:db8:4700:ff::7/57"),
		 "prefix6: \"2001:db8:4700:ff::7/57\" has bits behind its first 57; did you mean "
		 "\"2001:db8:4700:80::/57\"?"},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
}

#define OF_KERNEL ", which the kernel gives to its own sockets (net.ipv4.ip_local_port_range)"
static void test_ports_of_the_kernel(void **state)
{
	static const struct refusal cases[] = {
		{WAN("ports: @32000-33000"), "ports: 32000-33000 overlaps 32768-60999" OF_KERNEL},
		{WAN("ports: @20000-32768"), "ports: 20000-32768 overlaps 32768-60999" OF_KERNEL},
		{WAN("ports: @60999-61999"), "ports: 60999-61999 overlaps 32768-60999" OF_KERNEL},
		{WAN("ports: @40000-50000"), "ports: 40000-50000 overlaps 32768-60999" OF_KERNEL},
		{WAN("ports: @1024-65535"), "ports: 1024-65535 overlaps 32768-60999" OF_KERNEL},
		{WAN("nat: none\n    nat6: npt\n    ports: @1024-65535"),
		 "ports: 1024-65535 overlaps 32768-60999" OF_KERNEL},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
	assert_int_equal(parse("ports: 1024-32767", LOCAL_PORTS)->port_last, 32767);
	assert_int_equal(parse("ports: 61000-65535", LOCAL_PORTS)->port_first, 61000);
	assert_int_equal(parse("ports: 1024-65535", (struct wh_conf_ports){0})->port_last, 65535);
}

/* A kernel that was told to use nearly all ports leaves no place for the default ones. */
static void test_default_ports(void **state)
{
	static const struct wh_conf_ports wide = {10000, 65535};
	static const char text[] = LAN "wans:\n  fiber: {device: wan1, ports: 1024-9999}\n  lte: {device: wan2%s}\n";
	static const char *const used[] = {"", ", nat: none", ", nat6: none", ", nat: none, nat6: masquerade"};
	char whole[256], error[WH_CONF_ERROR_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(used); i++) {
		snprintf(whole, sizeof(whole), text, used[i]);
		assert_int_equal(wh_conf_parse("t.yaml", whole, strlen(whole), wide, &config, error), -EINVAL);
		assert_string_equal(error, "t.yaml:4:3: lte: the default ports, 20000-31999, overlap "
					   "10000-65535" OF_KERNEL);
	}
	parse("nat: none, nat6: none", wide);
	parse("nat: none, nat6: npt", wide);
}

#define NO_MTU "mtu: must be a whole number from 68 to 65535, not "
#define SMALL_MTU(key) "mtu: IPv6, which \"" key "\" asks for, needs at least 1280"
static void test_mtu(void **state)
{
	static const struct refusal cases[] = {
		{WAN("mtu: @auto"), NO_MTU "\"auto\""},
		{WAN("mtu: @67"), NO_MTU "\"67\""},
		{WAN("mtu: @65536"), NO_MTU "\"65536\""},
		{WAN("mtu: @[]"), NO_MTU "an empty list"},
		{WAN("mtu: @1279\n    gateway: [192.0.2.1, \"fe80::1\"]"), SMALL_MTU("gateway")},
		{WAN("source: 2001:db8::7\n    mtu: @1279"), SMALL_MTU("source")},
		{WAN("prefix6: 2001:db8::/48\n    mtu: @68"), SMALL_MTU("prefix6")},
		{WAN("mtu: @576\n    nat6: npt"), SMALL_MTU("nat6")},
		{WAN("mtu: @576\n    nat6: masquerade"), SMALL_MTU("nat6")},
	};

	(void)state;
	assert_all_refused(cases, COUNT(cases));
	assert_int_equal(parse("mtu: 68, gateway: 192.0.2.1, nat6: none", LOCAL_PORTS)->mtu, 68);
	assert_int_equal(parse("mtu: 1280, gateway: 2001:db8::1, nat6: npt", LOCAL_PORTS)->mtu, 1280);
	assert_int_equal(parse("mtu: 65535", LOCAL_PORTS)->mtu, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gateway_and_source),
		cmocka_unit_test(test_link_local_gateways),
		cmocka_unit_test(test_refused_gateways),
		cmocka_unit_test(test_refused_sources),
		cmocka_unit_test(test_prefix6),
		cmocka_unit_test(test_refused_prefixes),
		cmocka_unit_test(test_ports_of_the_kernel),
		cmocka_unit_test(test_default_ports),
		cmocka_unit_test(test_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
