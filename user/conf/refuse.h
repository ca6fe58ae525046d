/* SPDX-License-Identifier: GPL-2.0 */
/*
 * refuse.h: how conf/ says no.  Every message that a user sees about a configuration is made by
 * wh_conf_refuse(), so that all of them are one line "file:line:column: what is wrong".
 */
#ifndef WANHELM_CONF_REFUSE_H
#define WANHELM_CONF_REFUSE_H

#include "model/config.h"

#include <stddef.h>
#include <sys/types.h>

/* Lines and columns count from 1; columns count characters, not bytes. */
struct wh_conf_place {
	unsigned line;
	unsigned column;
	unsigned file; /* index into the source's files */
};

#define WH_CONF_START ((struct wh_conf_place){1, 1, 0})

/* A file that is read: where it is, which one it is, and who includes it. */
struct wh_conf_file {
	char *path; /* as in messages */
	dev_t device;
	ino_t inode; /* 0: not known */
	unsigned parent;
};

/* Files by index, the first the configuration itself, and where the message goes (WH_CONF_ERROR_LEN bytes). */
struct wh_conf_source {
	struct wh_conf_file files[WH_MAX_FILES];
	unsigned n_files;
	char *error;
};

/* Write the message, control characters replaced; always -EINVAL. */
int wh_conf_refuse(const struct wh_conf_source *source, struct wh_conf_place at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The last `len` bytes of a path, or a few less where a character would be cut. */
const char *wh_conf_path_end(const char *path, size_t len);

/* The user's own text for a message, no longer than fits. */
#define WH_CONF_SHOWN_LEN 68
const char *wh_conf_shown(const char *text, char out[WH_CONF_SHOWN_LEN]);
#define WH_CONF_SHOW(text) wh_conf_shown(text, (char[WH_CONF_SHOWN_LEN]){0})

/* `; did you mean "..."?` where one of `words` (ended by NULL) is near, or "". */
#define WH_CONF_HINT_LEN (WH_CONF_SHOWN_LEN + 24)
const char *wh_conf_hinted(const char *word, const char *const *words, char out[WH_CONF_HINT_LEN]);
#define WH_CONF_HINT(word, words) wh_conf_hinted(word, words, (char[WH_CONF_HINT_LEN]){0})

#endif
