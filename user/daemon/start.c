/* SPDX-License-Identifier: GPL-2.0 */
/*
 * start.c: taking up work in an order in which each step leaves traffic as it was: what is shared is locked
 * first, rows and policies stand before masks, masks before programs on hooks.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/daemon.h"
#include "kern/bind.h"
#include "lib/clock.h"
#include "lib/log.h"

#define PROBER_RESTART_NS WH_NS_PER_S

static void on_netlink(evutil_socket_t fd, short what, void *arg)
{
	struct wh_daemon *d = arg;
	int err = wh_netlink_read(d->netlink);

	(void)fd;
	(void)what;
	if (err)
		wh_warn("netlink: %s", strerror(-err));
}

static void on_ipsec(evutil_socket_t fd, short what, void *arg)
{
	struct wh_daemon *d = arg;

	(void)fd;
	(void)what;
	if (wh_ipsec_read(d->ipsec))
		wh_warn("the IPsec policies cannot be read");
}

static void on_policies(void *arg)
{
	struct wh_daemon *d = arg;

	d->ipsec_changes++;
	wh_routes_update(d);
}

/* --- the prober ------------------------------------------------------------------------------------------- */

static int start_prober(struct wh_daemon *d, char *error, size_t error_len)
{
	int err = wh_prober_start(&d->prober, error, error_len);

	if (err)
		return err;
	err = wh_world_prober(d, error, error_len);
	if (err)
		return err;
	d->prober_event = event_new(d->base, wh_prober_fd(d->prober), EV_READ | EV_PERSIST, wh_turn_on_results, d);
	return d->prober_event && !event_add(d->prober_event, NULL) ? 0 : -ENOMEM;
}

/* New flows are refused for want of room: told once a minute while it goes on. */
static void tell_full_tables(struct wh_daemon *d)
{
	struct wh_record record = WH_RECORD_EMPTY;
	uint64_t now_ns = wh_now_ns(), counts[WH_REASON_COUNT], full;
	char evidence[128];

	if (wh_tables_reasons(&d->tables, counts))
		return;
	full = counts[WH_REASON_TABLE_FULL] + counts[WH_REASON_NO_PORT];
	if (full > d->full_seen && now_ns > d->full_told_ns + 60 * WH_NS_PER_S && d->full_looked) {
		snprintf(evidence, sizeof(evidence), "%llu packets of new flows were refused: no room, or no free port",
			 (unsigned long long)(full - d->full_seen));
		record.event = "table-full";
		record.cause = "limits";
		record.evidence = evidence;
		wh_tell(d, &record);
		d->full_told_ns = now_ns;
	}
	d->full_looked = true;
	d->full_seen = full;
}

/* What failback's windows go by. */
static void tell_time(struct wh_daemon *d)
{
	time_t now = time(NULL);
	struct tm local;

	if (now < WH_CLOCK_IS_SET_S || !localtime_r(&now, &local))
		wh_model_local_time(&d->model, WH_MINUTE_UNKNOWN);
	else
		wh_model_local_time(&d->model, (unsigned)(local.tm_wday * 24 * 60 + local.tm_hour * 60 + local.tm_min));
}

/* Once a second: what may have gone without notice is looked at, and put back. */
static void on_world_timer(evutil_socket_t fd, short what, void *arg)
{
	struct wh_daemon *d = arg;
	char error[256];

	(void)fd;
	(void)what;
	if (!d->prober && wh_now_ns() > d->prober_died_ns + PROBER_RESTART_NS &&
	    start_prober(d, error, sizeof(error))) {
		wh_error("%s", error);
		wh_prober_stop(d->prober);
		d->prober = NULL;
		d->prober_died_ns = wh_now_ns();
	}
	wh_world_hooks(d);
	tell_time(d);
	wh_throughput_watch(d);
	wh_policy_pace(d);
	wh_quota_watch(d);
	wh_flip(d);
	wh_neighbours_pin(d);
	wh_firewall_routes(d);
	tell_full_tables(d);
}

/* --- what an earlier controller left ------------------------------------------------------------------------ */

static void read_rows(struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		wh_tables_wan(&d->tables, wan, &d->wans[wan]);
	for (unsigned lan = 0; lan < WH_MAX_LANS; lan++)
		wh_tables_lan(&d->tables, lan, &d->lans[lan]);
}

static void adopt_state(struct wh_daemon *d, unsigned wan, enum wh_family family, uint8_t state, uint64_t since_s)
{
	uint64_t now_ns = wh_now_ns(), now_s = (uint64_t)time(NULL);
	uint64_t ago_ns = since_s < now_s ? (now_s - since_s) * WH_NS_PER_S : 0;

	if (state < WH_WAN_STATE_COUNT && since_s)
		wh_model_adopt(&d->model, wan, family, (enum wh_wan_state)state, now_ns > ago_ns ? now_ns - ago_ns : 0);
}

/* What an earlier controller judged holds until our own probes say otherwise. */
static void adopt_states(struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS && d->adopted; wan++) {
		const struct wh_wan *row = &d->wans[wan];

		if (d->conf_of[wan] < 0 || !row->name[0])
			continue;
		adopt_state(d, wan, WH_V4, row->v4.state, row->v4.since_s);
		adopt_state(d, wan, WH_V6, row->v6.state, row->v6.since_s);
	}
}

/* --- start ------------------------------------------------------------------------------------------------ */

/* TCP, UDP and ICMP each have all of them; one WAN more may come by a reload. */
static uint32_t all_ports(const struct wh_config *config)
{
	uint32_t ports = 0, most = 0;

	for (unsigned i = 0; i < config->n_wans; i++) {
		uint32_t span = config->wans[i].port_last - config->wans[i].port_first + 1U;

		ports += span;
		most = span > most ? span : most;
	}
	return 3 * (ports + most);
}

static int open_kernel(struct wh_daemon *d, char *error, size_t error_len)
{
	struct wh_load_options options = {.bpf_dir = d->bpf_dir,
					  .owner = d->run_dir,
					  .max_flows = d->config.max_flows,
					  .max_ports = all_ports(&d->config),
					  .mark = d->config.mark,
					  .mark_mask = d->config.mark_mask};
	int err;

	err = wh_netlink_open(&d->netlink, wh_world_on_change, d);
	if (err) {
		snprintf(error, error_len, "netlink: %s", strerror(-err));
		return err;
	}
	err = wh_ipsec_open(&d->ipsec, on_policies, d);
	if (err && err != -EPROTONOSUPPORT) { /* a kernel without IPsec has no policies */
		snprintf(error, error_len, "cannot read the IPsec policies, which say what is not to be steered: %s",
			 strerror(-err));
		return err;
	}
	err = wh_resolver_open(&d->resolver);
	if (err) {
		snprintf(error, error_len, "no packet socket for neighbour discovery: %s", strerror(-err));
		return err;
	}
	err = wh_world_check(d, &d->config, error, error_len);
	if (!err)
		err = wh_programs_load(&d->programs, &options, &d->adopted, error, error_len);
	if (err)
		return err;
	err = wh_tables_open(&d->tables, d->bpf_dir);
	if (err)
		snprintf(error, error_len, "%s: cannot open the maps: %s", d->bpf_dir, strerror(-err));
	return err;
}

static int open_sockets(struct wh_daemon *d, char *error, size_t error_len)
{
	int err, one = 1;

	d->base = event_base_new();
	if (!d->base || event_base_priority_init(d->base, 2))
		return -ENOMEM;
	err = wh_control_start(&d->control, d->base, d->run_dir, wh_verbs, d);
	if (err) {
		snprintf(error, error_len, "%s: %s", d->run_dir,
			 err == -EADDRINUSE ? "another controller runs there" : strerror(-err));
		return err;
	}
	err = wh_records_open(&d->records, d->state_dir);
	if (err)
		return err;
	d->packet_socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->packet_socket < 0) {
		err = -errno;
		snprintf(error, error_len, "no packet socket: %s%s", strerror(-err),
			 err == -EPERM ? ": needs root, or CAP_NET_RAW" : "");
		return err;
	}
	setsockopt(d->packet_socket, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return 0;
}

static int start_timers(struct wh_daemon *d)
{
	static const struct timeval second = {.tv_sec = 1};

	d->turn_timer = evtimer_new(d->base, wh_turn_on_timer, d);
	d->collect_timer = evtimer_new(d->base, wh_collect_on_timer, d);
	d->walk_timer = evtimer_new(d->base, wh_aftermath_on_walk, d);
	d->world_timer = event_new(d->base, -1, EV_PERSIST, on_world_timer, d);
	d->netlink_event = event_new(d->base, wh_netlink_fd(d->netlink), EV_READ | EV_PERSIST, on_netlink, d);
	if (!d->turn_timer || !d->collect_timer || !d->walk_timer || !d->world_timer || !d->netlink_event)
		return -ENOMEM;
	/* Slices of long work wait for whatever decides. */
	event_priority_set(d->turn_timer, 0);
	event_priority_set(d->netlink_event, 0);
	event_priority_set(d->prober_event, 0);
	event_priority_set(d->collect_timer, 1);
	event_priority_set(d->walk_timer, 1);
	if (d->ipsec) {
		d->ipsec_event = event_new(d->base, wh_ipsec_fd(d->ipsec), EV_READ | EV_PERSIST, on_ipsec, d);
		if (!d->ipsec_event || event_add(d->ipsec_event, NULL))
			return -ENOMEM;
	}
	event_add(d->netlink_event, NULL);
	event_add(d->world_timer, &second);
	event_add(d->collect_timer, &second);
	tell_full_tables(d); /* what was refused before is not news */
	wh_turn(d);
	return 0;
}

/* All but one kind of socket does without. */
static void note_binds(const struct wh_daemon *d)
{
	int err = wh_bind_attach(d->bpf_dir);

	if (err)
		wh_warn("connected sockets of the router are steered also if bound to a WAN's address: %s",
			err == -ENOENT ? "no cgroup2 file system is mounted" : strerror(-err));
}

/* What was not there before is not left behind; what an earlier controller left stays as it was. */
static int give_up(struct wh_daemon *d, int err)
{
	if (!d->adopted)
		wh_unload(d->bpf_dir);
	return err;
}

/* The data plane stands: what works beside it, and then the way is open. */
static int start_others(struct wh_daemon *d, char *error, size_t error_len)
{
	int err = start_prober(d, error, error_len);

	if (!err)
		err = wh_slow_start(d);
	if (!err)
		err = wh_neighbours_start(d);
	if (!err)
		err = start_timers(d);
	return err ? err : wh_firewall_open(d, error, error_len);
}

int wh_daemon_start(struct wh_daemon *d, const struct wh_config *config, char *error, size_t error_len)
{
	int err;

	d->packet_socket = -1;
	d->walked = WH_WAN_NONE;
	d->learning.domains = -1;
	d->started_ns = wh_now_ns();
	d->model.on_change = wh_turn_on_change;
	d->model.on_class = wh_classes_on_change;
	d->model.on_return = wh_aftermath_on_return;
	d->model.arg = d;
	snprintf(error, error_len, "out of memory");
	d->config = *config;
	err = open_sockets(d, error, error_len);
	if (!err)
		err = wh_firewall_boot(config, d->bpf_dir, error, error_len); /* loading takes a second or two */
	if (!err)
		err = open_kernel(d, error, error_len);
	if (err)
		return d->programs ? give_up(d, err) : err;
	read_rows(d);
	wh_settle_take(d, config);
	if (d->adopted)
		wh_flip_adopt(d);
	adopt_states(d);
	note_binds(d);
	err = wh_wires_start(d);
	if (!err)
		err = wh_learn_start(d);
	if (!err)
		err = wh_firewall_start(d, error, error_len);
	if (!err)
		err = wh_settle(d, error, error_len);
	if (err)
		return give_up(d, err);
	if (d->adopted)
		wh_firewall_show_again(d); /* the rules may have changed while nobody looked */
	if (d->hook_err) {
		snprintf(error, error_len, "%s", d->hook_error);
		return give_up(d, d->hook_err);
	}
	err = start_others(d, error, error_len);
	return err ? give_up(d, err) : 0;
}

/* --- end -------------------------------------------------------------------------------------------------- */

static void free_event(struct event **e)
{
	if (*e)
		event_free(*e);
	*e = NULL;
}

void wh_daemon_end(struct wh_daemon *d)
{
	if (d->turn_timer)
		wh_quota_end(d);
	if (d->control)
		wh_control_stop(d->control);
	free_event(&d->turn_timer);
	free_event(&d->collect_timer);
	free_event(&d->walk_timer);
	free_event(&d->world_timer);
	free_event(&d->netlink_event);
	free_event(&d->prober_event);
	free_event(&d->ipsec_event);
	free_event(&d->resolver_event);
	free_event(&d->neighbour_timer);
	free_event(&d->firewall_event);
	free_event(&d->firewall_timer);
	free_event(&d->slow_event);
	free_event(&d->slow_timer);
	if (d->slow)
		wh_slow_end(d);
	wh_learn_end(d);
	wh_wires_end(d);
	wh_prober_stop(d->prober);
	wh_netlink_close(d->netlink);
	wh_ipsec_close(d->ipsec);
	wh_resolver_close(d->resolver);
	wh_firewall_watch_close(d->firewall_watch);
	wh_slow_close(d->slow);
	if (d->tables.steer_rows)
		wh_tables_close(&d->tables);
	wh_programs_close(d->programs);
	wh_records_close(d->records);
	free(d->routes.entries);
	if (d->packet_socket >= 0)
		close(d->packet_socket);
}
