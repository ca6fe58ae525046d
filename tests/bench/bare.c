/* SPDX-License-Identifier: GPL-2.0 */
/* bare.c: see traffic.h: puts a program of bare.bpf.c on the router's device. */
#include "traffic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "tests/bench/bare.skel.h"

static struct bare_bpf *skel;
static unsigned on_tc, on_xdp; /* the devices that it stands on, or 0 */

static void detach(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)on_tc, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (on_tc)
		check(!bpf_tc_hook_destroy(&hook), "clsact");
	if (on_xdp)
		check(!bpf_xdp_detach((int)on_xdp, XDP_FLAGS_DRV_MODE, NULL), "XDP");
	on_tc = on_xdp = 0;
}

static void attach_tc(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(skel->progs.redirect_tc));
	int err = bpf_tc_hook_create(&hook);

	check(!err || err == -EEXIST, "clsact");
	check(!bpf_tc_attach(&hook, &opts), "the bare program on tc");
	on_tc = ifindex;
}

static void attach_xdp(unsigned ifindex, const struct bpf_program *program)
{
	check(!bpf_xdp_attach((int)ifindex, bpf_program__fd(program), XDP_FLAGS_DRV_MODE, NULL),
	      "the bare program on XDP");
	on_xdp = ifindex;
}

void bare_attach(const char *what, bool down)
{
	const struct device *from = down ? &lab.wan[0] : &lab.lan0, *to = down ? &lab.lan0 : &lab.wan[0];

	if (!skel)
		skel = bare_bpf__open_and_load();
	check(skel != NULL, "bare.bpf.c");
	enter(PART_ROUTER);
	detach();
	skel->bss->to_ifindex = to->ifindex;
	memcpy(skel->bss->macs, down ? lab.lan.mac : lab.isp[0].mac, ETH_ALEN);
	memcpy(skel->bss->macs + ETH_ALEN, to->mac, ETH_ALEN);
	if (!strcmp(what, "tc"))
		attach_tc(from->ifindex);
	else if (!strcmp(what, "xdp"))
		attach_xdp(from->ifindex, skel->progs.redirect_xdp);
	else if (!strcmp(what, "drop"))
		attach_xdp(from->ifindex, skel->progs.drop_xdp);
}

uint64_t bare_dropped(void)
{
	return skel ? *(volatile __u64 *)&skel->bss->dropped : 0;
}
