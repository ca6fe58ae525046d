/* SPDX-License-Identifier: GPL-2.0 */
/* mapped.h: one type for addresses of both families: IPv4 a.b.c.d stands as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
#ifndef WANHELM_LIB_MAPPED_H
#define WANHELM_LIB_MAPPED_H

#include <netinet/in.h>

static inline struct in6_addr wh_mapped(struct in_addr addr)
{
	struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	mapped.s6_addr32[3] = addr.s_addr;
	return mapped;
}

#endif
