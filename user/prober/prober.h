/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prober.h: the process that sends the probes, in a network namespace of its own, behind a veth whose other
 * end is the router's.  It only does as it is told: one order, one packet (or one TCP connection), one result.
 * When to probe, how long to wait and what an answer means is model/'s business.
 *
 * There, WAN number w has a source address of each family (wanhelm/abi.h: WH_PROBE_NET, WH_PROBE_NET6); the data
 * plane's probe_in tells the WAN by it, and answers are to come back to it.  Our end of the veth has no address
 * and no IPv6 of its own, so no routing table of the router changes.  The process drops all privileges after the
 * set-up and ends when the controller does.
 */
#ifndef WANHELM_PROBER_PROBER_H
#define WANHELM_PROBER_PROBER_H

#include "model/config.h"
#include "model/model.h"

#define WH_PROBER_DEVICE "wh-prober" /* our end of the veth, in the router's namespace */

/* An order as it crosses the socket pair. */
struct wh_prober_order {
	uint32_t seq;
	uint8_t wan; /* number */
	uint8_t target;
	uint8_t kind; /* enum wh_probe_kind */
	uint8_t pad;
	struct wh_address addr;
	uint16_t port; /* host order */
	uint16_t pad2;
	uint32_t timeout_ms; /* after which a TCP attempt is given up (late answers to ICMP are always told) */
};

struct wh_prober_result {
	uint32_t seq;
	uint8_t wan;
	uint8_t target;
	uint8_t status; /* enum wh_probe_status */
	uint8_t pad;
	uint64_t rtt_ns;
};

struct wh_prober;

/*
 * Make namespace, veth and process.  A veth of that name that an earlier controller left is removed first.
 * 0 or -errno; on failure nothing is left behind and `error` holds one line.
 */
int wh_prober_start(struct wh_prober **out, char *error, size_t error_len);

/* End the process and remove the veth. */
void wh_prober_stop(struct wh_prober *p);

/* ifindex of our end. */
unsigned wh_prober_ifindex(const struct wh_prober *p);
/* MAC of our end, which is the next hop in the prober's namespace. */
const uint8_t *wh_prober_mac(const struct wh_prober *p);

/* The descriptor on which results arrive (SOCK_SEQPACKET); -EPIPE from the calls below when the process has died. */
int wh_prober_fd(const struct wh_prober *p);
int wh_prober_send(struct wh_prober *p, const struct wh_prober_order *order);
/* 1: a result; 0: none now; -errno. */
int wh_prober_receive(struct wh_prober *p, struct wh_prober_result *out);

#endif
