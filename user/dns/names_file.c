/* SPDX-License-Identifier: GPL-2.0 */
/* names_file.c: see names_file.h. */
#include "dns/names_file.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "dns/message.h"
#include "lib/cleanup.h"
#include "lib/mapped.h"

static int make_path(char out[PATH_MAX], const char *state_dir, const char *suffix)
{
	int len = snprintf(out, PATH_MAX, "%s/%s%s", state_dir, WH_NAMES_FILE, suffix);

	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* --- reading ---------------------------------------------------------------------------------------------- */

static bool parse_address(const char *text, struct in6_addr *out)
{
	struct in_addr addr4;

	if (inet_pton(AF_INET, text, &addr4) == 1) {
		*out = wh_mapped(addr4);
		return true;
	}
	return inet_pton(AF_INET6, text, out) == 1;
}

static bool is_name(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (isupper((unsigned char)text[i]) || iscntrl((unsigned char)text[i]))
			return false;
	}
	return len && len < WH_DNS_NAME_LEN && text[len - 1] != '.';
}

/* 0; -EINVAL where it is none of our lines; -ENOMEM. What is over by now is not taken in. */
static int take_line(struct wh_names *names, const char *line, size_t len, struct wh_names_time at)
{
	json_t *root = json_loadb(line, len, 0, NULL);
	const char *name, *address;
	struct in6_addr addr;
	json_int_t until_s;
	int err = -EINVAL;

	if (!json_unpack(root, "{s:s,s:s,s:I}", "name", &name, "address", &address, "until_s", &until_s) &&
	    until_s >= 0 && is_name(name) && parse_address(address, &addr))
		err = (uint64_t)until_s <= at.wall_s
			      ? 0
			      : wh_names_restore(names, name, &addr, at.now_s + ((uint64_t)until_s - at.wall_s),
						 at.now_s);
	json_decref(root);
	return err;
}

int wh_names_load(struct wh_names *names, const char *state_dir, struct wh_names_time at, size_t *bad)
{
	_cleanup_free_ char *line = NULL;
	char path[PATH_MAX];
	size_t room = 0;
	ssize_t len;
	FILE *in;
	int err = make_path(path, state_dir, "");

	*bad = 0;
	if (err)
		return err;
	in = fopen(path, "re");
	if (!in)
		return errno == ENOENT ? 0 : -errno;
	while (err != -ENOMEM && (len = getline(&line, &room, in)) > 0) {
		err = take_line(names, line, (size_t)len, at);
		*bad += err == -EINVAL;
	}
	fclose(in);
	return err == -ENOMEM ? err : 0;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

struct writing {
	FILE *out;
	struct wh_names_time at;
};

static void write_pair(void *arg, const char *name, const struct in6_addr *addr, uint64_t until_s)
{
	const struct writing *w = arg;
	uint64_t until_wall_s = w->at.wall_s + (until_s - w->at.now_s);
	char address[INET6_ADDRSTRLEN];
	json_t *line;

	if (until_s <= w->at.now_s)
		return;
	if (IN6_IS_ADDR_V4MAPPED(addr))
		inet_ntop(AF_INET, &addr->s6_addr32[3], address, sizeof(address));
	else
		inet_ntop(AF_INET6, addr, address, sizeof(address));
	line = json_pack("{s:s,s:s,s:I}", "name", name, "address", address, "until_s", (json_int_t)until_wall_s);
	if (!line) /* a name that is no UTF-8: nobody has asked for it in a configuration */
		return;
	json_dumpf(line, w->out, JSON_COMPACT);
	fputc('\n', w->out);
	json_decref(line);
}

int wh_names_save_begin(struct wh_names_save *save, const char *state_dir)
{
	char path[PATH_MAX];
	int err = make_path(path, state_dir, ".new");

	wh_names_save_abort(save);
	if (err)
		return err;
	if (mkdir(state_dir, 0750) && errno != EEXIST)
		return -errno;
	save->next = 0;
	save->out = fopen(path, "we");
	return save->out ? 0 : -errno;
}

static int finish(struct wh_names_save *save, const char *state_dir)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int err = ferror(save->out) ? -EIO : 0;

	if (fclose(save->out) && !err)
		err = -errno;
	save->out = NULL;
	if (!err)
		err = make_path(path, state_dir, "");
	if (!err)
		err = make_path(fresh, state_dir, ".new");
	return err ? err : rename(fresh, path) ? -errno : 0;
}

int wh_names_save_step(struct wh_names_save *save, const struct wh_names *names, const char *state_dir, size_t max,
		       struct wh_names_time at)
{
	struct writing w = {.out = save->out, .at = at};

	save->next = wh_names_slice(names, save->next, max, write_pair, &w);
	return save->next ? 1 : finish(save, state_dir);
}

void wh_names_save_abort(struct wh_names_save *save)
{
	if (save->out)
		fclose(save->out);
	save->out = NULL;
}
