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
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(c->wans[j].device, w->device))
				return "two WANs on one device";
	}
	return NULL;
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
		for (unsigned t = 0; t < p->n_targets; t++)
			if (!p->targets[t].addr.s_addr || (p->targets[t].kind == WH_PROBE_TCP) != !!p->targets[t].port)
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
	if (!is_within(c->n_lans, 1, WH_MAX_LANS - 1) || c->firewall != WH_FIREWALL_BYPASS)
		return "lan or firewall";
	for (unsigned i = 0; i < c->n_lans; i++)
		for (unsigned w = 0; w < c->n_wans; w++)
			if (!c->lan[i][0] || !strcmp(c->lan[i], c->wans[w].device))
				return "a LAN device";
	if (!c->mark || c->mark & ~c->mark_mask)
		return "mark";
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
	int err = wh_conf_parse("f", text, len, &config, error);

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
