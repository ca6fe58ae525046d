/* SPDX-License-Identifier: GPL-2.0 */
/*
 * traffic.h: the parts of the program `traffic`, which makes the benchmark's packets, swallows them behind the router
 * and counts: the lab's devices (devices.c), generator (generator.c), sinks (sinks.c), flips (failover.c),
 * the bare programs (bare.c).
 * traffic.c takes orders from lab.py.  Every function ends the program with a message if it fails.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define TRAFFIC_CPU 0 /* generator and sinks; the router has the next one */
#define ROUTER_CPU 1
/* On TRAFFIC_CPU, real-time; bed.py gives the sinks a higher one. */
#define PRIORITY_GENERATOR 1
#define PRIORITY_COUNTING 2

/* --- devices.c --------------------------------------------------------------------------------------------- */

enum part { PART_CLIENTS, PART_ROUTER, PART_INTERNET, PARTS };

struct device {
	unsigned ifindex;
	uint8_t mac[ETH_ALEN];
};

struct lab_devices {
	unsigned wans;
	struct device lan, lan0; /* the clients' and the router's end */
	struct device wan[BENCH_WANS], isp[BENCH_WANS];
};

extern struct lab_devices lab;

void check(bool good, const char *what);
void devices_open(char **netns, unsigned wans); /* 0: the namespaces only */
/* The calling thread goes there. */
void enter(enum part part);
/* A socket there, whoever asks. */
int socket_in(enum part part, int family, int type);
void pin_to(unsigned cpu);
int64_t now_ns(void);
/* One of a device's figures, as `ethtool -S` shows them. */
uint64_t device_figure(enum part part, const char *device, const char *figure);
/* The threads that poll the router's devices, by number; the processor time that they have used so far. */
void forwarders_set(const char *pids);
uint64_t forwarders_ns(void);
/* Of the router's processor so far, in ticks: all, and those without work. */
void processor(uint64_t *all, uint64_t *idle);

/* --- generator.c ------------------------------------------------------------------------------------------- */

void generator_open(void);
int generator_notes_fd(void);
int generator_came_out_fd(void);
struct bench_note *generator_notes(void); /* of both families */
/* What is to be sent: flows `first` to before `end` round and round; end 0: on for ever. */
void generator_set(int family, uint32_t endpoints, bool down, bool translated, uint32_t first, uint32_t end);
/* Send as fast as it goes, in a thread. */
void generator_start(void);
void generator_stop(void);
/* Send once what has no note yet, no faster than it comes out. */
void generator_lap(void);
uint64_t generator_sent(void);
uint64_t generator_unknown(void);
/* One packet of that flow as a client would send it. Its length. */
unsigned generator_frame(int family, uint32_t endpoints, uint32_t flow, uint8_t out[sizeof(struct bench_frame6)]);

/* --- sinks.c ----------------------------------------------------------------------------------------------- */

void sinks_open(void);
void sinks_expect(bool translated, uint32_t ttl, uint32_t endpoints);
void sinks_learn(bool on);
/* Number of a WAN, or BENCH_WANS for the clients' sink. */
volatile struct bench_sink *sink_of(unsigned wan);
/* All that came out behind the router in that direction. */
uint64_t sinks_packets(bool down);

/* --- failover.c -------------------------------------------------------------------------------------------- */

/* The packets of some of these flows in turn, one each so many ns. */
void stream_start(int family, uint32_t endpoints, const uint32_t *flows, unsigned n, int64_t period_ns);
void stream_stop(void);
/* Under a stream, in the map that is pinned there: WAN 0 works alone, then WAN 1 alone, so many times. Prints JSON. */
void flip(const char *pin, unsigned times);

/* --- bare.c ------------------------------------------------------------------------------------------------ */

/* "tc", "xdp" or "drop" at the router's LAN device, "none" takes it away; down: at its first WAN. */
void bare_attach(const char *what, bool down);
uint64_t bare_dropped(void);

#endif
