/* SPDX-License-Identifier: GPL-2.0 */
/*
 * steer_tc.bpf.c: the tc hooks.  Compiled once a family (family.h); the pipeline:
 *
 *	parse → flow → (first packet: route, classify, select, the kernel's firewall, bind) → masks → translate → forward
 *
 * Most packets of known flows take the short way of fast.h, on these hooks and on XDP (steer_xdp.bpf.c) alike.
 *
 * wh_lan_in    LAN device, ingress     a client's packet: out by its flow's WAN                          lan.h
 * wh_lan_out   LAN device, egress      what the kernel itself brings to clients: noted, DNS answers wait;
 *                                      what one client sends to another's external end: opened  lan.h, hairpin.h
 * wh_wan_in    WAN device, ingress     an answer: back to its client; a question from outside: noted     wan.h
 * wh_wan_out   WAN device, egress      what the kernel sends: accepted flows, the router's own, answers
 *                                      to questions from outside; what would leak is dropped             wan.h
 * wh_probe_in  prober's veth, ingress  a probe: out by the WAN that its source address names
 *
 * A function of the pipeline returns a verdict (or 0: go on), or -reason (include/wanhelm/reason.h); give_up() turns
 * a reason into a counted drop, or leaves the packet to the kernel.  The programs are attached by user/kern/attach.c.
 *
 * Whatever we redirect carries WH_MARK_DONE, and meets one more of these hooks, which takes the mark off.
 */
#include "fast.h"
#include "lan.h"
#include "wan.h"

static __always_inline struct wh_wan *wan_of(__u32 ifindex, __u32 *number)
{
	struct wh_device *device = bpf_map_lookup_elem(&wh_devices, &ifindex);

	if (!device || device->role != WH_ROLE_WAN)
		return NULL;
	*number = device->number;
	return wan_row(device->number);
}

SEC("tc")
int wh_lan_in(struct __sk_buff *skb)
{
	struct arrival at = {.ifindex = ctx_ifindex(skb)};
	struct route r = {.via = WH_WAN_NONE};
	struct wh_lan *lan;
	struct packet *p;
	__u8 number;
	int verdict;

	if (!ctx_is_mine(skb) || !ctx_is_for_us(skb))
		return VERDICT_NEXT;
	verdict = fast_out(skb, &at);
	if (verdict != NOT_FAST)
		return verdict;
	p = packet_new();
	if (!p)
		return VERDICT_NEXT;
	verdict = parse(skb, p);
	if (verdict)
		return give_up(verdict);
	r.now_ns = tick_now_ns();
	verdict = lan_in(skb, p, &r);
	if (verdict >= VERDICT_NEXT)
		return verdict;
	lan = lan_of(skb, &number);
	return lan ? refuse(skb, p, &r, &lan->LAN_ADDR, verdict) : give_up(verdict);
}

SEC("tc")
int wh_lan_out(struct __sk_buff *skb)
{
	__u32 from = CTX_LOAD(skb, ingress_ifindex);
	struct wh_device *device;
	struct packet *p = packet_new();
	int verdict = VERDICT_NEXT, from_lan;
	__u8 number = 0;

	if (!p || !ctx_is_mine(skb) || CTX_LOAD(skb, vlan_present))
		return VERDICT_NEXT;
	if (!ctx_is_forwarded(skb)) {
		if (!learns_names() || !lan_of(skb, &number) || parse(skb, p) || p->kind != PACKET_WHOLE)
			return VERDICT_NEXT;
		return lan_out_answer(skb, p);
	}
	device = bpf_map_lookup_elem(&wh_devices, &from);
	from_lan = device && device->role == WH_ROLE_LAN;
	if ((from_lan && !ctx_is_shown(skb)) || !lan_of(skb, &number))
		return VERDICT_NEXT;
	if (!parse(skb, p) && p->kind == PACKET_WHOLE) {
		if (from_lan)
			verdict = hairpin_accepted(skb, p, number, ctx_mark(skb) - WH_MARK_SHOWN);
		else
			lan_out(skb, p, number);
		if (verdict == VERDICT_NEXT)
			verdict = lan_out_answer(skb, p);
	}
	if (verdict < VERDICT_NEXT)
		return give_up(verdict);
	if (verdict == VERDICT_NEXT && ctx_mark(skb) != WH_MARK_VALUES)
		ctx_clear_mark(skb);
	return verdict;
}

SEC("tc")
int wh_wan_in(struct __sk_buff *skb)
{
	struct arrival at = {.ifindex = ctx_ifindex(skb)};
	struct route r = {.via = WH_WAN_NONE};
	struct packet *p;
	struct wh_wan *wan;
	__u32 number;
	int verdict;

	if (!ctx_is_mine(skb) || !ctx_is_for_us(skb))
		return VERDICT_NEXT;
	wan = wan_of(at.ifindex, &number);
	if (!wan)
		return VERDICT_NEXT;
	verdict = fast_in(skb, &at, number);
	if (verdict != NOT_FAST)
		return verdict;
	p = packet_new();
	/* Whatever is not an answer to a flow of ours is the kernel's, uncounted: it was never ours. */
	if (!p || parse(skb, p))
		return VERDICT_NEXT;
	verdict = wan_in(skb, p, number);
	return verdict < VERDICT_NEXT ? refuse(skb, p, &r, &wan_ip(wan)->addr_be, verdict) : verdict;
}

SEC("tc")
int wh_wan_out(struct __sk_buff *skb)
{
	struct packet *p = packet_new();
	struct route r = {};
	struct wh_wan *wan;
	__u32 number;
	int verdict;

	if (ctx_is_family(skb) && ctx_is_done(skb))
		ctx_leave_as_noted(skb);
	if (!p || !ctx_is_mine(skb) || CTX_LOAD(skb, vlan_present))
		return VERDICT_NEXT;
	wan = wan_of(ctx_ifindex(skb), &number);
	if (!wan)
		return VERDICT_NEXT;
	r.via = number;
	r.now_ns = tick_now_ns();
	verdict = parse(skb, p);
	if (verdict && verdict != -WH_REASON_KERNEL_PROTO)
		return ctx_is_forwarded(skb) ? give_up(verdict) : VERDICT_NEXT;
	verdict = verdict ? guard(skb, p, number) : wan_out(skb, p, &r);
	if (verdict == VERDICT_NEXT && ctx_mark(skb) != WH_MARK_VALUES)
		ctx_clear_mark(skb);
	return verdict < VERDICT_NEXT ? refuse(skb, p, &r, &p->dst_be, verdict) : verdict;
}

/* --- from the prober ------------------------------------------------------------------------------------ */

/* The WAN that a probe's source names, or WH_WAN_NONE. */
static __always_inline __u32 probed_wan(const addr_t *src)
{
	__u32 number;

#if WH_FAMILY == 4
	number = bpf_ntohl(*src) - WH_PROBE_NET - 1;
#else
	union {
		__u8 bytes[8];
		__be32 word_be[2];
	} net = {WH_PROBE_NET6};

	if (src->word_be[0] != net.word_be[0] || src->word_be[1] != net.word_be[1] || src->word_be[2])
		return WH_WAN_NONE;
	number = bpf_ntohl(src->word_be[3]) - 1;
#endif
	return number < WH_MAX_WANS ? number : WH_WAN_NONE;
}

static __always_inline int probe_in(struct __sk_buff *skb, struct packet *p, struct route *r)
{
	struct origin from = {
		.lan = WH_LAN_PROBER, .class = WH_CLASS_PROBE, .flags = WH_FLOW_PROBE, .line = WH_LINE_NONE};
	int reason;

	from.wan = probed_wan(&p->src_be);
	if (from.wan >= WH_MAX_WANS || p->ttl <= 1)
		return -WH_REASON_PROBE_UNKNOWN;
	__builtin_memcpy(from.client_mac, p->src_mac, ETH_ALEN);
	r->flow = flow_find(p);
	if (!r->flow) {
		reason = flow_open(p, &from);
		r->flow = reason ? NULL : flow_find(p);
		if (!r->flow)
			return reason ? reason : -WH_REASON_RACE;
	}
	reason = route_read(r);
	if (reason)
		return reason;
	reason = r->pin.state == WH_FLOW_LIVE ? 0 : flow_wake(r);
	/* The WAN's address changed: probe from the new one. */
	if (!reason && !source_stands(r->wan, &p->src_be, r->flow->flags, &r->flow->external_be)) {
		reason = flow_move(p, r->pin.word, r->pin.wan);
		if (!reason)
			reason = route_read(r);
	}
	return reason ? reason : forward_out(skb, p, r);
}

SEC("tc")
int wh_probe_in(struct __sk_buff *skb)
{
	struct packet *p = packet_new();
	struct route r = {.via = WH_WAN_NONE};
	int verdict;

	if (!p || !ctx_is_family(skb))
		return VERDICT_NEXT;
	verdict = parse(skb, p);
	if (verdict || p->kind != PACKET_WHOLE)
		return verdict && verdict != -WH_REASON_KERNEL_PROTO ? give_up(verdict) : VERDICT_NEXT;
	r.now_ns = bpf_ktime_get_ns();
	verdict = probe_in(skb, p, &r);
	return verdict < VERDICT_NEXT ? give_up(verdict) : verdict;
}

char _license[] SEC("license") = "GPL";
