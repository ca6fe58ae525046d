/* SPDX-License-Identifier: GPL-2.0 */
/*
 * conf_check.h: what must hold of any bytes that are read as a configuration: taken, and then sound; or
 * refused in one line that names a place.  For fuzz_conf.c and the test of random damage.
 */
#ifndef WANHELM_TESTS_CONF_CHECK_H
#define WANHELM_TESTS_CONF_CHECK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

static bool is_within(uint64_t value, uint64_t min, uint64_t max)
{
	return value >= min && value <= max;
}

/* Ports that the kernel keeps for itself. */
#define LOCAL_FIRST 32768
#define LOCAL_LAST 60999

static const char *check_message(const char *error)
{
	unsigned line = 0, column = 0;
	const char *place = error;
	int end = 0;

	/* It begins with a file's name, which may have colons. */
	while (place && !end) {
		place = strchr(place + 1, ':');
		if (place && sscanf(place, ":%u:%u: %n", &line, &column, &end) != 2)
			end = 0;
	}
	if (!place || !place[end])
		return "the message does not name a place and a reason";
	if (!line || !column)
		return "places count from 1";
	if (strpbrk(error, "\n\r\x1b"))
		return "the message is not one plain line";
	return NULL;
}

static bool is_host6(const struct in6_addr *addr)
{
	return !IN6_IS_ADDR_UNSPECIFIED(addr) && !IN6_IS_ADDR_LOOPBACK(addr) && !IN6_IS_ADDR_MULTICAST(addr);
}

/* Addresses and what goes with them. */
static bool is_sound(const struct wh_conf_wan *w)
{
	if (w->gateway_auto[WH_V4] != !w->gateway4.s_addr || w->source_auto[WH_V4] != !w->source4.s_addr)
		return false;
	if (w->gateway_auto[WH_V6] != !is_host6(&w->gateway6) || w->source_auto[WH_V6] != !is_host6(&w->source6))
		return false;
	if (IN6_IS_ADDR_LINKLOCAL(&w->source6) || w->prefix6_auto != !is_within(w->prefix6_len, 16, 64))
		return false;
	for (unsigned bit = w->prefix6_len; bit < 128; bit++)
		if (w->prefix6.s6_addr[bit / 8] & 0x80U >> bit % 8)
			return false;
	if (w->nat6 > WH_NAT6_NONE || w->filtering > WH_FILTER_ENDPOINT_INDEPENDENT)
		return false;
	return !w->mtu || is_within(w->mtu, !w->gateway_auto[WH_V6] || !w->prefix6_auto ? 1280 : 68, 65535);
}

static bool is_failback(const struct wh_conf_failback *f)
{
	if (f->mode > WH_FAILBACK_WINDOW || f->hold_ns > 86400000000000ULL || f->max_age_ns > 30 * 86400000000000ULL)
		return false;
	if (f->n_windows > WH_MAX_WINDOWS || (f->mode == WH_FAILBACK_WINDOW && !f->n_windows))
		return false;
	for (unsigned i = 0; i < f->n_windows; i++)
		if (!is_within(f->windows[i].days, 1, 0x7f) || f->windows[i].first_minute >= 1440 ||
		    !is_within(f->windows[i].end_minute, f->windows[i].first_minute + 1U,
			       f->windows[i].first_minute + 1440U))
			return false;
	return true;
}

static const char *check_wans(const struct wh_config *c)
{
	if (!is_within(c->n_wans, 1, WH_MAX_WANS))
		return "number of WANs";
	for (unsigned i = 0; i < c->n_wans; i++) {
		const struct wh_conf_wan *w = &c->wans[i];

		if (!w->name[0] || !memchr(w->name, 0, sizeof(w->name)))
			return "name of a WAN";
		if (!w->device[0] || !memchr(w->device, 0, sizeof(w->device)))
			return "device of a WAN";
		if (!is_within(w->weight, 1, 1000) || w->profile >= c->n_profiles)
			return "weight or profile";
		if (w->port_first < 1024 || w->port_last - w->port_first < 255)
			return "ports";
		if (w->port_first <= LOCAL_LAST && w->port_last >= LOCAL_FIRST)
			return "ports of the kernel";
		if (!is_sound(w))
			return "addresses";
		if (w->up_bps > 1000000000000ULL || w->down_bps > 1000000000000ULL ||
		    w->quota.action > WH_QUOTA_BLOCK || !is_within(w->quota.reset_day, 1, 31) ||
		    !is_within(w->quota.warn_percent, 1, 100))
			return "bandwidth or quota";
		if (!is_failback(&w->failback))
			return "failback of a WAN";
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(c->wans[j].device, w->device))
				return "two WANs on one device";
	}
	return NULL;
}

/* Of one profile; each family that has targets can reach the quorum. */
static bool check_targets(const struct wh_conf_profile *p)
{
	unsigned n[WH_FAMILIES] = {0};

	for (unsigned t = 0; t < p->n_targets; t++) {
		const struct wh_conf_target *target = &p->targets[t];

		if (target->addr.family == WH_V4 ? !target->addr.v4.s_addr : !is_host6(&target->addr.v6))
			return false;
		if ((target->kind == WH_PROBE_TCP) != !!target->port)
			return false;
		n[target->addr.family]++;
	}
	return (!n[WH_V4] || p->quorum <= n[WH_V4]) && (!n[WH_V6] || p->quorum <= n[WH_V6]);
}

static const char *check_profiles(const struct wh_config *c)
{
	if (!is_within(c->n_profiles, 1, 2 * WH_MAX_PROFILES) || strcmp(c->profiles[0].name, "default") != 0)
		return "profiles";
	for (unsigned i = 0; i < c->n_profiles; i++) {
		const struct wh_conf_profile *p = &c->profiles[i];

		if (!is_within(p->n_targets, 1, WH_MAX_TARGETS) || !is_within(p->quorum, 1, p->n_targets))
			return "targets or quorum";
		if (!is_within(p->down_after, 1, 100) || !is_within(p->up_after, 1, 1000))
			return "down-after or up-after";
		for (unsigned kind = 0; kind < WH_PROBE_KINDS; kind++)
			if (!is_within(p->interval_ns[kind], 10000000ULL, 3600000000000ULL))
				return "interval";
		if (!check_targets(p))
			return "target";
	}
	return NULL;
}

/* Every WAN at most once, none that is switched off or ruled out, no empty tier. */
static const char *check_tiers(const struct wh_config *c, const struct wh_conf_class *class)
{
	unsigned seen = class->never;

	if (class->n_tiers > c->n_wans)
		return "number of tiers";
	for (unsigned t = 0; t < class->n_tiers; t++) {
		if (!is_within(class->tiers[t].n_members, 1, c->n_wans))
			return "members of a tier";
		for (unsigned m = 0; m < class->tiers[t].n_members; m++) {
			const struct wh_conf_member *member = &class->tiers[t].members[m];

			if (member->wan >= c->n_wans || seen & 1U << member->wan || !c->wans[member->wan].enabled)
				return "a member of a tier";
			if (!is_within(member->weight, 1, 1000))
				return "weight of a member";
			seen |= 1U << member->wan;
		}
	}
	return NULL;
}

static const char *check_classes(const struct wh_config *c)
{
	const char *wrong = NULL;

	if (!is_within(c->n_classes, 1, WH_MAX_CLASSES) || strcmp(c->classes[c->n_classes - 1].name, "default") != 0)
		return "number of classes, or the last of them";
	for (unsigned i = 0; i < c->n_classes && !wrong; i++) {
		const struct wh_conf_class *class = &c->classes[i];

		if (!class->name[0] || !memchr(class->name, 0, sizeof(class->name)))
			return "name of a class";
		if (class->on_none > WH_NONE_DROP || class->action > WH_CLASS_REJECT ||
		    class->algorithm > WH_ALGORITHM_LOWEST_LATENCY || class->affinity > WH_AFFINITY_SRC)
			return "a word of a class";
		if (class->mark_dscp > 63 && class->mark_dscp != WH_DSCP_KEEP)
			return "mark-dscp";
		if (class->sla.loss_ppm > 1000000 || class->rate_bps > 1000000000000ULL)
			return "sla or rate";
		if (class->own_failback && !is_failback(&class->failback))
			return "failback of a class";
		wrong = check_tiers(c, class);
	}
	return wrong;
}

static bool is_span(struct wh_conf_span span, unsigned pool)
{
	return span.first <= pool && span.n <= pool - span.first;
}

static bool is_prefix(const struct wh_conf_prefix *p)
{
	const unsigned size = p->addr.family == WH_V4 ? 32 : 128;

	for (unsigned bit = p->len; bit < size; bit++)
		if (p->addr.v6.s6_addr[bit / 8] & 0x80U >> bit % 8)
			return false;
	return p->addr.family <= WH_V6 && p->len <= size;
}

static const char *check_pools(const struct wh_config *c)
{
	if (c->n_prefixes > WH_MAX_PREFIXES || c->n_port_ranges > WH_MAX_PORT_RANGES || c->n_domains > WH_MAX_DOMAINS ||
	    c->domain_text_len > WH_DOMAIN_TEXT || !is_within(c->n_files, 1, WH_MAX_FILES))
		return "size of a pool";
	for (unsigned i = 0; i < c->n_prefixes; i++)
		if (!is_prefix(&c->prefixes[i]))
			return "a prefix";
	for (unsigned i = 0; i < c->n_port_ranges; i++)
		if (!is_within(c->port_ranges[i].first, 1, c->port_ranges[i].last))
			return "a range of ports";
	for (unsigned i = 0; i < c->n_domains; i++) {
		const char *name = c->domain_text + c->domains[i].text;

		if (c->domains[i].text >= c->domain_text_len ||
		    !memchr(name, 0, c->domain_text_len - c->domains[i].text))
			return "where a domain is";
		if (!is_within(strlen(name), 1, 253) || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] ||
		    name[strlen(name) - 1] == '.')
			return "a domain";
	}
	return NULL;
}

/* Whether a line asks for something, and what it asks for can be looked up. */
static bool is_line(const struct wh_config *c, const struct wh_conf_match *line)
{
	bool protos = false;

	if (line->class >= c->n_classes - 1 || line->file >= c->n_files || !line->line)
		return false;
	if (!is_span(line->from, c->n_prefixes) || !is_span(line->to, c->n_prefixes) ||
	    !is_span(line->sport, c->n_port_ranges) || !is_span(line->dport, c->n_port_ranges) ||
	    !is_span(line->names, c->n_domains))
		return false;
	for (unsigned proto = 0; proto < 256; proto++) {
		const bool asked = line->protos[proto / 32] & 1U << proto % 32;

		protos |= asked;
		if (asked && (line->sport.n || line->dport.n) && proto != 6 && proto != 17 && proto != 132)
			return false;
	}
	if (line->proto_any == protos || line->n_in_vlans > WH_MAX_VLANS || line->mark & ~line->mark_mask ||
	    line->mark_mask & c->mark_mask || line->in_lans >> c->n_lans)
		return false;
	if (line->in_any == (line->in_router || line->in_lans || line->n_in_vlans))
		return false;
	return !line->in_any || protos || line->from.n || line->to.n || line->dscp || line->mark_mask || line->names.n;
}

static const char *check_matches(const struct wh_config *c)
{
	if (c->n_matches > WH_MAX_LINES)
		return "number of lines";
	for (unsigned i = 0; i < c->n_matches; i++) {
		if (!is_line(c, &c->matches[i]))
			return "a line";
		if (i && c->matches[i].class < c->matches[i - 1].class)
			return "order of lines";
	}
	return NULL;
}

static const char *check_rest(const struct wh_config *c)
{
	const uint64_t unit = c->mark_mask & -c->mark_mask;

	if (!is_within(c->n_lans, 1, WH_MAX_LANS - 1) || c->firewall > WH_CONF_FIREWALL_BYPASS)
		return "lan or firewall";
	for (unsigned i = 0; i < c->n_lans; i++)
		for (unsigned w = 0; w < c->n_wans; w++)
			if (!c->lan[i][0] || !strcmp(c->lan[i], c->wans[w].device))
				return "a LAN device";
	for (uint64_t value = 0; value < WH_MARK_VALUES; value++)
		if (!c->mark || (c->mark + value * unit) & ~(uint64_t)c->mark_mask)
			return "mark";
	if (!is_within(c->flows_per_client, 1, 16777216))
		return "flows-per-client";
	if (!is_within(c->max_flows, 1024, 16777216) || !is_failback(&c->failback))
		return "limits or failback";
	return NULL;
}

/* What is wrong with the answer to these bytes, or NULL. */
static const char *conf_check(const char *text, size_t len, unsigned *accepted, unsigned *refused)
{
	static const char *(*const checks[])(const struct wh_config *c) = {check_wans,	check_profiles, check_classes,
									   check_pools, check_matches,	check_rest};
	static struct wh_config config;
	char error[WH_CONF_ERROR_LEN] = "";
	const char *wrong = NULL;
	int err = wh_conf_parse("f", text, len, (struct wh_conf_ports){LOCAL_FIRST, LOCAL_LAST}, &config, error);

	if (err) {
		(*refused)++;
		return err == -EINVAL ? check_message(error) : "an error that is no refusal";
	}
	(*accepted)++;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !wrong; i++)
		wrong = checks[i](&config);
	return wrong;
}

#endif
