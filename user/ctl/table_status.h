/* SPDX-License-Identifier: GPL-2.0 */
/*
 * table_status.h: the status object as far as the pinned maps tell it: the command shows it where no controller
 * runs, the controller puts over it what only it knows.
 */
#ifndef WANHELM_CTL_TABLE_STATUS_H
#define WANHELM_CTL_TABLE_STATUS_H

#include <jansson.h>

#include "kern/tables.h"

/* A new reference. flows: how many are on each WAN; what only a controller knows is null. */
json_t *wh_table_status(const struct wh_tables *tables, const uint64_t flows[WH_MAX_WANS]);

#endif
