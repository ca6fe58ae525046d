/* SPDX-License-Identifier: GPL-2.0 */
/*
 * veth_fixture.h: two network namespaces, which end with the process, and a veth between them: near0 here, far0
 * there, where a real kernel answers.  Every wait is for a condition.
 */
#ifndef WANHELM_TESTS_VETH_FIXTURE_H
#define WANHELM_TESTS_VETH_FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* unshare() */
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static const uint8_t near_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 1};
static const uint8_t far_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 2};

static int near_ns, far_ns;
static unsigned near_index;

static inline void run(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

static inline void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static inline void run_far(const char *command)
{
	enter(far_ns);
	run(command);
	enter(near_ns);
}

static inline struct in_addr addr4(const char *text)
{
	return (struct in_addr){inet_addr(text)};
}

static inline struct in6_addr addr6(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static inline bool readable_within_ms(int fd, int ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, ms) > 0;
}

/* A packet socket on far0 that hears, or sends, Ethernet frames. */
static inline int far_socket(uint16_t protocol)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	int fd;

	enter(far_ns);
	at.sll_ifindex = (int)if_nametoindex("far0");
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	enter(near_ns);
	return fd;
}

/* --- the namespaces --------------------------------------------------------------------------------------- */

static inline int set_up(void **state)
{
	char command[256];

	(void)state;
	snprintf(command, sizeof(command),
		 "ip link add near0 address 02:00:00:00:00:01 type veth peer name far0 address 02:00:00:00:00:02 && "
		 "ip link set far0 netns /proc/%d/fd/%d && sysctl -qw net.ipv6.conf.near0.addr_gen_mode=1",
		 (int)getpid(), far_ns);
	run(command);
	run("ip link set near0 up && ip addr add 192.0.2.1/24 dev near0 && ip addr add fe80::1/64 dev near0 nodad && "
	    "ip addr add 2001:db8::1/64 dev near0 nodad");
	run_far("sysctl -qw net.ipv6.conf.far0.addr_gen_mode=1 && ip link set lo up && ip link set far0 up && "
		"ip addr add 192.0.2.254/24 dev far0 && ip addr add fe80::fe/64 dev far0 nodad && "
		"ip addr add 2001:db8::fe/64 dev far0 nodad");
	near_index = if_nametoindex("near0");
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	enter(near_ns); /* a failure may have left us there */
	return system("ip link del near0");
}

static inline bool make_namespaces(void)
{
	if (unshare(CLONE_NEWNET))
		return false;
	far_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET))
		return false;
	near_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return near_ns >= 0 && far_ns >= 0;
}

/* main() of the tests: in namespaces, or not at all. */
#define RUN_IN_NAMESPACES(name, tests)                                                                                 \
	(make_namespaces() ? cmocka_run_group_tests_name(name, tests, NULL, NULL) : skip_all(name))

static inline int skip_all(const char *name)
{
	printf("[  SKIPPED ] %s\nSKIP: the tests of %s make network namespaces, which needs root\n", name, name);
	return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
