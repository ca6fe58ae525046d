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

static __always_inline int is_over(__u8 client_seen, __u8 server_seen)
{
	return ((client_seen | server_seen) & WH_TCP_RST) || (client_seen & server_seen & WH_TCP_FIN);
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
	struct wh_bind *bind;

	if (!(flags & WH_FLOW_FOREIGN))
		reply_delete(key, &external, pin);
	bpf_map_delete_elem(&wh_flows, key);
	client_leave(&key->src_be, flags);
	bind = translated ? bpf_map_lookup_elem(&wh_binds, &bind_key) : NULL;
	if (bind)
		bind_release(bind);
}

/* --- what stands at [i] of the form; copied, since to Linux 6.1 an argument of a global function is no key ----- */

/* Marked (`form->dying`) or taken out (`form->deleted`), if it is still idle. */
COLD int expire_flow(__u32 i, __u64 now_ns)
{
	sweep_t *form = sweep_form();
	union wh_pin was, next;
	flow_key_t key;
	flow_t *flow;
	__u32 timer;

	if (!form || i >= WH_SWEEP_SLICE)
		return 0;
	key = form->flow[i];
	flow = bpf_map_lookup_elem(&wh_flows, &key);
	if (!flow)
		return 0;
	was.word = *(volatile __u64 *)&flow->pin.word;
	if (was.state == WH_FLOW_DEAD)
		return 0;
	timer = timer_of(&key, flow, was.word);
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
	flow_delete(&key, flow, was);
	form->deleted += 1;
	return 0;
}

/* A session on the dead WAN that its client is to be told about; the controller does the telling. */
COLD int reset_flow(__u32 i, __u64 now_ns)
{
	sweep_t *form = sweep_form();
	union wh_pin was, next;
	flow_key_t key;
	flow_t *flow;

	if (!form || i >= WH_SWEEP_SLICE)
		return 0;
	key = form->flow[i];
	flow = bpf_map_lookup_elem(&wh_flows, &key);
	if (!flow)
		return 0;
	was.word = *(volatile __u64 *)&flow->pin.word;
	if (was.wan != form->wan || was.state == WH_FLOW_RESET || was.state == WH_FLOW_DEAD)
		return 0;
	if (key.proto != IPPROTO_TCP || !(flow->tcp & WH_TCP_ACKED) ||
	    (flow->flags & (WH_FLOW_PROBE | WH_FLOW_INBOUND)))
		return 0;
	if (is_over(flow->tcp, server_seen(&key, flow, was)))
		return 0;
	next = was;
	next.state = WH_FLOW_RESET;
	if (pin_replace(flow, was, next))
		return 0;
	flow->seen_ns = now_ns;
	return 1;
}

/*
 * A port that its binding gives up goes to nobody for a while (RFC 6888 REQ-8): what was on its way to the one would
 * reach the other.  TCP's are freed at once: its flows were kept until they were over.
 */
static __always_inline void release_ports(const bind_key_t *key, const struct wh_bind *bind, __u64 now_ns)
{
	struct wh_port_key at = {.proto = key->proto};
	port_t *port;

	for (int wan = 0; wan < WH_MAX_WANS; wan++) {
		at.port_be = bind->port_be[wan];
		at.wan = wan;
		if (!at.port_be)
			continue;
		port = key->proto == IPPROTO_TCP ? NULL : bpf_map_lookup_elem(&wh_ports, &at);
		if (port)
			port->freed_s = now_ns / 1000000000ULL;
		else
			bpf_map_delete_elem(&wh_ports, &at);
	}
}

/*
 * A binding without users: 0 → dying → gone → dead and deleted, a call each, so that no packet that looked it up
 * before is still about to use it when its memory goes.  Until it is dead, a new session takes it back.
 */
COLD int expire_bind(__u32 i, __u64 now_ns)
{
	sweep_t *form = sweep_form();
	struct wh_bind *bind;
	bind_key_t key;
	__u32 users;

	if (!form || i >= WH_SWEEP_SLICE)
		return 0;
	key = form->bind[i];
	bind = bpf_map_lookup_elem(&wh_binds, &key);
	if (!bind)
		return 0;
	users = *(volatile __u32 *)&bind->users;
	if (users == 0) {
		__sync_val_compare_and_swap(&bind->users, 0, WH_BIND_DYING);
	} else if (users == WH_BIND_DYING) {
		__sync_val_compare_and_swap(&bind->users, WH_BIND_DYING, WH_BIND_DYING | WH_BIND_GONE);
	} else if (users == (WH_BIND_DYING | WH_BIND_GONE)) {
		if (__sync_val_compare_and_swap(&bind->users, users, WH_BIND_DEAD) != users)
			return 0;
		release_ports(&key, bind, now_ns);
		bpf_map_delete_elem(&wh_binds, &key);
		form->unbound += 1;
	} else if (users & WH_BIND_DYING && !(users & WH_BIND_GONE)) {
		/* Used again meanwhile. */
		__sync_fetch_and_and(&bind->users, ~WH_BIND_DYING);
	}
	return 0;
}

COLD int expire_port(__u32 i, __u64 now_ns)
{
	sweep_t *form = sweep_form();
	struct wh_port_key key;
	port_t *port;
	__u32 freed_s;

	if (!form || i >= WH_SWEEP_SLICE)
		return 0;
	key = form->port[i];
	port = bpf_map_lookup_elem(&wh_ports, &key);
	freed_s = port ? *(volatile __u32 *)&port->freed_s : 0;
	if (!freed_s)
		return 0;
	if (freed_s != WH_PORT_GONE && (now_ns - freed_s * 1000000000ULL < form->timers_ns[WH_TIMER_PORT] ||
					__sync_val_compare_and_swap(&port->freed_s, freed_s, WH_PORT_GONE) != freed_s))
		return 0;
	bpf_map_delete_elem(&wh_ports, &key);
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
	form->dying = form->deleted = form->unbound = form->freed = form->reset = 0;
	for (__u32 i = 0; i < WH_SWEEP_SLICE && i < form->flows; i++) {
		if (form->task == WH_SWEEP_RESET) {
			form->done[i] = reset_flow(i, now_ns);
			form->reset += form->done[i];
		} else {
			expire_flow(i, now_ns);
		}
	}
	if (form->task != WH_SWEEP_EXPIRE)
		return 0;
	for (__u32 i = 0; i < WH_SWEEP_SLICE && i < form->binds; i++)
		expire_bind(i, now_ns);
	for (__u32 i = 0; i < WH_SWEEP_SLICE && i < form->ports; i++)
		expire_port(i, now_ns);
	return 0;
}

char _license[] SEC("license") = "GPL";
