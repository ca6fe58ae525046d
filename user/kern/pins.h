/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pins.h: the layout of our folder on the bpf file system: the maps under their names, the
 * tcx links in the folder "links".  Used inside kern/ only.
 */
#ifndef WANHELM_KERN_PINS_H
#define WANHELM_KERN_PINS_H

#include "kern/load.h"

#define WH_PIN_PATH_LEN 256

/* <bpf_dir>/<name>; 0 or -ENAMETOOLONG. */
int wh_pin_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, const char *name);

/* <bpf_dir>/links/<hook>-<device> */
int wh_pin_link_path(char path[WH_PIN_PATH_LEN], const char *bpf_dir, enum wh_hook hook, enum wh_family family,
		     const char *device);

/* "lan_in", …: as in pins and in the programs' names. */
const char *wh_hook_name(enum wh_hook hook);

/* A descriptor of the pinned map, or -errno. */
int wh_pin_open(const char *bpf_dir, const char *name);

/* Remove every pin and the folders; links lose their last holder by it and detach. 0 or -errno. */
int wh_pins_remove(const char *bpf_dir);

#endif
