/* SPDX-License-Identifier: GPL-2.0 */
/*
 * policy.h: what a traffic class wants: its bucket table and its few per-class choices.
 *
 * Bucket tables are written at start and reload only, never at a failover, and are swapped whole:
 * wh_buckets is an array of maps with one element, the table set in force.
 */
#ifndef WANHELM_POLICY_H
#define WANHELM_POLICY_H

#include "abi.h"

/*
 * A bucket's order of preference: up to eight WANs, 4 bits each, the first choice in the lowest bits.
 * A nibble is WAN number + 1; 0 ends the list.
 */
#define WH_ORDER_BITS 4
#define WH_ORDER_MASK 0xfU

struct wh_bucket_table {
	__u32 order[WH_BUCKETS];
};

enum wh_affinity { WH_AFFINITY_SRC_DST = 0, WH_AFFINITY_FLOW = 1, WH_AFFINITY_SRC = 2 };

/* What becomes of a flow whose WAN may not keep it while another may take it. */
enum wh_on_failover {
	WH_FAILOVER_AUTO = 0,  /* NATed TCP that was answered is reset, all else moves */
	WH_FAILOVER_MOVE = 1,  /* as auto, spelt out: what can move moves, the rest is reset */
	WH_FAILOVER_RESET = 2, /* TCP is reset even where it could move; what cannot be reset moves */
};

/* What becomes of a new flow that no WAN may carry. */
enum wh_on_none { WH_NONE_REJECT = 0, WH_NONE_DROP = 1 };

/* What is done with a class's packets. */
enum wh_class_action {
	WH_CLASS_STEER = 0,
	WH_CLASS_KERNEL = 1, /* never steered: left to the kernel */
	WH_CLASS_DROP = 2,
	WH_CLASS_REJECT = 3, /* dropped, and the sender told: administratively prohibited */
};

struct wh_class {
	char name[WH_NAME_LEN]; /* empty: the number is not in use */
	__u8 affinity;		/* enum wh_affinity */
	__u8 on_failover;	/* enum wh_on_failover */
	__u8 on_none;		/* enum wh_on_none */
	__u8 action;		/* enum wh_class_action */
	__u8 allowed;		/* WANs that the class may ever use, bit by number: no mask can add to them */
	__u8 pad[3];
};

_Static_assert(sizeof(struct wh_bucket_table) == 4096, "layout");
_Static_assert(sizeof(struct wh_class) == 40, "layout");

#endif
