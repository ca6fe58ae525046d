/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pins.h: the layout of our folder on the bpf file system: the maps under their names, the
 * tcx links in the folder "links".  Used inside kern/ only.
 */
#ifndef WANHELM_KERN_PINS_H
#define WANHELM_KERN_PINS_H

#include "kern/load.h"

#define WH_PIN_PATH_LEN 256
#define WH_PIN_XDP "xdp-" /* the names of XDP links begin so */

/* <bpf_dir>/<name>; 0 or -ENAMETOOLONG. */
int wh_pin_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, const char *name);

/* <bpf_dir>/links/<hook>-<device> */
int wh_pin_link_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, enum wh_hook hook, enum wh_family family,
		     const char *device);

/* The same of the XDP program on a device: <bpf_dir>/links/xdp-<device> */
int wh_pin_xdp_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, const char *device);

/* The pinned link's device, 0 where that is gone, and its program. 0 or -errno. */
int wh_pin_link_read(const char *path, unsigned *ifindex, __u32 *prog_id);
/* The pinned link, if it still holds to this device, for the caller to close; one to a device that went is removed. -errno. */
int wh_pin_link_adopt(const char *path, unsigned ifindex);
/* Pin a new link at one of these paths. 0 or -errno. */
int wh_pin_link(int link, const char *bpf_dir, const char *path);
/* Detach and unpin. 0; -ENOENT: there was none; -errno. */
int wh_pin_link_remove(const char *path);

/* The number under which the kernel has a program; 0: none. */
__u32 wh_program_id(int fd);

/* "lan_in", …: as in pins and in the programs' names. */
const char *wh_hook_name(enum wh_hook hook);

/* A descriptor of the pinned map, or -errno. */
int wh_pin_open(const char *bpf_dir, const char *name);

/* Remove every pin and the folders; links lose their last holder by it and detach. 0 or -errno. */
int wh_pins_remove(const char *bpf_dir);

#endif
