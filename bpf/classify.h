/* SPDX-License-Identifier: GPL-2.0 */
/*
 * classify.h: a new flow's first packet → what may be done with it at all, and its traffic class.
 */
#ifndef WH_BPF_CLASSIFY_H
#define WH_BPF_CLASSIFY_H

#include "maps.h"
#include "parse.h"

/* What the kernel's routes, as the controller copied them, say of an address. */
static __always_inline struct wh_route route_of(const addr_t *addr_be)
{
	struct wh_route_key key = {.prefix_len = 128, .addr_be = mapped_addr(addr_be)};
	struct wh_route *route = bpf_map_lookup_elem(&wh_routes, &key);
	struct wh_route none = {.kind = WH_ROUTE_DEFAULT, .wan = WH_WAN_NONE};

	return route ? *route : none;
}

/* Whether the address is in use as it stands: the router's own, or where its routes lead. */
static __always_inline int is_native(struct wh_route to)
{
	return to.kind == WH_ROUTE_LOCAL || to.kind == WH_ROUTE_KERNEL;
}

/* DHCP and DHCPv6: leases belong to the device that they were got on. */
static __always_inline int is_dhcp(const struct packet *p)
{
	__be16 server = WH_FAMILY == 4 ? bpf_htons(67) : bpf_htons(547);
	__be16 client = WH_FAMILY == 4 ? bpf_htons(68) : bpf_htons(546);

	return p->proto == IPPROTO_UDP &&
	       ((p->sport_be == client && p->dport_be == server) || (p->sport_be == server && p->dport_be == client) ||
		(p->sport_be == server && p->dport_be == server));
}

/* Whether a packet without a flow is ours to steer: 0, or the -reason for which the kernel has it. */
static __always_inline int is_steered(const struct packet *p, struct wh_route to)
{
	if ((to.kind != WH_ROUTE_DEFAULT && to.kind != WH_ROUTE_WAN) || is_martian(&p->dst_be))
		return -WH_REASON_KERNEL_ROUTE;
	/* A session that did not start here is the kernel's, which may know it from before our start. */
	if (p->proto == IPPROTO_TCP && (p->tcp_flags & (SEGMENT_SYN | SEGMENT_ACK)) != SEGMENT_SYN)
		return -WH_REASON_KERNEL_MIDFLOW;
	if (p->is_answer)
		return -WH_REASON_KERNEL_OWN;
	return is_dhcp(p) ? -WH_REASON_KERNEL_NEVER : 0;
}

/* --- the class ------------------------------------------------------------------------------------------ */

/* What classify() finds. */
#define VERDICT_OF(class, line) ((class) | (line) << 8)
#define CLASS_OF(verdict) ((verdict)&0xff)
#define LINE_OF(verdict) ((verdict) >> 8)

/* What selects the vectors of a packet but for its addresses, and the vector of its mark. */
struct fields {
	__u32 in;
	__u32 proto;
	__u32 dscp;
	__u32 sport_vector;
	__u32 dport_vector;
	__u32 mark;
	struct wh_vector marks;
};

/* Off the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fields);
} fields SEC(".maps");

static __always_inline const struct wh_rules *rules_in_force(void)
{
	__u32 zero = 0;
	void *set = bpf_map_lookup_elem(&wh_rules, &zero);

	return set ? bpf_map_lookup_elem(set, &zero) : NULL;
}

/* The number of the lowest bit that is set, which there must be: half the steps tell where, half the rest. */
static __always_inline __u32 first_bit(__u64 word)
{
	__u64 below = (word & -word) - 1;

	below -= below >> 1 & 0x5555555555555555ULL;
	below = (below & 0x3333333333333333ULL) + (below >> 2 & 0x3333333333333333ULL);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return below * 0x0101010101010101ULL >> 56;
}

/* Always 0. */
COLD int add_lines(struct wh_vector *to, const struct wh_vector *lines, __u32 words)
{
	for (__u32 w = 0; to && lines && w < WH_VECTOR_WORDS && w < words; w++)
		to->word[w] |= lines->word[w];
	return 0;
}

/* The lines that ask for the packet's mark, and those that ask for none. Always 0. */
COLD int take_mark(const struct wh_rules *rules, struct fields *f)
{
	if (!rules || !f)
		return 0;
	f->marks = rules->mark_any;
	for (__u32 i = 0; i < WH_MARK_MATCHES && i < rules->n_marks; i++) {
		const struct wh_mark_match *m = &rules->marks[i];

		if ((f->mark & m->mask) == m->value)
			add_lines(&f->marks, &m->lines, rules->words);
	}
	return 0;
}

/* The first line that all vectors have, or WH_LINE_NONE. */
COLD int first_line(const struct wh_rules *rules, const struct fields *f, const struct wh_vector *from,
		    const struct wh_vector *to, const struct wh_vector *names)
{
	const struct wh_vector *in, *proto, *dscp, *sport, *dport;

	if (!rules || !f || !from || !to || !names)
		return WH_LINE_NONE;
	in = &rules->in[f->in < WH_IN_ROUTER ? f->in : WH_IN_ROUTER];
	proto = &rules->proto[f->proto & 0xff];
	dscp = &rules->dscp[f->dscp & 0x3f];
	sport = &rules->sport_lines[f->sport_vector % WH_PORT_VECTORS];
	dport = &rules->dport_lines[f->dport_vector % WH_PORT_VECTORS];
	for (__u32 w = 0; w < WH_VECTOR_WORDS && w < rules->words; w++) {
		__u64 lines = from->word[w] & to->word[w] & names->word[w] & in->word[w] & proto->word[w] &
			      dscp->word[w] & sport->word[w] & dport->word[w] & f->marks.word[w];

		if (lines)
			return w * 64 + first_bit(lines);
	}
	return WH_LINE_NONE;
}

/* The vector of the longest prefix that the address is in. */
static __always_inline const struct wh_vector *prefix_lines(__u32 map, const struct wh_addr6 *addr_be,
							    const struct wh_vector *any)
{
	struct wh_route_key key = {.prefix_len = 128, .addr_be = *addr_be};
	void *prefixes = bpf_map_lookup_elem(&wh_prefixes, &map);
	const struct wh_vector *lines = prefixes ? bpf_map_lookup_elem(prefixes, &key) : NULL;

	return lines ? lines : any;
}

/* The vector of what names the address was learnt to have. */
static __always_inline const struct wh_vector *name_lines(__u32 slot, const struct wh_addr6 *addr_be,
							  const struct wh_vector *any)
{
	void *domains = bpf_map_lookup_elem(&wh_domains, &slot);
	const struct wh_vector *lines = domains ? bpf_map_lookup_elem(domains, addr_be) : NULL;

	return lines ? lines : any;
}

/*
 * Class and line of a packet that comes in by LAN number `in` (WH_IN_ROUTER: from none of them) with that mark of the
 * user's.  Nothing is written
 * into a set that is in force but names, so all that is looked at here belongs together.
 */
COLD int classify(const struct packet *p, __u32 in, __u32 mark)
{
	const struct wh_rules *rules = rules_in_force();
	const struct wh_vector *from, *to, *names;
	struct wh_addr6 addr_be;
	__u32 slot, line, zero = 0;
	struct fields *f = bpf_map_lookup_elem(&fields, &zero);

	if (!p || !f || !rules)
		return VERDICT_OF(0, WH_LINE_NONE);
	if (!rules->words)
		return VERDICT_OF(rules->default_class & 0xff, WH_LINE_NONE);
	slot = rules->slot % WH_RULE_SLOTS;
	f->in = in;
	f->proto = p->proto;
	f->dscp = p->dscp;
	f->sport_vector = rules->sport[bpf_ntohs(p->sport_be)];
	f->dport_vector = rules->dport[bpf_ntohs(p->dport_be)];
	f->mark = mark;
	take_mark(rules, f);
	addr_be = mapped_addr(&p->src_be);
	from = prefix_lines(WH_PREFIXES_FROM(slot), &addr_be, &rules->from_any);
	addr_be = mapped_addr(&p->dst_be);
	to = prefix_lines(WH_PREFIXES_TO(slot), &addr_be, &rules->to_any);
	names = &rules->domain_any;
	if (rules->has_domains)
		names = name_lines(slot, &addr_be, names);
	line = first_line(rules, f, from, to, names);
	return VERDICT_OF(line < WH_MAX_LINES ? rules->class_of[line] : rules->default_class & 0xff, line);
}

/* For what is told to its sender where it gets no flow. */
static __always_inline void note_class(__u8 class)
{
	struct packet *p = packet_here();

	if (p)
		p->class = class;
}

/* The LAN by which a packet came that the kernel sends, or WH_IN_ROUTER: the router's own, or from where no LAN is. */
static __always_inline __u32 came_by(const ctx_t *ctx)
{
	__u32 ifindex = CTX_LOAD(ctx, ingress_ifindex);
	struct wh_device *device = bpf_map_lookup_elem(&wh_devices, &ifindex);

	return device && device->role == WH_ROLE_LAN ? device->number : WH_IN_ROUTER;
}

#endif
