/* SPDX-License-Identifier: GPL-2.0 */
/*
 * classes.c: a class's pin by hand, and what changes for a class.  The pin stands in the class's row of wh_steer, where
 * it outlives the controller; its end, and all of it for the time after a reboot, in STATE_DIR/class-pins.json.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/daemon.h"
#include "daemon/kept.h"
#include "kern/words.h"
#include "lib/text.h"

#define PINS_FILE "class-pins.json"

static volatile __u32 *word_of(struct wh_daemon *d, unsigned class)
{
	return &d->tables.steer_rows[d->class_number[class]].pin;
}

/* What the word says: a WAN number, or WH_WAN_NONE. */
static unsigned pin_in_word(__u32 word)
{
	return word && word <= WH_MAX_WANS ? word - 1 : WH_WAN_NONE;
}

static bool is_member(const struct wh_daemon *d, unsigned class, unsigned wan)
{
	return wh_conf_class_wans(&d->config.classes[class], d->number_of) & (1U << wan);
}

/* --- what survives a reboot ------------------------------------------------------------------------------------- */

static void save(const struct wh_daemon *d)
{
	json_t *all = json_object();

	for (unsigned class = 0; class < d->config.n_classes; class += 1) {
		unsigned wan = d->model.classes[class].pinned;

		if (wan >= WH_MAX_WANS || d->conf_of[wan] < 0)
			continue;
		json_object_set_new(all, d->config.classes[class].name,
				    json_pack("{s:s, s:I}", "wan", d->config.wans[d->conf_of[wan]].name, "until_s",
					      (json_int_t)d->class_pins[class].until_s));
	}
	wh_kept_save(d->state_dir, PINS_FILE, all, "the pins of classes for the time after a reboot");
}

/* One class: the word in the map wins; after a reboot there is none yet, and the file says what it was. */
static void load_one(struct wh_daemon *d, unsigned class, const json_t *kept)
{
	unsigned wan = pin_in_word(*word_of(d, class));
	unsigned saved = wh_wan_named(d, json_string_value(json_object_get(kept, "wan")));
	uint64_t until_s = (uint64_t)json_integer_value(json_object_get(kept, "until_s"));

	if (!d->adopted && !d->turn_timer && (!until_s || until_s > (uint64_t)time(NULL)))
		wan = saved;
	if (wan == WH_WAN_NONE || !is_member(d, class, wan))
		wan = WH_WAN_NONE;
	d->class_pins[class].until_s = wan == saved ? until_s : 0;
	*word_of(d, class) = wan == WH_WAN_NONE ? 0 : wan + 1;
	wh_model_pin(&d->model, class, wan);
}

void wh_classes_load(struct wh_daemon *d)
{
	json_t *all = wh_kept_load(d->state_dir, PINS_FILE, "pins from before a reboot are forgotten");

	for (unsigned class = 0; class < d->config.n_classes; class += 1)
		load_one(d, class, json_object_get(all, d->config.classes[class].name));
	json_decref(all);
}

/* --- the pin ---------------------------------------------------------------------------------------------------- */

void wh_classes_pin(struct wh_daemon *d, unsigned class, unsigned wan, uint64_t for_s)
{
	struct wh_record record = WH_RECORD_EMPTY;
	char evidence[WH_NAME_LEN + 32];

	d->class_pins[class].until_s = wan != WH_WAN_NONE && for_s ? (uint64_t)time(NULL) + for_s : 0;
	*word_of(d, class) = wan == WH_WAN_NONE ? 0 : wan + 1;
	wh_model_pin(&d->model, class, wan);
	wh_flip(d);
	snprintf(evidence, sizeof(evidence), "%s%s", wan == WH_WAN_NONE ? "auto" : "pinned to ",
		 wan == WH_WAN_NONE ? "" : d->wans[wan].name);
	record.event = "override";
	record.class = d->config.classes[class].name;
	record.wan = wan == WH_WAN_NONE ? NULL : d->wans[wan].name;
	record.cause = "hand";
	record.evidence = evidence;
	wh_tell(d, &record);
	save(d);
}

void wh_classes_watch(struct wh_daemon *d)
{
	uint64_t now_s = (uint64_t)time(NULL);

	for (unsigned class = 0; class < d->config.n_classes; class += 1) {
		unsigned wan = pin_in_word(*word_of(d, class)), believed = d->model.classes[class].pinned;

		if (d->class_pins[class].until_s && d->class_pins[class].until_s <= now_s)
			wh_classes_pin(d, class, WH_WAN_NONE, 0);
		else if (wan != believed && (wan == WH_WAN_NONE || is_member(d, class, wan)))
			wh_classes_pin(d, class, wan, 0);
		else if (wan != believed) /* by bpftool, to a WAN that the class never uses: told, and undone */
			wh_classes_pin(d, class, believed, 0);
	}
}

/* --- verbs ------------------------------------------------------------------------------------------------------ */

/* The index of the class that the request names, or -1 and *error says so. */
static int named_class(const struct wh_daemon *d, const json_t *request, json_t **error)
{
	const char *name = json_string_value(json_object_get(request, "class"));
	const char *names[WH_MAX_CLASSES + 1] = {0}, *near;

	if (!name) {
		*error = wh_control_error(WH_CONTROL_USAGE, "class: its name is missing");
		return -1;
	}
	for (unsigned i = 0; i < d->config.n_classes; i++) {
		names[i] = d->config.classes[i].name;
		if (!strcmp(names[i], name))
			return (int)i;
	}
	near = wh_nearest(name, names);
	*error = wh_control_error(WH_CONTROL_FAILED, "class: no class is called \"%s\"%s%s%s", name,
				  near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return -1;
}

/* Why the class cannot be pinned there; NULL: it can. */
static json_t *refuse_pin(const struct wh_daemon *d, unsigned class, unsigned wan, const char *name)
{
	const struct wh_conf_class *conf = &d->config.classes[class];

	if (wan == WH_WAN_NONE)
		return wh_control_error(WH_CONTROL_FAILED, "class pin: no WAN is called \"%s\"", name ? name : "");
	if (conf->never & (1U << d->conf_of[wan]))
		return wh_control_error(WH_CONTROL_FAILED,
					"class pin: %s never uses %s; its `never` in the configuration says so",
					conf->name, name);
	if (!is_member(d, class, wan))
		return wh_control_error(WH_CONTROL_FAILED, "class pin: %s is not among the WANs of %s", name,
					conf->name);
	return NULL;
}

json_t *wh_classes_on_pin(void *arg, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	json_int_t for_s = json_integer_value(json_object_get(request, "for_s"));
	struct wh_daemon *d = arg;
	unsigned wan = wh_wan_named(d, name);
	json_t *error = NULL;
	int class = named_class(d, request, &error);
	char text[160];

	if (class < 0)
		return error;
	if (for_s < 0)
		return wh_control_error(WH_CONTROL_USAGE, "class pin: --for must be positive");
	error = refuse_pin(d, (unsigned)class, wan, name);
	if (error)
		return error;
	wh_classes_pin(d, (unsigned)class, wan, (uint64_t)for_s);
	snprintf(text, sizeof(text), "%s: new flows go by %s as long as it is fit%s", d->config.classes[class].name,
		 name, for_s ? ", for a time" : "");
	return json_pack("{s:s}", "message", text);
}

json_t *wh_classes_on_auto(void *arg, const json_t *request)
{
	struct wh_daemon *d = arg;
	json_t *error = NULL;
	int class = named_class(d, request, &error);
	char text[128];

	if (class < 0)
		return error;
	wh_classes_pin(d, (unsigned)class, WH_WAN_NONE, 0);
	snprintf(text, sizeof(text), "%s follows its configuration again", d->config.classes[class].name);
	return json_pack("{s:s}", "message", text);
}

/* --- what is told ----------------------------------------------------------------------------------------------- */

void wh_classes_on_change(void *arg, const struct wh_class_change *change)
{
	struct wh_record record = WH_RECORD_EMPTY;
	struct wh_daemon *d = arg;
	char evidence[192];

	wh_flip(d);
	snprintf(evidence, sizeof(evidence), "%s: %s", wh_word_of_family(change->family), change->evidence);
	record.event = "state";
	record.wan = d->wans[change->wan].name;
	record.class = d->config.classes[change->class].name;
	record.cause = change->cause;
	record.evidence = evidence;
	wh_tell(d, &record);
}
