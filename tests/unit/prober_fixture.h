/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prober_fixture.h: a prober in a network namespace of its own, which ends with the process.  In the data
 * plane's place the kernel routes between the veth and targets on lo; a packet socket sees what crosses.
 */
#ifndef WANHELM_TESTS_PROBER_FIXTURE_H
#define WANHELM_TESTS_PROBER_FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* unshare() */
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "prober/prober.h"

#define PATIENCE_MS 20000
#define QUIET_MS 300	      /* for "nothing comes" */
#define SYN_AGAIN_MS 1500     /* the same, and TCP has tried a second time */
#define SILENT "198.51.100.1" /* a blackhole */
#define SILENT6 "2001:db8:51::1"
#define TARGET "192.0.2.1"
#define TARGET6 "2001:db8::1"
#define REFUSED_PORT 4
#define LISTENING_PORT 5

static struct wh_prober *prober;

static inline void run(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

static inline struct wh_address address_of(const char *text)
{
	struct wh_address addr = {.family = strchr(text, ':') ? WH_V6 : WH_V4};

	assert_int_equal(inet_pton(addr.family == WH_V4 ? AF_INET : AF_INET6, text, &addr.v6), 1);
	return addr;
}

static inline struct wh_prober_order order_of(enum wh_probe_kind kind, unsigned wan, const char *addr, uint32_t seq)
{
	return (struct wh_prober_order){.seq = seq,
					.wan = (uint8_t)wan,
					.target = (uint8_t)(seq % 16),
					.kind = (uint8_t)kind,
					.addr = address_of(addr),
					.timeout_ms = 2000};
}

static inline struct wh_prober_order tcp_order(unsigned wan, const char *addr, uint16_t port, uint32_t seq)
{
	struct wh_prober_order order = order_of(WH_PROBE_TCP, wan, addr, seq);

	order.port = port;
	return order;
}

static inline void send_order(struct wh_prober_order order)
{
	assert_int_equal(wh_prober_send(prober, &order), 0);
}

/* The next result; false where none comes within `ms`. */
static inline bool next_result(struct wh_prober_result *out, int ms)
{
	struct pollfd wait = {.fd = wh_prober_fd(prober), .events = POLLIN};
	int got = 0;

	if (poll(&wait, 1, ms) <= 0)
		return false;
	got = wh_prober_receive(prober, out);
	assert_int_equal(got, 1);
	return true;
}

static inline struct wh_prober_result expect_result(uint32_t seq, enum wh_probe_status status)
{
	struct wh_prober_result result = {};

	if (!next_result(&result, PATIENCE_MS))
		fail_msg("no result of probe %u", seq);
	assert_int_equal(result.seq, seq);
	assert_int_equal(result.status, status);
	assert_int_equal(result.target, seq % 16);
	return result;
}

static inline void expect_silence_for(int ms)
{
	struct wh_prober_result result = {};

	if (next_result(&result, ms))
		fail_msg("a result that should not be: seq %u status %u", result.seq, result.status);
}

static inline void expect_silence(void)
{
	expect_silence_for(QUIET_MS);
}

/* The one child that process `pid` has. */
static inline pid_t child_of(pid_t pid)
{
	char path[64];
	FILE *file;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &child), 1);
	fclose(file);
	return child;
}

/* --- the namespace ---------------------------------------------------------------------------------------- */

static inline void start_prober(void)
{
	char error[256] = "";

	if (wh_prober_start(&prober, error, sizeof(error)))
		fail_msg("%s", error);
}

/*
 * The router's end gets what the data plane would make unnecessary.  The other end tells nobody its MAC; the
 * process is the first of our children, and the shell the second.
 */
static inline void route_probes(void)
{
	run("ip addr replace " TARGET "/32 dev lo && ip link set lo up && "
	    "ip addr add 169.254.87.254/24 dev " WH_PROBER_DEVICE " && ip route replace blackhole " SILENT);
	run("echo 0 >/proc/sys/net/ipv6/conf/" WH_PROBER_DEVICE "/disable_ipv6 && "
	    "ip addr replace " TARGET6 "/128 dev lo && "
	    "ip addr add fd77:616e:6865:6c6d::fe/64 dev " WH_PROBER_DEVICE " nodad && "
	    "ip route replace blackhole " SILENT6);
	run("set -e; pid=$(cut -d \" \" -f 1 /proc/$PPID/task/$PPID/children); "
	    "mac=$(nsenter -t $pid -n ip -br link show probe0 | awk '{print $3}'); "
	    "for wan in 1 2 3 4 5 6 7 8; do for net in 169.254.87. fd77:616e:6865:6c6d::; do "
	    "ip neigh replace $net$wan lladdr $mac dev " WH_PROBER_DEVICE "; done; done");
}

static inline int set_up(void **state)
{
	(void)state;
	start_prober();
	route_probes();
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	wh_prober_stop(prober);
	prober = NULL;
	return 0;
}

/* --- targets ---------------------------------------------------------------------------------------------- */

/* A socket that listens at any address of the family, AF_INET or AF_INET6. */
static inline int listen_at(int family, uint16_t port)
{
	const int one = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const struct sockaddr *at = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, at, family == AF_INET ? sizeof(v4) : sizeof(v6)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/*
 * A first probe by that WAN: the target, which listens, accepts a connection, and sees it reset.  Where that came from
 * goes into `peer`, an address of the target's family and of `len` bytes.
 */
static inline void expect_connection(unsigned wan, const char *target, struct sockaddr *peer, socklen_t len)
{
	struct wh_prober_order order = tcp_order(wan, target, LISTENING_PORT, 1);
	_cleanup_close_ int listener = listen_at(order.addr.family == WH_V4 ? AF_INET : AF_INET6, LISTENING_PORT);
	_cleanup_close_ int accepted = -1;
	uint64_t start_ns = wh_now_ns();
	struct wh_prober_result result;
	char byte;

	send_order(order);
	result = expect_result(1, WH_PROBE_ANSWERED);
	assert_int_equal(result.wan, wan);
	assert_true(result.rtt_ns > 0 && result.rtt_ns <= wh_now_ns() - start_ns);
	accepted = accept(listener, peer, &len);
	assert_true(accepted >= 0);
	assert_int_equal(recv(accepted, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET); /* nothing lingers */
}

/* --- the wire --------------------------------------------------------------------------------------------- */

static inline int open_wire(void)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = (int)if_nametoindex(WH_PROBER_DEVICE)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	return fd;
}

/* The sum of an Internet checksum so far; `len` is even but for the last part. */
static inline uint32_t add_sum(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | (i + 1 < len ? bytes[i + 1] : 0);
	return sum;
}

static inline uint16_t checksum_of(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The next frame that comes from the prober; its length, 0 where none comes. */
static inline size_t next_frame(int wire, uint8_t *frame, size_t size, int ms)
{
	struct pollfd wait = {.fd = wire, .events = POLLIN};

	while (poll(&wait, 1, ms) > 0) {
		struct sockaddr_ll from = {};
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(wire, frame, size, 0, (struct sockaddr *)&from, &len);

		assert_true(got > 0);
		if (from.sll_pkttype != PACKET_OUTGOING)
			return (size_t)got;
	}
	return 0;
}

static inline int skip_all(const char *name)
{
	printf("[  SKIPPED ] %s\nSKIP: the tests of %s make network namespaces, which needs root\n", name, name);
	return 0;
}

/* main() of the tests: in a namespace, or not at all. */
#define RUN_IN_NAMESPACE(name, tests)                                                                                  \
	(unshare(CLONE_NEWNET) ? skip_all(name) : cmocka_run_group_tests_name(name, tests, NULL, NULL))

#endif
