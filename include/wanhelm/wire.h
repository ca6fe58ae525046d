/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wire.h: how WANs and LANs are met where no device of theirs is seen yet: XDP runs in a driver, before VLAN
 * sub-interfaces.  The one element of wh_wires; its rows are the controller's to write.  wh_xdp_out, a devmap, holds the
 * device for each row by which XDP may send: row WAN number, or WH_WIRE_LAN + LAN number.
 *
 * A row is stored as two aligned words.  Their worst mixture is a device with another's address: then the frame is not
 * taken for ours, or the receiver does not take it.
 */
#ifndef WANHELM_WIRE_H
#define WANHELM_WIRE_H

#include "abi.h"

#define WH_WIRE_LAN WH_MAX_WANS
#define WH_WIRES (WH_MAX_WANS + WH_MAX_LANS)
#define WH_WIRE_ROWS 128 /* a power of two: a number that is masked needs no look at whether it is in bounds */

struct wh_wire {
	__u32 ifindex; /* whose driver runs our XDP program: the device itself, or the VLAN's parent; 0: none */
	__u16 vlan;    /* VLAN ID that its frames carry there, 0: none */
	__u8 sends;    /* 1: its row of wh_xdp_out is filled, and XDP may send by it */
	__u8 pad;
	__u8 mac[6]; /* of the device: where frames for us are sent to, and ours come from */
	/*
	 * LANs: counts what happened to the neighbours there, on whatever device: a client's MAC that was learnt under
	 * another number is looked for anew.
	 */
	__u16 neighbours;
};

struct wh_wires {
	struct wh_wire row[WH_WIRE_ROWS];
};

_Static_assert(sizeof(struct wh_wire) == 16, "layout");
_Static_assert(WH_WIRES <= WH_WIRE_ROWS, "a row for each");

#endif
