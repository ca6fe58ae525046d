/* SPDX-License-Identifier: GPL-2.0 */
/* wan.c: the devices: `lan` and `wans`.  Called by conf.c's table. */
#include "conf/sections.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>

#define PORT_FIRST 20000
#define PORT_LAST 31999
#define PORT_LOWEST 1024
#define PORT_HIGHEST 65535
#define PORTS_LEAST 256

static bool is_lan(const struct wh_config *config, const char *device)
{
	for (unsigned i = 0; i < config->n_lans; i++)
		if (!strcmp(config->lan[i], device))
			return true;
	return false;
}

static int read_lan(struct wh_conf_reader *r, const struct wh_conf_key *list, const struct wh_conf_node *entry)
{
	static const struct wh_conf_key keys[] = {
		{.name = "device", .read = wh_conf_device},
		{.name = "accel", .read = wh_conf_accel},
		{.name = NULL},
	};
	char device[IFNAMSIZ] = "";
	int err = entry->kind == WH_CONF_MAP ? wh_conf_section(r, list->name, entry, keys, device)
					     : wh_conf_device(r, list, entry, device);

	if (err)
		return err;
	if (!device[0])
		return wh_conf_refuse(&r->source, entry->at, "lan: the entry names no device");
	if (is_lan(r->config, device))
		return wh_conf_refuse(&r->source, entry->at, "lan: \"%s\" is in the list already",
				      WH_CONF_SHOW(device));
	if (r->config->n_lans == WH_MAX_LANS - 1)
		return wh_conf_refuse(&r->source, entry->at, "lan: more than %d devices", WH_MAX_LANS - 1);
	snprintf(r->config->lan[r->config->n_lans++], IFNAMSIZ, "%s", device);
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

/* One address a family, so there is nothing more to take behind the first. */
static int read_gateway_list(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *list,
			     struct in_addr *out)
{
	const struct wh_conf_node *second = list->first->next;
	int err = wh_conf_addr4(r, key, list->first, out);

	if (err || !second)
		return err;
	err = wh_conf_addr4(r, key, second, &(struct in_addr){0});
	return err ? err : wh_conf_refuse(&r->source, second->at, "gateway: a second IPv4 address");
}

static int read_gateway(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			void *out)
{
	static const char expected[] = "auto, an address, or a list of one address a family";
	static const char *const words[] = {"auto", NULL};
	struct wh_conf_wan *wan = out;
	struct in_addr gateway;
	int err;

	if (wh_conf_is_word(value) && !strcmp(value->text, words[0]))
		return 0;
	if (wh_conf_is_word(value))
		err = wh_conf_host4(r, key->name, value, value->text, expected, WH_CONF_HINT(value->text, words),
				    &gateway);
	else if (value->kind == WH_CONF_LIST && value->first)
		err = read_gateway_list(r, key, value, &gateway);
	else
		err = wh_conf_wrong(r, key->name, value, expected, "");
	if (err)
		return err;
	wan->gateway_auto = false;
	wan->gateway = gateway;
	return 0;
}

static int read_source(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		       void *out)
{
	struct wh_conf_wan *wan = out;
	int err = wh_conf_addr4(r, key, value, &wan->source);

	if (!err)
		wan->source_auto = false;
	return err;
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

static int read_ports(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		      void *out)
{
	struct wh_conf_wan *wan = out;
	uint64_t first, last;
	char expected[96];

	if (wh_conf_is_word(value) && parse_ports(value->text, &first, &last)) {
		wan->port_first = (uint16_t)first;
		wan->port_last = (uint16_t)last;
		return 0;
	}
	snprintf(expected, sizeof(expected), "FIRST-LAST within %d-%d, at least %d ports", PORT_LOWEST, PORT_HIGHEST,
		 PORTS_LEAST);
	return wh_conf_wrong(r, key->name, value, expected, "");
}

static int read_profile_name(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			     void *out)
{
	const char *names[WH_MAX_PROFILES + 1] = {NULL};

	if (!wh_conf_is_word(value))
		return wh_conf_wrong(r, key->name, value, "the name of a probe profile", "");
	for (unsigned i = 0; i < r->config->n_profiles; i++) {
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

static const struct wh_conf_key wan_keys[] = {
	{.name = "device", .read = read_wan_device, .offset = offsetof(struct wh_conf_wan, device)},
	{.name = "enabled", .read = wh_conf_bool, .offset = offsetof(struct wh_conf_wan, enabled)},
	{.name = "gateway", .read = read_gateway},
	{.name = "source", .read = read_source},
	{.name = "nat", .read = wh_conf_choose, .offset = offsetof(struct wh_conf_wan, nat), .choices = nat_choices},
	{.name = "weight",
	 .read = wh_conf_number,
	 .offset = offsetof(struct wh_conf_wan, weight),
	 .min = 1,
	 .max = 1000},
	{.name = "ports", .read = read_ports},
	{.name = "probe", .read = read_profile_name, .offset = offsetof(struct wh_conf_wan, profile)},
	{.name = "accel", .read = wh_conf_accel},
	WH_CONF_LATER("nat6"),
	WH_CONF_LATER("prefix6"),
	WH_CONF_LATER("metered"),
	WH_CONF_LATER("mtu"),
	WH_CONF_LATER("bandwidth"),
	WH_CONF_LATER("quota"),
	WH_CONF_LATER("filtering"),
	WH_CONF_LATER("dns"),
	WH_CONF_LATER("failback"),
	{.name = NULL},
};

static int read_wan(struct wh_conf_reader *r, const struct wh_conf_node *entry)
{
	struct wh_conf_wan wan = {
		.enabled = true,
		.gateway_auto = true,
		.source_auto = true,
		.weight = 1,
		.port_first = PORT_FIRST,
		.port_last = PORT_LAST,
	};
	int err;

	if (r->config->n_wans == WH_MAX_WANS)
		return wh_conf_refuse(&r->source, entry->key->at, "wans: more than %d WANs", WH_MAX_WANS);
	snprintf(wan.name, sizeof(wan.name), "%s", entry->key->text);
	err = wh_conf_section(r, wan.name, entry, wan_keys, &wan);
	if (err)
		return err;
	if (!wan.device[0])
		return wh_conf_refuse(&r->source, entry->key->at, "the WAN \"%s\" has no device", wan.name);
	r->config->wans[r->config->n_wans++] = wan;
	return 0;
}

int wh_conf_wans(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	int err = wh_conf_named(r, key->name, value, read_wan);

	(void)out;
	if (!err && !r->config->n_wans)
		return wh_conf_refuse(&r->source, value->at, "wans: must name at least one WAN");
	return err;
}
