/* SPDX-License-Identifier: GPL-2.0 */
/*
 * explain.h: the form by which people ask the data plane what it would do with a flow, and why: filled in by user space,
 * answered by a BPF program from the very tables and functions that packets meet.  The one element of wh_explain.
 */
#ifndef WANHELM_EXPLAIN_H
#define WANHELM_EXPLAIN_H

#include "abi.h"

struct wh_explain {
	/* asked */
	struct wh_addr6 src_be; /* IPv4 in the last word, the others 0 */
	struct wh_addr6 dst_be;
	__be16 sport_be;
	__be16 dport_be;
	__u8 proto;
	__u8 dscp;
	__u8 in; /* LAN number, or WH_IN_ROUTER (rules.h) */
	__u8 pad;
	__u32 mark;

	/* answered */
	__u32 reason; /* enum wh_reason; 0: it is steered */
	__u16 line;   /* the match line that decides, or WH_LINE_NONE */
	__u16 bucket;
	__u32 order; /* of that bucket, as in struct wh_bucket_table */
	__u8 class;
	__u8 keep;    /* WANs: alive, and may keep what is on them */
	__u8 fresh;   /* alive, and may take new flows */
	__u8 resort;  /* may take new flows where nothing alive may */
	__u8 allowed; /* may ever be used by the class */
	__u8 able;    /* of those that are willing: can carry this source */
	__u8 home;    /* WAN of the endpoint's binding, or WH_WAN_NONE */
	__u8 wan;     /* where a new flow would go, or WH_WAN_NONE */

	/* the flow, where there is one */
	__u8 found;
	__u8 flow_wan;
	__u8 flow_class;
	__u8 flow_flags; /* enum wh_flow_flag */
	__u16 flow_line;
	__u8 flow_state;   /* enum wh_flow_state */
	__u8 flow_current; /* 1: classed under the present match lines */
};

_Static_assert(sizeof(struct wh_explain) == 72, "layout");

#endif
