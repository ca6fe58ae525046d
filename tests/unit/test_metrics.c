/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_metrics.c: the OpenMetrics text, against a golden one and against the format's rules, which a checker
 * written here from the specification reads line by line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/metrics.h"

/* ---- the checker ---- */

struct family {
	char name[128];
	char type[256];
	bool has_help;
};

#define MAX_FAMILIES 64
#define MAX_SERIES 1024

struct check {
	struct family families[MAX_FAMILIES];
	unsigned n_families;
	char *series[MAX_SERIES];
	unsigned n_series;
	bool ended;
};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static struct family *current(struct check *c, const char *name)
{
	struct family *f = c->n_families ? &c->families[c->n_families - 1] : NULL;

	if (!f || strcmp(f->name, name) != 0)
		fail_msg("%s: its metadata do not stand together", name);
	return f;
}

static void check_metadata(struct check *c, const char *line)
{
	char kind[8], name[128], rest[256];

	if (sscanf(line, "# %7s %127s %255[^\n]", kind, name, rest) != 3)
		fail_msg("no metadata: %s", line);
	if (strcmp(kind, "TYPE") == 0) {
		for (unsigned i = 0; i < c->n_families; i++)
			assert_string_not_equal(c->families[i].name, name);
		assert_true(c->n_families < MAX_FAMILIES);
		snprintf(c->families[c->n_families].name, sizeof(c->families[0].name), "%s", name);
		snprintf(c->families[c->n_families].type, sizeof(c->families[0].type), "%s", rest);
		c->n_families++;
		assert_true(strcmp(rest, "gauge") == 0 || strcmp(rest, "counter") == 0 || strcmp(rest, "info") == 0);
		assert_int_equal(strncmp(name, "wanhelm_", 8), 0);
		assert_false(ends_with(name, "_total") || ends_with(name, "_info"));
	} else if (strcmp(kind, "UNIT") == 0) {
		char end[300];

		current(c, name);
		snprintf(end, sizeof(end), "_%s", rest);
		assert_true(ends_with(name, end));
	} else {
		assert_string_equal(kind, "HELP");
		current(c, name)->has_help = true;
	}
}

/* name{label="value",…} up to the space before the value; returns the value. */
static const char *check_labels(const char *p)
{
	if (*p != '{')
		return p;
	do {
		p++;
		assert_true(isalpha((unsigned char)*p));
		p += strspn(p, "abcdefghijklmnopqrstuvwxyz_0123456789");
		assert_int_equal(strncmp(p, "=\"", 2), 0);
		for (p += 2; *p != '"'; p++) {
			assert_true(*p != '\0' && *p != '\n');
			if (*p == '\\') {
				p++;
				assert_true(*p == 'n' || *p == '\\' || *p == '"');
			}
		}
		p++;
	} while (*p == ',');
	assert_int_equal(*p, '}');
	return p + 1;
}

static void check_value(const char *text, const char *type)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end)
		fail_msg("no number: %s", text);
	if (strcmp(type, "info") == 0)
		assert_string_equal(text, "1");
	if (strcmp(type, "counter") == 0)
		assert_true(value >= 0);
}

static void check_sample(struct check *c, const char *line)
{
	const struct family *f = &c->families[c->n_families - 1];
	char name[400];
	const char *rest, *end;

	assert_true(c->n_families > 0 && f->has_help);
	snprintf(name, sizeof(name), "%s%s", f->name,
		 strcmp(f->type, "counter") == 0 ? "_total"
		 : strcmp(f->type, "info") == 0	 ? "_info"
						 : "");
	if (strncmp(line, name, strlen(name)) != 0)
		fail_msg("a sample of another family under %s: %s", f->name, line);
	rest = line + strlen(name);
	assert_true(*rest == '{' || *rest == ' ');
	end = check_labels(rest);
	assert_int_equal(*end, ' ');
	check_value(end + 1, f->type);
	for (unsigned i = 0; i < c->n_series; i++)
		assert_false(strlen(c->series[i]) == (size_t)(end - line) &&
			     strncmp(c->series[i], line, (size_t)(end - line)) == 0);
	assert_true(c->n_series < MAX_SERIES);
	c->series[c->n_series++] = strndup(line, (size_t)(end - line));
}

/* Read the text by the rules; returns how many series it has. */
static unsigned check_text(const char *text)
{
	static struct check c;

	memset(&c, 0, sizeof(c));
	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[512];

		assert_int_equal(text[len], '\n'); /* the last line ends, too */
		assert_true(len > 0 && len < sizeof(line));
		assert_false(c.ended);
		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if (strcmp(line, "# EOF") == 0)
			c.ended = true;
		else if (line[0] == '#')
			check_metadata(&c, line);
		else
			check_sample(&c, line);
		text += len + 1;
	}
	assert_true(c.ended);
	for (unsigned i = 0; i < c.n_series; i++)
		free(c.series[i]);
	return c.n_series;
}

/* A family whose name ends in a unit says so: # UNIT stands directly after # TYPE. */
static void check_units(const char *text)
{
	static const char *const units[] = {"seconds", "bytes", "ratio"};

	for (const char *type = strstr(text, "# TYPE "); type; type = strstr(type + 1, "# TYPE ")) {
		char name[128], expected[200];

		assert_int_equal(sscanf(type, "# TYPE %127s", name), 1);
		for (unsigned i = 0; i < 3; i++) {
			if (!ends_with(name, units[i]))
				continue;
			snprintf(expected, sizeof(expected), "\n# UNIT %s %s\n", name, units[i]);
			if (strncmp(strchr(type, '\n'), expected, strlen(expected)) != 0)
				fail_msg("%s has no unit", name);
		}
	}
}

/* ---- the tests ---- */

static const char status_text[] =
	"{\"wans\":["
	"{\"name\":\"fiber\",\"device\":\"wan1\",\"index\":0,\"state\":\"up\",\"since\":\"2024-02-29T12:00:00.250Z\","
	"\"reason\":\"\",\"forced\":null,\"v4\":{\"state\":\"up\",\"address\":\"198.18.1.2\",\"gateway\":\"198.18.1.1\","
	"\"rtt_ms\":12.5,\"jitter_ms\":0.25,\"loss_ratio\":0.01},\"v6\":{\"state\":\"down\",\"address\":\"2001:db8::2\","
	"\"gateway\":\"fe80::1\",\"rtt_ms\":null,\"jitter_ms\":null,\"loss_ratio\":1},"
	"\"rtt_ms\":12.5,\"jitter_ms\":0.25,\"loss_ratio\":0.01,\"tx_bps\":1,\"rx_bps\":2,"
	"\"tx_bytes\":9007199254740993,\"rx_bytes\":7,\"flows\":3,"
	"\"accel\":{\"in\":\"xdp\",\"out\":\"tc\",\"why\":\"qdisc tbf\"}},"
	"{\"name\":\"l\\\"t\\\\e\\n\",\"device\":\"wan2\",\"index\":1,\"state\":\"absent\",\"since\":null,"
	"\"v4\":{\"state\":\"absent\",\"address\":null,\"gateway\":null},"
	"\"rtt_ms\":null,\"jitter_ms\":null,\"loss_ratio\":null,\"tx_bytes\":0,\"rx_bytes\":0,\"flows\":0}],"
	"\"lans\":[{\"device\":\"br0\",\"index\":0,\"accel\":{\"in\":\"tc\",\"out\":\"tc\",\"why\":null}}],"
	"\"drops\":{\"leak\":5,\"no-wan\":0},\"kernel\":{\"kernel-ttl\":6},"
	"\"classes\":[{\"name\":\"default\",\"wans\":["
	"{\"name\":\"fiber\",\"share\":0.8,\"fresh\":true,\"keep\":true,\"why\":\"\"},"
	"{\"name\":\"l\\\"t\\\\e\\n\",\"share\":0,\"fresh\":false,\"keep\":true,\"why\":\"\"}]}],"
	"\"daemon\":{\"version\":\"0.1.0\",\"pid\":1,\"uptime_s\":60,\"heartbeat_age_ms\":12,\"running\":true,\"flips\":4,"
	"\"slow\":{\"fragmented\":9,\"expired\":1},"
	"\"names\":{\"learning\":true,\"answers\":8,\"names\":3,\"addresses\":4,\"missed\":2}}}";

/* clang-format off */
#define HEAD(name, type, help) "# TYPE wanhelm_" name " " type "\n# HELP wanhelm_" name " " help "\n"
#define HEAD_UNIT(name, type, unit, help)                                                                              \
	"# TYPE wanhelm_" name " " type "\n# UNIT wanhelm_" name " " unit "\n# HELP wanhelm_" name " " help "\n"
#define LTE "l\\\"t\\\\e\\n"
#define TWO(name, fiber, lte) "wanhelm_" name "{wan=\"fiber\"} " fiber "\nwanhelm_" name "{wan=\"" LTE "\"} " lte "\n"
#define FOUR(name, fiber4, fiber6, lte4, lte6)                                                                         \
	"wanhelm_" name "{wan=\"fiber\",family=\"ipv4\"} " fiber4 "\nwanhelm_" name "{wan=\"fiber\",family=\"ipv6\"} " fiber6 \
	"\nwanhelm_" name "{wan=\"" LTE "\",family=\"ipv4\"} " lte4 "\nwanhelm_" name "{wan=\"" LTE "\",family=\"ipv6\"} " lte6 "\n"
#define INFO(wan, device, family, address, gateway)                                                                    \
	"wanhelm_wan_info{wan=\"" wan "\",device=\"" device "\",family=\"" family "\",address=\"" address "\",gateway=\""   \
	gateway "\"} 1\n"
#define STATE(of, state, value) "wanhelm_wan_" of ",state=\"" state "\"} " value "\n"
#define STATES(of, absent, up, down)                                                                                   \
	STATE(of, "absent", absent)                                                                                    \
	STATE(of, "pending", "0")                                                                                      \
	STATE(of, "up", up)                                                                                            \
	STATE(of, "suspect", "0")                                                                                      \
	STATE(of, "down", down)                                                                                        \
	STATE(of, "recovering", "0")                                                                                   \
	STATE(of, "draining", "0")                                                                                     \
	STATE(of, "forced-down", "0")                                                                                  \
	STATE(of, "forced-up", "0")
#define ACCEL(device, in, out)                                                                                         \
	"wanhelm_xdp{device=\"" device "\",direction=\"in\"} " in "\nwanhelm_xdp{device=\"" device               \
	"\",direction=\"out\"} " out "\n"
#define CLASS(name, fiber, lte)                                                                                        \
	"wanhelm_" name "{class=\"default\",wan=\"fiber\"} " fiber "\nwanhelm_" name "{class=\"default\",wan=\"" LTE   \
	"\"} " lte "\n"

static const char golden[] =
	HEAD("build", "info", "The controller's version.")
	"wanhelm_build_info{version=\"0.1.0\"} 1\n"
	HEAD_UNIT("uptime_seconds", "gauge", "seconds", "How long the controller has been running.")
	"wanhelm_uptime_seconds 60\n"
	HEAD_UNIT("heartbeat_age_seconds", "gauge", "seconds", "Time since the controller last turned its loop.")
	"wanhelm_heartbeat_age_seconds 0.012\n"
	HEAD("flips", "counter", "How often the word that says which WANs work was stored.")
	"wanhelm_flips_total 4\n"
	HEAD("dns_answers", "counter", "DNS answers that names were learnt from.")
	"wanhelm_dns_answers_total 8\n"
	HEAD("dns_answers_missed", "counter", "DNS answers that reached their client before they were known.")
	"wanhelm_dns_answers_missed_total 2\n"
	HEAD("dns_names", "gauge", "Names whose addresses are known.")
	"wanhelm_dns_names 3\n"
	HEAD("dns_addresses", "gauge", "Addresses whose names are known.")
	"wanhelm_dns_addresses 4\n"
	HEAD("wan", "info", "The WAN's device and addresses.")
	INFO("fiber", "wan1", "ipv4", "198.18.1.2", "198.18.1.1") INFO("fiber", "wan1", "ipv6", "2001:db8::2", "fe80::1")
	INFO(LTE, "wan2", "ipv4", "", "") INFO(LTE, "wan2", "ipv6", "", "")
	HEAD("wan_state", "gauge", "The WAN's state: 1 for the one it is in.")
	STATES("state{wan=\"fiber\"", "0", "1", "0") STATES("state{wan=\"" LTE "\"", "1", "0", "0")
	HEAD("wan_family_state", "gauge", "The WAN's state in one address family: 1 for the one it is in.")
	STATES("family_state{wan=\"fiber\",family=\"ipv4\"", "0", "1", "0")
	STATES("family_state{wan=\"fiber\",family=\"ipv6\"", "0", "0", "1")
	STATES("family_state{wan=\"" LTE "\",family=\"ipv4\"", "1", "0", "0")
	STATES("family_state{wan=\"" LTE "\",family=\"ipv6\"", "0", "0", "0")
	HEAD_UNIT("wan_state_since_timestamp_seconds", "gauge", "seconds",
		  "When the WAN came into its state, in Unix time.")
	TWO("wan_state_since_timestamp_seconds", "1709208000.250", "NaN")
	HEAD_UNIT("wan_rtt_seconds", "gauge", "seconds", "Smoothed round trip of the WAN's probes.")
	FOUR("wan_rtt_seconds", "0.0125", "NaN", "NaN", "NaN")
	HEAD_UNIT("wan_jitter_seconds", "gauge", "seconds", "Jitter of the WAN's probes.")
	FOUR("wan_jitter_seconds", "0.00025", "NaN", "NaN", "NaN")
	HEAD_UNIT("wan_loss_ratio", "gauge", "ratio", "Share of the WAN's probes that were lost.")
	FOUR("wan_loss_ratio", "0.01", "1", "NaN", "NaN")
	HEAD_UNIT("wan_transmit_bytes", "counter", "bytes", "IP bytes sent by the WAN.")
	TWO("wan_transmit_bytes_total", "9007199254740993", "0")
	HEAD_UNIT("wan_receive_bytes", "counter", "bytes", "IP bytes received by the WAN.")
	TWO("wan_receive_bytes_total", "7", "0")
	HEAD("wan_flows", "gauge", "Live flows on the WAN.")
	TWO("wan_flows", "3", "0")
	HEAD("xdp", "gauge", "Whether XDP carries what comes in by the device, or is sent out by it, of known flows.")
	ACCEL("wan1", "1", "0")
	ACCEL("wan2", "0", "0")
	ACCEL("br0", "0", "0")
	HEAD_UNIT("class_wan_share_ratio", "gauge", "ratio", "Share of the class's new flows that go by the WAN now.")
	CLASS("class_wan_share_ratio", "0.8", "0")
	HEAD("class_wan_fresh", "gauge", "Whether the WAN may take new flows of the class.")
	CLASS("class_wan_fresh", "1", "0")
	HEAD("class_wan_keep", "gauge", "Whether the WAN may keep flows of the class.")
	CLASS("class_wan_keep", "1", "1")
	HEAD("drops", "counter", "Packets dropped, by reason.")
	"wanhelm_drops_total{reason=\"leak\"} 5\nwanhelm_drops_total{reason=\"no-wan\"} 0\n"
	HEAD("kernel_packets", "counter", "Packets left to the kernel, by reason.")
	"wanhelm_kernel_packets_total{reason=\"kernel-ttl\"} 6\n"
	HEAD("slow_frames", "counter", "Packets that the controller was handed, by what became of them.")
	"wanhelm_slow_frames_total{fate=\"fragmented\"} 9\nwanhelm_slow_frames_total{fate=\"expired\"} 1\n"
	"# EOF\n";
/* clang-format on */

static char *make_text(const char *status_json)
{
	json_t *status = json_loads(status_json, 0, NULL);
	char *text;

	assert_non_null(status);
	text = wh_metrics_text(status);
	assert_non_null(text);
	json_decref(status);
	return text;
}

static void test_golden(void **state)
{
	char *text = make_text(status_text);

	(void)state;
	assert_string_equal(text, golden);
	free(text);
}

static void test_keeps_to_the_format(void **state)
{
	char *text = make_text(status_text);

	(void)state;
	check_units(text);
	/* build, 3 of the daemon, 4 of names, each WAN 2 + 9 + 18 + 1 + 6 + 3, 2 a device, 3 a class and WAN, 3 reasons, 2 fates */
	assert_int_equal(check_text(text), 4 + 4 + 2 * 39 + 3 * 2 + 6 + 3 + 2);
	free(text);
}

static void test_without_anything(void **state)
{
	char *text = make_text("{}");

	(void)state;
	check_units(text);
	assert_int_equal(check_text(text), 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_keeps_to_the_format),
		cmocka_unit_test(test_without_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
