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

#define WH_SCHEMA_VERSION 4

#define WH_MAX_WANS 8
#define WH_MAX_CLASSES 64
#define WH_MAX_LANS 64
#define WH_BUCKETS 1024
#define WH_NAME_LEN 32

/* The class number under which probes are counted and kept; never the number of a configured class. */
#define WH_CLASS_PROBE WH_MAX_CLASSES
/* The LAN number that stands for the router's end of the prober's veth. */
#define WH_LAN_PROBER (WH_MAX_LANS - 1)
/*
 * The prober's source address for WAN number w: WH_PROBE_NET + 1 + w (host order), 169.254.87.1 and on, and in
 * IPv6 WH_PROBE_NET6 with 1 + w in its last byte: fd77:616e:6865:6c6d::1 and on.
 */
#define WH_PROBE_NET 0xa9fe5700U
#define WH_PROBE_NET6                                                                                                  \
	{                                                                                                              \
		0xfd, 0x77, 0x61, 0x6e, 0x68, 0x65, 0x6c, 0x6d                                                         \
	}
/* In a WAN field: no WAN. */
#define WH_WAN_NONE 0xff

/* Address families, where something is kept for each. */
enum wh_family { WH_V4 = 0, WH_V6 = 1, WH_FAMILIES = 2 };

/* What a device is to us; the value of wh_devices, keyed by ifindex. */
enum wh_role { WH_ROLE_LAN = 1, WH_ROLE_WAN = 2, WH_ROLE_PROBER = 3 };

struct wh_device {
	__u8 role;   /* enum wh_role */
	__u8 number; /* LAN or WAN number */
	__u8 l2_len; /* bytes of its link-layer header: 14, or 0 where packets begin with IP (ppp, wwan, WireGuard) */
	__u8 pad;
};

struct wh_addr6 {
	__be32 word_be[4];
};

/* What is to be done with a destination, by wh_routes. */
enum wh_route_kind {
	WH_ROUTE_DEFAULT = 0, /* ours to steer; so is a destination without any entry */
	WH_ROUTE_KERNEL = 1,  /* has a route of its own, or is never steered: left to the kernel */
	WH_ROUTE_LOCAL = 2,   /* an address of the router's; `wan`: the WAN that has it, or WH_WAN_NONE */
	WH_ROUTE_WAN = 3,     /* reached by WAN `wan` and by no other (a modem's page): translated there */
	WH_ROUTE_NOWHERE = 4, /* has a route that says so (unreachable and the like): left to the kernel */
};

/* IPv4 stands in the same trie under its mapped address, ::ffff:a.b.c.d, its prefix 96 bits longer. */
struct wh_route_key {
	__u32 prefix_len; /* bits, as BPF's longest-prefix trie wants it */
	struct wh_addr6 addr_be;
};

struct wh_route {
	__u8 kind; /* enum wh_route_kind */
	__u8 wan;
	__u8 pad[2];
};

/*
 * What our bits of a packet's mark say: the configured value plus one of these, in units of the mask's lowest
 * bit.  A packet in WH_MARK_SHOWN (+ number of the chosen WAN) or WH_MARK_UP is on its way through the kernel's
 * firewall and comes back to us at wan_out.
 */
enum wh_mark {
	WH_MARK_DONE = 0,    /* dealt with: hooks let it by, and clear it */
	WH_MARK_SHOWN = 1,   /* to +8: a new flow's packet, by the WAN that it is going to use */
	WH_MARK_UP = 9,	     /* of a known flow, or of one whose WAN is not chosen yet */
	WH_MARK_KERNEL = 10, /* of a class that is the kernel's: looked at by nobody but the leak guard */
	WH_MARK_VALUES
};

/* The one element of wh_meta: what made these maps. */
struct wh_meta {
	__u32 schema; /* WH_SCHEMA_VERSION of the writer */
	__u32 mark;   /* the configured value in our bits of the mark: WH_MARK_DONE */
	__u32 mark_mask;
	__u32 pad;
	char owner[64]; /* path of the controller's run directory, for people */
};

_Static_assert(sizeof(struct wh_device) == 4, "layout");
_Static_assert(sizeof(struct wh_route_key) == 20 && sizeof(struct wh_route) == 4, "layout");
_Static_assert(sizeof(struct wh_meta) == 80, "layout");

#endif
