/* SPDX-License-Identifier: GPL-2.0 */
/* stop.c: the verb stop: the controller takes everything out and ends; where none runs, the command does it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "kern/load.h"

static int offline(const struct cli *cli)
{
	const char *dir = cli_bpf_dir(cli);
	json_t *answer;
	int lock = wh_folder_lock(dir), err;

	if (lock == -EWOULDBLOCK)
		return cli_fail(CLI_FAILED, "stop: a controller uses %s; say where it is with --run-dir", dir);
	cli_note("no controller is running; detaching what is pinned under %s", dir);
	err = wh_unload(dir);
	if (lock >= 0)
		close(lock);
	if (err == -ENOENT)
		return cli_fail(CLI_FAILED, "stop: nothing is pinned under %s", dir);
	if (err < 0)
		return cli_fail(CLI_FAILED, "stop: %s: %s", dir, strerror(-err));
	answer = json_pack("{s:s,s:b}", "message", "everything is detached, the pins are removed", "running", 0);
	cli_print(cli, answer, cli_text_message);
	json_decref(answer);
	return CLI_OK;
}

int cli_stop(const struct cli *cli)
{
	json_t *answer;
	int exit = cli_ask(cli, json_pack("{s:s}", "verb", "stop"), &answer);

	if (exit == CLI_NO_CONTROLLER)
		return offline(cli);
	if (exit != CLI_OK)
		return exit;
	cli_print(cli, answer, cli_text_message);
	json_decref(answer);
	return CLI_OK;
}
