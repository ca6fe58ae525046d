/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sla.h: whether a WAN is inside the limits of a class, with patience in both directions.  Pure; standing.c asks for
 * each class, WAN and family.
 */
#ifndef WANHELM_MODEL_SLA_H
#define WANHELM_MODEL_SLA_H

#include "model/config.h"
#include "model/health.h"

#define WH_SLA_OUT_NS 3000000000ULL /* beyond a limit for so long: outside */
#define WH_SLA_IN_NS 30000000000ULL /* inside a fraction of every limit for so long: inside again */
#define WH_SLA_IN_PERCENT 80
#define WH_SLA_SAMPLES 20 /* with fewer probes in the window nothing is said */

struct wh_sla_watch {
	bool outside;
	uint64_t since_ns; /* since when the figures have spoken for the other verdict; 0: they do not */
	double excess;	   /* the worst figure in units of its limit: above 1 it is beyond; 0: nothing is known */
};

/* What is measured of a WAN now. */
struct wh_sla_view {
	struct wh_window_figures figures;
	bool full; /* our own traffic fills the line: then latency and jitter say nothing of the line */
};

/* Whether `outside` changed. Without any limit nothing is ever outside. */
bool wh_sla_watch(struct wh_sla_watch *w, const struct wh_conf_sla *limits, const struct wh_sla_view *view,
		  uint64_t now_ns);

/* Which figure is worst, for people: "latency 180 ms, limit 150 ms"; "" where nothing is known. */
void wh_sla_text(const struct wh_conf_sla *limits, const struct wh_sla_view *view, char *out, size_t len);

#endif
