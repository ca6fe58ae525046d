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

#include "lib/cleanup.h"

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

/* bpf file systems take no dots in names; VLAN devices have them. */
static void replace_dots(char *path)
{
	for (char *dot = strrchr(path, '/'); (dot = strchr(dot, '.'));)
		*dot = ':';
}

int wh_pin_link_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, enum wh_hook hook, enum wh_family family,
		     const char *device)
{
	int err = fits(snprintf(path, WH_PIN_PATH_LEN, "%s/links/%s%d-%s", bpf_dir, hook_names[hook],
				family == WH_V4 ? 4 : 6, device));

	if (!err)
		replace_dots(path);
	return err;
}

int wh_pin_xdp_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, const char *device)
{
	int err = fits(snprintf(path, WH_PIN_PATH_LEN, "%s/links/" WH_PIN_XDP "%s", bpf_dir, device));

	if (!err)
		replace_dots(path);
	return err;
}

/* --- links ------------------------------------------------------------------------------------------------ */

__u32 wh_program_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* tcx.ifindex stands where xdp.ifindex does. */
static int read_link(int link, unsigned *ifindex, __u32 *prog_id)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &len))
		return -errno;
	*ifindex = info.xdp.ifindex;
	*prog_id = info.prog_id;
	return 0;
}

int wh_pin_link_read(const char *path, unsigned *ifindex, __u32 *prog_id)
{
	_cleanup_close_ int link = bpf_obj_get(path);

	return link < 0 ? -errno : read_link(link, ifindex, prog_id);
}

int wh_pin_link_adopt(const char *path, unsigned ifindex)
{
	_cleanup_close_ int link = bpf_obj_get(path);
	unsigned there = 0;
	__u32 prog_id = 0;

	if (link < 0)
		return -errno;
	if (read_link(link, &there, &prog_id) || there != ifindex) {
		unlink(path);
		return -ENOENT;
	}
	return wh_take_fd(&link);
}

int wh_pin_link(int link, const char *bpf_dir, const char *path)
{
	char folder[WH_PIN_PATH_LEN];

	if (wh_pin_path(folder, bpf_dir, "links") || (mkdir(folder, 0700) && errno != EEXIST))
		return -errno;
	return bpf_obj_pin(link, path) ? -errno : 0;
}

int wh_pin_link_remove(const char *path)
{
	_cleanup_close_ int link = bpf_obj_get(path);
	int err = 0;

	if (link < 0)
		return -errno;
	if (bpf_link_detach(link) && errno != ENOLINK)
		err = -errno;
	return unlink(path) ? -errno : err;
}

/* --- maps, and all ---------------------------------------------------------------------------------------- */

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
