/* SPDX-License-Identifier: GPL-2.0 */
/* qdisc.h: whether a device's own queues space packets out by their departure times (tc-fq(8)). */
#ifndef WANHELM_KERN_QDISC_H
#define WANHELM_KERN_QDISC_H

#include <stdbool.h>

/* Whether the root qdisc is fq, or mq with fq for each queue.  A device that cannot be asked has none. */
bool wh_qdisc_paces(unsigned ifindex);

#endif
