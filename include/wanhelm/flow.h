/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h: flows, their replies' keys, and the bindings that hold external ports.
 *
 * A flow stands in two maps: wh_flows4 under the tuple that the client uses, wh_replies4 under the tuple that
 * comes back on the WAN; wh_flows6 and wh_replies6 are their twins.  Inserting the reply is the reservation of
 * that tuple.  An internal endpoint (address, port, protocol) stands in wh_binds4 with its external port on each
 * WAN, and each such port in wh_ports4: inserting there is the reservation of the port, so an endpoint shows one
 * external port to everybody (RFC 4787 REQ-1) and no two endpoints share one (REQ-3).
 *
 * The two families differ in their addresses only: what is the same is written once, and stands at the same place.
 */
#ifndef WANHELM_FLOW_H
#define WANHELM_FLOW_H

#include "abi.h"

/* --- flows ---------------------------------------------------------------------------------------------- */

/*
 * A flow as its client sees it.  ICMP queries: sport is the identifier, dport 0.  Protocols without ports that
 * are translated by address alone (GRE, ESP): both 0.
 */
struct wh_flow4_key {
	__be32 src_be;
	__be32 dst_be;
	__be16 sport_be;
	__be16 dport_be;
	__u8 proto; /* IPPROTO_* */
	__u8 pad[3];
};

struct wh_flow6_key {
	struct wh_addr6 src_be;
	struct wh_addr6 dst_be;
	__be16 sport_be;
	__be16 dport_be;
	__u8 proto;
	__u8 pad[3];
};

enum wh_flow_state {
	WH_FLOW_LIVE = 0,
	WH_FLOW_DYING = 1, /* found idle by the sweep; the next packet revives it */
	WH_FLOW_DEAD = 2,  /* being deleted: no packet may use it */
	WH_FLOW_RESET = 3, /* the client was sent a RST; a SYN starts it anew, anything else is answered with RST */
};

/*
 * Where a flow goes: replaced by compare-and-exchange only, so that no packet sees half a move.
 * `generation` counts the moves, so that a move away and back is still seen as a change.
 */
union wh_pin {
	struct {
		__u8 wan;
		__u8 state;	      /* enum wh_flow_state */
		__be16 external_port; /* equal to the client's own where nothing is translated */
		__u32 generation;
	};
	__u64 word;
};

/* What the client (a flow's `tcp`) or the server (a reply's `tcp`) has sent so far. */
enum wh_tcp_seen {
	WH_TCP_SYN = 1 << 0,
	WH_TCP_ACKED = 1 << 1, /* a segment with ACK and without SYN: from the client, it proves an answer came */
	WH_TCP_FIN = 1 << 2,
	/* Of a flow: either end has reset the session and neither has spoken since.  Of a reply: look at the flow. */
	WH_TCP_RST = 1 << 3,
};

enum wh_flow_flag {
	WH_FLOW_NAT = 1 << 0,	 /* the source is translated, and the flow counted in its endpoint's binding */
	WH_FLOW_PROBE = 1 << 1,	 /* of the prober: stays on its WAN, whatever the masks say */
	WH_FLOW_SHARED = 1 << 2, /* TCP only: ports had run out; shares its external port with other destinations */
	WH_FLOW_KERNEL =
		1 << 3, /* each packet passes the kernel (the router's own, or rewritten by the user's rules) */
	WH_FLOW_INBOUND = 1 << 4, /* opened from outside: keeps the WAN it came by, is never moved or reset */
	WH_FLOW_FOREIGN = 1 << 5, /* the kernel's own: known only to be left alone */
	WH_FLOW_PREFIX = 1 << 6,  /* IPv6: the source's prefix is translated (RFC 6296), its port is not */
	WH_FLOW_HAIRPIN = 1 << 7, /* with another client by its external end: turns around at the WAN, stays there */
};

/* clang-format off */
#define WH_FLOW_FIELDS                                                                                                 \
	union wh_pin pin;                                                                                              \
	__u64 seen_ns;	/* CLOCK_MONOTONIC of the client's last packet */                                              \
	__u64 tx_bytes; /* L3 bytes from the client; counts may miss one another between CPUs */                       \
	__u32 tx_packets;                                                                                              \
	__u32 born_s;	    /* seconds of CLOCK_MONOTONIC */                                                           \
	__be32 ack_be;	    /* TCP: what the client last acknowledged, the sequence number of a valid RST to it */     \
	__u8 class;                                                                                                    \
	__u8 lan;	    /* LAN number; WH_FLOW_KERNEL: number of the WAN that the kernel sends it by */            \
	__u8 tcp;	    /* enum wh_tcp_seen */                                                                     \
	__u8 flags;	    /* enum wh_flow_flag */                                                                    \
	__u16 mac_tag;	    /* of the client's MAC in its reply and `neighbours` there, to notice a change of either */ \
	__u16 accepted;	    /* low bits of the firewall's generation when the kernel last accepted it */               \
	__u16 line;	    /* the match line that chose the class, from 0; WH_LINE_NONE (rules.h): none did */          \
	__u16 policy;	    /* low bits of the policy's generation when the class was chosen */
/* clang-format on */

/* What both families' flows have in common, at the same offsets. */
struct wh_flow {
	WH_FLOW_FIELDS
};

struct wh_flow4 {
	WH_FLOW_FIELDS
	__be32 external_be; /* the source address that it has on the WAN; no longer the WAN's own: bind again */
	__u32 pad[3];	    /* with the key and the kernel's head an element is two cache lines, and touches no third */
};

struct wh_flow6 {
	WH_FLOW_FIELDS
	struct wh_addr6 external_be;
};

/* --- replies -------------------------------------------------------------------------------------------- */

/* The same flow as its answers come in on a WAN.  ICMP queries: external_port is the identifier, remote_port 0. */
struct wh_reply4_key {
	__be32 remote_be;
	__be32 external_be;
	__be16 remote_port_be;
	__be16 external_port_be;
	__u8 proto;
	__u8 wan; /* WAN number */
	__u8 pad[2];
};

struct wh_reply6_key {
	struct wh_addr6 remote_be;
	struct wh_addr6 external_be;
	__be16 remote_port_be;
	__be16 external_port_be;
	__u8 proto;
	__u8 wan;
	__u8 pad[2];
};

#define WH_REPLY_FIELDS                                                                                                \
	__u64 rx_bytes;                                                                                                \
	__u32 rx_packets;                                                                                              \
	__u8 lan; /* as in the flow */                                                                                 \
	__u8 class;                                                                                                    \
	__u8 tcp;	    /* enum wh_tcp_seen */                                                                     \
	__u8 flags;	    /* enum wh_flow_flag */                                                                    \
	__u8 client_mac[6]; /* with the next field one word */                                                         \
	__u16 neighbours;   /* the LAN's count of changes (wire.h) when the MAC was learnt */                          \
	__be16 client_port_be;                                                                                         \
	__u8 reply_pad[2];

struct wh_reply {
	WH_REPLY_FIELDS
};

struct wh_reply4 {
	WH_REPLY_FIELDS
	__be32 client_be;
};

struct wh_reply6 {
	WH_REPLY_FIELDS
	__u32 pad;
	struct wh_addr6 client_be;
};

/* --- bindings ------------------------------------------------------------------------------------------- */

/* An internal endpoint. */
struct wh_bind4_key {
	__be32 addr_be;
	__be16 port_be;
	__u8 proto;
	__u8 pad;
};

struct wh_bind6_key {
	struct wh_addr6 addr_be;
	__be16 port_be;
	__u8 proto;
	__u8 pad;
};

#define WH_BIND_DEAD 0xffffffffU /* users: its last user has gone, and it is being deleted */

/* A binding is there as long as it has users, so there are never more bindings than flows. */
struct wh_bind {
	__u32 users; /* flows, and packets that are opening or moving one */
	__u8 home;   /* the WAN that new sessions of the endpoint go by while their class permits it, or WH_WAN_NONE */
	__u8 used;   /* a flow was entered with it: its ports have been seen outside */
	__u8 pad[2];
	__u32 port_be
		[WH_MAX_WANS]; /* external port by WAN number, 0 where it has none; 32 bits for compare-and-exchange */
};

/* An external port in use, or freed a short time ago: then nobody gets it (RFC 6888 REQ-8). */
struct wh_port_key {
	__be16 port_be;
	__u8 proto;
	__u8 wan;
};

#define WH_PORT_IN_USE 0
#define WH_PORT_GONE 0xffff /* about to be deleted */

/*
 * Seconds of CLOCK_MONOTONIC as they stand in `freed`, where they are neither of these two; and how many have passed
 * since.  They come round in 18 hours: a port that nobody has swept for so long waits once more.
 */
#define WH_PORT_ROUND_S 0xfffe
#define WH_PORT_FREED(now_s) (1 + (now_s) % WH_PORT_ROUND_S)
#define WH_PORT_FREE_S(freed, now_s) (((now_s) % WH_PORT_ROUND_S + WH_PORT_ROUND_S + 1 - (freed)) % WH_PORT_ROUND_S)

/* The holder's own port, and when it gave the external one up: taken back and deleted by compare-and-exchange. */
union wh_holding {
	struct {
		__be16 port_be;
		__u16 freed; /* WH_PORT_IN_USE, WH_PORT_GONE, or WH_PORT_FREED() of when */
	};
	__u32 word;
};

/* The holder's protocol is the key's. */
struct wh_port4 {
	__be32 addr_be;
	union wh_holding holding;
};

struct wh_port6 {
	struct wh_addr6 addr_be;
	union wh_holding holding;
};

/* --- what is kept for a moment, in maps that evict the oldest ------------------------------------------- */

/* A flow that the kernel's firewall has not accepted yet; or one that the kernel itself brought to a LAN. */
struct wh_pending {
	__u8 client_mac[6];
	__u8 lan;
	__u8 class;
	__u8 wan;   /* the WAN that was chosen */
	__u8 flags; /* WH_FLOW_FOREIGN: the kernel's own */
	__u16 line; /* as in the flow */
	__u16 policy;
	__u8 pad[2];
};

/* Who sent us something that was no answer: what goes back leaves by the same WAN, from the address that was asked. */
struct wh_inbound4_key {
	__be32 remote_be;
	__be16 remote_port_be;
	__be16 local_port_be;
	__u8 proto;
	__u8 pad[3];
};

struct wh_inbound6_key {
	struct wh_addr6 remote_be;
	__be16 remote_port_be;
	__be16 local_port_be;
	__u8 proto;
	__u8 pad[3];
};

struct wh_inbound4 {
	__be32 local_be;
	__u32 seen_s; /* seconds of CLOCK_MONOTONIC: notes are good for a short time only */
	__u8 wan;
	__u8 pad[3];
};

struct wh_inbound6 {
	struct wh_addr6 local_be;
	__u32 seen_s;
	__u8 wan;
	__u8 pad[3];
};

/* The ports of a fragmented packet, which only its first fragment carries. */
struct wh_fragment4_key {
	__be32 src_be;
	__be32 dst_be;
	__u32 ifindex;
	__be16 id_be;
	__u8 proto;
	__u8 pad;
};

struct wh_fragment6_key {
	struct wh_addr6 src_be;
	struct wh_addr6 dst_be;
	__u32 ifindex;
	__be32 id_be;
};

struct wh_fragment {
	__be16 sport_be;
	__be16 dport_be;
	__be16 id_be; /* IPv4: the identifier that it leaves with, unique among all clients' (RFC 6864 §5.3) */
	__u8 proto;
	__u8 pad;
};

/* How many flows a client has: an IPv4 address (in `low`, `high` 0), or an IPv6 one, its halves folded. */
struct wh_client_key {
	__be32 high_be;
	__be32 low_be;
};

struct wh_client {
	__u32 flows;
};

_Static_assert(sizeof(struct wh_flow4_key) == 16 && sizeof(struct wh_flow6_key) == 40, "layout");
_Static_assert(sizeof(struct wh_reply4_key) == 16 && sizeof(struct wh_reply6_key) == 40, "layout");
_Static_assert(sizeof(union wh_pin) == 8, "one word");
_Static_assert(sizeof(struct wh_flow4) == 64 && sizeof(struct wh_flow6) == 64, "layout");
_Static_assert(sizeof(struct wh_reply4) == 32 && sizeof(struct wh_reply6) == 48, "layout");
_Static_assert(__builtin_offsetof(struct wh_reply, client_mac) % 8 == 0, "one word");
_Static_assert(sizeof(struct wh_bind4_key) == 8 && sizeof(struct wh_bind6_key) == 20, "layout");
_Static_assert(sizeof(struct wh_bind) == 40, "layout");
_Static_assert(sizeof(struct wh_port_key) == 4 && sizeof(struct wh_port4) == 8 && sizeof(struct wh_port6) == 20,
	       "layout");
_Static_assert(sizeof(struct wh_pending) == 16, "layout");
_Static_assert(sizeof(struct wh_fragment4_key) == 16 && sizeof(struct wh_fragment6_key) == 40, "layout");

#endif
