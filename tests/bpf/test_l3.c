/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_l3.c: devices whose packets begin with the IP header (ppp, wwan, WireGuard), as LAN, as WAN, and as both.
 *
 * The kernel's test run knows only Ethernet: it takes the first bytes for the address of the device, or else the packet
 * for another host's, and the 13th and 14th for the type of what follows.  So here devices get such an address, senders
 * have addresses in which those bytes are just that, and an IPv4 header has options, for no device may have an address
 * that begins with 0x45.  What grows such a packet (answers of our own) goes by the kernel's idea of it, so that cannot be
 * seen here.
 */
#include "harness.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/cleanup.h"

#define LAN 1
#define WAN 1

static address sender(enum wh_family family, unsigned n)
{
	return (family == WH_V4 ? (address)IP(8, 0, 1, 1) : IP6(0x2001, 0xdb8, 0x86dd, 0, 0, 0, 0, 1)) + n;
}

static void without_ethernet(bool lan, bool wan)
{
	struct wh_device lan_device = {.role = WH_ROLE_LAN, .number = LAN, .l2_len = lan ? 0 : PACKET_L2};
	struct wh_device wan_device = {.role = WH_ROLE_WAN, .number = WAN, .l2_len = wan ? 0 : PACKET_L2};
	struct wh_lan lan_row = lab.lan[LAN];
	struct wh_wan wan_row = lab.wan[WAN];

	lan_row.l2_len = lan_device.l2_len;
	wan_row.l2_len = wan_device.l2_len;
	assert_int_equal(bpf_map_update_elem(lab.t.lans, &(uint32_t){LAN}, &lan_row, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(lab.t.devices, &lan_row.ifindex, &lan_device, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(lab.t.devices, &wan_row.ifindex, &wan_device, BPF_ANY), 0);
	lab_set_wan(WAN, &wan_row);
	lab_set_order((const int[]){WAN, -1});
}

static struct result run_as_host(enum wh_hook hook, const char *name, unsigned ifindex, const struct packet *p)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	memcpy(request.ifr_hwaddr.sa_data, p->bytes, 6);
	assert_int_equal(ioctl(fd, SIOCSIFHWADDR, &request), 0);
	return lab_run(hook, &(struct lab_context){.ifindex = ifindex}, p);
}

static struct result from_lan(const struct packet *p)
{
	return run_as_host(WH_HOOK_LAN_IN, lab.lan[LAN].device, lab.lan_ifindex[LAN], p);
}

static struct result from_wan(const struct packet *p)
{
	return run_as_host(WH_HOOK_WAN_IN, lab.wan[WAN].device, lab.wan_ifindex[WAN], p);
}

/* The IP packet is the same; what stands before it is the kernel's to write or to cut off. */
static void expect_ip(const struct result *r, const struct packet *want, bool from_l3, bool to_l3)
{
	struct packet got = r->packet;

	got.l2 = from_l3 && to_l3 ? 0 : PACKET_L2;
	assert_int_equal(r->verdict, VERDICT_REDIRECT);
	assert_int_equal(r->mark & LAB_MARK_MASK, LAB_MARK);
	assert_int_equal(got.len - got.l2, want->len - want->l2);
	assert_memory_equal(got.bytes + got.l2, want->bytes + want->l2, want->len - want->l2);
	if (!to_l3)
		assert_int_equal(packet_get16(&got, 12), packet_is_v6(want) ? 0x86dd : 0x0800);
}

static struct packet on_link(struct spec s, bool l3, const uint8_t *src_mac, const uint8_t *dst_mac)
{
	s.no_l2 = l3;
	s.ihl = 6;
	s.src_mac = src_mac;
	s.dst_mac = dst_mac;
	return packet_make(&s);
}

static void out_and_back(enum wh_family family, uint8_t proto, bool lan_l3, bool wan_l3)
{
	struct spec s = {.t = {sender(family, 0), sender(family, 100), 5000, 53, proto}, .payload = 60};
	struct packet p = on_link(s, lan_l3, mac_a, lab.lan[LAN].mac), want;
	struct result r = from_lan(&p);
	struct packet got = r.packet;
	uint16_t port;

	got.l2 = lan_l3 && wan_l3 ? 0 : PACKET_L2;
	port = packet_tuple(&got).sport;
	want = packet_translated(&p, lab_external(WAN, &p), port);
	expect_ip(&r, &want, lan_l3, wan_l3);
	s.t = (struct tuple){sender(family, 100), lab_external(WAN, &p), 53, port, proto};
	s.tcp_flags = TCP_SYN | TCP_ACK;
	s.reply = true;
	if (proto == PROTO_ICMP)
		s.t.sport = port;
	p = on_link(s, wan_l3, mac_isp, lab.wan[WAN].mac);
	want = packet_delivered(&p, sender(family, 0), 5000, NULL, NULL);
	r = from_wan(&p);
	expect_ip(&r, &want, wan_l3, lan_l3);
	if (lan_l3)
		return;
	assert_memory_equal(r.packet.bytes, mac_a, 6);
	assert_memory_equal(r.packet.bytes + 6, lab.lan[LAN].mac, 6);
}

static void each_protocol(bool lan_l3, bool wan_l3)
{
	static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

	without_ethernet(lan_l3, wan_l3);
	for (unsigned i = 0; i < 6; i++)
		out_and_back(i % 2, protos[i / 2], lan_l3, wan_l3);
	lab_expect_consistent();
}

static void test_lan(void **state)
{
	(void)state;
	each_protocol(true, false);
}

static void test_wan(void **state)
{
	(void)state;
	each_protocol(false, true);
}

static void test_both(void **state)
{
	(void)state;
	each_protocol(true, true);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_lan),
	LAB_TEST(test_wan),
	LAB_TEST(test_both),
};

LAB_MAIN(tests, 4096)
