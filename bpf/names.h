/* SPDX-License-Identifier: GPL-2.0 */
/*
 * names.h: answers of the DNS on their way to clients.  Where classes ask for names, the controller reads an answer
 * before its client does (include/wanhelm/slow.h), so that the class of what the client opens next is known.
 */
#ifndef WH_BPF_NAMES_H
#define WH_BPF_NAMES_H

#include "count.h"
#include "select.h"
#include "slow.h"

/* The header of a message (RFC 1035 §4.1.1). */
struct dns_head {
	__be16 id;
	__u8 flags[2]; /* QR, opcode, AA, TC, RD; RA, Z, AD, CD, rcode */
	__be16 questions_be;
	__be16 answers_be;
};

static __always_inline int learns_names(void)
{
	struct wh_steer *all = steer_global();

	return all && all->learn_names;
}

/* Whether the controller is there to send on what it is given. */
static __always_inline int controller_is_awake(void)
{
	struct wh_steer *all = steer_global();
	__s64 age_ns = all ? (__s64)(bpf_ktime_get_boot_ns() - *(volatile __u64 *)&all->heartbeat_ns) : -1;

	/* Negative: it beat on another CPU after we looked at the clock. */
	return all && age_ns <= (__s64)WH_SLOW_HEARTBEAT_NS;
}

/* A datagram that is no answer, or one that tells nothing, need not wait.  Where TCP's messages begin, only the reader knows. */
static __always_inline int tells_names(struct __sk_buff *skb, const struct packet *p)
{
	struct dns_head head;

	if (p->proto == IPPROTO_TCP)
		return 1;
	if (p->proto != IPPROTO_UDP ||
	    bpf_skb_load_bytes(skb, p->l4_offset + sizeof(struct udphdr), &head, sizeof(head)))
		return 0;
	return (head.flags[0] & 0xf8) == 0x80 && !(head.flags[1] & 0x0f) && head.answers_be;
}

/* Whether names are to be learnt from the packet, which goes to a client. */
static __always_inline int is_answer_to_learn(struct __sk_buff *skb, const struct packet *p)
{
	return p->sport_be == bpf_htons(DNS_PORT) && learns_names() && tells_names(skb, p);
}

/*
 * Its copy goes on when its names are known: then 1, and the packet itself is done with.  Else it goes on at once,
 * counted; of what can be copied all the same, the names are known a moment later.
 */
COLD int slow_answer(struct __sk_buff *skb, __u32 ifindex, __u32 l2_len, __u32 may_wait)
{
	struct wh_slow head = {.task = WH_SLOW_ANSWER, .l2_len = l2_len};

	if (may_wait && !CTX_LOAD(skb, gso_size) && controller_is_awake())
		head.ifindex = ifindex;
	if (!slow_give(skb, &head, l2_len ? 0 : wh_l2_len) && head.ifindex)
		return 1;
	count_reason(WH_REASON_DNS_UNLEARNT);
	return 0;
}

#endif
