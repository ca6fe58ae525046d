/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sweep.bpf.c: takes out what is over.  User space walks the tables, writes the keys of what looks idle into
 * wh_sweep and runs this; here each is looked at again, and changed by compare-and-exchange only, so that a
 * packet that comes meanwhile wins.
 *
 * A flow goes live → dying in one call and dying → dead → deleted in a later one; a packet between the two
 * revives it.  The worst outcome of a race: a packet that falls between `dead` and the deletion, a few
 * instructions later, is dropped and counted as a race.
 */
#include "flow.h"

/* What the server has sent so far, as its reply's entry has it. */
static __always_inline __u8 server_seen4(const struct wh_flow4_key *key, const struct wh_flow4 *flow, union wh_pin pin)
{
	struct wh_reply4_key reply_key = reply_key4(key, flow->external_be, pin);
	struct wh_reply4 *reply = bpf_map_lookup_elem(&wh_replies4, &reply_key);

	return reply ? reply->tcp : 0;
}

static __always_inline int is_over(__u8 client_seen, __u8 server_seen)
{
	return ((client_seen | server_seen) & WH_TCP_RST) || (client_seen & server_seen & WH_TCP_FIN);
}

static __always_inline __u32 timer_of(const struct wh_flow4_key *key, const struct wh_flow4 *flow, union wh_pin pin)
{
	if (key->proto == IPPROTO_UDP)
		return WH_TIMER_UDP;
	if (key->proto != IPPROTO_TCP)
		return WH_TIMER_ICMP;
	if (pin.state == WH_FLOW_RESET)
		return WH_TIMER_RESET;
	if (!(flow->tcp & WH_TCP_ACKED) || is_over(flow->tcp, server_seen4(key, flow, pin)))
		return WH_TIMER_TCP_TRANSITORY;
	return WH_TIMER_TCP_ESTABLISHED;
}

static __always_inline void flow_delete4(const struct wh_flow4_key *key, const struct wh_flow4 *flow, union wh_pin pin)
{
	struct wh_bind4_key bind_key = {.addr_be = key->src_be, .port_be = key->sport_be, .proto = key->proto};
	__u8 translated = flow->flags & WH_FLOW_NAT;
	struct wh_bind4 *bind;

	reply_delete4(key, flow->external_be, pin);
	bpf_map_delete_elem(&wh_flows4, key);
	bind = translated ? bpf_map_lookup_elem(&wh_binds4, &bind_key) : NULL;
	if (bind)
		bind_release(bind);
}

static __always_inline void expire_flow4(struct wh_sweep *form, const struct wh_flow4_key *key, __u64 now_ns)
{
	struct wh_flow4 *flow = bpf_map_lookup_elem(&wh_flows4, key);
	union wh_pin was, next;
	__u32 timer;

	if (!flow)
		return;
	was.word = *(volatile __u64 *)&flow->pin.word;
	if (was.state == WH_FLOW_DEAD)
		return;
	timer = timer_of(key, flow, was);
	if (timer >= WH_TIMER_COUNT || now_ns - flow->seen_ns < form->timers_ns[timer])
		return;
	next = was;
	/* A session that was reset has nothing to be revived for. */
	next.state = was.state == WH_FLOW_LIVE ? WH_FLOW_DYING : WH_FLOW_DEAD;
	if (pin_replace(flow, was, next))
		return;
	if (next.state == WH_FLOW_DYING) {
		form->dying += 1;
		return;
	}
	flow_delete4(key, flow, was);
	form->deleted += 1;
}

/* A session on the dead WAN that its client is to be told about; the controller does the telling. */
static __always_inline int reset_flow4(const struct wh_sweep *form, const struct wh_flow4_key *key, __u64 now_ns)
{
	struct wh_flow4 *flow = bpf_map_lookup_elem(&wh_flows4, key);
	union wh_pin was, next;

	if (!flow)
		return 0;
	was.word = *(volatile __u64 *)&flow->pin.word;
	if (was.wan != form->wan || was.state == WH_FLOW_RESET || was.state == WH_FLOW_DEAD)
		return 0;
	if (key->proto != IPPROTO_TCP || !(flow->tcp & WH_TCP_ACKED) || (flow->flags & WH_FLOW_PROBE))
		return 0;
	if (is_over(flow->tcp, server_seen4(key, flow, was)))
		return 0;
	next = was;
	next.state = WH_FLOW_RESET;
	if (pin_replace(flow, was, next))
		return 0;
	flow->seen_ns = now_ns;
	return 1;
}

static __always_inline void delete_ports4(const struct wh_bind4_key *key, const struct wh_bind4 *bind)
{
	struct wh_port4_key port = {.proto = key->proto};

	for (int wan = 0; wan < WH_MAX_WANS; wan++) {
		port.port_be = bind->port_be[wan];
		port.wan = wan;
		if (port.port_be)
			bpf_map_delete_elem(&wh_ports4, &port);
	}
}

/*
 * A binding without users: 0 → dying → gone → deleted, a call each, so that no packet that looked it up
 * before is still about to use it when its memory goes.
 */
static __always_inline void expire_bind4(struct wh_sweep *form, const struct wh_bind4_key *key)
{
	struct wh_bind4 *bind = bpf_map_lookup_elem(&wh_binds4, key);
	__u32 users;

	if (!bind)
		return;
	users = *(volatile __u32 *)&bind->users;
	if (users == 0) {
		__sync_val_compare_and_swap(&bind->users, 0, WH_BIND_DYING);
	} else if (users == WH_BIND_DYING) {
		__sync_val_compare_and_swap(&bind->users, WH_BIND_DYING, WH_BIND_DYING | WH_BIND_GONE);
	} else if (users == (WH_BIND_DYING | WH_BIND_GONE)) {
		delete_ports4(key, bind);
		bpf_map_delete_elem(&wh_binds4, key);
		form->unbound += 1;
	} else if (users & WH_BIND_DYING && !(users & WH_BIND_GONE)) {
		/* Used again meanwhile. */
		__sync_fetch_and_and(&bind->users, ~WH_BIND_DYING);
	}
}

SEC("syscall")
int wh_sweep_run(void *ctx)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct wh_sweep *form;
	__u32 zero = 0;

	(void)ctx;
	form = bpf_map_lookup_elem(&wh_sweep, &zero);
	if (!form)
		return 0;
	form->dying = form->deleted = form->unbound = form->reset = 0;
	for (__u32 i = 0; i < WH_SWEEP_SLICE && i < form->flows; i++) {
		struct wh_flow4_key key = form->flow[i];

		if (form->task == WH_SWEEP_RESET) {
			form->done[i] = reset_flow4(form, &key, now_ns);
			form->reset += form->done[i];
		} else {
			expire_flow4(form, &key, now_ns);
		}
	}
	if (form->task != WH_SWEEP_EXPIRE)
		return 0;
	for (__u32 i = 0; i < WH_SWEEP_SLICE && i < form->binds; i++) {
		struct wh_bind4_key key = form->bind[i];

		expire_bind4(form, &key);
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
