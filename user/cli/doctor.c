/* SPDX-License-Identifier: GPL-2.0 */
/* doctor.c: the verb doctor: what on this machine would get in the way of the configuration, and what to do. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "conf/conf.h"
#include "kern/doctor.h"

#define DEFAULT_FILE "/etc/wanhelm/wanhelm.yaml"
#define LINE_LEN 90 /* of the last column: at most so long, broken at spaces */

static enum cli_colour colour_of(const char *severity)
{
	if (strcmp(severity, "problem") == 0)
		return CLI_RED;
	return strcmp(severity, "warning") == 0 ? CLI_YELLOW : CLI_GREEN;
}

/* How much of a text goes on one line. */
static size_t line_of(const char *text)
{
	size_t fits = 0;

	for (const char *end = text + strcspn(text, " ");; end += 1 + strcspn(end + 1, " ")) {
		if (end - text > LINE_LEN)
			return fits ? fits : (size_t)(end - text);
		fits = (size_t)(end - text);
		if (!*end)
			return fits;
	}
}

/* A text in as many rows as it takes; the first two columns of the first one are the caller's. */
static void put_lines(struct cli_table *table, const char *lead, const char *text)
{
	for (bool first = true; *text; first = false) {
		size_t len = line_of(text);

		if (!first || *lead) {
			cli_cell(table, CLI_PLAIN, "%s", "");
			cli_cell(table, CLI_PLAIN, "%s", first ? lead : "");
		}
		cli_cell(table, CLI_PLAIN, "%.*s", (int)len, text);
		text += len + (text[len] == ' ');
	}
}

static void text_doctor(const json_t *findings)
{
	static const char *const heads[] = {"FOUND", "WHERE", "WHAT", NULL};
	struct cli_table table = {0};
	const json_t *finding;
	size_t i;

	cli_heads(&table, heads);
	json_array_foreach(findings, i, finding) {
		const char *severity = cli_text_of(finding, "severity");

		cli_cell(&table, colour_of(severity), "%s", severity);
		cli_cell(&table, CLI_PLAIN, "%s", cli_text_of(finding, "id"));
		put_lines(&table, "", cli_text_of(finding, "what"));
		if (!json_is_null(json_object_get(finding, "do")))
			put_lines(&table, "do:", cli_text_of(finding, "do"));
	}
	cli_table_print(&table);
}

static bool has_problem(const json_t *findings)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding) {
		if (strcmp(cli_text_of(finding, "severity"), "problem") == 0)
			return true;
	}
	return false;
}

int cli_doctor(const struct cli *cli)
{
	static struct wh_config config; /* large */
	const char *file = cli_has(cli, CLI_CONFIG) ? cli->option[CLI_CONFIG] : DEFAULT_FILE;
	char error[WH_CONF_ERROR_LEN];
	struct wh_facts facts;
	json_t *findings;
	int exit, err;

	if (wh_conf_read(file, &config, error) < 0)
		return cli_fail(CLI_USAGE, "%s", error);
	err = wh_facts_read(&config, &facts);
	if (err < 0)
		return cli_fail(CLI_FAILED, "doctor: the kernel's devices cannot be listed: %s", strerror(-err));
	findings = wh_doctor_judge(&facts);
	exit = has_problem(findings) ? CLI_FAILED : CLI_OK;
	cli_print(cli, findings, text_doctor);
	json_decref(findings);
	wh_facts_free(&facts);
	return exit;
}
