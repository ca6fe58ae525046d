/* SPDX-License-Identifier: GPL-2.0 */
/*
 * traffic.c: makes and swallows the benchmark's packets, at lab.py's orders.
 *
 *   traffic CLIENTS-NS ROUTER-NS INTERNET-NS WANS
 *
 * reads orders from its standard input, one a line, and answers each with one line of JSON:
 *
 *   bare tc|xdp|drop|none up|down   a bare program at the router
 *   expect TRANSLATED TTL           whether sources (up) are the WANs', and the TTL that packets arrive with
 *   shape FAMILY ENDPOINTS          what packets are sent from now on
 *   forwarders PID...               the threads that do the router's work
 *   forget                          no flow's translation is known any more
 *   lap FIRST END                   each of these flows' packets once, no faster than they come out; those that did
 *                                   not are sent again, a few times; answers how many never came out
 *   stream PERIOD-NS                in the background, packets of some known flows that are on the first WAN; 0: stop
 *   watch WAN                       note the next packet that comes out by it with its own source
 *   first WAN                       when that was, CLOCK_MONOTONIC, or 0
 *   flip STEER-PIN TIMES            as the controller does it; answers ns from each flip to the first packet
 *   flood up|down FIRST END SETTLE-MS MS
 *                                   as fast as it goes, round and round (END 0: always new flows); answers what
 *                                   happened in the MS after SETTLE-MS
 */
#include "traffic.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LAPS 10

static int family = 4;
static uint32_t endpoints = 1, ttl = 63;
static bool translated;
static struct bench_note *notes;

static void sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};

	nanosleep(&t, NULL);
}

static void done(void)
{
	printf("{}\n");
}

/* --- laps --------------------------------------------------------------------------------------------------- */

static struct bench_note *note_of(uint32_t flow)
{
	return notes + (family == 6 ? BENCH_NOTES : 0) + flow;
}

static uint32_t missing(uint32_t first, uint32_t end)
{
	uint32_t n = 0;

	for (uint32_t flow = first; flow < end; flow++)
		n += !__atomic_load_n(&note_of(flow)->known, __ATOMIC_RELAXED);
	return n;
}

static void lap(uint32_t first, uint32_t end)
{
	int64_t start_ns = now_ns();

	sinks_learn(true);
	for (int i = 0; i < LAPS && missing(first, end); i++) {
		generator_set(family, endpoints, false, translated, first, end);
		generator_lap();
	}
	sinks_learn(false);
	printf("{\"missing\": %u, \"ns\": %lld}\n", missing(first, end), (long long)(now_ns() - start_ns));
}

/* --- floods ------------------------------------------------------------------------------------------------- */

struct counts {
	int64_t at_ns;
	uint64_t sent, unknown, refused, lost, packets[BENCH_WANS + 1], dropped, cpu_ns, all, idle;
	struct bench_sink close;
};

static void add_close(struct bench_sink *sum, const volatile struct bench_sink *sink)
{
	sum->checked += sink->checked;
	sum->wrong_source += sink->wrong_source;
	sum->wrong_destination += sink->wrong_destination;
	sum->wrong_ttl += sink->wrong_ttl;
	sum->wrong_sum += sink->wrong_sum;
	sum->wrong_cpu += sink->wrong_cpu;
}

/* What the generator's device could not put into the router's ring, and the router's not into the sinks'. */
static void count_lost(bool down, struct counts *c)
{
	static const char errors[] = "tx_queue_0_xdp_xmit_errors";
	char name[16];

	for (unsigned i = 0; i < lab.wans; i++) {
		snprintf(name, sizeof(name), "%s%u", down ? "isp" : "wan", i + 1);
		*(down ? &c->refused : &c->lost) += device_figure(down ? PART_INTERNET : PART_ROUTER, name, errors);
	}
	*(down ? &c->lost : &c->refused) +=
		device_figure(down ? PART_ROUTER : PART_CLIENTS, down ? "lan0" : "lan", errors);
}

/* What takes long comes first, for it may wait for locks; then all that a rate is made of, at one moment. */
static struct counts count(bool down)
{
	struct counts c = {0};

	for (unsigned i = 0; i <= BENCH_WANS; i++)
		if (sink_of(i))
			add_close(&c.close, sink_of(i));
	processor(&c.all, &c.idle);
	count_lost(down, &c);
	c.sent = generator_sent();
	c.unknown = generator_unknown();
	c.cpu_ns = forwarders_ns();
	c.at_ns = now_ns();
	c.dropped = bare_dropped();
	for (unsigned i = 0; i <= BENCH_WANS; i++)
		c.packets[i] = sink_of(i) && (i == BENCH_WANS) == down ? sink_of(i)->packets : 0;
	return c;
}

static void print_close(const struct bench_sink *a, const struct bench_sink *b)
{
	printf("\"checked\": %llu, \"wrong\": {\"source\": %llu, \"destination\": %llu, \"ttl\": %llu, "
	       "\"checksum\": %llu, \"processor\": %llu}",
	       b->checked - a->checked, b->wrong_source - a->wrong_source, b->wrong_destination - a->wrong_destination,
	       b->wrong_ttl - a->wrong_ttl, b->wrong_sum - a->wrong_sum, b->wrong_cpu - a->wrong_cpu);
}

static void print_counts(const struct counts *a, const struct counts *b)
{
	uint64_t out = 0;

	printf("{\"ns\": %lld, \"sent\": %lu, \"refused\": %lu, \"lost\": %lu, \"unknown\": %lu, \"dropped\": %lu, ",
	       (long long)(b->at_ns - a->at_ns), b->sent - a->sent, b->refused - a->refused, b->lost - a->lost,
	       b->unknown - a->unknown, b->dropped - a->dropped);
	printf("\"by_wan\": [");
	for (unsigned i = 0; i <= BENCH_WANS; i++) {
		printf("%s%lu", i ? ", " : "", b->packets[i] - a->packets[i]);
		out += b->packets[i] - a->packets[i];
	}
	printf("], \"out\": %lu, \"cpu_ns\": %lu, \"idle\": %.3f, ", out, b->cpu_ns - a->cpu_ns,
	       b->all > a->all ? (double)(b->idle - a->idle) / (double)(b->all - a->all) : 0.0);
	print_close(&a->close, &b->close);
	printf("}\n");
}

static void flood(bool down, uint32_t first, uint32_t end, unsigned settle_ms, unsigned ms)
{
	struct counts before, after;

	generator_set(family, endpoints, down, translated, first, end);
	generator_start();
	sleep_ms(settle_ms);
	before = count(down);
	sleep_ms(ms);
	after = count(down);
	generator_stop();
	print_counts(&before, &after);
}

/* --- streams ------------------------------------------------------------------------------------------------ */

static void start_stream(int64_t period_ns)
{
	uint32_t flows[16];
	unsigned n = 0;

	stream_stop();
	if (!period_ns)
		return;
	for (uint32_t flow = 0; flow < BENCH_NOTES && n < 16; flow++)
		if (note_of(flow)->known && note_of(flow)->wan == 0)
			flows[n++] = flow;
	stream_start(family, endpoints, flows, n, period_ns);
}

/* --- orders ------------------------------------------------------------------------------------------------- */

/* Whether it was one about streams. */
static bool obey_stream(const char *line)
{
	char pin[128];
	unsigned a;

	if (sscanf(line, "stream %u", &a) == 1) {
		start_stream(a);
		done();
	} else if (sscanf(line, "watch %u", &a) == 1) {
		sink_of(a)->first_ns = 0;
		sink_of(a)->watch = 1;
		done();
	} else if (sscanf(line, "first %u", &a) == 1) {
		printf("{\"first_ns\": %llu}\n", sink_of(a)->first_ns);
		sink_of(a)->watch = !sink_of(a)->first_ns;
	} else if (sscanf(line, "flip %127s %u", pin, &a) == 2) {
		flip(pin, a);
	} else {
		return false;
	}
	return true;
}

static void obey(const char *line)
{
	char word[16], way[16];
	unsigned a, b, c, d;

	if (obey_stream(line))
		return;
	if (sscanf(line, "bare %15s %15s", word, way) == 2) {
		bare_attach(word, !strcmp(way, "down"));
		done();
	} else if (sscanf(line, "expect %u %u", &a, &b) == 2) {
		translated = a;
		ttl = b;
		sinks_expect(translated, ttl, endpoints);
		done();
	} else if (sscanf(line, "shape %u %u", &a, &b) == 2) {
		family = (int)a;
		endpoints = b;
		sinks_expect(translated, ttl, endpoints);
		done();
	} else if (!strncmp(line, "forwarders ", 11)) {
		forwarders_set(line + 11);
		done();
	} else if (!strncmp(line, "forget", 6)) {
		memset(notes, 0, 2 * BENCH_NOTES * sizeof(*notes));
		done();
	} else if (sscanf(line, "lap %u %u", &a, &b) == 2) {
		lap(a, b);
	} else if (sscanf(line, "flood %15s %u %u %u %u", way, &a, &b, &c, &d) == 5) {
		flood(!strcmp(way, "down"), a, b, c, d);
	} else {
		fprintf(stderr, "traffic: what is meant by: %s", line);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	char line[256];

	check(argc == 5, "see the head of traffic.c");
	pin_to(TRAFFIC_CPU);
	check(!sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = PRIORITY_COUNTING}),
	      "priority");
	devices_open(argv + 1, (unsigned)atoi(argv[4]));
	generator_open();
	notes = generator_notes();
	sinks_open();
	setvbuf(stdout, NULL, _IOLBF, 0);
	done();
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
