/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink.h: the kernel's links, IPv4 addresses, routes and neighbours, kept as a picture that is always
 * whole: dumps at the start and after an overrun, notifications between.  The daemon asks it; nothing here
 * knows of WANs.  Reads only: nothing is ever written to the routing tables.
 */
#ifndef WANHELM_KERN_NETLINK_H
#define WANHELM_KERN_NETLINK_H

#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct wh_netlink;

struct wh_link {
	unsigned ifindex;
	char name[IFNAMSIZ];
	char master[IFNAMSIZ]; /* the bridge it is a port of, or empty */
	uint8_t mac[ETH_ALEN];
	bool has_mac; /* an Ethernet device */
	bool point_to_point;
	bool up; /* administratively */
	bool carrier;
	uint32_t mtu;
};

/* Open, dump, and listen.  `changed` is called from wh_netlink_read() once after each batch that changed the picture. */
int wh_netlink_open(struct wh_netlink **out, void (*changed)(void *arg), void *arg);
void wh_netlink_close(struct wh_netlink *nl);

/* The descriptor to wait on, readable when wh_netlink_read() has work. */
int wh_netlink_fd(const struct wh_netlink *nl);

/* Take in what has come, at most a bounded number of messages.  An overrun (counted) leads to a new dump. 0 or -errno. */
int wh_netlink_read(struct wh_netlink *nl);

/* How often the socket overran. */
uint64_t wh_netlink_overruns(const struct wh_netlink *nl);

/* The link of that name, or NULL.  Valid until the next read. */
const struct wh_link *wh_netlink_link(const struct wh_netlink *nl, const char *name);

/* The device's first global IPv4 address (in the kernel's order; secondary ones last); -ENOENT. */
int wh_netlink_addr4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr *out);
/* Whether `addr` is one of the device's addresses. */
bool wh_netlink_has_addr4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr addr);

/* The gateway of the default route through the device with the lowest metric, any table but local; -ENOENT. */
int wh_netlink_gateway4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr *out);

/* The link-layer address of a neighbour, as far as the kernel knows it now; -ENOENT. */
int wh_netlink_neighbour4(const struct wh_netlink *nl, unsigned ifindex, struct in_addr addr, uint8_t out[ETH_ALEN]);

/* A route of the tables main, default and local, one call a prefix: its best route (lowest metric). */
struct wh_net_route4 {
	struct in_addr dst;
	unsigned prefix_len;
	uint8_t type;	  /* RTN_* */
	unsigned ifindex; /* output device, the first of a multipath; 0: none */
	bool has_gateway;
	uint32_t metric;
};

/* Changes whenever the routes may have. */
uint64_t wh_netlink_routes_version(const struct wh_netlink *nl);

void wh_netlink_each_route4(const struct wh_netlink *nl, void (*each)(void *arg, const struct wh_net_route4 *route),
			    void *arg);

#endif
