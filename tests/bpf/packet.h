/* SPDX-License-Identifier: GPL-2.0 */
/*
 * packet.h: packets as bytes, and what the RFCs say their headers mean.  Knows nothing of BPF: every checksum is
 * taken over the whole packet, every byte is written by hand, so that it can contradict the data plane.
 *
 * make.h builds packets from a description, oracle.h says what a translator must make of them, icmp.h does the same
 * for errors and what they quote, npt.h for prefixes; harness.h sends them through the programs.
 *
 * Numbers are in host order here; the byte order of the wire exists only in `bytes`.
 */
#ifndef WANHELM_TESTS_PACKET_H
#define WANHELM_TESTS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 2400
#define PACKET_L2 14

/* Of either family: what fits into 32 bits is an IPv4 address. */
typedef unsigned __int128 address;

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define IP6_HALF(a, b, c, d) ((uint64_t)(a) << 48 | (uint64_t)(b) << 32 | (uint64_t)(c) << 16 | (uint64_t)(d))
#define IP6(a, b, c, d, e, f, g, h) ((address)IP6_HALF(a, b, c, d) << 64 | IP6_HALF(e, f, g, h))

enum {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_GRE = 47,
	PROTO_ESP = 50,
	PROTO_ICMP6 = 58,
	PROTO_NONE = 59, /* IPv6: nothing follows */
	PROTO_SCTP = 132
};
enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08, TCP_ACK = 0x10 };
enum { ICMP_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_QUERY = 8, ICMP_EXCEEDED = 11, ICMP_PARAMETER = 12 };
enum {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_QUERY = 128,
	ICMP6_REPLY = 129
};
enum { FRAGMENT_DF = 0x4000, FRAGMENT_MF = 0x2000 };
/* From the L4 header on. */
enum {
	UDP_LEN = 4,
	UDP_SUM = 6,
	TCP_SEQ = 4,
	TCP_ACKED = 8,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
	TCP_SUM = 16,
	ICMP_CODE = 1,
	ICMP_SUM = 2,
	ICMP_ID = 4
};

struct packet {
	size_t len;
	size_t l2; /* bytes before the IP header: PACKET_L2, or 0 on devices without a link-layer header */
	uint8_t bytes[PACKET_MAX];
};

/* ICMP queries: sport is the identifier, dport is not used. Protocols without ports, later fragments: both 0. */
struct tuple {
	address src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

enum side { SOURCE, DESTINATION };

/* Where things stand in an IP packet: the outer one, or one that an error quotes. */
struct layout {
	size_t l3;
	size_t l4;	 /* after the IPv4 options or the IPv6 extension headers */
	size_t end;	 /* of the IP packet, or of the bytes that are there where that is less */
	size_t fragment; /* of the IPv6 fragment header; 0: none */
	uint8_t version; /* 4 or 6; 0: neither, and nothing else here holds */
	uint8_t proto;
	uint16_t offset; /* of a fragment, in bytes */
	bool more;	 /* more fragments follow */
};

/* --- bytes -------------------------------------------------------------------------------------------------- */

uint16_t packet_get16(const struct packet *p, size_t at);
uint32_t packet_get32(const struct packet *p, size_t at);
void packet_put16(struct packet *p, size_t at, uint16_t value);
void packet_put32(struct packet *p, size_t at, uint32_t value);
bool packet_equal(const struct packet *a, const struct packet *b);

/* --- headers ------------------------------------------------------------------------------------------------ */

/* Of the IP packet that begins at `l3`. Reads nothing beyond the packet, whatever the bytes say. */
struct layout packet_layout_at(const struct packet *p, size_t l3);
struct layout packet_layout(const struct packet *p);
bool packet_is_v6(const struct packet *p);
bool layout_is_fragment(const struct layout *at);

address packet_address(const struct packet *p, const struct layout *at, enum side side);
void packet_set_address(struct packet *p, const struct layout *at, enum side side, address value);
/* Offset of the port or query identifier; 0 where there is none (or it is cut off). */
size_t layout_port(const struct layout *at, enum side side);
/* Offset of the L4 checksum; 0 where there is none (or it is cut off). */
size_t layout_sum(const struct layout *at);
/* Offset of the time to live, or hop limit. */
size_t layout_ttl(const struct layout *at);

uint8_t packet_ttl(const struct packet *p);
size_t packet_l4(const struct packet *p);	/* offset of the L4 header */
uint16_t packet_ip_len(const struct packet *p); /* of the whole IP packet: L3 bytes */
struct tuple packet_tuple(const struct packet *p);
bool packet_has_ack(const struct packet *segment);

/* --- checksums (RFC 1071), over everything, each time ------------------------------------------------------- */

/* The sum of the words from `from` to `to`, folded; an odd last byte is a word's first. */
uint16_t packet_words(const struct packet *p, size_t from, size_t to);
/* What the L4 checksum covers of the bytes that are there, pseudo-header and checksum field included. */
uint16_t packet_covered(const struct packet *p, const struct layout *at);
/* The field's new value, where the sum over what it covers (itself included) was `before` and is now `after`. */
uint16_t packet_resum(uint16_t field, uint16_t before, uint16_t after);
/* Whether the field is a UDP checksum that says: none. */
bool packet_unsummed(const struct packet *p, const struct layout *at);

/* Write IP and L4 checksums anew; a UDP checksum of 0 stays, and that of a fragment is left alone. */
void packet_sum(struct packet *p);
/* Whether both checksums are right (a UDP checksum of 0 is; that of a fragment is not looked at). */
bool packet_sums_right(const struct packet *p);

#endif
