/* SPDX-License-Identifier: GPL-2.0 */
/* make.c: see make.h. */
#include "make.h"

#include <string.h>

enum { AT_ETHERTYPE = 12, ETHERTYPE_V4 = 0x0800, ETHERTYPE_V6 = 0x86dd };
/* From the IP header on. */
enum { V4_TOS = 1, V4_LEN = 2, V4_ID = 4, V4_FRAGMENT = 6, V4_TTL = 8, V4_PROTO = 9 };
enum { V6_LEN = 4, V6_NEXT = 6, V6_HOPS = 7, V6_HEADER = 40 };
enum { NEXT_HOP = 0, NEXT_ROUTING = 43, NEXT_FRAGMENT = 44, NEXT_OPTIONS = 60, OPTION_PADN = 1, ROUTING_SEGMENTS = 4 };

static const uint8_t no_mac[6];

static bool spec_is_v6(const struct spec *s)
{
	return s->t.src >> 32 || s->t.dst >> 32;
}

static uint32_t spec_id(const struct spec *s)
{
	return s->id ? s->id : 0x1234;
}

static void append(struct packet *p, const void *bytes, size_t len)
{
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

/* --- link layer and network layer --------------------------------------------------------------------------- */

static void put_ethernet(struct packet *p, const struct spec *s)
{
	uint16_t type = spec_is_v6(s) ? ETHERTYPE_V6 : ETHERTYPE_V4;

	if (s->no_l2)
		return;
	append(p, s->dst_mac ? s->dst_mac : no_mac, 6);
	append(p, s->src_mac ? s->src_mac : no_mac, 6);
	packet_put16(p, AT_ETHERTYPE, type);
	p->l2 = p->len = PACKET_L2;
}

static void put_v4(struct packet *p, const struct spec *s)
{
	size_t ihl = s->ihl ? s->ihl : 5, ip = p->l2;
	struct layout at = {.l3 = ip, .version = 4};

	p->bytes[ip] = (uint8_t)(4 << 4 | ihl);
	p->bytes[ip + V4_TOS] = s->tos;
	packet_put16(p, ip + V4_ID, (uint16_t)spec_id(s));
	packet_put16(p, ip + V4_FRAGMENT, s->fragment);
	p->bytes[ip + V4_TTL] = s->ttl ? s->ttl : 64;
	p->bytes[ip + V4_PROTO] = s->t.proto;
	packet_set_address(p, &at, SOURCE, s->t.src);
	packet_set_address(p, &at, DESTINATION, s->t.dst);
	memset(p->bytes + ip + 20, 1, 4 * ihl - 20);
	p->len = ip + 4 * ihl;
}

/* Write what follows into the header before, and return where this one's own successor is to be written. */
static size_t chain(struct packet *p, size_t next_at, uint8_t kind)
{
	p->bytes[next_at] = kind;
	return p->len;
}

/* All padding, or for routing: segments (type 4), with none left to visit. */
static size_t put_extension(struct packet *p, size_t next_at, uint8_t extension)
{
	size_t len = 8 + 8 * (size_t)(extension & ~EXTEND_KIND);
	uint8_t kind = extension & EXTEND_KIND;
	uint8_t header[256] = {0, (uint8_t)(len / 8 - 1)};

	if (kind == EXTEND_ROUTING) {
		header[2] = ROUTING_SEGMENTS;
	} else {
		header[2] = OPTION_PADN;
		header[3] = (uint8_t)(len - 4);
	}
	next_at = chain(p, next_at,
			kind == EXTEND_HOP	 ? NEXT_HOP
			: kind == EXTEND_ROUTING ? NEXT_ROUTING
						 : NEXT_OPTIONS);
	append(p, header, len);
	return next_at;
}

static size_t put_fragment_header(struct packet *p, size_t next_at, uint16_t fragment, uint32_t id)
{
	uint8_t header[8] = {};

	next_at = chain(p, next_at, NEXT_FRAGMENT);
	append(p, header, sizeof(header));
	packet_put16(p, next_at + 2, (uint16_t)(fragment << 3 | !!(fragment & FRAGMENT_MF)));
	packet_put32(p, next_at + 4, id);
	return next_at;
}

static void put_v6(struct packet *p, const struct spec *s)
{
	struct layout at = {.l3 = p->l2, .version = 6};
	size_t next_at = p->l2 + V6_NEXT;

	packet_put32(p, p->l2, 6U << 28 | (uint32_t)s->tos << 20 | s->label);
	p->bytes[p->l2 + V6_HOPS] = s->ttl ? s->ttl : 64;
	packet_set_address(p, &at, SOURCE, s->t.src);
	packet_set_address(p, &at, DESTINATION, s->t.dst);
	p->len = p->l2 + V6_HEADER;
	for (const uint8_t *e = s->extensions; *e; e++)
		next_at = put_extension(p, next_at, *e);
	if (s->fragment)
		next_at = put_fragment_header(p, next_at, s->fragment, spec_id(s));
	p->bytes[next_at] = s->t.proto;
}

static void put_length(struct packet *p)
{
	size_t len = p->len - p->l2;

	if (packet_is_v6(p))
		packet_put16(p, p->l2 + V6_LEN, (uint16_t)(len - V6_HEADER));
	else
		packet_put16(p, p->l2 + V4_LEN, (uint16_t)len);
}

/* --- transport layer ---------------------------------------------------------------------------------------- */

static uint8_t icmp_type(const struct spec *s)
{
	if (s->icmp_type)
		return s->icmp_type;
	if (s->t.proto == PROTO_ICMP6)
		return s->reply ? ICMP6_REPLY : ICMP6_QUERY;
	return s->reply ? ICMP_REPLY : ICMP_QUERY;
}

static void put_tcp(struct packet *p, size_t l4, const struct spec *s)
{
	packet_put32(p, l4 + TCP_SEQ, s->seq);
	packet_put32(p, l4 + TCP_ACKED, s->ack);
	p->bytes[l4 + TCP_OFFSET] = (uint8_t)((5 + s->tcp_options_len / 4) << 4);
	p->bytes[l4 + TCP_FLAGS] = s->tcp_flags ? s->tcp_flags : TCP_SYN;
	packet_put16(p, l4 + TCP_WINDOW, 64000);
	p->len = l4 + 20;
	if (s->tcp_options_len)
		append(p, s->tcp_options, s->tcp_options_len);
}

static void put_l4(struct packet *p, const struct spec *s)
{
	size_t l4 = p->len;

	p->len += 8;
	if (s->t.proto == PROTO_ICMP || s->t.proto == PROTO_ICMP6) {
		p->bytes[l4] = icmp_type(s);
		packet_put16(p, l4 + ICMP_ID, s->t.sport);
		packet_put16(p, l4 + 6, (uint16_t)s->seq);
		return;
	}
	packet_put16(p, l4, s->t.sport);
	packet_put16(p, l4 + 2, s->t.dport);
	if (s->t.proto == PROTO_UDP) {
		packet_put16(p, l4 + UDP_LEN, (uint16_t)(8 + s->payload));
		packet_put16(p, l4 + UDP_SUM, s->no_checksum ? 0 : 0xffff);
	} else if (s->t.proto == PROTO_TCP) {
		put_tcp(p, l4, s);
	}
}

struct packet packet_make(const struct spec *of)
{
	struct spec own = *of, *s = &own;
	struct packet p = {};

	if (spec_is_v6(s) && s->t.proto == PROTO_ICMP)
		s->t.proto = PROTO_ICMP6;
	put_ethernet(&p, s);
	if (spec_is_v6(s))
		put_v6(&p, s);
	else
		put_v4(&p, s);
	put_l4(&p, s);
	for (size_t i = 0; i < s->payload; i++)
		p.bytes[p.len++] = (uint8_t)(i * 7 + s->seq + 3);
	put_length(&p);
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
		.seq = packet_has_ack(sent) ? packet_get32(sent, packet_l4(sent) + TCP_ACKED) : 77000,
		.no_l2 = !sent->l2,
	};

	if (t.proto == PROTO_ICMP || t.proto == PROTO_ICMP6)
		s.t.sport = t.sport;
	if (t.proto == PROTO_SCTP) {
		s.t.sport = packet_get16(sent, packet_l4(sent) + 2);
		s.t.dport = packet_get16(sent, packet_l4(sent));
	}
	if (t.proto == PROTO_TCP)
		s.ack = packet_get32(sent, packet_l4(sent) + TCP_SEQ) + 1;
	return packet_make(&s);
}

/* --- fragments ---------------------------------------------------------------------------------------------- */

/* RFC 8200 §4.5: what must stand in every fragment: the headers up to the last hop-by-hop or routing header. */
static size_t unfragmentable(const struct packet *p, size_t *next_at)
{
	size_t at = p->l2 + V6_HEADER, end = at;
	uint8_t kind = p->bytes[p->l2 + V6_NEXT];

	*next_at = p->l2 + V6_NEXT;
	while (kind == NEXT_HOP || kind == NEXT_ROUTING || kind == NEXT_OPTIONS) {
		size_t len = 8 + 8 * (size_t)p->bytes[at + 1];

		if (kind != NEXT_OPTIONS) {
			*next_at = at;
			end = at + len;
		}
		kind = p->bytes[at];
		at += len;
	}
	return end;
}

static struct packet piece(const struct packet *whole, uint16_t from, uint16_t to, uint32_t id, bool more)
{
	uint16_t fragment = (uint16_t)(from / 8 | (more ? FRAGMENT_MF : 0));
	struct packet p = {.l2 = whole->l2};
	size_t next_at, headers;

	if (packet_is_v6(whole)) {
		headers = unfragmentable(whole, &next_at);
		append(&p, whole->bytes, headers);
		p.bytes[put_fragment_header(&p, next_at, fragment, id)] = whole->bytes[next_at];
	} else {
		headers = packet_l4(whole);
		append(&p, whole->bytes, headers);
		packet_put16(&p, p.l2 + V4_FRAGMENT, fragment);
	}
	append(&p, whole->bytes + headers + from, (size_t)(to - from));
	put_length(&p);
	packet_sum(&p);
	return p;
}

void packet_cut(const struct packet *whole, uint16_t at, uint32_t id, struct packet *first, struct packet *second)
{
	size_t next_at, headers = packet_is_v6(whole) ? unfragmentable(whole, &next_at) : packet_l4(whole);

	*first = piece(whole, 0, at, id, true);
	*second = piece(whole, at, (uint16_t)(whole->len - headers), id, false);
}
