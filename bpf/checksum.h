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

/* What it adds to a sum where one end's address changes; not folded. */
static __always_inline __u64 addr_change(const addr_t *from, const addr_t *to)
{
	__u64 sum = 0;

#pragma unroll
	for (unsigned i = 0; i < ADDR_WORDS; i++)
		sum += (__u64)(__u32)~addr_words(from)[i] + addr_words(to)[i];
	return sum;
}

static __always_inline __u64 word_change(__be16 from, __be16 to)
{
	return (__u64)(__u16)~from + to;
}

static __always_inline __u16 fold64(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return fold((__s64)sum);
}

/* A checksum after such changes of what it covers (RFC 1624). */
static __always_inline __u16 sum_amended(__u16 check, __u64 change)
{
	return (__u16)~fold64((__u16)~check + change);
}

/* The same in UDP, where 0 would say that there is none (RFC 768). */
static __always_inline __u16 sum_amended_udp(__u16 check, __u64 change)
{
	__u16 amended = sum_amended(check, change);

	return amended ? amended : 0xffff;
}

#endif
