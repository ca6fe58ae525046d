/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink.h: the kernel's links, addresses, routes and neighbours of both families, kept as a picture that is
 * always whole: dumps at the start and after an overrun, notifications between.  The daemon asks it; nothing
 * here knows of WANs.  Reads only: nothing is ever written to the routing tables.
 *
 * Addresses are in network order.  What answers 0 or -ENOENT leaves its output untouched in the latter case.
 */
#ifndef WANHELM_KERN_NETLINK_H
#define WANHELM_KERN_NETLINK_H

#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <wanhelm/abi.h>

struct wh_netlink;

/* Open, dump, and listen.  `changed` is called from wh_netlink_read() once after each batch that changed the picture. */
int wh_netlink_open(struct wh_netlink **out, void (*changed)(void *arg), void *arg);
void wh_netlink_close(struct wh_netlink *nl);

/* The descriptor to wait on, readable when wh_netlink_read() has work. */
int wh_netlink_fd(const struct wh_netlink *nl);

/* Take in what has come, at most a bounded number of messages.  An overrun (counted) leads to a new dump. 0 or -errno. */
int wh_netlink_read(struct wh_netlink *nl);

/* How often the socket overran. */
uint64_t wh_netlink_overruns(const struct wh_netlink *nl);

/* --- links ------------------------------------------------------------------------------------------------ */

struct wh_link {
	unsigned ifindex;
	char name[IFNAMSIZ];
	char master[IFNAMSIZ]; /* the bridge it is a port of, or empty */
	uint8_t mac[ETH_ALEN];
	bool has_mac;	/* an Ethernet device */
	bool steerable; /* of a kind that we can stand on: Ethernet without tags in it, or packets that begin with IP */
	uint8_t l2_len; /* where steerable: bytes of the link-layer header, 14 or 0 */
	bool point_to_point;
	bool up; /* administratively */
	bool carrier;
	uint32_t mtu;
	char kind[16];	 /* of virtual devices: "veth", "bridge", "vlan"…; else empty */
	uint16_t vlan;	 /* a VLAN's device: its number; else 0 */
	unsigned parent; /* a VLAN's device: the one whose frames it tags, if that is in our namespace; else 0 */
	bool vlan_plain; /* a VLAN's device: its tags are 802.1Q's, and have no priorities */
};

/* The link of that name, or NULL.  Valid until the next read. */
const struct wh_link *wh_netlink_link(const struct wh_netlink *nl, const char *name);
const struct wh_link *wh_netlink_link_at(const struct wh_netlink *nl, unsigned ifindex);

/* Whether VLAN devices that are up, anybody's, stand on the device. */
bool wh_netlink_has_vlans(const struct wh_netlink *nl, unsigned ifindex);

/* --- addresses -------------------------------------------------------------------------------------------- */

/* The device's first global IPv4 address (in the kernel's order; secondary ones last); -ENOENT. */
int wh_netlink_addr4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr *out);

/*
 * The device's first global IPv6 address, in the kernel's order, which is the newest first: after a renumbering
 * that nobody announced (RFC 8978) only that one works.  Before all others one of which duplicate address
 * detection has nothing to say any more; then, as RFC 6724 §5 has it, one that is not deprecated, then one that
 * the Internet knows (no RFC 4193 address), and last temporary ones (RFC 8981), which would go again; -ENOENT.
 */
int wh_netlink_addr6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr *out);
/* One call for each global IPv6 address of the device that can be used, until `each` returns false. */
void wh_netlink_each_addr6(const struct wh_netlink *nl, unsigned ifindex,
			   bool (*each)(void *arg, const struct in6_addr *addr, unsigned prefix_len), void *arg);
/* The device's first link-local IPv6 address that can be used; -ENOENT. */
int wh_netlink_linklocal6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr *out);

/* Whether `addr` is one of the device's addresses; an IPv6 one only where it is known to be no duplicate. */
bool wh_netlink_has_addr4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr addr);
bool wh_netlink_has_addr6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr addr);

/* Bits of the on-link prefix that came with that address of the device; -ENOENT. */
int wh_netlink_prefix_len6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr addr);

/* --- routes ----------------------------------------------------------------------------------------------- */

/* The gateway of the default route through the device with the lowest metric, any table but local; -ENOENT. */
int wh_netlink_gateway4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr *out);
/*
 * The same for IPv6, source-specific default routes included.  Among those of the lowest metric the highest
 * router preference (RFC 4191 §2.1; the kernel does not tell when a router changes its own: the next dump does),
 * among equals the one that was returned before, unless the kernel found it unreachable (RFC 4861 §6.3.6).
 */
int wh_netlink_gateway6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr *out);

/*
 * The prefix that is delegated to us (RFC 8415 §6.3) by way of the device, of 1 to 64 bits, its host bits 0: what the
 * default route through the device is bound to (`default from PREFIX`), as clients of DHCPv6 install it.  The
 * lowest metric, then the largest prefix.  A prefix that is on the link is not ours to give away, but on
 * point-to-point devices (RFC 7278); -ENOENT.
 */
int wh_netlink_source_prefix6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr *prefix, unsigned *len);

/*
 * The kernel's own default route: what a packet without any other route leaves by, as tables main and default say it
 * for all sources.  *gateway is an IPv4 address as ::ffff:a.b.c.d, and :: where the route has none.
 * -ENOENT where there is none, or one that refuses.
 */
int wh_netlink_default(const struct wh_netlink *nl, enum wh_family family, unsigned *ifindex, struct in6_addr *gateway);

/* A route of the tables main, default and local. */
struct wh_net_route {
	enum wh_family family;
	union {
		struct in_addr dst4;
		struct in6_addr dst6;
	};
	unsigned prefix_len; /* bits, of its family */
	uint8_t type;	     /* RTN_* */
	unsigned ifindex;    /* output device, the first of a multipath; 0: none */
	bool has_gateway;
	uint32_t metric;
};

/* Changes whenever the routes may have. */
uint64_t wh_netlink_routes_version(const struct wh_netlink *nl);

/*
 * One call a prefix of either family, with the route that the kernel would ask first: by table, then metric.  Default
 * routes of some sources count as default routes, after those of all.  Other routes for some sources or one TOS
 * are left out, as are IPv6 multicast routes and routes of IPv4-mapped addresses.
 */
void wh_netlink_each_route(const struct wh_netlink *nl, void (*each)(void *arg, const struct wh_net_route *route),
			   void *arg);

/* --- neighbours ------------------------------------------------------------------------------------------- */

/* The link-layer address of a neighbour, as far as the kernel knows it now; -ENOENT. */
int wh_netlink_neighbour4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr addr, uint8_t out[ETH_ALEN]);
int wh_netlink_neighbour6(const struct wh_netlink *nl, unsigned ifindex, struct in6_addr addr, uint8_t out[ETH_ALEN]);

/*
 * Have each neighbour told that the kernel tells of from now on, any device's; IPv4 addresses as ::ffff:a.b.c.d.
 * `mac` is NULL where it was asked and did not answer.  After a loss of notifications `lost` is called, and then all
 * that there are are told again.
 */
struct wh_neighbour_ops {
	void (*told)(void *arg, unsigned ifindex, const struct in6_addr *addr, const uint8_t *mac);
	void (*lost)(void *arg);
};
void wh_netlink_watch_neighbours(struct wh_netlink *nl, const struct wh_neighbour_ops *ops, void *arg);

/* Tell all that there are. 0 or -errno. */
int wh_netlink_tell_neighbours(struct wh_netlink *nl);

/* Whether nothing is missing from the picture: false from a loss to the next dump. */
bool wh_netlink_is_whole(const struct wh_netlink *nl);

#endif
