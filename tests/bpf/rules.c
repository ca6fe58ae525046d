/* SPDX-License-Identifier: GPL-2.0 */
/* rules.c: see rules.h. */
#include "rules.h"

#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

struct wh_config rules_config;
struct wh_rule_set rules_set;
struct wh_rule_numbers rules_numbers = {.class_of = {3, 1, 4, 2, 0}, .lan_of = {0, 1}};

void rules_compile(void)
{
	char error[128];

	assert_int_equal(wh_rules_compile(&rules_config, &rules_numbers, &rules_set, error, sizeof(error)), 0);
}

bool rules_store(void)
{
	bool stored;

	rules_compile();
	assert_int_equal(wh_rule_tables_store(&lab.t, &rules_set, NULL, 0, &stored), 0);
	return stored;
}

uint32_t rules_generation(void)
{
	return lab.t.steer_rows[WH_STEER_GLOBAL].policy;
}

static void fill_table(struct wh_bucket_table *table, uint8_t wans)
{
	uint32_t order = 0;

	for (unsigned wan = LAB_WANS; wan-- > 0;) {
		if (wans & (1U << wan))
			order = order << WH_ORDER_BITS | (wan + 1);
	}
	for (unsigned i = 0; i < WH_BUCKETS; i++)
		table->order[i] = order;
}

void rules_set_classes(const uint8_t wans[RULES_CLASSES])
{
	_cleanup_close_ int tables = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_buckets", sizeof(uint32_t),
						    sizeof(struct wh_bucket_table), WH_MAX_CLASSES, NULL);
	static struct wh_bucket_table table;
	uint32_t zero = 0;

	assert_true(tables >= 0);
	for (uint32_t class = 0; class < RULES_CLASSES; class += 1) {
		union wh_masks masks = {
			.keep4 = wans[class], .fresh4 = wans[class], .keep6 = wans[class], .fresh6 = wans[class]};
		struct wh_class row = {.affinity = WH_AFFINITY_FLOW, .on_none = WH_NONE_REJECT, .allowed = 0xff};

		snprintf(row.name, sizeof(row.name), "class%u", class);
		fill_table(&table, wans[class]);
		assert_int_equal(bpf_map_update_elem(lab.t.classes, &class, &row, BPF_ANY), 0);
		assert_int_equal(bpf_map_update_elem(tables, &class, &table, BPF_ANY), 0);
		lab.t.steer_rows[class].masks.word = masks.word;
	}
	assert_int_equal(bpf_map_update_elem(lab.t.buckets, &zero, &tables, BPF_ANY), 0);
}

struct wh_conf_match *rules_add_line(void)
{
	struct wh_conf_match *m = &rules_config.matches[rules_config.n_matches++];

	m->in_any = m->proto_any = true;
	return m;
}

int rules_reset(void **state)
{
	static const uint8_t both[RULES_CLASSES] = {3, 3, 3, 3, 3};
	uint32_t zero = 0;
	int err = lab_reset(state);

	rules_set_classes(both);
	memset(&rules_config, 0, sizeof(rules_config));
	memset(rules_numbers.vlan_of, 0, sizeof(rules_numbers.vlan_of));
	rules_config.n_classes = RULES_CLASSES;
	rules_config.n_lans = RULES_LANS;
	bpf_map_delete_elem(lab.t.rules, &zero);
	return err;
}
