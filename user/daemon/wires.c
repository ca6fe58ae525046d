/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wires.c: which WANs and LANs XDP knows, and by which it sends: the rows of wh_wires and wh_xdp_out, made as they
 * should be, compared with what stands there, and what is told of it.  All else is tc's, which needs nothing of this.
 *
 * A row that comes is stored when its program runs and its place in wh_xdp_out is filled; one that goes is stored before
 * that is emptied and the program taken off.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/wiring.h"
#include "kern/family.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

#define FACTS_NS (900 * WH_NS_PER_MS)	    /* qdiscs and drivers are asked about again so late */
#define GATEWAY_SILENT_NS (3 * WH_NS_PER_S) /* its MAC may be another's by now */
#define ONE_BUFFER 3000			    /* L3 bytes that surely stand in one buffer of any driver */

/* A WAN or LAN that is there. */
struct user {
	unsigned row;
	const char *wan; /* NULL: a LAN */
	enum wh_accel accel;
	unsigned ifindex; /* 0: no device now */
	uint8_t l2_len;
	uint32_t mtu; /* L3 bytes */
	const uint8_t *mac;
	const char *device;
	const struct wh_link *link, *on; /* its device, and whose driver sees its frames; NULL: XDP cannot carry it */
	char why[WH_XDP_WHY_LEN];
};

/* --- who ---------------------------------------------------------------------------------------------------- */

static unsigned all_users(const struct wh_daemon *d, struct user users[WH_WIRES])
{
	unsigned n = 0;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		const struct wh_wan *row = &d->wans[wan];

		if (d->conf_of[wan] < 0)
			continue;
		users[n++] = (struct user){wan,		 row->name,   d->config.wans[d->conf_of[wan]].accel,
					   row->ifindex, row->l2_len, row->mtu,
					   row->mac,	 row->device, NULL,
					   NULL,	 ""};
	}
	for (unsigned i = 0; i < d->config.n_lans; i++) {
		const struct wh_lan *row = &d->lans[d->lan_number[i]];

		users[n++] = (struct user){WH_WIRE_LAN + d->lan_number[i],
					   NULL,
					   d->config.lan_accel[i],
					   row->ifindex,
					   row->l2_len,
					   row->mtu,
					   row->mac,
					   row->device,
					   NULL,
					   NULL,
					   ""};
	}
	return n;
}

/* Whose driver sees a VLAN's frames, or NULL. */
static const struct wh_link *parent_of(const struct wh_daemon *d, struct user *u)
{
	const struct wh_link *parent = wh_netlink_link_at(d->netlink, u->link->parent);

	if (!parent)
		snprintf(u->why, sizeof(u->why), "the device under the VLAN is not in this namespace");
	else if (!u->link->vlan_plain || !u->link->vlan)
		snprintf(u->why, sizeof(u->why), "a VLAN with 802.1ad tags, or priorities in them");
	else if (!strcmp(parent->kind, "vlan"))
		snprintf(u->why, sizeof(u->why), "a VLAN in a VLAN");
	return u->why[0] ? NULL : parent;
}

static void find_carrier(const struct wh_daemon *d, struct user *u)
{
	u->link = u->ifindex ? wh_netlink_link_at(d->netlink, u->ifindex) : NULL;
	if (u->accel == WH_ACCEL_TC)
		return;
	if (!u->link)
		snprintf(u->why, sizeof(u->why), "no device");
	else if (!u->l2_len)
		snprintf(u->why, sizeof(u->why), "not Ethernet");
	else
		u->on = strcmp(u->link->kind, "vlan") != 0 ? u->link : parent_of(d, u);
}

/* --- what the kernel says ----------------------------------------------------------------------------------- */

static struct wh_device_fact *fact_about(struct wh_device_facts *facts, unsigned ifindex)
{
	for (size_t i = 0; i < facts->n; i++) {
		if (facts->of[i].ifindex == ifindex)
			return &facts->of[i];
	}
	if (facts->n == facts->room) {
		size_t room = facts->room ? 2 * facts->room : 32;
		struct wh_device_fact *of = reallocarray(facts->of, room, sizeof(*of));

		if (!of)
			return NULL; /* of what is not known the worst is assumed */
		facts->of = of;
		facts->room = room;
	}
	facts->of[facts->n] = (struct wh_device_fact){.ifindex = ifindex};
	return &facts->of[facts->n++];
}

static void on_driver(void *arg, unsigned ifindex, uint64_t features)
{
	struct wh_device_fact *fact = fact_about(arg, ifindex);

	if (fact)
		fact->features = features;
}

static void on_qdisc(void *arg, unsigned ifindex, const char *kind)
{
	struct wh_device_fact *fact = fact_about(arg, ifindex);

	if (fact)
		snprintf(fact->qdisc, sizeof(fact->qdisc), "%s", kind);
}

static void ask_facts(struct wh_wiring *w, uint64_t now_ns)
{
	w->facts.n = 0;
	w->facts.drivers_tell = !wh_xdp_each_driver(on_driver, &w->facts);
	w->facts.qdiscs_told = !wh_qdisc_each(on_qdisc, &w->facts);
	w->asked_ns = now_ns;
}

static bool same_carriers(const struct wh_wiring *w, const struct wh_carrier *wanted, unsigned n)
{
	bool same = n == w->n_carriers;

	for (unsigned i = 0; i < n && same; i++)
		same = wanted[i].ifindex == w->carriers[i].ifindex && wanted[i].mtu == w->carriers[i].mtu;
	return same;
}

/* --- sending ------------------------------------------------------------------------------------------------ */

/* A gateway that answered once, and does not any more, of a family that is in use there. */
static bool is_gateway_silent(const struct wh_daemon *d, const struct user *u, uint64_t now_ns)
{
	for (enum wh_family family = 0; family < WH_FAMILIES && u->row < WH_MAX_WANS; family++) {
		const struct wh_gateway *g = &d->gateways[u->row][family];

		if (g->known && g->heard_ns && now_ns > g->heard_ns + GATEWAY_SILENT_NS &&
		    (wh_alive_of(d->stored.alive, family) & (1U << u->row)))
			return true;
	}
	return false;
}

/* What users put there to shape or order must keep its say. */
static bool is_queued(const struct wh_device_facts *facts, const struct user *u, char why[WH_XDP_WHY_LEN])
{
	const char *own = wh_fact_of(facts, u->link->ifindex)->qdisc, *below = wh_fact_of(facts, u->on->ifindex)->qdisc;

	if (!facts->qdiscs_told)
		snprintf(why, WH_XDP_WHY_LEN, "its qdisc cannot be read");
	else if (own[0] || below[0])
		snprintf(why, WH_XDP_WHY_LEN, "qdisc %s", own[0] ? own : below);
	return why[0];
}

/* Whether the driver can send what an XDP program gives it; one that nobody knows about where it was asked for. */
static bool can_xmit(const struct wh_device_facts *facts, const struct user *u, char why[WH_XDP_WHY_LEN])
{
	uint64_t features = wh_fact_of(facts, u->on->ifindex)->features;

	if (!facts->drivers_tell)
		return true;
	if (!(features & WH_XDP_XMIT))
		snprintf(why, WH_XDP_WHY_LEN, "its driver does not send for XDP");
	else if (u->mtu > ONE_BUFFER && !(features & WH_XDP_XMIT_SG))
		snprintf(why, WH_XDP_WHY_LEN, "its driver sends no frames in several buffers (MTU %u)", u->mtu);
	return !why[0];
}

static void judge(struct wh_daemon *d, const struct user *u, const struct wh_carrier *carrier, struct wh_carried *now)
{
	const struct wh_device_facts *facts = &d->wiring->facts;

	now->in = carrier && carrier->runs;
	now->out = false;
	snprintf(now->why, sizeof(now->why), "%s", carrier ? carrier->why : u->why);
	now->notable = carrier ? carrier->in_the_way : u->accel == WH_ACCEL_XDP && u->link;
	if (!now->in)
		return;
	now->notable = u->accel == WH_ACCEL_XDP;
	if (is_queued(facts, u, now->why) || !can_xmit(facts, u, now->why))
		return;
	now->notable = false;
	if (is_gateway_silent(d, u, wh_now_ns()))
		snprintf(now->why, sizeof(now->why), "its gateway is silent");
	else if (!u->link->up || !u->on->up)
		snprintf(now->why, sizeof(now->why), "not up");
	now->out = !now->why[0];
}

/* --- the tables --------------------------------------------------------------------------------------------- */

static int open_out(const struct wh_daemon *d)
{
	int fd = wh_xdp_out(d->bpf_dir);

	if (fd < 0 && fd != -ENOENT)
		wh_error("wh_xdp_out: %s", strerror(-fd));
	return fd;
}

/* The kernel empties a device's places when it goes, so they are read each time. Whether it is filled. */
static bool fill_out(int out, unsigned row, unsigned ifindex)
{
	__u32 key = row, there = 0;

	if (out < 0)
		return false;
	if (!bpf_map_lookup_elem(out, &key, &there) && there == ifindex)
		return true;
	if (!bpf_map_update_elem(out, &key, &ifindex, BPF_ANY))
		return true;
	wh_error("wh_xdp_out: %s", strerror(errno));
	return false;
}

static void store(struct wh_daemon *d)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(d->tables.wires, &zero, &d->wiring->rows, BPF_ANY))
		wh_error("wh_wires: %s", strerror(errno));
}

static void fill_row(const struct user *u, const struct wh_carried *carried, struct wh_wire *row)
{
	row->ifindex = carried->in ? u->on->ifindex : 0;
	row->vlan = carried->in && u->on != u->link ? u->link->vlan : 0;
	row->sends = carried->out;
	memcpy(row->mac, u->mac, sizeof(row->mac));
}

/* --- telling ------------------------------------------------------------------------------------------------ */

static void tell(struct wh_daemon *d, const struct user *u, struct wh_carried *now)
{
	struct wh_record record = WH_RECORD_EMPTY;
	char evidence[WH_XDP_WHY_LEN + 64];
	const bool whole = now->in && now->out;

	if (!whole && !now->notable)
		return; /* no news, or none that lasts */
	if (!strcmp(now->told, now->why))
		return;
	memcpy(now->told, now->why, sizeof(now->told));
	snprintf(evidence, sizeof(evidence), "%s: %s%s", u->device,
		 whole	   ? "carried by XDP"
		 : now->in ? "sent to by tc, not by XDP: "
			   : "carried by tc, not by XDP: ",
		 now->why);
	record.event = "accel";
	record.wan = u->wan;
	record.cause = whole ? "xdp" : "tc";
	record.evidence = evidence;
	wh_tell(d, &record);
}

/* --- all ---------------------------------------------------------------------------------------------------- */

static void take_carriers(struct wh_daemon *d, struct user *users, unsigned n)
{
	static struct wh_carrier wanted[WH_WIRES];
	struct wh_wiring *w = d->wiring;
	uint64_t now_ns = wh_now_ns();
	unsigned carriers = 0;

	for (unsigned i = 0; i < n; i++) {
		find_carrier(d, &users[i]);
		if (users[i].on)
			wh_carriers_want(wanted, &carriers, users[i].on, users[i].accel == WH_ACCEL_XDP);
	}
	if (carriers && (!w->asked_ns || now_ns > w->asked_ns + FACTS_NS || !same_carriers(w, wanted, carriers)))
		ask_facts(w, now_ns);
	wh_carriers_take(d, wanted, carriers, &w->facts);
}

/* Rows of nobody; what was counted there goes on. */
static void clear_rows(struct wh_wires *rows)
{
	for (unsigned i = 0; i < WH_WIRES; i++)
		rows->row[i] = (struct wh_wire){.neighbours = rows->row[i].neighbours};
}

void wh_wires_update(struct wh_daemon *d)
{
	struct wh_wiring *w = d->wiring;
	struct wh_wires before = w->rows;
	_cleanup_close_ int out = -1;
	struct user users[WH_WIRES];
	unsigned n = all_users(d, users), lans[WH_MAX_LANS] = {};

	take_carriers(d, users, n);
	out = w->n_carriers ? open_out(d) : -1;
	clear_rows(&w->rows);
	memcpy(w->rows.row[WH_WIRE_LAN + WH_LAN_PROBER].mac, d->lans[WH_LAN_PROBER].mac, ETH_ALEN);
	for (unsigned i = 0; i < n; i++) {
		struct user *u = &users[i];
		struct wh_carried *now = &w->carried[u->row];

		if (u->row >= WH_WIRE_LAN)
			lans[u->row - WH_WIRE_LAN] = u->ifindex;
		judge(d, u, u->on ? wh_carriers_find(w, u->on->ifindex) : NULL, now);
		now->out = now->out && fill_out(out, u->row, u->on->ifindex);
		fill_row(u, now, &w->rows.row[u->row]);
		tell(d, u, now);
	}
	wh_clients_follow(d, lans);
	wh_clients_count(d, wh_now_ns());
	if (memcmp(&before, &w->rows, sizeof(before)) != 0)
		store(d);
	for (__u32 row = 0; row < WH_WIRES; row++) {
		if (before.row[row].sends && !w->rows.row[row].sends && out >= 0)
			bpf_map_delete_elem(out, &row);
	}
	wh_carriers_release(d);
}

void wh_wires_turn(struct wh_daemon *d)
{
	if (wh_clients_count(d, wh_now_ns()))
		store(d);
}

json_t *wh_wires_status(const struct wh_daemon *d, unsigned row)
{
	const struct wh_carried *carried = &d->wiring->carried[row];

	return json_pack("{s:s,s:s,s:o}", "in", carried->in ? "xdp" : "tc", "out", carried->out ? "xdp" : "tc", "why",
			 carried->why[0] ? json_string(carried->why) : json_null());
}

int wh_wires_start(struct wh_daemon *d)
{
	__u32 zero = 0;

	d->wiring = calloc(1, sizeof(*d->wiring));
	if (!d->wiring)
		return -ENOMEM;
	if (bpf_map_lookup_elem(d->tables.wires, &zero, &d->wiring->rows))
		return -errno;
	/* What an earlier controller counted goes on: clients may have moved while nobody looked. */
	for (unsigned lan = 0; lan < WH_LAN_PROBER; lan++)
		d->wiring->rows.row[WH_WIRE_LAN + lan].neighbours++;
	store(d);
	wh_clients_start(d);
	return 0;
}

void wh_wires_end(struct wh_daemon *d)
{
	if (!d->wiring)
		return;
	wh_clients_end(d);
	free(d->wiring->facts.of);
	free(d->wiring);
	d->wiring = NULL;
}
