/* SPDX-License-Identifier: GPL-2.0 */
/*
 * icmp.h: ICMP and ICMPv6 errors: what anybody sends about a packet, and what a translator makes of one
 * (RFC 792, 1191, 1812 §4.3.2, 4443, 5508).
 */
#ifndef WANHELM_TESTS_ICMP_H
#define WANHELM_TESTS_ICMP_H

#include "oracle.h"

enum { ICMP_HEADER = 8, ICMP_LIMIT_V4 = 576, ICMP_LIMIT_V6 = 1280 };
enum { UNREACHABLE_HOST = 1, UNREACHABLE_PORT = 3, UNREACHABLE_TOO_BIG = 4, UNREACHABLE_PROHIBITED = 13 };
enum { UNREACHABLE6_PROHIBITED = 1, UNREACHABLE6_ADDRESS = 3, UNREACHABLE6_SOURCE = 5 };

struct error {
	address from;
	uint8_t type, code;
	uint32_t rest;			  /* the second word: the next-hop MTU, or 0 */
	size_t quote;			  /* bytes of the packet; 0: as many as the RFC lets into an error */
	uint8_t ttl;			  /* 0: 64 */
	const uint8_t *src_mac, *dst_mac; /* NULL: those of the packet, turned around */
};

/* The error about a packet, to its source, byte for byte. */
struct packet packet_error(const struct packet *about, const struct error *e);
/* The usual ones: the packet does not fit `mtu`; its hops are used up; no way to its destination; no source fits. */
struct packet packet_too_big(const struct packet *about, address from, uint16_t mtu);
struct packet packet_exceeded(const struct packet *about, address from);
struct packet packet_unreachable(const struct packet *about, address from);
struct packet packet_wrong_source(const struct packet *about, address from);
struct packet packet_prohibited(const struct packet *about, address from);

/*
 * May anybody answer this with an error?  Not an error itself, nothing but a first fragment, nothing to or from many
 * (RFC 1812 §4.3.2.7, RFC 4443 §2.4 e).
 */
bool packet_may_be_answered(const struct packet *p);

/*
 * An error on its way through: `c` is what is done to the outer packet; what it quotes went the other way, so there
 * the other side gets the same address and port (RFC 5508 REQ-3 to 5).
 */
struct packet packet_error_changed(const struct packet *in, const struct change *c);
/* The IP header that an error quotes. */
struct layout packet_quote(const struct packet *error);

#endif
