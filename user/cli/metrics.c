/* SPDX-License-Identifier: GPL-2.0 */
/* metrics.c: the verb metrics: the controller makes the text (daemon/metrics.c), this prints it. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/print.h"

static void text_metrics(const json_t *answer)
{
	fputs(cli_text_of(answer, "text"), stdout);
}

int cli_metrics(const struct cli *cli)
{
	json_t *answer;
	int exit = cli_ask_only(cli, json_pack("{s:s}", "verb", "metrics"), &answer);

	if (exit != CLI_OK)
		return exit;
	cli_print(cli, answer, text_metrics);
	json_decref(answer);
	return CLI_OK;
}
