/* SPDX-License-Identifier: GPL-2.0 */
/* bind.h: the programs that note which addresses the router's own sockets are bound to (bpf/bind.bpf.c). */
#ifndef WANHELM_KERN_BIND_H
#define WANHELM_KERN_BIND_H

/*
 * Load them on the maps that are pinned under bpf_dir, attach them to the root control group, or put them in the place
 * of an earlier run's; the links are pinned with the others, which is how they are taken out.  0; -ENOENT: no control
 * groups of version 2 are mounted; -errno, as where the kernel has no programs for them.
 */
int wh_bind_attach(const char *bpf_dir);

#endif
