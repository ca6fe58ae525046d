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
	unsigned line, column;
	int end = 0;

	if (sscanf(error, "f:%u:%u: %n", &line, &column, &end) != 2 || !end || !error[end])
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
	if (!is_within(c->n_profiles, 1, WH_MAX_PROFILES) || strcmp(c->profiles[0].name, "default") != 0)
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

/* Every WAN at most once, none that is switched off, no empty tier. */
static const char *check_tiers(const struct wh_config *c)
{
	const struct wh_conf_class *class = &c->classes[0];
	unsigned seen = 0;

	if (c->n_classes != 1 || strcmp(class->name, "default") != 0 || class->n_tiers > c->n_wans)
		return "classes";
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
	if (!is_within(c->flows_per_client, 1, 16777216) || c->classes[0].on_none > WH_NONE_DROP)
		return "flows-per-client or on-none";
	if (!is_within(c->max_flows, 1024, 16777216) || c->failback_hold_ns > 86400000000000ULL)
		return "limits or failback";
	return NULL;
}

/* What is wrong with the answer to these bytes, or NULL. */
static const char *conf_check(const char *text, size_t len, unsigned *accepted, unsigned *refused)
{
	static struct wh_config config;
	char error[WH_CONF_ERROR_LEN] = "";
	const char *wrong;
	int err = wh_conf_parse("f", text, len, (struct wh_conf_ports){LOCAL_FIRST, LOCAL_LAST}, &config, error);

	if (err) {
		(*refused)++;
		return err == -EINVAL ? check_message(error) : "an error that is no refusal";
	}
	(*accepted)++;
	wrong = check_wans(&config);
	if (!wrong)
		wrong = check_profiles(&config);
	if (!wrong)
		wrong = check_tiers(&config);
	return wrong ? wrong : check_rest(&config);
}

#endif
