/* SPDX-License-Identifier: GPL-2.0 */
/* table_status.c: see table_status.h. */
#include "ctl/table_status.h"

#include <arpa/inet.h>

#include "kern/words.h"
#include "lib/clock.h"
#include "lib/timestamp.h"
#include "model/buckets.h"

static json_t *address(__be32 addr_be, bool known)
{
	char text[INET_ADDRSTRLEN];

	if (!known)
		return json_null();
	inet_ntop(AF_INET, &addr_be, text, sizeof(text));
	return json_string(text);
}

static json_t *forced(const struct wh_tables *tables, unsigned wan)
{
	enum wh_hand_verb verb = wh_tables_hand_of(tables, wan);

	return verb == WH_HAND_AUTO ? json_null() : json_string(wh_word_of_hand(verb));
}

/* The bytes of all classes and the probes. */
static void sum_bytes(const struct wh_tables *tables, unsigned wan, json_int_t *tx, json_int_t *rx)
{
	struct wh_counters counters;

	*tx = *rx = 0;
	for (unsigned class = 0; class <= WH_CLASS_PROBE; class += 1) {
		if (wh_tables_counters(tables, class, wan, &counters) < 0)
			continue;
		*tx += (json_int_t)counters.tx_bytes;
		*rx += (json_int_t)counters.rx_bytes;
	}
}

/* The hand may be younger than the state that the last controller left behind. */
static const char *state_now(const struct wh_tables *tables, const struct wh_wan *wan, unsigned number)
{
	enum wh_hand_verb hand = wh_tables_hand_of(tables, number);

	if (wan->state4 != WH_WAN_ABSENT && hand == WH_HAND_DOWN)
		return wh_word_of_state(WH_WAN_FORCED_DOWN);
	if (wan->state4 != WH_WAN_ABSENT && hand == WH_HAND_UP)
		return wh_word_of_state(WH_WAN_FORCED_UP);
	return wh_word_of_state(wan->state4);
}

static json_t *wan_status(const struct wh_tables *tables, const struct wh_wan *wan, unsigned number, uint64_t flows)
{
	char since[WH_TIMESTAMP_LEN];
	const char *state = state_now(tables, wan, number);
	json_int_t tx, rx;
	json_t *v4, *v6;

	wh_timestamp_format(wan->since_s * WH_NS_PER_S, since);
	sum_bytes(tables, number, &tx, &rx);
	v4 = json_pack("{s:s,s:o,s:o}", "state", state, "address", address(wan->addr4_be, wan->addr4_be != 0),
		       "gateway", address(wan->gateway4_be, wan->flags & WH_WAN_GATEWAY4));
	v6 = json_pack("{s:s,s:n,s:n}", "state", wh_word_of_state(wan->state6), "address", "gateway");
	return json_pack("{s:s,s:s,s:i,s:s,s:o,s:s,s:o,s:o,s:o,s:n,s:n,s:n,s:n,s:n,s:I,s:I,s:I}", "name", wan->name,
			 "device", wan->device, "index", (int)number, "state", state, "since",
			 wan->since_s ? json_string(since) : json_null(), "reason", "as the last controller left it",
			 "forced", forced(tables, number), "v4", v4, "v6", v6, "rtt_ms", "jitter_ms", "loss_ratio",
			 "tx_bps", "rx_bps", "tx_bytes", tx, "rx_bytes", rx, "flows", (json_int_t)flows);
}

static json_t *wans_status(const struct wh_tables *tables, const uint64_t flows[WH_MAX_WANS])
{
	json_t *wans = json_array();
	struct wh_wan wan;

	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (wh_tables_wan(tables, i, &wan) == 0 && wan.flags & WH_WAN_CONFIGURED)
			json_array_append_new(wans, wan_status(tables, &wan, i, flows[i]));
	}
	return wans;
}

/* The WANs that a class's new flows go by now, as the data plane reads the words. */
static uint8_t taking_new(union wh_masks masks, union wh_alive alive)
{
	uint8_t both = masks.fresh4 & alive.alive4;

	return both ? both : masks.fresh4;
}

/* Every bucket holds all WANs of its class, each in its own order. */
static uint8_t wans_in(__u32 order)
{
	uint8_t wans = 0;

	for (; order & WH_ORDER_MASK; order >>= WH_ORDER_BITS)
		wans |= (uint8_t)(1U << ((order & WH_ORDER_MASK) - 1));
	return wans;
}

static json_t *class_status(const struct wh_tables *tables, unsigned class, const char *name)
{
	const union wh_masks masks = {.word = tables->steer_rows[class].masks.word};
	const union wh_alive alive = {.word = tables->steer_rows[WH_STEER_GLOBAL].alive.word};
	uint8_t usable = taking_new(masks, alive), members = 0;
	unsigned count[WH_MAX_WANS] = {0};
	struct wh_bucket_table table;
	json_t *wans = json_array();
	struct wh_wan wan;

	if (wh_tables_buckets(tables, class, &table) == 0) {
		wh_buckets_count(&table, usable, count);
		members = wans_in(table.order[0]);
	}
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		bool fresh = usable & 1U << i, keep = masks.keep4 & alive.alive4 & 1U << i;

		if (!(members & 1U << i) || wh_tables_wan(tables, i, &wan) < 0)
			continue;
		json_array_append_new(wans, json_pack("{s:s,s:f,s:b,s:b,s:s}", "name", wan.name, "share",
						      (double)count[i] / WH_BUCKETS, "fresh", fresh, "keep", keep,
						      "why", state_now(tables, &wan, i)));
	}
	return json_pack("{s:s,s:o}", "name", name, "wans", wans);
}

static json_t *classes_status(const struct wh_tables *tables)
{
	json_t *classes = json_array();
	struct wh_class class;

	for (unsigned i = 0; i < WH_MAX_CLASSES; i++) {
		if (wh_tables_class(tables, i, &class) == 0 && class.name[0])
			json_array_append_new(classes, class_status(tables, i, class.name));
	}
	return classes;
}

json_t *wh_table_status(const struct wh_tables *tables, const uint64_t flows[WH_MAX_WANS])
{
	int64_t age_ms = wh_tables_heartbeat_age_ms(tables);

	return json_pack("{s:o,s:o,s:{s:n,s:n,s:n,s:o,s:b}}", "wans", wans_status(tables, flows), "classes",
			 classes_status(tables), "daemon", "version", "pid", "uptime_s", "heartbeat_age_ms",
			 age_ms < 0 ? json_null() : json_integer(age_ms), "running", 0);
}
