/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lab_xdp.h: XDP's part of the lab: the program in front of the tc hooks, the wires that it knows devices by, and the
 * rows that it sends by.
 */
#ifndef WANHELM_TESTS_LAB_XDP_H
#define WANHELM_TESTS_LAB_XDP_H

#include "harness.h"

/* Of wh_wires and wh_xdp_out. */
#define LAB_ROW_WAN(n) (n)
#define LAB_ROW_LAN(n) (WH_WIRE_LAN + (n))

/*
 * Load the XDP programs, if they are not yet.  From now on until the next lab_reset(), which has it as the environment
 * says, packets that come in meet them first or, where `first` is false, tc alone.
 */
void lab_use_xdp(bool first);

/*
 * The XDP program alone, for a frame that comes in by that device, its verdict as tc would have it.  0 or -errno;
 * -EILSEQ: it left the frame to tc, but not as it came.
 */
int lab_xdp(unsigned ifindex, const struct packet *in, struct result *out);

/*
 * The same with a frame of any length, of which `linear` bytes stand in the first buffer and the rest in others; 0: as
 * many as the kernel likes.  *len is the room in `out` and becomes the length of what came out.  XDP_* or -errno.
 */
struct frame {
	const uint8_t *bytes;
	size_t len, linear;
};
int lab_xdp_frame(unsigned ifindex, const struct frame *in, uint8_t *out, size_t *len);

/* A row of wh_wires. */
struct wh_wire lab_wire(unsigned row);
void lab_set_wire(unsigned row, const struct wh_wire *wire);
/* A neighbour on that LAN changed. */
void lab_renew_neighbours(unsigned lan);
/* Every wire and every row to send by as each test finds them: every device, but for the prober's. */
void lab_describe_wires(void);
/* Of the rows to send by only that one: what is sent by another is dropped. */
void lab_send_only_by(unsigned row);
void lab_send_by_all(void);

#endif
