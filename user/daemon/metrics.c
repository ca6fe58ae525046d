/* SPDX-License-Identifier: GPL-2.0 */
/*
 * metrics.c: OpenMetrics text out of the status object, by tables of families.  A unit in a family is the last
 * word of its name, as the format asks for.
 */
#include "daemon/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/words.h"
#include "lib/timestamp.h"
#include "lib/clock.h"

struct family {
	const char *name; /* without the prefix */
	const char *type;
	const char *unit; /* NULL: none */
	const char *help;
	const char *key; /* in the object it is read from */
	double scale;	 /* from the key's unit to the family's */
};

static const struct family wan_families[] = {
	{"wan_transmit_bytes", "counter", "bytes", "IP bytes sent by the WAN.", "tx_bytes", 1},
	{"wan_receive_bytes", "counter", "bytes", "IP bytes received by the WAN.", "rx_bytes", 1},
	{"wan_flows", "gauge", NULL, "Live flows on the WAN.", "flows", 1},
};

/* By WAN and address family. */
static const struct family probe_families[] = {
	{"wan_rtt_seconds", "gauge", "seconds", "Smoothed round trip of the WAN's probes.", "rtt_ms", 1e-3},
	{"wan_jitter_seconds", "gauge", "seconds", "Jitter of the WAN's probes.", "jitter_ms", 1e-3},
	{"wan_loss_ratio", "gauge", "ratio", "Share of the WAN's probes that were lost.", "loss_ratio", 1},
};

static const struct family class_families[] = {
	{"class_wan_share_ratio", "gauge", "ratio", "Share of the class's new flows that go by the WAN now.", "share",
	 1},
	{"class_wan_fresh", "gauge", NULL, "Whether the WAN may take new flows of the class.", "fresh", 1},
	{"class_wan_keep", "gauge", NULL, "Whether the WAN may keep flows of the class.", "keep", 1},
};

/* Left out where the daemon does not tell them. */
static const struct family daemon_families[] = {
	{"uptime_seconds", "gauge", "seconds", "How long the controller has been running.", "uptime_s", 1},
	{"heartbeat_age_seconds", "gauge", "seconds", "Time since the controller last turned its loop.",
	 "heartbeat_age_ms", 1e-3},
	{"flips", "counter", NULL, "How often the word that says which WANs work was stored.", "flips", 1},
	{"netlink_overruns", "counter", NULL, "How often the netlink socket overran.", "netlink_overruns", 1},
	{"reattachments", "counter", NULL, "How often programs were attached again.", "reattachments", 1},
	{"flow_limit", "gauge", NULL, "Room in the flow table.", "flow_limit", 1},
	{"config_reloads", "counter", NULL, "Reloads that took effect.", "reloads_ok", 1},
	{"config_reload_failures", "counter", NULL, "Reloads that were refused.", "reloads_failed", 1},
};

static const struct family names_families[] = {
	{"dns_answers", "counter", NULL, "DNS answers that names were learnt from.", "answers", 1},
	{"dns_answers_missed", "counter", NULL, "DNS answers that reached their client before they were known.",
	 "missed", 1},
	{"dns_names", "gauge", NULL, "Names whose addresses are known.", "names", 1},
	{"dns_addresses", "gauge", NULL, "Addresses whose names are known.", "addresses", 1},
};

/* The objects of the address families in a WAN's, and their labels. */
static const struct {
	const char *key, *label;
} address_families[] = {{"v4", "ipv4"}, {"v6", "ipv6"}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void put_head(FILE *out, const struct family *family)
{
	fprintf(out, "# TYPE wanhelm_%s %s\n", family->name, family->type);
	if (family->unit)
		fprintf(out, "# UNIT wanhelm_%s %s\n", family->name, family->unit);
	fprintf(out, "# HELP wanhelm_%s %s\n", family->name, family->help);
}

static void put_label(FILE *out, const char *sep, const char *name, const char *value)
{
	fprintf(out, "%s%s=\"", sep, name);
	for (; value && *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '\\' || *value == '"')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void put_number(FILE *out, const json_t *value, double scale)
{
	if (json_is_boolean(value))
		fprintf(out, " %d\n", json_is_true(value));
	else if (json_is_integer(value) && scale == 1)
		fprintf(out, " %lld\n", (long long)json_integer_value(value));
	else if (json_is_number(value))
		fprintf(out, " %.9g\n", json_number_value(value) * scale);
	else
		fputs(" NaN\n", out);
}

/* The name of a sample of the family. */
static void put_name(FILE *out, const struct family *family)
{
	fprintf(out, "wanhelm_%s%s", family->name, strcmp(family->type, "counter") == 0 ? "_total" : "");
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void put_build(FILE *out, const json_t *daemon)
{
	static const struct family family = {"build", "info", NULL, "The controller's version.", NULL, 0};

	put_head(out, &family);
	put_label(out, "wanhelm_build_info{", "version", text_of(daemon, "version"));
	fputs("} 1\n", out);
}

static void put_plain(FILE *out, const struct family *families, unsigned n, const json_t *values)
{
	for (unsigned i = 0; i < n; i++) {
		const struct family *family = &families[i];
		const json_t *value = json_object_get(values, family->key);

		if (!value)
			continue;
		put_head(out, family);
		put_name(out, family);
		put_number(out, value, family->scale);
	}
}

static void put_wan_info(FILE *out, const json_t *wans)
{
	static const struct family family = {"wan", "info", NULL, "The WAN's device and addresses.", NULL, 0};
	const json_t *wan;
	size_t i;

	put_head(out, &family);
	json_array_foreach(wans, i, wan) {
		for (unsigned f = 0; f < COUNT(address_families); f++) {
			const json_t *part = json_object_get(wan, address_families[f].key);

			put_label(out, "wanhelm_wan_info{", "wan", text_of(wan, "name"));
			put_label(out, ",", "device", text_of(wan, "device"));
			put_label(out, ",", "family", address_families[f].label);
			put_label(out, ",", "address", text_of(part, "address"));
			put_label(out, ",", "gateway", text_of(part, "gateway"));
			fputs("} 1\n", out);
		}
	}
}

/* One series for each state, of which exactly one is 1; `label` is the address family's, or NULL. */
static void put_states(FILE *out, const struct family *family, const json_t *wan, const json_t *part, const char *label)
{
	const char *now = text_of(part, "state");

	for (unsigned s = 0; s < WH_WAN_STATE_COUNT; s++) {
		put_name(out, family);
		put_label(out, "{", "wan", text_of(wan, "name"));
		if (label)
			put_label(out, ",", "family", label);
		put_label(out, ",", "state", wh_word_of_state(s));
		fprintf(out, "} %d\n", now && strcmp(now, wh_word_of_state(s)) == 0);
	}
}

static void put_wan_states(FILE *out, const json_t *wans)
{
	static const struct family whole = {"wan_state", "gauge", NULL, "The WAN's state: 1 for the one it is in.",
					    NULL,	 0};
	static const struct family by_family = {"wan_family_state",
						"gauge",
						NULL,
						"The WAN's state in one address family: 1 for the one it is in.",
						NULL,
						0};
	const json_t *wan;
	size_t i;

	put_head(out, &whole);
	json_array_foreach(wans, i, wan)
		put_states(out, &whole, wan, wan, NULL);
	put_head(out, &by_family);
	json_array_foreach(wans, i, wan) {
		for (unsigned f = 0; f < COUNT(address_families); f++)
			put_states(out, &by_family, wan, json_object_get(wan, address_families[f].key),
				   address_families[f].label);
	}
}

static void put_wan_since(FILE *out, const json_t *wans)
{
	static const struct family family = {"wan_state_since_timestamp_seconds",
					     "gauge",
					     "seconds",
					     "When the WAN came into its state, in Unix time.",
					     NULL,
					     0};
	const json_t *wan;
	size_t i;

	put_head(out, &family);
	json_array_foreach(wans, i, wan) {
		const char *since = text_of(wan, "since");
		uint64_t ns;

		put_label(out, "wanhelm_wan_state_since_timestamp_seconds{", "wan", text_of(wan, "name"));
		if (since && wh_timestamp_parse(since, &ns) == 0)
			fprintf(out, "} %.3f\n", (double)ns / (double)WH_NS_PER_S);
		else
			fputs("} NaN\n", out);
	}
}

static void put_probes(FILE *out, const struct family *family, const json_t *wan)
{
	for (unsigned f = 0; f < COUNT(address_families); f++) {
		put_name(out, family);
		put_label(out, "{", "wan", text_of(wan, "name"));
		put_label(out, ",", "family", address_families[f].label);
		fputc('}', out);
		put_number(out, json_object_get(json_object_get(wan, address_families[f].key), family->key),
			   family->scale);
	}
}

static void put_wans(FILE *out, const json_t *wans)
{
	const json_t *wan;
	size_t i;

	put_wan_info(out, wans);
	put_wan_states(out, wans);
	put_wan_since(out, wans);
	for (unsigned f = 0; f < COUNT(probe_families); f++) {
		put_head(out, &probe_families[f]);
		json_array_foreach(wans, i, wan)
			put_probes(out, &probe_families[f], wan);
	}
	for (unsigned f = 0; f < COUNT(wan_families); f++) {
		const struct family *family = &wan_families[f];

		put_head(out, family);
		json_array_foreach(wans, i, wan) {
			put_name(out, family);
			put_label(out, "{", "wan", text_of(wan, "name"));
			fputc('}', out);
			put_number(out, json_object_get(wan, family->key), family->scale);
		}
	}
}

/* Of WANs and LANs alike, by their devices. */
static void put_accel(FILE *out, const json_t *parts)
{
	static const char *const ways[] = {"in", "out"};
	const json_t *part;
	size_t i;

	json_array_foreach(parts, i, part) {
		for (unsigned w = 0; w < COUNT(ways); w++) {
			const char *by = text_of(json_object_get(part, "accel"), ways[w]);

			put_label(out, "wanhelm_xdp{", "device", text_of(part, "device"));
			put_label(out, ",", "direction", ways[w]);
			fprintf(out, "} %d\n", by && strcmp(by, "xdp") == 0);
		}
	}
}

static void put_class(FILE *out, const struct family *family, const json_t *class)
{
	const json_t *wan;
	size_t i;

	json_array_foreach(json_object_get(class, "wans"), i, wan) {
		put_name(out, family);
		put_label(out, "{", "class", text_of(class, "name"));
		put_label(out, ",", "wan", text_of(wan, "name"));
		fputc('}', out);
		put_number(out, json_object_get(wan, family->key), family->scale);
	}
}

static void put_classes(FILE *out, const json_t *classes)
{
	const json_t *class;
	size_t i;

	for (unsigned f = 0; f < COUNT(class_families); f++) {
		put_head(out, &class_families[f]);
		json_array_foreach(classes, i, class)
			put_class(out, &class_families[f], class);
	}
}

/* Counts by name: one series each. */
static void put_counts(FILE *out, const struct family *family, const char *label, json_t *counts)
{
	const char *name;
	json_t *count;

	put_head(out, family);
	json_object_foreach(counts, name, count) {
		put_name(out, family);
		put_label(out, "{", label, name);
		fputc('}', out);
		put_number(out, count, 1);
	}
}

char *wh_metrics_text(const json_t *status)
{
	static const struct family accel = {
		"xdp", "gauge",
		NULL,  "Whether XDP carries what comes in by the device, or is sent out by it, of known flows.",
		NULL,  0};
	static const struct family drops = {"drops", "counter", NULL, "Packets dropped, by reason.", NULL, 0};
	static const struct family kernel = {
		"kernel_packets", "counter", NULL, "Packets left to the kernel, by reason.", NULL, 0};
	static const struct family slow = {
		"slow_frames", "counter", NULL, "Packets that the controller was handed, by what became of them.",
		NULL,	       0};
	const json_t *daemon = json_object_get(status, "daemon");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool failed;

	if (!out)
		return NULL;
	put_build(out, daemon);
	put_plain(out, daemon_families, COUNT(daemon_families), daemon);
	put_plain(out, names_families, COUNT(names_families), json_object_get(daemon, "names"));
	put_wans(out, json_object_get(status, "wans"));
	put_head(out, &accel);
	put_accel(out, json_object_get(status, "wans"));
	put_accel(out, json_object_get(status, "lans"));
	put_classes(out, json_object_get(status, "classes"));
	put_counts(out, &drops, "reason", json_object_get(status, "drops"));
	put_counts(out, &kernel, "reason", json_object_get(status, "kernel"));
	put_counts(out, &slow, "fate", json_object_get(daemon, "slow"));
	fputs("# EOF\n", out);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
