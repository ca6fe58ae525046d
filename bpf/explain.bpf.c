/* SPDX-License-Identifier: GPL-2.0 */
/*
 * explain.bpf.c: what would become of a flow's first packet, and what became of it: the pipeline's own functions on a
 * packet that is not there.  Run by the controller for `wanhelm explain`; nothing is changed but the form.
 */
#include "flow.h"
#include "reclass.h"

static __always_inline void take_addr(addr_t *to, const struct wh_addr6 *from)
{
#if WH_FAMILY == 4
	*to = from->word_be[3];
#else
	*to = *from;
#endif
}

/* The packet that the form describes. */
static __always_inline void imagine(struct packet *p, const struct wh_explain *form)
{
	take_addr(&p->src_be, &form->src_be);
	take_addr(&p->dst_be, &form->dst_be);
	p->sport_be = form->sport_be;
	p->dport_be = form->dport_be;
	p->proto = form->proto;
	p->dscp = form->dscp;
	p->ttl = 64;
	p->tcp_flags = p->proto == IPPROTO_TCP ? SEGMENT_SYN : 0;
}

/* Where the class would have it go. */
static __always_inline void tell_choice(struct wh_explain *form, const struct packet *p, struct wh_route to)
{
	struct origin from = {.class = form->class, .wan = WH_WAN_NONE, .lan = form->in};
	struct wh_class *class = class_row(form->class);
	struct choice choice = {};
	bind_key_t key = bind_key(p);
	struct wh_bind *bind;
	int wan;

	choice_of(form->class, &choice);
	form->keep = choice.keep;
	form->fresh = choice.fresh;
	form->resort = choice.resort;
	form->allowed = class ? class->allowed : 0;
	form->bucket = bucket_of(p, class ? class->affinity : 0);
	form->order = order_of(form->class, form->bucket);
	form->able = may_carry(p, choice.fresh ? choice.fresh : choice.resort, 0);
	bind = has_ports(p->proto) ? bpf_map_lookup_elem(&wh_binds, &key) : NULL;
	form->home = bind ? bind->home : WH_WAN_NONE;
	if (to.kind == WH_ROUTE_WAN)
		from.wan = to.wan;
	wan = select_new(p, &from);
	form->wan = wan < 0 ? WH_WAN_NONE : wan;
	if (wan < 0)
		form->reason = -wan;
}

static __always_inline void tell_flow(struct wh_explain *form, const struct packet *p)
{
	struct wh_steer *all = steer_global();
	flow_t *flow = flow_find(p);

	form->found = flow != NULL;
	if (!flow)
		return;
	form->flow_wan = flow->pin.wan;
	form->flow_state = flow->pin.state;
	form->flow_class = flow->class;
	form->flow_flags = flow->flags;
	form->flow_line = flow->line;
	form->flow_current = all && flow->policy == (__u16)all->policy;
}

/* A tc program, run on any frame: what may sleep, as syscall programs may, cannot look prefixes up. */
SEC("tc")
int wh_explain_run(struct __sk_buff *skb)
{
	__u32 zero = 0, verdict;
	struct wh_explain *form = bpf_map_lookup_elem(&wh_explain, &zero);
	struct packet *p = packet_new();
	struct wh_route to;
	int reason;

	(void)skb;
	if (!form || !p)
		return 0;
	imagine(p, form);
	to = route_of(&p->dst_be);
	verdict = classify(p, form->in, form->mark);
	form->class = CLASS_OF(verdict);
	form->line = LINE_OF(verdict);
	reason = is_steered(p, to);
	if (!reason)
		reason = class_action(form->class);
	form->reason = -reason;
	tell_choice(form, p, to);
	tell_flow(form, p);
	return 0;
}

char _license[] SEC("license") = "GPL";
