/* SPDX-License-Identifier: GPL-2.0 */
/*
 * args.c: from the command line to struct cli.  Options may stand anywhere, as --name VALUE, --name=VALUE or
 * -x; "--" ends them.  The verb is looked for before a wrong option is complained of, because what is not
 * built yet has options that are not known here.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/text.h"

const struct cli_option_text cli_options[CLI_OPTION_COUNT] = {
#define X(name, word, letter, argument, help) [CLI_##name] = {word, letter, argument, help},
	CLI_OPTIONS(X)
#undef X
};

#define MAX_WORDS 64

/* A command line taken apart. */
struct words {
	const char *word[MAX_WORDS]; /* what is no option: the verb, its operands */
	unsigned count;
	char wrong[160]; /* the first thing wrong with an option, or "" */
};

static void complain(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void complain(struct words *words, const char *format, ...)
{
	va_list args;

	if (words->wrong[0])
		return;
	va_start(args, format);
	vsnprintf(words->wrong, sizeof(words->wrong), format, args);
	va_end(args);
}

const char *cli_meant(const char *word, const char *const *words)
{
	static char text[80];
	const char *nearest = wh_nearest(word, words);

	if (!nearest)
		return "";
	snprintf(text, sizeof(text), "; did you mean \"%s\"?", nearest);
	return text;
}

/* The option that `text` ("--name", "--name=…", "-x") names, or -1. */
static int find_option(const char *text)
{
	const char *name = text + 2;
	size_t len = strcspn(name, "=");

	for (int i = 0; i < CLI_OPTION_COUNT; i++) {
		if (text[1] != '-') {
			if (cli_options[i].letter == text[1] && text[2] == '\0')
				return i;
		} else if (strlen(cli_options[i].word) == len && strncmp(cli_options[i].word, name, len) == 0) {
			return i;
		}
	}
	return -1;
}

static void complain_unknown(struct words *words, const char *text)
{
	const char *known[CLI_OPTION_COUNT + 1] = {0};
	char name[64];

	for (int i = 0; i < CLI_OPTION_COUNT; i++)
		known[i] = cli_options[i].word;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "="), text);
	if (strncmp(name, "--", 2) != 0 || !wh_nearest(name + 2, known))
		complain(words, "unknown option %s", name);
	else
		complain(words, "unknown option %s; did you mean \"--%s\"?", name, wh_nearest(name + 2, known));
}

/* Take the option at argv[i]; returns how many words it took. */
static int take_option(struct cli *cli, struct words *words, int left, char **argv)
{
	const char *value = strchr(argv[0], '=');
	int i = find_option(argv[0]);

	if (i < 0) {
		complain_unknown(words, argv[0]);
		return 1;
	}
	if (!cli_options[i].argument) {
		if (value)
			complain(words, "--%s takes no argument", cli_options[i].word);
		cli->option[i] = "";
		return 1;
	}
	if (value) {
		cli->option[i] = value + 1;
		return 1;
	}
	if (left < 2) {
		complain(words, "--%s needs an argument: %s", cli_options[i].word, cli_options[i].argument);
		return 1;
	}
	cli->option[i] = argv[1];
	return 2;
}

static void take_apart(struct cli *cli, struct words *words, int argc, char **argv)
{
	bool only_words = false;
	int i = 1;

	while (i < argc) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
			i++;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			i += take_option(cli, words, argc - i, argv + i);
		} else if (words->count < MAX_WORDS) {
			words->word[words->count++] = argv[i++];
		} else {
			complain(words, "too many arguments");
			i++;
		}
	}
}

/* How many of the words the verb's name takes: 2, 1, or 0 where it is another verb. */
static unsigned matches(const struct cli_verb *verb, const struct words *words)
{
	size_t first = strcspn(verb->name, " ");

	if (words->count < 1 || strlen(words->word[0]) != first || strncmp(verb->name, words->word[0], first) != 0)
		return 0;
	if (verb->name[first] == '\0')
		return 1;
	return words->count > 1 && strcmp(verb->name + first + 1, words->word[1]) == 0 ? 2 : 0;
}

static const struct cli_verb *find_verb(const struct words *words, unsigned *taken)
{
	const struct cli_verb *found = NULL;

	*taken = 0;
	for (const struct cli_verb *verb = cli_verbs; verb->name; verb++) {
		unsigned n = matches(verb, words);

		if (n > *taken) {
			*taken = n;
			found = verb;
		}
	}
	return found;
}

/*
 * The words that could stand in the place of a wrong one: the first words of all verbs or, after a group's
 * name ("wan"), the second ones of the group.
 */
static unsigned candidates(const char *group, const char *out[CLI_MAX_VERBS + 1])
{
	static char store[CLI_MAX_VERBS + 1][32];
	size_t skip = group ? strlen(group) + 1 : 0;
	unsigned n = 0;

	for (const struct cli_verb *verb = cli_verbs; verb->name && n < CLI_MAX_VERBS; verb++) {
		if (group && (strncmp(verb->name, group, skip - 1) != 0 || verb->name[skip - 1] != ' '))
			continue;
		snprintf(store[n], sizeof(store[n]), "%.*s", (int)strcspn(verb->name + skip, " "), verb->name + skip);
		out[n] = store[n];
		n++;
	}
	out[n] = NULL;
	return n;
}

static int unknown_verb(const struct words *words)
{
	const char *names[CLI_MAX_VERBS + 1];
	char list[160] = "";

	if (words->count == 0) {
		cli_help_all(stderr);
		return CLI_USAGE;
	}
	if (candidates(words->word[0], names) == 0) {
		candidates(NULL, names);
		return cli_fail(CLI_USAGE, "unknown verb \"%s\"%s", words->word[0], cli_meant(words->word[0], names));
	}
	if (words->count > 1)
		return cli_fail(CLI_USAGE, "%s: unknown verb \"%s\"%s", words->word[0], words->word[1],
				cli_meant(words->word[1], names));
	for (unsigned i = 0; names[i]; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", names[i]);
	return cli_fail(CLI_USAGE, "%s: one of %s must follow", words->word[0], list);
}

static int take_operands(struct cli *cli, const struct words *words, unsigned taken)
{
	const struct cli_verb *verb = cli->verb;
	unsigned n = words->count - taken;

	if (n > verb->max_operands)
		return cli_fail(CLI_USAGE, "%s: \"%s\" is one argument too many", verb->name,
				words->word[taken + verb->max_operands]);
	if (n < verb->min_operands)
		return cli_fail(CLI_USAGE, "%s: %s is missing", verb->name, verb->operands);
	for (unsigned i = 0; i < n; i++)
		cli->operand[i] = words->word[taken + i];
	cli->n_operands = n;
	return CLI_OK;
}

static int check_options(const struct cli *cli)
{
	for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
		if (cli->option[i] && !((cli->verb->options | CLI_GLOBAL) & 1U << i))
			return cli_fail(CLI_USAGE, "%s: does not take --%s", cli->verb->name, cli_options[i].word);
	}
	return CLI_OK;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
	struct words words = {.count = 0};
	unsigned taken;
	int exit;

	take_apart(cli, &words, argc, argv);
	cli->verb = find_verb(&words, &taken);
	if (cli->verb && (!cli->verb->run || cli_has(cli, CLI_HELP)))
		return CLI_OK;
	if (words.wrong[0])
		return cli_fail(CLI_USAGE, "%s%s%s", cli->verb ? cli->verb->name : "", cli->verb ? ": " : "",
				words.wrong);
	if (!cli->verb)
		return cli_has(cli, CLI_HELP) && words.count == 0 ? CLI_OK : unknown_verb(&words);
	exit = take_operands(cli, &words, taken);
	return exit == CLI_OK ? check_options(cli) : exit;
}
