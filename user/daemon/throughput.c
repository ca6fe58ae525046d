/* SPDX-License-Identifier: GPL-2.0 */
/* throughput.c: how fast each WAN runs, from the data plane's counters.  The model and status read it. */
#include <math.h>

#include "daemon/daemon.h"
#include "lib/clock.h"

/* Counters may be set back to zero by hand: then the second in which that was is not known. */
static double bps(uint64_t before, uint64_t now, double seconds)
{
	return now >= before ? (double)(now - before) * 8 / seconds : NAN;
}

static void watch(struct wh_daemon *d, unsigned wan, const struct wh_counters *total, uint64_t now_ns)
{
	struct wh_throughput *t = &d->throughput[wan];
	double seconds = (double)(now_ns - t->taken_ns) / 1e9;

	t->tx_bps = t->taken_ns ? bps(t->tx_bytes, total->tx_bytes, seconds) : NAN;
	t->rx_bps = t->taken_ns ? bps(t->rx_bytes, total->rx_bytes, seconds) : NAN;
	t->taken_ns = now_ns;
	t->tx_bytes = total->tx_bytes;
	t->rx_bytes = total->rx_bytes;
	if (!isnan(t->tx_bps) && !isnan(t->rx_bps))
		wh_model_traffic(&d->model, wan, t->tx_bps, t->rx_bps);
}

void wh_throughput_watch(struct wh_daemon *d)
{
	struct wh_counters totals[WH_MAX_WANS];
	uint64_t now_ns = wh_now_ns();

	if (wh_tables_totals(&d->tables, WH_CLASSES_AND_PROBES, totals))
		return;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->conf_of[wan] >= 0)
			watch(d, wan, &totals[wan], now_ns);
	}
}
