/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reclass.h: match lines or classes have changed since a flow was classed: its next packet is looked at once more.  The
 * flow keeps its WAN, whatever the new class prefers, unless that is one which the class is never to use.
 */
#ifndef WH_BPF_RECLASS_H
#define WH_BPF_RECLASS_H

#include "move.h"

#define FORBIDDEN 1
#define UNANSWERED 2 /* its answers find no entry (move.h): it is to be moved, even to where it is */

/* By which LAN the flow's packets come, as classify() wants it. */
static __always_inline __u32 flow_in(const struct __sk_buff *skb, const flow_t *flow)
{
	return flow->flags & WH_FLOW_KERNEL ? came_by(skb) : flow->lan;
}

/*
 * Give the flow its class of now.  0; FORBIDDEN: and the WAN that it is on is not for it; UNANSWERED; or -reason: its
 * packets are not to go anywhere.  But for 0 each further packet is asked again, so that a flow which has nowhere to go
 * now goes on as soon as it has.
 */
COLD int flow_reclass(const struct packet *p, __u32 in, __u32 mark)
{
	flow_t *flow = p ? flow_find(p) : NULL;
	struct wh_steer *all = steer_global();
	reply_t *reply = flow ? reply_find(p, flow) : NULL;
	__u32 policy, verdict;
	int reason;

	if (!flow || !all)
		return -WH_REASON_RACE;
	policy = *(volatile __u32 *)&all->policy;
	verdict = classify(p, in, mark);
	reason = class_action(CLASS_OF(verdict));
	if (reason && reason != -WH_REASON_KERNEL_CLASS) /* what we carry already the kernel knows nothing of */
		return reason;
	if (flow->class != CLASS_OF(verdict)) {
		flow->class = CLASS_OF(verdict);
		if (reply)
			reply->class = CLASS_OF(verdict);
	}
	flow->line = LINE_OF(verdict);
	if (!reason && !is_allowed(flow->class, flow->pin.wan) && destination_wan(p, flow) != flow->pin.wan)
		return FORBIDDEN;
	if (!reply)
		return UNANSWERED;
	flow->policy = policy;
	return 0;
}

#endif
