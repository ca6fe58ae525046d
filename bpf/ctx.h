/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctx.h: the packet API, over a tc context or (WH_XDP) an XDP one: ctx_t and the ctx_*() that both have.  What only
 * ctx_tc.h has, XDP leaves to tc: functions that use it are not called there, and the compiler drops them.
 */
#ifndef WH_BPF_CTX_H
#define WH_BPF_CTX_H

#ifdef WH_XDP
#include "ctx_xdp.h"
#else
#include "ctx_tc.h"
#endif

#endif
