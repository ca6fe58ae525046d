/* SPDX-License-Identifier: GPL-2.0 */
/* events.c: the verb events: the records, one a line, and what follows. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "ctl/ctl.h"
#include "lib/timestamp.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/text.h"

#define ANSWER_TIMEOUT_MS 10000
#define FOLLOW_SHOWS 10 /* past records that -f without --since begins with */

static void add_figure(char *out, size_t len, const json_t *record, const char *key, const char *format)
{
	const json_t *value = json_object_get(record, key);
	size_t used = strlen(out);

	if (!json_is_number(value))
		return;
	used += (size_t)snprintf(out + used, len - used, "%s", *out ? ", " : "");
	snprintf(out + used, len - used, format, json_number_value(value));
}

/* "2024-01-31T12:00:00.250+01:00  failover  fiber  default  silence: nothing heard … (detected in 412 ms, …)" */
static void text_record(const json_t *record)
{
	char figures[256] = "", line[1024];
	const char *cause = json_string_value(json_object_get(record, "cause"));
	const char *evidence = json_string_value(json_object_get(record, "evidence"));

	add_figure(figures, sizeof(figures), record, "detect_ms", "detected in %.0f ms");
	add_figure(figures, sizeof(figures), record, "flip_us", "switched in %.1f us");
	add_figure(figures, sizeof(figures), record, "moved", "%.0f flows moved");
	add_figure(figures, sizeof(figures), record, "reset", "%.0f reset");
	add_figure(figures, sizeof(figures), record, "lost", "%.0f packets lost");
	add_figure(figures, sizeof(figures), record, "first_answer_ms", "first answer after %.0f ms");
	snprintf(line, sizeof(line), "%s  %-10s %-10s %-10s %s%s%s%s%s%s", cli_text_of(record, "time"),
		 cli_text_of(record, "event"), cli_text_of(record, "wan"), cli_text_of(record, "class"),
		 cause ? cause : "", cause && evidence ? ": " : "", evidence ? evidence : "", *figures ? " (" : "",
		 figures, *figures ? ")" : "");
	cli_clean(line);
	puts(line);
}

static void print_all(const struct cli *cli, const json_t *records)
{
	size_t i, skip = 0;
	const json_t *record;

	if (cli_has(cli, CLI_FOLLOW) && !cli_has(cli, CLI_SINCE) && json_array_size(records) > FOLLOW_SHOWS)
		skip = json_array_size(records) - FOLLOW_SHOWS;
	json_array_foreach(records, i, record) {
		if (i >= skip)
			cli_print(cli, record, text_record);
	}
}

/* --since as the wire has it: a point in time. */
static int read_since(const struct cli *cli, char out[WH_TIMESTAMP_LEN])
{
	const char *since = cli->option[CLI_SINCE];
	uint64_t ago_ns, then_ns, now_ns = wh_clock_ns(CLOCK_REALTIME);

	if (wh_parse_duration(since, &ago_ns) == 0)
		then_ns = ago_ns < now_ns ? now_ns - ago_ns : 0;
	else if (wh_timestamp_parse(since, &then_ns) < 0)
		return cli_fail(CLI_USAGE,
				"events: --since \"%s\" is neither a duration (10m) nor a time (2024-01-31T12:00:00Z)",
				since);
	wh_timestamp_format(then_ns, out);
	return CLI_OK;
}

static int follow(const struct cli *cli, int fd)
{
	json_t *record;
	int err;

	while ((err = wh_ctl_next(fd, &record, -1)) == 0) {
		cli_print(cli, record, text_record);
		json_decref(record);
		if (ferror(stdout))
			return CLI_FAILED;
	}
	return cli_judge(cli, err, NULL);
}

int cli_events(const struct cli *cli)
{
	_cleanup_close_ int fd = -1;
	char since[WH_TIMESTAMP_LEN];
	json_t *request = NULL, *answer = NULL;
	int exit;

	if (cli_has(cli, CLI_SINCE) && read_since(cli, since) != CLI_OK)
		return CLI_USAGE;
	fd = wh_ctl_connect(cli_run_dir(cli));
	if (fd < 0) {
		exit = cli_judge(cli, fd, &answer);
	} else {
		request = json_pack("{s:s,s:b}", "verb", "events", "follow", cli_has(cli, CLI_FOLLOW));
		if (cli_has(cli, CLI_SINCE))
			json_object_set_new(request, "since", json_string(since));
		exit = cli_judge(cli, wh_ctl_call(fd, request, &answer, ANSWER_TIMEOUT_MS), &answer);
	}
	if (exit != CLI_OK)
		return cli_need_controller(cli, exit);
	print_all(cli, json_object_get(answer, "events"));
	json_decref(answer);
	return cli_has(cli, CLI_FOLLOW) ? follow(cli, fd) : CLI_OK;
}
