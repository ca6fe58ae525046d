/* SPDX-License-Identifier: GPL-2.0 */
/*
 * world.c: from the kernel's picture (kern/netlink.h) to what the data plane has of it: rows of LANs (of WANs:
 * world_wan.c), wh_devices, and programs on hooks.  Each row is made as it should be and compared with what we last wrote;
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

void wh_world_set_device(struct wh_daemon *d, unsigned ifindex, enum wh_role role, unsigned number, unsigned l2_len)
{
	struct wh_device device = {.role = (uint8_t)role, .number = (uint8_t)number, .l2_len = (uint8_t)l2_len}, there;

	if (ifindex && !bpf_map_lookup_elem(d->tables.devices, &ifindex, &there) &&
	    !memcmp(&there, &device, sizeof(device)))
		return;
	if (ifindex && bpf_map_update_elem(d->tables.devices, &ifindex, &device, BPF_ANY))
		wh_error("wh_devices: %s", strerror(errno));
}

void wh_world_unset_device(struct wh_daemon *d, unsigned ifindex, enum wh_role role, unsigned number)
{
	struct wh_device device;

	if (ifindex && !bpf_map_lookup_elem(d->tables.devices, &ifindex, &device) && device.role == role &&
	    device.number == number)
		bpf_map_delete_elem(d->tables.devices, &ifindex);
}

int wh_world_attach(struct wh_daemon *d, enum wh_hook hook, const char *device, unsigned ifindex, unsigned l2_len,
		    bool first)
{
	struct wh_record record = WH_RECORD_EMPTY;
	char error[256], evidence[320];
	int err;

	if (wh_attached(d->programs, d->bpf_dir, hook, device, ifindex, l2_len))
		return 0;
	err = wh_attach(d->programs, d->bpf_dir, hook, device, ifindex, l2_len, error, sizeof(error));
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

/* --- LANs ------------------------------------------------------------------------------------------------- */

/* The row of that device (empty: a free one) that nobody has taken, or -ENOENT. */
static int find_lan(const struct wh_daemon *d, const char *device, uint64_t taken)
{
	for (unsigned i = 0; i < WH_LAN_PROBER; i++) {
		if (!(taken >> i & 1) && !strncmp(d->lans[i].device, device, sizeof(d->lans[i].device)))
			return (int)i;
	}
	return -ENOENT;
}

void wh_world_number_lans(const struct wh_daemon *d, const struct wh_config *config, uint8_t lan_number[WH_MAX_LANS])
{
	uint64_t taken = 1ULL << WH_LAN_PROBER;

	for (unsigned i = 0; i < config->n_lans; i++) {
		int known = find_lan(d, config->lan[i], taken);

		lan_number[i] = (uint8_t)(known >= 0 ? known : WH_LAN_PROBER);
		taken |= 1ULL << lan_number[i];
	}
	for (unsigned i = 0; i < config->n_lans; i++) {
		int number = lan_number[i] == WH_LAN_PROBER ? find_lan(d, "", taken) : lan_number[i];

		lan_number[i] = (uint8_t)(number >= 0 ? number : __builtin_ctzll(~taken));
		taken |= 1ULL << lan_number[i];
	}
}

static void write_lan(struct wh_daemon *d, unsigned lan, const struct wh_lan *row)
{
	__u32 key = lan;

	if (!memcmp(row, &d->lans[lan], sizeof(*row)))
		return;
	if (d->lans[lan].ifindex != row->ifindex)
		wh_world_unset_device(d, d->lans[lan].ifindex, lan == WH_LAN_PROBER ? WH_ROLE_PROBER : WH_ROLE_LAN,
				      lan);
	d->lans[lan] = *row;
	if (bpf_map_update_elem(d->tables.lans, &key, row, BPF_ANY))
		wh_error("wh_lans: %s", strerror(errno));
}

static void fill_lan(const struct wh_daemon *d, const struct wh_link *link, struct wh_lan *row)
{
	struct in6_addr addr6;
	struct in_addr addr4;

	row->ifindex = link->ifindex;
	row->l2_len = link->l2_len;
	row->mtu = link->mtu;
	memcpy(row->mac, link->mac, sizeof(row->mac));
	if (!wh_netlink_addr4(d->netlink, link->ifindex, &addr4))
		row->addr4_be = addr4.s_addr;
	if (!wh_netlink_addr6(d->netlink, link->ifindex, &addr6) ||
	    !wh_netlink_linklocal6(d->netlink, link->ifindex, &addr6))
		memcpy(&row->addr6_be, &addr6, sizeof(addr6));
}

static void update_lan(struct wh_daemon *d, const char *device, unsigned number)
{
	const struct wh_link *link = wh_netlink_link(d->netlink, device);
	struct wh_lan row = {};
	bool first;

	snprintf(row.device, sizeof(row.device), "%s", device);
	if (link && link->steerable)
		fill_lan(d, link, &row);
	first = d->lans[number].ifindex != row.ifindex;
	if (first && !row.ifindex)
		wh_warn("lan: %s is not there%s; it is attached when it comes", device,
			link ? " as a device that packets can be steered on" : "");
	write_lan(d, number, &row);
	if (!row.ifindex)
		return;
	wh_world_set_device(d, row.ifindex, WH_ROLE_LAN, number, row.l2_len);
	wh_world_attach(d, WH_HOOK_LAN_IN, device, row.ifindex, row.l2_len, first);
	wh_world_attach(d, WH_HOOK_LAN_OUT, device, row.ifindex, row.l2_len, first);
}

int wh_world_prober(struct wh_daemon *d, char *error, size_t error_len)
{
	struct wh_lan row = {.ifindex = wh_prober_ifindex(d->prober), .l2_len = ETH_HLEN};
	int err;

	snprintf(row.device, sizeof(row.device), "%s", WH_PROBER_DEVICE);
	memcpy(row.mac, wh_prober_mac(d->prober), sizeof(row.mac));
	write_lan(d, WH_LAN_PROBER, &row);
	wh_world_set_device(d, row.ifindex, WH_ROLE_PROBER, WH_LAN_PROBER, ETH_HLEN);
	err = wh_attach(d->programs, d->bpf_dir, WH_HOOK_PROBE_IN, WH_PROBER_DEVICE, row.ifindex, ETH_HLEN, error,
			error_len);
	return err;
}

/* --- all -------------------------------------------------------------------------------------------------- */

void wh_world_update(struct wh_daemon *d)
{
	wh_world_hooks(d);
	wh_flip(d);
	wh_policy_follow(d);
	wh_routes_update(d);
}

void wh_world_hooks(struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->conf_of[wan] >= 0)
			wh_world_wan(d, wan);
	}
	for (unsigned i = 0; i < d->config.n_lans; i++)
		update_lan(d, d->config.lan[i], d->lan_number[i]);
	if (d->prober)
		wh_world_attach(d, WH_HOOK_PROBE_IN, WH_PROBER_DEVICE, wh_prober_ifindex(d->prober), ETH_HLEN, false);
	wh_wires_update(d);
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
			wh_world_unset_device(d, old->ifindex, WH_ROLE_WAN, wan);
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
		wh_detach(d->bpf_dir, WH_HOOK_LAN_OUT, old->device, old->ifindex);
		if (!strcmp(d->lans[lan].device, old->device)) /* else another has the number already */
			write_lan(d, lan, &no_lan);
	}
}
