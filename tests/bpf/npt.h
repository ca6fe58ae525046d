/* SPDX-License-Identifier: GPL-2.0 */
/* npt.h: network prefix translation, written from RFC 6296 alone. */
#ifndef WANHELM_TESTS_NPT_H
#define WANHELM_TESTS_NPT_H

#include "packet.h"

struct prefix {
	address addr; /* host bits 0 */
	unsigned len; /* bits, at most 64 */
};

/*
 * The address in `to` that stands for `from_addr`, which lies in `from`; outbound and inbound are the same with the
 * prefixes exchanged.  False: this address has none (§3: the word to be adjusted is all ones, or the interface
 * identifier all zeros), and the packet must be dropped.
 */
bool npt_map(struct prefix from, struct prefix to, address from_addr, address *to_addr);
bool prefix_holds(struct prefix prefix, address addr);

#endif
