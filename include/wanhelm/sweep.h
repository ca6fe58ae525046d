/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sweep.h: the order form of the sweep: keys that user space takes for idle, looked at again and taken out
 * by a BPF program, because only it can compare and exchange a flow's word.  One element of the
 * memory-mapped wh_sweep4 or wh_sweep6.
 */
#ifndef WANHELM_SWEEP_H
#define WANHELM_SWEEP_H

#include "flow.h"

#define WH_SWEEP_SLICE 256

/* Idle times, by what a flow has shown so far; the controller's table of them says where they come from. */
enum wh_timer {
	WH_TIMER_UDP,
	WH_TIMER_ICMP,
	WH_TIMER_TCP_TRANSITORY,
	WH_TIMER_TCP_ESTABLISHED,
	WH_TIMER_RESET, /* after a RST of ours */
	WH_TIMER_OTHER, /* GRE, ESP, SCTP */
	WH_TIMER_PORT,	/* a freed port, until it is used again */
	WH_TIMER_COUNT
};

enum wh_sweep_task {
	WH_SWEEP_EXPIRE, /* idle flows: live → dying → deleted; ports freed long ago */
	WH_SWEEP_RESET,	 /* answered TCP flows on WAN `wan`: live → reset; the controller sends the RST */
};

/* clang-format off */
#define WH_SWEEP_FIELDS                                                                                                \
	__u64 timers_ns[WH_TIMER_COUNT];                                                                               \
	__u32 task;    /* in: enum wh_sweep_task */                                                                    \
	__u32 wan;     /* in: for WH_SWEEP_RESET */                                                                    \
	__u32 born_s;  /* in: for the same: only flows born before that second of CLOCK_MONOTONIC */                   \
	__u32 flows;   /* in: how many of flow[] to look at */                                                         \
	__u32 ports;   /* in: how many of port[] */                                                                    \
	__u32 dying;   /* out: flows marked */                                                                         \
	__u32 deleted; /* out: flows deleted */                                                                        \
	__u32 freed;   /* out: ports deleted */                                                                        \
	__u32 reset;   /* out: flows set to WH_FLOW_RESET; done[] says which */                                        \
	__u32 sweep_pad;                                                                                               \
	__u8 done[WH_SWEEP_SLICE];
/* clang-format on */

struct wh_sweep {
	WH_SWEEP_FIELDS
};

struct wh_sweep4 {
	WH_SWEEP_FIELDS
	struct wh_flow4_key flow[WH_SWEEP_SLICE];
	struct wh_port_key port[WH_SWEEP_SLICE];
};

struct wh_sweep6 {
	WH_SWEEP_FIELDS
	struct wh_flow6_key flow[WH_SWEEP_SLICE];
	struct wh_port_key port[WH_SWEEP_SLICE];
};

_Static_assert(sizeof(struct wh_sweep) == 8 * WH_TIMER_COUNT + 40 + WH_SWEEP_SLICE, "layout");
_Static_assert(sizeof(struct wh_sweep4) == sizeof(struct wh_sweep) + 20 * WH_SWEEP_SLICE, "layout");
_Static_assert(sizeof(struct wh_sweep6) == sizeof(struct wh_sweep) + 44 * WH_SWEEP_SLICE, "layout");

#endif
