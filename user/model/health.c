/* SPDX-License-Identifier: GPL-2.0 */
/* health.c: see health.h. */
#include "model/health.h"

#include <math.h>
#include <string.h>

#include "lib/clock.h"
#include "model/address.h"

#define TARGET_BIT(i) ((uint16_t)(1U << (i)))

static uint32_t next_random(uint32_t *state)
{
	uint32_t x = *state ? *state : 0x9e3779b9U;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

/* ±10 %: probes of many routers, and of many WANs, do not fall into step. */
static uint64_t jittered(uint64_t interval_ns, uint32_t *random)
{
	return interval_ns - interval_ns / 10 + (interval_ns / 5) * (next_random(random) >> 16) / 0xffff;
}

static uint16_t targets_of(const struct wh_conf_profile *profile, enum wh_family family)
{
	uint16_t targets = 0;

	for (unsigned i = 0; i < profile->n_targets; i++)
		if (profile->targets[i].addr.family == family)
			targets |= TARGET_BIT(i);
	return targets;
}

static bool same_target(const struct wh_conf_target *a, const struct wh_conf_target *b)
{
	return a->kind == b->kind && a->port == b->port && wh_same_address(&a->addr, &b->addr);
}

void wh_health_configure(struct wh_health *h, const struct wh_conf_profile *profile, enum wh_family family,
			 uint64_t now_ns)
{
	uint16_t own = targets_of(profile, family);
	bool same = own == h->own;

	for (unsigned i = 0; i < profile->n_targets && same; i++)
		same = !(own & TARGET_BIT(i)) || same_target(&h->profile.targets[i], &profile->targets[i]);
	h->profile = *profile;
	h->own = own;
	if (!same)
		wh_health_start(h, now_ns);
	for (unsigned k = 0; k < WH_PROBE_KINDS; k++)
		if (h->due_ns[k] > now_ns + profile->interval_ns[k])
			h->due_ns[k] = now_ns + profile->interval_ns[k];
}

void wh_health_start(struct wh_health *h, uint64_t now_ns)
{
	wh_health_forget(h);
	wh_health_calm(h);
	memset(h->targets, 0, sizeof(h->targets));
	memset(h->windows, 0, sizeof(h->windows));
	for (unsigned k = 0; k < WH_PROBE_KINDS; k++)
		h->due_ns[k] = now_ns;
}

void wh_health_forget(struct wh_health *h)
{
	memset(h->rounds, 0, sizeof(h->rounds));
	for (unsigned i = 0; i < WH_MAX_TARGETS; i++)
		h->targets[i].busy_ns = 0;
}

void wh_health_burst(struct wh_health *h, uint64_t now_ns)
{
	if (h->burst)
		return;
	h->burst = true;
	h->burst_due_ns = now_ns;
	h->burst_end_ns = now_ns + WH_BURST_MAX_NS;
}

void wh_health_calm(struct wh_health *h)
{
	h->burst = false;
}

uint64_t wh_health_timeout(const struct wh_health *h)
{
	uint64_t timeout_ns = 4 * h->meter.srtt_ns;

	if (h->profile.timeout_ns)
		return h->profile.timeout_ns;
	if (!timeout_ns)
		return WH_TIMEOUT_FIRST_NS;
	if (timeout_ns < WH_TIMEOUT_MIN_NS)
		return WH_TIMEOUT_MIN_NS;
	return timeout_ns < WH_TIMEOUT_MAX_NS ? timeout_ns : WH_TIMEOUT_MAX_NS;
}

unsigned wh_health_targets(const struct wh_health *h)
{
	return (unsigned)__builtin_popcount(h->own);
}

unsigned wh_health_good_targets(const struct wh_health *h)
{
	unsigned good = 0;

	for (unsigned i = 0; i < h->profile.n_targets; i++)
		good += h->targets[i].last == WH_TARGET_OK;
	return good;
}

/* The targets of the round that is due now. */
static uint16_t due_targets(const struct wh_health *h, uint64_t now_ns)
{
	uint16_t due = 0;

	for (unsigned i = 0; i < h->profile.n_targets; i++) {
		enum wh_probe_kind kind = h->profile.targets[i].kind;

		if (!(h->own & TARGET_BIT(i)) || (!h->burst && now_ns < h->due_ns[kind]))
			continue;
		if (kind == WH_PROBE_TCP && now_ns < h->targets[i].busy_ns)
			continue;
		due |= TARGET_BIT(i);
	}
	return due;
}

/* Whether or not a probe left: the next turn of what was due now. */
static void reschedule(struct wh_health *h, uint64_t now_ns, uint32_t *random)
{
	for (unsigned k = 0; k < WH_PROBE_KINDS; k++)
		if (h->burst || now_ns >= h->due_ns[k])
			h->due_ns[k] = now_ns + jittered(h->profile.interval_ns[k], random);
	h->burst_due_ns = now_ns + WH_BURST_INTERVAL_NS;
}

static unsigned start_round(struct wh_health *h, uint16_t targets, uint64_t now_ns, uint32_t *seq,
			    struct wh_probe_order *orders)
{
	struct wh_round *r = &h->rounds[h->next_round];
	unsigned n = 0;

	*r = (struct wh_round){.sent_ns = now_ns, .deadline_ns = now_ns + wh_health_timeout(h)};
	r->sent = r->open = targets;
	for (unsigned i = 0; i < h->profile.n_targets; i++) {
		if (!(targets & TARGET_BIT(i)))
			continue;
		r->seq[i] = (*seq)++;
		h->targets[i].busy_ns = r->deadline_ns;
		orders[n++] = (struct wh_probe_order){.target = i, .seq = r->seq[i]};
	}
	h->next_round = (h->next_round + 1) % WH_ROUNDS;
	return n;
}

unsigned wh_health_send(struct wh_health *h, uint64_t now_ns, uint32_t *seq, uint32_t *random,
			struct wh_probe_order *orders, unsigned max)
{
	uint16_t targets = due_targets(h, now_ns);
	unsigned n = 0;

	if ((h->burst && now_ns < h->burst_due_ns) || (unsigned)__builtin_popcount(targets) > max)
		return 0;
	/* The oldest round may still be open where a timeout was set by hand that is very long. */
	if (targets && !h->rounds[h->next_round].open)
		n = start_round(h, targets, now_ns, seq, orders);
	reschedule(h, now_ns, random);
	if (h->burst && now_ns >= h->burst_end_ns)
		wh_health_calm(h);
	return n;
}

/* A probe's end.  What a newer probe has shown already is not overturned. */
static void settle(struct wh_health *h, struct wh_round *r, unsigned target, enum wh_target_result result,
		   uint64_t now_ns)
{
	struct wh_target_health *t = &h->targets[target];

	r->open &= (uint16_t)~TARGET_BIT(target);
	t->busy_ns = 0;
	if (result == WH_TARGET_UNKNOWN || r->sent_ns < t->last_sent_ns)
		return;
	t->last = result;
	t->last_ns = now_ns;
	t->last_sent_ns = r->sent_ns;
}

static struct wh_verdict judge(const struct wh_health *h, struct wh_round *r)
{
	unsigned all = wh_health_targets(h);
	bool enough = wh_health_good_targets(h) >= (h->profile.quorum < all ? h->profile.quorum : all);
	struct wh_verdict verdict = {.sent_ns = r->sent_ns};

	if (r->judged || !r->sent)
		return verdict;
	if (enough && r->answered)
		verdict.kind = WH_VERDICT_GOOD;
	else if (r->open)
		return verdict;
	else if (!enough)
		verdict.kind = WH_VERDICT_BAD;
	r->judged = true;
	return verdict;
}

static struct wh_round *round_of(struct wh_health *h, unsigned target, uint32_t seq)
{
	for (unsigned i = 0; i < WH_ROUNDS; i++) {
		struct wh_round *r = &h->rounds[i];

		if (r->sent & TARGET_BIT(target) && r->seq[target] == seq)
			return r;
	}
	return NULL;
}

static void answered(struct wh_health *h, struct wh_round *r, unsigned target, uint64_t rtt_ns, uint64_t now_ns)
{
	struct wh_target_health *t = &h->targets[target];

	settle(h, r, target, WH_TARGET_OK, now_ns);
	r->answered |= TARGET_BIT(target);
	wh_meter_answered(&h->meter, r->sent_ns);
	wh_meter_rtt(&h->meter, rtt_ns, t->rtt_ns);
	t->rtt_ns = rtt_ns ? rtt_ns : 1;
	wh_window_add(&h->windows[target], r->sent_ns, t->rtt_ns);
}

static void lost(struct wh_health *h, struct wh_round *r, unsigned target, uint64_t now_ns)
{
	settle(h, r, target, WH_TARGET_BAD, now_ns);
	wh_meter_lost(&h->meter, r->sent_ns);
	wh_window_add(&h->windows[target], r->sent_ns, 0);
}

static void answered_late(struct wh_health *h, struct wh_round *r, unsigned target, uint64_t rtt_ns, uint64_t now_ns)
{
	if (r->open & TARGET_BIT(target)) {
		lost(h, r, target, now_ns);
		judge(h, r); /* a bad round perhaps, but this answer clears the count of those */
	}
	r->sent &= (uint16_t)~TARGET_BIT(target); /* once is enough */
	/* The next timeouts must know of it, or a way that has grown slow would look dead for ever. */
	wh_meter_rtt(&h->meter, rtt_ns, 0);
}

struct wh_verdict wh_health_result(struct wh_health *h, unsigned target, uint32_t seq, enum wh_probe_status status,
				   uint64_t rtt_ns, uint64_t now_ns)
{
	const struct wh_verdict none = {.kind = WH_VERDICT_NONE}, late = {.kind = WH_VERDICT_LATE};
	struct wh_round *r = target < h->profile.n_targets ? round_of(h, target, seq) : NULL;
	bool in_time;

	if (!r)
		return status == WH_PROBE_ANSWERED ? late : none;
	if (r->answered & TARGET_BIT(target))
		return none; /* a duplicate */
	/* By the prober's clock: that we read it late is not the WAN's fault. */
	in_time = r->open & TARGET_BIT(target) && rtt_ns <= r->deadline_ns - r->sent_ns;
	if (status == WH_PROBE_ANSWERED && !in_time) {
		answered_late(h, r, target, rtt_ns, now_ns);
		return late;
	}
	if (!in_time)
		return none;
	if (status == WH_PROBE_ANSWERED) {
		answered(h, r, target, rtt_ns, now_ns);
	} else if (status == WH_PROBE_REFUSED) {
		settle(h, r, target, WH_TARGET_BAD, now_ns);
	} else {
		settle(h, r, target, WH_TARGET_UNKNOWN, now_ns);
		r->sent &= (uint16_t)~TARGET_BIT(target);
	}
	return judge(h, r);
}

struct wh_verdict wh_health_expire(struct wh_health *h, uint64_t now_ns)
{
	struct wh_verdict verdict = {.kind = WH_VERDICT_NONE};

	for (unsigned n = 0; n < WH_ROUNDS && verdict.kind == WH_VERDICT_NONE; n++) {
		struct wh_round *r = &h->rounds[(h->next_round + n) % WH_ROUNDS]; /* the oldest first */

		if (!r->open || now_ns < r->deadline_ns)
			continue;
		for (unsigned i = 0; i < h->profile.n_targets; i++)
			if (r->open & TARGET_BIT(i))
				lost(h, r, i, now_ns);
		verdict = judge(h, r);
	}
	return verdict;
}

uint64_t wh_health_next(const struct wh_health *h)
{
	uint64_t next_ns = h->burst ? h->burst_due_ns : UINT64_MAX;

	for (unsigned i = 0; i < h->profile.n_targets && !h->burst; i++) {
		uint64_t due_ns = h->due_ns[h->profile.targets[i].kind];

		if (h->own & TARGET_BIT(i) && due_ns < next_ns)
			next_ns = due_ns;
	}
	for (unsigned i = 0; i < WH_ROUNDS; i++)
		if (h->rounds[i].open && h->rounds[i].deadline_ns < next_ns)
			next_ns = h->rounds[i].deadline_ns;
	return next_ns;
}

void wh_health_figures(const struct wh_health *h, uint64_t now_ns, struct wh_figures *out)
{
	bool good = wh_health_good_targets(h) > 0;
	uint32_t n_answered, n_lost;

	wh_meter_window(&h->meter, now_ns, &n_answered, &n_lost);
	out->rtt_ms = good ? (double)h->meter.srtt_ns / (double)WH_NS_PER_MS : NAN;
	out->jitter_ms = good && h->meter.gaps ? (double)h->meter.jitter_ns / (double)WH_NS_PER_MS : NAN;
	out->loss_ratio = n_answered + n_lost ? (double)n_lost / (double)(n_answered + n_lost) : NAN;
}

void wh_health_best(const struct wh_health *h, uint64_t now_ns, unsigned least, struct wh_window_figures *out)
{
	struct wh_window_figures of;

	*out = (struct wh_window_figures){.rtt_ms = NAN, .jitter_ms = NAN, .loss_ratio = NAN};
	for (unsigned i = 0; i < h->profile.n_targets; i++) {
		if (!(h->own & TARGET_BIT(i)))
			continue;
		wh_window_figures(&h->windows[i], now_ns, &of);
		if (of.samples > out->samples)
			out->samples = of.samples;
		if (of.samples < least)
			continue;
		/* What is not a number is more than any. */
		out->rtt_ms = fmin(out->rtt_ms, of.rtt_ms);
		out->jitter_ms = fmin(out->jitter_ms, of.jitter_ms);
		out->loss_ratio = fmin(out->loss_ratio, of.loss_ratio);
	}
}
