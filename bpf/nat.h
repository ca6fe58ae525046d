/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nat.h: bindings of internal endpoints to external ports.  A binding is made for its first user and goes with its
 * last one.
 *
 * A port belongs to one endpoint (wh_ports is the reservation), an endpoint shows the same port to everyone
 * (RFC 4787 REQ-1).  Only where a WAN's ports have run out, TCP flows share ports between destinations; the
 * reply's entry then is the only reservation.
 */
#ifndef WH_BPF_NAT_H
#define WH_BPF_NAT_H

#include "maps.h"
#include "parse.h"

/* At four fifths of the ports taken, a thousandth of the searches fails. */
#define PORT_TRIES 32

/* The compiler, which knows the number to be in range, would leave a plain mask out; the verifier has forgotten. */
static __always_inline __u32 bounded_wan(__u32 number)
{
	asm volatile("%0 &= %1" : "+r"(number) : "i"(WH_MAX_WANS - 1));
	return number;
}

/* --- bindings ------------------------------------------------------------------------------------------- */

static __always_inline bind_key_t bind_key(const struct packet *p)
{
	bind_key_t key = {.addr_be = p->src_be, .port_be = p->sport_be, .proto = p->proto};

	return key;
}

/* So many CPUs may count themselves in or out of one binding at once before one of them gives up. */
#define HOLD_TRIES 8

/* Count a user in, unless the binding is being deleted. */
static __always_inline int bind_count_in(struct wh_bind *bind)
{
	for (int i = 0; i < HOLD_TRIES; i++) {
		__u32 users = *(volatile __u32 *)&bind->users;

		if (users == WH_BIND_DEAD)
			break;
		if (__sync_val_compare_and_swap(&bind->users, users, users + 1) == users)
			return 0;
	}
	return -WH_REASON_RACE;
}

/*
 * Hold a binding that was looked up.  Between look-up and count it may have been deleted, and its memory given to
 * another endpoint; a second look-up tells, because what has a user stays.  The worst outcome: that other endpoint's
 * last flow ends before we have counted ourselves out, and its binding stands without users until its next session.
 */
static __always_inline int bind_hold(struct wh_bind *bind, const bind_key_t *key)
{
	struct wh_bind *still;

	if (bind_count_in(bind))
		return -WH_REASON_RACE;
	still = bpf_map_lookup_elem(&wh_binds, key);
	if (still && still == bind)
		return 0;
	__sync_fetch_and_add(&bind->users, -1);
	return -WH_REASON_RACE;
}

/*
 * A port that its binding gives up goes to nobody for a while (RFC 6888 REQ-8): what was on its way to the one would
 * reach the other.  TCP's are freed at once: its flows were kept until they were over; and so is what nobody outside
 * has seen yet.
 */
static __always_inline void release_ports(const bind_key_t *key, const struct wh_bind *bind)
{
	__u32 waits = bind->used && key->proto != IPPROTO_TCP;
	struct wh_port_key at = {.proto = key->proto};
	port_t *port;

	for (int wan = 0; wan < WH_MAX_WANS; wan++) {
		at.port_be = bind->port_be[wan];
		at.wan = wan;
		if (!at.port_be)
			continue;
		port = waits ? bpf_map_lookup_elem(&wh_ports, &at) : NULL;
		if (port)
			port->holding.freed = WH_PORT_FREED(bpf_ktime_get_ns() / 1000000000ULL);
		else
			bpf_map_delete_elem(&wh_ports, &at);
	}
}

/*
 * Count one's own use out.  The last user deletes the binding, and does so before its flow is deleted: whoever finds
 * room for a flow finds room for its binding.
 */
static __always_inline void bind_drop(const bind_key_t *key)
{
	struct wh_bind *bind = bpf_map_lookup_elem(&wh_binds, key);

	if (!bind || __sync_fetch_and_add(&bind->users, -1) != 1)
		return;
	/* A new session on another CPU may have counted itself in meanwhile. */
	if (__sync_val_compare_and_swap(&bind->users, 0, WH_BIND_DEAD) != 0)
		return;
	release_ports(key, bind);
	bpf_map_delete_elem(&wh_binds, key);
}

/* The same for who holds it for a packet. Always 0. */
COLD int bind_release(const struct packet *p)
{
	bind_key_t key;

	if (!p)
		return 0;
	key = bind_key(p);
	bind_drop(&key);
	return 0;
}

/* The endpoint's binding, made if there is none, with this flow counted in; *reason is set where NULL is returned. */
static __always_inline struct wh_bind *bind_get(const struct packet *p, int *reason)
{
	bind_key_t key = bind_key(p);
	struct wh_bind *bind = bpf_map_lookup_elem(&wh_binds, &key);

	*reason = 0;
	if (!bind) {
		struct wh_bind fresh = {.users = 1, .home = WH_WAN_NONE};
		int err = bpf_map_update_elem(&wh_binds, &key, &fresh, BPF_NOEXIST);

		bind = bpf_map_lookup_elem(&wh_binds, &key);
		if (bind && !err)
			return bind;
		/* Another CPU may have been first: then its element serves both. */
		if (!bind) {
			*reason = err == -E2BIG ? -WH_REASON_TABLE_FULL : -WH_REASON_RACE;
			return NULL;
		}
	}
	*reason = bind_hold(bind, &key);
	return *reason ? NULL : bind;
}

static __always_inline __u16 port_in_range(const struct wh_wan *wan, __u32 random16)
{
	__u32 span = (__u32)wan->port_last - wan->port_first + 1;

	return wan->port_first + ((random16 & 0xffff) * span >> 16);
}

/* Who had the port a short time ago may have it again, and nobody else. */
static __always_inline int port_retake(const struct wh_port_key *key, const port_t *wanted)
{
	port_t *port = bpf_map_lookup_elem(&wh_ports, key);
	union wh_holding was;

	if (!port)
		return 0;
	was.word = *(volatile __u32 *)&port->holding.word;
	return was.freed != WH_PORT_IN_USE && was.freed != WH_PORT_GONE && was.port_be == wanted->holding.port_be &&
	       addr_equal(&port->addr_be, &wanted->addr_be) &&
	       __sync_val_compare_and_swap(&port->holding.word, was.word, wanted->holding.word) == was.word;
}

/*
 * Reserve a port of the WAN for the endpoint: its own one if in range and free, else random ones (RFC 6056).
 * Each try is independent: neighbours of a taken port are likelier taken than others.
 */
static __always_inline __be16 port_reserve(const struct packet *p, __u32 wan_number, const struct wh_wan *wan)
{
	struct wh_port_key key = {.proto = p->proto, .wan = wan_number};
	port_t holder = {.addr_be = p->src_be, .holding.port_be = p->sport_be};
	__u16 port = bpf_ntohs(p->sport_be);
	int err;

	if (port < wan->port_first || port > wan->port_last)
		port = port_in_range(wan, bpf_get_prandom_u32());
	for (int i = 0; i < PORT_TRIES; i++) {
		key.port_be = bpf_htons(port);
		err = bpf_map_update_elem(&wh_ports, &key, &holder, BPF_NOEXIST);
		if (!err || port_retake(&key, &holder))
			return key.port_be;
		if (err == -E2BIG)
			break;
		port = port_in_range(wan, bpf_get_prandom_u32());
	}
	return 0;
}

/* The binding's port on that WAN, reserved now if it has none there; 0: none is free. */
static __always_inline __be16 bind_port(struct wh_bind *bind, const struct packet *p, __u32 wan_number,
					const struct wh_wan *wan)
{
	struct wh_port_key key = {.proto = p->proto, .wan = wan_number};
	__u32 *slot = &bind->port_be[bounded_wan(wan_number)];
	__u32 was = *(volatile __u32 *)slot;
	__be16 port_be;

	if (was)
		return was;
	port_be = port_reserve(p, wan_number, wan);
	if (!port_be)
		return 0;
	was = __sync_val_compare_and_swap(slot, 0, port_be);
	if (!was)
		return port_be;
	/* Another CPU's reservation came first; the endpoint keeps that one. */
	key.port_be = port_be;
	bpf_map_delete_elem(&wh_ports, &key);
	return was;
}

#endif
