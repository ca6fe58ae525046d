/* SPDX-License-Identifier: GPL-2.0 */
/* boot.c: see boot.h. */
#include "kern/boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <wanhelm/steer.h>
#include <wanhelm/wan.h>

#include "kern/pins.h"
#include "lib/cleanup.h"

#define TABLE "table inet " WH_BOOT_TABLE
#define REMOVE "add " TABLE "\ndelete " TABLE "\n" /* deleting what is not there would be an error */

/* Before the user's own chains, whose verdicts need no change then. */
#define PRIORITY (-310)

/* --- the table -------------------------------------------------------------------------------------------- */

static int put_devices(FILE *out, const char *match, const char (*devices)[IFNAMSIZ], unsigned n, char *error)
{
	fprintf(out, "%s { ", match);
	for (unsigned i = 0; i < n; i++) {
		int err = wh_nft_check_device(devices[i], error);

		if (err)
			return err;
		fprintf(out, "\"%s\", ", devices[i]);
	}
	fputs("} ", out);
	return 0;
}

static int write_table(FILE *out, const struct wh_boot *boot, char *error)
{
	int err;

	fprintf(out, REMOVE TABLE " {\nchain closed {\ntype filter hook forward priority %d\n", PRIORITY);
	err = put_devices(out, "iifname", boot->lans, boot->n_lans, error);
	if (!err)
		err = put_devices(out, "oifname", boot->wans, boot->n_wans, error);
	fputs("counter drop\n}\n}\n", out);
	return err;
}

static int close_up(const struct wh_boot *boot, char *error)
{
	_cleanup_nft_ struct nft_ctx *nft = NULL;
	_cleanup_free_ char *commands = NULL;
	size_t len;
	FILE *out = open_memstream(&commands, &len);
	int err;

	if (!out)
		return -ENOMEM;
	err = write_table(out, boot, error);
	if (fclose(out) && !err)
		err = -ENOMEM;
	if (err)
		return err;
	nft = wh_nft_new();
	return wh_nft_run(nft, commands, error);
}

int wh_boot_done(char error[WH_NFT_ERROR_LEN])
{
	_cleanup_nft_ struct nft_ctx *nft = wh_nft_new();

	return wh_nft_run(nft, REMOVE, error);
}

int wh_boot_begin(const char *bpf_dir, const struct wh_boot *boot, char error[WH_NFT_ERROR_LEN])
{
	_cleanup_close_ int there = wh_pin_open(bpf_dir, "wh_meta");

	if (there >= 0)
		return 0;
	if (boot->closed)
		return close_up(boot, error);
	wh_boot_done(error); /* a kernel that cannot do that was never closed */
	return 0;
}

/* --- what the maps say ------------------------------------------------------------------------------------ */

static bool read_row(const char *bpf_dir, const char *map, uint32_t row, void *out)
{
	_cleanup_close_ int fd = wh_pin_open(bpf_dir, map);

	return fd >= 0 && !bpf_map_lookup_elem(fd, &row, out);
}

static void read_devices(const char *bpf_dir, struct wh_boot *boot)
{
	struct wh_lan lan;
	struct wh_wan wan;

	for (uint32_t i = 0; i < WH_MAX_LANS; i++) {
		if (i != WH_LAN_PROBER && read_row(bpf_dir, "wh_lans", i, &lan) && lan.device[0])
			snprintf(boot->lans[boot->n_lans++], IFNAMSIZ, "%s", lan.device);
	}
	for (uint32_t i = 0; i < WH_MAX_WANS; i++) {
		if (read_row(bpf_dir, "wh_wans", i, &wan) && wan.device[0])
			snprintf(boot->wans[boot->n_wans++], IFNAMSIZ, "%s", wan.device);
	}
}

int wh_boot_stop(const char *bpf_dir, char error[WH_NFT_ERROR_LEN])
{
	struct wh_boot boot = {};
	struct wh_steer global;

	boot.closed = read_row(bpf_dir, "wh_steer", WH_STEER_GLOBAL, &global) && global.firewall.closed;
	if (boot.closed)
		read_devices(bpf_dir, &boot);
	return boot.closed && boot.n_lans && boot.n_wans ? close_up(&boot, error) : 0;
}
