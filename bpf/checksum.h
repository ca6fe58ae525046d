/* SPDX-License-Identifier: GPL-2.0 */
/*
 * checksum.h: Internet checksums (RFC 1071, 1624) over what is in hand; checksum_skb.h over what is in a packet.  Sums are 32 bits of 16-bit words in the
 * order of the packet, not yet complemented.
 */
#ifndef WH_BPF_CHECKSUM_H
#define WH_BPF_CHECKSUM_H

#include "ctx.h"

static __always_inline __u16 fold(__s64 sum)
{
	__u32 s = (sum & 0xffffffff);

	s = (s & 0xffff) + (s >> 16);
	return (s & 0xffff) + (s >> 16);
}

/* What changes in a sum when `from` becomes `to`; sizes are multiples of four. */
#define sum_change(from, to, sum) bpf_csum_diff((__be32 *)(from), sizeof(*(from)), (__be32 *)(to), sizeof(*(to)), sum)

static __always_inline __s64 sum_change16(__be16 from, __be16 to, __s64 sum)
{
	__u32 f = from, t = to;

	return sum_change(&f, &t, sum);
}

#endif
