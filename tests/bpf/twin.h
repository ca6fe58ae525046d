/* SPDX-License-Identifier: GPL-2.0 */
/*
 * twin.h: one packet, on one state of the tables, by XDP and by tc: what XDP does must be what tc does, to the packet and
 * to every table; what it does not do it must leave as it came, and no table changed.
 */
#ifndef WANHELM_TESTS_TWIN_H
#define WANHELM_TESTS_TWIN_H

#include "lab_xdp.h"

/* The device that a frame comes in by, and the row (lab_xdp.h) that it must leave by. */
struct twin {
	unsigned ifindex, row;
};

/* From a client on LAN 0 by WAN number `wan`; from that WAN to LAN 0. */
struct twin twin_out(unsigned wan);
struct twin twin_in(unsigned wan);

/* Carried by XDP itself, by that row, and by tc with the same bytes and the same counts. What left. */
struct result twin_carried(struct twin by, const struct packet *in);
/*
 * The same where the driver sees another frame than tc, with a VLAN's tag: it came in by `trunk`, as `frame`, and left
 * by the twin's row. What left.
 */
struct result twin_carried_tagged(unsigned trunk, const struct packet *frame, struct twin by, const struct packet *in);
/* Dropped by both, and counted alike. */
void twin_dropped(struct twin by, const struct packet *in);
/* XDP leaves it to tc, and what tc makes of it is another matter. */
void twin_left(unsigned ifindex, const struct packet *in);

#endif
