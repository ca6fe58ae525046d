/* SPDX-License-Identifier: GPL-2.0 */
/*
 * print.h: the one way out for what the verbs show: an object, as JSON or as a verb's text; and what texts are
 * made of: tables, colours (on a terminal, without NO_COLOR), figures for people.
 */
#ifndef WANHELM_CLI_PRINT_H
#define WANHELM_CLI_PRINT_H

#include <stdint.h>

#include "cli/cli.h"

typedef void (*cli_text_fn)(const json_t *object);

/* Print on one line as JSON where --json was given, else as `text` does it. */
void cli_print(const struct cli *cli, const json_t *object, cli_text_fn text);

/* The exit status, or CLI_FAILED where standard output could not take all. */
int cli_print_end(int exit);

enum cli_colour { CLI_PLAIN, CLI_BOLD, CLI_GREEN, CLI_YELLOW, CLI_RED };

/* A table: columns as wide as they need, the last one ragged. */
#define CLI_MAX_COLUMNS 16

struct cli_table {
	unsigned columns;
	unsigned cells;
	struct cli_cell {
		char text[96];
		enum cli_colour colour;
	} * cell; /* row by row, the first row is the head */
	unsigned room;
};

/* Add the next cell; text that cannot be shown safely is replaced. */
void cli_cell(struct cli_table *table, enum cli_colour colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Add the head; sets the number of columns.  `heads` ends with NULL. */
void cli_heads(struct cli_table *table, const char *const *heads);
/* Print and release. */
void cli_table_print(struct cli_table *table);

/* Replace control characters, so that a name or a reason cannot steer the terminal. */
void cli_clean(char *text);

/* A line of what is shown as names, `width` wide, and texts. */
void cli_row(int width, const char *name, const char *text);

/* The text of answers that hold a "message". */
void cli_text_message(const json_t *answer);

/* Members of an object for people: "-" where they are null or missing. */
const char *cli_text_of(const json_t *object, const char *key);
void cli_format_real(char *out, size_t len, const json_t *value, double scale, const char *unit);
void cli_format_rate(char *out, size_t len, const json_t *bits_per_s);
void cli_format_bytes(char *out, size_t len, double bytes);
/* "3m" ago for a time of timestamp.h. */
void cli_format_age(char *out, size_t len, const char *time);

#endif
