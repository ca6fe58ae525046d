/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lease.h: what a flow is given on a WAN: its external address and port, and the entry under which its answers are
 * found, which is the reservation of both.
 */
#ifndef WH_BPF_LEASE_H
#define WH_BPF_LEASE_H

#include "nat.h"
#include "tuple.h"

/* What a flow is given on a WAN. */
struct lease {
	addr_t external_be;
	__be16 port_be;
	__u8 flags; /* enum wh_flow_flag */
};

/* A flow and its reply while they are made, off the small stack. */
struct making {
	flow_t flow;
	reply_t reply;
	flow_key_t key;
	struct lease lease;
	reply_key_t leaving; /* of a flow that moves: where its answers are found so far; or zeros, where nothing is */
	__u8 moves;
	__u8 has_left; /* that entry was taken out to make room */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct making);
} making SEC(".maps");

static __always_inline struct making *making_there(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&making, &zero);
}

/* The same, empty. */
static __always_inline struct making *making_get(void)
{
	struct making *m = making_there();

	if (m)
		__builtin_memset(m, 0, sizeof(*m));
	return m;
}

#define ROOM_TRIES 16

/*
 * For a flow that moves there is no room for a second entry: the one that it leaves goes first.  An answer that comes
 * between the two is nobody's.  Another CPU may take the room, for a flow that moves, too, or for one that it has to
 * refuse, and gives it back in a moment; where that takes longer than these tries, the flow has no entry until its next
 * packet (reclass.h).
 */
static __always_inline int reply_swap(struct making *m, const reply_key_t *key)
{
	int err = -E2BIG;

	if (!bpf_map_delete_elem(&wh_replies, &m->leaving))
		m->has_left = 1;
	for (int i = 0; i < ROOM_TRIES && err == -E2BIG; i++)
		err = bpf_map_update_elem(&wh_replies, key, &m->reply, BPF_NOEXIST);
	return err;
}

/* The reply that is being made. */
COLD int reply_insert(const struct packet *p, __u32 wan_number, const struct lease *lease)
{
	struct making *m = making_there();
	reply_key_t key = {.wan = wan_number};
	int err;

	if (!p || !lease || !m)
		return -E2BIG;
	key.remote_be = p->dst_be;
	key.external_be = lease->external_be;
	key.remote_port_be = p->dport_be;
	key.external_port_be = lease->port_be;
	key.proto = p->proto;
	err = bpf_map_update_elem(&wh_replies, &key, &m->reply, BPF_NOEXIST);
	return err == -E2BIG && m->moves ? reply_swap(m, &key) : err;
}

/* Why the reply's entry could not be made: no room, or (of a tuple that should be free) a race. */
static __always_inline int insert_reason(int err)
{
	return err == -E2BIG ? -WH_REASON_TABLE_FULL : -WH_REASON_RACE;
}

/* TCP where ports have run out: any port whose tuple with this destination is free. */
static __always_inline int lease_shared(const struct packet *p, __u32 wan_number, const struct wh_wan *wan,
					struct lease *lease)
{
	int err;

	for (int i = 0; i < PORT_TRIES; i++) {
		lease->port_be = bpf_htons(port_in_range(wan, bpf_get_prandom_u32()));
		err = reply_insert(p, wan_number, lease);
		if (!err) {
			lease->flags |= WH_FLOW_SHARED;
			return 0;
		}
		if (err == -E2BIG)
			return -WH_REASON_TABLE_FULL;
	}
	return -WH_REASON_NO_PORT;
}

/*
 * Give the flow its address (lease->external_be and flags are set already) and port on a WAN, and enter it for its
 * answers.  `bind` is NULL where no port is translated: then the tuple as it is must be free.
 */
static __always_inline int lease_take(const struct packet *p, __u32 wan_number, const struct wh_wan *wan,
				      struct wh_bind *bind, struct lease *lease)
{
	int err;

	lease->port_be = bind ? bind_port(bind, p, wan_number, wan) : p->sport_be;
	if (addr_is_zero(&lease->external_be))
		return -WH_REASON_NO_WAN;
	if (lease->port_be || !bind) {
		err = reply_insert(p, wan_number, lease);
		if (!err)
			return 0;
		if (!bind && (lease->flags & WH_FLOW_NAT) && err != -E2BIG)
			return -WH_REASON_NO_PORT; /* another client speaks this protocol with that peer */
		if (!bind || p->proto != IPPROTO_TCP || err == -E2BIG)
			return insert_reason(err);
	}
	if (p->proto == IPPROTO_TCP)
		return lease_shared(p, wan_number, wan, lease);
	return -WH_REASON_NO_PORT;
}

#endif
