/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_at_once.c: CPUs that open flows at the same moment: no external port is given out twice (RFC 4787 REQ-3), and
 * the same first packet on all of them makes one flow.  Flips and sweeps in between: test_random.c.
 */
#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 2
#define FLOWS 3000
#define PORT_SPACE 65536

struct opener {
	unsigned cpu;
	enum wh_family family;
	bool same; /* every thread the same flows; else each its own */
	uint16_t port[FLOWS];
	unsigned dropped;
};

static pthread_barrier_t together;

static struct packet flow_of(const struct opener *me, unsigned i)
{
	unsigned client = me->same ? 0 : me->cpu;

	return lab_packet(PROTO_UDP, lab_client(me->family, client), (uint16_t)(1000 + i), lab_remote(me->family, 0),
			  53);
}

static void *open_flows(void *arg)
{
	struct opener *me = arg;
	struct lab_context context = {.ifindex = lab.lan_ifindex[0]};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(me->cpu % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	pthread_barrier_wait(&together);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct packet p = flow_of(me, i);
		struct result r = {};

		if (lab_try(WH_HOOK_LAN_IN, &context, &p, &r) || r.verdict != VERDICT_REDIRECT)
			me->dropped++;
		else
			me->port[i] = packet_tuple(&r.packet).sport;
	}
	return NULL;
}

static void open_at_once(struct opener openers[THREADS])
{
	pthread_t threads[THREADS];

	assert_int_equal(pthread_barrier_init(&together, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_flows, &openers[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&together);
	print_message("%u and %u dropped, %llu races\n", openers[0].dropped, openers[1].dropped,
		      (unsigned long long)lab_reason(WH_REASON_RACE));
}

/* Half of all ports, so that the two get into each other's way all the time. */
static void crowd(void)
{
	struct wh_wan row = lab.wan[0];

	row.port_last = (uint16_t)(row.port_first + 4 * FLOWS - 1);
	lab_set_wan(0, &row);
}

static void no_port_twice(enum wh_family family)
{
	struct opener openers[THREADS] = {{.cpu = 0, .family = family}, {.cpu = 1, .family = family}};
	static bool taken[PORT_SPACE];

	memset(taken, 0, sizeof(taken));
	crowd();
	open_at_once(openers);
	for (unsigned i = 0; i < THREADS * FLOWS; i++) {
		uint16_t port = openers[i % THREADS].port[i / THREADS];

		assert_false(port && taken[port]);
		taken[port] = true;
	}
	assert_in_range(openers[0].dropped + openers[1].dropped, 0, FLOWS / 10);
	lab_expect_consistent();
}

static void test_no_port_twice(void **state)
{
	(void)state;
	no_port_twice(WH_V4);
}

static void test_no_port_twice_in_ipv6(void **state)
{
	(void)state;
	no_port_twice(WH_V6);
}

/* Two CPUs with the same flows: both packets leave under one port, or one of them is dropped as a race. */
static void one_flow_each(enum wh_family family)
{
	struct opener openers[THREADS] = {{.cpu = 0, .family = family, .same = true},
					  {.cpu = 1, .family = family, .same = true}};

	open_at_once(openers);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct packet p = flow_of(&openers[0], i);
		uint16_t port = send_out(&p, 0);

		for (unsigned t = 0; t < THREADS; t++)
			assert_true(!openers[t].port[i] || openers[t].port[i] == port);
	}
	assert_int_equal(lab_flows(), FLOWS);
	lab_expect_consistent();
}

static void test_one_flow_each(void **state)
{
	(void)state;
	one_flow_each(WH_V4);
}

static void test_one_flow_each_in_ipv6(void **state)
{
	(void)state;
	one_flow_each(WH_V6);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_no_port_twice),
	LAB_TEST(test_no_port_twice_in_ipv6),
	LAB_TEST(test_one_flow_each),
	LAB_TEST(test_one_flow_each_in_ipv6),
};

LAB_MAIN(tests, 16384)
