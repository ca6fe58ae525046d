/* SPDX-License-Identifier: GPL-2.0 */
/* ask.c: the verbs' way to the controller, and their words when something goes wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "ctl/ctl.h"
#include "kern/tables.h"
#include "lib/text.h"

#define ANSWER_TIMEOUT_MS 10000

const char *cli_run_dir(const struct cli *cli)
{
	return cli_has(cli, CLI_RUN_DIR) ? cli->option[CLI_RUN_DIR] : WH_DEFAULT_RUN_DIR;
}

const char *cli_bpf_dir(const struct cli *cli)
{
	return cli_has(cli, CLI_BPF_DIR) ? cli->option[CLI_BPF_DIR] : WH_DEFAULT_BPF_DIR;
}

static void say(const char *format, va_list args)
{
	fflush(stdout);
	fputs("wanhelm: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int cli_fail(int exit, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return exit;
}

void cli_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

static int say_error(const struct cli *cli, int err)
{
	const char *dir = cli_run_dir(cli);

	if (err == -ETIMEDOUT)
		return cli_fail(CLI_FAILED, "the controller at %s/%s does not answer", dir, WH_CTL_SOCKET);
	if (err == -EPIPE)
		return cli_fail(CLI_FAILED, "the controller at %s/%s has hung up", dir, WH_CTL_SOCKET);
	if (err == -EBADMSG || err == -EMSGSIZE)
		return cli_fail(CLI_FAILED, "what listens at %s/%s is no controller", dir, WH_CTL_SOCKET);
	return cli_fail(CLI_FAILED, "%s/%s: %s", dir, WH_CTL_SOCKET, strerror(-err));
}

int cli_judge(const struct cli *cli, int err, json_t **answer)
{
	const char *why;
	int exit;

	if (err == -ENOENT || err == -ECONNREFUSED)
		return CLI_NO_CONTROLLER;
	if (err < 0)
		return say_error(cli, err);
	if (json_is_true(json_object_get(*answer, "ok"))) {
		json_object_del(*answer, "ok");
		return CLI_OK;
	}
	why = json_string_value(json_object_get(*answer, "error"));
	exit = json_integer_value(json_object_get(*answer, "exit")) == CLI_USAGE ? CLI_USAGE : CLI_FAILED;
	cli_fail(exit, "%s", why ? why : "the controller refused without saying why");
	json_decref(*answer);
	*answer = NULL;
	return exit;
}

int cli_ask(const struct cli *cli, json_t *request, json_t **answer)
{
	return cli_judge(cli, wh_ctl_ask(cli_run_dir(cli), request, answer, ANSWER_TIMEOUT_MS), answer);
}

int cli_need_controller(const struct cli *cli, int exit)
{
	if (exit != CLI_NO_CONTROLLER)
		return exit;
	return cli_fail(CLI_FAILED, "%s: no controller is running (nobody listens at %s/%s)", cli->verb->name,
			cli_run_dir(cli), WH_CTL_SOCKET);
}

int cli_ask_only(const struct cli *cli, json_t *request, json_t **answer)
{
	return cli_need_controller(cli, cli_ask(cli, request, answer));
}

int cli_duration(const struct cli *cli, enum cli_option option, uint64_t *out_ns)
{
	const char *text = cli->option[option];
	int err = wh_parse_duration(text, out_ns);

	if (err == 0)
		return CLI_OK;
	return cli_fail(CLI_USAGE, "%s: \"%s\" is %s", cli->verb->name, text,
			err == -ERANGE ? "too long" : "no duration; write 90s, 10m or 2h");
}
