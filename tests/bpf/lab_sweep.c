/* SPDX-License-Identifier: GPL-2.0 */
/* lab_sweep.c: what harness.h says of running the sweep. */
#include "harness.h"

#include <string.h>

struct wh_sweep *lab_form(void)
{
	return lab.family == WH_V4 ? (struct wh_sweep *)lab.t.sweep_form4 : (struct wh_sweep *)lab.t.sweep_form6;
}

void lab_set_timers(uint64_t ns)
{
	for (unsigned i = 0; i < WH_TIMER_COUNT; i++)
		lab.t.sweep_form4->timers_ns[i] = lab.t.sweep_form6->timers_ns[i] = ns;
}

/* Up to a slice of the map's keys, one after the other, into the form. How many. */
static uint32_t copy_keys(int map, void *keys, size_t key_len)
{
	uint8_t *last = NULL, *next = keys;
	uint32_t n = 0;

	for (; n < WH_SWEEP_SLICE && !bpf_map_get_next_key(map, last, next); n++) {
		last = next;
		next += key_len;
	}
	return n;
}

static void order(struct wh_sweep *form, enum wh_sweep_task task, unsigned wan)
{
	form->task = task;
	form->wan = wan;
	form->born_s = UINT32_MAX;
	form->dying = form->deleted = form->freed = form->reset = 0;
	memset(form->done, 0, sizeof(form->done));
}

static void run_sweep(void)
{
	struct wh_sweep4 *v4 = lab.t.sweep_form4;
	struct wh_sweep6 *v6 = lab.t.sweep_form6;

	v4->flows = copy_keys(lab.t.flows[WH_V4], v4->flow, sizeof(v4->flow[0]));
	v6->flows = copy_keys(lab.t.flows[WH_V6], v6->flow, sizeof(v6->flow[0]));
	v4->ports = copy_keys(lab.t.ports[WH_V4], v4->port, sizeof(v4->port[0]));
	v6->ports = copy_keys(lab.t.ports[WH_V6], v6->port, sizeof(v6->port[0]));
	assert_int_equal(wh_programs_sweep(lab.programs, WH_V4), 0);
	assert_int_equal(wh_programs_sweep(lab.programs, WH_V6), 0);
}

void lab_sweep(enum wh_sweep_task task, unsigned wan)
{
	order((struct wh_sweep *)lab.t.sweep_form4, task, wan);
	order((struct wh_sweep *)lab.t.sweep_form6, task, wan);
	run_sweep();
}

void lab_sweep_older(unsigned wan, unsigned seconds)
{
	order((struct wh_sweep *)lab.t.sweep_form4, WH_SWEEP_RESET, wan);
	order((struct wh_sweep *)lab.t.sweep_form6, WH_SWEEP_RESET, wan);
	lab.t.sweep_form4->born_s = lab.t.sweep_form6->born_s = lab_born_before(seconds);
	run_sweep();
}
