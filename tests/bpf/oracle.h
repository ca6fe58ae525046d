/* SPDX-License-Identifier: GPL-2.0 */
/* oracle.h: what a translator must make of a packet (RFC 3022, 4787, 5382, 6296, 1624), and its other answers. */
#ifndef WANHELM_TESTS_ORACLE_H
#define WANHELM_TESTS_ORACLE_H

#include "make.h"

/* What is written into a packet on its way through. */
struct change {
	enum side side; /* out on a WAN: SOURCE; back in: DESTINATION */
	address addr;	/* instead of that side's address */
	uint16_t port;	/* instead of its port or identifier, where `with_port` */
	bool with_port;
	bool ttl_stays; /* the kernel has counted this hop already */
	uint16_t mtu;	/* the WAN's: what a SYN says of its sender's segments is held to it; 0: not */
};

/*
 * The same packet translated.  Checksums that were right are right, those that were wrong are wrong by as much, also
 * where they cover bytes that are not here (fragments).  Link layer as it was.
 */
struct packet packet_changed(const struct packet *in, const struct change *c);
/* The change itself, of the IP packet at `at`, without TTL and MSS: for what errors quote. */
void packet_rewrite(struct packet *p, const struct layout *at, const struct change *c);

/* As it stands on a link with (or, where the MACs are NULL, without) an Ethernet header. */
struct packet packet_framed(const struct packet *in, const uint8_t *src_mac, const uint8_t *dst_mac);

/* What must leave on a WAN: another source and source port (or identifier), TTL one less, sums anew. */
struct packet packet_translated(const struct packet *in, address src, uint16_t sport);
/* What must reach the client: another destination and port (or identifier), TTL one less, sums anew, MACs. */
struct packet packet_delivered(const struct packet *in, address dst, uint16_t dport, const uint8_t *src_mac,
			       const uint8_t *dst_mac);

/*
 * RFC 9293 §3.7.1 and common practice: hold the MSS that a SYN or SYN/ACK announces to what fits `mtu`.  No option, or
 * options that contradict themselves: nothing is done.
 */
void packet_clamp(struct packet *p, uint16_t mtu);

/*
 * The RST that answers a client's segment `in` (RFC 9293 §3.10.7.1): its sequence number is what the client
 * acknowledged.  With or without an acknowledgement of the segment: both are valid, where it is it must be right.
 */
struct packet packet_reset(const struct packet *in, bool with_ack);
/* Put what is free in an answer of our own (TOS, flow label, id, DF, TTL) from `from` into `p`, and sum it anew. */
void packet_take_free_fields(struct packet *p, const struct packet *from);
/* The same of a RST, whose window is free, too. */
void packet_take_free_reset_fields(struct packet *p, const struct packet *from);

#endif
