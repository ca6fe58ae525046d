/* SPDX-License-Identifier: GPL-2.0 */
/* records_file.h: the file of records: append, rotate, read the end back.  Used by records.c only. */
#ifndef WANHELM_DAEMON_RECORDS_FILE_H
#define WANHELM_DAEMON_RECORDS_FILE_H

#include <stddef.h>

/* Add `line` (without a newline), making the folder (0750) and the file (0640) where missing. 0 or -errno. */
int wh_records_file_append(const char *state_dir, const char *line);

/* Hand the last lines, at least WH_RECORDS_KEPT where there are, to `each`, oldest first; rotated ones too. */
void wh_records_file_tail(const char *state_dir, void (*each)(void *arg, const char *line, size_t len), void *arg);

#endif
