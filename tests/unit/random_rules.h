/* SPDX-License-Identifier: GPL-2.0 */
/*
 * random_rules.h: random match lines, and packets that they are likely to speak of: both come from the same few
 * networks, ports, marks and names, so that prefixes and ranges cover and touch one another.
 */
#ifndef WANHELM_TESTS_RANDOM_RULES_H
#define WANHELM_TESTS_RANDOM_RULES_H

#include <arpa/inet.h>
#include <stdio.h>

#include "linear_match.h"
#include "random.h"

#ifndef RULES_LANS
#define RULES_LANS 2
#define RULES_CLASSES 5
#endif
#define RULES_MARKS 12
#define RULES_OWN_MARK 0xff000000U /* bits that no line may ask for */

static const char *const rules_src4[] = {"192.168.1.0", "192.168.2.0", "10.5.0.0", "10.5.128.0", "172.16.9.0"};
static const char *const rules_dst4[] = {"20.1.1.0", "20.1.2.0", "34.96.0.0", "8.8.8.0", "1.1.1.0"};
static const char *const rules_src6[] = {"fd00:1:0:1::", "fd00:1:0:2::", "2001:db8:5::", "2001:db8:5:8000::", "fd77::"};
static const char *const rules_dst6[] = {"2001:db8:f1::", "2001:db8:f1:8000::", "2600:1f00::", "2a00:1450::", "3fff::"};
static const char *const rules_names[] = {"example.net", "a.example.net", "b.a.example.net", "xexample.net", "zoom.us",
					  "us",		 "deep.zoom.us",  "other.example"};
static const uint8_t rules_protos[] = {IPPROTO_TCP,    IPPROTO_UDP, IPPROTO_ICMP,
				       IPPROTO_ICMPV6, IPPROTO_GRE, IPPROTO_SCTP};
static const uint16_t rules_vlans[] = {10, 20, 30};

#define RULES_NAMES (sizeof(rules_names) / sizeof(rules_names[0]))

/* One chance in n. */
static inline bool once_in(uint32_t n)
{
	return !pick(n);
}

/* An address in one of the networks. */
static inline struct wh_address random_address(enum wh_family family, bool src)
{
	struct wh_address addr = {.family = family};

	if (family == WH_V4) {
		inet_pton(AF_INET, src ? rules_src4[pick(5)] : rules_dst4[pick(5)], &addr.v4);
		addr.v4.s_addr |= htonl(1 + pick(pick(2) ? 8 : 2000));
		return addr;
	}
	inet_pton(AF_INET6, src ? rules_src6[pick(5)] : rules_dst6[pick(5)], &addr.v6);
	addr.v6.s6_addr[15] = (uint8_t)(1 + pick(8));
	if (once_in(2))
		addr.v6.s6_addr[7] |= (uint8_t)pick(4);
	return addr;
}

static inline void clear_host_bits(struct wh_conf_prefix *prefix)
{
	uint8_t *bytes = prefix->addr.family == WH_V4 ? (uint8_t *)&prefix->addr.v4 : (uint8_t *)&prefix->addr.v6;

	for (unsigned bit = prefix->len; bit < (prefix->addr.family == WH_V4 ? 32 : 128); bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static inline struct wh_conf_prefix random_prefix(bool src)
{
	enum wh_family family = pick(2);
	struct wh_conf_prefix prefix = {.addr = random_address(family, src)};

	if (family == WH_V4)
		prefix.len = once_in(20) ? 0 : once_in(2) ? 8 * (1 + pick(4)) : 1 + pick(32);
	else
		prefix.len = once_in(2) ? 16 * (1 + pick(8)) : once_in(2) ? 60 + pick(8) : pick(129);
	/* Those that cover the addresses under which the tables have IPv4, and those within. */
	if (family == WH_V6 && once_in(16)) {
		inet_pton(AF_INET6, "::ffff:0:0", &prefix.addr.v6);
		prefix.len = once_in(2) ? 0 : pick(100);
	}
	clear_host_bits(&prefix);
	return prefix;
}

static inline struct wh_conf_span random_prefixes(struct wh_config *c, bool src)
{
	struct wh_conf_span span = {c->n_prefixes, 1 + pick(4)};

	for (unsigned i = 0; i < span.n; i++)
		c->prefixes[c->n_prefixes++] = random_prefix(src);
	return span;
}

static inline uint16_t random_port(void)
{
	static const uint16_t edges[] = {0, 1, 65534, 65535, 80, 443};

	return once_in(4) ? edges[pick(6)] : once_in(2) ? (uint16_t)(8000 + pick(100)) : (uint16_t)pick(65536);
}

static inline struct wh_conf_span random_ranges(struct wh_config *c)
{
	struct wh_conf_span span = {c->n_port_ranges, 1 + pick(3)};

	for (unsigned i = 0; i < span.n; i++) {
		uint16_t a = random_port(), b = once_in(3) ? a : random_port();

		c->port_ranges[c->n_port_ranges++] = (struct wh_conf_port_range){a < b ? a : b, a < b ? b : a};
	}
	return span;
}

static inline struct wh_conf_span random_domains(struct wh_config *c)
{
	struct wh_conf_span span = {c->n_domains, 1 + pick(2)};

	for (unsigned i = 0; i < span.n; i++) {
		const char *name = rules_names[pick(RULES_NAMES)];

		c->domains[c->n_domains++] = (struct wh_conf_domain){c->domain_text_len, pick(2)};
		c->domain_text_len += 1 + (unsigned)snprintf(c->domain_text + c->domain_text_len,
							     sizeof(c->domain_text) - c->domain_text_len, "%s", name);
	}
	return span;
}

/* Some pairs are satisfied by one mark together. */
static inline void random_mark(unsigned n, uint32_t *value, uint32_t *mask)
{
	static const uint32_t masks[] = {0xff, 0x0f, 0xf0, 0xffff, 0x00ff00, 0x1};

	*mask = masks[n % 6];
	*value = (n * 0x1235U) & *mask;
}

static inline void random_protos(struct wh_conf_match *m, bool with_ports)
{
	if (!with_ports && !once_in(3)) {
		m->proto_any = true;
		return;
	}
	for (unsigned i = 0; i <= pick(2); i++) {
		uint8_t proto = with_ports ? rules_protos[pick(2)] : rules_protos[pick(sizeof(rules_protos))];

		m->protos[proto / 32] |= 1U << proto % 32;
	}
}

static inline void random_in(struct wh_conf_match *m)
{
	m->in_any = !once_in(4);
	if (m->in_any)
		return;
	m->in_router = once_in(4);
	m->in_lans = once_in(2) ? pick(1U << RULES_LANS) : 0;
	m->n_in_vlans = pick(3);
	for (unsigned i = 0; i < m->n_in_vlans; i++)
		m->in_vlans[i] = rules_vlans[pick(3)];
}

static inline void random_line(struct wh_config *c, struct wh_conf_match *m)
{
	random_in(m);
	if (once_in(3))
		m->from = random_prefixes(c, true);
	if (once_in(2))
		m->to = random_prefixes(c, false);
	if (once_in(4) && c->n_port_ranges < 1000)
		m->sport = random_ranges(c);
	if (once_in(3) && c->n_port_ranges < 1000)
		m->dport = random_ranges(c);
	random_protos(m, m->sport.n || m->dport.n);
	if (once_in(5))
		m->dscp = 1ULL << pick(4) * 16 | 1ULL << pick(64);
	if (once_in(8))
		random_mark(pick(RULES_MARKS), &m->mark, &m->mark_mask);
	if (once_in(8) && c->n_domains < WH_MAX_DOMAINS - 2)
		m->names = random_domains(c);
}

/* As many lines, in classes that each have some, and `default`. */
static inline void random_rules(struct wh_config *c, unsigned lines)
{
	memset(c, 0, sizeof(*c));
	c->n_lans = RULES_LANS;
	c->n_classes = RULES_CLASSES;
	c->n_matches = lines;
	for (unsigned line = 0; line < lines; line++) {
		c->matches[line].class = line * (RULES_CLASSES - 1) / lines;
		random_line(c, &c->matches[line]);
	}
}

static inline struct linear_packet random_packet(enum wh_family family)
{
	struct linear_packet p = {.lan = (int)pick(RULES_LANS + 1) - 1,
				  .vlan = once_in(2) ? 0 : rules_vlans[pick(3)],
				  .src = random_address(family, true),
				  .dst = random_address(family, false),
				  .proto = rules_protos[pick(sizeof(rules_protos))],
				  .dscp = (uint8_t)(once_in(2) ? pick(4) * 16 : pick(64)),
				  .n_names = pick(3)};
	uint32_t mask;

	if (p.proto == IPPROTO_TCP || p.proto == IPPROTO_UDP || p.proto == IPPROTO_SCTP) {
		p.sport = random_port();
		p.dport = random_port();
	}
	if (once_in(2))
		random_mark(pick(RULES_MARKS), &p.mark, &mask);
	p.mark |= once_in(4) ? pick(1 << 24) & ~RULES_OWN_MARK : 0;
	for (unsigned i = 0; i < p.n_names; i++)
		p.names[i] = rules_names[pick(RULES_NAMES)];
	return p;
}

#endif
