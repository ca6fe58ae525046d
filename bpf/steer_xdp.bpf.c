/* SPDX-License-Identifier: GPL-2.0 */
/*
 * steer_xdp.bpf.c: the hook in a device's driver, before the kernel makes anything of a frame: the fast path (fast.h) and
 * nothing else.  What it does not do meets the tc hooks of the same device (steer_tc.bpf.c), or of the VLAN's, as it
 * came.
 *
 * A device has room for one program: IPv4's, which hands other frames to IPv6's.  LAN or WAN, a trunk may be both: the
 * tag tells.
 */
#include "fast.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} wh_xdp_other SEC(".maps");

/* Not of this family. */
static __always_inline int leave_to_other(ctx_t *ctx)
{
	if (WH_FAMILY == 4)
		bpf_tail_call(ctx, &wh_xdp_other, 0);
	return VERDICT_NEXT;
}

SEC("xdp.frags")
int wh_xdp(struct xdp_md *ctx)
{
	struct arrival at = {.wires = wire_of(0), .ifindex = ctx_ifindex(ctx)};
	int verdict = NOT_FAST;
	__u32 wan;

	if (!at.wires || tag_take(ctx, &at))
		return VERDICT_NEXT;
	if (ctx_is_family(ctx)) {
		wan = wan_met_at(&at);
		verdict = wan < WH_MAX_WANS ? fast_in(ctx, &at, wan) : fast_out(ctx, &at);
	}
	if (verdict)
		return verdict;
	if (at.tag_be && tag_put(ctx, at.tag_be))
		return VERDICT_DROP;
	return ctx_is_family(ctx) ? VERDICT_NEXT : leave_to_other(ctx);
}

char _license[] SEC("license") = "GPL";
