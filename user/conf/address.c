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

/* "ADDRESS/LENGTH"; what stands behind the length is the caller's to judge. */
static int parse_prefix6(const char *text, struct wh_address *addr, unsigned *len)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN] = "";
	struct wh_address found;
	uint64_t bits;

	if (!slash || (size_t)(slash - text) >= sizeof(address) ||
	    wh_parse_number(slash + 1, PREFIX6_SHORTEST, PREFIX6_LONGEST, &bits))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	if (parse_host(address, &found) || found.family != WH_V6 || is_link_local(&found))
		return -EINVAL;
	*addr = found;
	*len = (unsigned)bits;
	return 0;
}

static struct in6_addr first_of(struct in6_addr addr, unsigned prefix_len)
{
	for (unsigned bit = prefix_len; bit < 128; bit++)
		addr.s6_addr[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
	return addr;
}

int wh_conf_prefix6(struct wh_conf_reader *r, const struct wh_conf_key *key, const struct wh_conf_node *value,
		    void *out)
{
	char expected[96], hint[WH_CONF_HINT_LEN], first_text[INET6_ADDRSTRLEN];
	struct wh_conf_wan *wan = out;
	struct wh_address addr;
	struct in6_addr first;
	unsigned len;

	if (wh_conf_is_auto(value))
		return 0;
	if (!wh_conf_is_word(value) || parse_prefix6(value->text, &addr, &len)) {
		snprintf(expected, sizeof(expected), A_PREFIX6, PREFIX6_SHORTEST, PREFIX6_LONGEST);
		return wh_conf_wrong(r, key->name, value, expected, wh_conf_hint_choice(key, value, hint));
	}
	first = first_of(addr.v6, len);
	if (memcmp(&first, &addr.v6, sizeof(first)) != 0) {
		inet_ntop(AF_INET6, &first, first_text, sizeof(first_text));
		return wh_conf_refuse(&r->source, value->at,
				      "%s: \"%s\" has bits behind its first %u; did you mean \"%s/%u\"?", key->name,
				      WH_CONF_SHOW(value->text), len, first_text, len);
	}
	wan->prefix6_auto = false;
	wan->prefix6 = first;
	wan->prefix6_len = len;
	return 0;
}
