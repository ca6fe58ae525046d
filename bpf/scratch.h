/* SPDX-License-Identifier: GPL-2.0 */
/*
 * scratch.h: memory for one packet on one CPU, where the stack is too small.  Who takes it is done with it before
 * anything else is called that might.
 */
#ifndef WH_BPF_SCRATCH_H
#define WH_BPF_SCRATCH_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <wanhelm/slow.h>

struct scratch {
	union {
		__u8 bytes[sizeof(struct wh_slow) + WH_SLOW_FRAME_MAX];
		struct wh_slow slow;
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

#endif
