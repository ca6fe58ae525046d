/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xdp.h: our XDP program in devices' drivers (a pinned link each, which outlives the controller), and what stands in
 * its way there.  Which devices are to have it is the daemon's business (daemon/carriers.c).
 */
#ifndef WANHELM_KERN_XDP_H
#define WANHELM_KERN_XDP_H

#include "kern/load.h"

#define WH_XDP_WHY_LEN 128

/* --- what a driver can do ---------------------------------------------------------------------------------- */

/* Of enum netdev_xdp_act (linux/netdev.h of Linux 6.3). */
enum wh_xdp_feature {
	WH_XDP_BASIC = 1 << 0,	  /* runs programs itself, which may drop, pass and turn frames around */
	WH_XDP_REDIRECT = 1 << 1, /* and send them elsewhere */
	WH_XDP_XMIT = 1 << 2,	  /* sends what others' programs send there */
	WH_XDP_XMIT_SG = 1 << 6,  /* the same of frames in several buffers */
};

/*
 * One call for each device, with what its driver can do now: some send only while they run a program.  0; -EOPNOTSUPP
 * where this kernel does not tell (before 6.3); -errno.
 */
int wh_xdp_each_driver(void (*each)(void *arg, unsigned ifindex, uint64_t features), void *arg);

/* Whether the driver takes VLAN tags off frames, where no XDP program sees them. */
bool wh_xdp_hides_tags(const char *device);

/* --- our program -------------------------------------------------------------------------------------------- */

/*
 * See to it that our program runs in the device's driver: attached, or put in the place of an earlier controller's in
 * one step.  0; -EBUSY: somebody else's program is there; -EOPNOTSUPP: the driver runs none; -errno; with a clause
 * in `why`.
 */
int wh_xdp_attach(struct wh_programs *p, const char *bpf_dir, const char *device, unsigned ifindex,
		  char why[WH_XDP_WHY_LEN]);

/* Whether it does already. */
bool wh_xdp_attached(struct wh_programs *p, const char *bpf_dir, const char *device, unsigned ifindex);

/* Whether another program than ours is there; then `why` says which. */
bool wh_xdp_is_taken(const char *bpf_dir, const char *device, unsigned ifindex, char why[WH_XDP_WHY_LEN]);

/* A descriptor of wh_xdp_out, the devices by which XDP sends, for the caller to close; -ENOENT: never used here; -errno. */
int wh_xdp_out(const char *bpf_dir);

/* Take our program off all devices but those for which `keeps` says so. 0 or -errno. */
int wh_xdp_detach_others(const char *bpf_dir, bool (*keeps)(void *arg, const char *path), void *arg);

/* Whether that path, of wh_xdp_detach_others(), is the device's. */
bool wh_xdp_is_of(const char *path, const char *bpf_dir, const char *device);

#endif
