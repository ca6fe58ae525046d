/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lanes.h: what a class may send and receive by each WAN, from its `rate`, `degraded` and `mark-dscp`.  Pure; the daemon
 * stores it at start and reload (daemon/policy.c).
 */
#ifndef WANHELM_MODEL_LANES_H
#define WANHELM_MODEL_LANES_H

#include "model/config.h"
#include <wanhelm/lane.h>

/*
 * What may pass at once after a rest: this long at the full rate, and the largest packet that segmentation offload
 * hands over in one piece at least, or none such would ever pass.
 */
#define WH_RATE_BURST_NS 100000000ULL
#define WH_RATE_PIECE 65536

/* Where an fq qdisc spaces packets out: what it is given at once, and the longest that it keeps one waiting. */
#define WH_RATE_PACED_BURST_NS 5000000ULL
#define WH_RATE_PACED_WAIT_NS 250000000ULL

/*
 * A rate of `bps` bits a second, 0: none; `paced` where an fq qdisc sends.  Exact to a thousandth from 8 kbit/s to
 * 8 Gbit/s.
 */
struct wh_rate wh_rate_of(uint64_t bps, bool paced);

/* The row of wh_lanes for class `class` (index) on WAN `wan` (index); `paced`: the WAN's own qdisc is fq. */
void wh_lane_fill(const struct wh_config *config, unsigned class, unsigned wan, bool paced, struct wh_lane *out);

#endif
