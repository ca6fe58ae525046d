/* SPDX-License-Identifier: GPL-2.0 */
/*
 * status.c: the status object: what the tables tell (ctl/table_status.h), and over it what only a running
 * controller knows.
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "ctl/table_status.h"
#include "daemon/daemon.h"
#include "lib/clock.h"
#include "model/standing.h"

static json_t *real_or_null(double value)
{
	return isnan(value) ? json_null() : json_real(value);
}

static void put_rates(const struct wh_daemon *d, unsigned wan, json_t *out)
{
	json_object_set_new(out, "tx_bps", real_or_null(d->throughput[wan].tx_bps));
	json_object_set_new(out, "rx_bps", real_or_null(d->throughput[wan].rx_bps));
}

/* What is used of the month's quota; nothing without one. */
static void put_quota(const struct wh_daemon *d, unsigned wan, json_t *out)
{
	const struct wh_conf_quota *quota = &d->config.wans[d->conf_of[wan]].quota;

	if (!quota->limit_bytes)
		return;
	json_object_set_new(out, "quota",
			    json_pack("{s:I,s:I}", "limit_bytes", (json_int_t)quota->limit_bytes, "used_bytes",
				      (json_int_t)d->accounts[wan].used_bytes));
}

/* What the model knows of one family, into the family's object or the WAN's. */
static void put_figures(const struct wh_family_model *model, json_t *out, uint64_t now_ns)
{
	struct wh_figures figures;

	wh_health_figures(&model->health, now_ns, &figures);
	json_object_set_new(out, "rtt_ms", real_or_null(figures.rtt_ms));
	json_object_set_new(out, "jitter_ms", real_or_null(figures.jitter_ms));
	json_object_set_new(out, "loss_ratio", real_or_null(figures.loss_ratio));
	json_object_set_new(out, "reason", json_string(model->reason));
}

static void put_wan(struct wh_daemon *d, unsigned wan, json_t *out, uint64_t now_ns)
{
	const struct wh_wan_model *model = &d->model.wans[wan];

	put_figures(&model->of[wh_wan_shown_family(model)], out, now_ns);
	put_figures(&model->of[WH_V4], json_object_get(out, "v4"), now_ns);
	put_figures(&model->of[WH_V6], json_object_get(out, "v6"), now_ns);
	put_rates(d, wan, out);
	json_object_set_new(out, "accel", wh_wires_status(d, wan));
	if (d->conf_of[wan] >= 0)
		put_quota(d, wan, out);
}

/* What became of packets that the controller was handed; the data plane's own are in "drops". */
static json_t *slow_status(const struct wh_daemon *d)
{
	const struct wh_slow_counters *slow = wh_slow_counters(d->slow);

	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "fragmented", (json_int_t)slow->fragmented, "kept",
			 (json_int_t)slow->kept, "delivered", (json_int_t)slow->delivered, "expired",
			 (json_int_t)slow->expired, "evicted", (json_int_t)slow->evicted, "answers",
			 (json_int_t)slow->answers, "refused", (json_int_t)slow->refused);
}

static json_t *daemon_status(const struct wh_daemon *d, uint64_t now_ns)
{
	json_t *status = json_pack("{s:s,s:i,s:f,s:I,s:b}", "version", WH_VERSION, "pid", (int)getpid(), "uptime_s",
				   (double)(now_ns - d->started_ns) / 1e9, "heartbeat_age_ms",
				   (json_int_t)wh_tables_heartbeat_age_ms(&d->tables), "running", 1);
	const struct {
		const char *key;
		uint64_t count;
	} counts[] = {
		{"flips", d->tables.steer_rows[WH_STEER_GLOBAL].flips},
		{"netlink_overruns", wh_netlink_overruns(d->netlink)},
		{"reattachments", d->reattached},
		{"flow_limit", wh_tables_max_flows(&d->tables)},
		{"reloads_ok", d->reloads_ok},
		{"reloads_failed", d->reloads_failed},
	};

	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(status, counts[i].key, json_integer((json_int_t)counts[i].count));
	if (d->slow)
		json_object_set_new(status, "slow", slow_status(d));
	json_object_set_new(status, "names", wh_learn_status(d));
	return status;
}

/* Why each of a class's WANs does or does not take new flows: in its better family. */
static void put_class(const struct wh_daemon *d, unsigned class, json_t *out, uint64_t now_ns)
{
	unsigned pinned = d->model.classes[class].pinned;
	json_t *wan;
	size_t i;

	json_array_foreach(json_object_get(out, "wans"), i, wan) {
		unsigned number = wh_wan_named(d, json_string_value(json_object_get(wan, "name")));
		char why[160];

		if (number == WH_WAN_NONE)
			continue;
		wh_standing_text(&d->model, class, number, wh_wan_shown_family(&d->model.wans[number]), now_ns, why,
				 sizeof(why));
		json_object_set_new(wan, "why", json_string(why));
	}
	json_object_set_new(out, "pinned", pinned < WH_MAX_WANS ? json_string(d->wans[pinned].name) : json_null());
}

static void put_classes(const struct wh_daemon *d, json_t *classes, uint64_t now_ns)
{
	json_t *class;
	size_t i;

	json_array_foreach(classes, i, class) {
		for (unsigned c = 0; c < d->config.n_classes; c++) {
			if (!strcmp(d->config.classes[c].name, json_string_value(json_object_get(class, "name"))))
				put_class(d, c, class, now_ns);
		}
	}
}

json_t *wh_status(struct wh_daemon *d)
{
	json_t *status = wh_table_status(&d->tables, d->flows_on), *wan, *lan;
	uint64_t now_ns = wh_now_ns();
	size_t i;

	json_array_foreach(json_object_get(status, "wans"), i, wan) {
		put_wan(d, (unsigned)json_integer_value(json_object_get(wan, "index")), wan, now_ns);
	}
	json_array_foreach(json_object_get(status, "lans"), i, lan) {
		unsigned row = WH_WIRE_LAN + (unsigned)json_integer_value(json_object_get(lan, "index"));

		json_object_set_new(lan, "accel", wh_wires_status(d, row));
	}
	put_classes(d, json_object_get(status, "classes"), now_ns);
	json_object_set_new(status, "daemon", daemon_status(d, now_ns));
	return status;
}

static json_t *targets(const struct wh_daemon *d, unsigned wan, uint64_t now_ns)
{
	static const char *const words[] = {
		[WH_TARGET_UNKNOWN] = "unknown", [WH_TARGET_OK] = "good", [WH_TARGET_BAD] = "bad"};
	const struct wh_conf_profile *profile = &d->config.profiles[d->config.wans[d->conf_of[wan]].profile];
	json_t *all = json_array();

	for (unsigned i = 0; i < profile->n_targets; i++) {
		const struct wh_target_health *target =
			&d->model.wans[wan].of[profile->targets[i].addr.family].health.targets[i];
		bool known = target->last != WH_TARGET_UNKNOWN;

		json_array_append_new(
			all,
			json_pack("{s:s,s:s,s:o,s:o}", "target", profile->targets[i].text, "state", words[target->last],
				  "rtt_ms", real_or_null(target->rtt_ns ? (double)target->rtt_ns / 1e6 : NAN), "age_ms",
				  known ? json_integer((json_int_t)((now_ns - target->last_ns) / WH_NS_PER_MS))
					: json_null()));
	}
	return all;
}

json_t *wh_status_wan(struct wh_daemon *d, unsigned wan)
{
	json_t *status = wh_status(d), *row, *found = NULL;
	const struct wh_override *o = &d->overrides[wan];
	size_t i;

	json_array_foreach(json_object_get(status, "wans"), i, row) {
		if ((unsigned)json_integer_value(json_object_get(row, "index")) == wan)
			found = json_incref(row);
	}
	json_decref(status);
	if (!found)
		return NULL;
	json_object_set_new(found, "targets", targets(d, wan, wh_now_ns()));
	json_object_set_new(found, "mtu", json_integer(d->wans[wan].mtu));
	json_object_set_new(found, "weight", json_integer(d->wans[wan].weight));
	if (o->reason[0])
		json_object_set_new(found, "override_reason", json_string(o->reason));
	if (o->until_s)
		json_object_set_new(found, "override_until_s", json_integer((json_int_t)o->until_s));
	return found;
}
