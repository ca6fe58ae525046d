/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fragment.h: the ports of fragments: noted from a packet's first, found for its later ones.
 *
 * On the way out the kernel has put the packet together and cut it up again (lan_in sends fragments there), so at
 * wan_out the first comes first.  On the way in a later one may be first: the controller keeps it waiting (slow.h).
 */
#ifndef WH_BPF_FRAGMENT_H
#define WH_BPF_FRAGMENT_H

#include "budget.h"
#include "count.h"
#include "slow.h"

static __always_inline fragment_key_t fragment_key(const struct __sk_buff *skb, const struct packet *p)
{
	fragment_key_t key = {.src_be = p->src_be, .dst_be = p->dst_be, .ifindex = ctx_ifindex(skb)};

#if WH_FAMILY == 4
	key.proto = p->proto;
	key.id_be = (__be16)p->fragment_id_be;
#else
	key.id_be = p->fragment_id_be;
#endif
	return key;
}

/*
 * Note or find; 0 or -reason.  The identifier to leave with is our choice: two clients may have chosen the same, which
 * behind one address would mix their packets up (RFC 6864 §5.3).
 */
COLD int fragment_ports(struct __sk_buff *skb, struct packet *p)
{
	struct wh_fragment fresh = {}, *known;
	fragment_key_t key;

	if (!p)
		return -WH_REASON_MALFORMED;
	key = fragment_key(skb, p);
	if (p->kind == PACKET_FIRST_FRAGMENT) {
		fresh.sport_be = p->sport_be;
		fresh.dport_be = p->dport_be;
		fresh.proto = p->proto;
		fresh.id_be = p->leaving_id_be = bpf_get_prandom_u32();
		return bpf_map_update_elem(&wh_fragments, &key, &fresh, BPF_ANY) ? -WH_REASON_FRAGMENT : 0;
	}
	known = bpf_map_lookup_elem(&wh_fragments, &key);
	if (!known)
		return -WH_REASON_FRAGMENT;
	p->sport_be = known->sport_be;
	p->dport_be = known->dport_be;
	p->proto = known->proto;
	p->leaving_id_be = known->id_be;
	return 0;
}

/*
 * A later fragment before its first: how many of these somebody sends is bounded, because whoever keeps them waiting
 * has little room. 0 or -reason.
 */
static __always_inline int fragment_orphan(void)
{
	return budget_take(BUDGET_ORPHANS) ? 0 : -WH_REASON_FRAGMENT;
}

#endif
