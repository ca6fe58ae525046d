/* SPDX-License-Identifier: GPL-2.0 */
/* tables_fixture.h: maps as the data plane has them, real ones but nobody's; tests are skipped where none can be made. */
#ifndef TABLES_FIXTURE_H
#define TABLES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern/tables.h"

#define ENTRIES 3000U

struct place {
	struct wh_tables tables;
	struct wh_steer rows[WH_STEER_ROWS];
	struct wh_sweep4 form4;
	struct wh_sweep6 form6;
};

static inline struct wh_addr6 address6(const char *text)
{
	struct wh_addr6 addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static inline int make_map(enum bpf_map_type type, unsigned key, unsigned value, unsigned entries)
{
	return bpf_map_create(type, NULL, key, value, entries, NULL);
}

static inline int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct wh_tables *t = &p->tables;

	t->wans = make_map(BPF_MAP_TYPE_ARRAY, 4, sizeof(struct wh_wan), WH_MAX_WANS);
	if (t->wans < 0) { /* not root */
		free(p);
		*state = NULL;
		return 0;
	}
	t->steer_rows = p->rows;
	t->sweep_form4 = &p->form4;
	t->sweep_form6 = &p->form6;
	t->classes = make_map(BPF_MAP_TYPE_ARRAY, 4, sizeof(struct wh_class), WH_MAX_CLASSES);
	t->reasons = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, WH_REASON_COUNT);
	t->clients = make_map(BPF_MAP_TYPE_HASH, 8, 4, ENTRIES);
	t->flows[WH_V4] = make_map(BPF_MAP_TYPE_HASH, 16, sizeof(struct wh_flow4), ENTRIES);
	t->flows[WH_V6] = make_map(BPF_MAP_TYPE_HASH, 40, sizeof(struct wh_flow6), ENTRIES);
	t->replies[WH_V4] = make_map(BPF_MAP_TYPE_HASH, 16, sizeof(struct wh_reply4), 8);
	t->replies[WH_V6] = make_map(BPF_MAP_TYPE_HASH, 40, sizeof(struct wh_reply6), 8);
	t->binds[WH_V4] = make_map(BPF_MAP_TYPE_HASH, 8, sizeof(struct wh_bind), 8);
	t->binds[WH_V6] = make_map(BPF_MAP_TYPE_HASH, 20, sizeof(struct wh_bind), 8);
	t->ports[WH_V4] = make_map(BPF_MAP_TYPE_HASH, 4, sizeof(struct wh_port4), 8);
	t->ports[WH_V6] = make_map(BPF_MAP_TYPE_HASH, 4, sizeof(struct wh_port6), 8);
	t->buckets = t->counters = -1;
	*state = p;
	return 0;
}

static inline int tear_down(void **state)
{
	struct place *p = *state;

	if (!p)
		return 0;
	close(p->tables.wans);
	close(p->tables.classes);
	close(p->tables.reasons);
	close(p->tables.clients);
	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		close(p->tables.flows[family]);
		close(p->tables.replies[family]);
		close(p->tables.binds[family]);
		close(p->tables.ports[family]);
	}
	free(p);
	return 0;
}

static inline struct place *place(void **state)
{
	if (!*state)
		skip();
	return *state;
}

static inline void put(int map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(map, key, value, BPF_ANY), 0);
}

#endif
