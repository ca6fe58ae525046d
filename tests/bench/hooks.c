/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hooks.c: nanoseconds a packet by hook, from BPF_PROG_TEST_RUN on the real programs and maps, which the harness of
 * tests/bpf sets up.  Each run is of one packet as it comes in (a second one would find what the first has made of
 * it); an empty program is run in turn with the others, and what it takes is not theirs.  A line "HOOK {json}" each
 * hook and round; lines "PROGRAM {json}" with the sizes of the programs.  Run by hooks.py.
 */
#include "../bpf/harness.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 30
#define RUNS 1000
#define EMPTY(verdict)                                                                                                 \
	{                                                                                                              \
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = (verdict)},                                 \
		{                                                                                                      \
			.code = BPF_JMP | BPF_EXIT                                                                     \
		}                                                                                                      \
	}

struct hook {
	const char *name;
	int fd;
	bool xdp, fresh; /* fresh: each packet opens a flow of an endpoint that has others */
	unsigned ifindex;
	uint32_t mark;
	int verdict;
	struct packet packet;
};

static int empty_fd(enum bpf_prog_type type)
{
	const struct bpf_insn insns[] = EMPTY(0);
	int fd = bpf_prog_load(type, "empty", "GPL", insns, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* Of one packet. */
static unsigned run_once(int fd, const struct hook *hook, bool judged)
{
	static unsigned char out[4096];
	struct __sk_buff skb = {.ifindex = hook->ifindex, .mark = hook->mark};
	struct xdp_md md = {.data_end = (__u32)hook->packet.len, .ingress_ifindex = hook->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = hook->packet.bytes, .data_size_in = (__u32)hook->packet.len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

	if (hook->xdp) {
		run.ctx_in = &md;
		run.ctx_size_in = sizeof(md);
	} else {
		run.ctx_in = &skb;
		run.ctx_size_in = sizeof(skb);
	}
	assert_int_equal(bpf_prog_test_run_opts(fd, &run), 0);
	if (judged && (int)run.retval != hook->verdict)
		fail_msg("%s: verdict %d, not %d", hook->name, (int)run.retval, hook->verdict);
	return run.duration;
}

static int ascending(const void *a, const void *b)
{
	return *(const unsigned *)a < *(const unsigned *)b ? -1 : *(const unsigned *)a > *(const unsigned *)b;
}

static unsigned median_ns(int fd, struct hook *hook, bool judged)
{
	static unsigned took_ns[RUNS];
	static uint16_t port = 1024; /* ROUNDS * RUNS and 1000 more are fewer than there are */

	for (unsigned i = 0; i < RUNS; i++) {
		if (hook->fresh && judged)
			hook->packet = lab_packet(IPPROTO_UDP, CLIENT_B, 5000, REMOTE_2, port++);
		took_ns[i] = run_once(fd, hook, judged);
	}
	qsort(took_ns, RUNS, sizeof(took_ns[0]), ascending);
	return took_ns[RUNS / 2];
}

static void measure(struct hook *hooks, unsigned n)
{
	int empty_tc = empty_fd(BPF_PROG_TYPE_SCHED_CLS), empty_xdp = empty_fd(BPF_PROG_TYPE_XDP);

	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < n; i++) {
			unsigned ns = median_ns(hooks[i].fd, &hooks[i], true);
			unsigned empty_ns = median_ns(hooks[i].xdp ? empty_xdp : empty_tc, &hooks[i], false);

			printf("HOOK {\"family\": %d, \"hook\": \"%s\", \"round\": %u, \"ns\": %u, \"empty_ns\": %u}\n",
			       lab.family == WH_V4 ? 4 : 6, hooks[i].name, round, ns, empty_ns);
		}
}

static void tell_program(const char *name, int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	printf("PROGRAM {\"family\": %d, \"program\": \"%s\", \"verified_insns\": %u, \"xlated_insns\": %zu, "
	       "\"jited_bytes\": %u}\n",
	       lab.family == WH_V4 ? 4 : 6, name, info.verified_insns, info.xlated_prog_len / sizeof(struct bpf_insn),
	       info.jited_prog_len);
}

static int tc(enum wh_hook hook)
{
	return wh_programs_fd(lab.programs, hook, lab.family, 14);
}

static void test_hooks(void **state)
{
	struct packet up = lab_packet(IPPROTO_UDP, CLIENT_A, 5000, REMOTE_1, 9000), ack = session_segment(0x10);
	struct packet sent, down, ack_down;
	unsigned lan = lab.lan_ifindex[0], wan = lab.wan_ifindex[0];
	int xdp = wh_programs_xdp(lab.programs, WH_V4);

	(void)state;
	send_out(&up, 0);
	sent = lab_from_lan(&up).packet;
	down = lab_answer(0, &sent, 0);
	session_open(0);
	ack_down = lab_from_lan(&ack).packet;
	ack_down = lab_answer(0, &ack_down, 0x10);

	struct hook hooks[] = {
		{"lan_in udp", tc(WH_HOOK_LAN_IN), false, false, lan, 0, TC_ACT_REDIRECT, up},
		{"lan_in tcp", tc(WH_HOOK_LAN_IN), false, false, lan, 0, TC_ACT_REDIRECT, ack},
		{"lan_in new udp flow", tc(WH_HOOK_LAN_IN), false, true, lan, 0, TC_ACT_REDIRECT, up},
		{"wan_in udp", tc(WH_HOOK_WAN_IN), false, false, wan, 0, TC_ACT_REDIRECT, down},
		{"wan_in tcp", tc(WH_HOOK_WAN_IN), false, false, wan, 0, TC_ACT_REDIRECT, ack_down},
		{"wan_out carried", tc(WH_HOOK_WAN_OUT), false, false, wan, LAB_MARK, TC_ACT_UNSPEC, sent},
		{"xdp up udp", xdp, true, false, lan, 0, XDP_REDIRECT, up},
		{"xdp up tcp", xdp, true, false, lan, 0, XDP_REDIRECT, ack},
		{"xdp down udp", xdp, true, false, wan, 0, XDP_REDIRECT, down},
		{"xdp down tcp", xdp, true, false, wan, 0, XDP_REDIRECT, ack_down},
	};
	unsigned n = sizeof(hooks) / sizeof(hooks[0]);

	measure(hooks, xdp < 0 ? n - 4 : n);
	tell_program("lan_in", tc(WH_HOOK_LAN_IN));
	tell_program("lan_out", tc(WH_HOOK_LAN_OUT));
	tell_program("wan_in", tc(WH_HOOK_WAN_IN));
	tell_program("wan_out", tc(WH_HOOK_WAN_OUT));
	tell_program("probe_in", tc(WH_HOOK_PROBE_IN));
	if (xdp >= 0)
		tell_program("xdp", wh_programs_xdp(lab.programs, lab.family));
}

static const struct CMUnitTest tests[] = {LAB_BOTH(test_hooks)};
LAB_MAIN(tests, 65536)
