/* SPDX-License-Identifier: GPL-2.0 */
/* wan.c: the devices: `lan` and `wans`.  Called by conf.c's table.  What a WAN costs is read in budget.c. */
#include "conf/sections.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>

#define PORT_FIRST 20000
#define PORT_LAST 31999
#define PORT_LOWEST 1024
#define PORT_HIGHEST 65535
#define PORTS_LEAST 256
#define LOCAL_RANGE "%u-%u, which the kernel gives to its own sockets (net.ipv4.ip_local_port_range)"

#define MTU4_LEAST 68	/* RFC 791 */
#define MTU6_LEAST 1280 /* RFC 8200 §5 */

static bool is_lan(const struct wh_config *config, const char *device)
{
	for (unsigned i = 0; i < config->n_lans; i++)
		if (!strcmp(config->lan[i], device))
			return true;
	return false;
}

struct lan_entry {
	char device[IFNAMSIZ];
	enum wh_accel accel;
};

static int read_lan(struct wh_conf_reader *r, const struct wh_conf_key *list, const struct wh_conf_node *entry)
{
	static const struct wh_conf_key keys[] = {
		{.name = "device", .read = wh_conf_device, .offset = offsetof(struct lan_entry, device)},
		{.name = "accel", .read = wh_conf_accel, .offset = offsetof(struct lan_entry, accel)},
		{.name = NULL},
	};
	struct lan_entry lan = {.accel = r->config->accel};
	int err = entry->kind == WH_CONF_MAP ? wh_conf_section(r, list->name, entry, keys, &lan)
					     : wh_conf_device(r, list, entry, lan.device);

	if (err)
		return err;
	if (!lan.device[0])
		return wh_conf_refuse(&r->source, entry->at, "lan: the entry names no device");
	if (is_lan(r->config, lan.device))
		return wh_conf_refuse(&r->source, entry->at, "lan: \"%s\" is in the list already",
				      WH_CONF_SHOW(lan.device));
	if (r->config->n_lans == WH_MAX_LANS - 1)
		return wh_conf_refuse(&r->source, entry->at, "lan: more than %d devices", WH_MAX_LANS - 1);
	r->config->lan_accel[r->config->n_lans] = lan.accel;
	snprintf(r->config->lan[r->config->n_lans++], IFNAMSIZ, "%s", lan.device);
	return 0;
}

int wh_conf_lans(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	int err = 0;

	(void)out;
	if (value->kind != WH_CONF_LIST || !value->first)
		return wh_conf_wrong(r, key->name, value, "a list of at least one device",
				     wh_conf_is_word(value) ? " (as in \"lan: [lan0]\")" : "");
	for (const struct wh_conf_node *entry = value->first; entry && !err; entry = entry->next)
		err = read_lan(r, key, entry);
	return err;
}

static int read_wan_device(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			   void *out)
{
	int err = wh_conf_device(r, key, value, out);

	if (err)
		return err;
	if (is_lan(r->config, value->text))
		return wh_conf_refuse(&r->source, value->at, "device: \"%s\" is a LAN device",
				      WH_CONF_SHOW(value->text));
	for (unsigned i = 0; i < r->config->n_wans; i++)
		if (!strcmp(r->config->wans[i].device, value->text))
			return wh_conf_refuse(&r->source, value->at, "device: \"%s\" belongs to the WAN \"%s\" already",
					      WH_CONF_SHOW(value->text), r->config->wans[i].name);
	return 0;
}

static bool parse_ports(const char *text, uint64_t *first, uint64_t *last)
{
	const char *dash = strchr(text, '-');
	char start[8];

	if (!dash || (size_t)(dash - text) >= sizeof(start))
		return false;
	memcpy(start, text, (size_t)(dash - text));
	start[dash - text] = '\0';
	return !wh_parse_number(start, PORT_LOWEST, PORT_HIGHEST, first) &&
	       !wh_parse_number(dash + 1, PORT_LOWEST, PORT_HIGHEST, last) && *last + 1 >= *first + PORTS_LEAST;
}

static bool overlap(struct wh_conf_ports local, uint64_t first, uint64_t last)
{
	return first <= local.last && last >= local.first;
}

static int read_ports(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		      void *out)
{
	struct wh_conf_wan *wan = out;
	uint64_t first, last;
	char expected[96];

	if (!wh_conf_is_word(value) || !parse_ports(value->text, &first, &last)) {
		snprintf(expected, sizeof(expected), "FIRST-LAST within %d-%d, at least %d ports", PORT_LOWEST,
			 PORT_HIGHEST, PORTS_LEAST);
		return wh_conf_wrong(r, key->name, value, expected, "");
	}
	if (overlap(r->local, first, last))
		return wh_conf_refuse(&r->source, value->at, "ports: %u-%u overlaps " LOCAL_RANGE, (unsigned)first,
				      (unsigned)last, r->local.first, r->local.last);
	wan->port_first = (uint16_t)first;
	wan->port_last = (uint16_t)last;
	return 0;
}

static int read_profile_name(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			     void *out)
{
	const char *names[WH_MAX_PROFILES + 1] = {NULL};

	if (!wh_conf_is_word(value))
		return wh_conf_wrong(r, key->name, value, "the name of a probe profile", "");
	for (unsigned i = 0; i < r->n_profiles; i++) {
		names[i] = r->config->profiles[i].name;
		if (!strcmp(names[i], value->text)) {
			*(unsigned *)out = i;
			return 0;
		}
	}
	return wh_conf_refuse(&r->source, value->at, "probe: there is no probe profile \"%s\"%s",
			      WH_CONF_SHOW(value->text), WH_CONF_HINT(value->text, names));
}

static const struct wh_conf_choice nat_choices[] = {
	{"masquerade", WH_NAT_MASQUERADE},
	{"none", WH_NAT_NONE},
	{NULL, 0},
};

static const struct wh_conf_choice nat6_choices[] = {
	{"auto", WH_NAT6_AUTO},
	{"npt", WH_NAT6_NPT},
	{"masquerade", WH_NAT6_MASQUERADE},
	{"none", WH_NAT6_NONE},
	{NULL, 0},
};

static const struct wh_conf_choice filtering_choices[] = {
	{"address-and-port", WH_FILTER_ADDRESS_AND_PORT},
	{"endpoint-independent", WH_FILTER_ENDPOINT_INDEPENDENT},
	{NULL, 0},
};

#define AT(field) .offset = offsetof(struct wh_conf_wan, field)
static const struct wh_conf_key wan_keys[] = {
	{.name = "device", .read = read_wan_device, AT(device)},
	{.name = "enabled", .read = wh_conf_bool, AT(enabled)},
	{.name = "gateway", .read = wh_conf_gateway, .choices = wh_conf_auto_choices},
	{.name = "source", .read = wh_conf_source, .choices = wh_conf_auto_choices},
	{.name = "nat", .read = wh_conf_choose, AT(nat), .choices = nat_choices},
	{.name = "nat6", .read = wh_conf_choose, AT(nat6), .choices = nat6_choices},
	{.name = "prefix6", .read = wh_conf_prefix6, .choices = wh_conf_auto_choices},
	{.name = "weight", .read = wh_conf_number, AT(weight), .min = 1, .max = 1000},
	{.name = "mtu", .read = wh_conf_number, AT(mtu), .min = MTU4_LEAST, .max = 65535},
	{.name = "ports", .read = read_ports},
	{.name = "filtering", .read = wh_conf_choose, AT(filtering), .choices = filtering_choices},
	{.name = "probe", .read = read_profile_name, AT(profile)},
	{.name = "accel", .read = wh_conf_accel, AT(accel)},
	{.name = "metered", .read = wh_conf_bool, AT(metered)},
	{.name = "bandwidth", .read = wh_conf_bandwidth},
	{.name = "quota", .read = wh_conf_quota, AT(quota)},
	{.name = "failback", .read = wh_conf_failback, AT(failback)},
	WH_CONF_LATER("dns"),
	{.name = NULL},
};
#undef AT

/* Written ports have been looked at; the default ones matter where they are used. */
static int check_default_ports(struct wh_conf_reader *r, const struct wh_conf_node *entry,
			       const struct wh_conf_wan *wan)
{
	bool used = wan->nat == WH_NAT_MASQUERADE || wan->nat6 == WH_NAT6_AUTO || wan->nat6 == WH_NAT6_MASQUERADE;

	if (!used || !overlap(r->local, wan->port_first, wan->port_last))
		return 0;
	return wh_conf_refuse(&r->source, entry->key->at, "%s: the default ports, %u-%u, overlap " LOCAL_RANGE,
			      wan->name, wan->port_first, wan->port_last, r->local.first, r->local.last);
}

/* The key that says that this WAN is to carry IPv6, or NULL where only what is found there does. */
static const char *asks_for_ipv6(const struct wh_conf_wan *wan)
{
	if (!wan->gateway_auto[WH_V6])
		return "gateway";
	if (!wan->source_auto[WH_V6])
		return "source";
	if (!wan->prefix6_auto)
		return "prefix6";
	return wan->nat6 == WH_NAT6_NPT || wan->nat6 == WH_NAT6_MASQUERADE ? "nat6" : NULL;
}

/* A source that is the gateway: one of them was copied too far. */
static bool is_gateway(const struct wh_conf_wan *wan)
{
	return (!wan->source_auto[WH_V4] && wan->source4.s_addr == wan->gateway4.s_addr) ||
	       (!wan->source_auto[WH_V6] && IN6_ARE_ADDR_EQUAL(&wan->source6, &wan->gateway6));
}

/* What one key may be because of another. */
static int check_wan(struct wh_conf_reader *r, const struct wh_conf_node *entry, const struct wh_conf_wan *wan)
{
	const char *ipv6 = asks_for_ipv6(wan);

	if (!wan->device[0])
		return wh_conf_refuse(&r->source, entry->key->at, "the WAN \"%s\" has no device", wan->name);
	if (is_gateway(wan))
		return wh_conf_refuse(&r->source, wh_conf_find(entry, "source")->at,
				      "source: is the gateway's address");
	if (wan->mtu && wan->mtu < MTU6_LEAST && ipv6)
		return wh_conf_refuse(&r->source, wh_conf_find(entry, "mtu")->at,
				      "mtu: IPv6, which \"%s\" asks for, needs at least %d", ipv6, MTU6_LEAST);
	return check_default_ports(r, entry, wan);
}

static int read_wan(struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	struct wh_conf_wan wan = {
		.enabled = true,
		.gateway_auto = {true, true},
		.source_auto = {true, true},
		.prefix6_auto = true,
		.weight = 1,
		.port_first = PORT_FIRST,
		.port_last = PORT_LAST,
		.accel = r->config->accel,
		.quota = {.reset_day = 1, .warn_percent = 80},
		.failback = r->config->failback,
	};
	int err;

	if (r->config->n_wans == WH_MAX_WANS)
		return wh_conf_refuse(&r->source, entry->key->at, "wans: more than %d WANs", WH_MAX_WANS);
	snprintf(wan.name, sizeof(wan.name), "%s", entry->key->text);
	err = wh_conf_section(r, wan.name, entry, wan_keys, &wan);
	if (!err)
		err = check_wan(r, entry, &wan);
	if (!err && wan.metered)
		wan.profile = wh_conf_sparing_profile(r, wan.profile);
	if (!err)
		r->config->wans[r->config->n_wans++] = wan;
	return err;
}

int wh_conf_wans(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	int err;

	(void)out;
	r->n_profiles = r->config->n_profiles;
	err = wh_conf_named(r, key->name, value, read_wan);
	if (!err && !r->config->n_wans)
		return wh_conf_refuse(&r->source, value->at, "wans: must name at least one WAN");
	return err;
}
