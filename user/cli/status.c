/* SPDX-License-Identifier: GPL-2.0 */
/* status.c: the verb status: asks the controller, or reads the maps where there is none. */
#include "cli/status.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/offline.h"
#include "lib/text.h"

enum cli_colour cli_state_colour(const char *state)
{
	if (strcmp(state, "up") == 0 || strcmp(state, "forced-up") == 0)
		return CLI_GREEN;
	if (strcmp(state, "down") == 0 || strcmp(state, "forced-down") == 0 || strcmp(state, "absent") == 0)
		return CLI_RED;
	return CLI_YELLOW;
}

/* State, since when, addresses: of a WAN or one of its families. */
static void add_state(struct cli_table *table, const json_t *of, const json_t *addresses)
{
	const char *state = cli_text_of(of, "state");
	char since[32];

	cli_format_age(since, sizeof(since), json_string_value(json_object_get(of, "since")));
	cli_cell(table, cli_state_colour(state), "%s", state);
	cli_cell(table, CLI_PLAIN, "%s", since);
	cli_cell(table, CLI_PLAIN, "%s", cli_text_of(addresses, "address"));
	cli_cell(table, CLI_PLAIN, "%s", cli_text_of(addresses, "gateway"));
}

static void add_quality(struct cli_table *table, const json_t *of)
{
	static const struct {
		const char *key;
		double scale;
		const char *unit;
	} figures[] = {{"rtt_ms", 1, "ms"}, {"jitter_ms", 1, "ms"}, {"loss_ratio", 100, "%"}};
	char text[32];

	for (unsigned i = 0; i < 3; i++) {
		cli_format_real(text, sizeof(text), json_object_get(of, figures[i].key), figures[i].scale,
				figures[i].unit);
		cli_cell(table, CLI_PLAIN, "%s", text);
	}
}

static void add_traffic(struct cli_table *table, const json_t *wan)
{
	char text[32];

	cli_format_rate(text, sizeof(text), json_object_get(wan, "tx_bps"));
	cli_cell(table, CLI_PLAIN, "%s", text);
	cli_format_rate(text, sizeof(text), json_object_get(wan, "rx_bps"));
	cli_cell(table, CLI_PLAIN, "%s", text);
	cli_cell(table, CLI_PLAIN, "%lld", (long long)json_integer_value(json_object_get(wan, "flows")));
}

/* One line for the WAN as it is in its better family, and one for the other family, if the WAN has it. */
static void add_wan(struct cli_table *table, const json_t *wan)
{
	const json_t *v4 = json_object_get(wan, "v4"), *v6 = json_object_get(wan, "v6");
	bool shows_v4 = strcmp(cli_text_of(v4, "state"), cli_text_of(wan, "state")) == 0;
	const json_t *other = shows_v4 ? v6 : v4;
	const char *other_state = json_string_value(json_object_get(other, "state"));

	cli_cell(table, CLI_PLAIN, "%s", cli_text_of(wan, "name"));
	cli_cell(table, CLI_PLAIN, "%s", cli_text_of(wan, "device"));
	add_state(table, wan, shows_v4 ? v4 : v6);
	add_quality(table, wan);
	add_traffic(table, wan);
	cli_cell(table, CLI_PLAIN, "%s", cli_text_of(wan, "reason"));
	if (!other_state || strcmp(other_state, "absent") == 0)
		return;
	for (unsigned i = 0; i < 2; i++)
		cli_cell(table, CLI_PLAIN, "%s", "");
	add_state(table, other, other);
	add_quality(table, other);
	for (unsigned i = 0; i < 3; i++)
		cli_cell(table, CLI_PLAIN, "%s", "");
	cli_cell(table, CLI_PLAIN, "%s", cli_text_of(other, "reason"));
}

void cli_text_wans(const json_t *status)
{
	static const char *const heads[] = {"WAN",    "DEVICE", "STATE", "SINCE", "ADDRESS", "GATEWAY", "RTT",
					    "JITTER", "LOSS",	"OUT",	 "IN",	  "FLOWS",   "WHY",	NULL};
	struct cli_table table = {0};
	const json_t *wan;
	size_t i;

	cli_heads(&table, heads);
	json_array_foreach(json_object_get(status, "wans"), i, wan)
		add_wan(&table, wan);
	cli_table_print(&table);
}

/* "fiber 80 %, lte 20 %": the shares of new flows. */
static void format_shares(char *out, size_t len, const json_t *wans)
{
	const json_t *wan;
	size_t i;

	*out = '\0';
	json_array_foreach(wans, i, wan) {
		double share = json_number_value(json_object_get(wan, "share"));
		size_t used = strlen(out);

		if (share > 0)
			snprintf(out + used, len - used, "%s%s %.0f %%", used ? ", " : "", cli_text_of(wan, "name"),
				 share * 100);
	}
	if (!*out)
		snprintf(out, len, "none");
}

static void format_keepers(char *out, size_t len, const json_t *wans)
{
	const json_t *wan;
	size_t i;

	*out = '\0';
	json_array_foreach(wans, i, wan) {
		size_t used = strlen(out);

		if (json_is_true(json_object_get(wan, "keep")))
			snprintf(out + used, len - used, "%s%s", used ? ", " : "", cli_text_of(wan, "name"));
	}
	if (!*out)
		snprintf(out, len, "none");
}

static void text_classes(const json_t *status)
{
	static const char *const heads[] = {"CLASS", "NEW FLOWS GO BY", "FLOWS MAY STAY ON", NULL};
	struct cli_table table = {0};
	const json_t *class;
	char text[96];
	size_t i;

	cli_heads(&table, heads);
	json_array_foreach(json_object_get(status, "classes"), i, class) {
		const json_t *wans = json_object_get(class, "wans");

		cli_cell(&table, CLI_PLAIN, "%s", cli_text_of(class, "name"));
		format_shares(text, sizeof(text), wans);
		cli_cell(&table, strcmp(text, "none") == 0 ? CLI_RED : CLI_PLAIN, "%s", text);
		format_keepers(text, sizeof(text), wans);
		cli_cell(&table, CLI_PLAIN, "%s", text);
	}
	cli_table_print(&table);
}

/* "dropped: leak 5, no-wan 3": the counts that are not 0. */
static void text_counts(const char *title, json_t *counts)
{
	char text[1024] = "";
	const char *name;
	json_t *count;

	json_object_foreach(counts, name, count) {
		size_t used = strlen(text);

		if (json_integer_value(count))
			snprintf(text + used, sizeof(text) - used, "%s %s %lld", used ? "," : "", name,
				 (long long)json_integer_value(count));
	}
	cli_clean(text);
	if (counts)
		printf("%s:%s\n", title, *text ? text : " nothing");
}

static void text_daemon(const json_t *daemon)
{
	const json_t *heartbeat = json_object_get(daemon, "heartbeat_age_ms");
	char uptime[32], age[32];

	wh_format_duration((uint64_t)json_number_value(json_object_get(daemon, "uptime_s")) * 1000000000U, uptime,
			   sizeof(uptime));
	cli_format_real(age, sizeof(age), heartbeat, 1, "ms");
	printf("controller %s, pid %lld, running for %s, last heartbeat %s ago\n", cli_text_of(daemon, "version"),
	       (long long)json_integer_value(json_object_get(daemon, "pid")), uptime, age);
}

static void text_names(const json_t *names)
{
	if (json_is_true(json_object_get(names, "learning")))
		printf("names: %lld with %lld addresses, from %lld answers; %lld answers missed\n",
		       (long long)json_integer_value(json_object_get(names, "names")),
		       (long long)json_integer_value(json_object_get(names, "addresses")),
		       (long long)json_integer_value(json_object_get(names, "answers")),
		       (long long)json_integer_value(json_object_get(names, "missed")));
}

static void add_accel(struct cli_table *table, const json_t *parts)
{
	const json_t *part;
	size_t i;

	json_array_foreach(parts, i, part) {
		const json_t *accel = json_object_get(part, "accel");

		cli_cell(table, CLI_PLAIN, "%s", cli_text_of(part, "device"));
		cli_cell(table, CLI_PLAIN, "%s", cli_text_of(accel, "in"));
		cli_cell(table, CLI_PLAIN, "%s", cli_text_of(accel, "out"));
		cli_cell(table, CLI_PLAIN, "%s", cli_text_of(accel, "why"));
	}
}

/* Where packets of known flows are carried: in the driver, or behind it. */
static void text_accel(const json_t *status)
{
	static const char *const heads[] = {"DEVICE", "IN BY", "OUT BY", "WHY NOT BY XDP", NULL};
	struct cli_table table = {0};

	cli_heads(&table, heads);
	add_accel(&table, json_object_get(status, "wans"));
	add_accel(&table, json_object_get(status, "lans"));
	cli_table_print(&table);
}

static void text_status(const json_t *status)
{
	cli_text_wans(status);
	putchar('\n');
	text_accel(status);
	putchar('\n');
	text_classes(status);
	putchar('\n');
	text_counts("dropped", json_object_get(status, "drops"));
	text_counts("left to the kernel", json_object_get(status, "kernel"));
	text_counts("handed to the controller", json_object_get(json_object_get(status, "daemon"), "slow"));
	text_names(json_object_get(json_object_get(status, "daemon"), "names"));
	if (json_is_true(json_object_get(json_object_get(status, "daemon"), "running"))) {
		putchar('\n');
		text_daemon(json_object_get(status, "daemon"));
	}
}

static int offline(const struct cli *cli)
{
	struct wh_tables tables;
	int exit = cli_open_tables(cli, &tables);
	json_t *status;

	if (exit != CLI_OK)
		return exit;
	cli_note("no controller is running; this is what stands in the maps under %s", cli_bpf_dir(cli));
	status = cli_offline_status(&tables);
	wh_tables_close(&tables);
	cli_print(cli, status, text_status);
	json_decref(status);
	return CLI_OK;
}

static int show(const struct cli *cli)
{
	json_t *answer;
	int exit = cli_ask(cli, json_pack("{s:s}", "verb", "status"), &answer);

	if (exit == CLI_NO_CONTROLLER)
		return offline(cli);
	if (exit != CLI_OK)
		return exit;
	cli_print(cli, answer, text_status);
	json_decref(answer);
	return CLI_OK;
}

/* Until it is interrupted, or the reader goes. */
static int watch(const struct cli *cli)
{
	bool redraw = isatty(STDOUT_FILENO) && !cli_has(cli, CLI_JSON);

	for (;;) {
		int exit;

		if (redraw)
			fputs("\033[H\033[2J", stdout);
		exit = show(cli);
		if (exit != CLI_OK || ferror(stdout))
			return exit;
		if (!redraw && !cli_has(cli, CLI_JSON))
			putchar('\n');
		sleep(1);
	}
}

int cli_status(const struct cli *cli)
{
	return cli_has(cli, CLI_WATCH) ? watch(cli) : show(cli);
}
