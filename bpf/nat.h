/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nat.h: bindings of internal endpoints to external ports.
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

/*
 * Count a flow in.  A binding that the sweep has marked is saved; one that is being deleted is not to be used.  The
 * element may have been deleted and reused between look-up and count only if this CPU stalled for a whole slice of
 * the sweep; then one binding keeps a user too many and lives until the restart.
 */
static __always_inline int bind_hold(struct wh_bind *bind)
{
	__u32 users = *(volatile __u32 *)&bind->users, gone = WH_BIND_DYING | WH_BIND_GONE;

	if (users == gone)
		return __sync_val_compare_and_swap(&bind->users, gone, 1) == gone ? 0 : -WH_REASON_RACE;
	if (users == WH_BIND_DEAD)
		return -WH_REASON_RACE;
	if (__sync_fetch_and_add(&bind->users, 1) & WH_BIND_GONE) {
		__sync_fetch_and_add(&bind->users, -1);
		return -WH_REASON_RACE;
	}
	return 0;
}

static __always_inline void bind_release(struct wh_bind *bind)
{
	__sync_fetch_and_add(&bind->users, -1);
}

/* The endpoint's binding, made if there is none, with this flow counted in; *reason is set where NULL is returned. */
static __always_inline struct wh_bind *bind_get(const struct packet *p, int *reason)
{
	bind_key_t key = bind_key(p);
	struct wh_bind *bind = bpf_map_lookup_elem(&wh_binds, &key);

	if (!bind) {
		struct wh_bind fresh = {.home = WH_WAN_NONE};

		/* Another CPU may have been first: then its element is found below. */
		bpf_map_update_elem(&wh_binds, &key, &fresh, BPF_NOEXIST);
		bind = bpf_map_lookup_elem(&wh_binds, &key);
		if (!bind) {
			*reason = -WH_REASON_TABLE_FULL;
			return NULL;
		}
	}
	*reason = bind_hold(bind);
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
	__u32 freed_s = port ? *(volatile __u32 *)&port->freed_s : 0;

	return freed_s && freed_s != WH_PORT_GONE && addr_equal(&port->holder.addr_be, &wanted->holder.addr_be) &&
	       port->holder.port_be == wanted->holder.port_be &&
	       __sync_val_compare_and_swap(&port->freed_s, freed_s, 0) == freed_s;
}

/*
 * Reserve a port of the WAN for the endpoint: its own one if in range and free, else random ones (RFC 6056).
 * Each try is independent: neighbours of a taken port are likelier taken than others.
 */
static __always_inline __be16 port_reserve(const struct packet *p, __u32 wan_number, const struct wh_wan *wan)
{
	struct wh_port_key key = {.proto = p->proto, .wan = wan_number};
	port_t holder = {.holder = bind_key(p)};
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
