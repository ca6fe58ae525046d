/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_private.h: what the parts of the netlink picture share; nobody else includes it, but its tests.
 *
 *	netlink.c		dumps, notifications, when to dump again
 *	netlink_socket.c	talking to the kernel
 *	netlink_picture.c	the picture: growing arrays of links, addresses and routes, and how they are changed
 *	netlink_parse.c		from messages to the picture
 *	netlink_query.c		the questions of netlink.h, answered from the picture
 *	netlink_neighbour.c	the few neighbours that somebody asked for
 */
#ifndef WANHELM_KERN_NETLINK_PRIVATE_H
#define WANHELM_KERN_NETLINK_PRIVATE_H

#include "kern/netlink.h"

#include <libmnl/libmnl.h>
#include <stddef.h>

/* --- the picture ------------------------------------------------------------------------------------------ */

/* A growing array. */
struct wh_array {
	void *items;
	size_t n;
	size_t capacity;
};

struct wh_picture_link {
	struct wh_link link; /* `master` is filled in by wh_picture_name_masters() */
	unsigned bridge;     /* ifindex of the bridge it is a port of; 0: none */
};

struct wh_picture_addr {
	unsigned ifindex;
	struct in_addr addr;
	uint8_t prefix_len;
	uint8_t scope;	/* RT_SCOPE_* */
	uint32_t flags; /* IFA_F_* */
};

/* One next hop of a route; a multipath route is several. */
struct wh_picture_route {
	uint32_t table;
	struct wh_net_route4 route;
	struct in_addr gateway; /* 0.0.0.0: none, or an IPv6 one */
	size_t order;		/* place in the dump, which is the kernel's order among equals */
};

struct wh_picture {
	struct wh_array links;
	struct wh_array addrs;	/* in the kernel's order */
	struct wh_array routes; /* after wh_picture_sort_routes(): by prefix, the best first */
};

void wh_picture_free(struct wh_picture *p);

/* Whether the call changed anything: 1 or 0; or -ENOMEM. */
int wh_picture_put_link(struct wh_picture *p, const struct wh_picture_link *link);
int wh_picture_put_addr(struct wh_picture *p, const struct wh_picture_addr *addr);
int wh_picture_remove_link(struct wh_picture *p, unsigned ifindex);
int wh_picture_remove_addr(struct wh_picture *p, const struct wh_picture_addr *addr);

/* Routes only ever come from a dump: added, then sorted. 0 or -ENOMEM. */
int wh_picture_add_route(struct wh_picture *p, const struct wh_picture_route *route);
void wh_picture_sort_routes(struct wh_picture *p);
bool wh_picture_same_routes(const struct wh_picture *a, const struct wh_picture *b);

/* Links name their bridge by number: look the names up.  Called when all of a batch is in. */
void wh_picture_name_masters(struct wh_picture *p);

/* --- messages --------------------------------------------------------------------------------------------- */

/*
 * Take a message into the picture: 1 where it changed something, 0 where not (or it is none of ours, or
 * malformed), -ENOMEM.  Routes are added where `dump`; otherwise *routes_stale is set where the message says
 * that they, or something that takes routes along, changed.
 */
int wh_picture_take(struct wh_picture *p, const struct nlmsghdr *nlh, bool dump, bool *routes_stale);

/* A neighbour as a message tells it; has_mac is false where the kernel knows no address that it would use. */
struct wh_neighbour {
	unsigned ifindex;
	struct in_addr addr;
	bool has_mac;
	uint8_t mac[ETH_ALEN];
};

/* 0, or -EINVAL where it is no message of an IPv4 neighbour. */
int wh_neighbour_parse(const struct nlmsghdr *nlh, struct wh_neighbour *out);

/* --- neighbours ------------------------------------------------------------------------------------------- */

/*
 * A LAN's neighbours come and go by the thousand, but only gateways are ever asked for: so what was asked is
 * remembered and followed, the oldest question forgotten for the newest, and all else passes by.
 */
#define WH_NEIGHBOURS_FOLLOWED 64

struct wh_neighbours {
	struct wh_neighbour followed[WH_NEIGHBOURS_FOLLOWED];
	unsigned n;
	unsigned oldest;
};

/* A notification: whether it changed the address of a neighbour that somebody asked for. */
bool wh_neighbours_take(struct wh_neighbours *n, const struct nlmsghdr *nlh);

/* Ask the kernel about each of them again. */
void wh_neighbours_refresh(struct wh_neighbours *n, struct mnl_socket *query);

/* --- sockets ---------------------------------------------------------------------------------------------- */

struct wh_netlink {
	int epoll; /* waits for both of the following */
	int timer; /* runs out when a dump is due */
	struct mnl_socket *notify;
	struct mnl_socket *query;
	struct wh_picture picture;
	struct wh_neighbours *neighbours;
	bool stale;	   /* something was lost: everything is to be dumped again */
	bool routes_stale; /* the routes are to be dumped again */
	uint64_t dump_not_before_ns;
	uint64_t overruns;
	uint64_t routes_version;
	void (*changed)(void *arg);
	void *arg;
};

#define WH_NETLINK_MESSAGE_MAX 65536 /* of a datagram that comes */
#define WH_NETLINK_REQUEST_MAX 256

int wh_netlink_socket(struct mnl_socket **out);

/* The next datagram that the kernel itself sent: its length; -ENOBUFS where something was lost; -errno. */
int wh_netlink_receive(struct mnl_socket *socket, void *buf, size_t len, int flags);

/*
 * Send a request and hand each message of the answer to `take`, up to its first negative error.
 * 0; -EINTR where the kernel's tables changed under a dump; -errno.
 */
int wh_netlink_ask(struct mnl_socket *query, struct nlmsghdr *request, int (*take)(void *arg, const struct nlmsghdr *),
		   void *arg);

/* For tests: the size of the buffer for notifications, so that it overruns soon. 0 or -errno. */
int wh_netlink_set_buffer(struct wh_netlink *nl, int bytes);

#endif
