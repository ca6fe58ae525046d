/* SPDX-License-Identifier: GPL-2.0 */
/* packet.c: see packet.h. */
#include "packet.h"

#include <string.h>

/* From the IP header on. */
enum { V4_LEN = 2, V4_FRAGMENT = 6, V4_TTL = 8, V4_PROTO = 9, V4_SUM = 10, V4_SRC = 12 };
enum { V6_LEN = 4, V6_NEXT = 6, V6_HOPS = 7, V6_SRC = 8, V6_HEADER = 40 };
enum { EXT_HOP = 0, EXT_ROUTING = 43, EXT_FRAGMENT = 44, EXT_OPTIONS = 60 };

/* --- bytes -------------------------------------------------------------------------------------------------- */

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

/* --- headers ------------------------------------------------------------------------------------------------ */

static size_t at_most(size_t value, size_t limit)
{
	return value < limit ? value : limit;
}

static void look_at_v4(const struct packet *p, struct layout *at)
{
	uint16_t fragment = packet_get16(p, at->l3 + V4_FRAGMENT);

	at->version = 4;
	at->proto = p->bytes[at->l3 + V4_PROTO];
	at->l4 = at_most(at->l3 + 4 * (size_t)(p->bytes[at->l3] & 0xf), p->len);
	at->end = at_most(at->l3 + packet_get16(p, at->l3 + V4_LEN), p->len);
	at->offset = (uint16_t)(8 * (fragment & 0x1fff));
	at->more = fragment & FRAGMENT_MF;
}

/* RFC 8200 §4: along the extension headers, up to what is none of them. A later fragment ends the way. */
static void look_at_v6(const struct packet *p, struct layout *at)
{
	uint16_t fragment;
	uint8_t next;

	at->version = 6;
	at->proto = p->bytes[at->l3 + V6_NEXT];
	at->l4 = at->l3 + V6_HEADER;
	at->end = at_most(at->l4 + packet_get16(p, at->l3 + V6_LEN), p->len);
	while (!at->offset && at->l4 + 8 <= at->end) {
		next = p->bytes[at->l4];
		if (at->proto == EXT_FRAGMENT) {
			fragment = packet_get16(p, at->l4 + 2);
			at->fragment = at->l4;
			at->offset = fragment & 0xfff8;
			at->more = fragment & 1;
			at->l4 += 8;
		} else if (at->proto == EXT_HOP || at->proto == EXT_ROUTING || at->proto == EXT_OPTIONS) {
			at->l4 += 8 + 8 * (size_t)p->bytes[at->l4 + 1];
		} else {
			return;
		}
		at->proto = next;
	}
}

struct layout packet_layout_at(const struct packet *p, size_t l3)
{
	struct layout at = {.l3 = l3};
	uint8_t version = l3 < p->len ? p->bytes[l3] >> 4 : 0;

	if (version == 4 && l3 + 20 <= p->len)
		look_at_v4(p, &at);
	else if (version == 6 && l3 + V6_HEADER <= p->len)
		look_at_v6(p, &at);
	return at;
}

struct layout packet_layout(const struct packet *p)
{
	return packet_layout_at(p, p->l2);
}

bool packet_is_v6(const struct packet *p)
{
	return p->bytes[p->l2] >> 4 == 6;
}

bool layout_is_fragment(const struct layout *at)
{
	return at->offset || at->more;
}

static size_t address_at(const struct layout *at, enum side side)
{
	if (at->version == 4)
		return at->l3 + V4_SRC + (side == SOURCE ? 0 : 4);
	return at->l3 + V6_SRC + (side == SOURCE ? 0 : 16);
}

address packet_address(const struct packet *p, const struct layout *at, enum side side)
{
	size_t from = address_at(at, side);
	address value = 0;

	for (size_t i = 0; i < (at->version == 4 ? 4 : 16); i++)
		value = value << 8 | p->bytes[from + i];
	return value;
}

void packet_set_address(struct packet *p, const struct layout *at, enum side side, address value)
{
	size_t from = address_at(at, side);

	for (size_t i = at->version == 4 ? 4 : 16; i; i--, value >>= 8)
		p->bytes[from + i - 1] = (uint8_t)value;
}

static bool is_icmp(const struct layout *at)
{
	return at->proto == (at->version == 4 ? PROTO_ICMP : PROTO_ICMP6);
}

static size_t inside(const struct layout *at, size_t field)
{
	return !at->offset && at->l4 + field + 2 <= at->end ? at->l4 + field : 0;
}

size_t layout_port(const struct layout *at, enum side side)
{
	if (is_icmp(at))
		return inside(at, ICMP_ID);
	if (at->proto == PROTO_TCP || at->proto == PROTO_UDP)
		return inside(at, side == SOURCE ? 0 : 2);
	return 0;
}

size_t layout_sum(const struct layout *at)
{
	if (is_icmp(at))
		return inside(at, ICMP_SUM);
	if (at->proto == PROTO_TCP || at->proto == PROTO_UDP)
		return inside(at, at->proto == PROTO_TCP ? TCP_SUM : UDP_SUM);
	return 0;
}

size_t layout_ttl(const struct layout *at)
{
	return at->l3 + (at->version == 4 ? V4_TTL : V6_HOPS);
}

uint8_t packet_ttl(const struct packet *p)
{
	struct layout at = packet_layout(p);

	return p->bytes[layout_ttl(&at)];
}

size_t packet_l4(const struct packet *p)
{
	return packet_layout(p).l4;
}

uint16_t packet_ip_len(const struct packet *p)
{
	if (packet_is_v6(p))
		return (uint16_t)(V6_HEADER + packet_get16(p, p->l2 + V6_LEN));
	return packet_get16(p, p->l2 + V4_LEN);
}

struct tuple packet_tuple(const struct packet *p)
{
	struct layout at = packet_layout(p);
	size_t sport = layout_port(&at, SOURCE), dport = layout_port(&at, DESTINATION);
	struct tuple t = {.proto = at.proto};

	t.src = packet_address(p, &at, SOURCE);
	t.dst = packet_address(p, &at, DESTINATION);
	t.sport = sport ? packet_get16(p, sport) : 0;
	t.dport = dport && dport != sport ? packet_get16(p, dport) : 0;
	return t;
}

bool packet_has_ack(const struct packet *segment)
{
	return segment->bytes[packet_l4(segment) + TCP_FLAGS] & TCP_ACK;
}

/* --- checksums ---------------------------------------------------------------------------------------------- */

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t packet_words(const struct packet *p, size_t from, size_t to)
{
	uint32_t sum = 0;

	for (size_t i = from; i < to; i += 2)
		sum += (uint32_t)p->bytes[i] << 8 | (i + 1 < to ? p->bytes[i + 1] : 0);
	return fold(sum);
}

/* The pseudo-header of RFC 8200 §8.1 and of RFC 9293 §3.1; ICMP for IPv4 has none. */
uint16_t packet_covered(const struct packet *p, const struct layout *at)
{
	size_t addresses = address_at(at, SOURCE), len = at->version == 4 ? 8 : 32;
	uint32_t sum = packet_words(p, at->l4, at->end);

	if (at->proto != PROTO_ICMP)
		sum += (uint32_t)packet_words(p, addresses, addresses + len) + at->proto + (uint32_t)(at->end - at->l4);
	return fold(sum);
}

uint16_t packet_resum(uint16_t field, uint16_t before, uint16_t after)
{
	return (uint16_t)~fold((uint32_t)(uint16_t)~field + (uint16_t)~before + after);
}

bool packet_unsummed(const struct packet *p, const struct layout *at)
{
	return at->proto == PROTO_UDP && packet_get16(p, layout_sum(at)) == 0;
}

void packet_sum(struct packet *p)
{
	struct layout at = packet_layout(p);
	size_t sum_at = layout_sum(&at);
	uint16_t sum;

	if (at.version == 4) {
		packet_put16(p, at.l3 + V4_SUM, 0);
		packet_put16(p, at.l3 + V4_SUM, (uint16_t)~packet_words(p, at.l3, at.l4));
	}
	if (!sum_at || layout_is_fragment(&at) || packet_unsummed(p, &at))
		return;
	packet_put16(p, sum_at, 0);
	sum = (uint16_t)~packet_covered(p, &at);
	packet_put16(p, sum_at, sum == 0 && at.proto == PROTO_UDP ? 0xffff : sum);
}

bool packet_sums_right(const struct packet *p)
{
	struct layout at = packet_layout(p);

	if (at.version == 4 && packet_words(p, at.l3, at.l4) != 0xffff)
		return false;
	if (!layout_sum(&at) || layout_is_fragment(&at) || packet_unsummed(p, &at))
		return true;
	return packet_covered(p, &at) == 0xffff;
}
