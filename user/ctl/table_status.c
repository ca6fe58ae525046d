/* SPDX-License-Identifier: GPL-2.0 */
/* table_status.c: see table_status.h. */
#include "ctl/table_status.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern/family.h"
#include "kern/words.h"
#include "lib/clock.h"
#include "lib/timestamp.h"
#include "model/buckets.h"
#include "model/model.h"

static const char *const keys[WH_FAMILIES] = {[WH_V4] = "v4", [WH_V6] = "v6"};

/* What the row of a WAN holds of one family. */
struct part {
	int family; /* AF_* */
	const void *addr_be, *gateway_be;
	const uint8_t *gateway_mac;
	uint8_t flags; /* enum wh_wan_ip_flag */
	enum wh_wan_state state;
	uint64_t since_s;
};

static struct part part_of(const struct wh_wan *wan, enum wh_family family)
{
	const struct wh_wan4 *v4 = &wan->v4;
	const struct wh_wan6 *v6 = &wan->v6;

	if (family == WH_V4)
		return (struct part){AF_INET,	&v4->addr_be, &v4->gateway_be, v4->gateway_mac,
				     v4->flags, v4->state,    v4->since_s};
	return (struct part){AF_INET6,	&v6->addr_be, &v6->gateway_be, v6->gateway_mac,
			     v6->flags, v6->state,    v6->since_s};
}

/* Null where it is not known, or all zero. */
static json_t *address(int family, const void *addr_be, bool known)
{
	static const struct wh_addr6 none;
	char text[INET6_ADDRSTRLEN];

	if (!known || !memcmp(addr_be, &none, family == AF_INET ? sizeof(__be32) : sizeof(none)))
		return json_null();
	return json_string(inet_ntop(family, addr_be, text, sizeof(text)));
}

static json_t *mac(const uint8_t *addr, bool known)
{
	char text[18];

	if (!known)
		return json_null();
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", addr[0], addr[1], addr[2], addr[3], addr[4],
		 addr[5]);
	return json_string(text);
}

static json_t *time_of(uint64_t since_s)
{
	char text[WH_TIMESTAMP_LEN];

	if (!since_s)
		return json_null();
	wh_timestamp_format(since_s * WH_NS_PER_S, text);
	return json_string(text);
}

static json_t *forced(const struct wh_tables *tables, unsigned wan)
{
	enum wh_hand_verb verb = wh_tables_hand_of(tables, wan);

	return verb == WH_HAND_AUTO ? json_null() : json_string(wh_word_of_hand(verb));
}

/* The hand may be younger than the state that the last controller left behind. */
static enum wh_wan_state state_now(const struct wh_tables *tables, const struct wh_wan *wan, unsigned number,
				   enum wh_family family)
{
	enum wh_wan_state state = part_of(wan, family).state;
	enum wh_hand_verb hand = wh_tables_hand_of(tables, number);

	if (state != WH_WAN_ABSENT && hand == WH_HAND_DOWN)
		return WH_WAN_FORCED_DOWN;
	if (state != WH_WAN_ABSENT && hand == WH_HAND_UP)
		return WH_WAN_FORCED_UP;
	return state;
}

/* The family that has the better state: IPv4 where they are alike. */
static enum wh_family shown_family(const struct wh_tables *tables, const struct wh_wan *wan, unsigned number)
{
	enum wh_wan_state state4 = state_now(tables, wan, number, WH_V4);

	return wh_better_state(state4, state_now(tables, wan, number, WH_V6)) == state4 ? WH_V4 : WH_V6;
}

static const char *shown_state(const struct wh_tables *tables, const struct wh_wan *wan, unsigned number)
{
	return wh_word_of_state(state_now(tables, wan, number, shown_family(tables, wan, number)));
}

static json_t *prefix(const struct wh_wan6 *v6)
{
	char text[INET6_ADDRSTRLEN];

	if (!v6->prefix_len || !inet_ntop(AF_INET6, &v6->prefix_be, text, sizeof(text)))
		return json_null();
	return json_sprintf("%s/%u", text, v6->prefix_len);
}

static json_t *family_status(const struct wh_tables *tables, const struct wh_wan *wan, unsigned number,
			     enum wh_family family)
{
	const struct part part = part_of(wan, family);
	json_t *status = json_pack("{s:s,s:o,s:n,s:o,s:o,s:o,s:n,s:n,s:n}", "state",
				   wh_word_of_state(state_now(tables, wan, number, family)), "since",
				   time_of(part.since_s), "reason", "address", address(part.family, part.addr_be, true),
				   "gateway", address(part.family, part.gateway_be, part.flags & WH_WAN_GATEWAY),
				   "gateway_mac", mac(part.gateway_mac, part.flags & WH_WAN_GATEWAY_MAC), "rtt_ms",
				   "jitter_ms", "loss_ratio");

	if (family == WH_V6)
		json_object_set_new(status, "prefix", prefix(&wan->v6));
	return status;
}

/* Where packets of known flows are carried; why not by XDP, only a controller knows. */
static json_t *accel_status(const struct wh_tables *tables, unsigned row)
{
	struct wh_wires wires = {};
	__u32 zero = 0;

	bpf_map_lookup_elem(tables->wires, &zero, &wires);
	return json_pack("{s:s,s:s,s:n}", "in", wires.row[row].ifindex ? "xdp" : "tc", "out",
			 wires.row[row].sends ? "xdp" : "tc", "why");
}

static json_t *lans_status(const struct wh_tables *tables)
{
	json_t *lans = json_array();
	struct wh_lan lan;

	for (unsigned i = 0; i < WH_LAN_PROBER; i++) {
		if (wh_tables_lan(tables, i, &lan) == 0 && lan.device[0])
			json_array_append_new(lans, json_pack("{s:s,s:i,s:o}", "device", lan.device, "index", (int)i,
							      "accel", accel_status(tables, WH_WIRE_LAN + i)));
	}
	return lans;
}

static json_t *wan_status(const struct wh_tables *tables, const struct wh_wan *wan, unsigned number, uint64_t flows,
			  const struct wh_counters *total)
{
	return json_pack("{s:s,s:s,s:i,s:s,s:o,s:s,s:o,s:o,s:o,s:n,s:n,s:n,s:n,s:n,s:I,s:I,s:I,s:o}", "name", wan->name,
			 "device", wan->device, "index", (int)number, "state", shown_state(tables, wan, number),
			 "since", time_of(part_of(wan, shown_family(tables, wan, number)).since_s), "reason",
			 "as the last controller left it", "forced", forced(tables, number), keys[WH_V4],
			 family_status(tables, wan, number, WH_V4), keys[WH_V6],
			 family_status(tables, wan, number, WH_V6), "rtt_ms", "jitter_ms", "loss_ratio", "tx_bps",
			 "rx_bps", "tx_bytes", (json_int_t)total->tx_bytes, "rx_bytes", (json_int_t)total->rx_bytes,
			 "flows", (json_int_t)flows, "accel", accel_status(tables, number));
}

static json_t *wans_status(const struct wh_tables *tables, const uint64_t flows[WH_MAX_WANS])
{
	struct wh_counters totals[WH_MAX_WANS] = {};
	json_t *wans = json_array();
	struct wh_wan wan;

	wh_tables_totals(tables, WH_CLASSES_AND_PROBES, totals);
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		if (wh_tables_wan(tables, i, &wan) == 0 && wan.flags & WH_WAN_CONFIGURED)
			json_array_append_new(wans, wan_status(tables, &wan, i, flows[i], &totals[i]));
	}
	return wans;
}

/* What the words say of a class's WANs now, as the data plane reads them. */
struct verdict {
	uint8_t keep, fresh; /* in either family */
	uint8_t shared;	     /* the WANs among which new flows are shared out: IPv4's, IPv6's where those go nowhere */
};

static struct verdict verdict_on(const struct wh_tables *tables, unsigned class)
{
	const union wh_masks masks = {.word = tables->steer_rows[class].masks.word};
	const union wh_alive alive = {.word = tables->steer_rows[WH_STEER_GLOBAL].alive.word};
	struct verdict verdict = {0, 0, 0};

	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		uint8_t fresh = wh_fresh_of(masks, family), working = wh_alive_of(alive, family);

		if (fresh & working) /* else the last resort */
			fresh &= working;
		verdict.keep |= wh_kept_by(masks, alive, family);
		verdict.fresh |= fresh;
		verdict.shared = verdict.shared ? verdict.shared : fresh;
	}
	return verdict;
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
	const struct verdict verdict = verdict_on(tables, class);
	unsigned count[WH_MAX_WANS] = {0};
	struct wh_bucket_table table;
	json_t *wans = json_array();
	uint8_t members = 0;
	struct wh_wan wan;

	if (wh_tables_buckets(tables, class, &table) == 0) {
		wh_buckets_count(&table, verdict.shared, count);
		members = wans_in(table.order[0]);
	}
	for (unsigned i = 0; i < WH_MAX_WANS; i++) {
		bool fresh = verdict.fresh & 1U << i, keep = verdict.keep & 1U << i;

		if (!(members & 1U << i) || wh_tables_wan(tables, i, &wan) < 0)
			continue;
		json_array_append_new(wans, json_pack("{s:s,s:f,s:b,s:b,s:s}", "name", wan.name, "share",
						      (double)count[i] / WH_BUCKETS, "fresh", fresh, "keep", keep,
						      "why", shown_state(tables, &wan, i)));
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

/* The counts of the reasons from one up to another, by name. */
static json_t *reasons_status(const uint64_t counts[WH_REASON_COUNT], unsigned from, unsigned to)
{
	json_t *all = json_object();

	for (unsigned i = from; i < to; i++)
		json_object_set_new(all, wh_word_of_reason((enum wh_reason)i), json_integer((json_int_t)counts[i]));
	return all;
}

json_t *wh_table_status(const struct wh_tables *tables, const uint64_t flows[WH_MAX_WANS])
{
	int64_t age_ms = wh_tables_heartbeat_age_ms(tables);
	uint64_t counts[WH_REASON_COUNT] = {0};

	wh_tables_reasons(tables, counts);
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:{s:n,s:n,s:n,s:o,s:b}}", "wans", wans_status(tables, flows), "lans",
			 lans_status(tables), "classes", classes_status(tables), "drops",
			 reasons_status(counts, WH_REASON_NONE + 1, WH_REASON_FIRST_KERNEL), "kernel",
			 reasons_status(counts, WH_REASON_FIRST_KERNEL, WH_REASON_COUNT), "daemon", "version", "pid",
			 "uptime_s", "heartbeat_age_ms", age_ms < 0 ? json_null() : json_integer(age_ms), "running", 0);
}
