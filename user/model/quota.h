/* SPDX-License-Identifier: GPL-2.0 */
/*
 * quota.h: the account of a WAN's month.  Pure: `now` is an argument, in seconds of the wall clock; months are those of
 * the local time zone (TZ).  daemon/quota.c counts, keeps and tells.
 */
#ifndef WANHELM_MODEL_QUOTA_H
#define WANHELM_MODEL_QUOTA_H

#include "model/model.h"

struct wh_account {
	uint64_t period_s; /* when the month began; 0: nothing was counted yet */
	uint64_t used_bytes;
	uint64_t counter; /* of all bytes, when used_bytes was last added to */
	bool warned;
};

/*
 * When the present month began: the first second of the last `reset_day` (1 to 31), which in a month that is shorter is
 * its last day.
 */
uint64_t wh_quota_period(uint64_t now_s, unsigned reset_day);

/*
 * Add what has passed since the last call; `counter` is of all bytes so far, and has begun anew where it is less than
 * it was.  An account that is new begins with what passes from now on.
 */
void wh_quota_count(struct wh_account *a, uint64_t counter);

/*
 * Be in the present month.  True: it is another than before, and nothing is used of it.  That the same month begins at
 * another time, because the time zone or the reset day was changed or the clock set back, leaves what is used.
 */
bool wh_quota_enter(struct wh_account *a, uint64_t now_s, unsigned reset_day);

/* What the account means for new flows. */
enum wh_quota_verdict wh_quota_verdict_of(const struct wh_account *a, const struct wh_conf_quota *quota);

/* Whether `warn` is reached; once a month. */
bool wh_quota_warns(struct wh_account *a, const struct wh_conf_quota *quota);

#endif
