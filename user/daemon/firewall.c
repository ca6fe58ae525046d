/* SPDX-License-Identifier: GPL-2.0 */
/*
 * firewall.c: the kernel's firewall and us: our table is kept there, and when the ruleset changes each flow is made to
 * show itself to it once more.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/log.h"

/* Connection tracking must have forgotten what it was shown before it is shown the same flows again. */
#define SHOW_AGAIN_NS (12 * WH_NS_PER_S)

static struct wh_firewall_options options_of(const struct wh_daemon *d)
{
	struct wh_firewall_options options = {.untracked = d->config.firewall != WH_CONF_FIREWALL_KERNEL,
					      .mark = d->config.mark,
					      .mark_mask = d->config.mark_mask,
					      .n_wans = d->config.n_wans,
					      .n_lans = d->config.n_lans};

	for (unsigned i = 0; i < d->config.n_wans; i++)
		snprintf(options.wans[i], sizeof(options.wans[i]), "%s", d->config.wans[i].device);
	for (unsigned i = 0; i < d->config.n_lans; i++)
		snprintf(options.lans[i], sizeof(options.lans[i]), "%s", d->config.lan[i]);
	return options;
}

/* --- while there is no data plane ------------------------------------------------------------------------- */

int wh_firewall_boot(const struct wh_config *config, const char *bpf_dir, char *error, size_t error_len)
{
	struct wh_boot boot = {.closed = config->boot_closed, .n_lans = config->n_lans, .n_wans = config->n_wans};
	char why[WH_NFT_ERROR_LEN] = "";
	int err;

	for (unsigned i = 0; i < config->n_lans; i++)
		snprintf(boot.lans[i], sizeof(boot.lans[i]), "%s", config->lan[i]);
	for (unsigned i = 0; i < config->n_wans; i++)
		snprintf(boot.wans[i], sizeof(boot.wans[i]), "%s", config->wans[i].device);
	err = wh_boot_begin(bpf_dir, &boot, why);
	if (err)
		snprintf(error, error_len, "boot: closed: %s", why);
	return err;
}

int wh_firewall_open(const struct wh_daemon *d, char *error, size_t error_len)
{
	char why[WH_NFT_ERROR_LEN];
	int err = wh_boot_done(why);

	if (!err || !d->config.boot_closed) /* a kernel that cannot do that was never closed */
		return 0;
	snprintf(error, error_len, "boot: closed: %s", why);
	return err;
}

static void store(struct wh_daemon *d, union wh_firewall firewall)
{
	__atomic_store_n(&d->tables.steer_rows[WH_STEER_GLOBAL].firewall.word, firewall.word, __ATOMIC_RELEASE);
}

/* --- changes of the ruleset ------------------------------------------------------------------------------- */

static void keep_table(struct wh_daemon *d)
{
	struct wh_firewall_options options = options_of(d);
	char error[WH_FIREWALL_ERROR_LEN];

	if (wh_firewall_present(&options) == 1)
		return;
	if (wh_firewall_put(&options, error))
		wh_error("%s", error);
	else
		wh_info("our table was missing from the firewall and is there again");
}

static void show_again(struct wh_daemon *d)
{
	union wh_firewall firewall = d->tables.steer_rows[WH_STEER_GLOBAL].firewall;

	d->ruleset_shown_ns = wh_now_ns();
	firewall.generation++;
	store(d, firewall);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	show_again(arg);
}

void wh_firewall_show_again(struct wh_daemon *d)
{
	uint64_t due_ns = d->ruleset_shown_ns + SHOW_AGAIN_NS, now_ns = wh_now_ns();

	if (!d->ruleset_shown_ns || now_ns >= due_ns) {
		show_again(d);
	} else if (!evtimer_pending(d->firewall_timer, NULL)) {
		struct timeval wait = {.tv_sec = (time_t)((due_ns - now_ns) / WH_NS_PER_S),
				       .tv_usec = (suseconds_t)((due_ns - now_ns) % WH_NS_PER_S / 1000)};

		evtimer_add(d->firewall_timer, &wait);
	}
}

static void on_changed(void *arg, bool by_us)
{
	struct wh_daemon *d = arg;

	if (by_us)
		return;
	keep_table(d);
	if (d->config.firewall_recheck)
		wh_firewall_show_again(d);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct wh_daemon *d = arg;

	(void)fd;
	(void)what;
	if (wh_firewall_watch_read(d->firewall_watch))
		wh_warn("the firewall's notifications cannot be read");
}

/* --- start and reload ------------------------------------------------------------------------------------- */

int wh_firewall_settle(struct wh_daemon *d, char *error, size_t error_len)
{
	union wh_firewall firewall = d->tables.steer_rows[WH_STEER_GLOBAL].firewall;
	struct wh_firewall_options options = options_of(d);
	char why[WH_FIREWALL_ERROR_LEN];
	int err = wh_firewall_present(&options) == 1 ? 0 : wh_firewall_put(&options, why);

	if (err)
		snprintf(error, error_len, "%s", why);
	/* Without connection tracking a kernel cannot put fragments together for us; all else works. */
	if (err && d->config.firewall != WH_CONF_FIREWALL_BYPASS)
		return err;
	firewall.mode = d->config.firewall == WH_CONF_FIREWALL_BYPASS ? WH_FIREWALL_BYPASS : WH_FIREWALL_KERNEL;
	firewall.closed = d->config.boot_closed;
	store(d, firewall);
	d->tables.steer_rows[WH_STEER_GLOBAL].flows_per_client = d->config.flows_per_client;
	return 0;
}

int wh_firewall_start(struct wh_daemon *d, char *error, size_t error_len)
{
	int err = wh_firewall_watch_open(&d->firewall_watch, on_changed, d);

	if (err) {
		snprintf(error, error_len, "cannot watch the kernel's firewall: %s", strerror(-err));
		return err;
	}
	d->firewall_event =
		event_new(d->base, wh_firewall_watch_fd(d->firewall_watch), EV_READ | EV_PERSIST, on_readable, d);
	d->firewall_timer = evtimer_new(d->base, on_timer, d);
	if (!d->firewall_event || !d->firewall_timer || event_add(d->firewall_event, NULL))
		return -ENOMEM;
	return 0;
}

/* --- the kernel's default route --------------------------------------------------------------------------- */

static bool is_family_used(const struct wh_daemon *d, enum wh_family family)
{
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (d->conf_of[wan] >= 0 && d->model.wans[wan].of[family].usable)
			return true;
	}
	return false;
}

void wh_firewall_routes(struct wh_daemon *d)
{
	static const char *const names[WH_FAMILIES] = {"IPv4", "IPv6"};

	for (enum wh_family family = 0; family < WH_FAMILIES; family++) {
		struct wh_record record = WH_RECORD_EMPTY;
		struct in6_addr gateway;
		char evidence[160];
		unsigned ifindex;
		bool lacks = d->config.firewall != WH_CONF_FIREWALL_BYPASS && is_family_used(d, family) &&
			     wh_netlink_default(d->netlink, family, &ifindex, &gateway);

		if (lacks && !d->no_kernel_route[family]) {
			snprintf(
				evidence, sizeof(evidence),
				"%s: the kernel has no default route, and refuses new flows before its firewall sees them",
				names[family]);
			record.event = "no-kernel-route";
			record.cause = "routes";
			record.evidence = evidence;
			wh_tell(d, &record);
		}
		d->no_kernel_route[family] = lacks;
	}
}
