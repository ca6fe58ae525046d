/* SPDX-License-Identifier: GPL-2.0 */
/* lanes.c: see lanes.h. */
#include "model/lanes.h"
#include "lib/clock.h"

#include <string.h>

#define BITS_PER_BYTE 8

struct wh_rate wh_rate_of(uint64_t bps, bool paced)
{
	struct wh_rate rate = {0};
	uint64_t piece_ns;

	if (!bps)
		return rate;
	rate.price = (uint32_t)(((BITS_PER_BYTE * WH_NS_PER_S << WH_RATE_SHIFT) + bps / 2) / bps);
	if (paced) {
		rate.burst_ns = WH_RATE_PACED_BURST_NS;
		rate.wait_ns = WH_RATE_PACED_WAIT_NS;
	}
	piece_ns = (uint64_t)WH_RATE_PIECE * rate.price >> WH_RATE_SHIFT;
	if (paced && piece_ns > rate.wait_ns)
		rate.wait_ns = piece_ns < UINT32_MAX ? (uint32_t)piece_ns : UINT32_MAX;
	if (!paced)
		rate.burst_ns = piece_ns > UINT32_MAX	      ? UINT32_MAX
				: piece_ns > WH_RATE_BURST_NS ? (uint32_t)piece_ns
							      : WH_RATE_BURST_NS;
	return rate;
}

static bool in_first_tier(const struct wh_conf_class *class, unsigned wan)
{
	for (unsigned i = 0; class->n_tiers && i < class->tiers[0].n_members; i++) {
		if (class->tiers[0].members[i].wan == wan)
			return true;
	}
	return false;
}

/* The lower of the two where both hold. */
static uint64_t rate_on(const struct wh_config *config, const struct wh_conf_class *class, unsigned wan)
{
	bool degraded = config->wans[wan].metered || !in_first_tier(class, wan);

	if (!degraded || !class->degraded_bps)
		return class->rate_bps;
	return class->rate_bps && class->rate_bps < class->degraded_bps ? class->rate_bps : class->degraded_bps;
}

void wh_lane_fill(const struct wh_config *config, unsigned class, unsigned wan, bool paced, struct wh_lane *out)
{
	const struct wh_conf_class *c = &config->classes[class];
	uint64_t bps = rate_on(config, c, wan);

	memset(out, 0, sizeof(*out));
	out->up = wh_rate_of(bps, paced);
	out->down = wh_rate_of(bps, false);
	out->marks = c->mark_dscp != WH_DSCP_KEEP;
	out->dscp = out->marks ? c->mark_dscp : 0;
}
