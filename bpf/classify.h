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
static __always_inline __u32 route_kind4(__be32 addr_be)
{
	struct wh_route4_key key = {.prefix_len = 32, .addr_be = addr_be};
	struct wh_route *route = bpf_map_lookup_elem(&wh_routes, &key);

	return route ? route->kind : WH_ROUTE_DEFAULT;
}

/*
 * Whether a packet without a flow is ours to steer: 0, or the -reason for which the kernel has it.  The
 * kernel's own routes decide: no entry, or a default, is ours.
 */
static __always_inline int is_steered4(const struct packet4 *p)
{
	if (route_kind4(p->dst_be) != WH_ROUTE_DEFAULT)
		return -WH_REASON_KERNEL_ROUTE;
	/* A session that did not start here is the kernel's, which may know it from before our start. */
	if (p->proto == IPPROTO_TCP && (p->tcp_flags & (SEGMENT_SYN | SEGMENT_ACK)) != SEGMENT_SYN)
		return -WH_REASON_KERNEL_MIDFLOW;
	return 0;
}

static __always_inline __u8 classify4(const struct packet4 *p)
{
	(void)p;
	return CLASS_DEFAULT;
}

#endif
