/* SPDX-License-Identifier: GPL-2.0 */
/*
 * address.c: addresses of both families: of hosts in general, and a WAN's gateway, source and delegated prefix.
 * Declared in keys.h; used by wan.c and probes.c.
 */
#include "conf/keys.h"
#include "lib/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What RFC 6296 maps without touching bits that stand for a host. */
#define PREFIX6_SHORTEST 16
#define PREFIX6_LONGEST 64

#define AN_ADDRESS_A_FAMILY "auto, an address, or a list of one address a family"
#define A_PREFIX6 "auto or a routable IPv6 prefix of %d to %d bits as in 2001:db8:4700::/56"

const char *const wh_conf_family_names[WH_FAMILIES] = {[WH_V4] = "IPv4", [WH_V6] = "IPv6"};

static bool is_host4(struct in_addr addr)
{
	uint32_t first = ntohl(addr.s_addr) >> 24;

	return first != 0 && first != 127 && first < 224;
}

static bool is_host6(const struct in6_addr *addr)
{
	return !IN6_IS_ADDR_UNSPECIFIED(addr) && !IN6_IS_ADDR_LOOPBACK(addr) && !IN6_IS_ADDR_MULTICAST(addr) &&
	       !IN6_IS_ADDR_V4MAPPED(addr) && !IN6_IS_ADDR_V4COMPAT(addr);
}

/* An address that one host on some network can have. */
static int parse_host(const char *text, struct wh_address *out)
{
	struct wh_address addr = {.family = WH_V4};

	if (wh_parse_addr4(text, &addr.v4)) {
		addr.family = WH_V6;
		if (inet_pton(AF_INET6, text, &addr.v6) != 1)
			return -EINVAL;
	}
	if (addr.family == WH_V4 ? !is_host4(addr.v4) : !is_host6(&addr.v6))
		return -EINVAL;
	*out = addr;
	return 0;
}

static const char *hint_host(const struct wh_conf_key *key, const struct wh_conf_node *value, const char *text,
			     char out[WH_CONF_HINT_LEN])
{
	const char *zone = strchr(text, '%');

	out[0] = '\0';
	if (zone)
		snprintf(out, WH_CONF_HINT_LEN, "; leave out the \"%s\"", WH_CONF_SHOW(zone));
	else if (strpbrk(text, "[]"))
		snprintf(out, WH_CONF_HINT_LEN, "; leave out the brackets");
	else if (key->choices)
		wh_conf_hint_choice(key, value, out);
	return out;
}

int wh_conf_host(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		 const char *text, struct wh_address *out)
{
	char hint[WH_CONF_HINT_LEN];

	if (wh_conf_is_word(value) && !parse_host(text, out))
		return 0;
	return wh_conf_wrong(r, key->name, value, key->choices ? AN_ADDRESS_A_FAMILY : "the address of a host",
			     hint_host(key, value, text, hint));
}

static bool is_link_local(const struct wh_address *addr)
{
	if (addr->family == WH_V6)
		return IN6_IS_ADDR_LINKLOCAL(&addr->v6);
	return ntohl(addr->v4.s_addr) >> 16 == 0xa9fe;
}

int wh_conf_check_routable(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			   const struct wh_address *addr)
{
	if (!is_link_local(addr))
		return 0;
	return wh_conf_refuse(&r->source, value->at, "%s: \"%s\" is link-local: no router forwards it", key->name,
			      WH_CONF_SHOW(value->text));
}

/* Where a WAN keeps what was read: an address and whether there is none, for each family. */
struct pair {
	bool *is_auto;
	struct in_addr *v4;
	struct in6_addr *v6;
	bool routable; /* it must not be link-local */
};

static int take(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		const struct pair *out)
{
	struct wh_address addr = {0};
	int err = wh_conf_host(r, key, value, value->text, &addr);

	if (!err && out->routable)
		err = wh_conf_check_routable(r, key, value, &addr);
	if (err)
		return err;
	if (!out->is_auto[addr.family])
		return wh_conf_refuse(&r->source, value->at, "%s: a second %s address", key->name,
				      wh_conf_family_names[addr.family]);
	out->is_auto[addr.family] = false;
	if (addr.family == WH_V4)
		*out->v4 = addr.v4;
	else
		*out->v6 = addr.v6;
	return 0;
}

/* A family that is not named stays "auto". */
static int read_pair(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		     const struct pair *out)
{
	const struct wh_conf_key entry_key = {.name = key->name};
	int err = 0;

	if (wh_conf_is_auto(value))
		return 0;
	if (value->kind != WH_CONF_LIST || !value->first)
		return take(r, key, value, out);
	for (const struct wh_conf_node *entry = value->first; entry && !err; entry = entry->next)
		err = take(r, &entry_key, entry, out);
	return err;
}

int wh_conf_gateway(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	struct wh_conf_wan *wan = out;

	return read_pair(r, key, value, &(struct pair){wan->gateway_auto, &wan->gateway4, &wan->gateway6, false});
}

int wh_conf_source(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value, void *out)
{
	struct wh_conf_wan *wan = out;

	return read_pair(r, key, value, &(struct pair){wan->source_auto, &wan->source4, &wan->source6, true});
}

static const void *bytes_of(const struct wh_address *addr)
{
	return addr->family == WH_V4 ? (const void *)&addr->v4 : &addr->v6;
}

/* Refuse a prefix that has bits set behind its length, and name the one that has not. */
static int check_prefix(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
			const struct wh_conf_prefix *prefix)
{
	const bool v4 = prefix->addr.family == WH_V4;
	const size_t size = v4 ? sizeof(prefix->addr.v4) : sizeof(prefix->addr.v6);
	char first_text[INET6_ADDRSTRLEN];
	uint8_t first[sizeof(struct in6_addr)];

	memcpy(first, bytes_of(&prefix->addr), size);
	for (unsigned bit = prefix->len; bit < 8 * size; bit++)
		first[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
	if (!memcmp(first, bytes_of(&prefix->addr), size))
		return 0;
	inet_ntop(v4 ? AF_INET : AF_INET6, first, first_text, sizeof(first_text));
	return wh_conf_refuse(&r->source, value->at, "%s: \"%s\" has bits behind its first %u; did you mean \"%s/%u\"?",
			      key->name, WH_CONF_SHOW(value->text), prefix->len, first_text, prefix->len);
}

/* IPv4 in an IPv6 address is not taken: it has a way to be written of its own. */
static int parse_prefix(const char *text, struct wh_conf_prefix *out)
{
	size_t address_len = strcspn(text, "/");
	char address[INET6_ADDRSTRLEN] = "";
	struct wh_conf_prefix prefix = {0};
	uint64_t len;

	if (address_len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, address_len);
	if (wh_parse_addr4(address, &prefix.addr.v4)) {
		prefix.addr.family = WH_V6;
		if (inet_pton(AF_INET6, address, &prefix.addr.v6) != 1 || IN6_IS_ADDR_V4MAPPED(&prefix.addr.v6))
			return -EINVAL;
	}
	len = prefix.addr.family == WH_V4 ? 32 : 128;
	if (text[address_len] && wh_parse_number(text + address_len + 1, 0, len, &len))
		return -EINVAL;
	prefix.len = (unsigned)len;
	*out = prefix;
	return 0;
}

int wh_conf_prefix(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		   const char *expected, const char *hint, struct wh_conf_prefix *out)
{
	struct wh_conf_prefix prefix;
	int err;

	if (!wh_conf_is_word(value) || parse_prefix(value->text, &prefix))
		return wh_conf_wrong(r, key->name, value, expected, hint);
	err = check_prefix(r, key, value, &prefix);
	if (!err)
		*out = prefix;
	return err;
}

/* A prefix that a provider can route to us. */
static int parse_prefix6(const char *text, struct wh_conf_prefix *out)
{
	struct wh_conf_prefix prefix;

	if (parse_prefix(text, &prefix) || prefix.addr.family != WH_V6 || is_link_local(&prefix.addr) ||
	    !is_host6(&prefix.addr.v6) || prefix.len < PREFIX6_SHORTEST || prefix.len > PREFIX6_LONGEST)
		return -EINVAL;
	*out = prefix;
	return 0;
}

int wh_conf_prefix6(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	char expected[96], hint[WH_CONF_HINT_LEN];
	struct wh_conf_wan *wan = out;
	struct wh_conf_prefix prefix;
	int err;

	if (wh_conf_is_auto(value))
		return 0;
	if (!wh_conf_is_word(value) || parse_prefix6(value->text, &prefix)) {
		snprintf(expected, sizeof(expected), A_PREFIX6, PREFIX6_SHORTEST, PREFIX6_LONGEST);
		return wh_conf_wrong(r, key->name, value, expected, wh_conf_hint_choice(key, value, hint));
	}
	err = check_prefix(r, key, value, &prefix);
	if (err)
		return err;
	wan->prefix6_auto = false;
	wan->prefix6 = prefix.addr.v6;
	wan->prefix6_len = prefix.len;
	return 0;
}
