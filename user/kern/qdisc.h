/* SPDX-License-Identifier: GPL-2.0 */
/* qdisc.h: whether a device's own queues space packets out by their departure times (tc-fq(8)). */
#ifndef WANHELM_KERN_QDISC_H
#define WANHELM_KERN_QDISC_H

#include <stdbool.h>
#include <wanhelm/abi.h>

/*
 * Of each device whether its root qdisc is fq, or mq with fq for each queue.  One that is not there (0 names none) or
 * cannot be asked has none.  One dump of the kernel's tells of all.
 */
void wh_qdisc_paces(const unsigned ifindex[WH_MAX_WANS], bool paces[WH_MAX_WANS]);

#endif
