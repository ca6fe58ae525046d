/* SPDX-License-Identifier: GPL-2.0 */
/* xdp.c: see xdp.h; what drivers can do: xdp_driver.c. */
#include "kern/xdp.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/load_private.h"
#include "kern/pins.h"
#include "lib/cleanup.h"

static __u32 our_id(const char *path, unsigned ifindex)
{
	unsigned there = 0;
	__u32 id = 0;

	return !wh_pin_link_read(path, &there, &id) && there == ifindex ? id : 0;
}

bool wh_xdp_attached(struct wh_programs *p, const char *bpf_dir, const char *device, unsigned ifindex)
{
	char path[WH_PIN_PATH_LEN];
	int prog = wh_programs_xdp(p, WH_V4);
	__u32 wanted = prog < 0 ? 0 : wh_program_id(prog);

	return wanted && !wh_pin_xdp_path(path, bpf_dir, device) && our_id(path, ifindex) == wanted;
}

/* The program on the device, in a driver, before the kernel or in hardware; 0: none, or it cannot be told. */
static __u32 id_there(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, there);

	if (bpf_xdp_query((int)ifindex, 0, &there))
		return 0;
	if (there.drv_prog_id)
		return there.drv_prog_id;
	return there.skb_prog_id ? there.skb_prog_id : there.hw_prog_id ? there.hw_prog_id : there.prog_id;
}

bool wh_xdp_is_taken(const char *bpf_dir, const char *device, unsigned ifindex, char why[WH_XDP_WHY_LEN])
{
	_cleanup_close_ int fd = -1;
	char path[WH_PIN_PATH_LEN];
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info), id = id_there(ifindex);

	if (!id || wh_pin_xdp_path(path, bpf_dir, device) || id == our_id(path, ifindex))
		return false;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		info.name[0] = '\0';
	snprintf(why, WH_XDP_WHY_LEN, "another XDP program (id %u%s%s)", id, info.name[0] ? " " : "", info.name);
	return true;
}

static int attach(int prog, const char *bpf_dir, const char *device, unsigned ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, in_driver, .flags = XDP_FLAGS_DRV_MODE);
	_cleanup_close_ int link = -1;
	char path[WH_PIN_PATH_LEN];
	int err = wh_pin_xdp_path(path, bpf_dir, device);

	if (err)
		return err;
	link = wh_pin_link_adopt(path, ifindex);
	if (link >= 0)
		return bpf_link_update(link, prog, NULL) ? -errno : 0;
	link = bpf_link_create(prog, (int)ifindex, BPF_XDP, &in_driver);
	return link < 0 ? -errno : wh_pin_link(link, bpf_dir, path);
}

int wh_xdp_attach(struct wh_programs *p, const char *bpf_dir, const char *device, unsigned ifindex,
		  char why[WH_XDP_WHY_LEN])
{
	int prog = wh_programs_xdp(p, WH_V4), err;
	char said[WH_XDP_WHY_LEN - 48];

	if (prog < 0) {
		wh_load_explain(prog, said, sizeof(said));
		snprintf(why, WH_XDP_WHY_LEN, "the kernel does not load it: %s", said);
		return prog;
	}
	err = attach(prog, bpf_dir, device, ifindex);
	if (err == -EOPNOTSUPP)
		snprintf(why, WH_XDP_WHY_LEN, "its driver has no XDP");
	else if (err)
		snprintf(why, WH_XDP_WHY_LEN, "its driver refuses it: %s", strerror(-err));
	return err;
}

int wh_xdp_out(const char *bpf_dir)
{
	return wh_pin_open(bpf_dir, "wh_xdp_out");
}

bool wh_xdp_is_of(const char *path, const char *bpf_dir, const char *device)
{
	char own[WH_PIN_PATH_LEN];

	return !wh_pin_xdp_path(own, bpf_dir, device) && !strcmp(own, path);
}

int wh_xdp_detach_others(const char *bpf_dir, bool (*keeps)(void *arg, const char *path), void *arg)
{
	char folder[WH_PIN_PATH_LEN], path[WH_PIN_PATH_LEN];
	int err = wh_pin_path(folder, bpf_dir, "links");
	struct dirent *entry;
	DIR *links;

	links = err ? NULL : opendir(folder);
	while (links && (entry = readdir(links))) {
		if (strncmp(entry->d_name, WH_PIN_XDP, strlen(WH_PIN_XDP)) != 0 ||
		    wh_pin_path(path, folder, entry->d_name) || keeps(arg, path))
			continue;
		err = wh_pin_link_remove(path);
	}
	if (links)
		closedir(links);
	return err;
}
