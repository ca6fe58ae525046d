/* SPDX-License-Identifier: GPL-2.0 */
/*
 * abi.h: limits and numbers that the BPF programs and user space share.
 *
 * Everything under include/wanhelm/ crosses the kernel boundary: data only, one definition for both
 * sides, layout asserted.  A change of any struct here is a change of WH_SCHEMA_VERSION, because maps
 * outlive the programs and the controller.
 */
#ifndef WANHELM_ABI_H
#define WANHELM_ABI_H

#include <linux/types.h>

#define WH_SCHEMA_VERSION 1

#define WH_MAX_WANS 8
#define WH_MAX_CLASSES 64
#define WH_MAX_LANS 64
#define WH_BUCKETS 1024
#define WH_NAME_LEN 32

/* The class number under which probes are counted and kept; never the number of a configured class. */
#define WH_CLASS_PROBE WH_MAX_CLASSES
/* The LAN number that stands for the router's end of the prober's veth. */
#define WH_LAN_PROBER (WH_MAX_LANS - 1)
/* The prober's source address for WAN number w is WH_PROBE_NET + 1 + w (host order): 169.254.87.1 and on. */
#define WH_PROBE_NET 0xa9fe5700U
/* In a WAN field: no WAN. */
#define WH_WAN_NONE 0xff

/* What a device is to us; the value of wh_devices, keyed by ifindex. */
enum wh_role { WH_ROLE_LAN = 1, WH_ROLE_WAN = 2, WH_ROLE_PROBER = 3 };

struct wh_device {
	__u8 role;   /* enum wh_role */
	__u8 number; /* LAN or WAN number */
	__u8 pad[2];
};

/* The kinds of wh_routes.  No entry means the same as WH_ROUTE_DEFAULT; WH_ROUTE_LOCAL is an address of the router's. */
enum wh_route_kind { WH_ROUTE_DEFAULT = 0, WH_ROUTE_KERNEL = 1, WH_ROUTE_LOCAL = 2 };

struct wh_route4_key {
	__u32 prefix_len; /* bits, as BPF's longest-prefix trie wants it */
	__be32 addr_be;
};

struct wh_route {
	__u32 kind; /* enum wh_route_kind */
};

/* The one element of wh_meta: what made these maps. */
struct wh_meta {
	__u32 schema; /* WH_SCHEMA_VERSION of the writer */
	__u32 mark;   /* the "done" value in our bits of the mark */
	__u32 mark_mask;
	__u32 pad;
	char owner[64]; /* path of the controller's run directory, for people */
};

_Static_assert(sizeof(struct wh_device) == 4, "layout");
_Static_assert(sizeof(struct wh_route4_key) == 8, "layout");
_Static_assert(sizeof(struct wh_meta) == 80, "layout");

#endif
