/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bound.h: to which address a socket of the router asked to be bound.  Of a connected socket its own fields do not tell
 * whether its address was bound or chosen for it.  bind.bpf.c notes it, wan_out asks.
 */
#ifndef WH_BPF_BOUND_H
#define WH_BPF_BOUND_H

#include "family.h"

/* Shared by both families, because a socket of IPv6 may speak IPv4: that address stands here mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct wh_addr6);
} wh_bound SEC(".maps");

#endif
