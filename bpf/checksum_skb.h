/* SPDX-License-Identifier: GPL-2.0 */
/* checksum_skb.h: checksums over a socket buffer's bytes, wherever they are. */
#ifndef WH_BPF_CHECKSUM_SKB_H
#define WH_BPF_CHECKSUM_SKB_H

#include "checksum.h"
#include "scratch.h"

#define SUM_CHUNK 512 /* what bpf_csum_diff() takes at a time on older kernels */
#define SUM_MAX (4 * SUM_CHUNK)

/* The sum of `len` bytes of the packet at `at`; negative if that is too much, or not there. */
COLD __s64 sum_packet(struct __sk_buff *skb, __u32 at, __u32 len)
{
	struct scratch *scratch = scratch_get();
	__s64 sum = 0;

	if (!scratch || len > SUM_MAX)
		return -1;
#pragma unroll
	for (int i = 0; i < SUM_MAX / SUM_CHUNK; i++) {
		__u32 chunk = len < SUM_CHUNK ? len : SUM_CHUNK;
		__u32 padded = (chunk + 3) & ~3U;

		if (!chunk)
			break;
		if (chunk < SUM_CHUNK) /* its last word is filled up with zeros */
			*(__u32 *)&scratch->bytes[chunk & ~3U & (SUM_CHUNK - 1)] = 0;
		/* 1 to SUM_CHUNK, in words that older verifiers follow. */
		asm volatile("%0 += -1; %0 &= %1; %0 += 1" : "+r"(chunk) : "i"(SUM_CHUNK - 1));
		if (padded > SUM_CHUNK)
			return -1;
		if (bpf_skb_load_bytes(skb, at, scratch->bytes, chunk))
			return -1;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)scratch->bytes, padded, sum);
		if (sum < 0)
			return -1;
		at += chunk;
		len -= chunk;
	}
	return sum;
}

/*
 * Whether the checksum is still to be completed by a device: only then does the helper leave the field alone
 * for a change that is not the pseudo header's.
 */
static __always_inline int checksum_is_partial(struct __sk_buff *skb, __u32 at)
{
	__u16 before = 0, after = 0;

	if (bpf_skb_load_bytes(skb, at, &before, sizeof(before)))
		return 0;
	bpf_l4_csum_replace(skb, at, 0, bpf_htons(1), 2);
	if (bpf_skb_load_bytes(skb, at, &after, sizeof(after)))
		return 0;
	if (before != after) /* as it was */
		bpf_skb_store_bytes(skb, at, &before, sizeof(before), 0);
	return before == after;
}

#endif
