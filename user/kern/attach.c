/* SPDX-License-Identifier: GPL-2.0 */
/* attach.c: see attach.h. */
#include "kern/attach.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <wanhelm/abi.h>

#include "kern/boot.h"
#include "kern/conntrack.h"
#include "kern/firewall.h"
#include "kern/neighbour_pin.h"
#include "kern/pins.h"
#include "lib/cleanup.h"

/* Attach types of Linux 6.6; the headers that we build with may be older. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)
#define ATTACH_TCX_EGRESS ((enum bpf_attach_type)47)

/* Our place among clsact's filters: one for each family, which only libbpf's "all protocols" keeps apart by priority. */
#define CLSACT_HANDLE 1
#define CLSACT_PRIORITY 0x5748

#define MAX_ON_HOOK 64
#define MAX_MAPS 64

static bool is_egress(enum wh_hook hook)
{
	return hook == WH_HOOK_WAN_OUT || hook == WH_HOOK_LAN_OUT;
}

/* WANHELM_TC=clsact: for boxes whose other software expects its own filters to see packets before ours. */
static bool tcx_wanted(void)
{
	const char *tc = getenv("WANHELM_TC");

	return !tc || strcmp(tc, "clsact") != 0;
}

/* A program by its id, if it has the name of one of ours. */
static bool is_ours_by_name(__u32 id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && !strncmp(info.name, "wh_", 3);
}

/* Whether a program works on the maps that are pinned under bpf_dir: every one of ours counts reasons. */
static bool uses_our_maps(__u32 id, const char *bpf_dir)
{
	_cleanup_close_ int prog = bpf_prog_get_fd_by_id(id), map = wh_pin_open(bpf_dir, "wh_reasons");
	struct bpf_map_info reasons = {};
	__u32 maps[MAX_MAPS], len = sizeof(reasons);
	struct bpf_prog_info info = {.nr_map_ids = MAX_MAPS, .map_ids = (__u64)(unsigned long)maps};

	if (prog < 0 || map < 0 || bpf_obj_get_info_by_fd(map, &reasons, &len))
		return false;
	len = sizeof(info);
	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		return false;
	for (__u32 i = 0; i < info.nr_map_ids && i < MAX_MAPS; i++) {
		if (maps[i] == reasons.id)
			return true;
	}
	return false;
}

/* --- tcx -------------------------------------------------------------------------------------------------- */

static bool another_wanhelm_there(unsigned ifindex, enum bpf_attach_type type, const char *bpf_dir)
{
	__u32 ids[MAX_ON_HOOK], count = MAX_ON_HOOK;

	if (bpf_prog_query((int)ifindex, type, 0, NULL, ids, &count))
		return false;
	for (__u32 i = 0; i < count && i < MAX_ON_HOOK; i++) {
		if (is_ours_by_name(ids[i]) && !uses_our_maps(ids[i], bpf_dir))
			return true;
	}
	return false;
}

static int attach_tcx(int prog, const char *bpf_dir, const char *path, bool egress, unsigned ifindex)
{
	enum bpf_attach_type type = egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS;
	_cleanup_close_ int link = wh_pin_link_adopt(path, ifindex);

	if (link >= 0)
		return bpf_link_update(link, prog, NULL) ? -errno : 0;
	if (another_wanhelm_there(ifindex, type, bpf_dir))
		return -EBUSY;
	link = bpf_link_create(prog, (int)ifindex, type, NULL);
	return link < 0 ? -errno : wh_pin_link(link, bpf_dir, path);
}

/* --- clsact ----------------------------------------------------------------------------------------------- */

/* A place for one program of ours. */
struct clsact_place {
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
};

/* libbpf refuses both structs where their padding is not zero, which an initializer does not promise. */
static void clsact_place(struct clsact_place *place, bool egress, enum wh_family family, unsigned ifindex)
{
	memset(place, 0, sizeof(*place));
	place->hook.sz = sizeof(place->hook);
	place->hook.ifindex = (int)ifindex;
	place->hook.attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
	place->opts.sz = sizeof(place->opts);
	place->opts.handle = CLSACT_HANDLE;
	place->opts.priority = CLSACT_PRIORITY + family;
}

/* The program at our place, 0: none. */
static __u32 clsact_program(bool egress, enum wh_family family, unsigned ifindex)
{
	struct clsact_place place;

	clsact_place(&place, egress, family, ifindex);
	return bpf_tc_query(&place.hook, &place.opts) ? 0 : place.opts.prog_id;
}

static int attach_clsact(int prog, const char *bpf_dir, bool egress, enum wh_family family, unsigned ifindex)
{
	__u32 there = clsact_program(egress, family, ifindex);
	struct clsact_place place;
	int err;

	if (there && !uses_our_maps(there, bpf_dir))
		return -EBUSY;
	clsact_place(&place, egress, family, ifindex);
	err = bpf_tc_hook_create(&place.hook);
	if (err && err != -EEXIST)
		return err;
	place.opts.prog_fd = prog;
	place.opts.flags = there ? BPF_TC_F_REPLACE : 0;
	return bpf_tc_attach(&place.hook, &place.opts);
}

static int detach_clsact(const char *bpf_dir, bool egress, enum wh_family family, unsigned ifindex)
{
	__u32 there = clsact_program(egress, family, ifindex);
	struct clsact_place place;

	clsact_place(&place, egress, family, ifindex);
	return there && uses_our_maps(there, bpf_dir) ? bpf_tc_detach(&place.hook, &place.opts) : 0;
}

/* --- either ----------------------------------------------------------------------------------------------- */

static int attach_one(int prog, const char *bpf_dir, enum wh_hook hook, enum wh_family family, const char *device,
		      unsigned ifindex)
{
	char path[WH_PIN_PATH_LEN];
	int err;

	err = wh_pin_link_path(path, bpf_dir, hook, family, device);
	if (!err && tcx_wanted()) {
		err = attach_tcx(prog, bpf_dir, path, is_egress(hook), ifindex);
		if (err == -EINVAL) /* a kernel before 6.6 */
			err = attach_clsact(prog, bpf_dir, is_egress(hook), family, ifindex);
	} else if (!err) {
		err = attach_clsact(prog, bpf_dir, is_egress(hook), family, ifindex);
		if (!err)
			wh_pin_link_remove(path); /* of an earlier run that used tcx */
	}
	return err;
}

int wh_attach(struct wh_programs *p, const char *bpf_dir, enum wh_hook hook, const char *device, unsigned ifindex,
	      unsigned l2_len, char *error, size_t error_len)
{
	int err = 0;

	for (enum wh_family family = 0; family < WH_FAMILIES && !err; family++) {
		int prog = wh_programs_fd(p, hook, family, l2_len);

		err = prog < 0 ? prog : attach_one(prog, bpf_dir, hook, family, device, ifindex);
	}
	if (err == -EBUSY)
		snprintf(
			error, error_len,
			"%s: its tc %s hook is taken by another wanhelm or by a filter with handle 1, priority %u or %u",
			device, is_egress(hook) ? "egress" : "ingress", CLSACT_PRIORITY, CLSACT_PRIORITY + 1);
	else if (err)
		snprintf(error, error_len, "%s: cannot attach to its tc %s hook: %s", device,
			 is_egress(hook) ? "egress" : "ingress", strerror(-err));
	return err;
}

static bool attached_one(const char *bpf_dir, enum wh_hook hook, enum wh_family family, const char *device,
			 unsigned ifindex, __u32 wanted)
{
	char path[WH_PIN_PATH_LEN];
	unsigned there_at = 0;
	__u32 there = 0;

	if (wh_pin_link_path(path, bpf_dir, hook, family, device))
		return false;
	if (tcx_wanted() && !wh_pin_link_read(path, &there_at, &there))
		return there_at == ifindex && there == wanted;
	return wanted && clsact_program(is_egress(hook), family, ifindex) == wanted;
}

bool wh_attached(struct wh_programs *p, const char *bpf_dir, enum wh_hook hook, const char *device, unsigned ifindex,
		 unsigned l2_len)
{
	for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
		__u32 wanted = wh_program_id(wh_programs_fd(p, hook, family, l2_len));

		if (!attached_one(bpf_dir, hook, family, device, ifindex, wanted))
			return false;
	}
	return true;
}

static int detach_one(const char *bpf_dir, enum wh_hook hook, enum wh_family family, const char *device,
		      unsigned ifindex)
{
	char path[WH_PIN_PATH_LEN];
	int err = wh_pin_link_path(path, bpf_dir, hook, family, device);

	if (!err)
		err = wh_pin_link_remove(path);
	if (err != -ENOENT)
		return err;
	return ifindex ? detach_clsact(bpf_dir, is_egress(hook), family, ifindex) : 0;
}

int wh_detach(const char *bpf_dir, enum wh_hook hook, const char *device, unsigned ifindex)
{
	int v4 = detach_one(bpf_dir, hook, WH_V4, device, ifindex),
	    v6 = detach_one(bpf_dir, hook, WH_V6, device, ifindex);

	return v4 ? v4 : v6;
}

/* The clsact filters have no pin to be found by: the devices that we served are in wh_devices. */
static int detach_filters(const char *bpf_dir)
{
	_cleanup_close_ int devices = wh_pin_open(bpf_dir, "wh_devices");
	__u32 ifindex, *at = NULL;
	int err = 0;

	while (devices >= 0 && !bpf_map_get_next_key(devices, at, &ifindex)) {
		for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
			int in = detach_clsact(bpf_dir, false, family, ifindex);
			int out = detach_clsact(bpf_dir, true, family, ifindex);

			err = in ? in : out ? out : err;
		}
		at = &ifindex;
	}
	return err;
}

/* Links are detached by name first: someone who looks at one with bpftool would else keep it alive. */
static int detach_links(const char *bpf_dir)
{
	char folder[WH_PIN_PATH_LEN], path[WH_PIN_PATH_LEN];
	struct dirent *entry;
	DIR *links;
	int err;

	err = wh_pin_path(folder, bpf_dir, "links");
	if (err)
		return err;
	links = opendir(folder);
	while (links && (entry = readdir(links))) {
		_cleanup_close_ int link = -1;

		if (entry->d_name[0] == '.' || wh_pin_path(path, folder, entry->d_name))
			continue;
		link = bpf_obj_get(path);
		if (link >= 0 && bpf_link_detach(link) && errno != ENOLINK)
			err = -errno;
	}
	if (links)
		closedir(links);
	return err;
}

static void unpin(void *arg, unsigned ifindex, const struct in6_addr *addr, const uint8_t mac[ETH_ALEN])
{
	(void)arg;
	(void)mac;
	wh_neighbour_unpin(ifindex, addr);
}

/*
 * What stands outside our maps.  First the table, then the connections that it bound to their own source, while our
 * hooks still see to their packets.
 */
static void leave_kernel(const char *bpf_dir)
{
	_cleanup_close_ int fd = wh_pin_open(bpf_dir, "wh_meta");
	char why[WH_FIREWALL_ERROR_LEN];
	struct wh_meta meta = {};
	__u32 zero = 0;

	wh_neighbour_pins(unpin, NULL);
	wh_firewall_remove(why);
	if (fd >= 0 && !bpf_map_lookup_elem(fd, &zero, &meta) && meta.mark_mask)
		wh_conntrack_forget(meta.mark, meta.mark_mask);
}

int wh_unload(const char *bpf_dir)
{
	char why[WH_NFT_ERROR_LEN];
	int links, filters, err;

	if (access(bpf_dir, F_OK))
		return -errno;
	libbpf_set_print(NULL); /* what is gone already is no news */
	err = wh_boot_stop(bpf_dir, why);
	if (err)
		return err; /* rather steered on than open */
	leave_kernel(bpf_dir);
	links = detach_links(bpf_dir);
	filters = detach_filters(bpf_dir);
	if (links || filters)
		return links ? links : filters;
	return wh_pins_remove(bpf_dir);
}
