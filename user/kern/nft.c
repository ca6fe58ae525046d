/* SPDX-License-Identifier: GPL-2.0 */
/* nft.c: see nft.h. */
#include "kern/nft.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void wh_nft_free(struct nft_ctx **nft)
{
	if (*nft)
		nft_ctx_free(*nft);
}

struct nft_ctx *wh_nft_new(void)
{
	_cleanup_nft_ struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	struct nft_ctx *ready = nft;

	if (!nft || nft_ctx_buffer_output(nft) || nft_ctx_buffer_error(nft))
		return NULL;
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_HANDLE);
	nft = NULL;
	return ready;
}

int wh_nft_run(struct nft_ctx *nft, const char *commands, char error[WH_NFT_ERROR_LEN])
{
	const char *said;

	if (!nft) {
		snprintf(error, WH_NFT_ERROR_LEN, "nftables: no memory or no netlink socket");
		return -EIO;
	}
	if (nft_run_cmd_from_buffer(nft, commands) == 0)
		return 0;
	said = strstr(nft_ctx_get_error_buffer(nft), "Error: ");
	said = said ? said + strlen("Error: ") : "refused";
	snprintf(error, WH_NFT_ERROR_LEN, "nftables: %.*s", (int)strcspn(said, "\n"), said);
	return -EIO;
}

/* Names stand between quotes, where nftables knows no escapes, and a final "*" would stand for other names too. */
int wh_nft_check_device(const char *device, char error[WH_NFT_ERROR_LEN])
{
	if (*device && !strpbrk(device, "\"\\*"))
		return 0;
	snprintf(error, WH_NFT_ERROR_LEN, "device \"%s\": nftables has no way to write this name", device);
	return -EINVAL;
}
