/* SPDX-License-Identifier: GPL-2.0 */
/* lab_xdp.c: see lab_xdp.h. */
#include "lab_xdp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "kern/pins.h"

/* wh_xdp_out; its descriptor plus one, 0: the programs are not loaded. */
static int out_map;

static int sends_by(void)
{
	return out_map - 1;
}

/* --- the rows to send by ------------------------------------------------------------------------------------ */

static unsigned device_of(unsigned row)
{
	if (row < LAB_WANS)
		return lab.wan_ifindex[row];
	return row - WH_WIRE_LAN < LAB_LANS ? lab.lan_ifindex[row - WH_WIRE_LAN] : 0;
}

void lab_send_only_by(unsigned row)
{
	unsigned ifindex = device_of(row);

	for (unsigned i = 0; i < WH_WIRES; i++)
		bpf_map_delete_elem(sends_by(), &i);
	assert_int_equal(bpf_map_update_elem(sends_by(), &row, &ifindex, BPF_ANY), 0);
}

void lab_send_by_all(void)
{
	for (unsigned row = 0; row < WH_WIRES; row++) {
		unsigned ifindex = device_of(row);

		if (ifindex)
			assert_int_equal(bpf_map_update_elem(sends_by(), &row, &ifindex, BPF_ANY), 0);
	}
}

void lab_use_xdp(bool first)
{
	if (!out_map) {
		if (wh_programs_xdp(lab.programs, WH_V4) < 0)
			fail_msg("this kernel does not load the XDP programs");
		out_map = wh_pin_open(lab.bpf_dir, "wh_xdp_out") + 1;
		assert_true(out_map > 0);
		lab_send_by_all();
	}
	lab.xdp = first;
}

/* --- wires -------------------------------------------------------------------------------------------------- */

static void read_wires(struct wh_wires *out)
{
	assert_int_equal(bpf_map_lookup_elem(lab.t.wires, &(uint32_t){0}, out), 0);
}

static void write_wires(const struct wh_wires *wires)
{
	assert_int_equal(bpf_map_update_elem(lab.t.wires, &(uint32_t){0}, wires, BPF_ANY), 0);
}

struct wh_wire lab_wire(unsigned row)
{
	struct wh_wires wires;

	read_wires(&wires);
	return wires.row[row];
}

void lab_set_wire(unsigned row, const struct wh_wire *wire)
{
	struct wh_wires wires;

	read_wires(&wires);
	wires.row[row] = *wire;
	write_wires(&wires);
}

void lab_renew_neighbours(unsigned lan)
{
	struct wh_wire wire = lab_wire(LAB_ROW_LAN(lan));

	wire.neighbours++;
	lab_set_wire(LAB_ROW_LAN(lan), &wire);
}

void lab_describe_wires(void)
{
	struct wh_wires wires = {};

	for (unsigned i = 0; i < LAB_WANS; i++) {
		wires.row[i] = (struct wh_wire){.ifindex = lab.wan_ifindex[i], .sends = 1};
		memcpy(wires.row[i].mac, lab.wan[i].mac, sizeof(wires.row[i].mac));
	}
	for (unsigned i = 0; i < LAB_LANS; i++) {
		wires.row[LAB_ROW_LAN(i)] = (struct wh_wire){.ifindex = lab.lan_ifindex[i], .sends = 1};
		memcpy(wires.row[LAB_ROW_LAN(i)].mac, lab.lan[i].mac, sizeof(lab.lan[i].mac));
	}
	write_wires(&wires);
	if (out_map)
		lab_send_by_all();
}

/* --- frames ------------------------------------------------------------------------------------------------- */

int lab_xdp_frame(unsigned ifindex, const struct frame *in, uint8_t *out, size_t *len)
{
	struct xdp_md md = {.data_end = (__u32)(in->linear ? in->linear : in->len), .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->bytes, .data_size_in = (__u32)in->len, .data_out = out,
		    .data_size_out = (__u32)*len, .ctx_in = &md, .ctx_size_in = sizeof(md));
	int err = bpf_prog_test_run_opts(wh_programs_xdp(lab.programs, WH_V4), &run);

	if (err)
		return err;
	*len = run.data_size_out;
	return (int)run.retval;
}

int lab_xdp(unsigned ifindex, const struct packet *in, struct result *out)
{
	size_t len = sizeof(out->packet.bytes);
	int verdict = lab_xdp_frame(ifindex, &(struct frame){in->bytes, in->len, 0}, out->packet.bytes, &len);

	if (verdict < 0)
		return verdict;
	*out = (struct result){.verdict = VERDICT_DROP, .packet = out->packet};
	out->packet.len = len;
	out->packet.l2 = in->l2;
	if (verdict == XDP_PASS) {
		out->verdict = VERDICT_NEXT;
		return len == in->len && !memcmp(out->packet.bytes, in->bytes, len) ? 0 : -EILSEQ;
	}
	if (verdict == XDP_REDIRECT) { /* as tc has it */
		out->verdict = VERDICT_REDIRECT;
		out->mark = LAB_MARK;
		__atomic_add_fetch(&lab.by_xdp, 1, __ATOMIC_RELAXED);
	}
	return 0;
}
