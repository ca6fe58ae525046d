/* SPDX-License-Identifier: GPL-2.0 */
/* test_netlink.c: what the netlink picture says, against a real kernel. */
#include "netlink_fixture.h"

static void test_link(void **state)
{
	const struct wh_link *link = link_of("wan1");

	(void)state;
	assert_true(link->up && link->carrier && link->has_mac && !link->point_to_point);
	assert_int_equal(link->mtu, 1500);
	assert_memory_equal(link->mac, "\x02\x00\x00\x00\x00\x01", ETH_ALEN);
	assert_string_equal(link->master, "");
	assert_null(wh_netlink_link(nl, "nothing"));

	n_changed = 0;
	run("ip link set wan1 mtu 1400");
	WAIT_FOR(link_of("wan1")->mtu == 1400);
	assert_true(n_changed >= 1);
	run("ip link set far1 down");
	WAIT_FOR(!link_of("wan1")->carrier);
	assert_true(link_of("wan1")->up);
	run("ip link set wan1 down");
	WAIT_FOR(!link_of("wan1")->up);
	run("ip link set wan1 name renamed");
	WAIT_FOR(wh_netlink_link(nl, "renamed"));
	assert_null(wh_netlink_link(nl, "wan1"));
	run("ip link del renamed");
	WAIT_FOR(!wh_netlink_link(nl, "renamed"));
	assert_null(wh_netlink_link(nl, "far1"));
}

static void test_point_to_point(void **state)
{
	(void)state;
	run("ip tuntap add tun9 mode tun");
	WAIT_FOR(wh_netlink_link(nl, "tun9"));
	assert_true(link_of("tun9")->point_to_point);
	assert_false(link_of("tun9")->has_mac);
	assert_false(link_of("tun9")->up || link_of("tun9")->carrier);
}

static void test_bridge_port(void **state)
{
	(void)state;
	run("ip link add br9 type bridge");
	run("ip link set wan1 master br9");
	WAIT_FOR(is(link_of("wan1")->master, "br9"));
	read_all();
	run("ip link set br9 name br10");
	WAIT_FOR(is(link_of("wan1")->master, "br10"));
	/* The bridge announces that the port is deleted; the link stays. */
	run("ip link set wan1 nomaster");
	WAIT_FOR(is(link_of("wan1")->master, ""));
	read_all();
	assert_non_null(wh_netlink_link(nl, "wan1"));
}

static void test_address_choice(void **state)
{
	(void)state;
	assert_string_equal(addr_of("wan1"), "none");
	run("ip addr add 169.254.3.3/16 dev wan1 scope link");
	WAIT_FOR(has_addr("wan1", "169.254.3.3"));
	assert_string_equal(addr_of("wan1"), "none");
	run("ip addr add 192.0.2.1/24 dev wan1 && ip addr add 192.0.2.2/24 dev wan1 && ip addr add 198.51.100.1/24 dev wan1");
	WAIT_FOR(has_addr("wan1", "198.51.100.1"));
	assert_string_equal(addr_of("wan1"), "192.0.2.1");
	assert_true(has_addr("wan1", "192.0.2.2"));
	assert_false(has_addr("wan2", "192.0.2.2"));

	run("ip addr change 192.0.2.1/24 dev wan1 preferred_lft 0 valid_lft 1000");
	WAIT_FOR(is(addr_of("wan1"), "198.51.100.1")); /* not the deprecated one, nor the secondary one before */
	run("ip addr del 198.51.100.1/24 dev wan1");
	WAIT_FOR(is(addr_of("wan1"), "192.0.2.2")); /* a secondary one where there is no better */
	run("ip addr del 192.0.2.1/24 dev wan1");   /* takes its secondary ones along */
	WAIT_FOR(is(addr_of("wan1"), "none"));
}

static void test_promoted_address(void **state)
{
	(void)state;
	run("echo 1 > /proc/sys/net/ipv4/conf/wan1/promote_secondaries");
	run("ip addr add 192.0.2.1/24 dev wan1 && ip addr add 192.0.2.2/24 dev wan1 && ip addr add 198.51.100.1/24 dev wan1");
	WAIT_FOR(has_addr("wan1", "198.51.100.1"));
	run("ip addr del 192.0.2.1/24 dev wan1");
	WAIT_FOR(!has_addr("wan1", "192.0.2.1"));
	read_all();
	/* 192.0.2.2 is a primary one now, but behind the one that always was: as a new dump tells it. */
	assert_string_equal(addr_of("wan1"), "198.51.100.1");
	nl->stale = true;
	assert_int_equal(wh_netlink_read(nl), 0);
	WAIT_FOR(!nl->stale);
	assert_string_equal(addr_of("wan1"), "198.51.100.1");
}

static void test_gateway(void **state)
{
	(void)state;
	add_addresses();
	assert_string_equal(gateway_of("wan1"), "none");
	run("ip route add default via 192.0.2.254 metric 200");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.254"));
	assert_string_equal(gateway_of("wan2"), "none");
	run("ip route add default via 192.0.2.253 metric 100");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.253"));
	run("ip route add default via 192.0.2.252 dev wan1 metric 50 table 77");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.252")); /* in whichever table */
	run("ip route replace default via 192.0.2.251 dev wan1 metric 50 table 77");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.251"));
	run("ip route flush table 77 && ip route del default metric 100");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.254"));
	run("ip route add 192.0.2.128/25 via 192.0.2.200 && ip route add 0.0.0.0/1 via 192.0.2.201");
	read_all();
	assert_string_equal(gateway_of("wan1"), "192.0.2.254"); /* 0.0.0.0/1 is no default route */
	run("ip route add default dev wan1 metric 10");
	WAIT_FOR(is(gateway_of("wan1"), "none")); /* the best has none */
}

static void test_multipath_gateways(void **state)
{
	(void)state;
	add_addresses();
	run("ip route add default nexthop via 192.0.2.254 weight 3 nexthop via 198.51.100.254");
	WAIT_FOR(is(gateway_of("wan2"), "198.51.100.254"));
	assert_string_equal(gateway_of("wan1"), "192.0.2.254");
	assert_int_equal(find_route("0.0.0.0/0").n, 1);
	assert_int_equal(find_route("0.0.0.0/0").found.ifindex, index_of("wan1"));
	assert_true(find_route("0.0.0.0/0").found.has_gateway);
}

/* The kernel says nothing of the routes that go in these cases. */
static void test_silent_removal(void **state)
{
	(void)state;
	add_addresses();
	run("ip route add default via 192.0.2.254");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.254"));
	run("ip link set wan1 down");
	WAIT_FOR(is(gateway_of("wan1"), "none"));

	run("ip link set wan1 up && ip addr add 203.0.113.7/32 dev lo");
	run("ip route add default via 192.0.2.254 src 203.0.113.7");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.254"));
	run("ip addr del 203.0.113.7/32 dev lo");
	WAIT_FOR(is(gateway_of("wan1"), "none"));

	run("ip nexthop add id 5 via 192.0.2.254 dev wan1 && ip route add default nhid 5");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.254"));
	run("ip nexthop replace id 5 via 192.0.2.253 dev wan1");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.253"));
	run("ip nexthop del id 5");
	WAIT_FOR(is(gateway_of("wan1"), "none"));
}

/* Without carrier routes stay, marked: a WAN's gateway is known before its cable is. */
static void test_gateway_without_carrier(void **state)
{
	(void)state;
	add_addresses();
	run("ip route add default via 192.0.2.254");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.254"));
	run("ip link set far1 down");
	WAIT_FOR(!link_of("wan1")->carrier);
	read_all();
	assert_string_equal(gateway_of("wan1"), "192.0.2.254");
}

static void test_routes(void **state)
{
	struct route_search r;

	(void)state;
	add_addresses();
	run("ip route add 10.1.0.0/16 via 192.0.2.9 metric 20 && ip route add 10.1.0.0/16 via 198.51.100.9 metric 10");
	run("ip route add blackhole 10.2.0.0/16 && ip route add 10.3.0.0/16 via 192.0.2.9 table 50 && ip route add default via 192.0.2.9 table 50");
	run("ip route add 10.4.0.0/16 via 192.0.2.9 metric 1 table default && ip route add 10.4.0.0/16 dev wan2 metric 9");
	run("ip route add 10.5.0.0/16 tos 0x10 via 192.0.2.9");
	run("ip route add local 10.6.0.0/16 dev lo && ip route add 10.6.0.0/16 via 192.0.2.9");
	WAIT_FOR(find_route("10.6.0.0/16").n == 1 && find_route("10.6.0.0/16").found.type == RTN_LOCAL);

	r = find_route("10.1.0.0/16");
	assert_int_equal(r.n, 1);
	assert_int_equal(r.found.metric, 10);
	assert_int_equal(r.found.ifindex, index_of("wan2"));
	assert_true(r.found.has_gateway);
	assert_int_equal(find_route("10.2.0.0/16").found.type, RTN_BLACKHOLE);
	assert_int_equal(find_route("10.2.0.0/16").found.ifindex, 0);
	assert_int_equal(find_route("10.3.0.0/16").n, 0); /* another table's */
	assert_int_equal(find_route("0.0.0.0/0").n, 0);
	assert_string_equal(gateway_of("wan1"), "192.0.2.9"); /* where it does count */
	assert_int_equal(find_route("10.5.0.0/16").n, 0);     /* one TOS's */
	r = find_route("10.4.0.0/16");
	assert_int_equal(r.n, 1);
	assert_int_equal(r.found.ifindex, index_of("wan2")); /* main before default, whatever the metric */
	assert_false(r.found.has_gateway);
	r = find_route("192.0.2.0/24");
	assert_int_equal(r.n, 1);
	assert_false(r.found.has_gateway);
	assert_int_equal(find_route("192.0.2.1/32").found.type, RTN_LOCAL);
	run("ip route del 10.1.0.0/16 metric 10");
	WAIT_FOR(find_route("10.1.0.0/16").found.metric == 20);
}

static bool neighbour_is(const char *addr, const char *mac)
{
	uint8_t got[ETH_ALEN];
	int err = wh_netlink_neighbour4(nl, index_of("wan1"), (struct in_addr){inet_addr(addr)}, got);

	if (err)
		assert_int_equal(err, -ENOENT);
	return mac ? !err && !memcmp(got, mac, ETH_ALEN) : !!err;
}

static void test_neighbour(void **state)
{
	(void)state;
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:77 dev wan1 nud reachable");
	assert_true(neighbour_is("192.0.2.7", "\x02\0\0\0\0\x77")); /* asked of the kernel, nothing read yet */
	assert_true(neighbour_is("192.0.2.8", NULL));
	read_all();
	n_changed = 0;
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:78 dev wan1 nud stale");
	WAIT_FOR(neighbour_is("192.0.2.7", "\x02\0\0\0\0\x78"));
	run("ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:88 dev wan1 nud permanent");
	WAIT_FOR(neighbour_is("192.0.2.8", "\x02\0\0\0\0\x88"));
	assert_int_equal(n_changed, 2);
	/* Neither another state nor somebody of whom nobody asked is a change. */
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:78 dev wan1 nud reachable");
	run("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:99 dev wan1 nud permanent");
	read_all();
	assert_int_equal(n_changed, 2);
	run("ip neigh del 192.0.2.8 dev wan1 && ip neigh change 192.0.2.7 dev wan1 nud failed");
	WAIT_FOR(neighbour_is("192.0.2.8", NULL) && neighbour_is("192.0.2.7", NULL));
	/* More than are followed: the latest answers are right still. */
	for (unsigned i = 0; i < 3 * WH_NEIGHBOURS_FOLLOWED; i++)
		wh_netlink_neighbour4(nl, index_of("wan1"), (struct in_addr){htonl(0xc0000200 + i)},
				      (uint8_t[ETH_ALEN]){});
	assert_true(neighbour_is("192.0.2.9", "\x02\0\0\0\0\x99"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_link),
		TEST(test_point_to_point),
		TEST(test_bridge_port),
		TEST(test_address_choice),
		TEST(test_promoted_address),
		TEST(test_gateway),
		TEST(test_multipath_gateways),
		TEST(test_silent_removal),
		TEST(test_gateway_without_carrier),
		TEST(test_routes),
		TEST(test_neighbour),
	};

	return RUN_IN_NAMESPACE("netlink", tests);
}
