/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wiring.h: what the parts that put XDP to work share, and nobody else sees:
 *
 *	wires.c     the rows of wh_wires and wh_xdp_out: which WANs and LANs XDP knows, and by which it sends
 *	carriers.c  the devices whose drivers run our XDP program
 *	clients.c   the LANs' neighbours, counted when one of them is another
 */
#ifndef WANHELM_DAEMON_WIRING_H
#define WANHELM_DAEMON_WIRING_H

#include "daemon/daemon.h"
#include "kern/qdisc.h"
#include "kern/xdp.h"
#include "model/seen.h"

/* What the kernel says of a device, besides its link: asked once a look. */
struct wh_device_fact {
	unsigned ifindex;
	uint64_t features; /* enum wh_xdp_feature */
	char qdisc[16];	   /* one that somebody put there; else empty */
};

struct wh_device_facts {
	struct wh_device_fact *of;
	size_t n, room;
	bool drivers_tell; /* `features` says something */
	bool qdiscs_told;  /* `qdisc` does */
};

/* A device whose driver is to run our XDP program: a WAN or LAN itself, or the parent of VLANs that are such. */
struct wh_carrier {
	unsigned ifindex; /* 0: none */
	char device[IFNAMSIZ];
	uint32_t mtu;
	bool asked_for; /* by `accel: xdp`, not only where it is known to go well */
	bool runs;
	char why[WH_XDP_WHY_LEN]; /* not */
	bool in_the_way;	  /* `why` is something that people should be told of */
	uint64_t refused_ns;	  /* when its driver last refused; 0: never as it is now */
};

/* How a WAN or LAN is carried: its row in wh_wires, and what is told of it. */
struct wh_carried {
	bool in, out;		  /* by XDP: what comes in there; what leaves there */
	char why[WH_XDP_WHY_LEN]; /* not both; empty also where nobody wants it */
	bool notable;		  /* `why` is something that people should be told of */
	char told[WH_XDP_WHY_LEN];
};

struct wh_wiring {
	struct wh_wires rows; /* as they stand in wh_wires */
	struct wh_carried carried[WH_WIRES];
	struct wh_carrier carriers[WH_WIRES];
	unsigned n_carriers;
	struct wh_device_facts facts;
	uint64_t asked_ns;		 /* for them */
	char load_error[WH_XDP_WHY_LEN]; /* this kernel does not load the program; else empty */
	/* clients.c */
	struct wh_seen *seen[WH_MAX_LANS]; /* NULL until something was seen there */
	unsigned seen_on[WH_MAX_LANS];	   /* ifindex */
	uint64_t moved;			   /* LANs whose number is to be counted up, by bit */
	uint64_t counted_ns[WH_MAX_LANS];
	uint64_t relearnt_ns; /* when a full table was last begun anew */
};

/* carriers.c */
/* The carrier of that device among those wanted now, or NULL. */
struct wh_carrier *wh_carriers_find(struct wh_wiring *w, unsigned ifindex);
/* Want the link's driver to run our program; NULL: there is no room for another. */
struct wh_carrier *wh_carriers_want(struct wh_carrier wanted[WH_WIRES], unsigned *n, const struct wh_link *link,
				    bool asked_for);
/* The carriers wanted now, instead of those before: attach where it can be, and find out why not. */
void wh_carriers_take(struct wh_daemon *d, const struct wh_carrier wanted[WH_WIRES], unsigned n,
		      const struct wh_device_facts *facts);
/* Take our program off every other device. */
void wh_carriers_release(struct wh_daemon *d);
const struct wh_device_fact *wh_fact_of(const struct wh_device_facts *facts, unsigned ifindex);

/* clients.c */
void wh_clients_start(struct wh_daemon *d);
void wh_clients_end(struct wh_daemon *d);
/* The LANs' devices as they are now, by number, 0: none. Of one that is another nothing that was learnt holds. */
void wh_clients_follow(struct wh_daemon *d, const unsigned ifindex[WH_MAX_LANS]);
/* Count up what is due. Whether a row changed. */
bool wh_clients_count(struct wh_daemon *d, uint64_t now_ns);

#endif
