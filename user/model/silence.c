/* SPDX-License-Identifier: GPL-2.0 */
/* silence.c: see silence.h. */
#include "model/silence.h"

#include <wanhelm/wan.h>

uint64_t wh_silence_threshold(const struct wh_silence *s, uint64_t srtt_ns, uint64_t now_ns)
{
	bool relaxed = now_ns - s->false_alarm_ns >= WH_SILENCE_RELAX_NS;
	uint64_t base = 2 * srtt_ns;

	if (!srtt_ns)
		return WH_SILENCE_MAX_NS;
	if (base < WH_SILENCE_MIN_NS)
		base = WH_SILENCE_MIN_NS;
	for (unsigned i = 0; i < s->doublings && !relaxed && base < WH_SILENCE_MAX_NS; i++)
		base = 2 * base < WH_SILENCE_MAX_NS ? 2 * base : WH_SILENCE_MAX_NS;
	return base;
}

bool wh_silence_poll(struct wh_silence *s, uint64_t sent_ns, uint64_t heard_ns, uint64_t srtt_ns, uint64_t now_ns)
{
	/* Both stamps are coarse: an answer soon after the one before does not move its stamp. */
	if (sent_ns <= heard_ns + WH_SIGNAL_LATE_NS) {
		s->since_ns = 0;
		return false;
	}
	if (!s->since_ns || heard_ns != s->heard_ns) {
		s->since_ns = now_ns;
		s->heard_ns = heard_ns;
		return false;
	}
	return now_ns - s->since_ns >= wh_silence_threshold(s, srtt_ns, now_ns);
}

void wh_silence_false_alarm(struct wh_silence *s, uint64_t srtt_ns, uint64_t now_ns)
{
	if (now_ns - s->false_alarm_ns >= WH_SILENCE_RELAX_NS)
		s->doublings = 0;
	if (wh_silence_threshold(s, srtt_ns, now_ns) < WH_SILENCE_MAX_NS)
		s->doublings++;
	s->false_alarm_ns = now_ns;
}

void wh_silence_restart(struct wh_silence *s)
{
	s->since_ns = 0;
}
