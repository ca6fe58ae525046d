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
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "conf/conf.h"
#include "daemon/daemon.h"
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
	wh_world_update(d);
}

/* --- configuration to model ------------------------------------------------------------------------------- */

static void take_configuration(struct wh_daemon *d, const struct wh_config *config)
{
	wh_world_number(d, config, d->number_of);
	d->config = *config;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		d->conf_of[wan] = -1;
	for (unsigned i = 0; i < config->n_wans; i++)
		d->conf_of[d->number_of[i]] = (int)i;
	wh_model_configure(&d->model, &d->config, d->number_of, wh_now_ns());
}

static void read_rows(struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		wh_tables_wan(&d->tables, wan, &d->wans[wan]);
	for (unsigned lan = 0; lan < WH_MAX_LANS; lan++)
		wh_tables_lan(&d->tables, lan, &d->lans[lan]);
}

/* What an earlier controller judged holds until our own probes say otherwise. */
static void adopt_states(struct wh_daemon *d)
{
	uint64_t now_ns = wh_now_ns(), now_s = (uint64_t)time(NULL);

	for (unsigned wan = 0; wan < WH_MAX_WANS && d->adopted; wan++) {
		const struct wh_wan *row = &d->wans[wan];
		uint64_t ago_ns = row->since_s < now_s ? (now_s - row->since_s) * WH_NS_PER_S : 0;

		if (d->conf_of[wan] >= 0 && row->name[0] && row->state4 < WH_WAN_STATE_COUNT && row->since_s)
			wh_model_adopt(&d->model, wan, (enum wh_wan_state)row->state4,
				       now_ns > ago_ns ? now_ns - ago_ns : 0);
	}
}

/* --- start ------------------------------------------------------------------------------------------------ */

static int open_kernel(struct wh_daemon *d, char *error, size_t error_len)
{
	struct wh_load_options options = {.bpf_dir = d->bpf_dir,
					  .owner = d->run_dir,
					  .max_flows = d->config.max_flows,
					  .mark = d->config.mark,
					  .mark_mask = d->config.mark_mask};
	int err;

	err = wh_netlink_open(&d->netlink, wh_world_on_change, d);
	if (err) {
		snprintf(error, error_len, "netlink: %s", strerror(-err));
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
		snprintf(error, error_len, "no packet socket: %s", strerror(-err));
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
	event_priority_set(d->collect_timer, 1);
	event_priority_set(d->walk_timer, 1);
	event_add(d->netlink_event, NULL);
	event_add(d->world_timer, &second);
	event_add(d->collect_timer, &second);
	wh_turn(d);
	return 0;
}

int wh_daemon_start(struct wh_daemon *d, char *error, size_t error_len)
{
	static struct wh_config config; /* some 10 KiB */
	int err;

	d->packet_socket = -1;
	d->walked = WH_WAN_NONE;
	d->started_ns = wh_now_ns();
	d->model.on_change = wh_turn_on_change;
	d->model.arg = d;
	snprintf(error, error_len, "out of memory");
	err = wh_conf_read(d->config_path, &config, error);
	if (err)
		return err;
	d->config = config;
	err = open_sockets(d, error, error_len);
	if (!err)
		err = open_kernel(d, error, error_len);
	if (err)
		return err;
	read_rows(d);
	take_configuration(d, &config);
	if (d->adopted)
		wh_flip_adopt(d);
	adopt_states(d);
	wh_overrides_load(d);
	err = wh_policy_store(d);
	if (err) {
		snprintf(error, error_len, "cannot store the policy: %s", strerror(-err));
		return err;
	}
	wh_world_update(d);
	wh_world_forget(d);
	err = start_prober(d, error, error_len);
	return err ? err : start_timers(d);
}

/* --- reload ----------------------------------------------------------------------------------------------- */

static int check_unchangeable(const struct wh_daemon *d, const struct wh_config *config, char *error, size_t error_len)
{
	if (config->mark == d->config.mark && config->mark_mask == d->config.mark_mask)
		return 0;
	snprintf(error, error_len, "%s: mark: cannot change while running: `wanhelm stop`, then start again",
		 d->config_path);
	return -EINVAL;
}

int wh_daemon_reload(struct wh_daemon *d, char *error, size_t error_len)
{
	static struct wh_config config;
	struct wh_record record = WH_RECORD_EMPTY;
	char why[WH_CONF_ERROR_LEN];
	int err;

	err = wh_conf_read(d->config_path, &config, why);
	if (err)
		snprintf(error, error_len, "%s", why);
	if (!err)
		err = wh_world_check(d, &config, error, error_len);
	if (!err)
		err = check_unchangeable(d, &config, error, error_len);
	record.event = "reload";
	record.cause = err ? "refused" : "applied";
	record.evidence = err ? error : d->config_path;
	if (err) {
		d->reloads_failed++;
		wh_tell(d, &record);
		return err;
	}
	if (config.max_flows != d->config.max_flows)
		wh_warn("limits.flows: takes effect after `wanhelm stop` and a new start");
	take_configuration(d, &config);
	wh_world_forget(d);
	wh_world_update(d);
	wh_overrides_load(d);
	err = wh_policy_store(d);
	wh_flip(d);
	d->reloads_ok++;
	wh_tell(d, &record);
	if (err)
		snprintf(error, error_len, "cannot store the policy: %s", strerror(-err));
	return err;
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
	if (d->control)
		wh_control_stop(d->control);
	free_event(&d->turn_timer);
	free_event(&d->collect_timer);
	free_event(&d->walk_timer);
	free_event(&d->world_timer);
	free_event(&d->netlink_event);
	free_event(&d->prober_event);
	if (d->unload)
		wh_unload(d->bpf_dir);
	wh_prober_stop(d->prober);
	wh_netlink_close(d->netlink);
	wh_tables_close(&d->tables);
	wh_programs_close(d->programs);
	wh_records_close(d->records);
	if (d->packet_socket >= 0)
		close(d->packet_socket);
}
