/* SPDX-License-Identifier: GPL-2.0 */
/*
 * steer.h: the words that decide where packets go now: the rows of the memory-mapped map wh_steer.
 *
 * Row c (c < WH_MAX_CLASSES) belongs to class c, the last row, WH_STEER_GLOBAL, to all classes.  In every
 * mask bit w stands for WAN number w.  Each union is one aligned 64-bit word and is only ever replaced
 * whole, by one store: that store is the flip, and each CPU sees it at its next packet.
 *
 * Which words are a person's to write is said with each.  The controller never recomputes a word that is
 * a person's, and stores its own words only when what it wants changes.
 */
#ifndef WANHELM_STEER_H
#define WANHELM_STEER_H

#include "abi.h"

#define WH_STEER_GLOBAL WH_MAX_CLASSES
#define WH_STEER_ROWS (WH_MAX_CLASSES + 1)

/*
 * Per class: which WANs existing flows may stay on (keep), and which may take new ones (fresh).  A flow stays where
 * (alive | held) & keep has its WAN's bit.
 */
union wh_masks {
	struct {
		__u8 keep4;
		__u8 fresh4; /* a fresh bit without its alive bit is a last resort: for new flows that find nothing better */
		__u8 keep6;
		__u8 fresh6;
		__u8 leave4; /* some flows there are to leave: struct wh_return says which */
		__u8 held4;  /* flows there stay also while the WAN is not alive, in case it comes back */
		__u8 leave6;
		__u8 held6;
	};
	__u64 word;
};

/*
 * Per class: flows that a better WAN's return has left on a WAN in `leave`, by when they were born, in
 * seconds of CLOCK_MONOTONIC; a flow that belongs where it is stays there in any case.  Read by the data plane, which
 * may find an older value beside younger masks: then flows leave a moment later.
 */
struct wh_return {
	__u32 moved_s;		  /* those born before move with their next packet, if they can without harm */
	__u32 old_s[WH_MAX_WANS]; /* by WAN number: those on it that were born before are too old: on-failover */
	__u8 waits4;		  /* WANs that are fit again and wait to be taken back; for the next controller */
	__u8 waits6;
	__u8 pad[2];
};

/* In the last row: which WANs work.  A WAN's death is one store to this word. */
union wh_alive {
	struct {
		__u8 alive4;
		__u8 alive6;
		__u8 pad[6];
	};
	__u64 word;
};

/* In the last row: how new flows pass the kernel's firewall. */
enum wh_firewall_mode {
	WH_FIREWALL_BYPASS = 0, /* not at all */
	WH_FIREWALL_KERNEL = 1, /* tracked or (our nft table decides) untracked: accepted before they are carried */
};

union wh_firewall {
	struct {
		__u8 mode;   /* enum wh_firewall_mode */
		__u8 closed; /* not of the data plane: who takes it out closes the way from the LANs to the WANs */
		__u8 pad[2];
		__u32 generation; /* counts the changes of the ruleset: a flow that was accepted under another shows itself again */
	};
	__u64 word;
};

/* What a person may say of a WAN; AUTO takes the word back. */
enum wh_hand_verb { WH_HAND_AUTO, WH_HAND_DOWN, WH_HAND_UP, WH_HAND_DRAIN };

/* In the last row: the hand.  A person's to write: the command line's overrides stand here. */
union wh_hand {
	struct {
		__u8 down;  /* forced down */
		__u8 up;    /* forced up */
		__u8 drain; /* takes no new flows */
		__u8 pad[5];
	};
	__u64 word;
};

struct wh_steer {
	union wh_masks masks;	    /* class rows; read by the data plane */
	union wh_alive alive;	    /* last row; read by the data plane */
	union wh_hand hand;	    /* last row; read by the controller */
	__u64 heartbeat_ns;	    /* last row: CLOCK_BOOTTIME when the controller last turned its loop */
	__u64 flips;		    /* last row: how often `alive` was stored by us */
	union wh_firewall firewall; /* last row; read by the data plane */
	__u32 flows_per_client;	    /* last row; read by the data plane; 0: no limit */
	__u32 policy;	   /* last row; read by the data plane: counts the changes of the match lines and classes */
	__u32 learn_names; /* last row; read by the data plane; 1: DNS answers wait until their names are known */
	__u32 pin; /* class rows: WAN number + 1 that the class is pinned to by hand, 0: none; a person's to write */
	/* What each packet needs stands before this. */
	struct wh_return back; /* class rows; read by the data plane */
	/*
	 * Last row; read by the data plane: CLOCK_MONOTONIC until when the gateways' MACs in wh_wans may be believed.  The
	 * controller, which looks after them, puts it off again and again; 0: not now.
	 */
	__u64 gateways_until_ns;
	__u32 pad2[4];
};

_Static_assert(sizeof(union wh_masks) == 8 && sizeof(union wh_alive) == 8 && sizeof(union wh_hand) == 8, "one word");
_Static_assert(sizeof(struct wh_return) == 40, "layout");
_Static_assert(sizeof(struct wh_steer) == 128, "two cache lines");

#endif
