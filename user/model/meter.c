/* SPDX-License-Identifier: GPL-2.0 */
/* meter.c: see meter.h. */
#include "model/meter.h"

void wh_meter_rtt(struct wh_meter *m, uint64_t rtt_ns, uint64_t last_rtt_ns)
{
	int64_t rtt = rtt_ns ? (int64_t)rtt_ns : 1; /* 0 stands for "none" */
	int64_t gap;

	if (!m->srtt_ns)
		m->srtt_ns = (uint64_t)rtt;
	else
		m->srtt_ns = (uint64_t)((int64_t)m->srtt_ns + (rtt - (int64_t)m->srtt_ns) / 8);
	if (!last_rtt_ns)
		return;
	gap = rtt - (int64_t)last_rtt_ns;
	if (gap < 0)
		gap = -gap;
	m->jitter_ns = (uint64_t)((int64_t)m->jitter_ns + (gap - (int64_t)m->jitter_ns) / 16);
	if (m->gaps < UINT32_MAX)
		m->gaps++;
}

static struct wh_meter_slice *slice_of(struct wh_meter *m, uint64_t sent_ns)
{
	uint64_t number = sent_ns / WH_METER_SLICE_NS;
	struct wh_meter_slice *s = &m->slices[number % WH_METER_SLICES];

	if (s->number != number)
		*s = (struct wh_meter_slice){.number = number};
	return s;
}

void wh_meter_answered(struct wh_meter *m, uint64_t sent_ns)
{
	slice_of(m, sent_ns)->answered++;
}

void wh_meter_lost(struct wh_meter *m, uint64_t sent_ns)
{
	slice_of(m, sent_ns)->lost++;
}

void wh_meter_window(const struct wh_meter *m, uint64_t now_ns, uint32_t *answered, uint32_t *lost)
{
	uint64_t number = now_ns / WH_METER_SLICE_NS;

	*answered = 0;
	*lost = 0;
	for (unsigned i = 0; i < WH_METER_SLICES; i++) {
		const struct wh_meter_slice *s = &m->slices[i];

		if (s->number > number || number - s->number >= WH_METER_SLICES)
			continue;
		*answered += s->answered;
		*lost += s->lost;
	}
}
