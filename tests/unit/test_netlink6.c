/* SPDX-License-Identifier: GPL-2.0 */
/* test_netlink6.c: the netlink picture of IPv6 addresses and neighbours, and of kinds of devices. */
#include "netlink_fixture.h"

#include <linux/if_arp.h>
#include <linux/if_vlan.h>

/* --- kinds of devices ------------------------------------------------------------------------------------- */

/* `put_more` adds attributes; NULL: there are no others. */
static struct wh_link link_with(uint16_t type, unsigned flags, void (*put_more)(struct nlmsghdr *nlh))
{
	char buf[256] __attribute__((aligned(8))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct wh_picture picture = {};
	struct ifinfomsg *info;
	struct wh_link link;
	bool stale;

	nlh->nlmsg_type = RTM_NEWLINK;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = 7;
	info->ifi_type = type;
	info->ifi_flags = flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "device7");
	mnl_attr_put(nlh, IFLA_ADDRESS, ETH_ALEN, "\x02\0\0\0\0\7");
	if (put_more)
		put_more(nlh);
	assert_int_equal(wh_picture_take(&picture, nlh, false, &stale), 1);
	link = ((struct wh_picture_link *)picture.links.items)->link;
	wh_picture_free(&picture);
	return link;
}

static struct wh_link link_of_kind(uint16_t type, unsigned flags)
{
	return link_with(type, flags, NULL);
}

static void put_info(struct nlmsghdr *nlh, const char *kind, bool with_number, uint32_t flags)
{
	struct ifla_vlan_flags vlan_flags = {.flags = flags, .mask = ~0U};
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(ETH_P_8021Q));
	if (with_number)
		mnl_attr_put_u16(nlh, IFLA_VLAN_ID, 20);
	mnl_attr_put(nlh, IFLA_VLAN_FLAGS, sizeof(vlan_flags), &vlan_flags);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

static void put_vlan(struct nlmsghdr *nlh)
{
	put_info(nlh, "vlan", true, VLAN_FLAG_REORDER_HDR);
}

static void put_vlan_without_number(struct nlmsghdr *nlh)
{
	put_info(nlh, "vlan", false, VLAN_FLAG_REORDER_HDR);
}

static void put_vlan_with_tags_left(struct nlmsghdr *nlh)
{
	put_info(nlh, "vlan", true, VLAN_FLAG_GVRP);
}

/* The same attributes mean something else there. */
static void put_bridge(struct nlmsghdr *nlh)
{
	put_info(nlh, "bridge", true, 0);
}

static void test_vlans(void **state)
{
	(void)state;
	assert_int_equal(link_with(ARPHRD_ETHER, IFF_BROADCAST, put_vlan).vlan, 20);
	assert_int_equal(link_with(ARPHRD_ETHER, IFF_BROADCAST, put_vlan_without_number).vlan, 0);
	assert_int_equal(link_with(ARPHRD_ETHER, IFF_BROADCAST, put_bridge).vlan, 0);
	assert_int_equal(link_of_kind(ARPHRD_ETHER, IFF_BROADCAST).vlan, 0);
	assert_true(link_with(ARPHRD_ETHER, IFF_BROADCAST, put_vlan).steerable);
	assert_true(link_with(ARPHRD_ETHER, IFF_BROADCAST, put_bridge).steerable);
	assert_false(link_with(ARPHRD_ETHER, IFF_BROADCAST, put_vlan_with_tags_left).steerable);
}

static void test_kinds(void **state)
{
	static const uint16_t bare[] = {ARPHRD_NONE,   ARPHRD_PPP,     ARPHRD_RAWIP,
					ARPHRD_TUNNEL, ARPHRD_TUNNEL6, ARPHRD_SIT};

	(void)state;
	assert_true(link_of_kind(ARPHRD_ETHER, IFF_BROADCAST).steerable);
	assert_true(link_of_kind(ARPHRD_ETHER, IFF_BROADCAST).has_mac);
	assert_int_equal(link_of_kind(ARPHRD_ETHER, IFF_BROADCAST).l2_len, 14);
	for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
		assert_true(link_of_kind(bare[i], IFF_POINTOPOINT).steerable);
		assert_false(link_of_kind(bare[i], IFF_POINTOPOINT).has_mac);
		assert_int_equal(link_of_kind(bare[i], IFF_POINTOPOINT).l2_len, 0);
	}
	assert_true(link_of_kind(ARPHRD_IPGRE, IFF_POINTOPOINT).steerable);
	assert_int_equal(link_of_kind(ARPHRD_IPGRE, IFF_POINTOPOINT).l2_len, 0);
	assert_false(link_of_kind(ARPHRD_IPGRE, 0).steerable);
	assert_false(link_of_kind(ARPHRD_IPGRE, IFF_POINTOPOINT | IFF_BROADCAST).steerable);
	assert_false(link_of_kind(ARPHRD_INFINIBAND, IFF_BROADCAST).steerable);
	assert_false(link_of("lo")->steerable);
	assert_true(link_of("wan1")->steerable);
	assert_int_equal(link_of("wan1")->l2_len, 14);
}

static void test_tun(void **state)
{
	struct in6_addr gateway;
	unsigned ifindex;

	(void)state;
	run("ip tuntap add tun9 mode tun && ip link set tun9 up && ip addr add 2001:db8:9::1/128 dev tun9 nodad");
	run("ip -6 route add default dev tun9");
	WAIT_FOR(wh_netlink_link(nl, "tun9") && is(addr6_of("tun9"), "2001:db8:9::1"));
	assert_true(link_of("tun9")->steerable && link_of("tun9")->point_to_point);
	assert_int_equal(link_of("tun9")->l2_len, 0);
	WAIT_FOR(!wh_netlink_default(nl, WH_V6, &ifindex, &gateway));
	assert_int_equal(ifindex, index_of("tun9"));
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&gateway));
	assert_string_equal(gateway6_of("tun9"), "none");
}

/* --- addresses -------------------------------------------------------------------------------------------- */

static void dump_again(void)
{
	nl->stale = true;
	assert_int_equal(wh_netlink_read(nl), 0);
	WAIT_FOR(!nl->stale);
}

static int prefix_len_of(const char *name, const char *addr)
{
	return wh_netlink_prefix_len6(nl, index_of(name), addr6(addr));
}

static void test_address_order(void **state)
{
	(void)state;
	assert_string_equal(addr6_of("wan1"), "none");
	run("ip addr add 2001:db8:1::1/64 dev wan1 nodad && ip addr add 2001:db8:2::1/56 dev wan1 nodad");
	run("ip addr add fe80::1/64 dev wan1 nodad && ip addr add 2001:db8:3::1/128 dev wan2 nodad");
	WAIT_FOR(has_addr6("wan2", "2001:db8:3::1"));
	assert_string_equal(addr6_of("wan1"), "2001:db8:2::1"); /* the newest, as the kernel has it */
	dump_again();
	assert_string_equal(addr6_of("wan1"), "2001:db8:2::1");
	assert_string_equal(addr_of("wan1"), "none");
	assert_true(has_addr6("wan1", "2001:db8:1::1"));
	assert_false(has_addr6("wan2", "2001:db8:1::1"));
	assert_int_equal(prefix_len_of("wan1", "2001:db8:1::1"), 64);
	assert_int_equal(prefix_len_of("wan1", "2001:db8:2::1"), 56);
	assert_int_equal(prefix_len_of("wan2", "2001:db8:3::1"), 128);
	assert_int_equal(prefix_len_of("wan2", "2001:db8:1::1"), -ENOENT);
	run("ip addr del 2001:db8:2::1/56 dev wan1");
	WAIT_FOR(is(addr6_of("wan1"), "2001:db8:1::1"));
	run("ip addr del 2001:db8:1::1/64 dev wan1");
	WAIT_FOR(is(addr6_of("wan1"), "none"));
}

static void test_linklocal(void **state)
{
	struct in6_addr addr = in6addr_any;

	(void)state;
	run("ip addr add 2001:db8::1/64 dev wan1 nodad && ip addr add 192.0.2.1/24 dev wan1 scope link");
	WAIT_FOR(has_addr6("wan1", "2001:db8::1"));
	assert_int_equal(wh_netlink_linklocal6(nl, index_of("wan1"), &addr), -ENOENT);
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&addr));
	run("ip addr add fe80::5/64 dev wan1 nodad");
	WAIT_FOR(!wh_netlink_linklocal6(nl, index_of("wan1"), &addr));
	assert_string_equal(text_of(0, AF_INET6, &addr), "fe80::5");
	assert_string_equal(addr6_of("wan1"), "2001:db8::1");
}

static void test_tentative(void **state)
{
	(void)state;
	/* Without carrier duplicate address detection does not even begin. */
	run("ip link set far1 down && ip addr add 2001:db8::1/64 dev wan1");
	WAIT_FOR(!link_of("wan1")->carrier && nl->picture.addrs.n);
	read_all();
	assert_string_equal(addr6_of("wan1"), "none");
	assert_false(has_addr6("wan1", "2001:db8::1"));
	assert_int_equal(prefix_len_of("wan1", "2001:db8::1"), -ENOENT);
	run("ip link set far1 up");
	WAIT_FOR(is(addr6_of("wan1"), "2001:db8::1"));
	assert_true(has_addr6("wan1", "2001:db8::1"));
}

static bool has_failed_addr(void)
{
	const struct wh_picture_addr *addrs = nl->picture.addrs.items;

	for (size_t i = 0; i < nl->picture.addrs.n; i++)
		if (addrs[i].ifindex == index_of("wan1") && addrs[i].flags & IFA_F_DADFAILED)
			return true;
	return false;
}

static void test_duplicate(void **state)
{
	(void)state;
	run("ip addr add 2001:db8::1/64 dev far1 nodad && ip addr add 2001:db8::1/64 dev wan1");
	WAIT_FOR(has_failed_addr());
	assert_string_equal(addr6_of("wan1"), "none");
	assert_false(has_addr6("wan1", "2001:db8::1"));
}

static void test_worse_addresses(void **state)
{
	(void)state;
	run("ip addr add 2001:db8:1::1/64 dev wan1 nodad && ip addr add 2001:db8:2::1/64 dev wan1 nodad");
	run("ip addr add fd00::1/64 dev wan1 nodad");
	WAIT_FOR(has_addr6("wan1", "fd00::1"));
	assert_string_equal(addr6_of("wan1"), "2001:db8:2::1"); /* not the unique local one */
	run("ip addr change 2001:db8:2::1/64 dev wan1 preferred_lft 0 valid_lft 1000");
	WAIT_FOR(is(addr6_of("wan1"), "2001:db8:1::1"));
	run("ip addr del 2001:db8:1::1/64 dev wan1");
	WAIT_FOR(is(addr6_of("wan1"), "fd00::1")); /* before a deprecated one */
	run("ip addr del fd00::1/64 dev wan1");
	WAIT_FOR(is(addr6_of("wan1"), "2001:db8:2::1")); /* which still is better than nothing */
}

static void test_temporary(void **state)
{
	(void)state;
	run("echo 2 > /proc/sys/net/ipv6/conf/wan1/use_tempaddr");
	run("ip addr add 2001:db8::1/64 dev wan1 mngtmpaddr nodad");
	/* The kernel makes the temporary one, and puts it first. */
	WAIT_FOR(nl->picture.addrs.n >= 2 && (((struct wh_picture_addr *)nl->picture.addrs.items)->flags &
					      (IFA_F_TEMPORARY | IFA_F_TENTATIVE)) == IFA_F_TEMPORARY);
	assert_string_equal(addr6_of("wan1"), "2001:db8::1");
	dump_again();
	assert_string_equal(addr6_of("wan1"), "2001:db8::1");
}

/* --- neighbours ------------------------------------------------------------------------------------------- */

static bool neighbour6_is(const char *addr, const char *mac)
{
	uint8_t got[ETH_ALEN];
	int err = wh_netlink_neighbour6(nl, index_of("wan1"), addr6(addr), got);

	if (err)
		assert_int_equal(err, -ENOENT);
	return mac ? !err && !memcmp(got, mac, ETH_ALEN) : !!err;
}

static void test_neighbour6(void **state)
{
	(void)state;
	run("ip neigh add fe80::7 lladdr 02:00:00:00:00:77 dev wan1 nud reachable");
	run("ip neigh add fe80::7 lladdr 02:00:00:00:00:99 dev wan2 nud reachable");
	assert_true(neighbour6_is("fe80::7", "\x02\0\0\0\0\x77")); /* asked of the kernel, nothing read yet */
	assert_true(neighbour6_is("fe80::8", NULL));
	read_all();
	n_changed = 0;
	run("ip neigh change fe80::7 lladdr 02:00:00:00:00:78 dev wan1 nud stale");
	WAIT_FOR(neighbour6_is("fe80::7", "\x02\0\0\0\0\x78"));
	run("ip neigh add fe80::8 lladdr 02:00:00:00:00:88 dev wan1 nud permanent");
	WAIT_FOR(neighbour6_is("fe80::8", "\x02\0\0\0\0\x88"));
	assert_int_equal(n_changed, 2);
	run("ip neigh change fe80::7 lladdr 02:00:00:00:00:98 dev wan2 nud reachable");
	read_all();
	assert_int_equal(n_changed, 2);
	run("ip neigh change fe80::7 dev wan1 nud failed");
	WAIT_FOR(neighbour6_is("fe80::7", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kinds),     TEST(test_vlans),	     TEST(test_tun),	   TEST(test_address_order),
		TEST(test_linklocal), TEST(test_tentative),  TEST(test_duplicate), TEST(test_worse_addresses),
		TEST(test_temporary), TEST(test_neighbour6),
	};

	return RUN_IN_NAMESPACE("netlink IPv6", tests);
}
