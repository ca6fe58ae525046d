/* SPDX-License-Identifier: GPL-2.0 */
/* make.h: good packets of either family, from a description; their answers; datagrams cut into fragments. */
#ifndef WANHELM_TESTS_MAKE_H
#define WANHELM_TESTS_MAKE_H

#include "packet.h"

/* IPv6 extension headers, in spec.extensions: a kind, plus how many times 8 bytes it is longer than the least. */
enum { EXTEND_END = 0, EXTEND_HOP = 0x10, EXTEND_ROUTING = 0x20, EXTEND_OPTIONS = 0x30, EXTEND_KIND = 0xf0 };
#define EXTENSIONS_MAX 4

/* A zero field is a good packet's usual value; the addresses of `t` say which family, also which ICMP. */
struct spec {
	struct tuple t;
	const uint8_t *src_mac, *dst_mac; /* 6 bytes each */
	uint32_t seq, ack;
	uint32_t id;	   /* of the datagram; 0: 0x1234 */
	uint32_t label;	   /* IPv6 flow label */
	uint16_t fragment; /* flags and offset, as in the IPv4 header; IPv6: 0: no fragment header */
	uint16_t payload;  /* bytes after the L4 header */
	uint8_t ttl;	   /* 0: 64 */
	uint8_t tos;
	uint8_t ihl; /* IPv4, in words; 0: 5; more: filled with no-operation options */
	uint8_t extensions[EXTENSIONS_MAX + 1];
	uint8_t tcp_flags; /* 0: SYN */
	uint8_t icmp_type; /* 0: echo, or echo reply where `reply` is set */
	const uint8_t *tcp_options;
	uint8_t tcp_options_len; /* a multiple of 4 */
	bool reply;
	bool no_checksum; /* UDP only: the field is 0 */
	bool no_l2;	  /* begins with the IP header */
};

struct packet packet_make(const struct spec *of);
/* The answer that the remote end of `sent` (as it left on the WAN) would give. */
struct packet packet_answer(const struct packet *sent, uint8_t tcp_flags);

/*
 * A good packet as two fragments: `first` holds `at` bytes (a multiple of 8) of what can be cut up, `second` the
 * rest.  IPv6: with identification `id`; IPv4 has its own.
 */
void packet_cut(const struct packet *whole, uint16_t at, uint32_t id, struct packet *first, struct packet *second);

#endif
