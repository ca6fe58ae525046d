/* SPDX-License-Identifier: GPL-2.0 */
/*
 * buckets.h: from a class's tiers and weights to its bucket table.  Pure and deterministic: the same tiers
 * and WAN numbers give the same table on every run, so a restart writes nothing new.
 */
#ifndef WANHELM_MODEL_BUCKETS_H
#define WANHELM_MODEL_BUCKETS_H

#include "model/config.h"

/*
 * Fill `out` for class `class` of `config`; number_of as in model.h.
 * Weighted shares hold for the first choices exactly (largest remainder), and after the failure of any subset
 * of WANs as near as model/buckets.c states.
 */
void wh_buckets_fill(const struct wh_conf_class *class, const unsigned number_of[WH_MAX_WANS],
		     struct wh_bucket_table *out);

/* How many buckets fall to each WAN number when only the WANs in `usable` may be chosen. */
void wh_buckets_count(const struct wh_bucket_table *table, uint8_t usable, unsigned count[WH_MAX_WANS]);

#endif
