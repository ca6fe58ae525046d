/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wan_hand.c: the verbs wan down, up, drain and auto: the hand.  The controller does it; where none runs,
 * down and up are written to the maps, and a controller that starts later finds them there.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/offline.h"
#include "cli/print.h"
#include "kern/words.h"
#include "lib/clock.h"

/* "down" of "wan down" */
static const char *hand_of(const struct cli *cli)
{
	return strchr(cli->verb->name, ' ') + 1;
}

/* The address that the caller's own ssh session came in to, or NULL. SSH_CONNECTION: client, port, server, port. */
static const char *ssh_address(char out[INET6_ADDRSTRLEN])
{
	const char *connection = getenv("SSH_CONNECTION");

	return connection && sscanf(connection, "%*45s %*5s %45s", out) == 1 ? out : NULL;
}

static int make_request(const struct cli *cli, json_t **out)
{
	char ssh[INET6_ADDRSTRLEN];
	uint64_t for_ns = 0;
	json_t *request;

	if (cli_has(cli, CLI_FOR)) {
		int exit = cli_duration(cli, CLI_FOR, &for_ns);

		if (exit != CLI_OK)
			return exit;
		if (for_ns == 0 || strcmp(hand_of(cli), "auto") == 0)
			return cli_fail(CLI_USAGE, "%s: --for %s", cli->verb->name,
					for_ns == 0 ? "must be longer than nothing" : "makes no sense here");
	}
	request = json_pack("{s:s,s:s,s:s}", "verb", "hand", "name", cli->operand[0], "hand", hand_of(cli));
	if (for_ns > 0)
		json_object_set_new(request, "for_s",
				    json_integer((json_int_t)((for_ns + WH_NS_PER_S - 1) / WH_NS_PER_S)));
	if (cli_has(cli, CLI_REASON))
		json_object_set_new(request, "reason", json_string(cli->option[CLI_REASON]));
	if (cli_has(cli, CLI_DRY_RUN))
		json_object_set_new(request, "dry_run", json_true());
	if (cli_has(cli, CLI_YES))
		json_object_set_new(request, "yes", json_true());
	if (ssh_address(ssh))
		json_object_set_new(request, "ssh_address", json_string(ssh));
	*out = request;
	return CLI_OK;
}

/* Whether it would cut off the caller, or everybody; then it is said. */
static bool would_cut(const struct cli *cli, const struct wh_tables *tables, unsigned number, enum wh_hand_verb verb)
{
	char ssh[INET6_ADDRSTRLEN], why[128];

	if (cli_has(cli, CLI_YES) || !wh_tables_hand_risk(tables, number, verb, ssh_address(ssh), why, sizeof(why)))
		return false;
	cli_fail(CLI_FAILED, "%s: %s; say --yes if you mean it", cli->verb->name, why);
	return true;
}

static int write_hand(const struct cli *cli, struct wh_tables *tables)
{
	int number = cli_find_wan(cli, tables, cli->operand[0]);
	enum wh_hand_verb verb = WH_HAND_AUTO;
	char text[256];
	json_t *answer;
	int err;

	wh_hand_of_word(hand_of(cli), &verb);
	if (number < 0 || would_cut(cli, tables, (unsigned)number, verb))
		return CLI_FAILED;
	err = wh_tables_hand(tables, (unsigned)number, verb);
	if (err < 0)
		return cli_fail(CLI_FAILED, "%s: %s: %s", cli->verb->name, cli->operand[0], strerror(-err));
	snprintf(text, sizeof(text), "%s is forced %s in the maps; the next controller keeps it so", cli->operand[0],
		 wh_word_of_hand(verb));
	answer = json_pack("{s:s,s:b}", "message", text, "running", 0);
	cli_print(cli, answer, cli_text_message);
	json_decref(answer);
	return CLI_OK;
}

static int offline(const struct cli *cli)
{
	static const enum cli_option only[] = {CLI_FOR, CLI_DRY_RUN, CLI_REASON};
	struct wh_tables tables;
	int exit;

	if (strcmp(hand_of(cli), "down") != 0 && strcmp(hand_of(cli), "up") != 0)
		return cli_fail(CLI_FAILED, "%s: needs the controller, and none is running", cli->verb->name);
	for (unsigned i = 0; i < 3; i++) {
		if (cli_has(cli, only[i]))
			return cli_fail(CLI_FAILED, "%s: --%s needs the controller, and none is running",
					cli->verb->name, cli_options[only[i]].word);
	}
	exit = cli_open_tables(cli, &tables);
	if (exit != CLI_OK)
		return exit;
	cli_note("no controller is running; writing to the maps under %s", cli_bpf_dir(cli));
	exit = write_hand(cli, &tables);
	wh_tables_close(&tables);
	return exit;
}

int cli_wan_hand(const struct cli *cli)
{
	json_t *request = NULL, *answer = NULL;
	int exit = make_request(cli, &request);

	if (exit == CLI_OK)
		exit = cli_ask(cli, request, &answer);
	if (exit == CLI_NO_CONTROLLER)
		return offline(cli);
	if (exit != CLI_OK)
		return exit;
	cli_print(cli, answer, cli_text_message);
	json_decref(answer);
	return CLI_OK;
}
