/* SPDX-License-Identifier: GPL-2.0 */
/* offline.c: opening the pinned maps, and what the verbs read there. */
#include "cli/offline.h"

#include <errno.h>
#include <string.h>

#include "ctl/table_status.h"

#define WALK_SLICE 1024

int cli_open_tables(const struct cli *cli, struct wh_tables *tables)
{
	const char *dir = cli_bpf_dir(cli), *verb = cli->verb->name;
	int err = wh_tables_open(tables, dir);

	if (err == 0)
		return CLI_OK;
	if (err == -ENOENT)
		return cli_fail(CLI_FAILED, "%s: nothing is loaded: no maps are pinned under %s", verb, dir);
	if (err == -EPROTO)
		return cli_fail(CLI_FAILED, "%s: the maps under %s are of another version of wanhelm", verb, dir);
	return cli_fail(CLI_FAILED, "%s: %s: %s%s", verb, dir, strerror(-err),
			err == -EPERM || err == -EACCES ? " (this needs root)" : "");
}

int cli_find_wan(const struct cli *cli, const struct wh_tables *tables, const char *name)
{
	const char *names[WH_MAX_WANS + 1] = {0};
	struct wh_wan wans[WH_MAX_WANS];
	int wan = wh_tables_find_wan(tables, name);
	unsigned n = 0;

	if (wan >= 0)
		return wan;
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (wh_tables_wan(tables, i, &wans[n]) == 0 && wans[n].flags & WH_WAN_CONFIGURED) {
			names[n] = wans[n].name;
			n++;
		}
	}
	cli_fail(CLI_FAILED, "%s: no WAN is called \"%s\"%s", cli->verb->name, name, cli_meant(name, names));
	return -1;
}

static void count_flow(void *arg, const struct wh_flow_entry *entry)
{
	uint64_t *count = arg;

	if (wh_flow_is_users(&entry->flow))
		count[entry->flow.pin.wan]++;
}

static void count_flows(const struct wh_tables *tables, uint64_t count[WH_MAX_WANS])
{
	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		struct wh_flow_walk walk = {0};

		while (!walk.done && wh_tables_walk(tables, family, &walk, WALK_SLICE, count_flow, count) == 0)
			;
	}
}

json_t *cli_offline_status(const struct wh_tables *tables)
{
	uint64_t flows[WH_MAX_WANS] = {0};

	count_flows(tables, flows);
	return wh_table_status(tables, flows);
}
