/* SPDX-License-Identifier: GPL-2.0 */
/*
 * linear_match.h: which line a packet matches, line by line and field by field, as the manual says it: what is compiled
 * for the data plane is held against this.  Knows the configuration and nothing of vectors or maps.
 */
#ifndef WANHELM_TESTS_LINEAR_MATCH_H
#define WANHELM_TESTS_LINEAR_MATCH_H

#include <string.h>

#include "model/config.h"

#define LINEAR_NONE (-1)
#define LINEAR_ROUTER (-1)

struct linear_packet {
	int lan;       /* index into the configuration's, or LINEAR_ROUTER */
	uint16_t vlan; /* that this LAN device is of; 0: none */
	struct wh_address src, dst;
	uint8_t proto;
	uint8_t dscp;
	uint16_t sport, dport;
	uint32_t mark;
	const char *names[4]; /* of the destination */
	unsigned n_names;
};

static inline bool linear_bit(const struct wh_address *addr, unsigned bit)
{
	const uint8_t *bytes = addr->family == WH_V4 ? (const uint8_t *)&addr->v4 : (const uint8_t *)&addr->v6;

	return bytes[bit / 8] >> (7 - bit % 8) & 1;
}

static inline bool linear_in_prefix(const struct wh_address *addr, const struct wh_conf_prefix *prefix)
{
	if (addr->family != prefix->addr.family)
		return false;
	for (unsigned bit = 0; bit < prefix->len; bit++) {
		if (linear_bit(addr, bit) != linear_bit(&prefix->addr, bit))
			return false;
	}
	return true;
}

static inline bool linear_prefixes(const struct wh_config *c, struct wh_conf_span span, const struct wh_address *addr)
{
	for (unsigned i = 0; i < span.n; i++) {
		if (linear_in_prefix(addr, &c->prefixes[span.first + i]))
			return true;
	}
	return !span.n;
}

static inline bool linear_ports(const struct wh_config *c, struct wh_conf_span span, uint16_t port)
{
	for (unsigned i = 0; i < span.n; i++) {
		if (port >= c->port_ranges[span.first + i].first && port <= c->port_ranges[span.first + i].last)
			return true;
	}
	return !span.n;
}

/* "*.x covers x", and every name that ends in ".x". */
static inline bool linear_covers(const char *asked, bool below, const char *name)
{
	const char *end = name + strlen(name) - strlen(asked);

	if (strlen(asked) > strlen(name))
		return false;
	return below ? !strcmp(end, asked) && (end == name || end[-1] == '.') : !strcmp(name, asked);
}

static inline bool linear_names(const struct wh_config *c, struct wh_conf_span span, const struct linear_packet *p)
{
	for (unsigned i = 0; i < span.n; i++) {
		const struct wh_conf_domain *domain = &c->domains[span.first + i];

		for (unsigned n = 0; n < p->n_names; n++) {
			if (linear_covers(&c->domain_text[domain->text], domain->below, p->names[n]))
				return true;
		}
	}
	return !span.n;
}

static inline bool linear_in(const struct wh_conf_match *m, const struct linear_packet *p)
{
	if (m->in_any)
		return true;
	if (p->lan == LINEAR_ROUTER)
		return m->in_router;
	for (unsigned i = 0; i < m->n_in_vlans; i++) {
		if (p->vlan && m->in_vlans[i] == p->vlan)
			return true;
	}
	return m->in_lans & (1ULL << p->lan);
}

static inline bool linear_line(const struct wh_config *c, const struct wh_conf_match *m, const struct linear_packet *p)
{
	return linear_in(m, p) && (m->proto_any || m->protos[p->proto / 32] & (1U << p->proto % 32)) &&
	       (!m->dscp || m->dscp & (1ULL << p->dscp)) && (p->mark & m->mark_mask) == (m->mark & m->mark_mask) &&
	       linear_prefixes(c, m->from, &p->src) && linear_prefixes(c, m->to, &p->dst) &&
	       linear_ports(c, m->sport, p->sport) && linear_ports(c, m->dport, p->dport) &&
	       linear_names(c, m->names, p);
}

/* The first line that the packet matches, or LINEAR_NONE. */
static inline int linear_match(const struct wh_config *c, const struct linear_packet *p)
{
	for (unsigned line = 0; line < c->n_matches; line++) {
		if (linear_line(c, &c->matches[line], p))
			return (int)line;
	}
	return LINEAR_NONE;
}

#endif
