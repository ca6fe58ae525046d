/* SPDX-License-Identifier: GPL-2.0 */
/* address.h: addresses of either family compared.  Pure; for whoever holds a struct wh_address. */
#ifndef WANHELM_MODEL_ADDRESS_H
#define WANHELM_MODEL_ADDRESS_H

#include "model/config.h"

/* The same address of the same family. */
static inline bool wh_same_address(const struct wh_address *a, const struct wh_address *b)
{
	if (a->family != b->family)
		return false;
	return a->family == WH_V4 ? a->v4.s_addr == b->v4.s_addr : IN6_ARE_ADDR_EQUAL(&a->v6, &b->v6);
}

#endif
