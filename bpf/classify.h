/* SPDX-License-Identifier: GPL-2.0 */
/*
 * classify.h: a new flow's first packet → what may be done with it at all, and its traffic class.
 */
#ifndef WH_BPF_CLASSIFY_H
#define WH_BPF_CLASSIFY_H

#include "maps.h"
#include "parse.h"

/* The class `default`, the only one there is. */
#define CLASS_DEFAULT 0

/* What the kernel's routes, as the controller copied them, say of an address. */
static __always_inline struct wh_route route_of(const addr_t *addr_be)
{
	struct wh_route_key key = {.prefix_len = 128, .addr_be = mapped_addr(addr_be)};
	struct wh_route *route = bpf_map_lookup_elem(&wh_routes, &key);
	struct wh_route none = {.kind = WH_ROUTE_DEFAULT, .wan = WH_WAN_NONE};

	return route ? *route : none;
}

/* Whether the address is in use as it stands: the router's own, or where its routes lead. */
static __always_inline int is_native(struct wh_route to)
{
	return to.kind == WH_ROUTE_LOCAL || to.kind == WH_ROUTE_KERNEL;
}

/* DHCP and DHCPv6: leases belong to the device that they were got on. */
static __always_inline int is_dhcp(const struct packet *p)
{
	__be16 server = WH_FAMILY == 4 ? bpf_htons(67) : bpf_htons(547);
	__be16 client = WH_FAMILY == 4 ? bpf_htons(68) : bpf_htons(546);

	return p->proto == IPPROTO_UDP &&
	       ((p->sport_be == client && p->dport_be == server) || (p->sport_be == server && p->dport_be == client) ||
		(p->sport_be == server && p->dport_be == server));
}

/* Whether a packet without a flow is ours to steer: 0, or the -reason for which the kernel has it. */
static __always_inline int is_steered(const struct packet *p, struct wh_route to)
{
	if ((to.kind != WH_ROUTE_DEFAULT && to.kind != WH_ROUTE_WAN) || is_martian(&p->dst_be))
		return -WH_REASON_KERNEL_ROUTE;
	/* A session that did not start here is the kernel's, which may know it from before our start. */
	if (p->proto == IPPROTO_TCP && (p->tcp_flags & (SEGMENT_SYN | SEGMENT_ACK)) != SEGMENT_SYN)
		return -WH_REASON_KERNEL_MIDFLOW;
	if (p->is_answer)
		return -WH_REASON_KERNEL_OWN;
	return is_dhcp(p) ? -WH_REASON_KERNEL_NEVER : 0;
}

static __always_inline __u8 classify(const struct packet *p)
{
	(void)p;
	return CLASS_DEFAULT;
}

#endif
