/* SPDX-License-Identifier: GPL-2.0 */
/* throughput.c: how fast each WAN runs, from the data plane's counters.  The model and status read it. */
#include <math.h>

#include "daemon/daemon.h"
#include "lib/clock.h"

void wh_throughput_bytes(const struct wh_daemon *d, unsigned wan, uint64_t *tx, uint64_t *rx)
{
	struct wh_counters count;

	*tx = *rx = 0;
	for (unsigned class = 0; class <= WH_CLASS_PROBE; class += 1) {
		if (wh_tables_counters(&d->tables, class, wan, &count))
			continue;
		*tx += count.tx_bytes;
		*rx += count.rx_bytes;
	}
}

/* Counters may be set back to zero by hand: then the second in which that was is not known. */
static double bps(uint64_t before, uint64_t now, double seconds)
{
	return now >= before ? (double)(now - before) * 8 / seconds : NAN;
}

static void watch(struct wh_daemon *d, unsigned wan, uint64_t now_ns)
{
	struct wh_throughput *t = &d->throughput[wan];
	double seconds = (double)(now_ns - t->taken_ns) / 1e9;
	uint64_t tx, rx;

	wh_throughput_bytes(d, wan, &tx, &rx);
	t->tx_bps = t->taken_ns ? bps(t->tx_bytes, tx, seconds) : NAN;
	t->rx_bps = t->taken_ns ? bps(t->rx_bytes, rx, seconds) : NAN;
	t->taken_ns = now_ns;
	t->tx_bytes = tx;
	t->rx_bytes = rx;
	if (!isnan(t->tx_bps) && !isnan(t->rx_bps))
		wh_model_traffic(&d->model, wan, t->tx_bps, t->rx_bps);
}

void wh_throughput_watch(struct wh_daemon *d)
{
	uint64_t now_ns = wh_now_ns();

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->conf_of[wan] >= 0)
			watch(d, wan, now_ns);
	}
}
