/* SPDX-License-Identifier: GPL-2.0 */
/* offline.h: what the command does on the pinned maps by itself, where no controller runs. */
#ifndef WANHELM_CLI_OFFLINE_H
#define WANHELM_CLI_OFFLINE_H

#include "cli/cli.h"
#include "kern/tables.h"

/* Open the maps; CLI_OK, or the exit status and it has been said why. */
int cli_open_tables(const struct cli *cli, struct wh_tables *tables);

/* The number of a WAN by its name, or -1 and it has been said, with the name that was meant. */
int cli_find_wan(const struct cli *cli, const struct wh_tables *tables, const char *name);

/* The status object as far as the maps tell it; what only a controller knows is null. */
json_t *cli_offline_status(const struct wh_tables *tables);

#endif
