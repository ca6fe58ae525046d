/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_fixture.h: a network namespace of its own, which ends with the process, two veths in it, and a
 * netlink picture of them.  Changes are made with ip(8); every wait is for a condition.
 */
#ifndef WANHELM_TESTS_NETLINK_FIXTURE_H
#define WANHELM_TESTS_NETLINK_FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* unshare() */
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kern/netlink.h"
#include "kern/netlink_private.h"
#include "lib/clock.h"

#define PATIENCE_NS (20 * WH_NS_PER_S)

static struct wh_netlink *nl;
static unsigned n_changed;

static inline bool read_within_ms(int ms)
{
	struct pollfd wait = {.fd = wh_netlink_fd(nl), .events = POLLIN};

	if (poll(&wait, 1, ms) <= 0)
		return false;
	assert_int_equal(wh_netlink_read(nl), 0);
	return true;
}

static inline void read_or_give_up(uint64_t give_up_ns, const char *awaited)
{
	if (wh_now_ns() > give_up_ns)
		fail_msg("did not come true: %s", awaited);
	read_within_ms(100);
}

/* Read until the expression holds. */
#define WAIT_FOR(expression)                                                                                           \
	for (uint64_t give_up_ns = wh_now_ns() + PATIENCE_NS; !(expression); read_or_give_up(give_up_ns, #expression))

/* Read until nothing comes for a moment: the end of what was set off, or proof that nothing was. */
static inline void read_all(void)
{
	while (read_within_ms(150))
		;
}

static inline void run(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

static inline void count_change(void *arg)
{
	assert_ptr_equal(arg, &n_changed);
	n_changed++;
}

static inline const struct wh_link *link_of(const char *name)
{
	static const struct wh_link none;
	const struct wh_link *link = wh_netlink_link(nl, name);

	if (!link)
		fail_msg("no link %s", name);
	return link ? link : &none; /* analysers do not know that it never gets here */
}

static inline unsigned index_of(const char *name)
{
	return link_of(name)->ifindex;
}

/* Answers as text, "none" where there is none: so that one comparison says it all. */
static inline const char *text_of(int err, int family, const void *addr)
{
	static char text[INET6_ADDRSTRLEN];

	if (err)
		return err == -ENOENT ? "none" : strerror(-err);
	return inet_ntop(family, addr, text, sizeof(text));
}

static inline const char *addr_of(const char *name)
{
	struct in_addr addr = {};

	return text_of(wh_netlink_addr4(nl, index_of(name), &addr), AF_INET, &addr);
}

static inline const char *gateway_of(const char *name)
{
	struct in_addr gateway = {};

	return text_of(wh_netlink_gateway4(nl, index_of(name), &gateway), AF_INET, &gateway);
}

static inline struct in6_addr addr6(const char *text)
{
	struct in6_addr addr = {};

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static inline const char *addr6_of(const char *name)
{
	struct in6_addr addr = {};

	return text_of(wh_netlink_addr6(nl, index_of(name), &addr), AF_INET6, &addr);
}

static inline const char *gateway6_of(const char *name)
{
	struct in6_addr gateway = {};

	return text_of(wh_netlink_gateway6(nl, index_of(name), &gateway), AF_INET6, &gateway);
}

static inline bool has_addr6(const char *name, const char *addr)
{
	return wh_netlink_has_addr6(nl, index_of(name), addr6(addr));
}

static inline bool has_addr(const char *name, const char *addr)
{
	return wh_netlink_has_addr4(nl, index_of(name), (struct in_addr){inet_addr(addr)});
}

static inline bool is(const char *got, const char *expected)
{
	return !strcmp(got, expected);
}

/* --- routes as text --------------------------------------------------------------------------------------- */

struct route_search {
	const char *prefix; /* "10.1.0.0/16" */
	struct wh_net_route found;
	unsigned n;
};

static inline void match_route(void *arg, const struct wh_net_route *route)
{
	struct route_search *search = arg;
	char text[INET6_ADDRSTRLEN + 5];

	inet_ntop(route->family == WH_V4 ? AF_INET : AF_INET6, &route->dst4, text, sizeof(text));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%u", route->prefix_len);
	if (strcmp(text, search->prefix) != 0)
		return;
	search->found = *route;
	search->n++;
}

static inline struct route_search find_route(const char *prefix)
{
	struct route_search search = {.prefix = prefix};

	wh_netlink_each_route(nl, match_route, &search);
	return search;
}

static inline void add_addresses(void)
{
	run("ip addr add 192.0.2.1/24 dev wan1 && ip addr add 198.51.100.1/24 dev wan2");
}

/* --- the namespace ---------------------------------------------------------------------------------------- */

static inline int set_up(void **state)
{
	(void)state;
	/* No link-local addresses but our own: their duplicate address detection would change the picture at any time. */
	run("echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode");
	run("ip link add wan1 address 02:00:00:00:00:01 type veth peer name far1");
	run("ip link add wan2 type veth peer name far2");
	run("ip link set lo up && ip link set wan1 up && ip link set far1 up && ip link set wan2 up && ip link set far2 up");
	n_changed = 0;
	assert_int_equal(wh_netlink_open(&nl, count_change, &n_changed), 0);
	assert_int_equal(n_changed, 0); /* opening calls nobody */
	WAIT_FOR(link_of("wan1")->carrier && link_of("wan2")->carrier);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	wh_netlink_close(nl);
	nl = NULL;
	return system(
		"for d in $(ls /proc/sys/net/ipv4/conf); do case $d in wan*|renamed|tun9|br*) ip link del $d;; esac; "
		"done; ip -6 route flush table all 2>/dev/null; ip route flush table 50 2>/dev/null; ip route flush table local root 10.0.0.0/8; ip route flush table main; true");
}

/* main() of the tests: in a namespace, or not at all. */
#define RUN_IN_NAMESPACE(name, tests)                                                                                  \
	(unshare(CLONE_NEWNET) ? skip_all(name) : cmocka_run_group_tests_name(name, tests, NULL, NULL))

static inline int skip_all(const char *name)
{
	printf("[  SKIPPED ] %s\nSKIP: the tests of %s make a network namespace, which needs root\n", name, name);
	return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
