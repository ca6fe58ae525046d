/* SPDX-License-Identifier: GPL-2.0 */
/* packet.c: see packet.h. */
#include "packet.h"

#include <string.h>

enum { AT_MAC_DST = 0, AT_MAC_SRC = 6, AT_ETHERTYPE = 12, AT_IP = PACKET_L2 };
enum { IP_TOS = AT_IP + 1, IP_LEN = AT_IP + 2, IP_ID = AT_IP + 4, IP_FRAGMENT = AT_IP + 6, IP_TTL = AT_IP + 8 };
enum { IP_PROTO = AT_IP + 9, IP_SUM = AT_IP + 10, IP_SRC = AT_IP + 12, IP_DST = AT_IP + 16 };
/* From the L4 header on. */
enum { UDP_SUM = 6, TCP_SEQ = 4, TCP_ACKED = 8, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_SUM = 16 };
enum { ICMP_SUM = 2, ICMP_ID = 4 };

static const uint8_t no_mac[6];

uint16_t packet_get16(const struct packet *p, size_t at)
{
	return (uint16_t)(p->bytes[at] << 8 | p->bytes[at + 1]);
}

uint32_t packet_get32(const struct packet *p, size_t at)
{
	return (uint32_t)packet_get16(p, at) << 16 | packet_get16(p, at + 2);
}

void packet_put16(struct packet *p, size_t at, uint16_t value)
{
	p->bytes[at] = (uint8_t)(value >> 8);
	p->bytes[at + 1] = (uint8_t)value;
}

void packet_put32(struct packet *p, size_t at, uint32_t value)
{
	packet_put16(p, at, (uint16_t)(value >> 16));
	packet_put16(p, at + 2, (uint16_t)value);
}

bool packet_equal(const struct packet *a, const struct packet *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

uint8_t packet_ttl(const struct packet *p)
{
	return p->bytes[IP_TTL];
}

size_t packet_l4(const struct packet *p)
{
	return AT_IP + 4 * (size_t)(p->bytes[AT_IP] & 0xf);
}

uint16_t packet_ip_len(const struct packet *p)
{
	return packet_get16(p, IP_LEN);
}

struct tuple packet_tuple(const struct packet *p)
{
	size_t l4 = packet_l4(p);
	struct tuple t = {.src = packet_get32(p, IP_SRC), .dst = packet_get32(p, IP_DST), .proto = p->bytes[IP_PROTO]};

	if (t.proto == PROTO_ICMP) {
		t.sport = packet_get16(p, l4 + ICMP_ID);
	} else {
		t.sport = packet_get16(p, l4);
		t.dport = packet_get16(p, l4 + 2);
	}
	return t;
}

/* --- checksums (RFC 1071), over everything, each time ------------------------------------------------------ */

static uint32_t add_words(const struct packet *p, size_t from, size_t to)
{
	uint32_t sum = 0;

	for (size_t i = from; i < to; i += 2)
		sum += (uint32_t)p->bytes[i] << 8 | (i + 1 < to ? p->bytes[i + 1] : 0);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Where the L4 checksum stands, or 0 where the protocol has none. */
static size_t l4_sum_at(const struct packet *p)
{
	switch (p->bytes[IP_PROTO]) {
	case PROTO_UDP:
		return packet_l4(p) + UDP_SUM;
	case PROTO_TCP:
		return packet_l4(p) + TCP_SUM;
	case PROTO_ICMP:
		return packet_l4(p) + ICMP_SUM;
	default:
		return 0;
	}
}

/* The sum over L4 header, payload and, but for ICMP, pseudo-header, with the checksum field in it. */
static uint16_t l4_sum(const struct packet *p)
{
	size_t l4 = packet_l4(p), end = AT_IP + (size_t)packet_ip_len(p);
	uint32_t sum = add_words(p, l4, end);

	if (p->bytes[IP_PROTO] != PROTO_ICMP)
		sum += add_words(p, IP_SRC, IP_SRC + 8) + p->bytes[IP_PROTO] + (uint32_t)(end - l4);
	return fold(sum);
}

static bool without_sum(const struct packet *p)
{
	return p->bytes[IP_PROTO] == PROTO_UDP && packet_get16(p, packet_l4(p) + UDP_SUM) == 0;
}

void packet_sum(struct packet *p)
{
	size_t at = l4_sum_at(p);
	uint16_t sum;

	packet_put16(p, IP_SUM, 0);
	packet_put16(p, IP_SUM, (uint16_t)~fold(add_words(p, AT_IP, packet_l4(p))));
	if (!at || without_sum(p))
		return;
	packet_put16(p, at, 0);
	sum = (uint16_t)~l4_sum(p);
	packet_put16(p, at, sum == 0 && p->bytes[IP_PROTO] == PROTO_UDP ? 0xffff : sum);
}

bool packet_sums_right(const struct packet *p)
{
	if (fold(add_words(p, AT_IP, packet_l4(p))) != 0xffff)
		return false;
	return !l4_sum_at(p) || without_sum(p) || l4_sum(p) == 0xffff;
}

/* --- making packets ---------------------------------------------------------------------------------------- */

static size_t l4_header_len(uint8_t proto)
{
	return proto == PROTO_TCP ? 20 : 8;
}

static void put_l4(struct packet *p, const struct spec *s)
{
	size_t l4 = packet_l4(p);

	if (s->t.proto == PROTO_ICMP) {
		p->bytes[l4] = s->icmp_type ? s->icmp_type : s->reply ? ICMP_REPLY : ICMP_QUERY;
		packet_put16(p, l4 + ICMP_ID, s->t.sport);
		packet_put16(p, l4 + 6, (uint16_t)s->seq);
		return;
	}
	packet_put16(p, l4, s->t.sport);
	packet_put16(p, l4 + 2, s->t.dport);
	if (s->t.proto == PROTO_UDP) {
		packet_put16(p, l4 + 4, (uint16_t)(8 + s->payload));
		packet_put16(p, l4 + UDP_SUM, s->no_checksum ? 0 : 0xffff);
	} else if (s->t.proto == PROTO_TCP) {
		packet_put32(p, l4 + TCP_SEQ, s->seq);
		packet_put32(p, l4 + TCP_ACKED, s->ack);
		p->bytes[l4 + TCP_OFFSET] = 5 << 4;
		p->bytes[l4 + TCP_FLAGS] = s->tcp_flags ? s->tcp_flags : TCP_SYN;
		packet_put16(p, l4 + TCP_WINDOW, 64000);
	}
}

struct packet packet_make(const struct spec *s)
{
	size_t ihl = s->ihl ? s->ihl : 5, headers = 4 * ihl + l4_header_len(s->t.proto);
	struct packet p = {.len = PACKET_L2 + headers + s->payload};

	memcpy(p.bytes + AT_MAC_DST, s->dst_mac ? s->dst_mac : no_mac, 6);
	memcpy(p.bytes + AT_MAC_SRC, s->src_mac ? s->src_mac : no_mac, 6);
	packet_put16(&p, AT_ETHERTYPE, 0x0800);
	p.bytes[AT_IP] = (uint8_t)(4 << 4 | ihl);
	p.bytes[IP_TOS] = s->tos;
	packet_put16(&p, IP_LEN, (uint16_t)(headers + s->payload));
	packet_put16(&p, IP_ID, 0x1234);
	packet_put16(&p, IP_FRAGMENT, s->fragment);
	p.bytes[IP_TTL] = s->ttl ? s->ttl : 64;
	p.bytes[IP_PROTO] = s->t.proto;
	packet_put32(&p, IP_SRC, s->t.src);
	packet_put32(&p, IP_DST, s->t.dst);
	memset(p.bytes + AT_IP + 20, 1, 4 * ihl - 20);
	put_l4(&p, s);
	for (size_t i = 0; i < s->payload; i++)
		p.bytes[PACKET_L2 + headers + i] = (uint8_t)(i * 7 + s->seq + 3);
	packet_sum(&p);
	return p;
}

struct packet packet_answer(const struct packet *sent, uint8_t tcp_flags)
{
	struct tuple t = packet_tuple(sent);
	struct spec s = {
		.t = {.src = t.dst, .dst = t.src, .sport = t.dport, .dport = t.sport, .proto = t.proto},
		.reply = true,
		.tcp_flags = tcp_flags,
		.payload = 33,
		.ttl = 57,
		.seq = 77000,
	};

	if (t.proto == PROTO_ICMP)
		s.t.sport = t.sport;
	if (t.proto == PROTO_TCP)
		s.ack = packet_get32(sent, packet_l4(sent) + TCP_SEQ) + 1;
	return packet_make(&s);
}

/* --- what a translator makes of them ----------------------------------------------------------------------- */

struct packet packet_translated(const struct packet *in, uint32_t src, uint16_t sport)
{
	struct packet p = *in;

	packet_put32(&p, IP_SRC, src);
	packet_put16(&p, packet_l4(&p) + (p.bytes[IP_PROTO] == PROTO_ICMP ? ICMP_ID : 0), sport);
	p.bytes[IP_TTL] -= 1;
	packet_sum(&p);
	return p;
}

struct packet packet_delivered(const struct packet *in, uint32_t dst, uint16_t dport, const uint8_t *src_mac,
			       const uint8_t *dst_mac)
{
	struct packet p = *in;

	memcpy(p.bytes + AT_MAC_DST, dst_mac, 6);
	memcpy(p.bytes + AT_MAC_SRC, src_mac, 6);
	packet_put32(&p, IP_DST, dst);
	packet_put16(&p, packet_l4(&p) + (p.bytes[IP_PROTO] == PROTO_ICMP ? ICMP_ID : 2), dport);
	p.bytes[IP_TTL] -= 1;
	packet_sum(&p);
	return p;
}

bool packet_has_ack(const struct packet *segment)
{
	return segment->bytes[packet_l4(segment) + TCP_FLAGS] & TCP_ACK;
}

/* The sequence number after the segment's: its payload, and one for SYN or FIN. */
static uint32_t next_seq(const struct packet *in)
{
	size_t l4 = packet_l4(in), header = 4 * (size_t)(in->bytes[l4 + TCP_OFFSET] >> 4);
	uint32_t payload = (uint32_t)(AT_IP + (size_t)packet_ip_len(in) - l4 - header);

	return packet_get32(in, l4 + TCP_SEQ) + payload + (in->bytes[l4 + TCP_FLAGS] & (TCP_SYN | TCP_FIN) ? 1 : 0);
}

struct packet packet_reset(const struct packet *in, bool with_ack)
{
	struct tuple t = packet_tuple(in);
	struct spec s = {
		.t = {.src = t.dst, .dst = t.src, .sport = t.dport, .dport = t.sport, .proto = PROTO_TCP},
		.src_mac = in->bytes + AT_MAC_DST,
		.dst_mac = in->bytes + AT_MAC_SRC,
		.tcp_flags = with_ack ? TCP_RST | TCP_ACK : TCP_RST,
		.seq = packet_get32(in, packet_l4(in) + TCP_ACKED),
		.ack = with_ack ? next_seq(in) : 0,
	};

	return packet_make(&s);
}

void packet_take_free_fields(struct packet *p, const struct packet *from)
{
	p->bytes[IP_TOS] = from->bytes[IP_TOS];
	packet_put16(p, IP_ID, packet_get16(from, IP_ID));
	packet_put16(p, IP_FRAGMENT, packet_get16(from, IP_FRAGMENT) & FRAGMENT_DF);
	p->bytes[IP_TTL] = from->bytes[IP_TTL];
	packet_put16(p, packet_l4(p) + TCP_WINDOW, packet_get16(from, packet_l4(p) + TCP_WINDOW));
	packet_sum(p);
}
