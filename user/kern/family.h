/* SPDX-License-Identifier: GPL-2.0 */
/*
 * family.h: the words of both address families, read by family: so that what holds for both is written once.
 */
#ifndef WANHELM_KERN_FAMILY_H
#define WANHELM_KERN_FAMILY_H

#include <wanhelm/steer.h>

static inline __u8 wh_alive_of(union wh_alive alive, enum wh_family family)
{
	return family == WH_V4 ? alive.alive4 : alive.alive6;
}

static inline __u8 wh_keep_of(union wh_masks masks, enum wh_family family)
{
	return family == WH_V4 ? masks.keep4 : masks.keep6;
}

static inline __u8 wh_fresh_of(union wh_masks masks, enum wh_family family)
{
	return family == WH_V4 ? masks.fresh4 : masks.fresh6;
}

static inline __u8 wh_leave_of(union wh_masks masks, enum wh_family family)
{
	return family == WH_V4 ? masks.leave4 : masks.leave6;
}

static inline __u8 wh_held_of(union wh_masks masks, enum wh_family family)
{
	return family == WH_V4 ? masks.held4 : masks.held6;
}

/* Where a class's flows stay, as the data plane has it. */
static inline __u8 wh_kept_by(union wh_masks masks, union wh_alive alive, enum wh_family family)
{
	return wh_keep_of(masks, family) & (wh_alive_of(alive, family) | wh_held_of(masks, family));
}

#endif
