/* SPDX-License-Identifier: GPL-2.0 */
/* window.c: see window.h. */
#include "model/window.h"

#include <math.h>
#include <stdlib.h>

#include "lib/clock.h"

void wh_window_add(struct wh_window *w, uint64_t sent_ns, uint64_t rtt_ns)
{
	uint64_t number = sent_ns / WH_WINDOW_SLOT_NS;
	struct wh_window_slot *slot = &w->slots[number % WH_WINDOW_SLOTS];

	if (slot->number < number)
		*slot = (struct wh_window_slot){.number = number, .rtt_ns = rtt_ns};
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median_ms(uint64_t *values, unsigned n)
{
	unsigned high = n / 2, low = n % 2 ? high : high - 1;

	if (!n)
		return NAN;
	qsort(values, n, sizeof(*values), ascending);
	return (double)(values[low] + values[high]) / (2 * (double)WH_NS_PER_MS);
}

void wh_window_figures(const struct wh_window *w, uint64_t now_ns, struct wh_window_figures *out)
{
	uint64_t rtt_ns[WH_WINDOW_SLOTS], gap_ns[WH_WINDOW_SLOTS], last = now_ns / WH_WINDOW_SLOT_NS;
	unsigned n = 0, gaps = 0, lost = 0;

	for (uint64_t number = last < WH_WINDOW_SLOTS ? 1 : last - WH_WINDOW_SLOTS + 1; number <= last; number++) {
		const struct wh_window_slot *slot = &w->slots[number % WH_WINDOW_SLOTS];

		if (slot->number != number)
			continue;
		if (!slot->rtt_ns) {
			lost++;
			continue;
		}
		if (n)
			gap_ns[gaps++] = slot->rtt_ns > rtt_ns[n - 1] ? slot->rtt_ns - rtt_ns[n - 1]
								      : rtt_ns[n - 1] - slot->rtt_ns;
		rtt_ns[n++] = slot->rtt_ns;
	}
	*out = (struct wh_window_figures){.samples = n + lost,
					  .rtt_ms = median_ms(rtt_ns, n),
					  .jitter_ms = median_ms(gap_ns, gaps),
					  .loss_ratio = n + lost ? (double)lost / (n + lost) : NAN};
}
