/* SPDX-License-Identifier: GPL-2.0 */
/*
 * match.c: what a class's traffic looks like: lines of which one must hold, each of fields that must all hold, each of
 * values of which one must.  See class.h; lists of prefixes and ports are read in lists.c, names in domain.c.
 */
#include "conf/class.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>

#define VLAN_LAST 4094

static void set_proto(struct wh_conf_match *line, unsigned proto)
{
	line->proto_any = false;
	line->protos[proto / 32] |= 1U << proto % 32;
}

static bool has_proto(const struct wh_conf_match *line, unsigned proto)
{
	return line->protos[proto / 32] & 1U << proto % 32;
}

static int add_vlan(struct wh_conf_reader *r, const struct wh_conf_node *value, uint16_t vlan,
		    struct wh_conf_match *line)
{
	if (line->n_in_vlans == WH_MAX_VLANS)
		return wh_conf_refuse(&r->source, value->at, "in: more than %d VLANs in one line", WH_MAX_VLANS);
	line->in_vlans[line->n_in_vlans++] = vlan;
	return 0;
}

/* A device that clients do not arrive by. */
static int refuse_device(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value)
{
	static const char expected[] = "a device of lan, a VLAN's number from 1 to 4094, or router";
	const char *words[WH_MAX_LANS + 1] = {NULL};
	char hint[WH_CONF_HINT_LEN];
	unsigned n = 0;

	for (unsigned i = 0; i < r->config->n_wans; i++) {
		if (strcmp(r->config->wans[i].device, value->text) != 0)
			continue;
		snprintf(hint, sizeof(hint), ", which is the WAN \"%s\"", r->config->wans[i].name);
		return wh_conf_wrong(r, key->name, value, expected, hint);
	}
	for (; n < r->config->n_lans; n++)
		words[n] = r->config->lan[n];
	words[n] = "router";
	return wh_conf_wrong(r, key->name, value, expected, WH_CONF_HINT(value->text, words));
}

static int read_in(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	struct wh_conf_match *line = out;
	uint64_t vlan;

	line->in_any = false;
	if (!wh_conf_is_word(value))
		return refuse_device(r, key, value);
	if (!strcmp(value->text, "router")) {
		line->in_router = true;
		return 0;
	}
	for (unsigned i = 0; i < r->config->n_lans; i++) {
		if (!strcmp(r->config->lan[i], value->text)) {
			line->in_lans |= 1ULL << i;
			return 0;
		}
	}
	if (!wh_parse_number(value->text, 1, VLAN_LAST, &vlan))
		return add_vlan(r, value, (uint16_t)vlan, line);
	return refuse_device(r, key, value);
}

static int read_ins(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	return wh_conf_each(r, key, value, read_in, out);
}

/* "icmp" is that of both families. */
static const struct wh_conf_choice proto_names[] = {
	{"tcp", IPPROTO_TCP},	{"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}, {"icmp", IPPROTO_ICMPV6},
	{"sctp", IPPROTO_SCTP}, {"gre", IPPROTO_GRE}, {"esp", IPPROTO_ESP},   {NULL, 0},
};

#define N_PROTO_NAMES (sizeof(proto_names) / sizeof(proto_names[0]))

static int read_proto(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		      void *out)
{
	const char *words[N_PROTO_NAMES] = {NULL};
	bool known = false;
	uint64_t number;

	for (size_t i = 0; proto_names[i].word && wh_conf_is_word(value); i++) {
		words[i] = proto_names[i].word;
		if (!strcmp(value->text, words[i])) {
			set_proto(out, (unsigned)proto_names[i].value);
			known = true;
		}
	}
	if (known)
		return 0;
	if (!wh_conf_is_word(value) || wh_parse_number(value->text, 0, 255, &number))
		return wh_conf_wrong(r, key->name, value, "tcp, udp, icmp, sctp, gre, esp or a number from 0 to 255",
				     WH_CONF_HINT(value->text, words));
	set_proto(out, (unsigned)number);
	return 0;
}

static int read_protos(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		       void *out)
{
	return wh_conf_each(r, key, value, read_proto, out);
}

static int add_dscp(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	uint8_t dscp = 0;
	int err = wh_conf_dscp(r, key, value, &dscp);

	if (!err)
		*(uint64_t *)out |= 1ULL << dscp;
	return err;
}

static int read_dscps(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		      void *out)
{
	return wh_conf_each(r, key, value, add_dscp, out);
}

/* "VALUE/MASK"; a value alone is compared in the bits `others`. */
static bool parse_mark(const char *text, uint32_t others, uint32_t *mark, uint32_t *mask)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t value, bits = others;
	char word[32] = "";

	if (len >= sizeof(word))
		return false;
	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	if (wh_parse_number(word, 0, UINT32_MAX, &value) || (slash && wh_parse_number(slash + 1, 1, UINT32_MAX, &bits)))
		return false;
	*mark = (uint32_t)value;
	*mask = (uint32_t)bits;
	return true;
}

static int read_mark(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     void *out)
{
	struct wh_conf_match *line = out;
	const uint32_t ours = r->config->mark_mask;
	uint32_t mark, mask;

	if (!wh_conf_is_word(value) || !parse_mark(value->text, ~ours, &mark, &mask))
		return wh_conf_wrong(r, key->name, value, "VALUE or VALUE/MASK, as in 0x1 or 0x10/0xf0", "");
	if ((mark | mask) & ours)
		return wh_conf_refuse(&r->source, value->at,
				      "mark: \"%s\" asks for bits of 0x%x, which are wanhelm's own",
				      WH_CONF_SHOW(value->text), ours);
	if (mark & ~mask)
		return wh_conf_refuse(&r->source, value->at, "mark: \"%s\" has bits outside its mask",
				      WH_CONF_SHOW(value->text));
	line->mark = mark;
	line->mark_mask = mask;
	return 0;
}

#define AT(field) .offset = offsetof(struct wh_conf_match, field)
static const struct wh_conf_key match_keys[] = {
	{.name = "in", .read = read_ins},
	{.name = "from", .read = wh_conf_prefixes, AT(from)},
	{.name = "to", .read = wh_conf_prefixes, AT(to)},
	{.name = "proto", .read = read_protos},
	{.name = "sport", .read = wh_conf_port_ranges, AT(sport)},
	{.name = "dport", .read = wh_conf_port_ranges, AT(dport)},
	{.name = "dscp", .read = read_dscps, AT(dscp)},
	{.name = "mark", .read = read_mark},
	{.name = "domain", .read = wh_conf_domains, AT(names)},
	{.name = NULL},
};
#undef AT

/* Ports that stand alone are those of TCP and UDP; the protocols beside them must have some. */
static int settle_ports(struct wh_conf_reader *r, const struct wh_conf_node *entry, struct wh_conf_match *line)
{
	const char *name = line->dport.n ? "dport" : "sport";

	if (!line->dport.n && !line->sport.n)
		return 0;
	if (line->proto_any) {
		set_proto(line, IPPROTO_TCP);
		set_proto(line, IPPROTO_UDP);
		return 0;
	}
	for (unsigned proto = 0; proto < 256; proto++)
		if (has_proto(line, proto) && proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_SCTP)
			return wh_conf_refuse(&r->source, wh_conf_find(entry, name)->key->at,
					      "%s: stands beside a protocol other than tcp, udp and sctp", name);
	return 0;
}

/* Bit by family of the prefixes; both where there are none. */
static unsigned families_of(const struct wh_config *config, struct wh_conf_span span)
{
	unsigned families = span.n ? 0 : 1U << WH_V4 | 1U << WH_V6;

	for (uint32_t i = 0; i < span.n; i++)
		families |= 1U << config->prefixes[span.first + i].addr.family;
	return families;
}

static int check_families(struct wh_conf_reader *r, const struct wh_conf_node *entry, const struct wh_conf_match *line)
{
	if (families_of(r->config, line->from) & families_of(r->config, line->to))
		return 0;
	return wh_conf_refuse(&r->source, wh_conf_find(entry, "to")->at,
			      "to: no packet goes there from what \"from\" says: one is IPv4, the other IPv6");
}

static int read_line(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *entry)
{
	struct wh_config *config = r->config;
	struct wh_conf_match line = {.class = config->n_classes,
				     .file = entry->at.file,
				     .line = entry->at.line,
				     .in_any = true,
				     .proto_any = true};
	int err;

	if (entry->kind != WH_CONF_MAP || !entry->first)
		return wh_conf_wrong(r, key->name, entry, "a map of fields, as in {proto: udp, dport: 5060}", "");
	if (config->n_matches == WH_MAX_LINES)
		return wh_conf_refuse(&r->source, entry->at, "match: more than %d lines in all classes", WH_MAX_LINES);
	err = wh_conf_section(r, key->name, entry, match_keys, &line);
	if (!err)
		err = settle_ports(r, entry, &line);
	if (!err)
		err = check_families(r, entry, &line);
	if (!err)
		config->matches[config->n_matches++] = line;
	return err;
}

int wh_conf_match(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	int err = 0;

	(void)out;
	if (value->kind != WH_CONF_LIST || !value->first)
		return wh_conf_wrong(r, key->name, value, "a list of lines, as in [{proto: udp, dport: 5060}]", "");
	for (const struct wh_conf_node *entry = value->first; entry && !err; entry = entry->next)
		err = read_line(r, key, entry);
	return err;
}
