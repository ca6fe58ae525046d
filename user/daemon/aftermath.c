/* SPDX-License-Identifier: GPL-2.0 */
/*
 * aftermath.c: what follows a switch.  The flip is done; then the sessions that cannot go on are told so, in
 * slices between turns, and for a while it is watched what the users' flows meet on the other WAN.  Then one
 * record says it all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/log.h"

#define WATCH_NS (2 * WH_NS_PER_S)
#define WALK_SLICE 1024 /* flows a turn: some milliseconds of work */

static uint8_t fresh_alive(const struct wh_daemon *d)
{
	uint8_t fresh = 0;

	for (unsigned class = 0; class < d->config.n_classes; class += 1)
		fresh |= d->stored.masks[class].fresh4;
	return fresh & d->stored.alive.alive4;
}

static uint64_t sum_moved(const struct wh_daemon *d, uint64_t *reset, unsigned dead)
{
	struct wh_counters count;
	uint64_t moved = 0;

	*reset = 0;
	for (unsigned class = 0; class < d->config.n_classes; class += 1) {
		for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
			if (d->conf_of[wan] < 0 || wh_tables_counters(&d->tables, class, wan, &count))
				continue;
			if (wan == dead)
				*reset += count.reset;
			else
				moved += count.moved;
		}
	}
	return moved;
}

/* --- opening: at the change of state, before the flip ----------------------------------------------------- */

static bool carries(enum wh_wan_state state)
{
	return state == WH_WAN_UP || state == WH_WAN_SUSPECT || state == WH_WAN_RECOVERING ||
	       state == WH_WAN_DRAINING || state == WH_WAN_FORCED_UP;
}

void wh_aftermath_return(struct wh_daemon *d, const struct wh_change *change)
{
	struct wh_record record = WH_RECORD_EMPTY;

	if (change->from != WH_WAN_RECOVERING || change->to != WH_WAN_UP)
		return;
	record.event = "failback";
	record.wan = d->wans[change->wan].name;
	record.cause = change->cause;
	record.evidence = change->evidence;
	wh_tell(d, &record);
}

void wh_aftermath_open(struct wh_daemon *d, const struct wh_change *change)
{
	struct wh_aftermath *a = &d->aftermath[change->wan];
	if (carries(change->to))
		d->owed &= (uint8_t) ~(1U << change->wan);
	if (!carries(change->from) || carries(change->to))
		return;
	d->owed |= (uint8_t)(1U << change->wan);
	/* One that was not in use again yet fails over nothing. */
	if (change->from == WH_WAN_RECOVERING)
		return;
	memset(a, 0, sizeof(*a));
	a->open = true;
	a->change = *change;
	snprintf(a->cause, sizeof(a->cause), "%s", change->cause);
	snprintf(a->evidence, sizeof(a->evidence), "%s", change->evidence ? change->evidence : "");
	a->moved_before = sum_moved(d, &a->reset_before, change->wan);
	if (d->heard[change->wan].heard_ns)
		a->lost = wh_sent_packets(d, change->wan) - d->heard[change->wan].sent_packets;
}

void wh_aftermath_flipped(struct wh_daemon *d, uint64_t flipped_ns)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_aftermath *a = &d->aftermath[wan];

		if (!a->open || a->flipped_ns)
			continue;
		a->flipped_ns = flipped_ns;
		a->flip_us = (double)(flipped_ns - a->change.now_ns) / 1e3;
	}
}

/* --- telling the sessions --------------------------------------------------------------------------------- */

struct told {
	struct wh_flow4 flow[WH_SWEEP_SLICE];
	unsigned n;
};

struct reset_slice {
	struct wh_daemon *d;
	struct told told;
};

struct reset_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static uint16_t checksum(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The RST that the client takes at once: its sequence number is what the client acknowledged last (RFC 5961). */
static void build_reset(struct reset_frame *f, const struct wh_flow4_key *key, const struct wh_flow4 *flow,
			const struct wh_reply4 *reply, const struct wh_lan *lan)
{
	uint32_t pseudo = IPPROTO_TCP + sizeof(f->tcp);

	memset(f, 0, sizeof(*f));
	memcpy(f->eth.h_dest, reply->client_mac, ETH_ALEN);
	memcpy(f->eth.h_source, lan->mac, ETH_ALEN);
	f->eth.h_proto = htons(ETH_P_IP);
	f->ip.version = 4;
	f->ip.ihl = 5;
	f->ip.tot_len = htons(sizeof(f->ip) + sizeof(f->tcp));
	f->ip.frag_off = htons(IP_DF);
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_TCP;
	f->ip.saddr = key->dst_be;
	f->ip.daddr = key->src_be;
	f->ip.check = checksum(&f->ip, sizeof(f->ip), 0);
	f->tcp.source = key->dport_be;
	f->tcp.dest = key->sport_be;
	f->tcp.seq = flow->ack_be;
	f->tcp.doff = sizeof(f->tcp) / 4;
	f->tcp.rst = 1;
	pseudo += (ntohl(f->ip.saddr) >> 16) + (ntohl(f->ip.saddr) & 0xffff);
	pseudo += (ntohl(f->ip.daddr) >> 16) + (ntohl(f->ip.daddr) & 0xffff);
	f->tcp.check = checksum(&f->tcp, sizeof(f->tcp), pseudo);
}

static void send_reset(struct wh_daemon *d, const struct wh_flow4_key *key, const struct wh_flow4 *flow)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = ETH_ALEN};
	struct wh_reply4 reply;
	struct reset_frame frame;

	if (wh_tables_reply(&d->tables, key, flow, &reply) || reply.lan >= WH_MAX_LANS || !d->lans[reply.lan].ifindex)
		return;
	build_reset(&frame, key, flow, &reply, &d->lans[reply.lan]);
	to.sll_ifindex = (int)d->lans[reply.lan].ifindex;
	if (sendto(d->packet_socket, &frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		wh_debug("reset: %s", strerror(errno));
}

/* Let the sweep mark what is in the form, and tell those that it marked. */
static void run_reset_slice(struct reset_slice *s)
{
	struct wh_sweep *form = s->d->tables.sweep_form;

	if (!s->told.n)
		return;
	form->task = WH_SWEEP_RESET;
	form->wan = s->d->walked;
	form->flows = s->told.n;
	form->binds = 0;
	if (wh_programs_sweep(s->d->programs))
		wh_error("the sweep does not run: %s", strerror(errno));
	else
		s->d->aftermath[s->d->walked].reset_by_walk += form->reset;
	for (unsigned i = 0; i < s->told.n; i++) {
		if (form->done[i])
			send_reset(s->d, &form->flow[i], &s->told.flow[i]);
	}
	s->told.n = 0;
}

static bool has_untranslated_way(const struct wh_daemon *d)
{
	uint8_t fresh = fresh_alive(d);

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if ((fresh & (1U << wan)) && !(d->wans[wan].flags & WH_WAN_MASQUERADE4))
			return true;
	}
	return false;
}

/* As the data plane decides on a flow's next packet, for flows that may have none. */
static bool is_stranded(const struct wh_daemon *d, const struct wh_flow4_key *key, const struct wh_flow4 *flow)
{
	bool moves = !(flow->flags & WH_FLOW_NAT) && has_untranslated_way(d) && flow->class < d->config.n_classes &&
		     d->config.classes[flow->class].on_failover != WH_FAILOVER_RESET;

	return flow->pin.wan == d->walked && key->proto == IPPROTO_TCP && (flow->tcp & WH_TCP_ACKED) &&
	       !(flow->flags & WH_FLOW_PROBE) && flow->pin.state != WH_FLOW_RESET && !moves;
}

static void consider_reset(void *arg, const struct wh_flow4_key *key, const struct wh_flow4 *flow)
{
	struct reset_slice *s = arg;

	if (!is_stranded(s->d, key, flow))
		return;
	s->d->tables.sweep_form->flow[s->told.n] = *key;
	s->told.flow[s->told.n++] = *flow;
	if (s->told.n == WH_SWEEP_SLICE)
		run_reset_slice(s);
}

static bool worth_telling(const struct wh_daemon *d, unsigned wan)
{
	return !(d->stored.alive.alive4 & (1U << wan)) && fresh_alive(d);
}

void wh_aftermath_on_walk(evutil_socket_t fd, short what, void *arg)
{
	static struct reset_slice slice; /* some 12 KiB, and used by one walk at a time */
	static const struct timeval soon = {.tv_usec = 500};
	struct wh_daemon *d = arg;

	(void)fd;
	(void)what;
	if (d->walked >= WH_MAX_WANS)
		return;
	/* It works again, or nothing else does any more: those not yet told stay. */
	if (!worth_telling(d, d->walked)) {
		d->owed |= d->stored.alive.alive4 & (1U << d->walked) ? 0 : (uint8_t)(1U << d->walked);
		d->walked = WH_WAN_NONE;
		return;
	}
	slice.d = d;
	if (wh_tables_walk(&d->tables, &d->reset_walk, WALK_SLICE, consider_reset, &slice))
		d->reset_walk.done = true;
	run_reset_slice(&slice);
	if (d->reset_walk.done)
		d->walked = WH_WAN_NONE;
	else
		evtimer_add(d->walk_timer, &soon);
}

/* Sessions on a dead WAN are told as soon as there is a better one, not before. */
static void start_walk(struct wh_daemon *d)
{
	static const struct timeval now = {};
	uint8_t fresh = fresh_alive(d);

	if (!d->owed || !fresh || d->walked != WH_WAN_NONE)
		return;
	d->walked = (unsigned)__builtin_ctz(d->owed);
	d->owed &= (uint8_t)(d->owed - 1);
	memset(&d->reset_walk, 0, sizeof(d->reset_walk));
	evtimer_add(d->walk_timer, &now);
}

/* --- watching, and the record ----------------------------------------------------------------------------- */

/* When an answer to a user's packet was first heard on a WAN that took over. */
static void watch_answers(const struct wh_daemon *d, struct wh_aftermath *a)
{
	uint8_t fresh = fresh_alive(d);

	for (unsigned wan = 0; wan < WH_MAX_WANS && !a->answered_ns; wan++) {
		uint64_t heard_ns = d->tables.signal_rows[wan].user_heard_ns;

		if ((fresh & (1U << wan)) && heard_ns > a->flipped_ns)
			a->answered_ns = heard_ns;
	}
}

static bool users_sent_since(const struct wh_daemon *d, uint64_t since_ns)
{
	uint8_t fresh = fresh_alive(d);

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if ((fresh & (1U << wan)) && d->tables.signal_rows[wan].user_sent_ns > since_ns)
			return true;
	}
	return false;
}

static void write_record(struct wh_daemon *d, unsigned wan)
{
	struct wh_aftermath *a = &d->aftermath[wan];
	struct wh_record record = WH_RECORD_EMPTY;
	uint64_t moved, reset;

	a->open = false;
	moved = sum_moved(d, &reset, wan) - a->moved_before;
	record.event = "failover";
	record.wan = d->wans[wan].name;
	record.cause = a->cause;
	record.evidence = a->evidence;
	record.detect_ms = (double)(a->change.now_ns - a->change.since_ns) / 1e6;
	record.flip_us = a->flip_us;
	record.moved = (int64_t)moved;
	record.reset = (int64_t)(reset - a->reset_before + a->reset_by_walk);
	record.lost = (int64_t)a->lost;
	if (a->answered_ns)
		record.first_answer_ms = (double)(a->answered_ns - a->flipped_ns) / 1e6;
	wh_tell(d, &record);
	if (!a->answered_ns && users_sent_since(d, a->flipped_ns)) {
		record = WH_RECORD_EMPTY;
		record.event = "unverified";
		record.wan = d->wans[wan].name;
		record.evidence = "after the switch users sent on another WAN, and nothing came back for 2 s";
		wh_tell(d, &record);
	}
}

bool wh_aftermath_waits(const struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->aftermath[wan].open && !d->aftermath[wan].answered_ns)
			return true;
	}
	return false;
}

void wh_aftermath_watch(struct wh_daemon *d, uint64_t now_ns)
{
	start_walk(d);
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct wh_aftermath *a = &d->aftermath[wan];

		if (!a->open || !a->flipped_ns)
			continue;
		if (fresh_alive(d))
			a->switched = true;
		watch_answers(d, a);
		if (now_ns < a->flipped_ns + WATCH_NS || d->walked == wan)
			continue;
		if (a->switched)
			write_record(d, wan);
		a->open = false; /* without another WAN there was no failover to tell of */
	}
}
