/* SPDX-License-Identifier: GPL-2.0 */
/* class.c: the verbs class list, class pin and class auto. */
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/status.h"
#include "lib/clock.h"

/* "80 %", or why it takes no new flows. */
static void add_wan(struct cli_table *table, const char *class, const json_t *wan)
{
	bool fresh = json_is_true(json_object_get(wan, "fresh"));

	cli_cell(table, CLI_PLAIN, "%s", class);
	cli_cell(table, CLI_PLAIN, "%s", cli_text_of(wan, "name"));
	cli_cell(table, CLI_PLAIN, "%.0f %%", json_number_value(json_object_get(wan, "share")) * 100);
	cli_cell(table, fresh ? CLI_GREEN : CLI_YELLOW, "%s", fresh ? "yes" : "no");
	cli_cell(table, CLI_PLAIN, "%s", json_is_true(json_object_get(wan, "keep")) ? "yes" : "no");
	cli_cell(table, CLI_PLAIN, "%s", cli_text_of(wan, "why"));
}

static void text_classes(const json_t *answer)
{
	static const char *const heads[] = {"CLASS", "WAN", "SHARE", "NEW FLOWS", "OLD FLOWS", "WHY", NULL};
	struct cli_table table = {0};
	const json_t *class, *wan;
	size_t i, k;

	cli_heads(&table, heads);
	json_array_foreach(json_object_get(answer, "classes"), i, class) {
		const json_t *wans = json_object_get(class, "wans");

		json_array_foreach(wans, k, wan)
			add_wan(&table, k ? "" : cli_text_of(class, "name"), wan);
		if (json_array_size(wans))
			continue;
		cli_cell(&table, CLI_PLAIN, "%s", cli_text_of(class, "name"));
		for (unsigned cell = 0; cell < 5; cell++)
			cli_cell(&table, CLI_PLAIN, "%s", cell < 4 ? "" : "it uses no WAN");
	}
	cli_table_print(&table);
}

int cli_class_list(const struct cli *cli)
{
	json_t *answer, *classes;
	int exit = cli_ask_only(cli, json_pack("{s:s}", "verb", "status"), &answer);

	if (exit != CLI_OK)
		return exit;
	classes = json_pack("{s:O}", "classes", json_object_get(answer, "classes"));
	cli_print(cli, classes, text_classes);
	json_decref(classes);
	json_decref(answer);
	return CLI_OK;
}

int cli_class_hand(const struct cli *cli)
{
	bool pins = cli->n_operands == 2;
	json_t *request, *answer;
	uint64_t for_ns = 0;
	int exit = CLI_OK;

	if (cli_has(cli, CLI_FOR))
		exit = cli_duration(cli, CLI_FOR, &for_ns);
	if (exit != CLI_OK)
		return exit;
	if (cli_has(cli, CLI_FOR) && !for_ns)
		return cli_fail(CLI_USAGE, "%s: --for must be longer than nothing", cli->verb->name);
	request = json_pack("{s:s,s:s}", "verb", pins ? "class-pin" : "class-auto", "class", cli->operand[0]);
	if (pins)
		json_object_set_new(request, "name", json_string(cli->operand[1]));
	if (for_ns)
		json_object_set_new(request, "for_s",
				    json_integer((json_int_t)((for_ns + WH_NS_PER_S - 1) / WH_NS_PER_S)));
	exit = cli_ask_only(cli, request, &answer);
	if (exit != CLI_OK)
		return exit;
	cli_print(cli, answer, cli_text_message);
	json_decref(answer);
	return CLI_OK;
}
