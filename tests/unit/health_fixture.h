/* SPDX-License-Identifier: GPL-2.0 */
/* health_fixture.h: the probes of one WAN and family, and their answers, for the tests of model/health.h. */
#ifndef WANHELM_TESTS_HEALTH_FIXTURE_H
#define WANHELM_TESTS_HEALTH_FIXTURE_H

#include "model_fixture.h"

static struct wh_health health;
static struct wh_probe_order orders[WH_MAX_TARGETS]; /* the last ones sent */
static uint32_t seq, seed;

static inline void start_health(const struct wh_conf_profile *p, enum wh_family family)
{
	seq = 7;
	seed = 42;
	memset(&health, 0, sizeof(health));
	wh_health_configure(&health, p, family, START);
	wh_health_start(&health, START);
}

static inline unsigned send_at(uint64_t now_ns)
{
	return wh_health_send(&health, now_ns, &seq, &seed, orders, WH_MAX_TARGETS);
}

static inline enum wh_verdict_kind answer(unsigned target, uint32_t of, uint64_t rtt_ns, uint64_t now_ns)
{
	return wh_health_result(&health, target, of, WH_PROBE_ANSWERED, rtt_ns, now_ns).kind;
}

static inline enum wh_verdict_kind expire(uint64_t now_ns)
{
	return wh_health_expire(&health, now_ns).kind;
}

#endif
