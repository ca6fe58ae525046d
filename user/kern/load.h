/* SPDX-License-Identifier: GPL-2.0 */
/*
 * load.h: the BPF programs and maps in the kernel: loaded, or taken over from an earlier controller, pinned
 * under one folder of a bpf file system.  tables.h reads and writes what is in the maps; attach.h puts the
 * programs on devices.
 */
#ifndef WANHELM_KERN_LOAD_H
#define WANHELM_KERN_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wanhelm/abi.h>
#include <wanhelm/explain.h>

enum wh_hook { WH_HOOK_LAN_IN, WH_HOOK_LAN_OUT, WH_HOOK_WAN_IN, WH_HOOK_WAN_OUT, WH_HOOK_PROBE_IN, WH_HOOKS };

struct wh_load_options {
	const char *bpf_dir; /* made if missing; its parent must be on a bpf file system */
	const char *owner;   /* shown to people in wh_meta */
	uint32_t max_flows;
	uint32_t max_ports; /* as many external ports as there can be, of all WANs and protocols; 0: not known */
	uint32_t mark;
	uint32_t mark_mask;
};

/*
 * How many entries the map of that name (wh_flows4 and the like) is made with for options->max_flows and max_ports; 0:
 * its size does not depend on them.
 */
uint32_t wh_map_entries(const char *name, const struct wh_load_options *options);

struct wh_programs;

/*
 * Load the programs on the maps that are pinned under bpf_dir, or on new ones, which are pinned.  Nothing is
 * attached yet.  *adopted says whether there were maps already.  0 or -errno with one line in `error`; then
 * nothing that was there before has changed.
 */
int wh_programs_load(struct wh_programs **out, const struct wh_load_options *options, bool *adopted, char *error,
		     size_t error_len);
void wh_programs_close(struct wh_programs *p);

/*
 * The descriptor of a hook's program for a family, and for devices whose packets begin with a link-layer header of
 * `l2_len` bytes: ETH_HLEN, or 0, which is loaded when it is first asked for.  -errno.
 */
int wh_programs_fd(struct wh_programs *p, enum wh_hook hook, enum wh_family family, unsigned l2_len);

/*
 * The descriptor of the XDP program (loaded when it is first asked for): of IPv4's, which a device is given and which
 * hands other frames to IPv6's, or of IPv6's by itself.  -errno: this kernel has no such programs.
 */
int wh_programs_xdp(struct wh_programs *p, enum wh_family family);

/* Run the sweep over the order form in wh_sweep4 or wh_sweep6 (include/wanhelm/sweep.h). 0 or -errno. */
int wh_programs_sweep(const struct wh_programs *p, enum wh_family family);

/*
 * Have the data plane answer the form (include/wanhelm/explain.h), in place.  Loads the program when it is first asked.
 * 0 or -errno, with the form as it was.
 */
int wh_programs_explain(struct wh_programs *p, enum wh_family family, struct wh_explain *form);

/* The lock that a controller holds on its folder while it lives: a descriptor to close; -EWOULDBLOCK; -errno. */
int wh_folder_lock(const char *bpf_dir);

/* Detach everything that is pinned under bpf_dir and remove the pins. 0; -ENOENT: nothing there; -errno. */
int wh_unload(const char *bpf_dir);

#endif
