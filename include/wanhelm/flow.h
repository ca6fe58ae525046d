/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h: flows, their replies' keys, and the bindings that hold external ports (IPv4).
 *
 * A flow stands in two maps: wh_flows4 under the tuple that the client uses, wh_replies4 under the tuple
 * that comes back on the WAN.  Inserting the reply is the reservation of that tuple.  An internal endpoint
 * (address, port, protocol) stands in wh_binds4 with its external port on each WAN, and each such port in
 * wh_ports4: inserting there is the reservation of the port, so an endpoint shows one external port to
 * everybody (RFC 4787 REQ-1) and no two endpoints share one (REQ-3).
 */
#ifndef WANHELM_FLOW_H
#define WANHELM_FLOW_H

#include "abi.h"

/* A flow as its client sees it.  ICMP echo: sport is the identifier, dport 0. */
struct wh_flow4_key {
	__be32 src_be;
	__be32 dst_be;
	__be16 sport_be;
	__be16 dport_be;
	__u8 proto; /* IPPROTO_* */
	__u8 pad[3];
};

/* The same flow as its answers come in on a WAN.  ICMP echo: external_port is the identifier, remote_port 0. */
struct wh_reply4_key {
	__be32 remote_be;
	__be32 external_be;
	__be16 remote_port_be;
	__be16 external_port_be;
	__u8 proto;
	__u8 wan; /* WAN number */
	__u8 pad[2];
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

/* What the client (wh_flow4.tcp) or the server (wh_reply4.tcp) has sent so far. */
enum wh_tcp_seen {
	WH_TCP_SYN = 1 << 0,
	WH_TCP_ACKED = 1 << 1, /* a segment with ACK and without SYN: from the client, it proves an answer came */
	WH_TCP_FIN = 1 << 2,
	WH_TCP_RST = 1 << 3,
};

enum wh_flow_flag {
	WH_FLOW_NAT = 1 << 0,	/* the source is translated */
	WH_FLOW_PROBE = 1 << 1, /* of the prober: stays on its WAN, whatever the masks say */
	WH_FLOW_SHARED = 1 << 2 /* TCP only: ports had run out; shares its external port with other destinations */
};

struct wh_flow4 {
	union wh_pin pin;
	__u64 seen_ns;	/* CLOCK_MONOTONIC of the client's last packet */
	__u64 tx_bytes; /* L3 bytes from the client; counts may miss one another between CPUs */
	__u32 tx_packets;
	__u32 born_s;  /* seconds of CLOCK_MONOTONIC */
	__be32 ack_be; /* TCP: what the client last acknowledged, the sequence number of a valid RST to it */
	__u8 class;
	__u8 lan;	    /* LAN number */
	__u8 tcp;	    /* enum wh_tcp_seen */
	__u8 flags;	    /* enum wh_flow_flag */
	__be32 external_be; /* the source address that it has on the WAN; no longer the WAN's own: bind again */
	__u16 mac_tag;	    /* of the client's MAC in wh_reply4, to notice that it changed without a look there */
	__u16 pad;
};

struct wh_reply4 {
	__be32 client_be;
	__be16 client_port_be;
	__u8 lan;
	__u8 class;
	__u8 client_mac[6];
	__u8 tcp;   /* enum wh_tcp_seen */
	__u8 flags; /* enum wh_flow_flag */
	__u64 rx_bytes;
	__u32 rx_packets;
	__u32 generation; /* of the pin that made this entry */
};

/* An internal endpoint. */
struct wh_bind4_key {
	__be32 addr_be;
	__be16 port_be;
	__u8 proto;
	__u8 pad;
};

/*
 * `users` counts the flows and carries the sweep's marks in its top bits.  A DYING binding is still good
 * and its next user saves it; a GONE one must not be used.
 */
#define WH_BIND_DYING 0x40000000U
#define WH_BIND_GONE 0x80000000U

struct wh_bind4 {
	__u32 users;
	__u8 home; /* the WAN that new sessions of the endpoint go by while their class permits it */
	__u8 pad[3];
	__u32 port_be
		[WH_MAX_WANS]; /* external port by WAN number, 0 where it has none; 32 bits for compare-and-exchange */
};

/* An external port in use. */
struct wh_port4_key {
	__be16 port_be;
	__u8 proto;
	__u8 wan;
};

struct wh_port4 {
	struct wh_bind4_key holder;
};

_Static_assert(sizeof(struct wh_flow4_key) == 16, "layout");
_Static_assert(sizeof(struct wh_reply4_key) == 16, "layout");
_Static_assert(sizeof(union wh_pin) == 8, "one word");
_Static_assert(sizeof(struct wh_flow4) == 48, "layout");
_Static_assert(sizeof(struct wh_reply4) == 32, "layout");
_Static_assert(sizeof(struct wh_bind4_key) == 8, "layout");
_Static_assert(sizeof(struct wh_bind4) == 40, "layout");
_Static_assert(sizeof(struct wh_port4_key) == 4, "layout");

#endif
