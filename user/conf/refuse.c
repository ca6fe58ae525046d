/* SPDX-License-Identifier: GPL-2.0 */
/* refuse.c: the wording that all refusals of a configuration have in common.  See refuse.h. */
#include "conf/refuse.h"

#include "conf/conf.h"
#include "lib/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* So much of a long path is shown, its end. */
#define SHOWN_PATH_LEN 200

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* The second and further bytes of a UTF-8 character. */
static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

const char *wh_conf_path_end(const char *path, size_t len)
{
	size_t path_len = strlen(path);

	path += path_len > len ? path_len - len : 0;
	while (is_continuation(*path)) /* cut in the middle of a character */
		path++;
	return path;
}

int wh_conf_refuse(const struct wh_conf_source *source, struct wh_conf_place at, const char *format, ...)
{
	const char *name = wh_conf_path_end(source->files[at.file].path, SHOWN_PATH_LEN);
	va_list args;
	int len;

	len = snprintf(source->error, WH_CONF_ERROR_LEN, "%s:%u:%u: ", name, at.line, at.column);
	va_start(args, format);
	vsnprintf(source->error + len, WH_CONF_ERROR_LEN - (size_t)len, format, args);
	va_end(args);
	for (char *c = source->error; *c; c++)
		if (is_control(*c))
			*c = '?';
	return -EINVAL;
}

const char *wh_conf_shown(const char *text, char out[WH_CONF_SHOWN_LEN])
{
	size_t room = WH_CONF_SHOWN_LEN - sizeof("...");
	size_t len = strlen(text);
	bool cut = len > room;

	if (cut)
		for (len = room; len && is_continuation(text[len]); len--)
			;
	snprintf(out, WH_CONF_SHOWN_LEN, "%.*s%s", (int)len, text, cut ? "..." : "");
	return out;
}

const char *wh_conf_hinted(const char *word, const char *const *words, char out[WH_CONF_HINT_LEN])
{
	const char *near = wh_nearest(word, words);

	out[0] = '\0';
	if (near)
		snprintf(out, WH_CONF_HINT_LEN, "; did you mean \"%s\"?", WH_CONF_SHOW(near));
	return out;
}
