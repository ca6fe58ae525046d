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
	wh_flip(d);
	tell_full_tables(d);
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

/* The number's next WAN is another: nothing of the one before is to be taken for its. */
static void forget_number(struct wh_daemon *d, unsigned wan)
{
	wh_tables_set_hand(&d->tables, wan, WH_HAND_AUTO);
	memset(&d->overrides[wan], 0, sizeof(d->overrides[wan]));
	memset(&d->aftermath[wan], 0, sizeof(d->aftermath[wan]));
	memset(&d->heard[wan], 0, sizeof(d->heard[wan]));
	memset(&d->rates[wan], 0, sizeof(d->rates[wan]));
	d->missing[wan] = NULL;
}

static void forget_old_numbers(struct wh_daemon *d)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		const char *name = d->conf_of[wan] >= 0 ? d->config.wans[d->conf_of[wan]].name : "";

		if (d->wans[wan].name[0] && strcmp(d->wans[wan].name, name) != 0)
			forget_number(d, wan);
	}
}

/* Sessions on what does not work (any more) are told as soon as they have somewhere to go; some were before. */
static void owe_sessions(struct wh_daemon *d, const struct wh_wan old_wans[WH_MAX_WANS])
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (old_wans[wan].name[0] && !(d->stored.alive.alive4 & (1U << wan)))
			d->owed |= (uint8_t)(1U << wan);
	}
}

/* Bring everything into line with the configuration that was just taken; the hand and the policy too. */
static int settle(struct wh_daemon *d)
{
	struct wh_wan old_wans[WH_MAX_WANS];
	struct wh_lan old_lans[WH_MAX_LANS];
	int err;

	memcpy(old_wans, d->wans, sizeof(old_wans));
	memcpy(old_lans, d->lans, sizeof(old_lans));
	forget_old_numbers(d);
	wh_overrides_load(d);
	err = wh_policy_store(d);
	wh_world_update(d);
	wh_world_forget(d, old_wans, old_lans);
	owe_sessions(d, old_wans);
	return err;
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
	event_add(d->netlink_event, NULL);
	event_add(d->world_timer, &second);
	event_add(d->collect_timer, &second);
	wh_turn(d);
	return 0;
}

/* What was not there before is not left behind; what an earlier controller left stays as it was. */
static int give_up(struct wh_daemon *d, int err)
{
	if (!d->adopted)
		wh_unload(d->bpf_dir);
	return err;
}

int wh_daemon_start(struct wh_daemon *d, const struct wh_config *config, char *error, size_t error_len)
{
	int err;

	d->packet_socket = -1;
	d->walked = WH_WAN_NONE;
	d->started_ns = wh_now_ns();
	d->model.on_change = wh_turn_on_change;
	d->model.arg = d;
	snprintf(error, error_len, "out of memory");
	d->config = *config;
	err = open_sockets(d, error, error_len);
	if (!err)
		err = open_kernel(d, error, error_len);
	if (err)
		return d->programs ? give_up(d, err) : err;
	read_rows(d);
	take_configuration(d, config);
	if (d->adopted)
		wh_flip_adopt(d);
	adopt_states(d);
	err = settle(d);
	if (err) {
		snprintf(error, error_len, "cannot store the policy: %s", strerror(-err));
		return give_up(d, err);
	}
	if (d->hook_err) {
		snprintf(error, error_len, "%s", d->hook_error);
		return give_up(d, d->hook_err);
	}
	err = start_prober(d, error, error_len);
	if (!err)
		err = start_timers(d);
	return err ? give_up(d, err) : 0;
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
	err = settle(d);
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
	wh_prober_stop(d->prober);
	wh_netlink_close(d->netlink);
	if (d->tables.steer_rows)
		wh_tables_close(&d->tables);
	wh_programs_close(d->programs);
	wh_records_close(d->records);
	free(d->routes.entries);
	if (d->packet_socket >= 0)
		close(d->packet_socket);
}
