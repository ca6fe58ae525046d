/* SPDX-License-Identifier: GPL-2.0 */
/* reload.c: the verb reload: the controller reads its configuration again; what is refused changes nothing. */
#include "cli/cli.h"
#include "cli/print.h"

int cli_reload(const struct cli *cli)
{
	json_t *answer;
	int exit = cli_ask_only(cli, json_pack("{s:s}", "verb", "reload"), &answer);

	if (exit != CLI_OK)
		return exit;
	cli_print(cli, answer, cli_text_message);
	json_decref(answer);
	return CLI_OK;
}
