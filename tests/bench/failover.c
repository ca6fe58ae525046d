/* SPDX-License-Identifier: GPL-2.0 */
/*
 * failover.c: see traffic.h: a steady stream of a few flows' packets, and the flip as the controller does it: one store
 * to the memory-mapped map wh_steer.
 */
#include "traffic.h"

#include <net/if.h>
#include <netpacket/packet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <wanhelm/steer.h>

#define STREAM_FLOWS 10
#define FLIP_LIMIT_NS (5 * NS_PER_S)

static struct stream {
	pthread_t thread;
	volatile bool stopping;
	bool running;
	int64_t period_ns;
	unsigned frames, len;
	uint8_t frame[STREAM_FLOWS][sizeof(struct bench_frame6)];
} stream;

static void sleep_until(int64_t at_ns)
{
	struct timespec t = {.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *run_stream(void *arg)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = ETH_ALEN, .sll_ifindex = (int)lab.lan.ifindex};
	int fd = socket_in(PART_CLIENTS, AF_PACKET, SOCK_RAW), one = 1;
	int64_t at_ns = now_ns();

	(void)arg;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	prctl(PR_SET_TIMERSLACK, 1);
	for (unsigned i = 0; !stream.stopping; i = (i + 1) % stream.frames) {
		sendto(fd, stream.frame[i], stream.len, 0, (struct sockaddr *)&to, sizeof(to));
		at_ns += stream.period_ns;
		if (at_ns < now_ns())
			at_ns = now_ns();
		sleep_until(at_ns);
	}
	close(fd);
	return NULL;
}

void stream_start(int family, uint32_t endpoints, const uint32_t *flows, unsigned n, int64_t period_ns)
{
	check(n && !stream.running, "a stream of no flows, or a second one");
	stream.frames = n < STREAM_FLOWS ? n : STREAM_FLOWS;
	for (unsigned i = 0; i < stream.frames; i++)
		stream.len = generator_frame(family, endpoints, flows[i], stream.frame[i]);
	stream.period_ns = period_ns;
	stream.stopping = false;
	stream.running = true;
	check(!pthread_create(&stream.thread, NULL, run_stream, NULL), "thread");
}

void stream_stop(void)
{
	if (!stream.running)
		return;
	stream.stopping = true;
	pthread_join(stream.thread, NULL);
	stream.running = false;
}

/* --- the flip ----------------------------------------------------------------------------------------------- */

/* The last row of wh_steer. */
static struct wh_steer *map_global(const char *pin)
{
	int fd = bpf_obj_get(pin);
	struct wh_steer *rows;

	check(fd >= 0, pin);
	rows = mmap(NULL, sizeof(*rows) * WH_STEER_ROWS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(rows != MAP_FAILED, pin);
	close(fd);
	return &rows[WH_STEER_GLOBAL];
}

/* From the store until a packet has come out by the WAN, ns; -1: none did. */
static int64_t flip_to(struct wh_steer *global, unsigned wan)
{
	volatile struct bench_sink *sink = sink_of(wan);
	const union wh_alive alive = {.alive4 = (uint8_t)(1U << wan), .alive6 = (uint8_t)(1U << wan)};
	int64_t stored_ns;

	sink->first_ns = 0;
	sink->watch = 1;
	stored_ns = now_ns();
	__atomic_store_n(&global->alive.word, alive.word, __ATOMIC_RELEASE);
	while (!sink->first_ns && now_ns() < stored_ns + FLIP_LIMIT_NS)
		sleep_until(now_ns() + NS_PER_MS / 20);
	sink->watch = 0;
	return sink->first_ns ? (int64_t)sink->first_ns - stored_ns : -1;
}

void flip(const char *pin, unsigned times)
{
	struct wh_steer *global = map_global(pin);
	const uint64_t before = global->alive.word;

	flip_to(global, 0); /* all flows to one WAN; not counted */
	printf("{\"ns\": [");
	for (unsigned i = 0; i < times; i++) {
		sleep_until(now_ns() + 3 * NS_PER_MS + random() % (2 * NS_PER_MS));
		printf("%s%lld", i ? ", " : "", (long long)flip_to(global, !(i & 1)));
	}
	printf("]}\n");
	__atomic_store_n(&global->alive.word, before, __ATOMIC_RELEASE);
	munmap(global - WH_STEER_GLOBAL, sizeof(*global) * WH_STEER_ROWS);
}
