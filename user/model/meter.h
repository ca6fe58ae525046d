/* SPDX-License-Identifier: GPL-2.0 */
/*
 * meter.h: round-trip time, jitter and loss of one WAN and family, from what became of its probes.  Pure;
 * integers only.  health.c feeds it.  The ratio of loss is never stored: it is worked out when someone asks.
 */
#ifndef WANHELM_MODEL_METER_H
#define WANHELM_MODEL_METER_H

#include <stdint.h>

/* Loss is counted in slices of time, by when a probe was sent; together they are the window. */
#define WH_METER_SLICE_NS 500000000ULL
#define WH_METER_SLICES 20

struct wh_meter_slice {
	uint64_t number; /* time of sending / WH_METER_SLICE_NS */
	uint32_t answered;
	uint32_t lost;
};

struct wh_meter {
	uint64_t srtt_ns;   /* smoothed round trip as in RFC 6298; 0: no answer yet */
	uint64_t jitter_ns; /* RFC 3550, A.8 */
	uint32_t gaps;	    /* how many differences are in jitter_ns, saturating */
	struct wh_meter_slice slices[WH_METER_SLICES];
};

/* A round trip; last_rtt_ns is the same target's one before, 0: none.  Unlike targets are no jitter. */
void wh_meter_rtt(struct wh_meter *m, uint64_t rtt_ns, uint64_t last_rtt_ns);

/* A probe sent at sent_ns was answered in time, or was not. */
void wh_meter_answered(struct wh_meter *m, uint64_t sent_ns);
void wh_meter_lost(struct wh_meter *m, uint64_t sent_ns);

/* How many of the probes sent within the window before now_ns were answered in time, and how many were not. */
void wh_meter_window(const struct wh_meter *m, uint64_t now_ns, uint32_t *answered, uint32_t *lost);

#endif
