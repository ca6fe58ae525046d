/* SPDX-License-Identifier: GPL-2.0 */
/*
 * log.c: the one writer of log lines.  Called by the daemon and by main() of the command only; everything
 * below them returns its errors instead.
 */
#include "lib/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_LEN 1024

static enum wh_log_level max_level = WH_LOG_INFO;

void wh_log_set_level(enum wh_log_level max)
{
	max_level = max;
}

/* systemd names the journal's socket in JOURNAL_STREAM; a redirected standard error is another file. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[48];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st))
		return false;
	snprintf(ours, sizeof(ours), "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	for (const char *a = ours, *b = stream; *a == *b; a++, b++)
		if (!*a)
			return true;
	return false;
}

static const char *prefix(enum wh_log_level level)
{
	static const char *const journal[] = {"<3>", "<4>", "<6>", "<7>"};
	static const char *const plain[] = {"error: ", "warning: ", "", "debug: "};

	return stderr_is_journal() ? journal[level] : plain[level];
}

void wh_log(enum wh_log_level level, const char *format, ...)
{
	char line[LINE_LEN];
	va_list args;

	if (level > max_level)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	/* One write, so that lines of two processes do not mix. */
	dprintf(STDERR_FILENO, "%s%s\n", prefix(level), line);
}
