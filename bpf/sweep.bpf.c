/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sweep.bpf.c: takes out what is over.  User space walks the tables, writes the keys of what looks idle into
 * wh_sweep4 or wh_sweep6 and runs this, which is compiled once a family; here each is looked at again, and changed by
 * compare-and-exchange only, so that a packet that comes meanwhile wins.
 *
 * A flow goes live → dying in one call and dying → dead → deleted in a later one; a packet between the two
 * revives it.  The worst outcome of a race: a packet that falls between `dead` and the deletion, a few
 * instructions later, is dropped and counted as a race.
 */
#include "flow.h"

static __always_inline sweep_t *sweep_form(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&wh_sweep, &zero);
}

/* What the server has sent so far, as its reply's entry has it. */
static __always_inline __u8 server_seen(const flow_key_t *key, const flow_t *flow, union wh_pin pin)
{
	reply_t *reply = reply_at(key, &flow->external_be, pin.word);

	return reply ? reply->tcp : 0;
}

/* Reset by either end, which stands in the flow alone; or closed by both. */
static __always_inline int is_over(__u8 client_seen, __u8 server_seen)
{
	return (client_seen & WH_TCP_RST) || (client_seen & server_seen & WH_TCP_FIN);
}

COLD int timer_of(const flow_key_t *key, const flow_t *flow, __u64 pin_word)
{
	union wh_pin pin = {.word = pin_word};

	if (!key || !flow)
		return WH_TIMER_COUNT;
	/* What strangers opened must not fill the table: until it has shown that it lives. */
	if ((flow->flags & (WH_FLOW_FOREIGN | WH_FLOW_INBOUND)) && flow->tx_packets < 3)
		return WH_TIMER_ICMP;
	if (key->proto == IPPROTO_UDP)
		return WH_TIMER_UDP;
	if (key->proto == PROTO_ICMP_OF_FAMILY)
		return WH_TIMER_ICMP;
	if (key->proto != IPPROTO_TCP)
		return WH_TIMER_OTHER;
	if (pin.state == WH_FLOW_RESET)
		return WH_TIMER_RESET;
	if (!(flow->tcp & WH_TCP_ACKED) || is_over(flow->tcp, server_seen(key, flow, pin)))
		return WH_TIMER_TCP_TRANSITORY;
	return WH_TIMER_TCP_ESTABLISHED;
}

static __always_inline void flow_delete(const flow_key_t *key, const flow_t *flow, union wh_pin pin)
{
	bind_key_t bind_key = {.addr_be = key->src_be, .port_be = key->sport_be, .proto = key->proto};
	__u8 translated = flow->flags & WH_FLOW_NAT, flags = flow->flags;
	addr_t external = flow->external_be;

	if (!(flags & WH_FLOW_FOREIGN))
		reply_delete(key, &external, pin);
	if (translated)
		bind_drop(&bind_key);
	bpf_map_delete_elem(&wh_flows, key);
	client_leave(&key->src_be, flags);
}

/* Before Linux 6.2 a key must stand on the function's own stack.  No key: one of zeros, which nobody has. */
#define key_copy(key) ((key) ? *(key) : (typeof(*(key))){})

/* Marked (`form->dying`) or taken out (`form->deleted`), if it is still idle. */
COLD int expire_flow(const flow_key_t *form_key, __u64 now_ns)
{
	flow_key_t own = key_copy(form_key), *key = &own;
	flow_t *flow = bpf_map_lookup_elem(&wh_flows, key);
	sweep_t *form = sweep_form();
	union wh_pin was, next;
	__u32 timer;

	if (!flow || !form)
		return 0;
	was.word = *(volatile __u64 *)&flow->pin.word;
	if (was.state == WH_FLOW_DEAD)
		return 0;
	timer = timer_of(key, flow, was.word);
	if (timer >= WH_TIMER_COUNT || (__s64)(now_ns - flow->seen_ns) < (__s64)form->timers_ns[timer])
		return 0;
	next = was;
	/* A session that was reset has nothing to be revived for. */
	next.state = was.state == WH_FLOW_LIVE ? WH_FLOW_DYING : WH_FLOW_DEAD;
	if (pin_replace(flow, was, next))
		return 0;
	if (next.state == WH_FLOW_DYING) {
		form->dying += 1;
		return 0;
	}
	flow_delete(key, flow, was);
	form->deleted += 1;
	return 0;
}

/* To another client's mapping on that WAN: it stays there in any case. */
static __always_inline int turns_around(const flow_key_t *key, union wh_pin pin)
{
	struct wh_wan *wan = wan_row(pin.wan);

	return wan && is_external(wan, &key->dst_be);
}

/* A session that cannot go on where it is, and whose client is to be told; the controller does the telling. */
COLD int reset_flow(const flow_key_t *form_key, __u64 now_ns)
{
	flow_key_t own = key_copy(form_key), *key = &own;
	flow_t *flow = bpf_map_lookup_elem(&wh_flows, key);
	sweep_t *form = sweep_form();
	union wh_pin was, next;

	if (!flow || !form)
		return 0;
	was.word = *(volatile __u64 *)&flow->pin.word;
	if (was.wan != form->wan || was.state == WH_FLOW_RESET || was.state == WH_FLOW_DEAD)
		return 0;
	if (key->proto != IPPROTO_TCP || !(flow->tcp & WH_TCP_ACKED) ||
	    (flow->flags & (WH_FLOW_PROBE | WH_FLOW_INBOUND | WH_FLOW_HAIRPIN)))
		return 0;
	if (flow->born_s >= form->born_s || turns_around(key, was) || is_over(flow->tcp, server_seen(key, flow, was)))
		return 0;
	next = was;
	next.state = WH_FLOW_RESET;
	if (pin_replace(flow, was, next))
		return 0;
	flow->seen_ns = now_ns;
	return 1;
}

static __always_inline int is_waiting(__u16 freed, __u64 now_ns, __u64 timer_ns)
{
	return WH_PORT_FREE_S(freed, now_ns / 1000000000ULL) * 1000000000ULL < timer_ns;
}

COLD int expire_port(const struct wh_port_key *form_key, __u64 now_ns)
{
	struct wh_port_key own = key_copy(form_key), *key = &own;
	port_t *port = bpf_map_lookup_elem(&wh_ports, key);
	sweep_t *form = sweep_form();
	union wh_holding was, gone;

	if (!port || !form)
		return 0;
	was.word = gone.word = *(volatile __u32 *)&port->holding.word;
	gone.freed = WH_PORT_GONE;
	if (was.freed == WH_PORT_IN_USE)
		return 0;
	if (was.freed != WH_PORT_GONE &&
	    (is_waiting(was.freed, now_ns, form->timers_ns[WH_TIMER_PORT]) ||
	     __sync_val_compare_and_swap(&port->holding.word, was.word, gone.word) != was.word))
		return 0;
	bpf_map_delete_elem(&wh_ports, key);
	form->freed += 1;
	return 0;
}

SEC("syscall")
int wh_sweep_run(void *ctx)
{
	__u64 now_ns = bpf_ktime_get_ns();
	sweep_t *form = sweep_form();

	(void)ctx;
	if (!form)
		return 0;
	form->dying = form->deleted = form->freed = form->reset = 0;
	for (__u32 i = 0; i < WH_SWEEP_SLICE && i < form->flows; i++) {
		flow_key_t key = form->flow[i];

		if (form->task == WH_SWEEP_RESET) {
			form->done[i] = reset_flow(&key, now_ns);
			form->reset += form->done[i];
		} else {
			expire_flow(&key, now_ns);
		}
	}
	if (form->task != WH_SWEEP_EXPIRE)
		return 0;
	for (__u32 i = 0; i < WH_SWEEP_SLICE && i < form->ports; i++) {
		struct wh_port_key key = form->port[i];

		expire_port(&key, now_ns);
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
