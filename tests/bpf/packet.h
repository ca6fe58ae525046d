/* SPDX-License-Identifier: GPL-2.0 */
/*
 * packet.h: packets as the RFCs describe them, and what a translator must make of them.  Knows nothing of
 * BPF: every checksum is recomputed over the whole packet, every byte is written by hand, so that it can
 * contradict the data plane.  harness.h sends these packets through the programs.
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

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_GRE = 47, PROTO_ESP = 50 };
enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08, TCP_ACK = 0x10 };
enum { ICMP_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_QUERY = 8, ICMP_EXCEEDED = 11 };
enum { FRAGMENT_DF = 0x4000, FRAGMENT_MF = 0x2000 };

struct packet {
	size_t len;
	uint8_t bytes[PACKET_MAX];
};

/* ICMP echo: sport is the identifier, dport is not used. */
struct tuple {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

/* A zero field is a good packet's usual value. */
struct spec {
	struct tuple t;
	const uint8_t *src_mac, *dst_mac; /* 6 bytes each */
	uint32_t seq, ack;
	uint16_t fragment; /* flags and offset, as in the header */
	uint16_t payload;  /* bytes after the L4 header */
	uint8_t ttl;	   /* 0: 64 */
	uint8_t tos;
	uint8_t ihl;	   /* in words; 0: 5; more: filled with no-operation options */
	uint8_t tcp_flags; /* 0: SYN */
	uint8_t icmp_type; /* 0: echo, or echo reply where `reply` is set */
	bool reply;
	bool no_checksum; /* UDP only: the field is 0 */
};

struct packet packet_make(const struct spec *s);
/* The answer that the remote end of `sent` (as it left on the WAN) would give. */
struct packet packet_answer(const struct packet *sent, uint8_t tcp_flags);

uint16_t packet_get16(const struct packet *p, size_t at);
uint32_t packet_get32(const struct packet *p, size_t at);
void packet_put16(struct packet *p, size_t at, uint16_t value);
void packet_put32(struct packet *p, size_t at, uint32_t value);

bool packet_equal(const struct packet *a, const struct packet *b);
uint8_t packet_ttl(const struct packet *p);
size_t packet_l4(const struct packet *p);	/* offset of the L4 header */
uint16_t packet_ip_len(const struct packet *p); /* total length, L3 bytes */
struct tuple packet_tuple(const struct packet *p);

/* Write IP and L4 checksums anew; a UDP checksum of 0 stays. */
void packet_sum(struct packet *p);
/* Whether both checksums are right (a UDP checksum of 0 is). */
bool packet_sums_right(const struct packet *p);

/* What must leave on a WAN: another source and source port (or identifier), TTL one less, sums anew. */
struct packet packet_translated(const struct packet *in, uint32_t src, uint16_t sport);
/* What must reach the client: another destination and port (or identifier), TTL one less, sums anew, MACs. */
struct packet packet_delivered(const struct packet *in, uint32_t dst, uint16_t dport, const uint8_t *src_mac,
			       const uint8_t *dst_mac);

/*
 * The RST that answers a client's segment `in` (RFC 9293, 3.10.7.1): its sequence number is what the client
 * acknowledged.  With or without an acknowledgement of the segment: both are valid, where it is it must be right.
 */
struct packet packet_reset(const struct packet *in, bool with_ack);
bool packet_has_ack(const struct packet *segment);
/* Put the fields that are free in a RST (TOS, id, DF, TTL, window) from `from` into `p`, and sum it anew. */
void packet_take_free_fields(struct packet *p, const struct packet *from);

#endif
