/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wan.h: the hooks of a WAN device: what comes in from outside, and what the kernel sends there.
 */
#ifndef WH_BPF_WAN_H
#define WH_BPF_WAN_H

#include "firewall.h"
#include "fragment.h"
#include "icmp_error.h"
#include "inbound.h"
#include "steer.h"

/* --- from outside --------------------------------------------------------------------------------------- */

/* For a host inside, un-translated: the kernel's firewall says whether it gets there. */
static __always_inline int send_inside(struct __sk_buff *skb, const struct packet *p, const addr_t *inside,
				       __be16 port_be)
{
	struct rewrite in = {
		.from_be = p->dst_be, .to_be = *inside, .port_from_be = p->dport_be, .port_to_be = port_be};
	int reason = rewrite(skb, p, &in);

	return reason ? reason : VERDICT_NEXT;
}

/* No answer to a flow of ours. */
COLD int from_outside(struct __sk_buff *skb, const struct packet *p, __u32 number)
{
	struct wh_port_key key = {.wan = number};
	struct wh_wan *wan = wan_row(number);
	port_t *port = NULL;
	addr_t inside;

	if (!p || !wan)
		return VERDICT_NEXT;
	key.port_be = p->dport_be;
	key.proto = p->proto;
	if ((p->proto == IPPROTO_UDP || p->proto == IPPROTO_TCP) && addr_equal(&p->dst_be, &wan_ip(wan)->addr_be))
		port = bpf_map_lookup_elem(&wh_ports, &key);
	if (p->proto == IPPROTO_TCP)
		mss_clamp(skb, p, wan->mtu);
	if (port && (port->holding.freed || !(wan->flags & WH_WAN_OPEN))) {
		/* Nobody answers it (RFC 5382 REQ-4: our table sees to that), unless the user forwards it. */
		inbound_note(p, number);
		ctx_set_mark(skb, WH_MARK_UP);
		return -WH_REASON_FILTERED;
	}
	if (port) {
		int verdict = send_inside(skb, p, &port->addr_be, port->holding.port_be);

		ctx_set_mark(skb, WH_MARK_SHOWN + number);
		return verdict;
	}
	inbound_note(p, number);
	if (!is_native(route_of(&p->dst_be)) && source_inside(wan, &p->dst_be, &inside))
		return send_inside(skb, p, &inside, p->dport_be);
	return VERDICT_NEXT;
}

/* Of a later fragment nobody can tell; its first one was found to be none. */
static __always_inline int is_question(const struct packet *p)
{
	return p->proto == PROTO_ICMP_OF_FAMILY && !p->is_answer && p->kind != PACKET_LATER_FRAGMENT;
}

/* A verdict or -reason. */
static __always_inline int wan_in(struct __sk_buff *skb, struct packet *p, __u32 number)
{
	reply_key_t key;
	reply_t *reply;

	if (p->kind == PACKET_ICMP_ERROR)
		return error_in(skb, p, number);
	if (is_fragment(p) && fragment_ports(skb, p)) {
		if (fragment_orphan())
			return -WH_REASON_FRAGMENT;
		/* Perhaps ours: kept until that is known; the kernel has its own copy. */
		if (slow_orphan(skb, number))
			count_reason(WH_REASON_SLOW_FULL);
		return VERDICT_NEXT;
	}
	key = answer_key(p, number);
	reply = bpf_map_lookup_elem(&wh_replies, &key);
	/* A question is no answer, whatever its identifier; unless it belongs to a session from outside. */
	if (!reply || (is_question(p) && !(reply->flags & WH_FLOW_INBOUND)))
		return is_fragment(p) ? VERDICT_NEXT : from_outside(skb, p, number);
	return forward_in(skb, p, number, reply);
}

/* --- from the kernel ------------------------------------------------------------------------------------ */

/*
 * The leak guard: what is none of our flows leaves only with a source that belongs on this WAN.  An answer with
 * another WAN's address was asked for there, and leaves by that one.
 */
COLD int guard(struct __sk_buff *skb, struct packet *p, __u32 via)
{
	struct route by_source = {.via = via}, *r = &by_source;
	struct wh_wan *wan = wan_row(via);
	struct wh_route source;
	inbound_t *note;
	addr_t external;

	if (!p || !wan)
		return -WH_REASON_LEAK;
	if (is_martian(&p->src_be) && !ctx_is_forwarded(skb))
		return VERDICT_NEXT; /* DHCP's, neighbour discovery's */
	source = route_of(&p->src_be);
	note = ctx_is_forwarded(skb) ? inbound_find(p) : NULL;
	if (note && addr_equal(&p->src_be, &note->local_be)) { /* untranslated, and asked for by that WAN */
		source.kind = WH_ROUTE_LOCAL;
		source.wan = note->wan;
	} else if (source_on(wan, &p->src_be, &external) == SOURCE_KEPT) {
		return VERDICT_NEXT;
	}
	if (source.kind != WH_ROUTE_LOCAL || source.wan >= WH_MAX_WANS)
		return -WH_REASON_LEAK;
	if (source.wan == r->via)
		return VERDICT_NEXT;
	r->pin.wan = source.wan;
	r->wan = wan_row(source.wan);
	if (!r->wan || !r->wan->ifindex)
		return -WH_REASON_LEAK;
	p->mtu = r->wan->mtu;
	mss_clamp(skb, p, p->mtu);
	if (ctx_fits(skb, p->l3_len, headers_len(p), p->mtu))
		return send_out(skb, p, r);
	return p->dont_fragment || CTX_LOAD(skb, gso_size) ? -WH_REASON_TOO_BIG : send_out_cut(skb, p, r, 0);
}

/* Accepted by the firewall, as lan_in noted it; or rewritten on the way, then it stays with the kernel. */
static __always_inline int open_shown(struct __sk_buff *skb, const struct packet *p, __u32 via)
{
	pending_t *pending = pending_of_client(p);
	struct wh_route to = route_of(&p->dst_be);
	struct origin from = {.lan = via, .flags = WH_FLOW_KERNEL, .wan = WH_WAN_NONE};
	struct choice choice;
	int reason;

	if (to.kind == WH_ROUTE_WAN)
		from.wan = to.wan;
	if (pending) {
		from.lan = pending->lan;
		from.class = pending->class;
		from.line = pending->line;
		from.policy = pending->policy;
		from.flags = 0;
		__builtin_memcpy(from.client_mac, pending->client_mac, ETH_ALEN);
		note_class(from.class);
		if (from.wan == WH_WAN_NONE && pending->wan < WH_MAX_WANS && !choice_of(from.class, &choice) &&
		    (choice.fresh & (1U << pending->wan))) {
			from.wan = pending->wan;
			from.chosen = 1;
		}
	} else {
		reason = is_steered(p, to);
		if (reason)
			return reason;
		origin_classify(skb, p, came_by(skb), &from);
		reason = class_action(from.class);
		if (reason)
			return reason;
	}
	return flow_open(p, &from);
}

/* The router's own, and what the kernel masqueraded itself: steered like everybody's. */
static __always_inline int open_own(struct __sk_buff *skb, const struct packet *p, __u32 via, const struct wh_wan *wan)
{
	struct origin from = {.lan = via, .flags = WH_FLOW_KERNEL, .wan = WH_WAN_NONE};
	struct wh_route to = route_of(&p->dst_be), source = route_of(&p->src_be);
	int reason = is_steered(p, to);

	if (reason)
		return reason;
	if (!has_ports(p->proto) || source.kind != WH_ROUTE_LOCAL || ctx_is_bound(skb))
		return -WH_REASON_KERNEL_OWN;
	if (source.wan < WH_MAX_WANS &&
	    (source.wan != via || ctx_is_bound_to(skb, &p->src_be) || ctx_is_bound_to_source(skb)))
		return -WH_REASON_KERNEL_OWN; /* that WAN's address was asked for */
	if (ctx_is_forwarded(skb) && !addr_equal(&p->src_be, &wan_ip(wan)->addr_be))
		return -WH_REASON_KERNEL_OWN;
	if (to.kind == WH_ROUTE_WAN)
		from.wan = to.wan;
	origin_classify(skb, p, came_by(skb), &from);
	reason = class_action(from.class);
	return reason ? reason : flow_open(p, &from);
}

#define NO_ANSWER 1

/*
 * Whether what was asked is the client itself: its own address, which the world knows, or what that is under the
 * prefix of the WAN that was asked.
 */
COLD int is_image(const struct packet *p, const inbound_t *note)
{
	struct wh_wan *wan = note ? wan_row(note->wan) : NULL;
	addr_t external;

	if (!p || !note || !wan)
		return 0;
	if (addr_equal(&p->src_be, &note->local_be) && !is_private(&p->src_be))
		return 1;
	return source_on(wan, &p->src_be, &external) != SOURCE_REFUSED && addr_equal(&external, &note->local_be) &&
	       !addr_equal(&external, &wan_ip(wan)->addr_be);
}

/*
 * An answer to someone from outside, by a WAN or from an address that the kernel's routes do not choose.  Where its
 * source is the address that was asked, that says it all: the guard has it.  So of the router's own packets only those
 * of UDP sockets are looked at that serve everybody at any address; one that is connected asks, it does not answer.
 */
static __always_inline int open_answer(struct __sk_buff *skb, const struct packet *p)
{
	inbound_t *note = inbound_find(p);
	struct wh_route source;

	if (!note || is_tcp_opening(p) || is_dhcp(p) || (p->proto == PROTO_ICMP_OF_FAMILY && !p->is_answer))
		return NO_ANSWER;
	source = route_of(&p->src_be);
	if (source.kind == WH_ROUTE_LOCAL && source.wan == note->wan && addr_equal(&p->src_be, &note->local_be))
		return -WH_REASON_KERNEL_OWN;
	if (ctx_is_forwarded(skb))
		return is_image(p, note) ? inbound_answer(skb, p, note) : NO_ANSWER;
	if (source.kind != WH_ROUTE_LOCAL || ctx_is_connected(skb))
		return NO_ANSWER;
	return inbound_answer(skb, p, note);
}

/*
 * The peer of a session from outside has turned to another address of ours since: what was opened for the old one is
 * forgotten.  Whether it was.
 */
COLD int inbound_renew(const struct packet *p)
{
	inbound_t *note = p ? inbound_find(p) : NULL;
	flow_t *flow = p ? flow_find(p) : NULL;
	flow_key_t key;

	if (!note || !flow || (note->wan == flow->pin.wan && addr_equal(&note->local_be, &flow->external_be)))
		return 0;
	key = flow_key(p);
	reply_delete(&key, &flow->external_be, flow->pin);
	bpf_map_delete_elem(&wh_flows, &key);
	return 1;
}

/* A packet without a flow: 0: it stands in wh_flows now; or -reason. */
COLD int open_at_egress(struct __sk_buff *skb, const struct packet *p, __u32 via, __u32 mark)
{
	struct wh_wan *wan = wan_row(via);
	int reason;

	if (!p || !wan)
		return -WH_REASON_KERNEL_OWN;
	if (mark == WH_MARK_KERNEL)
		return -WH_REASON_KERNEL_CLASS;
	/* Without our mark where a rule of the user's wrote another one over it; lan_in noted it all the same. */
	if (mark != WH_MARK_VALUES || (ctx_is_forwarded(skb) && pending_of_client(p)))
		return open_shown(skb, p, via);
	reason = open_answer(skb, p);
	return reason == NO_ANSWER ? open_own(skb, p, via, wan) : reason;
}

/*
 * Why a packet of the router's own that got no flow may not leave by the WAN that the kernel chose for it: its class
 * is not to, or is never to use that WAN.  Else, as the guard has it, its own source is good enough there.
 */
static __always_inline int is_forbidden(const struct packet *p, int negative_reason, __u32 via)
{
	return negative_reason == -WH_REASON_CLASS_DROP || negative_reason == -WH_REASON_CLASS_REJECT ||
	       (negative_reason == -WH_REASON_NO_WAN && !is_allowed(p->class, via));
}

/* A verdict or -reason. */
static __always_inline int wan_out(struct __sk_buff *skb, struct packet *p, struct route *r)
{
	__u32 mark = ctx_mark(skb);
	int verdict;

	if (p->kind == PACKET_ICMP_ERROR) {
		verdict = error_out(skb, p, r->via);
		return verdict == ERROR_UNKNOWN ? guard(skb, p, r->via) : verdict;
	}
	if (is_fragment(p) && fragment_ports(skb, p))
		return guard(skb, p, r->via);
	r->flow = flow_find(p);
	if (r->flow && (r->flow->flags & FLOW_BY_KERNEL) == FLOW_BY_KERNEL && inbound_renew(p))
		r->flow = NULL;
	if (r->flow && (r->flow->flags & WH_FLOW_FOREIGN))
		return guard(skb, p, r->via);
	if (!r->flow) {
		verdict = open_at_egress(skb, p, r->via, mark);
		if (verdict <= -WH_REASON_FIRST_KERNEL ||
		    (verdict && !ctx_is_forwarded(skb) && !is_forbidden(p, verdict, r->via)))
			return guard(skb, p, r->via);
		if (verdict)
			return verdict;
		r->flow = flow_find(p);
		if (!r->flow)
			return -WH_REASON_RACE;
	} else if (ctx_is_forwarded(skb)) {
		flow_accept(r->flow);
		learn_lan(p, r->flow);
	}
	verdict = steer_out(skb, p, r);
	if (is_fragment(p) && verdict >= VERDICT_NEXT && (r->flow->flags & WH_FLOW_NAT))
		rewrite_id(skb, p->fragment_id_be, p->leaving_id_be);
	return verdict;
}

#endif
