/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nat.h: bindings of internal endpoints to external ports, and the rewriting of packets (IPv4).
 *
 * A port belongs to one endpoint (wh_ports4 is the reservation), an endpoint shows the same port to everyone
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

static __always_inline struct wh_bind4_key bind_key4(const struct packet4 *p)
{
	struct wh_bind4_key key = {.addr_be = p->src_be, .port_be = p->sport_be, .proto = p->proto};

	return key;
}

/*
 * Count a flow in.  A binding that the sweep has given up (GONE) is not to be used.  The element may have been
 * deleted and reused between look-up and count only if this CPU stalled for a whole slice of the sweep; then
 * one binding keeps a user too many and lives until the restart.
 */
static __always_inline int bind_hold(struct wh_bind4 *bind)
{
	if (__sync_fetch_and_add(&bind->users, 1) & WH_BIND_GONE) {
		__sync_fetch_and_add(&bind->users, -1);
		return -WH_REASON_RACE;
	}
	return 0;
}

static __always_inline void bind_release(struct wh_bind4 *bind)
{
	__sync_fetch_and_add(&bind->users, -1);
}

/* The endpoint's binding, made if there is none, with this flow counted in; *reason is set where NULL is returned. */
static __always_inline struct wh_bind4 *bind_get4(const struct packet4 *p, __u8 home, int *reason)
{
	struct wh_bind4_key key = bind_key4(p);
	struct wh_bind4 *bind = bpf_map_lookup_elem(&wh_binds4, &key);

	if (!bind) {
		struct wh_bind4 fresh = {.home = home};

		/* Another CPU may have been first: then its element is found below. */
		bpf_map_update_elem(&wh_binds4, &key, &fresh, BPF_NOEXIST);
		bind = bpf_map_lookup_elem(&wh_binds4, &key);
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

/*
 * Reserve a port of the WAN for the endpoint: its own one if in range and free, else random ones (RFC 6056).
 * Each try is independent: neighbours of a taken port are likelier taken than others.
 */
static __always_inline __be16 port_reserve4(const struct packet4 *p, __u32 wan_number, const struct wh_wan *wan)
{
	struct wh_port4_key key = {.proto = p->proto, .wan = wan_number};
	struct wh_port4 holder = {.holder = bind_key4(p)};
	__u16 port = bpf_ntohs(p->sport_be);
	int err;

	if (port < wan->port_first || port > wan->port_last)
		port = port_in_range(wan, bpf_get_prandom_u32());
	for (int i = 0; i < PORT_TRIES; i++) {
		key.port_be = bpf_htons(port);
		err = bpf_map_update_elem(&wh_ports4, &key, &holder, BPF_NOEXIST);
		if (!err)
			return key.port_be;
		if (err == -E2BIG)
			break;
		port = port_in_range(wan, bpf_get_prandom_u32());
	}
	return 0;
}

/* The binding's port on that WAN, reserved now if it has none there; 0: none is free. */
static __always_inline __be16 bind_port4(struct wh_bind4 *bind, const struct packet4 *p, __u32 wan_number,
					 const struct wh_wan *wan)
{
	struct wh_port4_key key = {.proto = p->proto, .wan = wan_number};
	__u32 *slot = &bind->port_be[bounded_wan(wan_number)];
	__u32 was = *(volatile __u32 *)slot;
	__be16 port_be;

	if (was)
		return was;
	port_be = port_reserve4(p, wan_number, wan);
	if (!port_be)
		return 0;
	was = __sync_val_compare_and_swap(slot, 0, port_be);
	if (!was)
		return port_be;
	/* Another CPU's reservation came first; the endpoint keeps that one. */
	key.port_be = port_be;
	bpf_map_delete_elem(&wh_ports4, &key);
	return was;
}

/* --- rewriting ------------------------------------------------------------------------------------------ */

/* Which end of the packet is rewritten, to what. */
struct rewrite4 {
	__be32 from_be;
	__be32 to_be;
	__be16 port_from_be;
	__be16 port_to_be;
	__u8 source; /* 1: the source, on the way out; 0: the destination, on the way in */
};

/*
 * The L4 checksum goes through the helper, which knows what a partial checksum needs: with the pseudo header's
 * change it must follow, the port's change the device will find itself.
 */
static __always_inline void rewrite_l4_checksum(struct __sk_buff *skb, const struct packet4 *p,
						const struct rewrite4 *r)
{
	__u32 at = p->l4_offset;

	if (p->proto == IPPROTO_TCP) {
		at += __builtin_offsetof(struct tcphdr, check);
		bpf_l4_csum_replace(skb, at, r->from_be, r->to_be, BPF_F_PSEUDO_HDR | 4);
		if (r->port_from_be != r->port_to_be)
			bpf_l4_csum_replace(skb, at, r->port_from_be, r->port_to_be, 2);
	} else if (p->proto == IPPROTO_UDP) {
		at += __builtin_offsetof(struct udphdr, check);
		bpf_l4_csum_replace(skb, at, r->from_be, r->to_be, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | 4);
		if (r->port_from_be != r->port_to_be)
			bpf_l4_csum_replace(skb, at, r->port_from_be, r->port_to_be, BPF_F_MARK_MANGLED_0 | 2);
	} else if (r->port_from_be != r->port_to_be) {
		at += __builtin_offsetof(struct icmp_echo, check);
		bpf_l4_csum_replace(skb, at, r->port_from_be, r->port_to_be, 2);
	}
}

/* RFC 1624, equation 3, over 16-bit words. */
static __always_inline __u16 checksum_add(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Address and time to live in one pass over the IP header's checksum. */
static __always_inline void rewrite_ip(struct iphdr *ip, const struct rewrite4 *r)
{
	__u32 sum = (__u16)~ip->check;

	sum += (__u16) ~(r->from_be & 0xffff) + (__u16) ~(r->from_be >> 16);
	sum += (r->to_be & 0xffff) + (r->to_be >> 16);
	sum += (__u16)~bpf_htons((__u16)ip->ttl << 8) + bpf_htons((__u16)(ip->ttl - 1) << 8);
	ip->check = (__u16)~checksum_add(sum);
	ip->ttl -= 1;
	if (r->source)
		ip->saddr = r->to_be;
	else
		ip->daddr = r->to_be;
}

/* Rewrite one end and take one from the time to live. Pointers into the packet become invalid. */
static __always_inline int rewrite4(struct __sk_buff *skb, const struct packet4 *p, const struct rewrite4 *r)
{
	__u32 port_at;
	struct iphdr *ip;

	rewrite_l4_checksum(skb, p, r);
	ip = ctx_data(skb) + ETH_HLEN;
	if ((void *)(ip + 1) > ctx_end(skb))
		return -WH_REASON_MALFORMED;
	rewrite_ip(ip, r);
	if (r->port_from_be == r->port_to_be)
		return 0;
	port_at = p->l4_offset;
	if (p->proto == IPPROTO_ICMP)
		port_at += __builtin_offsetof(struct icmp_echo, id_be);
	else if (!r->source)
		port_at += __builtin_offsetof(struct udphdr, dest); /* where TCP has it too */
	return bpf_skb_store_bytes(skb, port_at, &r->port_to_be, sizeof(r->port_to_be), 0) ? -WH_REASON_MALFORMED : 0;
}

#endif
