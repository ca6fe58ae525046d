/* SPDX-License-Identifier: GPL-2.0 */
/* main.c: the table of the command's verbs, and the way from the command line to one of them. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/print.h"

#define HAND (CLI_BIT(JSON) | CLI_BIT(FOR) | CLI_BIT(REASON) | CLI_BIT(DRY_RUN) | CLI_BIT(YES))
#define FLOWS (CLI_BIT(JSON) | CLI_BIT(WAN) | CLI_BIT(CLASS) | CLI_BIT(SRC) | CLI_BIT(TOP) | CLI_BIT(COUNT))
#define EXPLAIN (CLI_BIT(JSON) | CLI_BIT(PROTO) | CLI_BIT(SPORT) | CLI_BIT(DPORT) | CLI_BIT(IN) | CLI_BIT(DSCP))

const struct cli_verb cli_verbs[] = {
	{"status", cli_status, CLI_BIT(JSON) | CLI_BIT(WATCH), "", 0, 0, "WANs, and where the classes go now"},
	{"wan list", cli_wan_list, CLI_BIT(JSON), "", 0, 0, "the WANs"},
	{"wan show", cli_wan_show, CLI_BIT(JSON), "NAME", 1, 1, "one WAN with its probe targets"},
	{"wan down", cli_wan_hand, HAND, "NAME", 1, 1, "take a WAN out of use"},
	{"wan up", cli_wan_hand, HAND, "NAME", 1, 1, "use a WAN whatever its probes say"},
	{"wan drain", cli_wan_hand, HAND, "NAME", 1, 1, "give a WAN no new flows"},
	{"wan auto", cli_wan_hand, HAND, "NAME", 1, 1, "let the probes decide again"},
	{"failback", cli_failback, CLI_BIT(JSON), "NAME", 1, 1, "use a recovered WAN now"},
	{"class list", cli_class_list, CLI_BIT(JSON), "", 0, 0, "the classes: which WANs they use now, and why"},
	{"class pin", cli_class_hand, CLI_BIT(JSON) | CLI_BIT(FOR), "CLASS WAN", 2, 2, "put one WAN first for a class"},
	{"class auto", cli_class_hand, CLI_BIT(JSON), "CLASS", 1, 1, "undo it"},
	{"flows", cli_flows, FLOWS, "", 0, 0, "live flows"},
	{"explain", cli_explain, EXPLAIN, "SRC DST", 2, 2, "which class, rule and WAN a flow gets, and why"},
	{"events", cli_events, CLI_BIT(JSON) | CLI_BIT(FOLLOW) | CLI_BIT(SINCE), "", 0, 0, "what happened, and when"},
	{"check", cli_check, CLI_BIT(JSON), "[FILE]", 0, 1, "read a configuration and say what is wrong with it"},
	{"doctor", cli_doctor, CLI_BIT(JSON) | CLI_BIT(CONFIG), "", 0, 0, "find what gets in the way"},
	{"reload", cli_reload, CLI_BIT(JSON), "", 0, 0, "take in the changed configuration"},
	{"metrics", cli_metrics, CLI_BIT(JSON), "", 0, 0, "figures as OpenMetrics text"},
	{"stop", cli_stop, CLI_BIT(JSON), "", 0, 0, "end the controller, detach everything, remove the pins"},
	{"help", cli_help, CLI_BIT(JSON), "[VERB]", 0, 2, "this, or one verb in full"},
	{"version", cli_version, CLI_BIT(JSON), "", 0, 0, "the version"},
	{"probe", NULL, 0, "WAN", 0, 0, "one verbose round of probes"},
	{"flows kill", NULL, 0, "", 0, 0, "end flows"},
	{"report", NULL, 0, "", 0, 0, "a month in figures"},
	{"drill", NULL, 0, "WAN", 0, 0, "a real failure, bounded in time"},
	{"top", NULL, 0, "", 0, 0, "live screen"},
	{"init", NULL, 0, "", 0, 0, "write a first configuration"},
	{"confirm", NULL, 0, "", 0, 0, "keep what was reloaded"},
	{NULL, NULL, 0, NULL, 0, 0, NULL},
};

int main(int argc, char **argv)
{
	struct cli cli = {0};
	int exit;

	exit = cli_parse(&cli, argc, argv);
	if (exit != CLI_OK)
		return exit;
	if (cli_has(&cli, CLI_HELP)) {
		if (cli.verb)
			cli_help_verb(cli.verb);
		else
			cli_help_all(stdout);
	} else if (cli.verb->run) {
		exit = cli.verb->run(&cli);
	} else {
		exit = cli_fail(CLI_FAILED, "%s: not built yet", cli.verb->name);
	}
	return cli_print_end(exit);
}
