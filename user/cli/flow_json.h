/* SPDX-License-Identifier: GPL-2.0 */
/* flow_json.h: one flow as `wanhelm flows` shows it.  Pure. */
#ifndef WANHELM_CLI_FLOW_JSON_H
#define WANHELM_CLI_FLOW_JSON_H

#include <jansson.h>

#include "kern/tables.h"

/* A flow with its reply's entry, which is zero where that is already gone. */
struct cli_flow {
	struct wh_flow_entry entry;
	struct wh_reply reply;
};

/* What names and addresses the numbers in flows stand for. */
struct cli_flow_names {
	struct wh_wan wans[WH_MAX_WANS];
	struct wh_class classes[WH_MAX_CLASSES];
};

/* `now_ns` is CLOCK_MONOTONIC. */
json_t *cli_flow_json(const struct cli_flow *view, const struct cli_flow_names *names, uint64_t now_ns);

#endif
