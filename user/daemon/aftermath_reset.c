/* SPDX-License-Identifier: GPL-2.0 */
/*
 * aftermath_reset.c: the TCP sessions that cannot go on, after a switch, or because they are too old to stay behind when
 * a better WAN is back, are told so, in slices between turns.  Their next packet would be answered by the data plane;
 * those that are silent are walked for here, marked by the sweep, and each client is sent the RST that it takes at once.
 * The router's own sessions are not among them (they get theirs at their next packet), nor those that were opened from
 * outside (they never do).
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/daemon.h"
#include "kern/family.h"
#include "lib/checksum.h"
#include "lib/clock.h"
#include "lib/log.h"

#define WALK_SLICE 1024 /* flows a turn: some milliseconds of work */
#define HOPS 64
/*
 * How often old sessions are looked for: not so often that a large table keeps us busy, and more often than
 * WH_FAILBACK_LATE_NS.
 */
#define OLD_EVERY_NS (5 * WH_NS_PER_S)
#define OLD_EVERY_MOST_NS (60 * WH_NS_PER_S)
#define OLD_EVERY_WALKS 20

/* --- the RST ---------------------------------------------------------------------------------------------- */

/* Without an Ethernet header it begins at `ip`. */
struct frame {
	uint8_t pad[2]; /* so that what follows `eth` is aligned */
	struct ethhdr eth;
	union {
		struct {
			struct iphdr ip;
			struct tcphdr tcp;
		} v4;
		struct {
			struct ip6_hdr ip;
			struct tcphdr tcp;
		} v6;
	} ip;
};

/* From the server to the client.  What of the header goes into TCP's checksum is returned. */
static uint32_t put_ip4(struct iphdr *ip, const struct wh_flow4_key *key)
{
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tot_len = htons(sizeof(*ip) + sizeof(struct tcphdr));
	ip->frag_off = htons(IP_DF);
	ip->ttl = HOPS;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = key->dst_be;
	ip->daddr = key->src_be;
	ip->check = wh_checksum_be(wh_sum(ip, sizeof(*ip), 0));
	return wh_sum(&ip->saddr, sizeof(ip->saddr) + sizeof(ip->daddr), 0);
}

static uint32_t put_ip6(struct ip6_hdr *ip, const struct wh_flow6_key *key)
{
	ip->ip6_vfc = 6 << 4;
	ip->ip6_plen = htons(sizeof(struct tcphdr));
	ip->ip6_nxt = IPPROTO_TCP;
	ip->ip6_hlim = HOPS;
	memcpy(&ip->ip6_src, &key->dst_be, sizeof(ip->ip6_src));
	memcpy(&ip->ip6_dst, &key->src_be, sizeof(ip->ip6_dst));
	return wh_sum(&ip->ip6_src, sizeof(ip->ip6_src) + sizeof(ip->ip6_dst), 0);
}

/* Its sequence number is what the client acknowledged last, so that it is taken (RFC 5961 §3.2). */
static void put_tcp(struct tcphdr *tcp, const struct wh_flow_entry *entry, uint32_t sum)
{
	tcp->source = wh_flow_dport(entry);
	tcp->dest = wh_flow_sport(entry);
	tcp->seq = entry->flow.ack_be;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	tcp->check = wh_checksum_be(wh_sum(tcp, sizeof(*tcp), sum + IPPROTO_TCP + sizeof(*tcp)));
}

/* The length from `ip` on. */
static size_t build_reset(struct frame *f, const struct wh_flow_entry *entry, const struct wh_reply *reply,
			  const struct wh_lan *lan)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->eth.h_dest, reply->client_mac, ETH_ALEN);
	memcpy(f->eth.h_source, lan->mac, ETH_ALEN);
	if (entry->family == WH_V4) {
		f->eth.h_proto = htons(ETH_P_IP);
		put_tcp(&f->ip.v4.tcp, entry, put_ip4(&f->ip.v4.ip, &entry->key4));
		return sizeof(f->ip.v4);
	}
	f->eth.h_proto = htons(ETH_P_IPV6);
	put_tcp(&f->ip.v6.tcp, entry, put_ip6(&f->ip.v6.ip, &entry->key6));
	return sizeof(f->ip.v6);
}

static void send_reset(const struct wh_daemon *d, const struct wh_flow_entry *entry)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = ETH_ALEN};
	const struct wh_lan *lan;
	struct wh_reply reply;
	struct frame frame;
	const void *start;
	size_t len;

	if (wh_tables_reply(&d->tables, entry, &reply) || reply.lan >= WH_MAX_LANS)
		return;
	lan = &d->lans[reply.lan];
	if (!lan->ifindex)
		return;
	len = build_reset(&frame, entry, &reply, lan);
	to.sll_ifindex = (int)lan->ifindex;
	to.sll_protocol = frame.eth.h_proto;
	start = lan->l2_len ? (const void *)&frame.eth : &frame.ip;
	len += lan->l2_len ? sizeof(frame.eth) : 0;
	if (sendto(d->packet_socket, start, len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		wh_debug("reset: %s", strerror(errno));
}

/* --- who cannot go on ------------------------------------------------------------------------------------- */

uint8_t wh_fresh_for(const struct wh_daemon *d, unsigned class, enum wh_family family)
{
	return wh_fresh_of(d->stored.masks[class], family) & wh_alive_of(d->stored.alive, family);
}

uint8_t wh_fresh_anywhere(const struct wh_daemon *d, enum wh_family family)
{
	uint8_t fresh = 0;

	for (unsigned class = 0; class < d->class_numbers; class += 1)
		fresh |= wh_fresh_for(d, class, family);
	return fresh;
}

static bool in_prefix(const struct wh_addr6 *addr, const struct wh_addr6 *prefix, unsigned len)
{
	for (unsigned i = 0; i < 4 && len > 32 * i; i++) {
		unsigned bits = len - 32 * i;
		uint32_t mask = bits >= 32 ? ~0U : ~0U << (32 - bits);

		if ((addr->word_be[i] ^ prefix->word_be[i]) & htonl(mask))
			return false;
	}
	return len > 0;
}

/* What becomes of the flow's source on a WAN, as the data plane has it (bpf/source.h). */
enum way { WAY_NONE, WAY_TRANSLATED, WAY_KEPT };

static enum way way_by(const struct wh_wan *wan, const struct wh_flow_entry *entry)
{
	const struct wh_wan6 *v6 = &wan->v6;

	if (entry->family == WH_V4)
		return wan->v4.flags & WH_WAN_MASQUERADE ? WAY_TRANSLATED : WAY_KEPT;
	if ((v6->flags & WH_WAN_OWN_PREFIX) && in_prefix(&entry->key6.src_be, &v6->prefix_be, v6->prefix_len))
		return WAY_KEPT;
	if ((v6->flags & WH_WAN_NPT) && in_prefix(&entry->key6.src_be, &v6->inside_be, v6->inside_len))
		return WAY_TRANSLATED;
	return v6->flags & WH_WAN_MASQUERADE ? WAY_TRANSLATED : WAY_NONE;
}

static enum way best_way(const struct wh_daemon *d, const struct wh_flow_entry *entry)
{
	uint8_t fresh = wh_fresh_for(d, entry->flow.class, entry->family) & (uint8_t) ~(1U << d->walked);
	enum way best = WAY_NONE;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		enum way way = fresh & (1U << wan) ? way_by(&d->wans[wan], entry) : WAY_NONE;

		if (way > best)
			best = way;
	}
	return best;
}

static bool is_session(const struct wh_flow_entry *entry)
{
	return wh_flow_proto(entry) == IPPROTO_TCP && (entry->flow.tcp & WH_TCP_ACKED) &&
	       entry->flow.pin.state != WH_FLOW_RESET &&
	       !(entry->flow.flags &
		 (WH_FLOW_PROBE | WH_FLOW_KERNEL | WH_FLOW_INBOUND | WH_FLOW_FOREIGN | WH_FLOW_HAIRPIN));
}

/*
 * The second before which sessions that are on the walked WAN must have been born to leave it; 0: none must.  Where
 * some belong there, which only a packet's hash says, the data plane alone sorts them out.
 */
static uint32_t leave_before(const struct wh_daemon *d, unsigned class, enum wh_family family)
{
	const uint8_t bit = (uint8_t)(1U << d->walked);
	int conf = d->class_conf_of[class];

	if (!(wh_kept_by(d->stored.masks[class], d->stored.alive, family) & bit))
		return UINT32_MAX;
	return conf >= 0 && d->model.classes[conf].back[family].behind & bit ? d->stored.back[class].old_s[d->walked]
									     : 0;
}

/* Whether the destination is reached by one WAN only, or is the router's own. */
static bool is_bound_to_wan(const struct wh_daemon *d, const struct wh_flow_entry *entry)
{
	struct wh_route route;

	return !wh_tables_route(&d->tables, entry, &route) && route.kind != WH_ROUTE_DEFAULT;
}

/* As the data plane decides on a flow's next packet, for flows that may have none. */
static bool is_stranded(const struct wh_daemon *d, const struct wh_flow_entry *entry)
{
	const struct wh_flow *flow = &entry->flow;
	bool kept = !(flow->flags & (WH_FLOW_NAT | WH_FLOW_PREFIX));
	int class = flow->class < WH_MAX_CLASSES ? d->class_conf_of[flow->class] : -1;
	enum way way;

	if (flow->pin.wan != d->walked || class < 0 || !is_session(entry) ||
	    flow->born_s >= leave_before(d, flow->class, entry->family) || is_bound_to_wan(d, entry))
		return false;
	way = best_way(d, entry);
	return way == WAY_TRANSLATED ||
	       (way == WAY_KEPT && !(kept && d->config.classes[class].on_failover != WH_FAILOVER_RESET));
}

/* --- the walk --------------------------------------------------------------------------------------------- */

/* Those that stand in the sweep's form, in its order. */
struct slice {
	struct wh_daemon *d;
	uint32_t born_s; /* all of them were born before */
	struct wh_flow_entry entry[WH_SWEEP_SLICE];
};

/* Let the sweep mark what is in the form, and tell those that it marked. */
static void run_form(struct slice *s)
{
	struct wh_daemon *d = s->d;
	struct wh_sweep *form = wh_tables_form(&d->tables, d->walked_family);
	int err;

	if (!form->flows)
		return;
	form->task = WH_SWEEP_RESET;
	form->wan = d->walked;
	form->born_s = s->born_s;
	err = wh_programs_sweep(d->programs, d->walked_family);
	if (err)
		wh_error("the sweep does not run: %s", strerror(-err));
	else
		d->aftermath[d->walked].reset_by_walk += form->reset;
	for (unsigned i = 0; i < form->flows && !err; i++) {
		if (form->done[i])
			send_reset(d, &s->entry[i]);
	}
	form->flows = 0;
	s->born_s = 0;
}

static void consider(void *arg, const struct wh_flow_entry *entry)
{
	struct slice *s = arg;
	struct wh_sweep *form = wh_tables_form(&s->d->tables, entry->family);
	uint32_t born_s;

	if (!is_stranded(s->d, entry))
		return;
	born_s = leave_before(s->d, entry->flow.class, entry->family);
	s->born_s = born_s > s->born_s ? born_s : s->born_s;
	s->entry[form->flows] = *entry;
	wh_tables_form_flow(&s->d->tables, entry);
	if (form->flows == WH_SWEEP_SLICE)
		run_form(s);
}

static void walk_slice(struct wh_daemon *d)
{
	static struct slice slice; /* some 30 KiB, and used by one walk at a time */
	struct wh_sweep *form = wh_tables_form(&d->tables, d->walked_family);

	slice.d = d;
	slice.born_s = 0;
	form->flows = form->ports = 0;
	if (wh_tables_walk(&d->tables, d->walked_family, &d->reset_walk, WALK_SLICE, consider, &slice))
		d->reset_walk.done = true;
	run_form(&slice);
}

void wh_aftermath_on_walk(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = {.tv_usec = 500};
	struct wh_daemon *d = arg;
	uint8_t bit;

	(void)fd;
	(void)what;
	if (d->walked >= WH_MAX_WANS)
		return;
	bit = (uint8_t)(1U << d->walked);
	if (!wh_fresh_anywhere(d, d->walked_family)) { /* nothing else works any more */
		d->owed[d->walked_family] |= bit;
		d->walked = WH_WAN_NONE;
		return;
	}
	walk_slice(d);
	if (!d->reset_walk.done) {
		evtimer_add(d->walk_timer, &soon);
		return;
	}
	d->walked = WH_WAN_NONE;
	d->walk_took_ns = wh_now_ns() - d->walk_begun_ns;
}

void wh_aftermath_owe_old(struct wh_daemon *d, uint64_t now_ns)
{
	uint64_t every_ns = OLD_EVERY_WALKS * d->walk_took_ns;

	if (every_ns > OLD_EVERY_MOST_NS)
		every_ns = OLD_EVERY_MOST_NS;
	if (now_ns < d->old_owed_ns + (every_ns > OLD_EVERY_NS ? every_ns : OLD_EVERY_NS))
		return;
	d->old_owed_ns = now_ns;
	for (unsigned i = 0; i < d->config.n_classes * WH_MAX_WANS; i++) {
		const struct wh_class_model *class = &d->model.classes[i / WH_MAX_WANS];
		unsigned wan = i % WH_MAX_WANS;

		for (enum wh_family family = 0; family < WH_FAMILIES && class->words.old_s[wan]; family++)
			d->owed[family] |= class->back[family].behind & (uint8_t)(1U << wan);
	}
}

void wh_aftermath_walk(struct wh_daemon *d)
{
	static const struct timeval now = {};

	for (enum wh_family family = WH_V4; family < WH_FAMILIES && d->walked == WH_WAN_NONE; family++) {
		if (!d->owed[family] || !wh_fresh_anywhere(d, family))
			continue;
		d->walked = (unsigned)__builtin_ctz(d->owed[family]);
		d->walked_family = family;
		d->owed[family] &= (uint8_t)(d->owed[family] - 1);
		memset(&d->reset_walk, 0, sizeof(d->reset_walk));
		d->walk_begun_ns = wh_now_ns();
		evtimer_add(d->walk_timer, &now);
	}
}
