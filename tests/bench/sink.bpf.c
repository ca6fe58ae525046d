/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sink.bpf.c: stands behind the router, on each provider's device (or on the clients', for answers).  It counts the
 * benchmark's packets and drops them, looks closely at some, and notes how flows were translated.  All else (ARP,
 * probes) it lets by.  One copy is loaded a device.
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

struct bench_sink sink;

/* --- looking closely: what it carries, and who it is ------------------------------------------------------- */

struct seen {
	__u32 v6, flow, ttl;
	struct bench_address src, dst;
	__be16 sport_be, dport_be;
	__u32 sums_right;
};

static __always_inline __u32 sum_words(const void *from, __u32 bytes)
{
	const __u16 *word = from;
	__u32 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < bytes / 2; i++)
		sum += word[i];
	return sum;
}

#define UDP_BYTES (sizeof(struct udphdr) + sizeof(struct bench_payload))
#define PSEUDO (__builtin_bswap16(IPPROTO_UDP) + __builtin_bswap16(UDP_BYTES))

static __always_inline void read4(const struct bench_frame4 *p, struct seen *s)
{
	s->flow = p->payload.flow;
	s->ttl = p->ip.ttl;
	s->src.word_be[0] = p->ip.saddr;
	s->dst.word_be[0] = p->ip.daddr;
	s->sport_be = p->udp.source;
	s->dport_be = p->udp.dest;
	s->sums_right = bench_fold(sum_words(&p->ip, sizeof(p->ip))) == 0xffff && p->udp.check &&
			bench_fold(PSEUDO + sum_words(&p->ip.saddr, 8) + sum_words(&p->udp, UDP_BYTES)) == 0xffff;
}

static __always_inline void read6(const struct bench_frame6 *p, struct seen *s)
{
	s->v6 = 1;
	s->flow = p->payload.flow;
	s->ttl = p->ip.hop_limit;
	__builtin_memcpy(&s->src, &p->ip.saddr, sizeof(s->src));
	__builtin_memcpy(&s->dst, &p->ip.daddr, sizeof(s->dst));
	s->sport_be = p->udp.source;
	s->dport_be = p->udp.dest;
	s->sums_right = p->udp.check &&
			bench_fold(PSEUDO + sum_words(&p->ip.saddr, 32) + sum_words(&p->udp, UDP_BYTES)) == 0xffff;
}

static __always_inline int same(const struct bench_address *a, const struct bench_address *b)
{
	return a->word_be[0] == b->word_be[0] && a->word_be[1] == b->word_be[1] && a->word_be[2] == b->word_be[2] &&
	       a->word_be[3] == b->word_be[3];
}

static __always_inline void inside_of(const struct seen *s, struct bench_address *out)
{
	__u32 endpoint = sink.endpoints ? s->flow % sink.endpoints : 0;

	if (s->v6)
		bench_client6(out, endpoint);
	else
		out->word_be[0] = __builtin_bswap32(bench_client4(endpoint));
}

static __always_inline void outside_of(const struct seen *s, struct bench_address *out)
{
	__u32 destination = sink.endpoints ? s->flow / sink.endpoints : 0;

	if (s->v6)
		bench_remote6(out, destination);
	else
		out->word_be[0] = __builtin_bswap32(bench_remote4(destination));
}

static __always_inline __be16 own_port(const struct seen *s)
{
	return bench_sport_be(sink.endpoints ? s->flow % sink.endpoints : 0);
}

/* A translated flow keeps its external port: the one that was noted. */
static __always_inline int port_as_noted(const struct seen *s)
{
	__u32 row = (s->flow & (BENCH_NOTES - 1)) + s->v6 * BENCH_NOTES;
	struct bench_note *note = bpf_map_lookup_elem(&bench_notes, &row);

	return s->flow >= BENCH_NOTES || !note || !note->known || note->wan != sink.wan || note->port_be == s->sport_be;
}

static __always_inline void check_up(const struct seen *s)
{
	struct bench_address inside = {}, outside = {};

	inside_of(s, &inside);
	outside_of(s, &outside);
	if (!same(&s->src, sink.translated ? &sink.wan_address[s->v6] : &inside) ||
	    (sink.translated ? !port_as_noted(s) : s->sport_be != own_port(s)))
		sink.wrong_source++;
	if (!same(&s->dst, &outside) || s->dport_be != __builtin_bswap16(BENCH_DPORT))
		sink.wrong_destination++;
}

static __always_inline void check_down(const struct seen *s)
{
	struct bench_address inside = {}, outside = {};

	inside_of(s, &inside);
	outside_of(s, &outside);
	if (!same(&s->src, &outside) || s->sport_be != __builtin_bswap16(BENCH_DPORT))
		sink.wrong_source++;
	if (!same(&s->dst, &inside) || s->dport_be != own_port(s))
		sink.wrong_destination++;
}

static __always_inline void check(const struct seen *s)
{
	sink.checked++;
	if (sink.watch && !sink.first_ns && same(&s->src, &sink.wan_address[s->v6]))
		sink.first_ns = bpf_ktime_get_ns();
	if (sink.down)
		check_down(s);
	else
		check_up(s);
	if (s->ttl != sink.ttl)
		sink.wrong_ttl++;
	if (!s->sums_right)
		sink.wrong_sum++;
	if (bpf_get_smp_processor_id() != sink.cpu)
		sink.wrong_cpu++;
}

/* --- counting ---------------------------------------------------------------------------------------------- */

static __always_inline void note_flow(__u32 flow, __u32 v6, __be16 port_be)
{
	__u32 row = (flow & (BENCH_NOTES - 1)) + v6 * BENCH_NOTES;
	struct bench_note *note = bpf_map_lookup_elem(&bench_notes, &row);

	if (note && flow < BENCH_NOTES)
		*note = (struct bench_note){.port_be = port_be, .wan = (__u8)sink.wan, .known = 1};
}

static __always_inline void learn(__u32 flow, __u32 v6, __be16 port_be)
{
	__u32 row = 0;
	__u64 *came_out = bpf_map_lookup_elem(&bench_came_out, &row);

	if (came_out)
		(*came_out)++;
	note_flow(flow, v6, port_be);
}

/* Whether to look closely at it. */
static __always_inline int count(__u32 flow, __u32 v6, __be16 port_be)
{
	if (sink.learn)
		learn(flow, v6, port_be);
	if (sink.watch)
		return ++sink.packets != 0;
	return (++sink.packets & (BENCH_CHECK_EVERY - 1)) == 0;
}

SEC("xdp")
int swallow(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct bench_frame4 *p4 = data;
	struct bench_frame6 *p6 = data;
	struct seen s = {};

	if ((void *)(p4 + 1) > end)
		return XDP_PASS;
	if (p4->eth.h_proto == __builtin_bswap16(ETH_P_IP) && p4->payload.magic == __builtin_bswap32(BENCH_MAGIC)) {
		if (!count(p4->payload.flow, 0, p4->udp.source))
			return XDP_DROP;
		read4(p4, &s);
		check(&s);
		return XDP_DROP;
	}
	if (p4->eth.h_proto != __builtin_bswap16(ETH_P_IPV6) || (void *)(p6 + 1) > end ||
	    p6->payload.magic != __builtin_bswap32(BENCH_MAGIC))
		return XDP_PASS;
	if (!count(p6->payload.flow, 1, p6->udp.source))
		return XDP_DROP;
	read6(p6, &s);
	check(&s);
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
