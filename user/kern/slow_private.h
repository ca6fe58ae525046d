/* SPDX-License-Identifier: GPL-2.0 */
/* slow_private.h: what slow_packet.c, slow_cut.c and slow_answer.c share. */
#ifndef WANHELM_KERN_SLOW_PRIVATE_H
#define WANHELM_KERN_SLOW_PRIVATE_H

#include <netinet/ip.h>
#include <netinet/ip6.h>

#include "kern/slow_packet.h"

/* The IPv4 header of a frame whose version, lengths and checksum are right (RFC 1812 §5.2.2); -EINVAL. */
int wh_frame_ip4(const struct wh_frame *f, struct iphdr *out);

/*
 * The IPv6 header of a frame whose version and lengths are right, and what comes behind it and behind the extension
 * headers that each router or the receiver looks at (RFC 8200 §4.1): its number, its place in the frame, and how many
 * bytes are left from there on.  -EINVAL.
 */
int wh_frame_ip6(const struct wh_frame *f, struct ip6_hdr *out, uint32_t *at, uint32_t *len);

/*
 * Senders on virtual devices leave the pseudo-header's sum in the field and the rest to hardware.  Where in the whole
 * TCP or UDP datagram `l4` its checksum stands and, in *sum_be, what it should be; -EALREADY where it is complete, or
 * wrong in any other way: that is the receiver's to find; -EINVAL where it has none.
 */
int wh_unfinished_sum(const void *addresses, uint32_t addresses_len, uint8_t proto, const uint8_t *l4, uint32_t len,
		      uint16_t *sum_be);

#endif
