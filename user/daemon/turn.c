/* SPDX-License-Identifier: GPL-2.0 */
/*
 * turn.c: one turn of the controller: what was heard, what time it is, what follows.  Called by its timer,
 * at least each 10 ms, and whenever probe results arrive.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"
#include "kern/words.h"
#include "lib/clock.h"
#include "lib/log.h"

#define TURN_NS (10 * WH_NS_PER_MS)
#define WATCH_NS WH_NS_PER_MS	     /* after a switch, until it is known that users are answered */
#define LATE_NS (100 * WH_NS_PER_MS) /* later than this, time that ran out says something about us */
#define ORDERS 64
#define RESULTS_PER_TURN 256

/* Without us, the data plane believes the gateways' MACs only so long. */
#define GATEWAYS_BELIEVED_NS (3 * WH_NS_PER_S)

static void beat(struct wh_daemon *d)
{
	struct wh_steer *all = &d->tables.steer_rows[WH_STEER_GLOBAL];

	__atomic_store_n(&all->heartbeat_ns, wh_clock_ns(CLOCK_BOOTTIME), __ATOMIC_RELAXED);
	/* Where notifications were lost, a gateway may have gone with them. */
	__atomic_store_n(&all->gateways_until_ns,
			 wh_netlink_is_whole(d->netlink) ? wh_clock_ns(CLOCK_MONOTONIC) + GATEWAYS_BELIEVED_NS : 0,
			 __ATOMIC_RELAXED);
}

/* Something was heard on these WANs: what they have sent until now is not lost as far as is known. */
static void note_sent(struct wh_daemon *d, uint8_t wans)
{
	struct wh_counters totals[WH_MAX_WANS];

	if (!wans || wh_tables_totals(&d->tables, d->class_numbers, totals))
		return;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		if (wans & (1U << wan))
			d->heard[wan].sent_packets = totals[wan].tx_packets;
	}
}

static void read_signals(struct wh_daemon *d, uint64_t now_ns)
{
	struct wh_signal signals[WH_SIGNAL_ROWS];
	uint8_t heard = 0;

	for (unsigned i = 0; i < WH_SIGNAL_ROWS; i++) {
		const volatile struct wh_signal *row = &d->tables.signal_rows[i];
		unsigned wan = i % WH_MAX_WANS;

		signals[i] = (struct wh_signal){.sent_ns = row->sent_ns,
						.heard_ns = row->heard_ns,
						.user_sent_ns = row->user_sent_ns,
						.user_heard_ns = row->user_heard_ns};
		if (d->conf_of[wan] >= 0 && signals[i].heard_ns > d->heard[wan].heard_ns) {
			d->heard[wan].heard_ns = signals[i].heard_ns;
			heard |= (uint8_t)(1U << wan);
		}
	}
	note_sent(d, heard);
	for (unsigned i = 0; i < WH_SIGNAL_ROWS; i++) {
		if (d->conf_of[i % WH_MAX_WANS] >= 0)
			wh_model_signal(&d->model, i % WH_MAX_WANS, i / WH_MAX_WANS, &signals[i], now_ns);
	}
}

static void send_order(struct wh_daemon *d, const struct wh_probe_order *order, uint64_t now_ns)
{
	const struct wh_conf_profile *profile = &d->config.profiles[d->config.wans[d->conf_of[order->wan]].profile];
	const struct wh_conf_target *target = &profile->targets[order->target];
	struct wh_prober_order wire = {.seq = order->seq,
				       .wan = (uint8_t)order->wan,
				       .target = (uint8_t)order->target,
				       .kind = (uint8_t)target->kind,
				       .addr = target->addr,
				       .port = target->port,
				       .timeout_ms = 2000};

	if (!d->prober || wh_prober_send(d->prober, &wire))
		wh_model_result(&d->model, order->wan, order->target, order->seq, WH_PROBE_UNSENT, 0, now_ns);
}

static uint64_t send_probes(struct wh_daemon *d, uint64_t now_ns)
{
	struct wh_probe_order orders[ORDERS];
	uint64_t next_ns;
	unsigned n;

	do {
		next_ns = wh_model_tick(&d->model, now_ns, orders, ORDERS, &n);
		for (unsigned i = 0; i < n; i++)
			send_order(d, &orders[i], now_ns);
	} while (n == ORDERS);
	return next_ns;
}

void wh_turn(struct wh_daemon *d)
{
	uint64_t now_ns = wh_now_ns(), next_ns, wait_ns, longest_ns;
	struct timeval wait;

	if (d->next_turn_ns && now_ns > d->next_turn_ns + LATE_NS)
		wh_model_starved(&d->model, now_ns - d->next_turn_ns, now_ns);
	beat(d);
	read_signals(d, now_ns);
	wh_overrides_watch(d);
	wh_classes_watch(d);
	wh_wires_turn(d);
	next_ns = send_probes(d, now_ns);
	wh_flip(d);
	wh_aftermath_watch(d, now_ns);
	longest_ns = wh_aftermath_waits(d) ? WATCH_NS : TURN_NS;
	if (next_ns > now_ns + longest_ns)
		next_ns = now_ns + longest_ns;
	wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	wait.tv_sec = 0;
	wait.tv_usec = (suseconds_t)(wait_ns / 1000);
	evtimer_add(d->turn_timer, &wait);
	d->next_turn_ns = now_ns + wait_ns;
}

void wh_turn_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	wh_turn(arg);
}

/* The prober is gone: without it nothing more is learnt, and that must not look like dead WANs. */
static void prober_died(struct wh_daemon *d, int err)
{
	wh_error("the prober ended: %s; it is started again in a second", strerror(-err));
	event_free(d->prober_event);
	d->prober_event = NULL;
	wh_prober_stop(d->prober);
	d->prober = NULL;
	d->prober_died_ns = wh_now_ns();
}

void wh_turn_on_results(evutil_socket_t fd, short what, void *arg)
{
	struct wh_daemon *d = arg;
	struct wh_prober_result result;
	int got = 0;

	(void)fd;
	(void)what;
	for (int i = 0; i < RESULTS_PER_TURN; i++) {
		got = wh_prober_receive(d->prober, &result);
		if (got != 1)
			break;
		if (result.wan < WH_MAX_WANS && d->conf_of[result.wan] >= 0)
			wh_model_result(&d->model, result.wan, result.target, result.seq,
					(enum wh_probe_status)result.status, result.rtt_ns, wh_now_ns());
	}
	if (got < 0)
		prober_died(d, got);
	wh_turn(d);
}

static void keep_state(struct wh_wan *row, const struct wh_change *change)
{
	if (change->family == WH_V4) {
		row->v4.state = (uint8_t)change->to;
		row->v4.since_s = (uint64_t)time(NULL);
	} else {
		row->v6.state = (uint8_t)change->to;
		row->v6.since_s = (uint64_t)time(NULL);
	}
}

/* Every change of a WAN's state passes here, once. */
void wh_turn_on_change(void *arg, const struct wh_change *change)
{
	struct wh_record record = WH_RECORD_EMPTY;
	struct wh_daemon *d = arg;
	char evidence[256];

	/* Traffic before those who read about it; only the counters of before are read first. */
	wh_aftermath_open(d, change);
	wh_flip(d);
	keep_state(&d->wans[change->wan], change);
	wh_world_write_wan(d, change->wan);
	wh_neighbours_pin(d);
	if (change->to == WH_WAN_SUSPECT)
		wh_neighbours_suspect(d, change->wan);
	snprintf(evidence, sizeof(evidence), "%s: %s → %s: %s", change->family == WH_V4 ? "IPv4" : "IPv6",
		 wh_word_of_state(change->from), wh_word_of_state(change->to),
		 change->evidence ? change->evidence : "");
	record.event = "state";
	record.wan = d->wans[change->wan].name;
	record.cause = change->cause;
	record.evidence = evidence;
	/* A suspicion comes and goes with a lost packet or two: told where details are asked for, not kept. */
	if (change->to == WH_WAN_SUSPECT || change->from == WH_WAN_SUSPECT) {
		wh_debug("%s: %s", record.wan, evidence);
		if (change->to != WH_WAN_DOWN)
			return;
	}
	wh_tell(d, &record);
}

void wh_tell(struct wh_daemon *d, const struct wh_record *record)
{
	const json_t *kept;
	int write_error = 0;

	wh_info("%s%s%s%s%s%s%s", record->event, record->wan ? " " : "", record->wan ? record->wan : "",
		record->cause ? ": " : "", record->cause ? record->cause : "", record->evidence ? ": " : "",
		record->evidence ? record->evidence : "");
	kept = wh_records_add(d->records, record, &write_error);
	if (write_error)
		wh_warn("%s: cannot keep records: %s", d->state_dir, strerror(-write_error));
	if (kept && d->control)
		wh_control_publish(d->control, kept);
}
