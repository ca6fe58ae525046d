/* SPDX-License-Identifier: GPL-2.0 */
/* address.c: the addresses in the prober's namespace, and addresses as the kernel takes them. */
#include "prober/prober_private.h"

int wh_prober_af(enum wh_family family)
{
	return family == WH_V4 ? AF_INET : AF_INET6;
}

static struct wh_address address_of(enum wh_family family, uint8_t host)
{
	struct wh_address addr = {.family = family};

	if (family == WH_V4) {
		addr.v4.s_addr = htonl(WH_PROBE_NET + host);
	} else {
		addr.v6 = (struct in6_addr){.s6_addr = WH_PROBE_NET6};
		addr.v6.s6_addr[15] = host;
	}
	return addr;
}

struct wh_address wh_prober_source(enum wh_family family, unsigned wan)
{
	return address_of(family, (uint8_t)(1 + wan));
}

struct wh_address wh_prober_gateway(enum wh_family family)
{
	return address_of(family, 254);
}

union wh_sockaddr wh_prober_sockaddr(const struct wh_address *addr, uint16_t port)
{
	union wh_sockaddr out = {};

	if (addr->family == WH_V4)
		out.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = addr->v4, .sin_port = htons(port)};
	else
		out.v6 =
			(struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = addr->v6, .sin6_port = htons(port)};
	return out;
}
