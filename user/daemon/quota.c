/* SPDX-License-Identifier: GPL-2.0 */
/*
 * quota.c: how much of its month a WAN has used: all bytes, both directions, probes included.  The accounts stand in
 * STATE_DIR/quota.json; beside each stands what the counters were, so that a restart counts on where it stopped, and
 * what passed while no controller ran is counted too.  What an account means, and when it ends, is model/quota.h's.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/daemon.h"
#include "daemon/kept.h"
#include "lib/clock.h"

#define QUOTA_FILE "quota.json"
#define SAVE_EVERY_NS (60 * WH_NS_PER_S)

/* The WAN's quota, where it has one and months can be told. */
static const struct wh_conf_quota *quota_of(const struct wh_daemon *d, unsigned wan, time_t now)
{
	const struct wh_conf_quota *quota = d->conf_of[wan] < 0 ? NULL : &d->config.wans[d->conf_of[wan]].quota;

	return quota && quota->limit_bytes && now >= WH_CLOCK_IS_SET_S ? quota : NULL;
}

/* --- what survives a restart ------------------------------------------------------------------------------------ */

void wh_quota_save(struct wh_daemon *d)
{
	json_t *all = json_object();

	d->accounts_saved_ns = wh_now_ns();
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		const struct wh_account *a = &d->accounts[wan];

		if (d->conf_of[wan] < 0 || !a->period_s)
			continue;
		json_object_set_new(all, d->config.wans[d->conf_of[wan]].name,
				    json_pack("{s:I,s:I,s:I,s:b}", "period_s", (json_int_t)a->period_s, "used_bytes",
					      (json_int_t)a->used_bytes, "counter", (json_int_t)a->counter, "warned",
					      a->warned));
	}
	if (json_object_size(all))
		wh_kept_save(d->state_dir, QUOTA_FILE, all, "the quotas' accounts");
	else
		json_decref(all);
}

static struct wh_account account_of(const json_t *kept)
{
	return (struct wh_account){
		.period_s = (uint64_t)json_integer_value(json_object_get(kept, "period_s")),
		.used_bytes = (uint64_t)json_integer_value(json_object_get(kept, "used_bytes")),
		.counter = (uint64_t)json_integer_value(json_object_get(kept, "counter")),
		.warned = json_is_true(json_object_get(kept, "warned")),
	};
}

/* --- the account ------------------------------------------------------------------------------------------------ */

static void count(struct wh_account *a, const struct wh_counters *total)
{
	wh_quota_count(a, total->tx_bytes + total->rx_bytes);
}

static void tell(struct wh_daemon *d, unsigned wan, const char *cause)
{
	const struct wh_conf_quota *quota = &d->config.wans[d->conf_of[wan]].quota;
	struct wh_record record = WH_RECORD_EMPTY;
	char evidence[96];

	snprintf(evidence, sizeof(evidence), "%.3f of %.3f GB used", (double)d->accounts[wan].used_bytes / 1e9,
		 (double)quota->limit_bytes / 1e9);
	record.event = "quota";
	record.wan = d->wans[wan].name;
	record.cause = cause;
	record.evidence = evidence;
	wh_tell(d, &record);
	wh_quota_save(d);
}

static void watch(struct wh_daemon *d, unsigned wan, const struct wh_conf_quota *quota, const struct wh_counters *total,
		  uint64_t now_s)
{
	struct wh_account *a = &d->accounts[wan];
	enum wh_quota_verdict verdict;

	/* What passed before this second is the old month's. */
	count(a, total);
	if (wh_quota_enter(a, now_s, quota->reset_day))
		tell(d, wan, "reset");
	if (wh_quota_warns(a, quota))
		tell(d, wan, "warning");
	verdict = wh_quota_verdict_of(a, quota);
	if (verdict == d->model.wans[wan].quota)
		return;
	wh_model_quota(&d->model, wan, verdict);
	wh_flip(d);
	if (verdict != WH_QUOTA_FREE)
		tell(d, wan, verdict == WH_QUOTA_BLOCKED ? "block" : "avoid");
}

/* Who is new begins now; and at our start what is used up is so before the first packet. */
static void begin(struct wh_daemon *d)
{
	struct wh_counters totals[WH_MAX_WANS];
	time_t now = time(NULL);

	if (wh_tables_totals(&d->tables, WH_CLASSES_AND_PROBES, totals))
		return;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		const struct wh_conf_quota *quota = quota_of(d, wan, now);
		struct wh_account *a = &d->accounts[wan];

		if (!quota)
			continue;
		/* Now, as counters that begin anew with the maps are soon more than they were. */
		count(a, &totals[wan]);
		if (!a->period_s)
			wh_quota_enter(a, (uint64_t)now, quota->reset_day);
		if (!d->turn_timer)
			wh_model_quota(&d->model, wan, wh_quota_verdict_of(a, quota));
	}
}

void wh_quota_load(struct wh_daemon *d)
{
	json_t *all = wh_kept_load(d->state_dir, QUOTA_FILE, "the month's traffic so far is not known");

	/* A number may be another WAN's now, so that who is not in the file begins anew. */
	for (unsigned wan = 0; all && wan < WH_MAX_WANS; wan++)
		d->accounts[wan] = account_of(
			d->conf_of[wan] < 0 ? NULL : json_object_get(all, d->config.wans[d->conf_of[wan]].name));
	json_decref(all);
	begin(d);
}

void wh_quota_watch(struct wh_daemon *d)
{
	struct wh_counters totals[WH_MAX_WANS];
	time_t now = time(NULL);

	if (wh_tables_totals(&d->tables, WH_CLASSES_AND_PROBES, totals))
		return;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		const struct wh_conf_quota *quota = quota_of(d, wan, now);

		if (quota)
			watch(d, wan, quota, &totals[wan], (uint64_t)now);
		else
			wh_model_quota(&d->model, wan, WH_QUOTA_FREE);
	}
	if (wh_now_ns() > d->accounts_saved_ns + SAVE_EVERY_NS)
		wh_quota_save(d);
}

void wh_quota_end(struct wh_daemon *d)
{
	struct wh_counters totals[WH_MAX_WANS];
	bool known = !wh_tables_totals(&d->tables, WH_CLASSES_AND_PROBES, totals);
	time_t now = time(NULL);

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (known && quota_of(d, wan, now))
			count(&d->accounts[wan], &totals[wan]);
	}
	wh_quota_save(d);
}
