/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink_private.h: what the parts of the netlink picture share, and ipsec.c and neighbour_pin.c with them; nobody
 * else includes it, but their tests.
 *
 *	netlink.c		dumps, notifications, when to dump again
 *	netlink_socket.c	talking to the kernel
 *	netlink_pace.c		how often to dump
 *	netlink_picture.c	the picture: growing arrays of links, addresses and routes, and how they are changed
 *	netlink_parse.c		from messages to the picture
 *	netlink_query.c		the questions of netlink.h about links and addresses, answered from the picture
 *	netlink_route.c		those about routes
 *	netlink_neighbour.c	the few neighbours that somebody asked for
 *
 * Inside, an address of either family is a struct in6_addr, IPv4 as ::ffff:a.b.c.d; which one it is shows.
 */
#ifndef WANHELM_KERN_NETLINK_PRIVATE_H
#define WANHELM_KERN_NETLINK_PRIVATE_H

#include "kern/netlink.h"

#include <libmnl/libmnl.h>
#include <stddef.h>

#include "lib/mapped.h"

/* --- addresses of either family --------------------------------------------------------------------------- */

static inline struct in_addr wh_unmapped(const struct in6_addr *addr)
{
	return (struct in_addr){addr->s6_addr32[3]};
}

/* Leave the first `len` bits of an address of `size` bytes, and clear the rest. */
static inline void wh_clear_host_bits(void *addr, size_t size, unsigned len)
{
	uint8_t *bytes = addr;

	for (unsigned i = 0; i < size; i++) {
		unsigned keep = len > 8 * i ? len - 8 * i : 0;

		if (keep < 8)
			bytes[i] &= (uint8_t)(0xff00U >> keep);
	}
}

static inline enum wh_family wh_family_of(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_V4MAPPED(addr) ? WH_V4 : WH_V6;
}

/* --- the picture ------------------------------------------------------------------------------------------ */

/* A growing array. */
struct wh_array {
	void *items;
	size_t n;
	size_t capacity;
};

/* A copy of an item of `size` bytes at the end. 0 or -ENOMEM. */
int wh_array_append(struct wh_array *a, const void *item, size_t size);

struct wh_picture_link {
	struct wh_link link; /* `master` is filled in by wh_picture_name_masters() */
	unsigned bridge;     /* ifindex of the bridge it is a port of; 0: none */
};

struct wh_picture_addr {
	unsigned ifindex;
	struct in6_addr addr;
	uint8_t prefix_len; /* of its family */
	uint8_t scope;	    /* RT_SCOPE_* */
	uint32_t flags;	    /* IFA_F_* */
};

/* Router preferences (RFC 4191 §2.1), the best first. */
enum wh_preference { WH_PREFER_HIGH, WH_PREFER_MEDIUM, WH_PREFER_LOW };

/*
 * One next hop of a route; a multipath route is several.  There may be a million, so it is kept small.  Compared
 * byte by byte, but for its place: made from zeroed memory.
 */
struct wh_picture_route {
	struct in6_addr dst;
	struct in6_addr src;	 /* whom it is for; an IPv6 route for all has src_len 0 */
	struct in6_addr gateway; /* ::, where it has none */
	uint32_t table;
	uint32_t ifindex;
	uint32_t metric;
	uint8_t prefix_len; /* of its family */
	uint8_t src_len;
	uint8_t type;	    /* RTN_* */
	uint8_t preference; /* enum wh_preference */
	uint32_t order;	    /* place in the dump, which is the kernel's order among equals */
};

struct wh_picture {
	struct wh_array links;
	struct wh_array addrs;	/* in the kernel's order */
	struct wh_array routes; /* after wh_picture_sort_routes(): default routes first; by prefix, the best first */
};

void wh_picture_free(struct wh_picture *p);

/* NULL, where there is none. */
struct wh_picture_link *wh_picture_find_link(const struct wh_picture *p, unsigned ifindex);

/* Whether the call changed anything: 1 or 0; or -ENOMEM. */
int wh_picture_put_link(struct wh_picture *p, const struct wh_picture_link *link);
/* `in_front`: where it goes before the others if it is new. */
int wh_picture_put_addr(struct wh_picture *p, const struct wh_picture_addr *addr, bool in_front);
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
	struct in6_addr addr;
	bool has_mac;
	bool unreachable; /* was asked and did not answer */
	bool chosen;	  /* the gateway that wh_netlink_gateway6() named last; no message says so */
	uint8_t mac[ETH_ALEN];
};

/* 0, or -EINVAL where it is no message of an IP neighbour. */
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

/* What is known of a neighbour, asked of the kernel the first time.  Valid until the next call. */
struct wh_neighbour *wh_neighbour_of(const struct wh_netlink *nl, unsigned ifindex, const struct in6_addr *addr);

/* Which gateway of a device was named last: this one, and no other any more. */
void wh_neighbour_choose(const struct wh_netlink *nl, unsigned ifindex, const struct in6_addr *addr);

/* A notification: whether it changed the address of a neighbour that somebody asked for, or that it is reachable. */
bool wh_neighbours_take(struct wh_neighbours *n, const struct nlmsghdr *nlh);

/* Tell who watches all neighbours of one. */
void wh_neighbours_tell(const struct wh_netlink *nl, const struct nlmsghdr *nlh);

/* Ask the kernel about each of them again. */
void wh_neighbours_refresh(struct wh_neighbours *n, struct mnl_socket *query);

/* --- when to dump ----------------------------------------------------------------------------------------- */

/* All zero is not open, and nothing to close. */
struct wh_pace {
	bool open;
	int epoll; /* readable when a notification has come or a dump is due */
	int timer; /* runs out when a dump is due */
	uint64_t not_before_ns;
	uint64_t began_ns, began_work_ns; /* the last dump: when, and our processor time then */
};

int wh_pace_open(struct wh_pace *pace, struct mnl_socket *notify);
void wh_pace_close(struct wh_pace *pace);

/* A dump is wanted: as soon as it may be, the pace's descriptor is readable and wh_pace_due() says so, once: now. */
void wh_pace_want(struct wh_pace *pace);
bool wh_pace_due(struct wh_pace *pace);

/* A dump was made since wh_pace_due(), with this result: when the next one may be. */
void wh_pace_dumped(struct wh_pace *pace, int err);

/* --- sockets ---------------------------------------------------------------------------------------------- */

struct wh_netlink {
	struct wh_pace pace;
	struct mnl_socket *notify;
	struct mnl_socket *query;
	struct wh_picture picture;
	struct wh_neighbours *neighbours;
	bool stale;	   /* something was lost: everything is to be dumped again */
	bool routes_stale; /* the routes are to be dumped again */
	uint64_t overruns;
	uint64_t routes_version;
	void (*changed)(void *arg);
	void *arg;
	struct wh_neighbour_ops neighbour_ops; /* nobody's where `told` is NULL */
	void *neighbour_arg;
};

#define WH_NETLINK_MESSAGE_MAX 65536 /* of a datagram that comes */
#define WH_NETLINK_REQUEST_MAX 256

/* `bus`: NETLINK_ROUTE or another. */
int wh_netlink_socket(int bus, struct mnl_socket **out);

/* Have a group's notifications come. 0 or -errno. */
int wh_netlink_subscribe(struct mnl_socket *socket, int group);

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
