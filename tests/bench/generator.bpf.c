/* SPDX-License-Identifier: GPL-2.0 */
/*
 * generator.bpf.c: run by BPF_PROG_RUN with live frames, it makes of each frame the next flow's packet and redirects
 * it to a device.  The kernel uses the same pages again and again, as the router left them: so every byte is written
 * each time.  The templates come from traffic.c, with the sums of what is the same in every packet.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "frames.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * BENCH_NOTES);
	__type(key, __u32);
	__type(value, struct bench_note);
} bench_notes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} bench_came_out SEC(".maps");

struct bench_generator generator;
struct bench_frame4 template4;
struct bench_frame6 template6;
/* Of the IP header and of UDP with its pseudo-header, without addresses, client's port and flow number. */
__u32 ip_sum, udp_sum4, udp_sum6;

struct flow {
	__u32 number, endpoint, destination, wan;
	struct bench_address src, dst;
	__be16 sport_be, dport_be;
};

/* The flow whose turn it is. */
static __always_inline void take(struct flow *f)
{
	f->number = generator.next++;
	f->endpoint = generator.endpoint++;
	f->destination = generator.destination;
	if (generator.endpoint >= generator.endpoints) {
		generator.endpoint = 0;
		generator.destination++;
	}
	if (generator.end && generator.next >= generator.end) {
		generator.next = generator.first;
		generator.endpoint = generator.first % generator.endpoints;
		generator.destination = generator.first / generator.endpoints;
	}
}

static __always_inline void inside_end(const struct flow *f, struct bench_address *a, __u32 v6)
{
	if (v6)
		bench_client6(a, f->endpoint);
	else
		a->word_be[0] = __builtin_bswap32(bench_client4(f->endpoint));
}

static __always_inline void outside_end(const struct flow *f, struct bench_address *a, __u32 v6)
{
	if (v6)
		bench_remote6(a, f->destination);
	else
		a->word_be[0] = __builtin_bswap32(bench_remote4(f->destination));
}

static __always_inline void address_up(struct flow *f, __u32 v6)
{
	inside_end(f, &f->src, v6);
	outside_end(f, &f->dst, v6);
	f->sport_be = bench_sport_be(f->endpoint);
	f->dport_be = __builtin_bswap16(BENCH_DPORT);
}

static __always_inline int address_down(struct flow *f, __u32 v6)
{
	__u32 row = f->number + v6 * BENCH_NOTES;
	struct bench_note *note = bpf_map_lookup_elem(&bench_notes, &row);

	if (!note || !note->known) {
		generator.unknown++;
		return -1;
	}
	f->wan = note->wan & (BENCH_WANS - 1);
	outside_end(f, &f->src, v6);
	f->sport_be = __builtin_bswap16(BENCH_DPORT);
	f->dport_be = note->port_be;
	if (generator.translated)
		f->dst = generator.wan_address[v6][f->wan];
	else
		inside_end(f, &f->dst, v6);
	return 0;
}

/* Slowly: whether another packet may be on its way.  Sinks count on the same processor. */
static __always_inline int may_send(void)
{
	__u64 *came_out, now_ns;
	__u32 row = 0;

	if (generator.over)
		return 0;
	came_out = bpf_map_lookup_elem(&bench_came_out, &row);
	if (!came_out)
		return 0;
	if (generator.sent - generator.given_up - *came_out < BENCH_WINDOW)
		return 1;
	now_ns = bpf_ktime_get_ns();
	if (*came_out != generator.came_out) {
		generator.came_out = *came_out;
		generator.under_way_until_ns = now_ns + BENCH_GIVE_UP_NS;
	} else if (now_ns > generator.under_way_until_ns) {
		generator.given_up = generator.sent - *came_out;
	}
	return 0;
}

static __always_inline int is_noted(const struct flow *f, __u32 v6)
{
	__u32 row = f->number + v6 * BENCH_NOTES;
	struct bench_note *note = bpf_map_lookup_elem(&bench_notes, &row);

	return f->number < BENCH_NOTES && note && note->known;
}

static __always_inline int address(struct flow *f, __u32 v6)
{
	if (generator.slowly && !may_send())
		return -1;
	take(f);
	if (generator.down)
		return address_down(f, v6);
	if (generator.slowly) {
		generator.over = generator.next == generator.first;
		if (is_noted(f, v6))
			return -1;
	}
	address_up(f, v6);
	return 0;
}

/* Whichever way: by the device, with the MACs that belong there. */
static __always_inline int send(const struct flow *f, struct ethhdr *eth)
{
	__u32 wan = f->wan & (BENCH_WANS - 1);

	generator.sent++;
	if (!generator.down)
		return bpf_redirect(generator.ifindex, 0);
	__builtin_memcpy(eth, generator.wan_macs[wan], 2 * ETH_ALEN);
	return bpf_redirect(generator.wan_ifindex[wan], 0);
}

static __always_inline __u32 varying(const struct flow *f)
{
	return bench_sum32(f->number) + f->sport_be + f->dport_be;
}

SEC("xdp")
int generate4(struct xdp_md *ctx)
{
	struct bench_frame4 *p = (void *)(long)ctx->data;
	struct flow f = {};
	__u32 addresses;

	if ((void *)(p + 1) > (void *)(long)ctx->data_end || address(&f, 0))
		return XDP_DROP;
	addresses = bench_sum32(f.src.word_be[0]) + bench_sum32(f.dst.word_be[0]);
	*p = template4;
	p->ip.saddr = f.src.word_be[0];
	p->ip.daddr = f.dst.word_be[0];
	p->ip.check = (__u16)~bench_fold(ip_sum + addresses);
	p->udp.source = f.sport_be;
	p->udp.dest = f.dport_be;
	p->payload.flow = f.number;
	p->udp.check = (__u16)~bench_fold(udp_sum4 + addresses + varying(&f));
	if (!p->udp.check)
		p->udp.check = 0xffff;
	return send(&f, &p->eth);
}

SEC("xdp")
int generate6(struct xdp_md *ctx)
{
	struct bench_frame6 *p = (void *)(long)ctx->data;
	struct flow f = {};
	__u32 addresses;

	if ((void *)(p + 1) > (void *)(long)ctx->data_end || address(&f, 1))
		return XDP_DROP;
	addresses = bench_sum_address(&f.src) + bench_sum_address(&f.dst);
	*p = template6;
	__builtin_memcpy(&p->ip.saddr, &f.src, sizeof(f.src));
	__builtin_memcpy(&p->ip.daddr, &f.dst, sizeof(f.dst));
	p->udp.source = f.sport_be;
	p->udp.dest = f.dport_be;
	p->payload.flow = f.number;
	p->udp.check = (__u16)~bench_fold(udp_sum6 + addresses + varying(&f));
	if (!p->udp.check)
		p->udp.check = 0xffff;
	return send(&f, &p->eth);
}

char LICENSE[] SEC("license") = "GPL";
