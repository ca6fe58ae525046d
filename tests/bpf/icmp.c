/* SPDX-License-Identifier: GPL-2.0 */
/* icmp.c: see icmp.h. */
#include "icmp.h"

#include <string.h>

/* --- making them -------------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

struct packet packet_error(const struct packet *about, const struct error *e)
{
	bool v6 = packet_is_v6(about);
	size_t headers = (v6 ? 40 : 20) + ICMP_HEADER, room = (v6 ? ICMP_LIMIT_V6 : ICMP_LIMIT_V4) - headers;
	size_t quote = least(packet_ip_len(about), e->quote ? e->quote : room);
	struct spec s = {
		.t = {.src = e->from, .proto = PROTO_ICMP},
		.src_mac = e->src_mac ? e->src_mac : about->bytes,
		.dst_mac = e->dst_mac ? e->dst_mac : about->bytes + 6,
		.icmp_type = e->type,
		.payload = (uint16_t)quote,
		.ttl = e->ttl,
		.no_l2 = !about->l2,
	};
	struct packet p;

	s.t.dst = packet_tuple(about).src;
	p = packet_make(&s);
	p.bytes[p.l2 + headers - ICMP_HEADER + ICMP_CODE] = e->code;
	packet_put32(&p, p.l2 + headers - 4, e->rest);
	memcpy(p.bytes + p.l2 + headers, about->bytes + about->l2, quote);
	packet_sum(&p);
	return p;
}

struct packet packet_too_big(const struct packet *about, address from, uint16_t mtu)
{
	struct error v4 = {.from = from, .type = ICMP_UNREACHABLE, .code = UNREACHABLE_TOO_BIG, .rest = mtu};
	struct error v6 = {.from = from, .type = ICMP6_TOO_BIG, .rest = mtu};

	return packet_error(about, packet_is_v6(about) ? &v6 : &v4);
}

struct packet packet_exceeded(const struct packet *about, address from)
{
	uint8_t type = packet_is_v6(about) ? ICMP6_EXCEEDED : ICMP_EXCEEDED;

	return packet_error(about, &(struct error){.from = from, .type = type});
}

struct packet packet_unreachable(const struct packet *about, address from)
{
	struct error v4 = {.from = from, .type = ICMP_UNREACHABLE, .code = UNREACHABLE_HOST};
	struct error v6 = {.from = from, .type = ICMP6_UNREACHABLE, .code = UNREACHABLE6_ADDRESS};

	return packet_error(about, packet_is_v6(about) ? &v6 : &v4);
}

struct packet packet_wrong_source(const struct packet *about, address from)
{
	struct error e = {.from = from, .type = ICMP6_UNREACHABLE, .code = UNREACHABLE6_SOURCE};

	return packet_error(about, &e);
}

/* --- when not ----------------------------------------------------------------------------------------------- */

static bool is_error(const struct packet *p, const struct layout *at)
{
	uint8_t type = p->bytes[at->l4];

	if (at->version == 6)
		return at->proto == PROTO_ICMP6 && type < ICMP6_QUERY;
	return at->proto == PROTO_ICMP &&
	       (type == ICMP_UNREACHABLE || type == 4 || type == 5 || type == ICMP_EXCEEDED || type == ICMP_PARAMETER);
}

/* One host: not multicast, broadcast, loopback, or nobody. */
static bool is_one(const struct layout *at, address a)
{
	if (at->version == 6)
		return a > 1 && a >> 120 != 0xff;
	return a >> 24 != 0 && a >> 24 != 127 && a >> 28 < 0xe;
}

bool packet_may_be_answered(const struct packet *p)
{
	struct layout at = packet_layout(p);

	if (!at.version || at.offset || is_error(p, &at) || (p->l2 && p->bytes[0] & 1))
		return false;
	return is_one(&at, packet_address(p, &at, SOURCE)) && is_one(&at, packet_address(p, &at, DESTINATION));
}

/* --- passing them on ---------------------------------------------------------------------------------------- */

struct layout packet_quote(const struct packet *error)
{
	return packet_layout_at(error, packet_l4(error) + ICMP_HEADER);
}

struct packet packet_error_changed(const struct packet *in, const struct change *c)
{
	struct change quoted = *c, outer = *c;
	struct layout at = packet_layout(in), quote = packet_quote(in);
	uint16_t before = packet_covered(in, &at);
	struct packet p = *in;
	size_t sum_at = layout_sum(&at);

	quoted.side = c->side == SOURCE ? DESTINATION : SOURCE;
	packet_rewrite(&p, &quote, &quoted);
	packet_put16(&p, sum_at, packet_resum(packet_get16(&p, sum_at), before, packet_covered(&p, &at)));
	outer.with_port = false;
	outer.mtu = 0;
	return packet_changed(&p, &outer);
}

struct packet packet_prohibited(const struct packet *about, address from)
{
	bool v6 = packet_is_v6(about);
	struct error e = {.from = from,
			  .type = v6 ? ICMP6_UNREACHABLE : ICMP_UNREACHABLE,
			  .code = v6 ? UNREACHABLE6_PROHIBITED : UNREACHABLE_PROHIBITED};

	return packet_error(about, &e);
}
