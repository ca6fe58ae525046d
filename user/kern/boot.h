/* SPDX-License-Identifier: GPL-2.0 */
/*
 * boot.h: `boot: closed`: while our programs are not on the devices, nothing that a LAN device brings is forwarded to a
 * WAN.  A table of its own in the kernel's firewall, `inet wanhelm_boot`, says so: it stands from before the start until
 * the programs are attached, and again from the moment they are taken out.  The daemon begins and ends it, attach.c's
 * wh_unload(), which may run without a daemon, brings it back.
 */
#ifndef WANHELM_KERN_BOOT_H
#define WANHELM_KERN_BOOT_H

#include <net/if.h>
#include <stdbool.h>
#include <wanhelm/abi.h>

#include "kern/nft.h"

#define WH_BOOT_TABLE "wanhelm_boot"

struct wh_boot {
	bool closed;
	char lans[WH_MAX_LANS][IFNAMSIZ]; /* devices, there or not */
	unsigned n_lans;
	char wans[WH_MAX_WANS][IFNAMSIZ];
	unsigned n_wans;
};

/*
 * Before the data plane is there: close, or take away what was left closed.  Nothing to do where it is pinned under
 * bpf_dir already.  0; -EINVAL where a device's name cannot be written down; -EIO where the kernel refuses to close:
 * then `error` says why.
 */
int wh_boot_begin(const char *bpf_dir, const struct wh_boot *boot, char error[WH_NFT_ERROR_LEN]);

/* The programs are on the devices: open. 0, or -EIO and why. */
int wh_boot_done(char error[WH_NFT_ERROR_LEN]);

/*
 * What is pinned under bpf_dir is about to be taken out: close, if it was configured so (in wh_steer), between the
 * devices that stand in wh_lans and wh_wans. As wh_boot_begin().
 */
int wh_boot_stop(const char *bpf_dir, char error[WH_NFT_ERROR_LEN]);

#endif
