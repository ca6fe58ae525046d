/* SPDX-License-Identifier: GPL-2.0 */
/*
 * firewall.h: our one table in the kernel's firewall, `inet wanhelm`: it lets packets that carry our mark pass
 * the user's chains as ordinary new flows and leave with the source that they came with, so that wan_out
 * recognises them.  The daemon puts it and, when firewall_watch.h tells of a change that was not its own, asks
 * whether it is still there.  The user's own tables are never touched.
 */
#ifndef WANHELM_KERN_FIREWALL_H
#define WANHELM_KERN_FIREWALL_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wanhelm/abi.h>

#include "kern/nft.h"

#define WH_FIREWALL_TABLE "wanhelm"
/* The user's own nat chains in postrouting must stand behind this priority. */
#define WH_FIREWALL_NAT_PRIORITY (-190)
#define WH_FIREWALL_ERROR_LEN WH_NFT_ERROR_LEN

struct wh_firewall_options {
	/* Connection tracking does not see our packets: `firewall: untracked`, and `bypass`, where only fragments go up. */
	bool untracked;
	uint32_t mark; /* the configured value and mask, as in struct wh_meta */
	uint32_t mark_mask;
	/* The WANs' devices: only what leaves by one of them keeps its source.  None: whatever leaves. */
	char wans[WH_MAX_WANS][IFNAMSIZ];
	unsigned n_wans;
	/* The LAN devices: what the user's rules have not redirected there keeps its source, too. */
	char lans[WH_MAX_LANS][IFNAMSIZ];
	unsigned n_lans;
};

/*
 * Put the table into this network namespace, in one transaction and in the place of what there is under its name.
 * 0; -EINVAL where the marks do not fit the mask or a device's name cannot be written down; -EIO where the kernel
 * refuses: then nothing has changed, and `error` says why in one line.
 */
int wh_firewall_put(const struct wh_firewall_options *options, char error[WH_FIREWALL_ERROR_LEN]);

/* Take the table out; nothing to do where there is none. 0 or -EIO, and `error` says why. */
int wh_firewall_remove(char error[WH_FIREWALL_ERROR_LEN]);

/* Whether the table is there just as wh_firewall_put() with these options leaves it: 1 or 0; -EINVAL, -EIO. */
int wh_firewall_present(const struct wh_firewall_options *options);

#endif
