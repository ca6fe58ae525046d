/* SPDX-License-Identifier: GPL-2.0 */
/*
 * budget.h: token buckets for what somebody else could make us do too often.  Per CPU, so that none waits for another.
 */
#ifndef WH_BPF_BUDGET_H
#define WH_BPF_BUDGET_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum budget_of {
	BUDGET_ANSWERS, /* ICMP errors: as many as Linux sends by default (icmp_msgs_per_sec, RFC 4443 §2.4 f) */
	BUDGET_ORPHANS, /* late fragments: what the kernel keeps of them for 30 s stays far below its memory for them */
	BUDGETS
};

struct budget {
	__u64 refilled_ns;
	__u64 left;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BUDGETS);
	__type(key, __u32);
	__type(value, struct budget);
} budgets SEC(".maps");

static __always_inline int budget_take(__u32 of)
{
	__u64 per_s = of == BUDGET_ANSWERS ? 1000 : 32, burst = of == BUDGET_ANSWERS ? 50 : 64;
	struct budget *budget = bpf_map_lookup_elem(&budgets, &of);
	__u64 now_ns = bpf_ktime_get_ns(), gained;

	if (!budget)
		return 0;
	gained = (now_ns - budget->refilled_ns) / (1000000000ULL / per_s);
	if (gained) {
		budget->left = gained + budget->left > burst ? burst : gained + budget->left;
		budget->refilled_ns = now_ns;
	}
	if (!budget->left)
		return 0;
	budget->left -= 1;
	return 1;
}

#endif
