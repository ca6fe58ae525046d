/* SPDX-License-Identifier: GPL-2.0 */
/* kept.c: see kept.h. */
#include "daemon/kept.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

json_t *wh_kept_load(const char *state_dir, const char *file, const char *lost)
{
	char path[PATH_MAX];
	json_error_t error;
	json_t *all;

	snprintf(path, sizeof(path), "%s/%s", state_dir, file);
	all = json_load_file(path, 0, &error);
	if (!all && access(path, F_OK) == 0)
		wh_warn("%s:%d: %s; %s", path, error.line, error.text, lost);
	return all;
}

void wh_kept_save(const char *state_dir, const char *file, json_t *all, const char *what)
{
	char path[PATH_MAX], fresh[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", state_dir, file);
	snprintf(fresh, sizeof(fresh), "%s/%s.new", state_dir, file);
	if ((mkdir(state_dir, 0750) && errno != EEXIST) || json_dump_file(all, fresh, JSON_INDENT(1)) ||
	    rename(fresh, path))
		wh_warn("%s: cannot keep %s: %s", path, what, strerror(errno));
	json_decref(all);
}
