/* SPDX-License-Identifier: GPL-2.0 */
/*
 * overrides.c: the hand.  The verb itself stands in wh_steer, where it outlives the controller; its end, its
 * reason, and all of it for the time after a reboot, stand in STATE_DIR/overrides.json.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/daemon.h"
#include "daemon/kept.h"
#include "kern/words.h"
#include "lib/clock.h"
#include "lib/text.h"

#define OVERRIDES_FILE "overrides.json"

static const char *name_of(const struct wh_daemon *d, unsigned wan)
{
	return d->config.wans[d->conf_of[wan]].name; /* the row may not be written yet */
}

static json_t *to_json(const struct wh_daemon *d)
{
	json_t *all = json_object();

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		enum wh_hand_verb verb = wh_tables_hand_of(&d->tables, wan);

		if (d->conf_of[wan] < 0 || verb == WH_HAND_AUTO)
			continue;
		json_object_set_new(all, name_of(d, wan),
				    json_pack("{s:s, s:I, s:s}", "verb", wh_word_of_hand(verb), "until_s",
					      (json_int_t)d->overrides[wan].until_s, "reason",
					      d->overrides[wan].reason));
	}
	return all;
}

static void save(const struct wh_daemon *d)
{
	wh_kept_save(d->state_dir, OVERRIDES_FILE, to_json(d), "overrides for the time after a reboot");
}

static void tell(struct wh_daemon *d, unsigned wan, enum wh_hand_verb verb, const char *reason)
{
	struct wh_record record = WH_RECORD_EMPTY;
	char evidence[WH_REASON_LEN + 32];

	snprintf(evidence, sizeof(evidence), "%s%s%s", wh_word_of_hand(verb), reason[0] ? ": " : "", reason);
	record.event = "override";
	record.wan = name_of(d, wan);
	record.cause = "hand";
	record.evidence = evidence;
	wh_tell(d, &record);
}

int wh_overrides_set(struct wh_daemon *d, unsigned wan, enum wh_hand_verb verb, uint64_t for_s, const char *reason)
{
	struct wh_override *o = &d->overrides[wan];

	memset(o, 0, sizeof(*o));
	if (verb != WH_HAND_AUTO) {
		o->until_s = for_s ? (uint64_t)time(NULL) + for_s : 0;
		snprintf(o->reason, sizeof(o->reason), "%s", reason);
		wh_trim_utf8(o->reason);
	}
	wh_tables_set_hand(&d->tables, wan, verb);
	tell(d, wan, verb, reason);
	wh_model_hand(&d->model, wan, verb, reason, wh_now_ns());
	wh_flip(d);
	save(d);
	return 0;
}

void wh_overrides_watch(struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		enum wh_hand_verb verb = wh_tables_hand_of(&d->tables, wan);

		if (d->conf_of[wan] >= 0 && verb != d->model.wans[wan].hand)
			wh_overrides_set(d, wan, verb, 0, "written into the map");
	}
}

/* One WAN: the word in the map wins; after a reboot there is none yet, and the file says what it was. */
static void load_one(struct wh_daemon *d, unsigned wan, const json_t *kept)
{
	enum wh_hand_verb verb = wh_tables_hand_of(&d->tables, wan);
	const char *reason = json_string_value(json_object_get(kept, "reason"));
	enum wh_hand_verb saved = WH_HAND_AUTO;
	uint64_t until_s = (uint64_t)json_integer_value(json_object_get(kept, "until_s"));

	wh_hand_of_word(json_string_value(json_object_get(kept, "verb")), &saved);
	if (!d->adopted && !d->turn_timer && saved != WH_HAND_AUTO && (!until_s || until_s > (uint64_t)time(NULL)))
		verb = saved;
	if (verb != WH_HAND_AUTO && verb == saved) {
		d->overrides[wan].until_s = until_s;
		snprintf(d->overrides[wan].reason, sizeof(d->overrides[wan].reason), "%s", reason ? reason : "");
	}
	wh_tables_set_hand(&d->tables, wan, verb);
	wh_model_hand(&d->model, wan, verb, d->overrides[wan].reason, wh_now_ns());
}

void wh_overrides_load(struct wh_daemon *d)
{
	json_t *all = wh_kept_load(d->state_dir, OVERRIDES_FILE, "overrides from before a reboot are forgotten");

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->conf_of[wan] >= 0)
			load_one(d, wan, json_object_get(all, name_of(d, wan)));
	}
	json_decref(all);
}

void wh_overrides_expire(struct wh_daemon *d)
{
	uint64_t now_s = (uint64_t)time(NULL);

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->conf_of[wan] >= 0 && d->overrides[wan].until_s && d->overrides[wan].until_s <= now_s)
			wh_overrides_set(d, wan, WH_HAND_AUTO, 0, "its time is over");
	}
}
