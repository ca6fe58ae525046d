/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_full_at_once.c: a full table whose flows move on several CPUs at once, while others ask for places that there
 * are not: no flow is lost, none is left without its answers, and nothing is left behind.
 */
#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define ROOM 256
#define MOVERS 3
#define THREADS (MOVERS + 1)
#define ROUNDS 60

struct player {
	unsigned number; /* MOVERS: the one who asks for places */
	enum wh_family family;
	unsigned alive; /* the WAN that the flows are to go to */
	unsigned sent, dropped, strayed;
};

static struct packet flow_of(enum wh_family family, unsigned i)
{
	struct packet p =
		lab_packet(PROTO_UDP, lab_client(family, i % 4), (uint16_t)(1000 + i), lab_remote(family, 0), 53);

	p.bytes[11] = (uint8_t)(0x40 + i % 4); /* the client's MAC */
	return p;
}

/* Each flow is moved by two threads, beginning at different ends, so that they also meet at one. */
static void *play(void *arg)
{
	struct player *me = arg;
	struct lab_context context = {.ifindex = lab.lan_ifindex[0]};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(me->number % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	for (unsigned i = 0; i < ROOM; i++) {
		unsigned at = me->number % 2 ? ROOM - 1 - i : i;
		struct packet p = flow_of(me->family, me->number == MOVERS ? ROOM + i : at);
		struct result r = {};

		if (lab_try(WH_HOOK_LAN_IN, &context, &p, &r) || r.verdict != VERDICT_REDIRECT ||
		    packet_tuple(&r.packet).dst == packet_tuple(&p).src) /* its client is told that it was */
			me->dropped++;
		else if (packet_tuple(&r.packet).src == lab_external(me->alive, &p))
			me->sent++;
		else
			me->strayed++;
	}
	return NULL;
}

static void play_round(struct player players[THREADS], unsigned alive)
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		players[i].alive = alive;
		assert_int_equal(pthread_create(&threads[i], NULL, play, &players[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void expect_all_answered(enum wh_family family, unsigned wan)
{
	for (unsigned i = 0; i < ROOM; i++) {
		struct packet p = flow_of(family, i);

		answer_in(&p, wan, send_out(&p, wan), 0);
	}
	lab_expect_consistent();
	assert_int_equal(lab_flows(), ROOM);
}

static void all_move(enum wh_family family)
{
	struct player players[THREADS];
	unsigned dropped = 0;

	memset(players, 0, sizeof(players));
	for (unsigned i = 0; i < THREADS; i++)
		players[i] = (struct player){.number = i, .family = family};
	expect_all_answered(family, 0);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		lab_set_alive(round % 2 ? 0x02 : 0x01);
		play_round(players, round % 2);
		expect_all_answered(family, round % 2);
	}
	for (unsigned i = 0; i < MOVERS; i++) {
		assert_int_equal(players[i].strayed, 0);
		dropped += players[i].dropped;
	}
	assert_int_equal(players[MOVERS].sent + players[MOVERS].strayed, 0);
	print_message("%u of %u dropped, %llu races, %llu found no room\n", dropped, ROUNDS * MOVERS * ROOM,
		      (unsigned long long)lab_reason(WH_REASON_RACE),
		      (unsigned long long)lab_reason(WH_REASON_TABLE_FULL));
	assert_in_range(dropped, 0, ROUNDS * MOVERS * ROOM / 10);
	lab_set_timers(0);
	for (unsigned i = 0; i < 3; i++)
		lab_sweep(WH_SWEEP_EXPIRE, 0);
	assert_int_equal(lab_flows() + lab_replies() + lab_binds() + lab_ports(), 0);
}

static void test_all_move(void **state)
{
	(void)state;
	all_move(WH_V4);
}

static void test_all_move_in_ipv6(void **state)
{
	(void)state;
	all_move(WH_V6);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_all_move),
	LAB_TEST(test_all_move_in_ipv6),
};

LAB_MAIN(tests, ROOM)
