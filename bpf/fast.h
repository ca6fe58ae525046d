/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fast.h: the way of almost every packet, on XDP and on tc alike: its flow is known, nothing that concerns it has changed
 * since, and it only needs to be counted, translated and sent.  Whatever else is due (a first packet, a fragment, an error
 * to answer, a move, a neighbour to find) is not: the packet is left as it came, nothing has been counted, and it goes
 * the long way (lan.h, wan.h).
 *
 * Time is the kernel's last tick's: to look at the clock itself takes longer than to find a flow.  Only rates do.
 *
 * What differs between the two, where a packet came in and how it is rewritten and sent, stands in fast_tc.h and
 * fast_xdp.h.
 */
#ifndef WH_BPF_FAST_H
#define WH_BPF_FAST_H

#ifdef WH_XDP
#include "fast_xdp.h"
#else
#include "fast_tc.h"
#endif

/* No verdict has this value. */
#define NOT_FAST 0

/* Of flows that somebody is asked about with each packet, or that turn around. */
#define FLOW_NOT_FAST (WH_FLOW_FOREIGN | WH_FLOW_KERNEL | WH_FLOW_HAIRPIN | WH_FLOW_INBOUND | WH_FLOW_PROBE)

/* A segment that opens or ends a session at once changes more than counts. */
static __always_inline int is_plain_segment(const struct packet *p)
{
	return p->proto != IPPROTO_TCP || !(p->tcp_flags & (SEGMENT_SYN | SEGMENT_RST));
}

/* --- out ------------------------------------------------------------------------------------------------ */

/* Whether the flow goes on as it did: masks, rules, routes, sender and its address on the WAN are as they were. */
static __always_inline int is_settled(const struct arrival *at, const struct packet *p, const struct wh_steer *all,
				      struct route *r)
{
	const flow_t *flow = r->flow;
	struct choice choice;

	r->pin.word = *(volatile __u64 *)&flow->pin.word;
	r->wan = wan_row(r->pin.wan);
	return r->wan && r->pin.state == WH_FLOW_LIVE && !(flow->flags & FLOW_NOT_FAST) &&
	       came_as_before(at, p, flow) && !choice_in(all, flow->class, &choice) && choice.policy == flow->policy &&
	       (choice.stay & (1U << (r->pin.wan & 7))) && !is_outdated(all, flow);
}

/* A client's packet. A verdict, or NOT_FAST. */
FAST int fast_out(ctx_t *ctx, const struct arrival *at)
{
	struct packet p = {};
	struct route r = {.via = WH_WAN_NONE};
	struct rewrite out = {.source = 1, .hop = 1};
	const struct wh_steer *all = steer_global();
	struct wh_lane *lane;
	flow_key_t key;
	__u64 leave_ns = 0;
	__u32 line_len;
	int reason;

	if (!parse_plain(ctx, &p) || !is_plain_segment(&p))
		return NOT_FAST;
	key = flow_key(&p);
	r.flow = bpf_map_lookup_elem(&wh_flows, &key);
	if (!r.flow || !is_settled(at, &p, all, &r))
		return NOT_FAST;
	r.now_ns = tick_now_ns();
	out.from_be = p.src_be;
	out.to_be = external_read(r.flow);
	out.port_from_be = p.sport_be;
	out.port_to_be = r.pin.external_port;
	if (!source_stands(r.wan, &p.src_be, r.flow->flags, &out.to_be) || is_external(r.wan, &p.dst_be) ||
	    !ctx_fits(ctx, p.l3_len, headers_len(&p), r.wan->mtu) || !leads_out(at, &r) ||
	    !are_gateways_fresh(all, r.now_ns))
		return NOT_FAST;
	line_len = ctx_line_len(ctx, p.l3_len, headers_len(&p));
	lane = lane_of(r.flow->class, r.pin.wan);
	if (lane && lane->up.price) {
		if (!can_wait(lane))
			return NOT_FAST;
		reason = rate_pay(&lane->up, line_len, bpf_ktime_get_ns(), &leave_ns);
		if (reason)
			return give_up(reason);
	}
	flow_count(r.flow, r.now_ns, line_len);
	if (p.proto == IPPROTO_TCP)
		tcp_note(&p, r.flow);
	count_sent(r.flow->class, r.pin.wan, line_len, r.now_ns);
	return send_by_wan(ctx, at, &p, &out, &r, lane, leave_ns);
}

/* --- in ------------------------------------------------------------------------------------------------- */

/* Whether nobody but its client has to do with the answer, and its client is where it was. */
static __always_inline int is_plain_answer(const struct packet *p, const reply_t *reply)
{
	return !(reply->flags & (WH_FLOW_KERNEL | WH_FLOW_INBOUND | WH_FLOW_HAIRPIN)) && !(reply->tcp & WH_TCP_RST) &&
	       p->sport_be != bpf_htons(DNS_PORT);
}

/* An answer that came in by WAN number `wan`. A verdict, or NOT_FAST. */
FAST int fast_in(ctx_t *ctx, const struct arrival *at, __u32 wan)
{
	struct packet p = {};
	union client_mac mac;
	struct rewrite in;
	reply_key_t key;
	reply_t *reply;
	struct wh_lan *lan;
	__u32 line_len, number;
	__u64 now_ns;
	int reason;

	if (!parse_plain(ctx, &p) || !is_plain_segment(&p) || !is_sent_to(at, &p, wan))
		return NOT_FAST;
	key = answer_key(&p, wan);
	reply = bpf_map_lookup_elem(&wh_replies, &key);
	if (!reply || !is_plain_answer(&p, reply))
		return NOT_FAST;
	number = reply->lan;
	lan = bpf_map_lookup_elem(&wh_lans, &number);
	mac.word = *(volatile __u64 *)reply->client_mac;
	if (!lan || !leads_in(at, lan, number, &mac) ||
	    (lan->mtu && !ctx_fits(ctx, p.l3_len, headers_len(&p), lan->mtu)))
		return NOT_FAST;
	now_ns = tick_now_ns();
	line_len = ctx_line_len(ctx, p.l3_len, headers_len(&p));
	reason = pay_received(line_len, wan, reply);
	if (reason)
		return give_up(reason);
	in = reply_rewrite(&p, reply);
	reply_count(&p, wan, reply, line_len, now_ns);
	return send_to_lan(ctx, at, &p, &in, lan, number, &mac);
}

#endif
