/* SPDX-License-Identifier: GPL-2.0 */
/* conntrack.h: what the kernel's connection tracking remembers of packets that we showed it. */
#ifndef WANHELM_KERN_CONNTRACK_H
#define WANHELM_KERN_CONNTRACK_H

#include <stdint.h>

/*
 * Forget the connections that carry one of our marks (enum wh_mark, under the configured value and mask): while they
 * last, they keep their own source, and once we are gone nobody would translate it.  0 or -errno.
 */
int wh_conntrack_forget(uint32_t mark, uint32_t mark_mask);

#endif
