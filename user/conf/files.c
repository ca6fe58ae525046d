/* SPDX-License-Identifier: GPL-2.0 */
/* files.c: reads files and keeps the list of them.  See files.h; called by conf.c and include.c. */
#include "conf/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t wh_conf_read_fd(int fd, char *bytes, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, bytes + len, size - len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
	}
	return (ssize_t)len;
}

int wh_conf_files_add(struct wh_conf_source *source, const char *path, const struct stat *st, unsigned parent,
		      unsigned *file)
{
	struct wh_conf_file *added = &source->files[source->n_files];
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	*added = (struct wh_conf_file){.path = copy, .parent = parent};
	if (st) {
		added->device = st->st_dev;
		added->inode = st->st_ino;
	}
	*file = source->n_files++;
	return 0;
}

void wh_conf_files_free(struct wh_conf_source *source)
{
	while (source->n_files)
		free(source->files[--source->n_files].path);
}
