/* SPDX-License-Identifier: GPL-2.0 */
/* slow_private.h: what slow_packet.c and slow_cut.c share. */
#ifndef WANHELM_KERN_SLOW_PRIVATE_H
#define WANHELM_KERN_SLOW_PRIVATE_H

#include <netinet/ip.h>

#include "kern/slow_packet.h"

/* The IPv4 header of a frame whose version, lengths and checksum are right (RFC 1812 §5.2.2); -EINVAL. */
int wh_frame_ip4(const struct wh_frame *f, struct iphdr *out);

#endif
