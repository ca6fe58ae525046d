/* SPDX-License-Identifier: GPL-2.0 */
/*
 * window.h: the last ten seconds of one target's probes, for classes with limits (sla.h): medians, where meter.h has the
 * averages of a whole WAN.  One target at a time, because unlike targets are no jitter, and one that drops probes of its own
 * accord says nothing of the line.  Pure; health.c feeds it.
 *
 * At most one probe is kept for each WH_WINDOW_SLOT_NS of sending, so that a burst weighs no more than quiet times.
 */
#ifndef WANHELM_MODEL_WINDOW_H
#define WANHELM_MODEL_WINDOW_H

#include <stdint.h>

#define WH_WINDOW_NS 10000000000ULL
#define WH_WINDOW_SLOTS 64
#define WH_WINDOW_SLOT_NS (WH_WINDOW_NS / WH_WINDOW_SLOTS)

struct wh_window_slot {
	uint64_t number; /* time of sending / WH_WINDOW_SLOT_NS; 0: nothing yet */
	uint64_t rtt_ns; /* 0: lost */
};

struct wh_window {
	struct wh_window_slot slots[WH_WINDOW_SLOTS];
};

/* NAN: not known. */
struct wh_window_figures {
	unsigned samples;
	double rtt_ms;	  /* median of what was answered */
	double jitter_ms; /* median of the differences of successive round trips */
	double loss_ratio;
};

/* What became of a probe that was sent at sent_ns: answered in time after rtt_ns, or (0) not. */
void wh_window_add(struct wh_window *w, uint64_t sent_ns, uint64_t rtt_ns);

void wh_window_figures(const struct wh_window *w, uint64_t now_ns, struct wh_window_figures *out);

#endif
