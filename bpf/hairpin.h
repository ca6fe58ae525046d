/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hairpin.h: a client that speaks to another one by the external end that this has on a WAN (RFC 4787 REQ-9, 5382
 * REQ-8, 6296 §4).
 *
 * The firewall is asked about the two as they are inside: the packet goes up with the other's own address for its
 * destination, from LAN to LAN.  (With its external source the kernel would take it for a martian: that address is the
 * router's own.)  lan_out meets what was accepted, opens the flows, and lets the packet come in once more as the client
 * sent it.  From then on forward.h translates it and turns it around at the WAN, where the other's flow takes it in as
 * it does any answer.  Where the other's end is not open to everyone, only the other opens its flow, by sending.
 */
#ifndef WH_BPF_HAIRPIN_H
#define WH_BPF_HAIRPIN_H

#include "firewall.h"
#include "rewrite.h"

/* Who stands behind an external end on which WAN. */
struct hairpin {
	addr_t inside_be;
	__be16 port_be;
	__u8 wan;
	__u8 pad;
};

/* --- from a client -------------------------------------------------------------------------------------- */

static __always_inline int mapping_find(const struct packet *p, __u32 number, struct hairpin *h)
{
	struct wh_port_key key = {.port_be = p->dport_be, .proto = p->proto, .wan = number};
	struct wh_wan *wan = wan_row(number);
	port_t *port;

	if (!wan || (p->proto != IPPROTO_UDP && p->proto != IPPROTO_TCP) ||
	    !addr_equal(&p->dst_be, &wan_ip(wan)->addr_be))
		return 0;
	port = bpf_map_lookup_elem(&wh_ports, &key);
	if (!port || port->holding.freed)
		return 0;
	h->inside_be = port->addr_be;
	h->port_be = port->holding.port_be;
	h->wan = number;
	return 1;
}

/* Under which WAN's translated prefix the destination stands. */
static __always_inline int prefix_find(const struct packet *p, struct hairpin *h)
{
#if WH_FAMILY == 6
	for (__u32 number = 0; number < WH_MAX_WANS; number++) {
		struct wh_wan *wan = wan_row(number);

		if (!wan || !wan->ifindex || !(wan->v6.flags & WH_WAN_NPT) || !is_external(wan, &p->dst_be) ||
		    addr_equal(&p->dst_be, &wan->v6.addr_be))
			continue;
		h->port_be = p->dport_be;
		h->wan = number;
		return source_inside(wan, &p->dst_be, &h->inside_be) ? 1 : -WH_REASON_UNTRANSLATABLE;
	}
#else
	(void)p;
	(void)h;
#endif
	return 0;
}

/* Whether the destination is another client's external end: 1, *h says whose; 0: it is not; or -reason. */
COLD int hairpin_find(const struct packet *p, struct hairpin *h)
{
	struct wh_route to;

	if (!p || !h)
		return 0;
	to = route_of(&p->dst_be);
	if (to.kind == WH_ROUTE_LOCAL)
		return mapping_find(p, to.wan, h);
	return is_native(to) ? 0 : prefix_find(p, h);
}

/* Whether everybody may send to that external end; else only those that it has sent to. */
static __always_inline int is_open_end(const struct wh_wan *wan, const addr_t *external)
{
	return (wan->flags & WH_WAN_OPEN) || !addr_equal(external, &wan_ip(wan)->addr_be);
}

/* Up the kernel as one client's packet for another. SHOWN or -reason. */
COLD int hairpin_show(struct __sk_buff *skb, const struct packet *p, const struct origin *from, const struct hairpin *h)
{
	struct rewrite in = {};
	int reason;

	if (!p || !from || !h)
		return -WH_REASON_MALFORMED;
	if (ctx_is_shown(skb))
		return -WH_REASON_RACE; /* accepted, and in once more: its flow has ended meanwhile */
	in.from_be = p->dst_be;
	in.to_be = h->inside_be;
	in.port_from_be = p->dport_be;
	in.port_to_be = h->port_be;
	reason = rewrite(skb, p, &in);
	if (reason)
		return reason;
	pending_note(p, from, h->wan);
	show(skb, WH_MARK_SHOWN + h->wan);
	return SHOWN;
}

/* A packet without a flow, for another client. 0: its flow stands in wh_flows now; SHOWN; or -reason. */
static __always_inline int hairpin_first(struct __sk_buff *skb, const struct packet *p, struct origin *from,
					 const struct hairpin *h)
{
	struct wh_wan *wan = wan_row(h->wan);

	if (!wan)
		return -WH_REASON_NO_WAN;
	from->wan = h->wan;
	from->flags = WH_FLOW_HAIRPIN;
	/* As from outside, what nobody inside has asked for passes the chains in any mode. */
	if (!firewall_is_asked(steer_global()) && !is_open_end(wan, &p->dst_be))
		return flow_enter(p, from);
	return hairpin_show(skb, p, from, h);
}

/* Whether the other one has a flow that takes this one's packets in. */
APART int hairpin_is_met(const struct packet *p, const flow_t *flow)
{
	int is_icmp = p->proto == PROTO_ICMP_OF_FAMILY;
	reply_key_t key = {.remote_be = flow->external_be,
			   .external_be = p->dst_be,
			   .remote_port_be = is_icmp ? 0 : flow->pin.external_port,
			   .external_port_be = is_icmp ? p->sport_be : p->dport_be,
			   .proto = p->proto,
			   .wan = flow->pin.wan};

	return bpf_map_lookup_elem(&wh_replies, &key) != NULL;
}

/* Whether the kernel is to be asked about a flow once more: its rules have changed, or the other's flow has ended. */
static __always_inline int hairpin_is_due(const struct packet *p, const struct route *r)
{
	const struct wh_wan *wan = wan_row(r->flow->pin.wan);

	if (is_outdated(steer_global(), r->flow)) {
		if (!firewall_is_asked(steer_global()))
			flow_accept(r->flow);
		else if (can_show_again(r))
			return 1;
	}
	return wan && is_open_end(wan, &p->dst_be) && !hairpin_is_met(p, r->flow);
}

/* --- to a client, by the kernel ------------------------------------------------------------------------- */

/* The external end on that WAN of whom the packet is for. Whether there is one. */
static __always_inline int hairpin_outside(const struct packet *p, __u32 number, const struct wh_wan *wan,
					   struct rewrite *back)
{
	bind_key_t key = {.addr_be = p->dst_be, .port_be = p->dport_be, .proto = p->proto};
	struct wh_bind *bind;

	back->from_be = p->dst_be;
	back->port_from_be = back->port_to_be = p->dport_be;
	switch (source_on(wan, &p->dst_be, &back->to_be)) {
	case SOURCE_PREFIXED:
		return 1;
	case SOURCE_MASQUERADED:
		bind = bpf_map_lookup_elem(&wh_binds, &key);
		back->port_to_be = bind ? bind->port_be[bounded_wan(number)] : 0;
		return back->port_to_be != 0;
	default:
		return 0;
	}
}

/* The flow of who sent it. 0 or -reason. */
static __always_inline int hairpin_open(const struct packet *p, const struct origin *from)
{
	flow_t *flow = flow_find(p);

	if (!flow)
		return flow_enter(p, from);
	flow_accept(flow);
	learn_lan(p, flow);
	return 0;
}

/* The flow of whom it is for, as for a session from outside; *p becomes the answer. 0 or -reason. */
static __always_inline int hairpin_open_other(struct packet *p, const struct rewrite *back, const struct origin *to)
{
	flow_t *flow = flow_find(p);

	if (!flow)
		return -WH_REASON_RACE;
	p->src_be = back->from_be;
	p->dst_be = flow->external_be;
	if (p->proto != PROTO_ICMP_OF_FAMILY) {
		p->sport_be = back->port_from_be;
		p->dport_be = flow->pin.external_port;
	}
	return flow_find(p) ? 0 : flow_enter(p, to);
}

/* In once more, by the sender's LAN, as it was sent; the mark, which it keeps, says that it was accepted. */
static __always_inline int hairpin_return(struct __sk_buff *skb, const struct origin *from)
{
	__u32 number = from->lan;
	struct wh_lan *lan = bpf_map_lookup_elem(&wh_lans, &number);

	if (!lan || !lan->ifindex)
		return -WH_REASON_NO_WAN;
	if (ctx_set_ethernet(skb, lan->l2_len, lan->mac, from->client_mac))
		return -WH_REASON_MALFORMED;
	return bpf_redirect(lan->ifindex, BPF_F_INGRESS);
}

/* What the firewall accepted, from LAN to LAN: VERDICT_NEXT where it is no hairpin; else a verdict or -reason. */
COLD int hairpin_accepted(struct __sk_buff *skb, struct packet *p, __u32 lan, __u32 number)
{
	struct origin from = {.wan = number, .flags = WH_FLOW_HAIRPIN};
	struct origin to = {.wan = number, .flags = WH_FLOW_HAIRPIN | WH_FLOW_INBOUND, .lan = lan};
	struct wh_wan *wan = wan_row(number);
	struct rewrite back = {.hop = -1}; /* what the kernel has counted is counted on the second way */
	struct ethhdr *eth = ctx_data(skb);
	pending_t *pending;
	int reason;

	if (!p || !wan || !hairpin_outside(p, number, wan, &back))
		return VERDICT_NEXT;
	p->dst_be = back.to_be;
	p->dport_be = back.port_to_be;
	pending = pending_of_client(p);
	if (!pending || !(pending->flags & WH_FLOW_HAIRPIN))
		return VERDICT_NEXT; /* of a connection that the user's rules have redirected */
	from.lan = pending->lan;
	from.class = to.class = pending->class;
	__builtin_memcpy(from.client_mac, pending->client_mac, ETH_ALEN);
	if (wh_l2_len && (void *)(eth + 1) <= ctx_end(skb))
		__builtin_memcpy(to.client_mac, eth->h_dest, ETH_ALEN);
	reason = rewrite(skb, p, &back);
	if (!reason)
		reason = hairpin_open(p, &from);
	if (!reason && is_open_end(wan, &back.to_be))
		reason = hairpin_open_other(p, &back, &to);
	return reason ? reason : hairpin_return(skb, &from);
}

#endif
