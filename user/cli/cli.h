/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cli.h: what the verbs of the command share: the parsed command line, errors, asking the controller.
 * Printing is print.h's; each verb has a file of its own and a row in the table of main.c.
 */
#ifndef WANHELM_CLI_CLI_H
#define WANHELM_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* name, long name, letter or 0, argument or NULL, help */
#define CLI_OPTIONS(X)                                                                                                 \
	X(RUN_DIR, "run-dir", 0, "DIR", "where the controller's socket is [/run/wanhelm]")                             \
	X(BPF_DIR, "bpf-dir", 0, "DIR", "where the maps are pinned [/sys/fs/bpf/wanhelm]")                             \
	X(HELP, "help", 'h', NULL, "show help")                                                                        \
	X(JSON, "json", 0, NULL, "print JSON")                                                                         \
	X(WATCH, "watch", 0, NULL, "print again each second")                                                          \
	X(FOR, "for", 0, "DURATION", "end by itself after this time: 90s, 10m, 2h")                                    \
	X(REASON, "reason", 0, "TEXT", "why; kept in the records")                                                     \
	X(DRY_RUN, "dry-run", 0, NULL, "say what would happen, and do nothing")                                        \
	X(YES, "yes", 0, NULL, "do it also where it would be asked for")                                               \
	X(WAN, "wan", 0, "WAN", "only flows on this WAN")                                                              \
	X(CLASS, "class", 0, "CLASS", "only flows of this class")                                                      \
	X(SRC, "src", 0, "ADDRESS", "only flows of this client")                                                       \
	X(TOP, "top", 0, "N", "only the N with the most bytes, the largest first")                                     \
	X(COUNT, "count", 0, NULL, "only how many")                                                                    \
	X(FOLLOW, "follow", 'f', NULL, "go on with what happens from now on")                                          \
	X(SINCE, "since", 0, "TIME", "from then on: 10m for ten minutes ago, or 2024-01-31T12:00:00Z")                 \
	X(PROTO, "proto", 0, "P", "tcp, udp, icmp, another protocol's name, or its number [tcp]")                      \
	X(SPORT, "sport", 0, "N", "source port, or the identifier of an echo")                                         \
	X(DPORT, "dport", 0, "N", "destination port")                                                                  \
	X(IN, "in", 0, "DEV", "the LAN device that it comes in by, or router [by the source's address]")               \
	X(DSCP, "dscp", 0, "D", "its DSCP as a number [0]")                                                            \
	X(CONFIG, "config", 'c', "FILE", "the configuration [/etc/wanhelm/wanhelm.yaml]")

enum cli_option {
#define X(name, word, letter, argument, help) CLI_##name,
	CLI_OPTIONS(X)
#undef X
		CLI_OPTION_COUNT
};

struct cli_option_text {
	const char *word;
	char letter;
	const char *argument;
	const char *help;
};

#define CLI_BIT(name) (1U << CLI_##name)
/* understood with every verb */
#define CLI_GLOBAL (CLI_BIT(RUN_DIR) | CLI_BIT(BPF_DIR) | CLI_BIT(HELP))

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli;

struct cli_verb {
	const char *name;		   /* one word or two */
	int (*run)(const struct cli *cli); /* returns enum cli_exit; NULL: known, not built yet */
	unsigned options;		   /* CLI_BIT()s; the global ones are understood */
	const char *operands;		   /* as shown: "NAME", "[FILE]", or "" */
	unsigned min_operands;
	unsigned max_operands;
	const char *help;
};

#define CLI_MAX_OPERANDS 4
#define CLI_MAX_VERBS 63

struct cli {
	const struct cli_verb *verb;
	const char *option[CLI_OPTION_COUNT]; /* the argument, "" for one without, NULL: not given */
	const char *operand[CLI_MAX_OPERANDS];
	unsigned n_operands;
};

static inline bool cli_has(const struct cli *cli, enum cli_option option)
{
	return cli->option[option] != NULL;
}

const char *cli_run_dir(const struct cli *cli);
const char *cli_bpf_dir(const struct cli *cli);

/* Say what went wrong on standard error ("wanhelm: …"); returns `exit`, so that a verb can end with it. */
int cli_fail(int exit, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same where nothing went wrong: a note beside the output. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What cli_ask() returns, with nothing said, where no controller runs. */
#define CLI_NO_CONTROLLER (-1)

/*
 * Ask the controller (the request's reference is stolen). CLI_OK and an answer that is "ok", to be released;
 * CLI_NO_CONTROLLER; else the exit status, and it has been said why.
 */
int cli_ask(const struct cli *cli, json_t *request, json_t **answer);

/* The same where nothing can be done without a controller: then that is said too. */
int cli_ask_only(const struct cli *cli, json_t *request, json_t **answer);

/* Says so where `exit` is CLI_NO_CONTROLLER; returns the exit status. */
int cli_need_controller(const struct cli *cli, int exit);

/* What cli_ask() makes of what wh_ctl_*() returned; takes the answer back where it is not "ok". */
int cli_judge(const struct cli *cli, int err, json_t **answer);

/* A duration option in nanoseconds; CLI_OK, or CLI_USAGE and it has been said why. */
int cli_duration(const struct cli *cli, enum cli_option option, uint64_t *out_ns);

/* `; did you mean "…"?` for the nearest of `words`, or nothing; in a buffer that the next call takes again. */
const char *cli_meant(const char *word, const char *const *words);

/* main.c */
extern const struct cli_verb cli_verbs[]; /* ends with a name of NULL, at most CLI_MAX_VERBS */

/* args.c */
extern const struct cli_option_text cli_options[CLI_OPTION_COUNT];
int cli_parse(struct cli *cli, int argc, char **argv);

/* help.c */
void cli_help_all(FILE *out);
void cli_help_verb(const struct cli_verb *verb);

/* the verbs */
int cli_check(const struct cli *cli);
int cli_class_hand(const struct cli *cli);
int cli_class_list(const struct cli *cli);
int cli_doctor(const struct cli *cli);
int cli_events(const struct cli *cli);
int cli_explain(const struct cli *cli);
int cli_failback(const struct cli *cli);
int cli_flows(const struct cli *cli);
int cli_help(const struct cli *cli);
int cli_metrics(const struct cli *cli);
int cli_reload(const struct cli *cli);
int cli_status(const struct cli *cli);
int cli_stop(const struct cli *cli);
int cli_version(const struct cli *cli);
int cli_wan_hand(const struct cli *cli);
int cli_wan_list(const struct cli *cli);
int cli_wan_show(const struct cli *cli);

#endif
