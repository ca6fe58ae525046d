/* SPDX-License-Identifier: GPL-2.0 */
/* load_private.h: what load.c asks of load_failure.c, and nobody else. */
#ifndef WANHELM_KERN_LOAD_PRIVATE_H
#define WANHELM_KERN_LOAD_PRIVATE_H

#include <stddef.h>

/* From now on keep what libbpf has to say, which goes to no log; what it said before is forgotten. */
void wh_load_listen(void);

/*
 * Write why the kernel refused with -errno `err`: what we may not do, what the kernel does not have, or else libbpf's
 * last words.
 */
void wh_load_explain(int err, char *error, size_t error_len);

#endif
