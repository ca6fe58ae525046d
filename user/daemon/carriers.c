/* SPDX-License-Identifier: GPL-2.0 */
/*
 * carriers.c: the devices whose drivers run our XDP program, and what stands in the way where one does not.  wires.c
 * says which are wanted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/wiring.h"
#include "lib/clock.h"
#include "lib/log.h"

#define REFUSED_NS (60 * WH_NS_PER_S) /* a driver that refused is asked again so late, or when its device changes */

struct wh_carrier *wh_carriers_find(struct wh_wiring *w, unsigned ifindex)
{
	for (unsigned i = 0; i < w->n_carriers; i++) {
		if (w->carriers[i].ifindex == ifindex)
			return &w->carriers[i];
	}
	return NULL;
}

struct wh_carrier *wh_carriers_want(struct wh_carrier wanted[WH_WIRES], unsigned *n, const struct wh_link *link,
				    bool asked_for)
{
	unsigned i = 0;

	while (i < *n && wanted[i].ifindex != link->ifindex)
		i++;
	if (i == WH_WIRES)
		return NULL;
	if (i == *n) {
		wanted[(*n)++] = (struct wh_carrier){.ifindex = link->ifindex, .mtu = link->mtu};
		memcpy(wanted[i].device, link->name, IFNAMSIZ);
	}
	wanted[i].asked_for |= asked_for;
	return &wanted[i];
}

const struct wh_device_fact *wh_fact_of(const struct wh_device_facts *facts, unsigned ifindex)
{
	static const struct wh_device_fact nothing;

	for (size_t i = 0; i < facts->n; i++) {
		if (facts->of[i].ifindex == ifindex)
			return &facts->of[i];
	}
	return &nothing;
}

/* --- what is in the way ----------------------------------------------------------------------------------- */

/* Where nobody asked for it, only drivers of real devices are given a program, and only if they are known to run it. */
static bool is_for_auto(struct wh_carrier *c, const struct wh_link *link, const struct wh_device_facts *facts)
{
	const uint64_t needed = WH_XDP_BASIC | WH_XDP_REDIRECT;

	if (link->kind[0])
		snprintf(c->why, sizeof(c->why), "driver %s", link->kind);
	else if (!facts->drivers_tell)
		snprintf(c->why, sizeof(c->why), "this kernel does not tell what the driver can");
	else if ((wh_fact_of(facts, c->ifindex)->features & needed) != needed)
		snprintf(c->why, sizeof(c->why), "its driver has no XDP");
	return !c->why[0];
}

/* Frames whose tags are hidden from XDP would be taken for others'. Whether they would. */
static bool are_tags_hidden(const struct wh_daemon *d, struct wh_carrier *c)
{
	if (!wh_netlink_has_vlans(d->netlink, c->ifindex) || !wh_xdp_hides_tags(c->device))
		return false;
	snprintf(c->why, sizeof(c->why), "tags are taken off by the driver (ethtool -K %s rxvlan off)", c->device);
	return true;
}

/* Whether our program may run there; else why not. */
static bool may_run(struct wh_daemon *d, struct wh_carrier *c, const struct wh_device_facts *facts)
{
	const struct wh_link *link = wh_netlink_link_at(d->netlink, c->ifindex);

	c->why[0] = '\0';
	c->in_the_way = c->asked_for;
	if (!link)
		return false;
	if (!strcmp(link->kind, "bond")) { /* its members' drivers would run it, under their own numbers */
		snprintf(c->why, sizeof(c->why), "driver %s", link->kind);
		return false;
	}
	if ((!c->asked_for && !is_for_auto(c, link, facts)) || are_tags_hidden(d, c))
		return false;
	if (d->wiring->load_error[0]) {
		snprintf(c->why, sizeof(c->why), "%s", d->wiring->load_error);
		return false;
	}
	c->in_the_way = true;
	return !wh_xdp_is_taken(d->bpf_dir, c->device, c->ifindex, c->why);
}

/* --- attaching -------------------------------------------------------------------------------------------- */

static void tell_attached_again(struct wh_daemon *d, const char *device)
{
	struct wh_record record = WH_RECORD_EMPTY;
	char evidence[128];

	d->reattached++;
	snprintf(evidence, sizeof(evidence), "%s: our XDP program was missing from its driver and is there again",
		 device);
	record.event = "attach";
	record.cause = "device";
	record.evidence = evidence;
	wh_tell(d, &record);
}

static void attach(struct wh_daemon *d, struct wh_carrier *c, const struct wh_carrier *before)
{
	uint64_t now_ns = wh_now_ns();
	bool ran = before && before->runs;

	if (wh_xdp_attached(d->programs, d->bpf_dir, c->device, c->ifindex)) {
		c->runs = true;
		return;
	}
	if (before && before->refused_ns && before->mtu == c->mtu && now_ns < before->refused_ns + REFUSED_NS) {
		c->refused_ns = before->refused_ns;
		memcpy(c->why, before->why, sizeof(c->why));
		return;
	}
	if (wh_programs_xdp(d->programs, WH_V4) < 0) {
		wh_xdp_attach(d->programs, d->bpf_dir, c->device, c->ifindex, d->wiring->load_error);
		memcpy(c->why, d->wiring->load_error, sizeof(c->why));
		return;
	}
	c->runs = !wh_xdp_attach(d->programs, d->bpf_dir, c->device, c->ifindex, c->why);
	if (!c->runs)
		c->refused_ns = now_ns;
	else if (ran)
		tell_attached_again(d, c->device);
}

void wh_carriers_take(struct wh_daemon *d, const struct wh_carrier wanted[WH_WIRES], unsigned n,
		      const struct wh_device_facts *facts)
{
	static struct wh_carrier now[WH_WIRES];
	struct wh_wiring *w = d->wiring;

	for (unsigned i = 0; i < n; i++) {
		const struct wh_carrier *before = wh_carriers_find(w, wanted[i].ifindex);

		now[i] = wanted[i];
		if (before && strcmp(before->device, now[i].device) != 0)
			before = NULL;
		if (may_run(d, &now[i], facts))
			attach(d, &now[i], before);
	}
	memcpy(w->carriers, now, sizeof(now));
	w->n_carriers = n;
}

static bool is_kept(void *arg, const char *path)
{
	const struct wh_daemon *d = arg;

	for (unsigned i = 0; i < d->wiring->n_carriers; i++) {
		const struct wh_carrier *c = &d->wiring->carriers[i];

		if (c->runs && wh_xdp_is_of(path, d->bpf_dir, c->device))
			return true;
	}
	return false;
}

void wh_carriers_release(struct wh_daemon *d)
{
	int err = wh_xdp_detach_others(d->bpf_dir, is_kept, d);

	if (err)
		wh_warn("an XDP program that is not wanted any more cannot be taken off: %s", strerror(-err));
}
