/* SPDX-License-Identifier: GPL-2.0 */
/* attach.c: see attach.h. */
#include "kern/attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <wanhelm/abi.h>

#include "kern/pins.h"
#include "kern/tables.h"
#include "lib/cleanup.h"

/* Attach types of Linux 6.6; the headers that we build with may be older. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)
#define ATTACH_TCX_EGRESS ((enum bpf_attach_type)47)

/* Our place among clsact's filters. */
#define CLSACT_HANDLE 1
#define CLSACT_PRIORITY 0x5748

#define MAX_ON_HOOK 64

static bool is_egress(enum wh_hook hook)
{
	return hook == WH_HOOK_WAN_OUT;
}

/* WANHELM_TC=clsact: for boxes whose other software expects its own filters to see packets before ours. */
static bool tcx_wanted(void)
{
	const char *tc = getenv("WANHELM_TC");

	return !tc || strcmp(tc, "clsact") != 0;
}

static __u32 program_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* A program by its id, if it has the name of one of ours. */
static bool is_ours_by_name(__u32 id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && !strncmp(info.name, "wh_", 3);
}

/* --- tcx -------------------------------------------------------------------------------------------------- */

/* The device of a link, 0 when it is gone. tcx.ifindex stands where xdp.ifindex does. */
static unsigned link_ifindex(int link, __u32 *prog_id)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &len))
		return 0;
	*prog_id = info.prog_id;
	return info.xdp.ifindex;
}

/* The pinned link, if it still holds to this device; a link to a device that went is removed. */
static int adopt_link(const char *path, unsigned ifindex, __u32 *prog_id)
{
	_cleanup_close_ int link = bpf_obj_get(path);

	if (link < 0)
		return -errno;
	if (link_ifindex(link, prog_id) != ifindex) {
		unlink(path);
		return -ENOENT;
	}
	return wh_take_fd(&link);
}

static bool another_wanhelm_there(unsigned ifindex, enum bpf_attach_type type)
{
	__u32 ids[MAX_ON_HOOK], count = MAX_ON_HOOK;

	if (bpf_prog_query((int)ifindex, type, 0, NULL, ids, &count))
		return false;
	for (__u32 i = 0; i < count && i < MAX_ON_HOOK; i++) {
		if (is_ours_by_name(ids[i]))
			return true;
	}
	return false;
}

static int attach_tcx(int prog, const char *bpf_dir, const char *path, bool egress, unsigned ifindex)
{
	enum bpf_attach_type type = egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS;
	_cleanup_close_ int link = -1;
	char folder[WH_PIN_PATH_LEN];
	__u32 prog_id = 0;

	link = adopt_link(path, ifindex, &prog_id);
	if (link >= 0)
		return bpf_link_update(link, prog, NULL) ? -errno : 0;
	if (another_wanhelm_there(ifindex, type))
		return -EBUSY;
	link = bpf_link_create(prog, (int)ifindex, type, NULL);
	if (link < 0)
		return -errno;
	if (wh_pin_path(folder, bpf_dir, "links") || (mkdir(folder, 0700) && errno != EEXIST))
		return -errno;
	return bpf_obj_pin(link, path) ? -errno : 0;
}

/* --- clsact ----------------------------------------------------------------------------------------------- */

static struct bpf_tc_hook clsact_hook(bool egress, unsigned ifindex)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook), .ifindex = (int)ifindex, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS};

	return hook;
}

/* The program at our place, 0: none. */
static __u32 clsact_program(bool egress, unsigned ifindex)
{
	struct bpf_tc_hook hook = clsact_hook(egress, ifindex);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

static int attach_clsact(int prog, bool egress, unsigned ifindex)
{
	struct bpf_tc_hook hook = clsact_hook(egress, ifindex);
	__u32 there;
	int err;
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY, .prog_fd = prog);

	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return err;
	there = clsact_program(egress, ifindex);
	if (there && !is_ours_by_name(there))
		return -EBUSY;
	opts.flags = there ? BPF_TC_F_REPLACE : 0;
	return bpf_tc_attach(&hook, &opts);
}

static int detach_clsact(bool egress, unsigned ifindex)
{
	struct bpf_tc_hook hook = clsact_hook(egress, ifindex);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	__u32 there = clsact_program(egress, ifindex);

	return there && is_ours_by_name(there) ? bpf_tc_detach(&hook, &opts) : 0;
}

/* --- either ----------------------------------------------------------------------------------------------- */

int wh_attach(const struct wh_programs *p, const char *bpf_dir, enum wh_hook hook, const char *device, unsigned ifindex,
	      char *error, size_t error_len)
{
	int prog = wh_programs_fd(p, hook);
	char path[WH_PIN_PATH_LEN];
	int err;

	err = wh_pin_link_path(path, bpf_dir, hook, device);
	if (!err && tcx_wanted()) {
		err = attach_tcx(prog, bpf_dir, path, is_egress(hook), ifindex);
		if (err == -EINVAL) /* a kernel before 6.6 */
			err = attach_clsact(prog, is_egress(hook), ifindex);
	} else if (!err) {
		err = attach_clsact(prog, is_egress(hook), ifindex);
	}
	if (err == -EBUSY)
		snprintf(error, error_len,
			 "%s: its tc %s hook is taken by another wanhelm or by a filter with handle 1, priority %u",
			 device, is_egress(hook) ? "egress" : "ingress", CLSACT_PRIORITY);
	else if (err)
		snprintf(error, error_len, "%s: cannot attach to its tc %s hook: %s", device,
			 is_egress(hook) ? "egress" : "ingress", strerror(-err));
	return err;
}

bool wh_attached(const struct wh_programs *p, const char *bpf_dir, enum wh_hook hook, const char *device,
		 unsigned ifindex)
{
	__u32 wanted = program_id(wh_programs_fd(p, hook));
	_cleanup_close_ int link = -1;
	char path[WH_PIN_PATH_LEN];
	__u32 there = 0;

	if (wh_pin_link_path(path, bpf_dir, hook, device))
		return false;
	link = bpf_obj_get(path);
	if (link >= 0)
		return link_ifindex(link, &there) == ifindex && there == wanted;
	return wanted && clsact_program(is_egress(hook), ifindex) == wanted;
}

int wh_detach(const char *bpf_dir, enum wh_hook hook, const char *device, unsigned ifindex)
{
	char path[WH_PIN_PATH_LEN];
	_cleanup_close_ int link = -1;
	int err = wh_pin_link_path(path, bpf_dir, hook, device);

	if (err)
		return err;
	link = bpf_obj_get(path);
	if (link >= 0) {
		if (bpf_link_detach(link) && errno != ENOLINK)
			err = -errno;
		return unlink(path) ? -errno : err;
	}
	return ifindex ? detach_clsact(is_egress(hook), ifindex) : 0;
}

/* The clsact filters have no pin to be found by: the devices that we served are in wh_devices. */
static void detach_filters(const char *bpf_dir)
{
	_cleanup_close_ int devices = wh_pin_open(bpf_dir, "wh_devices");
	__u32 ifindex, *at = NULL;

	while (devices >= 0 && !bpf_map_get_next_key(devices, at, &ifindex)) {
		detach_clsact(false, ifindex);
		detach_clsact(true, ifindex);
		at = &ifindex;
	}
}

/* Links are detached by name first: someone who looks at one with bpftool would else keep it alive. */
static void detach_links(const char *bpf_dir)
{
	struct wh_tables tables;
	struct wh_wan wan;
	struct wh_lan lan;

	if (wh_tables_open(&tables, bpf_dir))
		return;
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (wh_tables_wan(&tables, i, &wan) || !wan.device[0])
			continue;
		wh_detach(bpf_dir, WH_HOOK_WAN_IN, wan.device, 0);
		wh_detach(bpf_dir, WH_HOOK_WAN_OUT, wan.device, 0);
	}
	for (unsigned i = 0; i < WH_MAX_LANS; i++) {
		if (!wh_tables_lan(&tables, i, &lan) && lan.device[0])
			wh_detach(bpf_dir, i == WH_LAN_PROBER ? WH_HOOK_PROBE_IN : WH_HOOK_LAN_IN, lan.device, 0);
	}
	wh_tables_close(&tables);
}

int wh_unload(const char *bpf_dir)
{
	if (access(bpf_dir, F_OK))
		return -errno;
	detach_links(bpf_dir);
	detach_filters(bpf_dir);
	return wh_pins_remove(bpf_dir);
}
