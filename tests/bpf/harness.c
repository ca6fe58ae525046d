/* SPDX-License-Identifier: GPL-2.0 */
/* harness.c: see harness.h: setting up, feeding packets.  What judges them is in expect.c, the tables in lab_tables.c. */
#include "harness.h"
#include "lab_xdp.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

const uint8_t mac_a[6] = {0x02, 0xaa, 0, 0, 0, 0x0a};
const uint8_t mac_b[6] = {0x02, 0xaa, 0, 0, 0, 0x0b};
const uint8_t mac_isp[6] = {0x02, 0xee, 0, 0, 0, 0x01};

struct lab lab;

/* --- setting up -------------------------------------------------------------------------------------------- */

static const char *const device_names[] = {"lan0", "lan1", "wan0", "wan1", "wan2",  "wan3",
					   "wan4", "wan5", "wan6", "wan7", "probe", "spare"};
#define DEVICES (sizeof(device_names) / sizeof(device_names[0]))

/* The programs only ask for a device's number and address; that two of ours are joined to each other is no matter. */
static int make_devices(void)
{
	char command[160];

	for (size_t i = 0; i < DEVICES; i += 2) {
		snprintf(command, sizeof(command), "ip link add %s type veth peer name %s", device_names[i],
			 device_names[i + 1]);
		if (system(command))
			return -EIO;
	}
	return 0;
}

static unsigned device(const char *name, uint8_t mac[6])
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		return 0;
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	return if_nametoindex(name);
}

static void describe_lan(struct wh_lan *lan, unsigned n)
{
	lab_put6(&lan->addr6_be, ROUTER6_LAN0 + ((address)n << 64));
	lan->addr4_be = htobe32(ROUTER_LAN0 + (n << 8));
	lan->mtu = 1500;
	lan->l2_len = PACKET_L2;
}

static void describe_addresses(struct wh_wan *wan, unsigned i)
{
	address prefix = lab_prefix(i).addr;

	wan->v4 = (struct wh_wan4){.addr_be = htobe32(IP(198, 51, 100 + i, 2)),
				   .gateway_be = htobe32(IP(198, 51, 100 + i, 1)),
				   .flags = WH_WAN_MASQUERADE | WH_WAN_GATEWAY | WH_WAN_GATEWAY_MAC,
				   .state = WH_WAN_UP};
	wan->v6 = (struct wh_wan6){.flags = WH_WAN_MASQUERADE | WH_WAN_GATEWAY | WH_WAN_GATEWAY_MAC,
				   .state = WH_WAN_UP,
				   .prefix_len = (uint8_t)lab_prefix(i).len,
				   .inside_len = INSIDE6_LEN};
	memcpy(wan->v4.gateway_mac, mac_isp, 6);
	memcpy(wan->v6.gateway_mac, mac_isp, 6);
	wan->v4.gateway_mac[5] = wan->v6.gateway_mac[5] = (uint8_t)(i + 1);
	lab_put6(&wan->v6.addr_be, prefix + 2);
	lab_put6(&wan->v6.gateway_be, IP6(0xfe80, 0, 0, 0, 0, 0, 0, 1 + i));
	lab_put6(&wan->v6.prefix_be, prefix);
	lab_put6(&wan->v6.inside_be, INSIDE6);
}

static void describe_wan(struct wh_wan *wan, unsigned i)
{
	snprintf(wan->name, sizeof(wan->name), "uplink%u", i);
	snprintf(wan->device, sizeof(wan->device), "wan%u", i);
	wan->ifindex = lab.wan_ifindex[i] = device(wan->device, wan->mac);
	wan->flags = WH_WAN_CONFIGURED;
	wan->mtu = 1500;
	wan->l2_len = PACKET_L2;
	wan->port_first = LAB_PORT_FIRST;
	wan->port_last = LAB_PORT_LAST;
	wan->weight = 1;
	describe_addresses(wan, i);
}

static void describe_devices(void)
{
	for (unsigned i = 0; i < LAB_LANS; i++) {
		snprintf(lab.lan[i].device, sizeof(lab.lan[i].device), "%s", device_names[i]);
		lab.lan[i].ifindex = lab.lan_ifindex[i] = device(device_names[i], lab.lan[i].mac);
		describe_lan(&lab.lan[i], i);
	}
	for (unsigned i = 0; i < LAB_WANS; i++)
		describe_wan(&lab.wan[i], i);
	snprintf(lab.prober.device, sizeof(lab.prober.device), "probe");
	lab.prober.ifindex = lab.prober_ifindex = device("probe", lab.prober.mac);
	lab.prober.mtu = 1500;
	lab.prober.l2_len = PACKET_L2;
	lab.spare.ifindex = device("spare", lab.spare.mac);
}

/* Our own namespaces: nothing outside sees devices, pins or mounts, and nothing is left behind. */
static int enter_namespaces(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL))
		return -errno;
	return make_devices();
}

static int lab_start(uint32_t max_flows)
{
	struct wh_load_options options = {.bpf_dir = lab.bpf_dir,
					  .owner = "data-plane tests",
					  .max_flows = max_flows,
					  .mark = LAB_MARK,
					  .mark_mask = LAB_MARK_MASK};
	char error[256] = "";
	bool adopted = false;
	int err = enter_namespaces();

	if (err) {
		fprintf(stderr, "cannot set up namespaces and devices: %s\n", strerror(-err));
		return err;
	}
	describe_devices();
	lab.max_flows = max_flows;
	snprintf(lab.bpf_dir, sizeof(lab.bpf_dir), "/sys/fs/bpf/whtest-%d", (int)getpid());
	err = wh_programs_load(&lab.programs, &options, &adopted, error, sizeof(error));
	if (!err)
		err = wh_tables_open(&lab.t, lab.bpf_dir);
	if (err)
		fprintf(stderr, "cannot load the programs: %s: %s\n", strerror(-err), error);
	return err;
}

static void skip_test(void **state)
{
	(void)state;
	skip();
}

/* Without root: each test is there, and says that it did not run. */
static int skip_all(const char *name, const struct CMUnitTest *tests, size_t count)
{
	_cleanup_free_ struct CMUnitTest *skipped = calloc(count, sizeof(*skipped));

	if (!skipped)
		return 1;
	printf("SKIP: %s needs root to load BPF programs\n", name);
	for (size_t i = 0; i < count; i++)
		skipped[i] = (struct CMUnitTest){.name = tests[i].name, .test_func = skip_test};
	return _cmocka_run_group_tests(name, skipped, count, NULL, NULL);
}

int lab_main(const char *name, const struct CMUnitTest *tests, size_t count, uint32_t max_flows)
{
	int failed;

	if (geteuid())
		return skip_all(name, tests, count);
	if (lab_start(max_flows))
		return 1;
	failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	if (lab.by_xdp)
		printf("%u packets were carried by XDP\n", lab.by_xdp);
	wh_tables_close(&lab.t);
	wh_programs_close(lab.programs);
	wh_unload(lab.bpf_dir);
	return failed ? 1 : 0;
}

/* --- feeding packets --------------------------------------------------------------------------------------- */

/* Programs are made for one family and kind of device each; the kernel picks them by what a packet says it is. */
static int program_for(enum wh_hook hook, const struct packet *in)
{
	bool v6 = in->l2 ? packet_get16(in, 12) == 0x86dd : packet_is_v6(in);

	return wh_programs_fd(lab.programs, hook, v6 ? WH_V6 : WH_V4, (unsigned)in->l2);
}

/* Whether the packet meets our XDP program before it meets the hook. */
static bool meets_xdp(enum wh_hook hook, const struct lab_context *context, const struct packet *in)
{
	return lab.xdp && (hook == WH_HOOK_LAN_IN || hook == WH_HOOK_WAN_IN) && in->l2 && !context->mark &&
	       !context->gso_size && !context->cb[0] && !context->cb[1];
}

int lab_try(enum wh_hook hook, const struct lab_context *context, const struct packet *in, struct result *out)
{
	struct __sk_buff after = {}, skb = {.ifindex = context->ifindex,
					    .ingress_ifindex = context->ingress_ifindex,
					    .mark = context->mark,
					    .gso_size = context->gso_size,
					    .cb = {context->cb[0], context->cb[1]}};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->bytes, .data_size_in = (__u32)in->len,
		    .data_out = out->packet.bytes, .data_size_out = sizeof(out->packet.bytes), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .ctx_out = &after, .ctx_size_out = sizeof(after));
	int err;

	if (meets_xdp(hook, context, in)) {
		err = lab_xdp(context->ifindex, in, out);
		if (err || out->verdict != VERDICT_NEXT)
			return err;
	}
	err = bpf_prog_test_run_opts(program_for(hook, in), &run);
	if (err)
		return err;
	out->verdict = (int)run.retval;
	out->mark = after.mark;
	out->cb[0] = after.cb[0];
	out->cb[1] = after.cb[1];
	out->tstamp = after.tstamp;
	out->packet.len = run.data_size_out;
	out->packet.l2 = in->l2;
	return 0;
}

struct result lab_run(enum wh_hook hook, const struct lab_context *context, const struct packet *in)
{
	struct result r = {};
	int err = lab_try(hook, context, in, &r);

	if (err)
		fail_msg("the kernel does not run hook %d on %zu bytes: %s", hook, in->len, strerror(-err));
	return r;
}

struct result lab_from_lan(const struct packet *in)
{
	return lab_run(WH_HOOK_LAN_IN, &(struct lab_context){.ifindex = lab.lan_ifindex[0]}, in);
}

struct result lab_from_wan(unsigned wan, const struct packet *in)
{
	return lab_run(WH_HOOK_WAN_IN, &(struct lab_context){.ifindex = lab.wan_ifindex[wan]}, in);
}

struct result lab_to_wan(unsigned wan, const struct packet *in)
{
	struct lab_context context = {.ifindex = lab.wan_ifindex[wan], .ingress_ifindex = lab.lan_ifindex[0]};

	return lab_run(WH_HOOK_WAN_OUT, &context, in);
}

struct result lab_to_lan(const struct packet *in)
{
	struct lab_context context = {.ifindex = lab.lan_ifindex[0], .ingress_ifindex = lab.wan_ifindex[0]};

	return lab_run(WH_HOOK_LAN_OUT, &context, in);
}

struct packet lab_forwarded(const struct packet *in, unsigned device)
{
	struct layout at = packet_layout(in);
	struct change hop = {.side = SOURCE, .addr = packet_address(in, &at, SOURCE)};
	struct packet p = packet_changed(in, &hop);

	return lab_leaving(device, &p);
}

struct result lab_by_kernel(const struct packet *in, unsigned device)
{
	struct lab_context context = {.ifindex = lab.wan_ifindex[device], .ingress_ifindex = lab.lan_ifindex[0]};
	struct packet out = lab_forwarded(in, device);
	struct result r = lab_from_lan(in);

	assert_int_equal(r.verdict, VERDICT_NEXT);
	expect_packet(&r.packet, in);
	context.mark = r.mark;
	return lab_run(WH_HOOK_WAN_OUT, &context, &out);
}

struct result lab_from_prober(const struct packet *in)
{
	return lab_run(WH_HOOK_PROBE_IN, &(struct lab_context){.ifindex = lab.prober_ifindex}, in);
}

void lab_await_tick(uint64_t from_ns)
{
	while (wh_now_ns() < from_ns + 2 * WH_SIGNAL_LATE_NS)
		;
}

struct packet client_packet(struct spec s)
{
	s.src_mac = s.src_mac ? s.src_mac : mac_a;
	s.dst_mac = s.dst_mac ? s.dst_mac : lab.lan[0].mac;
	return packet_make(&s);
}

struct packet remote_packet(unsigned wan, struct spec s)
{
	s.src_mac = s.src_mac ? s.src_mac : mac_isp;
	s.dst_mac = s.dst_mac ? s.dst_mac : lab.wan[wan].mac;
	return packet_make(&s);
}

struct packet lab_leaving(unsigned wan, const struct packet *p)
{
	const struct wh_wan *row = &lab.wan[wan];

	return packet_framed(p, row->mac, packet_is_v6(p) ? row->v6.gateway_mac : row->v4.gateway_mac);
}

struct packet lab_answer(unsigned wan, const struct packet *sent, uint8_t tcp_flags)
{
	struct packet answer = packet_answer(sent, tcp_flags);

	memcpy(answer.bytes, lab.wan[wan].mac, 6);
	memcpy(answer.bytes + 6, mac_isp, 6);
	return answer;
}

struct packet lab_packet(uint8_t proto, address src, uint16_t sport, address dst, uint16_t dport)
{
	return client_packet((struct spec){.t = {src, dst, sport, dport, proto}, .payload = 40, .seq = 1000});
}

struct packet lab_segment(address src, uint16_t sport, address dst, uint16_t dport, uint8_t tcp_flags)
{
	return client_packet((struct spec){.t = {src, dst, sport, dport, PROTO_TCP},
					   .payload = tcp_flags & TCP_PSH ? 40 : 0,
					   .seq = 1000,
					   .ack = tcp_flags & TCP_ACK ? 0x81234567 : 0,
					   .tcp_flags = tcp_flags});
}

address lab_client(enum wh_family family, unsigned n)
{
	return (family == WH_V4 ? (address)IP(192, 168, 1, 10) : IP6(0xfd00, 1, 0, 1, 0, 0, 0, 0x10)) + n;
}

address lab_remote(enum wh_family family, unsigned n)
{
	return (family == WH_V4 ? (address)IP(20, 1, 1, 1) : IP6(0x2001, 0xdb8, 0xf1, 0, 0, 0, 0, 1)) + n;
}
