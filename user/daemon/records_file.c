/* SPDX-License-Identifier: GPL-2.0 */
/*
 * records_file.c: the file of records.  It is opened for each record: they are rare, and a file that was
 * moved away or a disk that came back needs no special case.
 */
#include "daemon/records_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "daemon/records.h"
#include "lib/cleanup.h"

#define TAIL_BYTES (1L << 20)				 /* what is read back: 1024 records of 1 KiB */
#define FILE_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) /* never through a link, never waiting for a pipe */

static int make_path(char out[PATH_MAX], const char *state_dir, const char *suffix)
{
	int len = snprintf(out, PATH_MAX, "%s/%s%s", state_dir, WH_RECORDS_FILE, suffix);

	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int rotate(const char *state_dir, const char *path)
{
	char old[PATH_MAX];
	int err = make_path(old, state_dir, ".1");

	if (err == 0 && rename(path, old) < 0)
		err = -errno;
	return err;
}

/* A crash or a full disk may have cut the last line: ours must not be glued to it. */
static bool ends_within_a_line(int fd, off_t size)
{
	char last;

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

int wh_records_file_append(const char *state_dir, const char *line)
{
	_cleanup_close_ int fd = -1;
	struct iovec parts[3] = {{"\n", 0}, {(char *)line, strlen(line)}, {"\n", 1}};
	char path[PATH_MAX];
	struct stat st;
	ssize_t n;
	int err = make_path(path, state_dir, "");

	if (err < 0)
		return err;
	if (mkdir(state_dir, 0750) < 0 && errno != EEXIST)
		return -errno;
	if (stat(path, &st) == 0 && st.st_size > WH_RECORDS_MAX_BYTES) {
		err = rotate(state_dir, path);
		if (err < 0)
			return err;
	}
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | FILE_FLAGS, 0640);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	parts[0].iov_len = ends_within_a_line(fd, st.st_size);
	n = writev(fd, parts, 3);
	if (n < 0)
		return -errno;
	return (size_t)n < parts[0].iov_len + parts[1].iov_len + 1 ? -ENOSPC : 0;
}

/* The end of a file, from the beginning of a line on; NULL: nothing to read. */
static char *read_end(const char *path, size_t *len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | FILE_FLAGS);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
	char *text, *first;
	ssize_t n;

	if (size <= 0)
		return NULL;
	text = malloc((size_t)(size - from));
	if (!text)
		return NULL;
	n = pread(fd, text, (size_t)(size - from), from);
	first = n > 0 && from > 0 ? memchr(text, '\n', (size_t)n) : text;
	if (n <= 0 || !first) {
		free(text);
		return NULL;
	}
	*len = (size_t)(n - (first - text));
	memmove(text, first, *len);
	return text;
}

static void each_line(const char *path, void (*each)(void *arg, const char *line, size_t len), void *arg)
{
	size_t left = 0;
	_cleanup_free_ char *text = read_end(path, &left);

	for (const char *line = text; left > 0;) {
		const char *newline = memchr(line, '\n', left);
		size_t len = newline ? (size_t)(newline - line) : left;

		if (len > 0)
			each(arg, line, len);
		left -= newline ? len + 1 : len;
		line += newline ? len + 1 : len;
	}
}

void wh_records_file_tail(const char *state_dir, void (*each)(void *arg, const char *line, size_t len), void *arg)
{
	static const char *const suffixes[] = {".1", ""};
	char path[PATH_MAX];

	for (unsigned i = 0; i < 2; i++) {
		if (make_path(path, state_dir, suffixes[i]) == 0)
			each_line(path, each, arg);
	}
}
