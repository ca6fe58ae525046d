/* SPDX-License-Identifier: GPL-2.0 */
/*
 * firewall.h: a new flow's way through the kernel's firewall.  lan_in chooses and notes (in a map that forgets the
 * oldest: what is not accepted must hold no room), the kernel's chains decide, wan_out meets what they accept and
 * opens the flow.  A packet that is shown carries the number of the WAN it is going to use in its mark.
 */
#ifndef WH_BPF_FIREWALL_H
#define WH_BPF_FIREWALL_H

#include "flow.h"

/* The kernel's conntrack forgets what we showed it within this; sooner it would take a later packet for invalid. */
#define RECHECK_AFTER_S 12

static __always_inline int firewall_is_asked(const struct wh_steer *all)
{
	return all && all->firewall.mode == WH_FIREWALL_KERNEL;
}

/* Of a function that may have let a packet up. */
#define SHOWN 1

/* Up to the kernel, to come back at wan_out (or, for another client, at lan_out). */
static __always_inline int show(struct __sk_buff *skb, __u32 mark)
{
	count_reason(WH_REASON_KERNEL_FIREWALL);
	ctx_set_mark(skb, mark);
	return VERDICT_NEXT;
}

/* Always 0. */
COLD int pending_note(const struct packet *p, const struct origin *from, __u32 wan)
{
	pending_t pending = {.wan = wan};
	flow_key_t key;

	if (!p || !from)
		return 0;
	key = flow_key(p);
	pending.lan = from->lan;
	pending.class = from->class;
	pending.line = from->line;
	pending.policy = from->policy;
	pending.flags = from->flags;
	__builtin_memcpy(pending.client_mac, from->client_mac, ETH_ALEN);
	bpf_map_update_elem(&wh_pending, &key, &pending, BPF_ANY);
	return 0;
}

APART pending_t *pending_find(const struct packet *p)
{
	flow_key_t key = flow_key(p);

	return bpf_map_lookup_elem(&wh_pending, &key);
}

/* What lan_in noted of a client's packet; not what the kernel brought to a client itself. */
static __always_inline pending_t *pending_of_client(const struct packet *p)
{
	pending_t *pending = pending_find(p);

	return pending && !(pending->flags & WH_FLOW_FOREIGN) ? pending : NULL;
}

/* Whether the flow can be shown once more: conntrack has forgotten what it saw of it. */
static __always_inline int can_show_again(const struct route *r)
{
	return r->now_ns / 1000000000ULL > r->flow->born_s + RECHECK_AFTER_S;
}

static __always_inline void flow_accept(flow_t *flow)
{
	struct wh_steer *all = steer_global();

	if (all && flow->accepted != (__u16)all->firewall.generation)
		flow->accepted = all->firewall.generation;
}

/* The kernel has let a client by that moved to another LAN: its answers go there from now on. */
APART int learn_lan(const struct packet *p, flow_t *flow)
{
	pending_t *pending = flow->flags & (WH_FLOW_KERNEL | WH_FLOW_PROBE) ? NULL : pending_of_client(p);
	reply_t *reply;

	if (!pending || pending->lan == flow->lan)
		return 0;
	reply = reply_find(p, flow);
	if (reply) {
		reply->lan = flow->lan = pending->lan;
		reply_learn(reply, pending->lan, pending->client_mac);
	}
	return 0;
}

#endif
