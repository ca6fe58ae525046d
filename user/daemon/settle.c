/* SPDX-License-Identifier: GPL-2.0 */
/*
 * settle.c: a configuration is taken, at the start and by a reload: who has which number, what is forgotten, and all
 * tables brought into line with it.
 */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "daemon/daemon.h"
#include "kern/family.h"
#include "lib/clock.h"
#include "lib/log.h"

void wh_settle_take(struct wh_daemon *d, const struct wh_config *config)
{
	wh_world_number(d, config, d->number_of);
	wh_world_number_lans(d, config, d->lan_number);
	wh_policy_number(d, config, d->class_number);
	d->config = *config;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++)
		d->conf_of[wan] = -1;
	for (unsigned i = 0; i < config->n_wans; i++)
		d->conf_of[d->number_of[i]] = (int)i;
	for (unsigned class = 0; class < WH_MAX_CLASSES; class += 1)
		d->class_conf_of[class] = -1;
	for (unsigned i = 0; i < config->n_classes; i++) {
		unsigned class = d->class_number[i];

		d->class_conf_of[class] = (int)i;
		d->class_numbers = class < d->class_numbers ? d->class_numbers : class + 1;
	}
	wh_model_configure(&d->model, &d->config, d->number_of, wh_now_ns());
}

unsigned wh_wan_named(const struct wh_daemon *d, const char *name)
{
	for (unsigned i = 0; name && i < d->config.n_wans; i++) {
		if (!strcmp(d->config.wans[i].name, name))
			return d->number_of[i];
	}
	return WH_WAN_NONE;
}

/* The number's next WAN is another: nothing of the one before is to be taken for its. */
static void forget_number(struct wh_daemon *d, unsigned wan)
{
	wh_tables_set_hand(&d->tables, wan, WH_HAND_AUTO);
	memset(&d->overrides[wan], 0, sizeof(d->overrides[wan]));
	memset(&d->aftermath[wan], 0, sizeof(d->aftermath[wan]));
	memset(&d->heard[wan], 0, sizeof(d->heard[wan]));
	memset(&d->throughput[wan], 0, sizeof(d->throughput[wan]));
	memset(&d->accounts[wan], 0, sizeof(d->accounts[wan]));
	memset(d->missing[wan], 0, sizeof(d->missing[wan]));
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
		for (enum wh_family family = 0; family < WH_FAMILIES && old_wans[wan].name[0]; family++) {
			if (!(wh_alive_of(d->stored.alive, family) & (1U << wan)))
				d->owed[family] |= (uint8_t)(1U << wan);
		}
	}
}

int wh_settle(struct wh_daemon *d, char *error, size_t error_len)
{
	struct wh_wan old_wans[WH_MAX_WANS];
	struct wh_lan old_lans[WH_MAX_LANS];
	char why[128];
	int err;

	memcpy(old_wans, d->wans, sizeof(old_wans));
	memcpy(old_lans, d->lans, sizeof(old_lans));
	forget_old_numbers(d);
	wh_overrides_load(d);
	wh_classes_load(d);
	wh_quota_load(d);
	err = wh_firewall_settle(d, error, error_len);
	if (err)
		return err;
	err = wh_policy_store(d, why, sizeof(why));
	if (err)
		snprintf(error, error_len, "cannot store the policy: %s", why);
	wh_world_update(d);
	wh_world_forget(d, old_wans, old_lans);
	owe_sessions(d, old_wans);
	return err;
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
	wh_quota_save(d); /* under the names of before */
	wh_settle_take(d, &config);
	err = wh_settle(d, error, error_len);
	wh_firewall_show_again(d); /* also what changed unnoticed: iptables-legacy says nothing */
	d->reloads_ok++;
	wh_tell(d, &record);
	return err;
}
