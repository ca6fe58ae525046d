/* SPDX-License-Identifier: GPL-2.0 */
/*
 * select.h: which WAN.  Masks say what may be used now, a class's bucket table in which order.
 */
#ifndef WH_BPF_SELECT_H
#define WH_BPF_SELECT_H

#include "source.h"

static __always_inline struct wh_wan *wan_row(__u32 number)
{
	return number < WH_MAX_WANS ? bpf_map_lookup_elem(&wh_wans, &number) : NULL;
}

/* The words that concern all classes. */
static __always_inline struct wh_steer *steer_global(void)
{
	__u32 global = WH_STEER_GLOBAL;

	return bpf_map_lookup_elem(&wh_steer, &global);
}

/* The verdict of the masks on one class, read once a packet: a flip falls between packets, never within one. */
struct choice {
	__u8 keep;    /* alive or waited for, and may keep what is on it */
	__u8 stay;    /* those of them where no flow needs a second look */
	__u8 home;    /* those of them where an endpoint's further flows may follow the others */
	__u8 fresh;   /* alive, and may take new flows */
	__u8 resort;  /* may take new flows where nothing alive may, alive or not */
	__u16 policy; /* low bits of the generation of classes and match lines */
};

static __always_inline int choice_in(const struct wh_steer *all, __u32 class, struct choice *out)
{
	const struct wh_steer *own = bpf_map_lookup_elem(&wh_steer, &class);
	union wh_alive alive;
	union wh_masks masks;

	if (!all || !own)
		return -WH_REASON_NO_WAN;
	alive.word = *(const volatile __u64 *)&all->alive.word;
	masks.word = *(const volatile __u64 *)&own->masks.word;
	out->policy = *(const volatile __u32 *)&all->policy;
#if WH_FAMILY == 4
	out->keep = (alive.alive4 | masks.held4) & masks.keep4;
	out->stay = out->keep & ~masks.leave4;
	out->home = out->stay & alive.alive4;
	out->fresh = alive.alive4 & masks.fresh4;
	out->resort = masks.fresh4;
#else
	out->keep = (alive.alive6 | masks.held6) & masks.keep6;
	out->stay = out->keep & ~masks.leave6;
	out->home = out->stay & alive.alive6;
	out->fresh = alive.alive6 & masks.fresh6;
	out->resort = masks.fresh6;
#endif
	return 0;
}

static __always_inline int choice_of(__u32 class, struct choice *out)
{
	return choice_in(steer_global(), class, out);
}

static __always_inline __u32 mix32(__u32 h, __u32 word)
{
	h ^= word;
	h *= 0x85ebca6bU;
	h ^= h >> 13;
	h *= 0xc2b2ae35U;
	return h ^ (h >> 16);
}

static __always_inline __u32 mix_addr(__u32 h, const addr_t *addr)
{
#pragma unroll
	for (unsigned i = 0; i < ADDR_WORDS; i++)
		h = mix32(h, addr_words(addr)[i]);
	return h;
}

/* What stays together on one WAN is hashed: the class's affinity says what that is. */
static __always_inline __u32 bucket_of(const struct packet *p, __u8 affinity)
{
	__u32 h = mix_addr(0x9e3779b9U, &p->src_be);

	if (affinity != WH_AFFINITY_SRC)
		h = mix_addr(h, &p->dst_be);
	if (affinity == WH_AFFINITY_FLOW)
		h = mix32(mix32(h, (__u32)p->sport_be << 16 | p->dport_be), p->proto);
	return h % WH_BUCKETS;
}

/* The bucket's order of preference, or 0: none. */
static __always_inline __u32 order_of(__u32 class, __u32 bucket)
{
	struct wh_bucket_table *table;
	__u32 zero = 0;
	void *set;

	set = bpf_map_lookup_elem(&wh_buckets, &zero);
	if (!set)
		return 0;
	table = bpf_map_lookup_elem(set, &class);
	return table ? table->order[bucket % WH_BUCKETS] : 0;
}

/* The first WAN of the order whose bit is in `mask`, or WH_WAN_NONE. */
static __always_inline __u32 first_of(__u32 order, __u8 mask)
{
#pragma unroll
	for (int i = 0; i < WH_MAX_WANS; i++) {
		__u32 wan = ((order >> (i * WH_ORDER_BITS)) & WH_ORDER_MASK) - 1;

		if (wan >= WH_MAX_WANS)
			break;
		if (mask & (1U << wan))
			return wan;
	}
	return WH_WAN_NONE;
}

/* Those of `mask` that may carry the packet's source.  Every IPv4 source is translated or welcome. */
COLD int may_carry(const struct packet *p, __u32 mask, __u32 flow_flags)
{
#if WH_FAMILY == 6
	if (!p || (flow_flags & WH_FLOW_PROBE) ||
	    ((flow_flags & (WH_FLOW_KERNEL | WH_FLOW_INBOUND)) && route_of(&p->src_be).kind == WH_ROUTE_LOCAL))
		return mask;
	for (__u32 number = 0; number < WH_MAX_WANS; number++) {
		struct wh_wan *wan = wan_row(number);

		if ((mask & (1U << number)) && (!wan || source_refused(wan, &p->src_be)))
			mask &= ~(1U << number);
	}
#else
	(void)p;
	(void)flow_flags;
#endif
	return mask;
}

static __always_inline struct wh_class *class_row(__u32 class)
{
	return bpf_map_lookup_elem(&wh_classes, &class);
}

/* Whether the class may ever use the WAN, whatever the masks say. */
static __always_inline int is_allowed(__u32 class, __u32 wan)
{
	struct wh_class *c = class_row(class);

	return c && wan < WH_MAX_WANS && (c->allowed & (1U << wan));
}

/* The bucket's choice within `mask` for this packet, or WH_WAN_NONE. */
static __always_inline __u32 select_wan(const struct packet *p, __u32 class, __u8 mask)
{
	struct wh_class *c = class_row(class);

	if (!c || !(mask & c->allowed))
		return WH_WAN_NONE;
	return first_of(order_of(class, bucket_of(p, c->affinity)), mask & c->allowed);
}

#endif
