/* SPDX-License-Identifier: GPL-2.0 */
/*
 * doctor.c: see doctor.h.  The list of what is looked at, and what has to do with devices, routes and programs.
 */
#include "kern/doctor_private.h"

#include <string.h>

void wh_doctor_found(struct wh_doctor *d, enum wh_severity severity, json_t *what, json_t *todo)
{
	static const char *const words[] = {
		[WH_SEVERITY_PROBLEM] = "problem", [WH_SEVERITY_WARNING] = "warning", [WH_SEVERITY_OK] = "ok"};
	json_t *finding =
		json_pack("{s:s,s:s,s:o*,s:o*}", "id", d->id, "severity", words[severity], "what", what, "do", todo);

	d->found++;
	json_array_append_new(d->findings, finding);
}

const struct wh_fact_device *wh_facts_device(const struct wh_facts *facts, const char *name)
{
	for (unsigned i = 0; i < facts->n_devices; i++) {
		if (strcmp(facts->devices[i].name, name) == 0)
			return &facts->devices[i];
	}
	return NULL;
}

static bool has_addr(const struct wh_facts *facts, enum wh_family family)
{
	for (unsigned i = 0; i < facts->n_devices; i++) {
		if (facts->devices[i].wan && facts->devices[i].has_addr[family])
			return true;
	}
	return false;
}

static bool is_configured(const struct wh_config *config, enum wh_family family)
{
	for (unsigned i = 0; i < config->n_wans; i++) {
		if (!config->wans[i].gateway_auto[family] || !config->wans[i].source_auto[family])
			return true;
	}
	return false;
}

bool wh_facts_use(const struct wh_facts *facts, enum wh_family family)
{
	if (*facts->default_device[family] || has_addr(facts, family) || is_configured(facts->config, family))
		return true;
	/* where nothing is set up yet there is IPv4 to begin with */
	return family == WH_V4 && !wh_facts_use(facts, WH_V6);
}

/* --- devices ---------------------------------------------------------------------------------------------- */

static void look_at_forwarding(struct wh_doctor *d)
{
	static const char *const how[] = {"sysctl -w net.ipv4.ip_forward=1",
					  "sysctl -w net.ipv6.conf.all.forwarding=1"};

	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		char names[WH_FACT_NAMES] = "";

		if (!wh_facts_use(d->facts, family))
			continue;
		for (unsigned i = 0; i < d->facts->n_devices; i++) {
			const struct wh_fact_device *device = &d->facts->devices[i];
			size_t len = strlen(names);

			if (device->forwarding[family] == 0)
				snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", device->name);
		}
		if (*names)
			wh_doctor_found(d, WH_PROBLEM,
					json_sprintf("the kernel does not forward the IPv%d packets that come in by %s",
						     family == WH_V4 ? 4 : 6, names),
					json_sprintf("%s, and the same in /etc/sysctl.d", how[family]));
	}
}

static void look_at_default_route(struct wh_doctor *d)
{
	const struct wh_facts *facts = d->facts;

	if (facts->config->firewall == WH_CONF_FIREWALL_BYPASS)
		return;
	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		const char *name = facts->default_device[family];
		const struct wh_fact_device *device = wh_facts_device(facts, name);
		int version = family == WH_V4 ? 4 : 6;

		if (!wh_facts_use(facts, family) || (device && device->wan))
			continue;
		if (*name)
			wh_doctor_found(
				d, WH_PROBLEM,
				json_sprintf("the kernel's IPv%d default route leads to %s, which is no WAN: new "
					     "flows go that way and are not steered",
					     version, name),
				json_sprintf("give a default route through a WAN a lower metric"));
		else
			wh_doctor_found(d, WH_PROBLEM,
					json_sprintf("the kernel has no IPv%d default route: it answers new flows that "
						     "the network is unreachable before its firewall has seen them",
						     version),
					json_sprintf("let it have one, through any WAN: ip -%d route add default via "
						     "GATEWAY dev DEVICE",
						     version));
	}
}

static void look_at_rp_filter(struct wh_doctor *d)
{
	const char *own = d->facts->default_device[WH_V4];

	for (unsigned i = 0; i < d->facts->n_devices; i++) {
		const struct wh_fact_device *device = &d->facts->devices[i];

		if (!device->wan || device->rp_filter != 1 || strcmp(device->name, own) == 0)
			continue;
		wh_doctor_found(d, WH_PROBLEM,
				json_sprintf("rp_filter is strict on %s: sessions from outside that arrive there are "
					     "dropped, because the kernel's own default route leads elsewhere",
					     device->name),
				json_sprintf("sysctl -w net.ipv4.conf.%s.rp_filter=2, and the same in /etc/sysctl.d",
					     device->name));
	}
	wh_doctor_reverse_path(d);
}

static void look_at_bridges(struct wh_doctor *d)
{
	for (unsigned i = 0; i < d->facts->n_devices; i++) {
		const struct wh_fact_device *device = &d->facts->devices[i];

		if (device->wan || !*device->bridge)
			continue;
		wh_doctor_found(d, WH_PROBLEM,
				json_sprintf("%s is a port of the bridge %s, whose packets it only hands on",
					     device->name, device->bridge),
				json_sprintf("name %s under lan in its place", device->bridge));
	}
}

static void look_at_lro(struct wh_doctor *d)
{
	for (unsigned i = 0; i < d->facts->n_devices; i++) {
		const struct wh_fact_device *device = &d->facts->devices[i];

		if (device->lro)
			wh_doctor_found(d, WH_PROBLEM,
					json_sprintf("%s merges packets in hardware (LRO) in a way that cannot be "
						     "undone when they are sent on",
						     device->name),
					json_sprintf("ethtool -K %s lro off", device->name));
	}
}

/* --- others ----------------------------------------------------------------------------------------------- */

static void look_at_others(struct wh_doctor *d)
{
	const struct wh_facts *facts = d->facts;

	if (*facts->programs)
		wh_doctor_found(
			d, WH_WARNING,
			json_sprintf("other software that may choose WANs is running: %s", facts->programs),
			json_sprintf("let only one choose: stop it, or see that it leaves routes through WANs alone"));
	for (unsigned i = 0; i < facts->n_rules; i++) {
		const struct wh_fact_rule *rule = &facts->rules[i];

		if (!rule->inverted)
			wh_doctor_found(
				d, WH_WARNING,
				json_sprintf("routing rule %u (IPv%d, fwmark 0x%x/0x%x, table %u) chooses routes by "
					     "mark, as mwan3, pbr and the like do",
					     rule->priority, rule->family == WH_V4 ? 4 : 6, rule->mark, rule->mask,
					     rule->table),
				json_sprintf("remove it if it was meant to choose among the WANs"));
	}
}

static void look_at_legacy(struct wh_doctor *d)
{
	if (*d->facts->legacy_tables)
		wh_doctor_found(
			d, WH_WARNING,
			json_sprintf("iptables-legacy is in use (%s): its rules hold, but cannot be read here, and "
				     "nothing tells when they change",
				     d->facts->legacy_tables),
			json_sprintf("move to nftables or iptables-nft; until then run wanhelm reload after "
				     "each change"));
}

/* What is said where nothing is found, and whether the ruleset must be known for it. */
static const struct {
	const char *id;
	void (*look)(struct wh_doctor *d);
	bool ruleset;
	const char *fine;
} looks[] = {
	{"forwarding", look_at_forwarding, false, "the kernel forwards packets"},
	{"default-route", look_at_default_route, false, "the kernel has the default routes it needs"},
	{"rp-filter", look_at_rp_filter, false, "sessions from outside may come in by any WAN"},
	{"bridge-port", look_at_bridges, false, "no LAN device is a bridge's port"},
	{"lro", look_at_lro, false, "no device merges packets for good"},
	{"other-software", look_at_others, false, "nothing else seems to choose WANs"},
	{"iptables-legacy", look_at_legacy, false, "iptables-legacy is not in use"},
	{"flowtable", wh_doctor_flowtables, true, "no flowtable takes packets past us"},
	{"nat-priority", wh_doctor_nat_priority, true, "no nat chain comes before ours"},
	{"marks", wh_doctor_marks, true, "nobody else uses our bits of the mark"},
	{"device-rules", wh_doctor_device_rules, true, "no rule waits for a WAN that the kernel never sees"},
	{"recheck", wh_doctor_recheck, true, "a changed ruleset can see established flows again"},
	{"untracked", wh_doctor_untracked, true, "no chain drops new flows for not being tracked"},
};

json_t *wh_doctor_judge(const struct wh_facts *facts)
{
	struct wh_doctor d = {.facts = facts, .findings = json_array()};

	d.nft = facts->ruleset ? wh_nft_prepare(facts->ruleset) : NULL;
	if (!d.nft) {
		d.id = "ruleset";
		wh_doctor_found(&d, WH_WARNING,
				json_sprintf("the nftables ruleset cannot be read: %s", facts->ruleset_error),
				json_sprintf("run this as root, in the router's network namespace"));
	}
	for (unsigned i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		d.id = looks[i].id;
		d.found = 0;
		if (looks[i].ruleset && !d.nft)
			continue;
		looks[i].look(&d);
		if (!d.found)
			wh_doctor_found(&d, WH_SEVERITY_OK, json_string(looks[i].fine), json_null());
	}
	json_decref(d.nft);
	return d.findings;
}
