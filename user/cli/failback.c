/* SPDX-License-Identifier: GPL-2.0 */
/* failback.c: the verb failback: the controller takes a WAN that is held back into use. */
#include "cli/cli.h"
#include "cli/print.h"

int cli_failback(const struct cli *cli)
{
	json_t *request = json_pack("{s:s,s:s}", "verb", "failback", "name", cli->operand[0]), *answer;
	int exit = cli_ask_only(cli, request, &answer);

	if (exit != CLI_OK)
		return exit;
	cli_print(cli, answer, cli_text_message);
	json_decref(answer);
	return CLI_OK;
}
