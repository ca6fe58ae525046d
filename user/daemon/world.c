/* SPDX-License-Identifier: GPL-2.0 */
/*
 * world.c: from the kernel's picture (kern/netlink.h) to what the data plane has of it: rows of WANs and LANs,
 * wh_devices, and programs on hooks.  Each row is made as it should be and compared with what we last wrote;
 * only a difference is written.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/log.h"

/* --- numbers ---------------------------------------------------------------------------------------------- */

/* A number that nobody has: one that is empty in the tables before one whose last WAN may still have flows. */
static unsigned free_number(const struct wh_daemon *d, uint8_t taken)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (!(taken & (1U << wan)) && !d->wans[wan].name[0])
			return wan;
	}
	return (unsigned)__builtin_ctz((unsigned)(uint8_t)~taken);
}

void wh_world_number(const struct wh_daemon *d, const struct wh_config *config, unsigned number_of[WH_MAX_WANS])
{
	uint8_t taken = 0;

	for (unsigned i = 0; i < config->n_wans; i++) {
		int known = wh_tables_find_wan(&d->tables, config->wans[i].name);

		number_of[i] = known >= 0 ? (unsigned)known : WH_WAN_NONE;
		if (known >= 0)
			taken |= (uint8_t)(1U << known);
	}
	for (unsigned i = 0; i < config->n_wans; i++) {
		if (number_of[i] != WH_WAN_NONE)
			continue;
		number_of[i] = free_number(d, taken);
		taken |= (uint8_t)(1U << number_of[i]);
	}
}

int wh_world_check(const struct wh_daemon *d, const struct wh_config *config, char *error, size_t error_len)
{
	for (unsigned i = 0; i < config->n_lans; i++) {
		const struct wh_link *link = wh_netlink_link(d->netlink, config->lan[i]);

		if (!link || !link->master[0])
			continue;
		snprintf(error, error_len, "%s: lan: %s is a port of the bridge %s; name the bridge instead",
			 d->config_path, config->lan[i], link->master);
		return -EINVAL;
	}
	return 0;
}

/* --- devices and hooks ------------------------------------------------------------------------------------ */

static void set_device(struct wh_daemon *d, unsigned ifindex, enum wh_role role, unsigned number)
{
	struct wh_device device = {.role = (uint8_t)role, .number = (uint8_t)number}, there;

	if (ifindex && !bpf_map_lookup_elem(d->tables.devices, &ifindex, &there) &&
	    !memcmp(&there, &device, sizeof(device)))
		return;
	if (ifindex && bpf_map_update_elem(d->tables.devices, &ifindex, &device, BPF_ANY))
		wh_error("wh_devices: %s", strerror(errno));
}

/* Only if it is still what it was: two WANs may have changed places. */
static void unset_device(struct wh_daemon *d, unsigned ifindex, enum wh_role role, unsigned number)
{
	struct wh_device device;

	if (ifindex && !bpf_map_lookup_elem(d->tables.devices, &ifindex, &device) && device.role == role &&
	    device.number == number)
		bpf_map_delete_elem(d->tables.devices, &ifindex);
}

/* Attach where it is not attached; 0 also when it was. */
static int keep_attached(struct wh_daemon *d, enum wh_hook hook, const char *device, unsigned ifindex, bool first)
{
	struct wh_record record = WH_RECORD_EMPTY;
	char error[256], evidence[320];
	int err;

	if (wh_attached(d->programs, d->bpf_dir, hook, device, ifindex))
		return 0;
	err = wh_attach(d->programs, d->bpf_dir, hook, device, ifindex, error, sizeof(error));
	if (err == -EBUSY && !d->turn_timer) { /* at the start: start.c gives up for it */
		d->hook_err = err;
		snprintf(d->hook_error, sizeof(d->hook_error), "%s", error);
	} else if (err) {
		wh_error("%s", error);
	}
	if (err)
		return err;
	if (first || !d->turn_timer) /* new, or taken over from an earlier controller */
		return 0;
	d->reattached++;
	snprintf(evidence, sizeof(evidence), "%s: a program of ours was missing from its hook and is there again",
		 device);
	record.event = "attach";
	record.cause = "device";
	record.evidence = evidence;
	wh_tell(d, &record);
	return 0;
}

/* --- WANs ------------------------------------------------------------------------------------------------- */

int wh_world_write_wan(struct wh_daemon *d, unsigned wan)
{
	__u32 key = wan;

	return bpf_map_update_elem(d->tables.wans, &key, &d->wans[wan], BPF_ANY) ? -errno : 0;
}

/* What is missing for the WAN to be usable, or NULL; the row gets what is there. */
static const char *fill_from_picture(const struct wh_daemon *d, const struct wh_conf_wan *conf, struct wh_wan *row)
{
	const struct wh_link *link = conf->enabled ? wh_netlink_link(d->netlink, conf->device) : NULL;
	struct in_addr addr, gateway;

	row->ifindex = link ? link->ifindex : 0;
	if (!link)
		return conf->enabled ? "device" : "disabled";
	if (!link->has_mac)
		return "device without Ethernet header: not built yet";
	memcpy(row->mac, link->mac, sizeof(row->mac));
	row->mtu = link->mtu;
	if (wh_netlink_addr4(d->netlink, link->ifindex, &addr) ||
	    (!conf->source_auto && !wh_netlink_has_addr4(d->netlink, link->ifindex, conf->source))) {
		row->addr4_be = 0;
		return "address";
	}
	row->addr4_be = conf->source_auto ? addr.s_addr : conf->source.s_addr;
	if (!link->up || !link->carrier)
		return "carrier";
	if (!conf->gateway_auto) {
		row->gateway4_be = conf->gateway.s_addr;
		row->flags |= WH_WAN_GATEWAY4;
	} else if (!wh_netlink_gateway4(d->netlink, link->ifindex, &gateway)) {
		row->gateway4_be = gateway.s_addr;
		row->flags |= WH_WAN_GATEWAY4;
	} else if (link->point_to_point) {
		row->flags &= ~(__u32)WH_WAN_GATEWAY4;
	} else {
		return "gateway"; /* the last one known stays in the row */
	}
	return NULL;
}

static void fill_from_configuration(const struct wh_conf_wan *conf, struct wh_wan *row)
{
	snprintf(row->name, sizeof(row->name), "%s", conf->name);
	snprintf(row->device, sizeof(row->device), "%s", conf->device);
	row->flags = (row->flags & WH_WAN_GATEWAY4) | WH_WAN_CONFIGURED;
	if (conf->nat == WH_NAT_MASQUERADE)
		row->flags |= WH_WAN_MASQUERADE4;
	row->port_first = conf->port_first;
	row->port_last = conf->port_last;
	row->weight = conf->weight;
}

static void update_wan(struct wh_daemon *d, unsigned wan)
{
	const struct wh_conf_wan *conf = &d->config.wans[d->conf_of[wan]];
	struct wh_wan row = d->wans[wan];
	unsigned old_ifindex = row.ifindex;
	const char *missing;

	fill_from_configuration(conf, &row);
	missing = fill_from_picture(d, conf, &row);
	/* A WAN that goes is out of `alive` before its row changes; one that comes has its row first. */
	if (missing) {
		wh_model_usable(&d->model, wan, false, missing, wh_now_ns());
		wh_flip(d);
	}
	row.state4 = d->wans[wan].state4;
	row.since_s = d->wans[wan].since_s;
	if (memcmp(&row, &d->wans[wan], sizeof(row)) != 0) {
		d->wans[wan] = row;
		wh_world_write_wan(d, wan);
	}
	if (old_ifindex != row.ifindex)
		unset_device(d, old_ifindex, WH_ROLE_WAN, wan);
	if (row.ifindex) {
		bool first = old_ifindex != row.ifindex;

		set_device(d, row.ifindex, WH_ROLE_WAN, wan);
		if (keep_attached(d, WH_HOOK_WAN_IN, row.device, row.ifindex, first) ||
		    keep_attached(d, WH_HOOK_WAN_OUT, row.device, row.ifindex, first))
			missing = "hook";
	}
	/* What was missing last is the cause of a return, too. */
	if (missing)
		d->missing[wan] = missing;
	wh_model_usable(&d->model, wan, !missing, d->missing[wan], wh_now_ns());
}

/* --- LANs ------------------------------------------------------------------------------------------------- */

static int lan_number(const struct wh_daemon *d, const char *device)
{
	for (unsigned i = 0; i < WH_LAN_PROBER; i++) {
		if (!strncmp(d->lans[i].device, device, sizeof(d->lans[i].device)))
			return (int)i;
	}
	return -ENOENT;
}

static void write_lan(struct wh_daemon *d, unsigned lan, const struct wh_lan *row)
{
	__u32 key = lan;

	if (!memcmp(row, &d->lans[lan], sizeof(*row)))
		return;
	if (d->lans[lan].ifindex != row->ifindex)
		unset_device(d, d->lans[lan].ifindex, lan == WH_LAN_PROBER ? WH_ROLE_PROBER : WH_ROLE_LAN, lan);
	d->lans[lan] = *row;
	if (bpf_map_update_elem(d->tables.lans, &key, row, BPF_ANY))
		wh_error("wh_lans: %s", strerror(errno));
}

static void update_lan(struct wh_daemon *d, const char *device)
{
	const struct wh_link *link = wh_netlink_link(d->netlink, device);
	int number = lan_number(d, device);
	struct wh_lan row = {};
	bool first;

	for (unsigned i = 0; number < 0 && i < WH_LAN_PROBER; i++) {
		if (!d->lans[i].device[0])
			number = (int)i;
	}
	if (number < 0)
		return;
	snprintf(row.device, sizeof(row.device), "%s", device);
	if (link && link->has_mac) {
		row.ifindex = link->ifindex;
		memcpy(row.mac, link->mac, sizeof(row.mac));
	}
	first = d->lans[number].ifindex != row.ifindex;
	if (first && !row.ifindex)
		wh_warn("lan: %s is not there%s; it is attached when it comes", device,
			link ? " as an Ethernet device" : "");
	write_lan(d, (unsigned)number, &row);
	if (!row.ifindex)
		return;
	set_device(d, row.ifindex, WH_ROLE_LAN, (unsigned)number);
	keep_attached(d, WH_HOOK_LAN_IN, device, row.ifindex, first);
}

int wh_world_prober(struct wh_daemon *d, char *error, size_t error_len)
{
	struct wh_lan row = {.ifindex = wh_prober_ifindex(d->prober)};
	int err;

	snprintf(row.device, sizeof(row.device), "%s", WH_PROBER_DEVICE);
	memcpy(row.mac, wh_prober_mac(d->prober), sizeof(row.mac));
	write_lan(d, WH_LAN_PROBER, &row);
	set_device(d, row.ifindex, WH_ROLE_PROBER, WH_LAN_PROBER);
	err = wh_attach(d->programs, d->bpf_dir, WH_HOOK_PROBE_IN, WH_PROBER_DEVICE, row.ifindex, error, error_len);
	return err;
}

/* --- all -------------------------------------------------------------------------------------------------- */

void wh_world_update(struct wh_daemon *d)
{
	wh_world_hooks(d);
	wh_flip(d);
	wh_routes_update(d);
}

void wh_world_hooks(struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->conf_of[wan] >= 0)
			update_wan(d, wan);
	}
	for (unsigned i = 0; i < d->config.n_lans; i++)
		update_lan(d, d->config.lan[i]);
	if (d->prober)
		keep_attached(d, WH_HOOK_PROBE_IN, WH_PROBER_DEVICE, wh_prober_ifindex(d->prober), false);
}

void wh_world_on_change(void *arg)
{
	wh_world_update(arg);
}

static bool is_wan_now(const struct wh_daemon *d, const char *device)
{
	for (unsigned i = 0; i < d->config.n_wans; i++) {
		if (!strcmp(d->config.wans[i].device, device))
			return true;
	}
	return false;
}

static bool is_lan_now(const struct wh_daemon *d, const char *device)
{
	for (unsigned i = 0; i < d->config.n_lans; i++) {
		if (!strcmp(d->config.lan[i], device))
			return true;
	}
	return false;
}

void wh_world_forget(struct wh_daemon *d, const struct wh_wan old_wans[WH_MAX_WANS],
		     const struct wh_lan old_lans[WH_MAX_LANS])
{
	static const struct wh_lan no_lan;

	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		const struct wh_wan *old = &old_wans[wan];

		if (old->device[0] && !is_wan_now(d, old->device)) {
			wh_detach(d->bpf_dir, WH_HOOK_WAN_IN, old->device, old->ifindex);
			wh_detach(d->bpf_dir, WH_HOOK_WAN_OUT, old->device, old->ifindex);
			unset_device(d, old->ifindex, WH_ROLE_WAN, wan);
		}
		if (d->conf_of[wan] < 0 && d->wans[wan].name[0]) {
			memset(&d->wans[wan], 0, sizeof(d->wans[wan]));
			wh_world_write_wan(d, wan);
		}
	}
	for (unsigned lan = 0; lan < WH_LAN_PROBER; lan++) {
		const struct wh_lan *old = &old_lans[lan];

		if (!old->device[0] || is_lan_now(d, old->device))
			continue;
		wh_detach(d->bpf_dir, WH_HOOK_LAN_IN, old->device, old->ifindex);
		write_lan(d, lan, &no_lan);
	}
}
