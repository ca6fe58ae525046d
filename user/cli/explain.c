/* SPDX-License-Identifier: GPL-2.0 */
/* explain.c: the verb explain: the controller has the data plane answer, this prints it. */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "lib/text.h"

#define NAME_WIDTH 8

/* --- the question ----------------------------------------------------------------------------------------------- */

/* A number option, 0 where it is not given. */
static int take_number(const struct cli *cli, enum cli_option option, uint64_t most, json_t *request)
{
	uint64_t number;

	if (!cli_has(cli, option))
		return CLI_OK;
	if (wh_parse_number(cli->option[option], 0, most, &number))
		return cli_fail(CLI_USAGE, "explain: --%s \"%s\" is no number from 0 to %u", cli_options[option].word,
				cli->option[option], (unsigned)most);
	json_object_set_new(request, cli_options[option].word, json_integer((json_int_t)number));
	return CLI_OK;
}

/* A protocol by name or number; of ICMP the one of the addresses' family. */
static int take_proto(const struct cli *cli, json_t *request)
{
	const char *word = cli_has(cli, CLI_PROTO) ? cli->option[CLI_PROTO] : "tcp";
	bool v6 = strchr(cli->operand[0], ':') != NULL;
	const struct protoent *known;
	uint64_t number;

	if (!strcmp(word, "icmp"))
		number = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	else if ((known = getprotobyname(word)))
		number = (uint64_t)known->p_proto;
	else if (wh_parse_number(word, 0, 255, &number))
		return cli_fail(CLI_USAGE, "explain: --proto \"%s\" is no protocol", word);
	json_object_set_new(request, "proto", json_integer((json_int_t)number));
	return CLI_OK;
}

static int make_request(const struct cli *cli, json_t *request)
{
	int exit = take_proto(cli, request);

	if (exit == CLI_OK)
		exit = take_number(cli, CLI_SPORT, 65535, request);
	if (exit == CLI_OK)
		exit = take_number(cli, CLI_DPORT, 65535, request);
	if (exit == CLI_OK)
		exit = take_number(cli, CLI_DSCP, 63, request);
	if (exit == CLI_OK && cli_has(cli, CLI_IN))
		json_object_set_new(request, "in", json_string(cli->option[CLI_IN]));
	return exit;
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

/* "FILE:LINE" */
static void format_rule(char *out, size_t len, const json_t *rule, const char *none)
{
	if (json_is_object(rule))
		snprintf(out, len, "%s:%lld", cli_text_of(rule, "file"),
			 (long long)json_integer_value(json_object_get(rule, "line")));
	else
		snprintf(out, len, "%s", none);
}

static void text_wans(const json_t *wans)
{
	static const char *const heads[] = {"WAN", "ORDER", "ELIGIBLE", "WHY", NULL};
	struct cli_table table = {0};
	const json_t *wan;
	size_t i;

	cli_heads(&table, heads);
	json_array_foreach(wans, i, wan) {
		const json_t *order = json_object_get(wan, "order");
		bool eligible = json_is_true(json_object_get(wan, "eligible"));

		cli_cell(&table, CLI_PLAIN, "%s", cli_text_of(wan, "name"));
		if (json_is_integer(order))
			cli_cell(&table, CLI_PLAIN, "%lld", (long long)json_integer_value(order));
		else
			cli_cell(&table, CLI_PLAIN, "-");
		cli_cell(&table, eligible ? CLI_GREEN : CLI_YELLOW, "%s", eligible ? "yes" : "no");
		cli_cell(&table, CLI_PLAIN, "%s", cli_text_of(wan, "why"));
	}
	cli_table_print(&table);
}

static void text_flow(const json_t *flow)
{
	char text[320], rule[192];

	if (!json_is_object(flow)) {
		cli_row(NAME_WIDTH, "flow", "none now");
		return;
	}
	format_rule(rule, sizeof(rule), json_object_get(flow, "rule"), "");
	snprintf(text, sizeof(text), "live: class %s, on %s%s%s%s%s%s", cli_text_of(flow, "class"),
		 cli_text_of(flow, "wan"), rule[0] ? ", by " : "", rule,
		 json_is_true(json_object_get(flow, "reset")) ? ", reset" : "",
		 json_is_true(json_object_get(flow, "from_outside")) ? ", opened from outside" : "",
		 json_is_true(json_object_get(flow, "by_kernel")) ? ", by way of the kernel" : "");
	cli_row(NAME_WIDTH, "flow", text);
}

static void text_explain(const json_t *answer)
{
	char text[192];

	cli_row(NAME_WIDTH, "class", cli_text_of(answer, "class"));
	format_rule(text, sizeof(text), json_object_get(answer, "rule"), "none matches: the class is default");
	cli_row(NAME_WIDTH, "rule", text);
	snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(json_object_get(answer, "bucket")));
	cli_row(NAME_WIDTH, "bucket", text);
	cli_row(NAME_WIDTH, "WAN", cli_text_of(answer, "wan"));
	cli_row(NAME_WIDTH, "why", cli_text_of(answer, "why"));
	text_flow(json_object_get(answer, "flow"));
	putchar('\n');
	text_wans(json_object_get(answer, "wans"));
}

int cli_explain(const struct cli *cli)
{
	json_t *request = json_pack("{s:s,s:s,s:s}", "verb", "explain", "src", cli->operand[0], "dst", cli->operand[1]);
	json_t *answer;
	int exit = make_request(cli, request);

	if (exit != CLI_OK) {
		json_decref(request);
		return exit;
	}
	exit = cli_ask_only(cli, request, &answer);
	if (exit != CLI_OK)
		return exit;
	json_object_del(answer, "ok");
	cli_print(cli, answer, text_explain);
	json_decref(answer);
	return CLI_OK;
}
