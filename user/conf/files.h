/* SPDX-License-Identifier: GPL-2.0 */
/* files.h: the files that a configuration is read from, as the source of messages knows them. */
#ifndef WANHELM_CONF_FILES_H
#define WANHELM_CONF_FILES_H

#include "conf/refuse.h"

#include <sys/stat.h>

/* Up to `size` bytes of what is open; the number read or -errno. */
ssize_t wh_conf_read_fd(int fd, char *bytes, size_t size);

/*
 * Add a file to the source, which must have room; `st` as stat() tells it, or NULL where it is not known.  `file` is
 * its index.  0 or -ENOMEM.
 */
int wh_conf_files_add(struct wh_conf_source *source, const char *path, const struct stat *st, unsigned parent,
		      unsigned *file);
void wh_conf_files_free(struct wh_conf_source *source);

#endif
