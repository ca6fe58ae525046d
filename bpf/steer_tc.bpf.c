/* SPDX-License-Identifier: GPL-2.0 */
/*
 * steer_tc.bpf.c: the tc hooks, and the pipeline on one screen:
 *
 *	parse → flow → (first packet: route, classify, select, bind) → masks → translate → forward
 *
 * wh_lan_in    LAN device, ingress     a client's packet: out by its flow's WAN
 * wh_wan_in    WAN device, ingress     an answer: back to its client
 * wh_wan_out   WAN device, egress      what we sent passes; what would leak is dropped
 * wh_probe_in  prober's veth, ingress  a probe: out by the WAN that its source address names
 *
 * A function of the pipeline returns 0, or -reason (include/wanhelm/reason.h); give_up() turns a reason into
 * a counted drop, or leaves the packet to the kernel.  The programs are attached by user/kern/attach.c.
 */
#include "classify.h"
#include "forward.h"
#include "move.h"
#include "reset.h"

/* --- from the LAN --------------------------------------------------------------------------------------- */

/* A flow that the sweep or a reset has touched: bring it back to life if it may be used. */
static __always_inline int flow_wake4(struct route4 *r)
{
	union wh_pin live = r->pin;

	live.state = WH_FLOW_LIVE;
	if (r->pin.state == WH_FLOW_DEAD || pin_replace(r->flow, r->pin, live))
		return -WH_REASON_RACE;
	r->pin = live;
	return 0;
}

/* A session that the client was told is over: only a new one may follow it. */
static __always_inline int answer_reset4(struct __sk_buff *skb, const struct packet4 *p, struct route4 *r)
{
	union wh_pin dead = r->pin;
	struct wh_counters *count;

	dead.state = WH_FLOW_RESET;
	if (r->pin.state != WH_FLOW_RESET) {
		if (pin_replace(r->flow, r->pin, dead))
			return -WH_REASON_RACE;
		r->flow->seen_ns = r->now_ns;
		count = counters_of(r->flow->class, r->pin.wan);
		if (count)
			count->reset += 1;
	}
	return reset_client4(skb, p);
}

/* The masks' say on a flow: 0: it goes on by r->wan (perhaps another one now); else a verdict or -reason. */
static __always_inline int flow_check4(struct __sk_buff *skb, const struct packet4 *p, struct route4 *r, int *settled)
{
	struct choice4 choice;
	__u32 to;

	*settled = 0;
	r->wan = wan_row(r->pin.wan);
	if (!r->wan)
		return -WH_REASON_NO_WAN;
	if (choice4(r->flow->class, &choice))
		return -WH_REASON_NO_WAN;
	if ((choice.keep & (1U << (r->pin.wan & 7))) && !address_changed4(r->flow, r->wan))
		return 0;
	switch (flow_fate4(p, r, &choice, &to)) {
	case FATE_MOVE:
		return flow_move4(skb, p, r, to);
	case FATE_RESET:
		*settled = 1;
		return answer_reset4(skb, p, r);
	default:
		return 0;
	}
}

static __always_inline int steer_out4(struct __sk_buff *skb, const struct packet4 *p, struct route4 *r)
{
	int settled, verdict;

	r->pin.word = *(volatile __u64 *)&r->flow->pin.word;
	if (p->ttl <= 1)
		return -WH_REASON_KERNEL_TTL;
	if (r->pin.state == WH_FLOW_RESET && !is_tcp_opening(p))
		return reset_client4(skb, p);
	if (r->pin.state != WH_FLOW_LIVE) {
		verdict = flow_wake4(r);
		if (verdict)
			return verdict;
	}
	verdict = flow_check4(skb, p, r, &settled);
	if (verdict || settled)
		return verdict;
	return forward_out4(skb, p, r);
}

static __always_inline int first_packet4(struct __sk_buff *skb, const struct packet4 *p, struct route4 *r)
{
	struct origin4 from = {.wan = WH_WAN_NONE};
	struct wh_device *device;
	__u32 ifindex = skb->ifindex;
	int reason;

	reason = is_steered4(p);
	if (reason)
		return reason;
	if (p->ttl <= 1)
		return -WH_REASON_KERNEL_TTL;
	device = bpf_map_lookup_elem(&wh_devices, &ifindex);
	if (!device || device->role != WH_ROLE_LAN)
		return -WH_REASON_KERNEL_ROUTE;
	from.lan = device->number;
	from.class = classify4(p);
	return flow_open4(skb, p, &from, r);
}

SEC("tc")
int wh_lan_in(struct __sk_buff *skb)
{
	struct wh_flow4_key key;
	struct packet4 p = {};
	struct route4 r = {};
	int verdict;

	if (ctx_is_done(skb) || !ctx_is_for_us(skb))
		return VERDICT_NEXT;
	verdict = parse4(skb, &p, ICMP_TYPE_ECHO);
	/* The kernel reassembles and forwards a fragment as it would without us; wh_wan_out lets no source leak. */
	if (verdict == -WH_REASON_FRAGMENT)
		return give_up(-WH_REASON_KERNEL_PROTO);
	if (!verdict && is_martian4(p.src_be))
		verdict = -WH_REASON_KERNEL_MARTIAN;
	if (verdict)
		return give_up(verdict);
	r.now_ns = bpf_ktime_get_ns();
	key = flow_key4(&p);
	r.flow = bpf_map_lookup_elem(&wh_flows4, &key);
	if (!r.flow) {
		verdict = first_packet4(skb, &p, &r);
		if (verdict)
			return give_up(verdict);
	}
	verdict = steer_out4(skb, &p, &r);
	return verdict < 0 ? give_up(verdict) : verdict;
}

/* --- from a WAN ----------------------------------------------------------------------------------------- */

static __always_inline struct wh_reply4_key answer_key4(const struct packet4 *p, __u32 wan)
{
	int is_echo = p->proto == IPPROTO_ICMP;
	struct wh_reply4_key key = {.remote_be = p->src_be,
				    .external_be = p->dst_be,
				    .remote_port_be = is_echo ? 0 : p->sport_be,
				    .external_port_be = is_echo ? p->sport_be : p->dport_be,
				    .proto = p->proto,
				    .wan = wan};

	return key;
}

SEC("tc")
int wh_wan_in(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct wh_reply4_key key;
	struct wh_device *device;
	struct wh_reply4 *reply;
	struct packet4 p = {};
	int verdict;

	if (ctx_is_done(skb) || !ctx_is_for_us(skb))
		return VERDICT_NEXT;
	device = bpf_map_lookup_elem(&wh_devices, &ifindex);
	if (!device || device->role != WH_ROLE_WAN)
		return VERDICT_NEXT;
	/* Whatever is not an answer to a flow of ours is the kernel's, uncounted: it was never ours. */
	if (parse4(skb, &p, ICMP_TYPE_ECHO_REPLY))
		return VERDICT_NEXT;
	key = answer_key4(&p, device->number);
	reply = bpf_map_lookup_elem(&wh_replies4, &key);
	if (!reply)
		return VERDICT_NEXT;
	verdict = forward_in4(skb, &p, device->number, reply);
	return verdict < 0 ? give_up(verdict) : verdict;
}

/* The leak guard: what the kernel forwards by a translated WAN must already have the WAN's source. */
SEC("tc")
int wh_wan_out(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct wh_device *device;
	struct wh_wan *wan;
	struct iphdr *ip;

	if (ctx_is_done(skb)) {
		ctx_clear_done(skb);
		return VERDICT_NEXT;
	}
	if (!skb->ingress_ifindex || skb->vlan_present || skb->protocol != bpf_htons(ETH_P_IP))
		return VERDICT_NEXT;
	device = bpf_map_lookup_elem(&wh_devices, &ifindex);
	wan = device && device->role == WH_ROLE_WAN ? wan_row(device->number) : NULL;
	if (!wan || !(wan->flags & WH_WAN_MASQUERADE4))
		return VERDICT_NEXT;
	if (ctx_pull(skb, ETH_HLEN + sizeof(*ip)))
		return give_up(-WH_REASON_MALFORMED);
	ip = ctx_data(skb) + ETH_HLEN;
	if ((void *)(ip + 1) > ctx_end(skb))
		return give_up(-WH_REASON_MALFORMED);
	/* Or another address of ours, where the kernel translates to that. */
	if (ip->saddr == wan->addr4_be || route_kind4(ip->saddr) == WH_ROUTE_LOCAL)
		return VERDICT_NEXT;
	return give_up(-WH_REASON_LEAK);
}

/* --- from the prober ------------------------------------------------------------------------------------ */

SEC("tc")
int wh_probe_in(struct __sk_buff *skb)
{
	struct origin4 from = {.lan = WH_LAN_PROBER, .class = WH_CLASS_PROBE, .flags = WH_FLOW_PROBE};
	struct wh_flow4_key key;
	struct packet4 p = {};
	struct route4 r = {};
	__u32 number;
	int verdict;

	verdict = parse4(skb, &p, ICMP_TYPE_ECHO);
	if (verdict)
		return verdict == -WH_REASON_KERNEL_PROTO ? VERDICT_NEXT : give_up(verdict);
	number = bpf_ntohl(p.src_be) - WH_PROBE_NET - 1;
	if (number >= WH_MAX_WANS || p.ttl <= 1)
		return give_up(-WH_REASON_PROBE_UNKNOWN);
	from.wan = number;
	r.now_ns = bpf_ktime_get_ns();
	key = flow_key4(&p);
	r.flow = bpf_map_lookup_elem(&wh_flows4, &key);
	if (!r.flow) {
		verdict = flow_open4(skb, &p, &from, &r);
		if (verdict)
			return give_up(verdict);
	}
	r.pin.word = *(volatile __u64 *)&r.flow->pin.word;
	r.wan = wan_row(r.pin.wan);
	if (!r.wan)
		return give_up(-WH_REASON_NO_WAN);
	verdict = r.pin.state == WH_FLOW_LIVE ? 0 : flow_wake4(&r);
	/* The WAN's address changed: probe from the new one. */
	if (!verdict && address_changed4(r.flow, r.wan))
		verdict = flow_move4(skb, &p, &r, r.pin.wan);
	if (!verdict)
		verdict = forward_out4(skb, &p, &r);
	return verdict < 0 ? give_up(verdict) : verdict;
}

char _license[] SEC("license") = "GPL";
