/* SPDX-License-Identifier: GPL-2.0 */
/* sinks.c: see traffic.h: a copy of sink.bpf.c on each provider's device and on the clients' device. */
#include "traffic.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "tests/bench/sink.skel.h"

#define SINKS (BENCH_WANS + 1)

static struct sink_bpf *skels[SINKS];

/* All sinks share the generator's maps. */
static struct sink_bpf *load(void)
{
	struct sink_bpf *skel = sink_bpf__open();

	check(skel && !bpf_map__reuse_fd(skel->maps.bench_notes, generator_notes_fd()) &&
		      !bpf_map__reuse_fd(skel->maps.bench_came_out, generator_came_out_fd()) && !sink_bpf__load(skel),
	      "sink.bpf.c");
	return skel;
}

static void place(struct sink_bpf *skel, enum part part, unsigned ifindex)
{
	enter(part);
	check(!bpf_xdp_attach((int)ifindex, bpf_program__fd(skel->progs.swallow), XDP_FLAGS_DRV_MODE, NULL),
	      "the sink on its device");
}

void sinks_open(void)
{
	char address[64];

	for (unsigned i = 0; i < lab.wans; i++) {
		struct sink_bpf *skel = skels[i] = load();

		skel->bss->sink.wan = i;
		skel->bss->sink.cpu = TRAFFIC_CPU;
		snprintf(address, sizeof(address), "198.18.%u.2", i + 1);
		inet_pton(AF_INET, address, &skel->bss->sink.wan_address[0]);
		snprintf(address, sizeof(address), "2001:db8:%u::2", i + 1);
		inet_pton(AF_INET6, address, &skel->bss->sink.wan_address[1]);
		place(skel, PART_INTERNET, lab.isp[i].ifindex);
	}
	skels[BENCH_WANS] = load();
	skels[BENCH_WANS]->bss->sink.down = 1;
	skels[BENCH_WANS]->bss->sink.cpu = TRAFFIC_CPU;
	place(skels[BENCH_WANS], PART_CLIENTS, lab.lan.ifindex);
}

volatile struct bench_sink *sink_of(unsigned wan)
{
	return skels[wan] ? &skels[wan]->bss->sink : NULL;
}

void sinks_expect(bool translated, uint32_t ttl, uint32_t endpoints)
{
	for (unsigned i = 0; i < SINKS; i++) {
		volatile struct bench_sink *sink = sink_of(i);

		if (!sink)
			continue;
		sink->translated = translated;
		sink->ttl = ttl;
		sink->endpoints = endpoints;
	}
}

void sinks_learn(bool on)
{
	for (unsigned i = 0; i < lab.wans; i++)
		sink_of(i)->learn = on;
}

uint64_t sinks_packets(bool down)
{
	uint64_t n = 0;

	if (down)
		return sink_of(BENCH_WANS)->packets;
	for (unsigned i = 0; i < lab.wans; i++)
		n += sink_of(i)->packets;
	return n;
}
