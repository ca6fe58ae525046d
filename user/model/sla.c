/* SPDX-License-Identifier: GPL-2.0 */
/* sla.c: see sla.h. */
#include "model/sla.h"

#include <math.h>
#include <stdio.h>

#include "lib/clock.h"

/* A figure beside its limit. */
struct measure {
	const char *name;
	const char *unit;
	double value;
	double limit; /* 0: none */
};

enum { LATENCY, JITTER, LOSS, MEASURES };

static void measures_of(const struct wh_conf_sla *limits, const struct wh_sla_view *view, struct measure out[MEASURES])
{
	const struct wh_window_figures *f = &view->figures;

	out[LATENCY] = (struct measure){"latency", " ms", f->rtt_ms, (double)limits->latency_ns / WH_NS_PER_MS};
	out[JITTER] = (struct measure){"jitter", " ms", f->jitter_ms, (double)limits->jitter_ns / WH_NS_PER_MS};
	out[LOSS] = (struct measure){"loss", " %", f->loss_ratio * 100, (double)limits->loss_ppm / 1e4};
	if (view->full)
		out[LATENCY].limit = out[JITTER].limit = 0;
}

/* The measure that is worst in units of its limit, and how bad; NULL where none is known. */
static const struct measure *worst(const struct measure all[MEASURES], double *excess)
{
	const struct measure *found = NULL;

	*excess = 0;
	for (unsigned i = 0; i < MEASURES; i++) {
		double ratio = all[i].limit > 0 ? all[i].value / all[i].limit : NAN;

		if (isnan(ratio) || (found && ratio <= *excess))
			continue;
		found = &all[i];
		*excess = ratio;
	}
	return found;
}

bool wh_sla_watch(struct wh_sla_watch *w, const struct wh_conf_sla *limits, const struct wh_sla_view *view,
		  uint64_t now_ns)
{
	struct measure all[MEASURES];
	bool against;

	measures_of(limits, view, all);
	if (!worst(all, &w->excess) || view->figures.samples < WH_SLA_SAMPLES) {
		w->since_ns = 0; /* nothing is known: the verdict stands */
		if (limits->latency_ns || limits->jitter_ns || limits->loss_ppm || !w->outside)
			return false;
		w->outside = false;
		return true;
	}
	against = w->outside ? w->excess * 100 < WH_SLA_IN_PERCENT : w->excess > 1;
	if (!against)
		w->since_ns = 0;
	else if (!w->since_ns)
		w->since_ns = now_ns;
	if (!against || now_ns - w->since_ns < (w->outside ? WH_SLA_IN_NS : WH_SLA_OUT_NS))
		return false;
	w->outside = !w->outside;
	w->since_ns = 0;
	return true;
}

void wh_sla_text(const struct wh_conf_sla *limits, const struct wh_sla_view *view, char *out, size_t len)
{
	struct measure all[MEASURES];
	const struct measure *m;
	double excess;

	measures_of(limits, view, all);
	m = worst(all, &excess);
	if (m)
		snprintf(out, len, "%s %.3g%s, limit %.3g%s", m->name, m->value, m->unit, m->limit, m->unit);
	else
		snprintf(out, len, "%s", "");
}
