/* SPDX-License-Identifier: GPL-2.0 */
/* oracle.c: see oracle.h. */
#include "oracle.h"

#include <string.h>

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, OPTION_MSS_LEN = 4 };
enum { V4_TOS = 1, V4_ID = 4, V4_FRAGMENT = 6, V4_SUM = 10 };
enum { HEADERS_V4 = 40, HEADERS_V6 = 60 }; /* IP and TCP without options */

/* --- translation -------------------------------------------------------------------------------------------- */

/* Both checksums of an IP packet that was `old`: what was right is right, what was wrong is wrong by as much. */
static void resum(struct packet *p, const struct packet *old, const struct layout *at)
{
	size_t sum_at = layout_sum(at), header = at->l3 + V4_SUM;
	uint16_t sum;

	if (at->version == 4) {
		sum = packet_resum(packet_get16(p, header), packet_words(old, at->l3, at->l4),
				   packet_words(p, at->l3, at->l4));
		packet_put16(p, header, sum);
	}
	if (!sum_at || packet_unsummed(old, at))
		return;
	sum = packet_resum(packet_get16(p, sum_at), packet_covered(old, at), packet_covered(p, at));
	packet_put16(p, sum_at, sum == 0 && at->proto == PROTO_UDP ? 0xffff : sum);
}

void packet_rewrite(struct packet *p, const struct layout *at, const struct change *c)
{
	size_t port_at = layout_port(at, c->side);
	struct packet old = *p;

	packet_set_address(p, at, c->side, c->addr);
	if (c->with_port && port_at)
		packet_put16(p, port_at, c->port);
	resum(p, &old, at);
}

static void count_hop(struct packet *p, const struct layout *at)
{
	struct packet old = *p;

	p->bytes[layout_ttl(at)] -= 1;
	resum(p, &old, at);
}

struct packet packet_changed(const struct packet *in, const struct change *c)
{
	struct layout at = packet_layout(in);
	struct packet p = *in;

	packet_rewrite(&p, &at, c);
	if (!c->ttl_stays)
		count_hop(&p, &at);
	if (c->mtu)
		packet_clamp(&p, c->mtu);
	return p;
}

struct packet packet_framed(const struct packet *in, const uint8_t *src_mac, const uint8_t *dst_mac)
{
	size_t l2 = src_mac ? PACKET_L2 : 0;
	struct packet p = {.l2 = l2, .len = in->len - in->l2 + l2};

	memcpy(p.bytes + l2, in->bytes + in->l2, in->len - in->l2);
	if (!src_mac)
		return p;
	memcpy(p.bytes, dst_mac, 6);
	memcpy(p.bytes + 6, src_mac, 6);
	packet_put16(&p, 12, packet_is_v6(in) ? 0x86dd : 0x0800);
	return p;
}

struct packet packet_translated(const struct packet *in, address src, uint16_t sport)
{
	return packet_changed(in, &(struct change){.side = SOURCE, .addr = src, .port = sport, .with_port = true});
}

struct packet packet_delivered(const struct packet *in, address dst, uint16_t dport, const uint8_t *src_mac,
			       const uint8_t *dst_mac)
{
	struct change c = {.side = DESTINATION, .addr = dst, .port = dport, .with_port = true};
	struct packet p = packet_changed(in, &c);

	return packet_framed(&p, src_mac, dst_mac);
}

/* --- MSS ---------------------------------------------------------------------------------------------------- */

/* Where the value of the MSS option stands; 0: there is none, or what comes before it makes no sense. */
static size_t mss_at(const struct packet *p, const struct layout *at)
{
	size_t i = at->l4 + 20, end = at->l4 + 4 * (size_t)(p->bytes[at->l4 + TCP_OFFSET] >> 4);

	if (end > at->end)
		return 0;
	while (i < end && p->bytes[i] != OPTION_END) {
		if (p->bytes[i] == OPTION_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= end || p->bytes[i + 1] < 2 || i + p->bytes[i + 1] > end)
			return 0;
		if (p->bytes[i] == OPTION_MSS && p->bytes[i + 1] == OPTION_MSS_LEN)
			return i + 2;
		i += p->bytes[i + 1];
	}
	return 0;
}

void packet_clamp(struct packet *p, uint16_t mtu)
{
	struct layout at = packet_layout(p);
	uint16_t limit = (uint16_t)(mtu - (at.version == 4 ? HEADERS_V4 : HEADERS_V6));
	struct packet old = *p;
	size_t value;

	if (at.proto != PROTO_TCP || !layout_sum(&at) || !(p->bytes[at.l4 + TCP_FLAGS] & TCP_SYN))
		return;
	value = mss_at(p, &at);
	if (!value || packet_get16(p, value) <= limit)
		return;
	packet_put16(p, value, limit);
	resum(p, &old, &at);
}

/* --- reset -------------------------------------------------------------------------------------------------- */

/* The sequence number after the segment's: its payload, and one for SYN or FIN. */
static uint32_t next_seq(const struct packet *in)
{
	struct layout at = packet_layout(in);
	size_t header = 4 * (size_t)(in->bytes[at.l4 + TCP_OFFSET] >> 4);
	uint32_t payload = (uint32_t)(at.end - at.l4 - header);

	return packet_get32(in, at.l4 + TCP_SEQ) + payload +
	       (in->bytes[at.l4 + TCP_FLAGS] & (TCP_SYN | TCP_FIN) ? 1 : 0);
}

struct packet packet_reset(const struct packet *in, bool with_ack)
{
	struct tuple t = packet_tuple(in);
	struct spec s = {
		.t = {.src = t.dst, .dst = t.src, .sport = t.dport, .dport = t.sport, .proto = PROTO_TCP},
		.src_mac = in->bytes,
		.dst_mac = in->bytes + 6,
		.tcp_flags = with_ack ? TCP_RST | TCP_ACK : TCP_RST,
		.seq = packet_get32(in, packet_l4(in) + TCP_ACKED),
		.ack = with_ack ? next_seq(in) : 0,
		.no_l2 = !in->l2,
	};

	return packet_make(&s);
}

void packet_take_free_fields(struct packet *p, const struct packet *from)
{
	size_t ip = p->l2;
	struct layout at = packet_layout(p);

	if (at.version == 4) {
		p->bytes[ip + V4_TOS] = from->bytes[ip + V4_TOS];
		packet_put16(p, ip + V4_ID, packet_get16(from, ip + V4_ID));
		packet_put16(p, ip + V4_FRAGMENT, packet_get16(from, ip + V4_FRAGMENT) & FRAGMENT_DF);
	} else {
		packet_put32(p, ip, 6U << 28 | (packet_get32(from, ip) & 0x0fffffff));
	}
	p->bytes[layout_ttl(&at)] = from->bytes[layout_ttl(&at)];
	packet_sum(p);
}

void packet_take_free_reset_fields(struct packet *p, const struct packet *from)
{
	size_t window = packet_l4(p) + TCP_WINDOW;

	packet_put16(p, window, packet_get16(from, window));
	packet_take_free_fields(p, from);
}
