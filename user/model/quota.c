/* SPDX-License-Identifier: GPL-2.0 */
/* quota.c: see quota.h. */
#include "model/quota.h"

#include <time.h>

#define DAY_S 86400
/* From the beginning of one month to the next it is 28 days at least, less an hour where clocks are put forward. */
#define MONTH_LEAST_S (27 * DAY_S)

static int days_in(int year, int month)
{
	struct tm day = {.tm_year = year, .tm_mon = month + 1, .tm_mday = 0, .tm_hour = 12, .tm_isdst = -1};

	mktime(&day);
	return day.tm_mday;
}

/* Where clocks are put forward at midnight there is none that day: mktime() gives the first second after. */
static time_t reset_in(int year, int month, unsigned reset_day)
{
	struct tm midnight = {.tm_year = year, .tm_mon = month, .tm_isdst = -1};
	int last = days_in(year, month);

	midnight.tm_mday = (int)reset_day < last ? (int)reset_day : last;
	return mktime(&midnight);
}

uint64_t wh_quota_period(uint64_t now_s, unsigned reset_day)
{
	time_t now = (time_t)now_s, begun;
	struct tm local;

	localtime_r(&now, &local);
	begun = reset_in(local.tm_year, local.tm_mon, reset_day);
	if (begun > now)
		begun = local.tm_mon ? reset_in(local.tm_year, local.tm_mon - 1, reset_day)
				     : reset_in(local.tm_year - 1, 11, reset_day);
	return (uint64_t)begun;
}

void wh_quota_count(struct wh_account *a, uint64_t counter)
{
	if (a->period_s)
		a->used_bytes += counter >= a->counter ? counter - a->counter : counter;
	a->counter = counter;
}

bool wh_quota_enter(struct wh_account *a, uint64_t now_s, unsigned reset_day)
{
	uint64_t period_s = wh_quota_period(now_s, reset_day);
	bool another = a->period_s && period_s >= a->period_s + MONTH_LEAST_S;

	a->period_s = period_s;
	if (!another)
		return false;
	a->used_bytes = 0;
	a->warned = false;
	return true;
}

enum wh_quota_verdict wh_quota_verdict_of(const struct wh_account *a, const struct wh_conf_quota *quota)
{
	if (a->used_bytes < quota->limit_bytes)
		return WH_QUOTA_FREE;
	return quota->action == WH_QUOTA_BLOCK ? WH_QUOTA_BLOCKED : WH_QUOTA_AVOIDED;
}

bool wh_quota_warns(struct wh_account *a, const struct wh_conf_quota *quota)
{
	if (a->warned || a->used_bytes < quota->limit_bytes / 100 * quota->warn_percent)
		return false;
	a->warned = true;
	return true;
}
