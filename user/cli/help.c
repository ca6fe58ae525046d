/* SPDX-License-Identifier: GPL-2.0 */
/* help.c: the verbs help and version, and the texts behind -h: both read the tables, nothing is said twice. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "ctl/ctl.h"

static void put_options(FILE *out, unsigned bits)
{
	for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
		char left[48];

		if (!(bits & 1U << i))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", cli_options[i].word, cli_options[i].argument ? " " : "",
			 cli_options[i].argument ? cli_options[i].argument : "");
		fprintf(out, "  %c%c%c %-20s %s\n", cli_options[i].letter ? '-' : ' ',
			cli_options[i].letter ? cli_options[i].letter : ' ', cli_options[i].letter ? ',' : ' ', left,
			cli_options[i].help);
	}
}

static void put_verbs(FILE *out, bool built)
{
	for (const struct cli_verb *verb = cli_verbs; verb->name; verb++) {
		char left[48];

		if (!!verb->run != built)
			continue;
		snprintf(left, sizeof(left), "%s%s%s", verb->name, *verb->operands ? " " : "", verb->operands);
		fprintf(out, "  %-20s %s\n", left, verb->help);
	}
}

void cli_help_all(FILE *out)
{
	fputs("usage: wanhelm VERB [OPTION…]\n\n", out);
	put_verbs(out, true);
	fputs("\nnot built yet:\n", out);
	put_verbs(out, false);
	fputs("\noptions of every verb (\"wanhelm help VERB\" shows a verb's own):\n", out);
	put_options(out, CLI_GLOBAL);
}

void cli_help_verb(const struct cli_verb *verb)
{
	printf("usage: wanhelm %s%s%s%s\n%s%s\n", verb->name, *verb->operands ? " " : "", verb->operands,
	       verb->options ? " [OPTION…]" : "", verb->help, verb->run ? "" : " (not built yet)");
	if (verb->options)
		putchar('\n');
	put_options(stdout, verb->options);
}

static void text_help(const json_t *object)
{
	(void)object;
	cli_help_all(stdout);
}

static json_t *verbs_to_json(void)
{
	json_t *verbs = json_array();

	for (const struct cli_verb *verb = cli_verbs; verb->name; verb++)
		json_array_append_new(verbs, json_pack("{s:s,s:s,s:s,s:b}", "name", verb->name, "operands",
						       verb->operands, "help", verb->help, "built", verb->run != NULL));
	return json_pack("{s:o}", "verbs", verbs);
}

int cli_help(const struct cli *cli)
{
	const char *names[CLI_MAX_VERBS + 1];
	char name[64] = "";
	unsigned n = 0;
	json_t *object;

	for (unsigned i = 0; i < cli->n_operands; i++)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%s", i ? " " : "", cli->operand[i]);
	if (!*name) {
		object = verbs_to_json();
		cli_print(cli, object, text_help);
		json_decref(object);
		return CLI_OK;
	}
	for (const struct cli_verb *verb = cli_verbs; verb->name && n < CLI_MAX_VERBS; verb++) {
		names[n++] = verb->name;
		if (strcmp(verb->name, name) == 0) {
			cli_help_verb(verb);
			return CLI_OK;
		}
	}
	names[n] = NULL;
	return cli_fail(CLI_USAGE, "help: no verb is called \"%s\"%s", name, cli_meant(name, names));
}

static void text_version(const json_t *object)
{
	printf("wanhelm %s\n", cli_text_of(object, "version"));
}

int cli_version(const struct cli *cli)
{
	json_t *object = json_pack("{s:s}", "version", WH_VERSION);

	cli_print(cli, object, text_version);
	json_decref(object);
	return CLI_OK;
}
