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
#define SILENT "198.51.100.1" /* a blackhole */
#define TARGET "192.0.2.1"

static struct wh_prober *prober;

static inline void run(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

static inline struct wh_prober_order order_of(enum wh_probe_kind kind, unsigned wan, const char *addr, uint32_t seq)
{
	return (struct wh_prober_order){.seq = seq,
					.wan = (uint8_t)wan,
					.target = (uint8_t)(seq % 16),
					.kind = (uint8_t)kind,
					.addr = {inet_addr(addr)},
					.timeout_ms = 2000};
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

static inline void expect_silence(void)
{
	struct wh_prober_result result = {};

	if (next_result(&result, QUIET_MS))
		fail_msg("a result that should not be: seq %u status %u", result.seq, result.status);
}

/* --- the namespace ---------------------------------------------------------------------------------------- */

static inline void start_prober(void)
{
	char error[256] = "";

	if (wh_prober_start(&prober, error, sizeof(error)))
		fail_msg("%s", error);
}

/* The router's end gets what the data plane would make unnecessary. */
static inline void route_probes(void)
{
	run("ip addr replace " TARGET "/32 dev lo && ip link set lo up && "
	    "ip addr add 169.254.87.254/24 dev " WH_PROBER_DEVICE " && ip route replace blackhole " SILENT);
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
