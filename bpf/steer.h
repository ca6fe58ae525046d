/* SPDX-License-Identifier: GPL-2.0 */
/*
 * steer.h: what every way out has in common: may the flow stay where it is, then on with it; and what the sender is
 * told where it cannot.
 */
#ifndef WH_BPF_STEER_H
#define WH_BPF_STEER_H

#include "answer.h"
#include "firewall.h"
#include "forward.h"
#include "reclass.h"

/* --- the flow goes on ----------------------------------------------------------------------------------- */

/* A flow that the sweep or a reset has touched: bring it back to life if it may be used. */
static __always_inline int flow_wake(struct route *r)
{
	union wh_pin live = r->pin;

	live.state = WH_FLOW_LIVE;
	if (r->pin.state == WH_FLOW_DEAD || pin_replace(r->flow, r->pin, live))
		return -WH_REASON_RACE;
	r->pin = live;
	return 0;
}

/* A session that the client was told is over: only a new one may follow it. */
static __always_inline int answer_reset(struct __sk_buff *skb, const struct packet *p, struct route *r)
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
	return reset_client(skb, p, r->via);
}

/* Where a flow is now: 0, or -reason. */
static __always_inline int route_read(struct route *r)
{
	r->pin.word = *(volatile __u64 *)&r->flow->pin.word;
	r->wan = wan_row(r->pin.wan);
	return r->wan ? 0 : -WH_REASON_NO_WAN;
}

/* What is to become of a flow whose WAN may not keep it, or (`may_stay`) is one that some are to leave. As flow_check(). */
static __always_inline int flow_leave(struct __sk_buff *skb, const struct packet *p, struct route *r,
				      const struct choice *choice, __u32 may_stay, int *settled)
{
	__u32 here = 1U << (r->pin.wan & 7);
	int fate, reason;

	/* Its WAN is dead, has lost the flow's address, and is waited for. */
	if (!may_stay && (choice->stay & ~choice->home & here))
		return -WH_REASON_HELD;
	fate = flow_fate(p, choice->home, choice->fresh, may_stay);
	switch (FATE_KIND(fate)) {
	case FATE_MOVE:
		reason = flow_move(p, r->pin.word, FATE_WAN(fate));
		return reason && !may_stay ? reason : route_read(r);
	case FATE_RESET:
		*settled = 1;
		return answer_reset(skb, p, r);
	default:
		return 0;
	}
}

/* The same where its class is never to use it: there it does not stay. */
static __always_inline int flow_expel(struct __sk_buff *skb, const struct packet *p, struct route *r,
				      struct choice *choice, int *settled)
{
	__u32 from = r->pin.wan;
	int verdict;

	choice->stay &= ~(1U << (from & 7));
	choice->home &= choice->stay;
	verdict = flow_leave(skb, p, r, choice, 0, settled);
	return verdict || *settled || r->pin.wan != from ? verdict : -WH_REASON_NO_WAN;
}

/* The masks' say on a flow: 0: it goes on by r->wan (perhaps another one now); else a verdict or -reason. */
static __always_inline int flow_check(struct __sk_buff *skb, const struct packet *p, struct route *r, int *settled)
{
	__u32 here = 1U << (r->pin.wan & 7), may_stay;
	struct choice choice;
	int verdict;

	*settled = 0;
	if (r->flow->flags & WH_FLOW_INBOUND)
		return 0;
	if (choice_of(r->flow->class, &choice))
		return -WH_REASON_NO_WAN;
	/* From one client to another it goes by no class. */
	if (choice.policy != r->flow->policy && !(r->flow->flags & WH_FLOW_HAIRPIN)) {
		verdict = flow_reclass(p, flow_in(skb, r->flow), ctx_users_mark(skb));
		if (verdict < 0 || choice_of(r->flow->class, &choice))
			return verdict < 0 ? verdict : -WH_REASON_NO_WAN;
		if (verdict == FORBIDDEN)
			return flow_expel(skb, p, r, &choice, settled);
		if (verdict == UNANSWERED)
			flow_move(p, r->pin.word, r->pin.wan);
		if (verdict == UNANSWERED && route_read(r))
			return -WH_REASON_NO_WAN;
	}
	may_stay = (choice.keep & here) && source_stands(r->wan, &p->src_be, r->flow->flags, &r->flow->external_be);
	if (may_stay && (choice.stay & here))
		return 0;
	return flow_leave(skb, p, r, &choice, may_stay, settled);
}

static __always_inline int steer_out(struct __sk_buff *skb, struct packet *p, struct route *r)
{
	int settled, verdict = route_read(r);

	if (verdict)
		return verdict;
	if (!at_egress(r->via) && p->ttl <= 1)
		return -WH_REASON_KERNEL_TTL;
	if (r->pin.state == WH_FLOW_RESET && !is_tcp_opening(p))
		return reset_client(skb, p, r->via);
	if (r->pin.state != WH_FLOW_LIVE) {
		verdict = flow_wake(r);
		if (verdict)
			return verdict;
	}
	verdict = flow_check(skb, p, r, &settled);
	if (verdict || settled)
		return verdict;
	return forward_out(skb, p, r);
}

/* --- the sender is told --------------------------------------------------------------------------------- */

static __always_inline int is_silent(__u32 class)
{
	struct wh_class *row = bpf_map_lookup_elem(&wh_classes, &class);

	return row && row->on_none == WH_NONE_DROP;
}

/* The error that goes with a reason; 0: there is none for it. */
static __always_inline int answer_for(int reason, __u32 class, __u32 mtu, struct answer *a)
{
	a->type = ICMP_TYPE_UNREACHABLE;
	switch (reason) {
	case WH_REASON_NO_WAN:
		a->code = ICMP_CODE_NO_WAN;
		return !is_silent(class);
	case WH_REASON_NO_SOURCE:
		a->code = ICMP_CODE_NO_SOURCE;
		return !is_silent(class);
	case WH_REASON_TABLE_FULL:
	case WH_REASON_NO_PORT:
	case WH_REASON_CLIENT_LIMIT:
		a->code = ICMP_CODE_NO_WAN;
		return 1;
	case WH_REASON_CLASS_REJECT:
		a->code = ICMP_CODE_PROHIBITED;
		return 1;
	case WH_REASON_TOO_BIG:
		a->type = ICMP_TYPE_TOO_BIG;
		a->code = ICMP_CODE_TOO_BIG;
		a->word_be = bpf_htonl(mtu < IP_MTU_MIN ? IP_MTU_MIN : mtu); /* RFC 1191 §3, 8200 §5 */
		return 1;
	case WH_REASON_TTL:
		a->type = ICMP_TYPE_TIME_EXCEEDED;
		a->code = 0;
		return 1;
	default:
		return 0;
	}
}

/* Who sent what comes by the kernel: as lan_in noted it, or as the flow's reply has it. */
static __always_inline void answer_to_client(const struct packet *p, const struct route *r, struct answer *a)
{
	pending_t *pending = pending_of_client(p);
	reply_t *reply;

	if (pending) {
		a->lan = pending->lan;
		__builtin_memcpy(a->client_mac, pending->client_mac, ETH_ALEN);
		return;
	}
	reply = r->flow && !(r->flow->flags & WH_FLOW_KERNEL) ? reply_find(p, r->flow) : NULL;
	if (reply) {
		a->lan = reply->lan;
		__builtin_memcpy(a->client_mac, reply->client_mac, ETH_ALEN);
	}
}

/* Our address for the sender to see: that of the LAN where it is. */
static __always_inline void answer_from_lan(struct answer *a)
{
	__u32 number = a->lan;
	struct wh_lan *lan = bpf_map_lookup_elem(&wh_lans, &number);

	if (lan)
		a->from_be = lan->LAN_ADDR;
}

/*
 * The pipeline gave up with -reason before the packet was changed: counted, and answered from `from` where that is
 * due.  What the kernel forwarded for a client is answered on the client's LAN; what is the router's own gets its
 * answer from the destination, because the kernel takes none from itself.
 */
APART int refuse(struct __sk_buff *skb, const struct packet *p, const struct route *r, const addr_t *from,
		 int negative_reason)
{
	struct answer a = {.from_be = *from, .lan = WH_LAN_NONE};
	int reason = -negative_reason, verdict;

	if (!answer_for(reason, r->flow ? r->flow->class : p->class, p->mtu, &a))
		return give_up(negative_reason);
	if (at_egress(r->via)) {
		answer_to_client(p, r, &a);
		answer_from_lan(&a);
	}
	count_reason(reason);
	verdict = answer_error(skb, p, &a, r->via);
	return verdict < VERDICT_NEXT ? VERDICT_DROP : verdict;
}

#endif
