/* SPDX-License-Identifier: GPL-2.0 */
/*
 * failback.h: when a class's new flows go back to a WAN that is fit again, which flows follow that it had left behind,
 * and how long flows wait on one that is dead.  Pure.  standing.c says which WANs are fit and asks here which of them
 * are held back; masks.c makes words for the data plane of the rest; states.c and standing.c let time pass here.
 *
 *	in use	the class uses it as standing.c has it
 *	out	unfit for the class: its state, its quota, the class's limits
 *	held	fit again, and `hold` runs: counted from when it worked again
 *	waits	fit again, and the mode is manual, or window outside of it
 *
 * What waits is taken back by hand, by its window, or when a WAN in use fails; what is held is not, but serves where
 * nothing else does.  A WAN behind those in use does not wait: no flow would go to it.
 */
#ifndef WANHELM_MODEL_FAILBACK_H
#define WANHELM_MODEL_FAILBACK_H

#include <stdbool.h>
#include <stdint.h>
#include <wanhelm/steer.h>

/*
 * For so long after a return flows that can move without harm are told to: whoever has said nothing within the
 * longest idle time but TCP's (WH_TIMER_OTHER) is gone.
 */
#define WH_FAILBACK_MOVE_NS 600000000000ULL
/* For so long after the last flow has become too old it is still looked for. */
#define WH_FAILBACK_LATE_NS 75000000000ULL

#define WH_WEEK_MINUTES (7 * 24 * 60)
#define WH_MINUTE_UNKNOWN WH_WEEK_MINUTES /* the clock was never set: no window is open */

struct wh_model;
struct wh_conf_failback;

enum wh_back_state { WH_BACK_IN_USE, WH_BACK_OUT, WH_BACK_HELD, WH_BACK_WAITS };

/* One WAN, of one class and family. */
struct wh_back {
	enum wh_back_state state;
	const char *away;     /* why it was out, in a word: the cause of its return */
	uint64_t returned_ns; /* when it was last taken into use again; 0: never */
};

/* All WANs of one class and family, by number; masks have a bit for each. */
struct wh_class_back {
	struct wh_back wans[WH_MAX_WANS];
	uint8_t first;	/* those that take new flows, of the best tier only */
	uint8_t held;	/* keep their flows, alive or (still) not: `hold` of on-failover */
	uint8_t leave;	/* some of their flows are to leave for a better WAN that has come back */
	uint8_t behind; /* those of them in a lower tier than that: no flow belongs there */
};

/* Let time pass.  Calls m->on_return for what is taken into use again. */
void wh_failback_pass(struct wh_model *m, uint64_t now_ns);

/* The class's WANs in that state. */
uint8_t wh_failback_in(const struct wh_model *m, unsigned class, enum wh_family family, enum wh_back_state state);

/* Its recovering WANs that it uses already, because its own hold is shorter than theirs. */
uint8_t wh_failback_early(const struct wh_model *m, unsigned class, enum wh_family family);

/* Whether a window is open at that minute of the week (local time, from Sunday 0:00), or WH_MINUTE_UNKNOWN. */
bool wh_failback_is_open(const struct wh_conf_failback *conf, unsigned minute);

#endif
