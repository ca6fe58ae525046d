/* SPDX-License-Identifier: GPL-2.0 */
/*
 * metrics.h: the controller's figures as OpenMetrics 1.0 text.  Pure: from the status object that
 * `wanhelm status --json` prints and the data plane's reasons, so both always say the same.
 */
#ifndef WANHELM_DAEMON_METRICS_H
#define WANHELM_DAEMON_METRICS_H

#include <jansson.h>

/*
 * `reasons` maps names of include/wanhelm/reason.h to counts; one that is missing counts 0, so that no series
 * ever vanishes.  What is null or missing in `status` becomes NaN.  The daemon object may also hold "flips",
 * "netlink_overruns", "reattachments", "flow_limit", "reloads_ok", "reloads_failed".  Returns text to be
 * freed; NULL: out of memory.
 */
char *wh_metrics_text(const json_t *status, const json_t *reasons);

#endif
