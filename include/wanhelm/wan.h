/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wan.h: what the data plane knows of one WAN and of one LAN device.
 *
 * Written by the controller only.  A row is not replaced atomically, but each field is stored whole: the worst
 * that a racing packet meets is a new address with the old gateway, or the other way round.  A WAN that goes is
 * out of `alive` before its row changes, one that comes is in it after.
 */
#ifndef WANHELM_WAN_H
#define WANHELM_WAN_H

#include "abi.h"

/* name in the configuration's language, in the order of the numbers */
#define WH_WAN_STATES(X)                                                                                               \
	X(ABSENT, "absent")                                                                                            \
	X(PENDING, "pending")                                                                                          \
	X(UP, "up")                                                                                                    \
	X(SUSPECT, "suspect")                                                                                          \
	X(DOWN, "down")                                                                                                \
	X(RECOVERING, "recovering")                                                                                    \
	X(DRAINING, "draining")                                                                                        \
	X(FORCED_DOWN, "forced-down")                                                                                  \
	X(FORCED_UP, "forced-up")

enum wh_wan_state {
#define X(name, text) WH_WAN_##name,
	WH_WAN_STATES(X)
#undef X
		WH_WAN_STATE_COUNT
};

enum wh_wan_flag {
	WH_WAN_CONFIGURED = 1 << 0, /* the number is in use */
	WH_WAN_OPEN = 1 << 1,	    /* filtering: endpoint-independent (RFC 4787 §5): who knows a mapping may use it */
};

/* Of one family on one WAN. */
enum wh_wan_ip_flag {
	WH_WAN_MASQUERADE = 1 << 0,  /* sources become addr_be */
	WH_WAN_GATEWAY = 1 << 1,     /* gateway_be is the next hop; without it the destination is (point-to-point) */
	WH_WAN_GATEWAY_MAC = 1 << 2, /* gateway_mac is known */
	WH_WAN_NPT = 1 << 3,	     /* IPv6: sources inside `inside_be` get prefix_be instead (RFC 6296) */
	WH_WAN_OWN_PREFIX = 1 << 4,  /* IPv6: a source inside prefix_be is this WAN's own and left as it is */
};

struct wh_wan4 {
	__be32 addr_be;	   /* our address on this WAN; 0: none */
	__be32 gateway_be; /* next hop */
	__u8 gateway_mac[6];
	__u8 flags;    /* enum wh_wan_ip_flag */
	__u8 state;    /* enum wh_wan_state: kept here for a restart and for readers without a controller */
	__u64 since_s; /* when `state` was entered, seconds of the wall clock */
};

struct wh_wan6 {
	struct wh_addr6 addr_be;
	struct wh_addr6 gateway_be;
	__u8 gateway_mac[6];
	__u8 flags;
	__u8 state;
	__u64 since_s;
	struct wh_addr6 prefix_be; /* the prefix that is routed to us by this WAN, host bits 0 */
	struct wh_addr6 inside_be; /* the prefix that the LANs' own addresses are in, for WH_WAN_NPT */
	__u8 prefix_len;	   /* of prefix_be, bits, at most 64; 0: there is none */
	__u8 inside_len;	   /* of inside_be, bits, at least prefix_len and at most 64 */
	__u8 pad[6];
};

struct wh_wan {
	__u32 ifindex;	  /* 0: no device now */
	__u32 flags;	  /* enum wh_wan_flag */
	__u32 mtu;	  /* L3 bytes */
	__u16 port_first; /* external ports, both ends included, host order */
	__u16 port_last;
	__u8 mac[6]; /* of our device */
	__u8 l2_len; /* as in struct wh_device */
	__u8 pad;
	struct wh_wan4 v4;
	struct wh_wan6 v6;
	__u32 weight;
	char name[WH_NAME_LEN];
	char device[16];
	__u32 pad2;
};

struct wh_lan {
	char device[16];
	__u32 ifindex;		  /* 0: no device now */
	__u32 mtu;		  /* L3 bytes */
	__be32 addr4_be;	  /* the router's address there, the source of the errors that it sends; 0: none */
	struct wh_addr6 addr6_be; /* the same; a global one before the link-local one */
	__u8 mac[6];		  /* of our device: the source address of what we send to clients */
	__u8 l2_len;		  /* as in struct wh_device */
	__u8 pad;
};

/*
 * When a WAN last carried something of a family: row family * WH_MAX_WANS + wan of the memory-mapped wh_signals, one
 * writer kind (the data plane), read by the controller without a system call.  Stamps are CLOCK_MONOTONIC and at most
 * WH_SIGNAL_LATE_NS late: a row is stored to only when it is older than the grain, so that its cache line
 * stays shared between CPUs at a full packet rate, and most packets only know the kernel's last tick.
 */
#define WH_SIGNAL_ROWS (WH_FAMILIES * WH_MAX_WANS)
#define WH_SIGNAL_GRAIN_NS 1000000ULL
#define WH_SIGNAL_LATE_NS                                                                                              \
	(WH_SIGNAL_GRAIN_NS + 20000000ULL) /* two ticks, of which kernels have at least 100 a second */

struct wh_signal {
	__u64 sent_ns;	    /* anything sent on this WAN, probes included */
	__u64 heard_ns;	    /* anything of ours answered on this WAN, probes included */
	__u64 user_sent_ns; /* the same without probes */
	__u64 user_heard_ns;
	__u64 pad[4];
};

_Static_assert(sizeof(struct wh_wan4) == 24 && sizeof(struct wh_wan6) == 88, "layout");
_Static_assert(sizeof(struct wh_wan) == 192, "layout");
_Static_assert(sizeof(struct wh_lan) == 52, "layout");
_Static_assert(sizeof(struct wh_signal) == 64, "one cache line");

#endif
