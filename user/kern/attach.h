/* SPDX-License-Identifier: GPL-2.0 */
/*
 * attach.h: our programs on the hooks of devices: tcx links where the kernel has them (6.6 on), pinned so
 * that they outlive the controller; clsact filters elsewhere, which outlive it by themselves.
 */
#ifndef WANHELM_KERN_ATTACH_H
#define WANHELM_KERN_ATTACH_H

#include "kern/load.h"

/*
 * See to it that the hook's programs of `p` (one a family) run on the device, whose link-layer header has `l2_len` bytes: attach it, or put it in the place of an earlier
 * controller's in one step, without a packet passing by neither.  0; -EBUSY: another wanhelm, or a filter at
 * our place, holds the hook; -errno; with one line in `error`.
 */
int wh_attach(struct wh_programs *p, const char *bpf_dir, enum wh_hook hook, const char *device, unsigned ifindex,
	      unsigned l2_len, char *error, size_t error_len);

/* Whether what is attached there are still the programs of `p`. */
bool wh_attached(struct wh_programs *p, const char *bpf_dir, enum wh_hook hook, const char *device, unsigned ifindex,
		 unsigned l2_len);

/* Take the hook's programs off the device, if it is there. 0 or -errno. */
int wh_detach(const char *bpf_dir, enum wh_hook hook, const char *device, unsigned ifindex);

#endif
