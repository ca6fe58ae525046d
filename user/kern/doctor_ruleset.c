/* SPDX-License-Identifier: GPL-2.0 */
/* doctor_ruleset.c: see doctor_private.h.  Rules of the kernel's firewall that do not go together with us. */
#include "kern/doctor_private.h"

#include <string.h>

#include "kern/firewall.h"

/* --- flowtables ------------------------------------------------------------------------------------------- */

static bool is_name(const void *name, const char *text)
{
	return strcmp(name, text) == 0;
}

void wh_doctor_flowtables(struct wh_doctor *d)
{
	const json_t *item;
	size_t at;

	json_array_foreach(d->facts->ruleset, at, item) {
		const json_t *table = json_object_get(item, "flowtable");

		for (unsigned i = 0; table && i < d->facts->n_devices; i++) {
			const char *device = d->facts->devices[i].name;

			if (wh_nft_any(json_object_get(table, "dev"), is_name, device))
				wh_doctor_found(
					d, WH_PROBLEM,
					json_sprintf("the flowtable %s takes flows on %s past every hook of ours",
						     json_string_value(json_object_get(table, "name")), device),
					json_sprintf("take %s out of it: steered flows need none", device));
		}
	}
}

/* --- priorities ------------------------------------------------------------------------------------------- */

void wh_doctor_nat_priority(struct wh_doctor *d)
{
	const json_t *chain;
	size_t i;

	if (d->facts->config->firewall == WH_CONF_FIREWALL_BYPASS)
		return;
	json_array_foreach(d->nft, i, chain) {
		const char *hook = json_string_value(json_object_get(chain, "hook"));
		json_int_t priority = json_integer_value(json_object_get(chain, "prio"));

		if (wh_nft_path_of(chain) != WH_PATH_NAT || !hook || strcmp(hook, "postrouting") != 0 ||
		    priority > WH_FIREWALL_NAT_PRIORITY)
			continue;
		wh_doctor_found(
			d, WH_PROBLEM,
			json_sprintf("the nat chain %s has priority %lld and so comes before ours: what it "
				     "translates is not steered",
				     wh_nft_name(chain), (long long)priority),
			json_sprintf("give it a priority above %d; srcnat (100) is usual", WH_FIREWALL_NAT_PRIORITY));
	}
}

/* --- rules that wait for a device ------------------------------------------------------------------------- */

static bool covers(const void *name, const char *pattern)
{
	return wh_nft_covers(pattern, name);
}

static bool is_family(const json_t *chain, enum wh_family family)
{
	const char *name = json_string_value(json_object_get(chain, "family"));

	return name && (strcmp(name, "inet") == 0 || strcmp(name, family == WH_V4 ? "ip" : "ip6") == 0);
}

/* Whether the kernel would ever send a forwarded packet of the chain's families out by one of these names. */
static bool may_see(const struct wh_doctor *d, const json_t *chain, const json_t *names)
{
	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		const char *own = d->facts->default_device[family];

		if (is_family(chain, family) && *own && wh_nft_any(names, covers, own))
			return true;
	}
	return false;
}

static bool is_output_device(const json_t *expression)
{
	return wh_nft_is(expression, "meta", "oifname") || wh_nft_is(expression, "meta", "oif");
}

/* Whether a statement asks for `wan` as output device, and for none that the kernel would choose. */
static bool waits_for(const struct wh_doctor *d, const json_t *chain, const json_t *statement, const char *wan)
{
	const json_t *match = json_object_get(statement, "match");
	const json_t *map = json_object_get(statement, "vmap");
	const char *op = json_string_value(json_object_get(match, "op"));
	const json_t *names = json_object_get(match, "right");
	const json_t *element;
	size_t i;

	if (op && strcmp(op, "!=") != 0 && is_output_device(json_object_get(match, "left")))
		return wh_nft_any(names, covers, wan) && !may_see(d, chain, names);
	if (!is_output_device(json_object_get(map, "key")))
		return false;
	json_array_foreach(json_object_get(json_object_get(map, "data"), "set"), i, element) {
		names = json_array_get(element, 0);
		if (wh_nft_any(names, covers, wan) && !may_see(d, chain, names))
			return true;
	}
	return false;
}

static unsigned count_waiting(const struct wh_doctor *d, const json_t *chain, const char *wan)
{
	const json_t *rule, *statement;
	unsigned n = 0;
	size_t i, j;

	json_array_foreach(json_object_get(chain, "rules"), i, rule) {
		json_array_foreach(rule, j, statement)
			n += waits_for(d, chain, statement, wan);
	}
	return n;
}

static bool is_default_device(const struct wh_facts *facts, const char *name)
{
	return strcmp(name, facts->default_device[WH_V4]) == 0 || strcmp(name, facts->default_device[WH_V6]) == 0;
}

/* nat chains may well name every WAN: what the kernel never sends there needs no masquerade of theirs. */
void wh_doctor_device_rules(struct wh_doctor *d)
{
	const struct wh_facts *facts = d->facts;
	const json_t *chain;
	size_t at;

	for (unsigned i = 0; i < facts->n_devices; i++) {
		const char *name = facts->devices[i].name;

		if (!facts->devices[i].wan || is_default_device(facts, name))
			continue;
		json_array_foreach(d->nft, at, chain) {
			bool asked = wh_nft_path_of(chain) & (WH_PATH_FORWARD | WH_PATH_POSTROUTING);
			unsigned n = asked ? count_waiting(d, chain, name) : 0;

			if (n)
				wh_doctor_found(
					d, WH_WARNING,
					json_sprintf("rules in %s (%u) wait for the output device %s: but the kernel "
						     "sees steered flows leave by its own default route, "
						     "whichever WAN they take",
						     wh_nft_name(chain), n, name),
					json_sprintf("write never: [WAN] in the class to keep traffic off it, or "
						     "match the chosen WAN in the mark"));
		}
	}
}

/* --- what connection tracking calls invalid --------------------------------------------------------------- */

static bool drops_invalid(const json_t *rule)
{
	const json_t *statement, *element;
	size_t i, j;

	json_array_foreach(rule, i, statement) {
		const json_t *match = json_object_get(statement, "match");
		const json_t *map = json_object_get(statement, "vmap");

		if (wh_nft_is(json_object_get(match, "left"), "ct", "state") &&
		    wh_nft_any(json_object_get(match, "right"), is_name, "invalid") &&
		    (wh_nft_has(rule, "drop") || wh_nft_has(rule, "reject")))
			return true;
		if (!wh_nft_is(json_object_get(map, "key"), "ct", "state"))
			continue;
		json_array_foreach(json_object_get(json_object_get(map, "data"), "set"), j, element) {
			if (wh_nft_any(json_array_get(element, 0), is_name, "invalid") &&
			    json_object_get(json_array_get(element, 1), "drop"))
				return true;
		}
	}
	return false;
}

static bool has_policy_drop(const json_t *chain)
{
	const char *policy = json_string_value(json_object_get(chain, "policy"));

	return policy && strcmp(policy, "drop") == 0;
}

void wh_doctor_recheck(struct wh_doctor *d)
{
	const struct wh_config *config = d->facts->config;
	const json_t *chain, *rule;
	size_t i, j;

	if (config->firewall != WH_CONF_FIREWALL_KERNEL || !config->firewall_recheck || d->facts->tcp_loose != 0)
		return;
	json_array_foreach(d->nft, i, chain) {
		bool dropped = has_policy_drop(chain);

		if (!(wh_nft_path_of(chain) & (WH_PATH_FORWARD | WH_PATH_PREROUTING)))
			continue;
		json_array_foreach(json_object_get(chain, "rules"), j, rule)
			dropped |= drops_invalid(rule);
		if (!dropped)
			continue;
		wh_doctor_found(
			d, WH_PROBLEM,
			json_sprintf("after a change of the ruleset %s drops TCP connections that were accepted: "
				     "conntrack calls them invalid, as nf_conntrack_tcp_loose is off",
				     wh_nft_name(chain)),
			json_sprintf("sysctl -w net.netfilter.nf_conntrack_tcp_loose=1, or firewall-recheck: off"));
	}
}

/* --- rp_filter, written as a rule ------------------------------------------------------------------------- */

static bool is_reverse_path(const json_t *statement)
{
	const json_t *match = json_object_get(statement, "match");
	const json_t *fib = json_object_get(json_object_get(match, "left"), "fib");
	const json_t *flags = json_object_get(fib, "flags");

	return json_is_false(json_object_get(match, "right")) && wh_nft_any(flags, is_name, "saddr") &&
	       wh_nft_any(flags, is_name, "iif");
}

static bool drops_reverse_path(const json_t *rule)
{
	const json_t *statement;
	size_t i;

	if (wh_nft_has_xt(rule, "rpfilter"))
		return true;
	json_array_foreach(rule, i, statement) {
		if (is_reverse_path(statement))
			return wh_nft_has(rule, "drop");
	}
	return false;
}

void wh_doctor_reverse_path(struct wh_doctor *d)
{
	const json_t *chain, *rule;
	unsigned wans = 0;
	size_t i, j;

	for (unsigned k = 0; k < d->facts->n_devices; k++)
		wans += d->facts->devices[k].wan;
	json_array_foreach(wans > 1 ? d->nft : NULL, i, chain) {
		json_array_foreach(wh_nft_path_of(chain) & WH_PATH_PREROUTING ? json_object_get(chain, "rules") : NULL,
				   j, rule) {
			if (!drops_reverse_path(rule))
				continue;
			wh_doctor_found(
				d, WH_WARNING,
				json_sprintf("a rule in %s drops what the kernel would not answer by the device it "
					     "came in by: so sessions from outside cannot come in by any but "
					     "the kernel's default WAN",
					     wh_nft_name(chain)),
				json_sprintf("make it loose: fib saddr oif missing, without iif (firewalld: "
					     "IPv6_rpfilter=loose)"));
		}
	}
}
