/* SPDX-License-Identifier: GPL-2.0 */
/*
 * forward.h: a packet whose flow is known goes on: counted, translated, sent.
 */
#ifndef WH_BPF_FORWARD_H
#define WH_BPF_FORWARD_H

#include "flow.h"
#include "mss.h"
#include "names.h"
#include "refresh.h"
#include "rewrite.h"
#include "slow.h"

/* Sessions from outside stay with the WAN that they came by; the kernel's own way out does not matter to them. */
#define FLOW_BY_KERNEL (WH_FLOW_KERNEL | WH_FLOW_INBOUND)

/* --- out ------------------------------------------------------------------------------------------------ */

/* Whether what came in by that device came by another LAN than the flow's own. */
static __always_inline int is_elsewhere(const flow_t *flow, __u32 ifindex)
{
	__u32 number = flow->lan;
	struct wh_lan *lan = bpf_map_lookup_elem(&wh_lans, &number);

	return !lan || lan->ifindex != ifindex;
}

/* The client's MAC changed (another box took its address), or may have: its answers go to the new one. */
static __always_inline void learn_client_mac(const struct packet *p, const struct route *r, __u16 mac_tag)
{
	reply_t *reply = reply_find(p, r->flow);

	if (reply) {
		reply_learn(reply, r->flow->lan, p->src_mac);
		r->flow->mac_tag = mac_tag;
	}
}

/* The kernel has another default WAN now: answers to what it forwards come in where it sends. */
static __always_inline void learn_via(const struct packet *p, const struct route *r)
{
	reply_t *reply = reply_find(p, r->flow);

	r->flow->lan = r->via;
	if (reply)
		reply->lan = r->via;
}

static __always_inline void tcp_refresh(const struct packet *p, flow_t *flow, __u64 now_ns)
{
	if (is_tcp_opening(p)) { /* a new session under an old tuple */
		flow->tcp = tcp_seen(p);
		flow->born_s = now_ns / 1000000000ULL;
	}
	tcp_note(p, flow);
	if (p->tcp_flags & SEGMENT_RST) {
		reply_t *reply = reply_find(p, flow);

		if (reply)
			reply->tcp |= WH_TCP_RST;
	}
}

static __always_inline void flow_refresh(const struct packet *p, const struct route *r, __u32 line_len)
{
	flow_t *flow = r->flow;
	__u16 mac_tag;

	flow_count(flow, r->now_ns, line_len);
	if (p->proto == IPPROTO_TCP && p->kind == PACKET_WHOLE)
		tcp_refresh(p, flow, r->now_ns);
	if (at_egress(r->via)) {
		if ((flow->flags & FLOW_BY_KERNEL) == WH_FLOW_KERNEL && flow->lan != r->via)
			learn_via(p, r);
		return;
	}
	mac_tag = p->mac_tag ^ neighbours_of(flow->lan);
	if (flow->mac_tag != mac_tag)
		learn_client_mac(p, r, mac_tag);
}

/* Translated: leaves by its WAN, or turns around there to a client of ours (RFC 4787 REQ-9). A verdict or -reason. */
static __always_inline int send_out(struct __sk_buff *skb, const struct packet *p, const struct route *r)
{
	const struct wh_wan *wan = r->wan;
	const wan_ip_t *ip = wan_ip(wan);

	if (is_external(wan, &p->dst_be)) {
		if (ctx_set_ethernet(skb, wan->l2_len, wan->mac, wan->mac))
			return -WH_REASON_MALFORMED;
		ctx_clear_mark(skb);
		return bpf_redirect(wan->ifindex, BPF_F_INGRESS);
	}
	ctx_note_leaving(skb, p->leave_ns);
	if (r->via == r->pin.wan) {
		ctx_clear_mark(skb);
		ctx_leave_as_noted(skb);
		return VERDICT_NEXT;
	}
	if (!wan->l2_len)
		return ctx_send(skb, wan->ifindex);
	if ((ip->flags & WH_WAN_GATEWAY_MAC) && (at_egress(r->via) || are_gateways_fresh(steer_global(), r->now_ns))) {
		if (ctx_set_ethernet(skb, wan->l2_len, ip->gateway_mac, wan->mac))
			return -WH_REASON_MALFORMED;
		return ctx_send(skb, wan->ifindex);
	}
	if (at_egress(r->via))
		return -WH_REASON_NO_NEIGHBOUR;
	return ctx_send_next_hop(skb, wan->ifindex, ip->flags & WH_WAN_GATEWAY ? &ip->gateway_be : &p->dst_be);
}

/*
 * The kernel, told that a fragment was dropped, would not send the others: it goes where nobody listens, on the other
 * side of the prober's veth.
 */
static __always_inline int swallow(struct __sk_buff *skb)
{
	__u32 number = WH_LAN_PROBER;
	struct wh_lan *prober = bpf_map_lookup_elem(&wh_lans, &number);

	return prober && prober->ifindex ? ctx_send(skb, prober->ifindex) : VERDICT_DROP;
}

/* Larger than the WAN carries, and may be cut: translated as it is, and cut by the controller. */
static __always_inline int send_out_cut(struct __sk_buff *skb, const struct packet *p, const struct route *r,
					__u8 flow_flags)
{
	const struct wh_wan *wan = r->wan;
	const wan_ip_t *ip = wan_ip(wan);
	int reason;

	if (wan->l2_len && !(ip->flags & WH_WAN_GATEWAY_MAC))
		return -WH_REASON_NO_NEIGHBOUR;
	/* Fragments of two clients' packets with one identifier would be mixed up (RFC 6864 §5.3). */
	if (flow_flags & WH_FLOW_NAT)
		rewrite_id(skb, p->fragment_id_be, is_fragment(p) ? p->leaving_id_be : bpf_get_prandom_u32());
	if (ctx_set_ethernet(skb, wan->l2_len, ip->gateway_mac, wan->mac))
		return -WH_REASON_MALFORMED;
	reason = slow_fragment(skb, wan->ifindex, wan->l2_len, wan->mtu);
	return reason == VERDICT_DROP && is_fragment(p) && at_egress(r->via) ? swallow(skb) : reason;
}

/* From the LAN, the prober or (at egress) the kernel out by the flow's WAN. */
APART int forward_out(struct __sk_buff *skb, struct packet *p, struct route *r)
{
	/* Read once: a move on another CPU may be writing it, and what was checked is what leaves. */
	struct rewrite out = {.from_be = p->src_be,
			      .to_be = external_read(r->flow),
			      .port_from_be = p->sport_be,
			      .port_to_be = r->pin.external_port,
			      .source = 1,
			      .hop = !at_egress(r->via)};
	const struct wh_wan *wan = r->wan;
	struct wh_lane *lane = lane_of(r->flow->class, r->pin.wan);
	__u32 line_len = ctx_line_len(skb, p->l3_len, headers_len(p));
	int reason, fits;

	/* An address that the WAN no longer has is never used there, whatever happens to the flow. */
	if (!wan->ifindex || !source_stands(wan, &p->src_be, r->flow->flags, &out.to_be))
		return -WH_REASON_NO_WAN;
	fits = ctx_fits(skb, p->l3_len, headers_len(p), wan->mtu);
	p->mtu = wan->mtu;
	if (!fits && (p->dont_fragment || CTX_LOAD(skb, gso_size)))
		return -WH_REASON_TOO_BIG;
	if (is_external(wan, &p->dst_be))
		out.hop = 0; /* counted down on its way back in */
	reason = lane && lane->up.price ? rate_pay(&lane->up, line_len, bpf_ktime_get_ns(), &p->leave_ns) : 0;
	if (reason)
		return reason;
	flow_refresh(p, r, line_len);
	count_sent(r->flow->class, r->pin.wan, line_len, r->now_ns);
	mss_clamp(skb, p, wan->mtu);
	reason = rewrite(skb, p, &out);
	if (reason)
		return reason;
	if (lane && lane->marks)
		rewrite_dscp(skb, lane->dscp);
	return fits ? send_out(skb, p, r) : send_out_cut(skb, p, r, r->flow->flags);
}

/* --- in ------------------------------------------------------------------------------------------------- */

/*
 * How far a RST may be ahead of what the client has acknowledged.  Only what stands exactly there ends the session at
 * once (RFC 5961 §3), but what the server sent just before, the client has not acknowledged yet.
 */
#define RESET_AHEAD_MAX (1 << 20)

/*
 * The server resets the session, or speaks on after a RST of either end, and then it was none (RFC 7857 §2.2).  The
 * flow holds what counts, because the client's next segment takes it back there: of a forged RST that hits the window
 * the client asks whether it was meant (RFC 5961 §3.2).  The mark in the reply only says that there is something to
 * take back.  Where both ends speak at once one may undo the other's word; their next segments set it right.
 */
APART int reply_reset(const struct packet *p, reply_t *reply)
{
	flow_key_t key = {.src_be = reply->client_be,
			  .dst_be = p->src_be,
			  .sport_be = reply->client_port_be,
			  .dport_be = p->sport_be,
			  .proto = IPPROTO_TCP};
	flow_t *flow = bpf_map_lookup_elem(&wh_flows, &key);

	if (!flow)
		return 0;
	if (!(p->tcp_flags & SEGMENT_RST)) {
		flow->tcp &= ~WH_TCP_RST;
		reply->tcp &= ~WH_TCP_RST;
	} else if (!(flow->tcp & WH_TCP_ACKED) ||
		   bpf_ntohl(p->tcp_seq_be) - bpf_ntohl(flow->ack_be) < RESET_AHEAD_MAX) {
		flow->tcp |= WH_TCP_RST;
		reply->tcp |= WH_TCP_RST;
	}
	return 0;
}

static __always_inline void reply_refresh(const struct packet *p, __u32 wan, reply_t *reply, __u32 line_len,
					  __u64 now_ns)
{
	if ((p->tcp_flags & SEGMENT_RST) || (reply->tcp & WH_TCP_RST))
		reply_reset(p, reply);
	if (p->tcp_flags & SEGMENT_SYN)
		reply->tcp = tcp_seen(p); /* perhaps a new session under an old tuple */
	reply_count(p, wan, reply, line_len, now_ns);
}

/* Un-translated: for the kernel, which brought the flow; it sees it come in where it sent. */
static __always_inline int send_up(struct __sk_buff *skb, __u32 wan, const reply_t *reply)
{
	struct wh_wan *via = wan_row(reply->lan);

	if (!via || !via->ifindex)
		return -WH_REASON_NO_WAN;
	if (reply->lan == wan || via->ifindex == ctx_ifindex(skb))
		return VERDICT_NEXT;
	if (ctx_set_ethernet(skb, via->l2_len, via->mac, wan_ip(via)->gateway_mac))
		return -WH_REASON_MALFORMED;
	return ctx_receive(skb, via->ifindex, WH_MARK_DONE);
}

/* Whether it answers a client's question, and not the prober's. */
static __always_inline int is_clients_answer(struct __sk_buff *skb, const struct packet *p, const reply_t *reply)
{
	return !(reply->flags & (WH_FLOW_PROBE | WH_FLOW_INBOUND)) && p->kind != PACKET_LATER_FRAGMENT &&
	       is_answer_to_learn(skb, p);
}

/* From a WAN back to the client (or the prober). */
static __always_inline int send_in(struct __sk_buff *skb, const struct packet *p, const reply_t *reply,
				   const struct wh_lan *lan, int fits)
{
	int is_answer = is_clients_answer(skb, p, reply);

	if (ctx_set_ethernet(skb, lan->l2_len, reply->client_mac, lan->mac))
		return -WH_REASON_MALFORMED;
	if (is_answer && slow_answer(skb, lan->ifindex, lan->l2_len, fits && p->kind == PACKET_WHOLE))
		return VERDICT_DROP;
	if (!fits)
		return slow_fragment(skb, lan->ifindex, lan->l2_len, lan->mtu);
	if (lan->l2_len && reply->neighbours != neighbours_of(reply->lan))
		return ctx_send_routed(skb, lan->ifindex);
	return ctx_send(skb, lan->ifindex);
}

APART int forward_in(struct __sk_buff *skb, struct packet *p, __u32 wan, reply_t *reply)
{
	struct rewrite in = reply_rewrite(p, reply);
	__u32 number = reply->lan, line_len = ctx_line_len(skb, p->l3_len, headers_len(p));
	__u64 now_ns = bpf_ktime_get_ns();
	struct wh_wan *row = wan_row(wan);
	struct wh_lan *lan;
	int reason, fits;

	if (reply->flags & WH_FLOW_KERNEL) {
		reason = pay_received(line_len, wan, reply);
		if (reason)
			return reason;
		reply_refresh(p, wan, reply, line_len, now_ns);
		if (row)
			mss_clamp(skb, p, row->mtu);
		reason = rewrite(skb, p, &in);
		return reason ? reason : send_up(skb, wan, reply);
	}
	lan = bpf_map_lookup_elem(&wh_lans, &number);
	if (!lan || !lan->ifindex || !row)
		return -WH_REASON_NO_WAN;
	if (p->ttl <= 1)
		return -WH_REASON_TTL;
	fits = !lan->mtu || ctx_fits(skb, p->l3_len, headers_len(p), lan->mtu);
	p->mtu = lan->mtu;
	if (!fits && (p->dont_fragment || CTX_LOAD(skb, gso_size)))
		return -WH_REASON_TOO_BIG;
	reason = pay_received(line_len, wan, reply);
	if (reason)
		return reason;
	reply_refresh(p, wan, reply, line_len, now_ns);
	mss_clamp(skb, p, row->mtu);
	reason = rewrite(skb, p, &in);
	return reason ? reason : send_in(skb, p, reply, lan, fits);
}

#endif
