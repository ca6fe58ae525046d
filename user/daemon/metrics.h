/* SPDX-License-Identifier: GPL-2.0 */
/*
 * metrics.h: the controller's figures as OpenMetrics 1.0 text.  Pure: from the status object that
 * `wanhelm status --json` prints, so both always say the same.
 */
#ifndef WANHELM_DAEMON_METRICS_H
#define WANHELM_DAEMON_METRICS_H

#include <jansson.h>

/*
 * What is null or missing in `status` becomes NaN, or has no series where there is no name for it.  Returns text to
 * be freed; NULL: out of memory.
 */
char *wh_metrics_text(const json_t *status);

#endif
