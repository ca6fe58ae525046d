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

int wh_conf_refuse(const struct wh_conf_source *source, struct wh_conf_place at, const char *format, ...)
{
	size_t name_len = strlen(source->name);
	const char *name = source->name + (name_len > SHOWN_PATH_LEN ? name_len - SHOWN_PATH_LEN : 0);
	va_list args;
	int len;

	while (is_continuation(*name)) /* cut in the middle of a character */
		name++;
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
