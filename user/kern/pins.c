/* SPDX-License-Identifier: GPL-2.0 */
/* pins.c: see pins.h. */
#include "kern/pins.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

static const char *const hook_names[WH_HOOKS] = {
	[WH_HOOK_LAN_IN] = "lan_in",   [WH_HOOK_LAN_OUT] = "lan_out",	[WH_HOOK_WAN_IN] = "wan_in",
	[WH_HOOK_WAN_OUT] = "wan_out", [WH_HOOK_PROBE_IN] = "probe_in",
};

static int fits(int written)
{
	return written < 0 || written >= WH_PIN_PATH_LEN ? -ENAMETOOLONG : 0;
}

int wh_pin_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, const char *name)
{
	return fits(snprintf(path, WH_PIN_PATH_LEN, "%s/%s", bpf_dir, name));
}

const char *wh_hook_name(enum wh_hook hook)
{
	return hook_names[hook];
}

int wh_pin_link_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, enum wh_hook hook, enum wh_family family,
		     const char *device)
{
	/* bpf file systems take no dots in names; VLAN devices have them. */
	int err = fits(snprintf(path, WH_PIN_PATH_LEN, "%s/links/%s%d-%s", bpf_dir, hook_names[hook],
				family == WH_V4 ? 4 : 6, device));
	char *dot = err ? NULL : strrchr(path, '/');

	while (dot && (dot = strchr(dot, '.')))
		*dot = ':';
	return err;
}

int wh_pin_open(const char *bpf_dir, const char *name)
{
	char path[WH_PIN_PATH_LEN];
	int err = wh_pin_path(path, bpf_dir, name);
	int fd;

	if (err)
		return err;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int remove_all_in(const char *dir)
{
	char path[WH_PIN_PATH_LEN];
	DIR *entries = opendir(dir);
	struct dirent *entry;
	int err = 0;

	if (!entries)
		return -errno;
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
			continue;
		if (wh_pin_path(path, dir, entry->d_name) || unlink(path))
			err = -EIO;
	}
	closedir(entries);
	return err || !rmdir(dir) ? err : -errno;
}

int wh_pins_remove(const char *bpf_dir)
{
	char links[WH_PIN_PATH_LEN];
	int err = wh_pin_path(links, bpf_dir, "links");

	if (err)
		return err;
	err = remove_all_in(links);
	if (err && err != -ENOENT)
		return err;
	return remove_all_in(bpf_dir);
}
