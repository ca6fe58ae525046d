/* SPDX-License-Identifier: GPL-2.0 */
/* twin.c: see twin.h. */
#include "twin.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

/* --- a table, whole ----------------------------------------------------------------------------------------- */

struct table {
	int map;
	unsigned entries;
	size_t key_len, value_len;
	uint8_t *keys, *values;
};

static size_t value_len_of(const struct bpf_map_info *info)
{
	bool of_each_cpu = info->type == BPF_MAP_TYPE_PERCPU_ARRAY;

	return of_each_cpu ? (info->value_size + 7) / 8 * 8 * (size_t)libbpf_num_possible_cpus() : info->value_size;
}

static struct table table_read(int map)
{
	struct table t = {.map = map};
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info), batch;
	int err;

	assert_int_equal(bpf_obj_get_info_by_fd(map, &info, &len), 0);
	t.key_len = info.key_size;
	t.value_len = value_len_of(&info);
	t.entries = info.max_entries;
	t.keys = malloc(t.entries * t.key_len);
	t.values = malloc(t.entries * t.value_len);
	assert_non_null(t.keys);
	assert_non_null(t.values);
	err = bpf_map_lookup_batch(map, NULL, &batch, t.keys, t.values, &t.entries, NULL);
	assert_true(!err || err == -ENOENT); /* to the end */
	return t;
}

static void table_free(struct table *t)
{
	free(t->keys);
	free(t->values);
}

/* The value that stands under that key, or NULL. Most tables have each key where the other has it. */
static uint8_t *table_find(const struct table *t, const uint8_t *key, unsigned where)
{
	for (unsigned n = 0; n < t->entries; n++) {
		unsigned i = (where + n) % t->entries;

		if (!memcmp(t->keys + i * t->key_len, key, t->key_len))
			return t->values + i * t->value_len;
	}
	return NULL;
}

/* As it was; nothing was taken out or put in since. */
static void table_restore(const struct table *t)
{
	struct table now = table_read(t->map);

	assert_int_equal(now.entries, t->entries);
	for (unsigned i = 0; i < t->entries; i++) {
		const uint8_t *key = t->keys + i * t->key_len, *value = t->values + i * t->value_len;
		const uint8_t *found = table_find(&now, key, i);

		assert_non_null(found);
		if (memcmp(found, value, t->value_len))
			assert_int_equal(bpf_map_update_elem(t->map, key, value, BPF_EXIST), 0);
	}
	table_free(&now);
}

/* --- all that a known flow's packet may change --------------------------------------------------------------- */

enum { FLOWS4, FLOWS6, REPLIES4, REPLIES6, BINDS4, BINDS6, PORTS4, PORTS6, COUNTERS, REASONS, SIGNALS, LANES, TABLES };

struct state {
	struct table tables[TABLES];
};

static struct state state_read(void)
{
	const int maps[TABLES] = {lab.t.flows[WH_V4], lab.t.flows[WH_V6], lab.t.replies[WH_V4], lab.t.replies[WH_V6],
				  lab.t.binds[WH_V4], lab.t.binds[WH_V6], lab.t.ports[WH_V4],	lab.t.ports[WH_V6],
				  lab.t.counters,     lab.t.reasons,	  lab.t.signals,	lab.t.lanes};
	struct state s;

	for (unsigned i = 0; i < TABLES; i++)
		s.tables[i] = table_read(maps[i]);
	return s;
}

static void state_free(struct state *s)
{
	for (unsigned i = 0; i < TABLES; i++)
		table_free(&s->tables[i]);
}

/* Counts stand by CPU: there is but one. */
static void stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
}

static void forget_when_seen(int flows)
{
	struct table t = table_read(flows);

	for (unsigned i = 0; i < t.entries; i++) {
		uint8_t *value = t.values + i * t.value_len;

		memset(value + offsetof(struct wh_flow, seen_ns), 0, sizeof(uint64_t));
		assert_int_equal(bpf_map_update_elem(flows, t.keys + i * t.key_len, value, BPF_EXIST), 0);
	}
	table_free(&t);
}

/* Stamps are those of long ago, so that a new one is seen. */
static struct state state_begin(void)
{
	stay_here();
	forget_when_seen(lab.t.flows[WH_V4]);
	forget_when_seen(lab.t.flows[WH_V6]);
	for (uint32_t row = 0; row < WH_SIGNAL_ROWS; row++)
		assert_int_equal(bpf_map_update_elem(lab.t.signals, &row, &(struct wh_signal){}, BPF_ANY), 0);
	return state_read();
}

static void state_restore(const struct state *s)
{
	for (unsigned i = 0; i < TABLES; i++)
		table_restore(&s->tables[i]);
}

/* Of words that hold a time only whether they changed. */
static void blur(uint8_t *value, const uint8_t *before, size_t at)
{
	uint64_t changed = memcmp(value + at, before + at, sizeof(changed)) != 0;

	memcpy(value + at, &changed, sizeof(changed));
}

static void state_blur(struct state *s, const struct state *before)
{
	for (unsigned n = 0; n < TABLES; n++) {
		struct table *t = &s->tables[n];

		for (unsigned i = 0; i < t->entries; i++) {
			uint8_t *value = t->values + i * t->value_len;
			const uint8_t *old = table_find(&before->tables[n], t->keys + i * t->key_len, i);

			assert_non_null(old);
			if (n == FLOWS4 || n == FLOWS6)
				blur(value, old, offsetof(struct wh_flow, seen_ns));
			for (size_t at = 0; n == SIGNALS && at < t->value_len; at += sizeof(uint64_t))
				blur(value, old, at);
			if (n == LANES) {
				blur(value, old, offsetof(struct wh_lane, up.paid_ns));
				blur(value, old, offsetof(struct wh_lane, down.paid_ns));
			}
		}
	}
}

static void expect_same(const struct state *a, const struct state *b)
{
	static const char *const names[TABLES] = {"flows4", "flows6", "replies4", "replies6", "binds4",	 "binds6",
						  "ports4", "ports6", "counters", "reasons",  "signals", "lanes"};

	for (unsigned n = 0; n < TABLES; n++) {
		const struct table *t = &a->tables[n];

		if (t->entries != b->tables[n].entries)
			fail_msg("%s: %u entries, and %u", names[n], t->entries, b->tables[n].entries);
		for (unsigned i = 0; i < t->entries; i++) {
			const uint8_t *other = table_find(&b->tables[n], t->keys + i * t->key_len, i);

			if (!other || memcmp(t->values + i * t->value_len, other, t->value_len))
				fail_msg("%s: entry %u of %u is another", names[n], i, t->entries);
		}
	}
}

/* --- XDP and tc --------------------------------------------------------------------------------------------- */

struct twin twin_out(unsigned wan)
{
	return (struct twin){lab.lan_ifindex[0], LAB_ROW_WAN(wan)};
}

struct twin twin_in(unsigned wan)
{
	return (struct twin){lab.wan_ifindex[wan], LAB_ROW_LAN(0)};
}

static struct result by_xdp(unsigned ifindex, const struct packet *in)
{
	struct result r = {};
	int err = lab_xdp(ifindex, in, &r);

	if (err)
		fail_msg("XDP on %zu bytes: %s", in->len, strerror(-err));
	return r;
}

static struct result by_tc(unsigned ifindex, const struct packet *in)
{
	enum wh_hook hook = WH_HOOK_WAN_IN;

	for (unsigned i = 0; i < LAB_LANS; i++)
		hook = ifindex == lab.lan_ifindex[i] ? WH_HOOK_LAN_IN : hook;
	return lab_run(hook, &(struct lab_context){.ifindex = ifindex}, in);
}

/* Both verdicts, on the same state before, and with the same state after. */
static struct result run_both(unsigned trunk, const struct packet *frame, unsigned ifindex, const struct packet *in,
			      struct result *tc)
{
	struct state before = state_begin(), after, after_tc;
	struct result r = by_xdp(trunk, frame);

	after = state_read();
	state_restore(&before);
	*tc = by_tc(ifindex, in);
	after_tc = state_read();
	state_blur(&after, &before);
	state_blur(&after_tc, &before);
	expect_same(&after, &after_tc);
	state_free(&before);
	state_free(&after);
	state_free(&after_tc);
	return r;
}

struct result twin_carried_tagged(unsigned trunk, const struct packet *frame, struct twin by, const struct packet *in)
{
	struct result tc, r;

	lab_use_xdp(false);
	lab_send_only_by(by.row);
	r = run_both(trunk, frame, by.ifindex, in, &tc);
	lab_send_by_all();
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_int_equal(tc.verdict, VERDICT_REDIRECT);
	return r;
}

struct result twin_carried(struct twin by, const struct packet *in)
{
	struct result tc, r;

	lab_use_xdp(false);
	lab_send_only_by(by.row);
	r = run_both(by.ifindex, in, by.ifindex, in, &tc);
	lab_send_by_all();
	expect_sent(&tc, &r.packet);
	expect_sent(&r, &tc.packet);
	return r;
}

void twin_dropped(struct twin by, const struct packet *in)
{
	struct result tc, r;

	lab_use_xdp(false);
	r = run_both(by.ifindex, in, by.ifindex, in, &tc);
	expect_dropped(&r);
	expect_dropped(&tc);
}

void twin_left(unsigned ifindex, const struct packet *in)
{
	struct state before, after;
	struct result r;

	lab_use_xdp(false);
	before = state_begin();
	r = by_xdp(ifindex, in);
	expect_let_by(&r, in);
	after = state_read();
	expect_same(&before, &after);
	state_free(&before);
	state_free(&after);
}
