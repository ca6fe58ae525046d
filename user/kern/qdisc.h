/* SPDX-License-Identifier: GPL-2.0 */
/* qdisc.h: what queues packets wait in on their way out of a device. */
#ifndef WANHELM_KERN_QDISC_H
#define WANHELM_KERN_QDISC_H

#include <stdbool.h>
#include <wanhelm/abi.h>

/*
 * Of each device whether its own queues space packets out by their departure times (tc-fq(8)): its root qdisc is fq, or
 * mq with fq for each queue.  One that is not there (0 names none) or
 * cannot be asked has none.  One dump of the kernel's tells of all.
 */
void wh_qdisc_paces(const unsigned ifindex[WH_MAX_WANS], bool paces[WH_MAX_WANS]);

/*
 * One call for each qdisc on the way out of any device that somebody put there: what the kernel itself puts there, and
 * what neither shapes nor orders (noqueue, pfifo_fast, fq_codel, mq), is left out.  0 or -errno.
 */
int wh_qdisc_each(void (*each)(void *arg, unsigned ifindex, const char *kind), void *arg);

#endif
