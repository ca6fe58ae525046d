/* SPDX-License-Identifier: GPL-2.0 */
/* world.c: see world.h. */
#include "world.h"

#include <string.h>

#define CLIENTS 3
#define REMOTES 3
#define SPORTS 3
#define DPORTS 2

static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_GRE, PROTO_ESP, PROTO_SCTP};
#define PROTOS sizeof(protos)

static struct session sessions[WH_FAMILIES][PROTOS][CLIENTS][SPORTS][REMOTES][DPORTS];
static uint16_t ports[WH_FAMILIES][PROTOS][CLIENTS][SPORTS];
static bool translated; /* masquerade; else prefixes in IPv6 and nothing in IPv4 */
static uint8_t client_macs[CLIENTS][6];

static uint8_t proto_of(const struct who *w)
{
	return protos[w->proto];
}

static bool has_ports(const struct who *w)
{
	return protos[w->proto] == PROTO_UDP || protos[w->proto] == PROTO_TCP || protos[w->proto] == PROTO_ICMP;
}

bool world_is_icmp(const struct who *w)
{
	return protos[w->proto] == PROTO_ICMP;
}

const uint8_t *world_mac(const struct who *w)
{
	return client_macs[w->client];
}

/* Protocols without ports: one client to a remote, for a second one could not be told from it. */
struct who world_somebody(uint64_t *chance)
{
	struct who w = {.family = below(chance, 2),
			.proto = below(chance, PROTOS),
			.client = below(chance, CLIENTS),
			.sport = below(chance, SPORTS),
			.remote = below(chance, REMOTES),
			.dport = below(chance, DPORTS)};

	if (!has_ports(&w)) {
		w.client = w.remote;
		w.sport = w.dport = 0;
	} else if (world_is_icmp(&w)) {
		w.dport = 0;
	}
	return w;
}

struct session *world_session(const struct who *w)
{
	return &sessions[w->family][w->proto][w->client][w->sport][w->remote][w->dport];
}

static struct tuple tuple_of(const struct who *w)
{
	return (struct tuple){lab_client(w->family, w->client), lab_remote(w->family, w->remote),
			      (uint16_t)(5000 + w->sport), (uint16_t)(53 + w->dport), proto_of(w)};
}

/* --- what must be ------------------------------------------------------------------------------------------- */

static address external_of(const struct who *w)
{
	address client = lab_client(w->family, w->client), mapped = client;

	if (translated)
		return w->family == WH_V4 ? be32toh(lab.wan[0].v4.addr_be) : lab_prefix(0).addr + 2;
	if (w->family == WH_V6)
		assert_true(npt_map(lab_inside(), lab_prefix(0), client, &mapped));
	return mapped;
}

struct change world_outward(const struct who *w, uint16_t port)
{
	return (struct change){.side = SOURCE,
			       .addr = external_of(w),
			       .port = port,
			       .with_port = translated && has_ports(w),
			       .mtu = 1500};
}

struct change world_inward(const struct who *w)
{
	struct tuple t = tuple_of(w);

	return (struct change){.side = DESTINATION,
			       .addr = t.src,
			       .port = t.sport,
			       .with_port = translated && has_ports(w),
			       .mtu = 1500};
}

/* An endpoint's port is one and the same to everybody, and nobody else's (RFC 4787 REQ-1 and 3). */
static void expect_port(const struct who *w, uint16_t port)
{
	uint16_t *known = &ports[w->family][w->proto][w->client][w->sport];

	if (!translated || !has_ports(w))
		return;
	assert_in_range(port, LAB_PORT_FIRST, LAB_PORT_LAST);
	assert_true(!*known || *known == port);
	*known = port;
	for (unsigned i = 0; i < CLIENTS * SPORTS; i++) {
		uint16_t *other = &ports[w->family][w->proto][i / SPORTS][i % SPORTS];

		assert_true(other == known || *other != port);
	}
}

static bool opens(const struct packet *p)
{
	struct layout at = packet_layout(p);

	return at.proto != PROTO_TCP || (p->bytes[at.l4 + TCP_FLAGS] & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* --- out, and in -------------------------------------------------------------------------------------------- */

struct packet world_clients_packet(uint64_t *chance, const struct who *w)
{
	struct spec s = {.t = tuple_of(w), .src_mac = client_macs[w->client], .dst_mac = lab.lan[0].mac};

	return shape_packet(chance, s);
}

struct packet world_remotes_packet(uint64_t *chance, const struct who *w)
{
	struct session *session = world_session(w);
	struct tuple t = tuple_of(w);
	struct spec s = {.t = {t.dst, session->external, t.dport, session->port, t.proto},
			 .src_mac = mac_isp,
			 .dst_mac = lab.wan[0].mac,
			 .reply = true};

	if (world_is_icmp(w))
		s.t.sport = session->port;
	else if (!has_ports(w))
		s.t.dport = t.sport;
	return shape_packet(chance, s);
}

void world_play_out(uint64_t *chance)
{
	struct who w = world_somebody(chance);
	struct session *session = world_session(&w);
	struct packet p = world_clients_packet(chance, &w), want;
	struct result r = lab_from_lan(&p);
	struct change c;

	if (!session->open && !opens(&p)) {
		expect_untouched(&r, &p);
		return;
	}
	c = world_outward(&w, packet_tuple(&r.packet).sport);
	want = packet_changed(&p, &c);
	want = lab_leaving(0, &want);
	expect_sent(&r, &want);
	expect_port(&w, c.port);
	session->open = true;
	session->external = c.addr;
	session->port = c.port;
	session->last = p;
	session->sent = want;
}

/* --- the beginning ------------------------------------------------------------------------------------------ */

void world_start(bool masquerade)
{
	struct wh_wan row = lab.wan[0];

	translated = masquerade;
	memset(sessions, 0, sizeof(sessions));
	memset(ports, 0, sizeof(ports));
	for (uint8_t i = 0; i < CLIENTS; i++)
		memcpy(client_macs[i], (const uint8_t[]){2, 0xdd, i, 0, 0, i}, 6);
	if (masquerade)
		return;
	row.v4.flags &= ~(unsigned)WH_WAN_MASQUERADE;
	row.v6.flags = WH_WAN_NPT | WH_WAN_GATEWAY | WH_WAN_GATEWAY_MAC;
	lab_set_wan(0, &row);
	lab_set_order((const int[]){0, -1});
}

bool world_translates(enum wh_family family)
{
	return translated || family == WH_V6;
}
