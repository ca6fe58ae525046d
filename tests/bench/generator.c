/* SPDX-License-Identifier: GPL-2.0 */
/*
 * generator.c: see traffic.h: runs generator.bpf.c, which writes the packets.  The live frames of BPF_PROG_RUN go to
 * the device by its own ndo_xdp_xmit, so that there is no socket and no skb on the sending side.
 */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "tests/bench/generator.skel.h"

#define TTL 64

static struct generator_bpf *skel;
static struct bench_generator *orders;
static pthread_t thread;
static volatile bool stopping;
static bool v6, going_down;

/* --- templates: all that is the same in each packet --------------------------------------------------------- */

static uint32_t sum_of(const void *data, size_t len)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len / 2; i++)
		sum += word[i];
	return sum;
}

#define UDP_BYTES (sizeof(struct udphdr) + sizeof(struct bench_payload))

static void fill_eth(struct ethhdr *eth, uint16_t proto)
{
	memcpy(eth->h_dest, lab.lan0.mac, ETH_ALEN);
	memcpy(eth->h_source, lab.lan.mac, ETH_ALEN);
	eth->h_proto = htons(proto);
}

/* UDP's header and what it carries, at `at`. */
static uint32_t fill_udp(void *at)
{
	struct {
		struct udphdr udp;
		struct bench_payload payload;
	} data = {.udp.len = htons(UDP_BYTES), .payload.magic = htonl(BENCH_MAGIC)};

	memcpy(at, &data, UDP_BYTES);
	return sum_of(&data, UDP_BYTES) + htons(IPPROTO_UDP) + htons(UDP_BYTES);
}

static void fill_templates(void)
{
	struct bench_frame4 *p4 = &skel->bss->template4;
	struct bench_frame6 *p6 = &skel->bss->template6;

	fill_eth(&p4->eth, ETH_P_IP);
	p4->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = TTL, .protocol = IPPROTO_UDP};
	p4->ip.tot_len = htons(sizeof(p4->ip) + UDP_BYTES);
	fill_eth(&p6->eth, ETH_P_IPV6);
	p6->ip = (struct ipv6hdr){.version = 6, .hop_limit = TTL, .nexthdr = IPPROTO_UDP};
	p6->ip.payload_len = htons(UDP_BYTES);
	skel->bss->ip_sum = sum_of(&p4->ip, sizeof(p4->ip));
	skel->bss->udp_sum4 = fill_udp((char *)p4 + offsetof(struct bench_frame4, udp));
	skel->bss->udp_sum6 = fill_udp((char *)p6 + offsetof(struct bench_frame6, udp));
}

static void fill_wans(void)
{
	char address[64];

	orders->ifindex = lab.lan.ifindex;
	for (unsigned i = 0; i < lab.wans; i++) {
		orders->wan_ifindex[i] = lab.isp[i].ifindex;
		memcpy(orders->wan_macs[i], lab.wan[i].mac, ETH_ALEN);
		memcpy(orders->wan_macs[i] + ETH_ALEN, lab.isp[i].mac, ETH_ALEN);
		snprintf(address, sizeof(address), "198.18.%u.2", i + 1);
		inet_pton(AF_INET, address, &orders->wan_address[0][i]);
		snprintf(address, sizeof(address), "2001:db8:%u::2", i + 1);
		inet_pton(AF_INET6, address, &orders->wan_address[1][i]);
	}
}

/* --- sending ------------------------------------------------------------------------------------------------ */

void generator_open(void)
{
	skel = generator_bpf__open_and_load();
	check(skel != NULL, "generator.bpf.c");
	orders = &skel->bss->generator;
	fill_templates();
	fill_wans();
}

int generator_notes_fd(void)
{
	return bpf_map__fd(skel->maps.bench_notes);
}

int generator_came_out_fd(void)
{
	return bpf_map__fd(skel->maps.bench_came_out);
}

struct bench_note *generator_notes(void)
{
	void *at = mmap(NULL, 2UL * BENCH_NOTES * 8, PROT_READ | PROT_WRITE, MAP_SHARED, generator_notes_fd(), 0);

	check(at != MAP_FAILED, "the notes");
	return at;
}

void generator_set(int family, uint32_t endpoints, bool down, bool translated, uint32_t first, uint32_t end)
{
	v6 = family == 6;
	going_down = down;
	orders->first = orders->next = first;
	orders->end = end;
	orders->endpoints = endpoints;
	orders->endpoint = first % endpoints;
	orders->destination = first / endpoints;
	orders->down = down;
	orders->translated = translated;
}

/*
 * Each call of BPF_PROG_RUN ends with an RCU grace period, some 30 ms: so there is one for all of a flood, which a
 * signal ends.
 */
static void run(void)
{
	const struct bpf_program *program = v6 ? skel->progs.generate6 : skel->progs.generate4;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = INT_MAX, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .data_in = &skel->bss->template4, .data_size_in = sizeof(struct bench_frame4));
	int err;

	if (v6) {
		opts.data_in = &skel->bss->template6;
		opts.data_size_in = sizeof(struct bench_frame6);
	}
	err = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	check(!err || errno == EINTR, "BPF_PROG_RUN");
}

static void *flood(void *arg)
{
	(void)arg;
	pin_to(TRAFFIC_CPU);
	check(!sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = PRIORITY_GENERATOR}),
	      "priority");
	enter(going_down ? PART_INTERNET : PART_CLIENTS);
	while (!stopping)
		run();
	return NULL;
}

static void wake(int number)
{
	(void)number;
}

void generator_start(void)
{
	struct sigaction action = {.sa_handler = wake};

	sigaction(SIGUSR1, &action, NULL);
	stopping = false;
	check(!pthread_create(&thread, NULL, flood, NULL), "thread");
}

/* Again and again, in case it is not yet in the call or just between two. */
void generator_stop(void)
{
	struct timespec until;

	stopping = true;
	do {
		pthread_kill(thread, SIGUSR1);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 20 * NS_PER_MS;
		if (until.tv_nsec >= NS_PER_S) {
			until.tv_sec++;
			until.tv_nsec -= NS_PER_S;
		}
	} while (pthread_timedjoin_np(thread, NULL, &until));
}

void generator_lap(void)
{
	const struct timespec ms = {.tv_nsec = NS_PER_MS};
	volatile __u32 *over = &orders->over;
	uint64_t zero = 0;
	__u32 row = 0;

	check(!bpf_map_update_elem(generator_came_out_fd(), &row, &zero, 0), "bench_came_out");
	orders->sent = orders->came_out = orders->given_up = 0;
	orders->under_way_until_ns = (uint64_t)now_ns() + BENCH_GIVE_UP_NS;
	orders->over = 0;
	orders->slowly = 1;
	generator_start();
	while (!*over)
		nanosleep(&ms, NULL);
	nanosleep(&ms, NULL);
	generator_stop();
	orders->slowly = 0;
}

uint64_t generator_sent(void)
{
	return __atomic_load_n(&orders->sent, __ATOMIC_RELAXED);
}

uint64_t generator_unknown(void)
{
	return __atomic_load_n(&orders->unknown, __ATOMIC_RELAXED);
}

/* --- one packet --------------------------------------------------------------------------------------------- */

static unsigned frame4(uint32_t endpoints, uint32_t flow, struct bench_frame4 *p)
{
	uint32_t addresses;

	*p = skel->bss->template4;
	p->ip.saddr = htonl(bench_client4(flow % endpoints));
	p->ip.daddr = htonl(bench_remote4(flow / endpoints));
	addresses = bench_sum32(p->ip.saddr) + bench_sum32(p->ip.daddr);
	p->ip.check = (uint16_t)~bench_fold(skel->bss->ip_sum + addresses);
	p->udp.source = bench_sport_be(flow % endpoints);
	p->udp.dest = htons(BENCH_DPORT);
	p->payload.flow = flow;
	p->udp.check = (uint16_t)~bench_fold(skel->bss->udp_sum4 + addresses + p->udp.source + p->udp.dest +
					     bench_sum32(flow));
	return sizeof(*p);
}

static unsigned frame6(uint32_t endpoints, uint32_t flow, struct bench_frame6 *p)
{
	struct bench_address src, dst;

	*p = skel->bss->template6;
	bench_client6(&src, flow % endpoints);
	bench_remote6(&dst, flow / endpoints);
	memcpy(&p->ip.saddr, &src, sizeof(src));
	memcpy(&p->ip.daddr, &dst, sizeof(dst));
	p->udp.source = bench_sport_be(flow % endpoints);
	p->udp.dest = htons(BENCH_DPORT);
	p->payload.flow = flow;
	p->udp.check = (uint16_t)~bench_fold(skel->bss->udp_sum6 + bench_sum_address(&src) + bench_sum_address(&dst) +
					     p->udp.source + p->udp.dest + bench_sum32(flow));
	return sizeof(*p);
}

unsigned generator_frame(int family, uint32_t endpoints, uint32_t flow, uint8_t out[sizeof(struct bench_frame6)])
{
	if (family == 6)
		return frame6(endpoints, flow, (struct bench_frame6 *)out);
	return frame4(endpoints, flow, (struct bench_frame4 *)out);
}
