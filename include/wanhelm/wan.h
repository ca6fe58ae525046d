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
	WH_WAN_CONFIGURED = 1 << 0,  /* the number is in use */
	WH_WAN_MASQUERADE4 = 1 << 1, /* IPv4 sources become addr4_be */
	WH_WAN_GATEWAY4 = 1 << 2,    /* gateway4_be is the next hop; without it the destination is (point-to-point) */
};

struct wh_wan {
	char name[WH_NAME_LEN];
	char device[16];
	__u32 ifindex;	    /* 0: no device now */
	__u32 flags;	    /* enum wh_wan_flag */
	__be32 addr4_be;    /* our address on this WAN; 0: none */
	__be32 gateway4_be; /* next hop */
	__u32 mtu;	    /* L3 bytes */
	__u16 port_first;   /* external ports, both ends included, host order */
	__u16 port_last;
	__u8 state4; /* enum wh_wan_state: kept here for a restart and for readers without a controller */
	__u8 state6; /* enum wh_wan_state */
	__u8 mac[6]; /* of our device */
	__u32 weight;
	__u32 pad;
	__u64 since_s; /* when state4 was entered, seconds of the wall clock */
};

struct wh_lan {
	char device[16];
	__u32 ifindex; /* 0: no device now */
	__u8 mac[6];   /* of our device: the source address of what we send to clients */
	__u8 pad[2];
};

/*
 * When a WAN last carried something: one row of the memory-mapped wh_signals, one writer kind (the data
 * plane), read by the controller without a system call.  Stamps are CLOCK_MONOTONIC and at most
 * WH_SIGNAL_GRAIN_NS late: a row is stored to only when it is older than that, so that its cache line
 * stays shared between CPUs at a full packet rate.
 */
#define WH_SIGNAL_GRAIN_NS 1000000ULL

struct wh_signal {
	__u64 sent_ns;	    /* anything sent on this WAN, probes included */
	__u64 heard_ns;	    /* anything of ours answered on this WAN, probes included */
	__u64 user_sent_ns; /* the same without probes */
	__u64 user_heard_ns;
	__u64 pad[4];
};

_Static_assert(sizeof(struct wh_wan) == 96, "layout");
_Static_assert(sizeof(struct wh_lan) == 28, "layout");
_Static_assert(sizeof(struct wh_signal) == 64, "one cache line");

#endif
