/* SPDX-License-Identifier: GPL-2.0 */
/*
 * verbs.c: what the controller does when the command asks it (ctl/ctl.h): one handler a verb.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/metrics.h"
#include "kern/words.h"
#include "lib/clock.h"
#include "lib/text.h"
#include "lib/timestamp.h"
#include "model/states.h"

static json_t *on_status(void *arg, const json_t *request)
{
	(void)request;
	return wh_status(arg);
}

/* The number of the WAN that the request names, or -1 and *error says so. */
static int named_wan(const struct wh_daemon *d, const json_t *request, json_t **error)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	const char *names[WH_MAX_WANS + 1] = {0}, *near;
	unsigned wan = wh_wan_named(d, name);

	if (!name) {
		*error = wh_control_error(WH_CONTROL_USAGE, "wan: its name is missing");
		return -1;
	}
	if (wan != WH_WAN_NONE)
		return (int)wan;
	for (unsigned i = 0; i < d->config.n_wans; i++)
		names[i] = d->config.wans[i].name;
	near = wh_nearest(name, names);
	*error = wh_control_error(WH_CONTROL_FAILED, "wan: no WAN is called \"%s\"%s%s%s", name,
				  near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return -1;
}

static json_t *on_wan_show(void *arg, const json_t *request)
{
	json_t *error = NULL, *shown;
	int wan = named_wan(arg, request, &error);

	if (wan < 0)
		return error;
	shown = wh_status_wan(arg, (unsigned)wan);
	return shown ? json_pack("{s:o}", "wan", shown)
		     : wh_control_error(WH_CONTROL_FAILED, "wan: it is being set up");
}

/* --- the hand --------------------------------------------------------------------------------------------- */

/* What a careful person would want to be asked before; NULL: nothing. */
static json_t *ask_first(const struct wh_daemon *d, const json_t *request, unsigned wan, enum wh_hand_verb verb)
{
	const char *ssh = json_string_value(json_object_get(request, "ssh_address"));
	char why[128];

	if (json_is_true(json_object_get(request, "yes")) ||
	    !wh_tables_hand_risk(&d->tables, wan, verb, ssh, why, sizeof(why)))
		return NULL;
	return wh_control_error(WH_CONTROL_FAILED, "wan: %s; say --yes if you mean it", why);
}

/* What the verb would do, in words, without doing it. */
static json_t *foretell(const struct wh_daemon *d, unsigned wan, enum wh_hand_verb verb)
{
	const uint8_t working = d->stored.alive.alive4 | d->stored.alive.alive6;
	unsigned long long flows = d->flows_on[wan];
	char text[256];

	if (verb == WH_HAND_DOWN && !(working & ~(1U << wan)))
		snprintf(text, sizeof(text), "no other WAN works: the %llu flows on %s would stay where they are",
			 flows, d->wans[wan].name);
	else if (verb == WH_HAND_DOWN)
		snprintf(text, sizeof(text), "%llu flows would leave %s: translated TCP sessions by a reset", flows,
			 d->wans[wan].name);
	else if (verb == WH_HAND_DRAIN)
		snprintf(text, sizeof(text), "%llu flows would stay on %s, and no new ones would come", flows,
			 d->wans[wan].name);
	else
		snprintf(text, sizeof(text), "no flow would move: %s would take new ones%s", d->wans[wan].name,
			 verb == WH_HAND_UP ? ", whatever its probes say" : " if its probes say so");
	return json_pack("{s:s,s:b}", "message", text, "dry_run", 1);
}

/* What even the hand does not change: "; backups never uses it". */
static void append_never(const struct wh_daemon *d, unsigned wan, char *text, size_t len)
{
	for (unsigned i = 0; i < d->config.n_classes; i++) {
		size_t used = strlen(text);

		if (d->config.classes[i].never & (1U << d->conf_of[wan]))
			snprintf(text + used, len - used, "; %s never uses it", d->config.classes[i].name);
	}
}

static json_t *on_hand(void *arg, const json_t *request)
{
	const char *reason = json_string_value(json_object_get(request, "reason"));
	const char *word = json_string_value(json_object_get(request, "hand"));
	json_int_t for_s = json_integer_value(json_object_get(request, "for_s"));
	enum wh_hand_verb verb;
	struct wh_daemon *d = arg;
	json_t *error = NULL;
	char text[512];
	int wan;

	wan = named_wan(d, request, &error);
	if (wan < 0)
		return error;
	if (wh_hand_of_word(word, &verb))
		return wh_control_error(WH_CONTROL_USAGE, "wan: \"%s\" is none of down, up, drain, auto",
					word ? word : "");
	if (for_s < 0)
		return wh_control_error(WH_CONTROL_USAGE, "wan: --for must be positive");
	if (json_is_true(json_object_get(request, "dry_run")))
		return foretell(d, (unsigned)wan, verb);
	error = ask_first(d, request, (unsigned)wan, verb);
	if (error)
		return error;
	wh_overrides_set(d, (unsigned)wan, verb, (uint64_t)for_s, reason ? reason : "");
	if (verb == WH_HAND_AUTO)
		snprintf(text, sizeof(text), "%s follows its probes again", d->wans[wan].name);
	else
		snprintf(text, sizeof(text), "%s: %s by hand%s", d->wans[wan].name, word, for_s ? ", for a time" : "");
	if (verb == WH_HAND_UP)
		append_never(d, (unsigned)wan, text, sizeof(text));
	return json_pack("{s:s}", "message", text);
}

static json_t *on_failback(void *arg, const json_t *request)
{
	struct wh_daemon *d = arg;
	json_t *error = NULL;
	int wan = named_wan(d, request, &error);
	const struct wh_wan_model *w;
	char text[256];
	bool taken;

	if (wan < 0)
		return error;
	w = &d->model.wans[wan];
	taken = wh_model_failback(&d->model, (unsigned)wan, wh_now_ns());
	wh_flip(d);
	if (!taken && !wh_state_is_fresh(wh_wan_shown(w)))
		return wh_control_error(WH_CONTROL_FAILED, "failback: %s cannot be used now: %s: %s", w->name,
					wh_word_of_state(wh_wan_shown(w)), w->of[wh_wan_shown_family(w)].reason);
	snprintf(text, sizeof(text), taken ? "%s is used again" : "there was nothing to take back: %s is not held back",
		 w->name);
	return json_pack("{s:s}", "message", text);
}

/* --- the rest --------------------------------------------------------------------------------------------- */

static json_t *on_events(void *arg, const json_t *request)
{
	const char *since = json_string_value(json_object_get(request, "since"));
	const struct wh_daemon *d = arg;
	uint64_t since_ns = 0;

	if (since && wh_timestamp_parse(since, &since_ns))
		return wh_control_error(WH_CONTROL_USAGE, "events: \"%s\" is no time", since);
	return json_pack("{s:o}", "events", wh_records_since(d->records, since_ns));
}

static json_t *on_reload(void *arg, const json_t *request)
{
	struct wh_daemon *d = arg;
	char error[1024];

	(void)request;
	if (wh_daemon_reload(d, error, sizeof(error)))
		return wh_control_error(WH_CONTROL_USAGE, "%s", error);
	return json_pack("{s:s}", "message", "reloaded");
}

static json_t *on_stop(void *arg, const json_t *request)
{
	struct wh_daemon *d = arg;
	int err = wh_unload(d->bpf_dir);

	(void)request;
	if (err)
		return wh_control_error(WH_CONTROL_FAILED, "stop: %s: %s", d->bpf_dir, strerror(-err));
	event_base_loopbreak(d->base); /* the answer goes out when the control is stopped */
	return json_pack("{s:s}", "message", "everything is detached, and the pins are removed");
}

static json_t *on_metrics(void *arg, const json_t *request)
{
	json_t *status = wh_status(arg), *answer = NULL;
	char *text = wh_metrics_text(status);

	(void)request;
	if (text)
		answer = json_pack("{s:s}", "text", text);
	free(text);
	json_decref(status);
	return answer;
}

const struct wh_control_handler wh_verbs[] = {
	{"status", on_status, true, false},
	{"wan-show", on_wan_show, true, false},
	{"hand", on_hand, false, false},
	{"failback", on_failback, false, false},
	{"class-pin", wh_classes_on_pin, false, false},
	{"class-auto", wh_classes_on_auto, false, false},
	{"explain", wh_explain_flow, false, false},
	{"events", on_events, true, true},
	{"reload", on_reload, false, false},
	{"stop", on_stop, false, false},
	{"metrics", on_metrics, true, false},
	{},
};
