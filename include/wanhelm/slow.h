/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slow.h: packets that the data plane hands to the controller, because no BPF program can cut a packet up or keep
 * one waiting: records of the ring buffer wh_slow.  The ring is small and the controller keeps few: both are the
 * bound on what a flood of them can take.
 */
#ifndef WANHELM_SLOW_H
#define WANHELM_SLOW_H

#include "abi.h"

#define WH_SLOW_FRAME_MAX 9216
#define WH_SLOW_RING (256 * 1024) /* bytes */

enum wh_slow_task {
	WH_SLOW_FRAGMENT = 1, /* IPv4 without DF, larger than `mtu`: cut it up and send it by `ifindex` as it stands */
	WH_SLOW_ORPHAN =
		2, /* a later fragment that came to WAN `wan` before its first one: keep it until that has come */
	WH_SLOW_ANSWER = 3, /* from port 53 to a client: learn its names, then send it by `ifindex` */
};

/* The controller's heartbeat is older: answers do not wait for it. */
#define WH_SLOW_HEARTBEAT_NS 100000000ULL

struct wh_slow {
	__u32 task;    /* enum wh_slow_task */
	__u32 ifindex; /* FRAGMENT: the device to send by; ORPHAN: where it came in; ANSWER: 0: is on its way already */
	__u32 mtu;     /* FRAGMENT: L3 bytes */
	__u32 l2_len;  /* bytes before the IP header in `frame` */
	__u32 len;     /* of `frame` */
	__u32 wan;     /* WAN number */
	__u8 frame[];
};

#endif
