/* SPDX-License-Identifier: GPL-2.0 */
/* nft.h: libnftables, for those who keep a table of ours in the kernel's firewall (firewall.h, boot.h). */
#ifndef WANHELM_KERN_NFT_H
#define WANHELM_KERN_NFT_H

#include <nftables/libnftables.h>

#define WH_NFT_ERROR_LEN 256

/* A context whose output is kept and shows handles; NULL: no memory, or no netlink socket. */
struct nft_ctx *wh_nft_new(void);
void wh_nft_free(struct nft_ctx **nft);
#define _cleanup_nft_ __attribute__((cleanup(wh_nft_free)))

/*
 * Run the commands, as one transaction; the output stays in the context.  `nft` may be NULL.  0; -EIO: nothing has
 * changed, and `error` holds what the library said first.
 */
int wh_nft_run(struct nft_ctx *nft, const char *commands, char error[WH_NFT_ERROR_LEN]);

/* Whether a device's name can stand in a ruleset. 0, or -EINVAL and why in `error`. */
int wh_nft_check_device(const char *device, char error[WH_NFT_ERROR_LEN]);

#endif
