/* SPDX-License-Identifier: GPL-2.0 */
/* print.c: see print.h. */
#include "cli/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/timestamp.h"
#include "lib/clock.h"
#include "lib/text.h"

void cli_print(const struct cli *cli, const json_t *object, cli_text_fn text)
{
	if (cli_has(cli, CLI_JSON)) {
		json_dumpf(object, stdout, JSON_REAL_PRECISION(9));
		putchar('\n');
	} else {
		text(object);
	}
	fflush(stdout);
}

int cli_print_end(int exit)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit;
	return cli_fail(CLI_FAILED, "standard output could not take everything");
}

static bool use_colour(void)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!no || !*no) && term && strcmp(term, "dumb") != 0;
}

void cli_clean(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

void cli_cell(struct cli_table *table, enum cli_colour colour, const char *format, ...)
{
	struct cli_cell *cell;
	va_list args;

	if (table->cells == table->room) {
		unsigned room = table->room ? table->room * 2 : 64;
		struct cli_cell *grown = realloc(table->cell, room * sizeof(*grown));

		if (!grown)
			return; /* the table is cut short; there is no memory to say more */
		table->cell = grown;
		table->room = room;
	}
	cell = &table->cell[table->cells++];
	cell->colour = colour;
	va_start(args, format);
	vsnprintf(cell->text, sizeof(cell->text), format, args);
	va_end(args);
	cli_clean(cell->text);
}

void cli_heads(struct cli_table *table, const char *const *heads)
{
	for (table->columns = 0; heads[table->columns]; table->columns++)
		cli_cell(table, CLI_BOLD, "%s", heads[table->columns]);
}

static void put_cell(const struct cli_cell *cell, size_t width)
{
	static const char *const codes[] = {
		[CLI_BOLD] = "1", [CLI_GREEN] = "32", [CLI_YELLOW] = "33", [CLI_RED] = "31"};

	if (cell->colour != CLI_PLAIN && use_colour())
		printf("\033[%sm%s\033[0m", codes[cell->colour], cell->text);
	else
		fputs(cell->text, stdout);
	for (size_t len = strlen(cell->text); len < width; len++)
		putchar(' ');
}

void cli_table_print(struct cli_table *table)
{
	size_t width[CLI_MAX_COLUMNS] = {0};

	for (unsigned i = 0; i < table->cells; i++) {
		size_t len = strlen(table->cell[i].text);

		if (len > width[i % table->columns])
			width[i % table->columns] = len;
	}
	for (unsigned i = 0; i < table->cells; i++) {
		bool last = i % table->columns == table->columns - 1;

		put_cell(&table->cell[i], last ? 0 : width[i % table->columns]);
		fputs(last ? "\n" : "  ", stdout);
	}
	free(table->cell);
	*table = (struct cli_table){0};
}

void cli_row(int width, const char *name, const char *text)
{
	char clean[320];

	snprintf(clean, sizeof(clean), "%s", text);
	cli_clean(clean);
	printf("%-*s %s\n", width, name, clean);
}

void cli_text_message(const json_t *answer)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s", cli_text_of(answer, "message"));
	cli_clean(text);
	puts(text);
}

const char *cli_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : "-";
}

void cli_format_real(char *out, size_t len, const json_t *value, double scale, const char *unit)
{
	if (json_is_number(value))
		snprintf(out, len, "%.1f %s", json_number_value(value) * scale, unit);
	else
		snprintf(out, len, "-");
}

/* 12345678, "bit/s" → "12.3 Mbit/s" */
static void format_scaled(char *out, size_t len, double value, const char *unit)
{
	static const char prefixes[] = " kMGTP";
	unsigned i = 0;

	for (; value >= 999.95 && prefixes[i + 1]; i++)
		value /= 1000;
	if (i == 0)
		snprintf(out, len, "%.0f %s", value, unit);
	else
		snprintf(out, len, "%.1f %c%s", value, prefixes[i], unit);
}

void cli_format_rate(char *out, size_t len, const json_t *bits_per_s)
{
	if (json_is_number(bits_per_s))
		format_scaled(out, len, json_number_value(bits_per_s), "bit/s");
	else
		snprintf(out, len, "-");
}

void cli_format_bytes(char *out, size_t len, double bytes)
{
	format_scaled(out, len, bytes, "B");
}

void cli_format_age(char *out, size_t len, const char *time)
{
	uint64_t then_ns, now_ns = wh_clock_ns(CLOCK_REALTIME);

	if (!time || wh_timestamp_parse(time, &then_ns) < 0) {
		snprintf(out, len, "-");
		return;
	}
	/* whole seconds: nobody reads more of what is redrawn each second */
	wh_format_duration(now_ns > then_ns ? (now_ns - then_ns) / WH_NS_PER_S * WH_NS_PER_S : 0, out, len);
}
