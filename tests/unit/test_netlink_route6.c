/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_netlink_route6.c: the netlink picture of IPv6 routes: gateways, delegated prefixes, the kernel's own
 * default route, and the view of all routes.
 */
#include "netlink_fixture.h"

#include <netinet/icmp6.h>

/* --- gateways --------------------------------------------------------------------------------------------- */

static void test_metrics(void **state)
{
	(void)state;
	assert_string_equal(gateway6_of("wan1"), "none");
	run("ip route add default via fe80::1 dev wan1 metric 200");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::1"));
	assert_string_equal(gateway6_of("wan2"), "none");
	assert_string_equal(gateway_of("wan1"), "none");
	run("ip route add default via fe80::2 dev wan1 metric 100");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::2"));
	run("ip route add default via fe80::3 dev wan1 metric 50 table 77");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::3")); /* in whichever table */
	run("ip -6 route flush table 77 && ip -6 route del default metric 100");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::1"));
	run("ip route add 2000::/3 via fe80::4 dev wan1 && ip -6 route add unreachable default metric 7");
	read_all();
	assert_string_equal(gateway6_of("wan1"), "fe80::1");
	run("ip -6 route add default dev wan1 metric 10");
	WAIT_FOR(is(gateway6_of("wan1"), "none")); /* the best has none */
	run("ip link set wan1 down");
	WAIT_FOR(find_route("2000::/3").n == 0);
}

static void test_multipath(void **state)
{
	(void)state;
	run("ip -6 route add default nexthop via fe80::1 dev wan1 nexthop via fe80::2 dev wan2");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::1"));
	assert_string_equal(gateway6_of("wan2"), "fe80::2");
	assert_int_equal(find_route("::/0").n, 1);
	assert_int_equal(find_route("::/0").found.ifindex, index_of("wan1"));
	run("ip nexthop add id 5 via fe80::5 dev wan1 && ip -6 route replace default nhid 5 metric 7");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::5"));
	run("ip nexthop replace id 5 via fe80::6 dev wan1");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::6"));
	run("ip nexthop del id 5");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::1"));
}

/* A next hop whose device is down is none any more, though the route stays. */
static void test_dead_hop(void **state)
{
	struct in6_addr gateway;
	unsigned ifindex;

	(void)state;
	add_addresses();
	run("ip route add default nexthop via 192.0.2.254 nexthop via 198.51.100.254");
	WAIT_FOR(is(gateway_of("wan2"), "198.51.100.254"));
	assert_int_equal(wh_netlink_default(nl, WH_V4, &ifindex, &gateway), 0);
	assert_int_equal(ifindex, index_of("wan1"));
	run("ip link set wan1 down");
	WAIT_FOR(is(gateway_of("wan1"), "none"));
	assert_int_equal(wh_netlink_default(nl, WH_V4, &ifindex, &gateway), 0);
	assert_int_equal(ifindex, index_of("wan2"));
	assert_string_equal(text_of(0, AF_INET6, &gateway), "::ffff:198.51.100.254");
}

/* A router at the other end of wan1 makes itself known (RFC 4861 §4.2), with a preference (RFC 4191 §2.2). */
static void advertise(const char *router, int preference)
{
	struct nd_router_advert ra = {.nd_ra_type = ND_ROUTER_ADVERT};
	struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_addr = addr6(router)};
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = addr6("ff02::1")};
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	char command[128];
	int hops = 255;

	ra.nd_ra_flags_reserved = (uint8_t)((preference & 3) << 3);
	ra.nd_ra_router_lifetime = htons(1800);
	snprintf(command, sizeof(command), "ip addr replace %s/64 dev far1 nodad", router);
	run(command);
	assert_true(fd >= 0);
	from.sin6_scope_id = to.sin6_scope_id = index_of("far1");
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(sendto(fd, &ra, sizeof(ra), 0, (struct sockaddr *)&to, sizeof(to)), sizeof(ra));
	close(fd);
}

static unsigned n_defaults(void)
{
	const struct wh_picture_route *routes = nl->picture.routes.items;
	unsigned n = 0;

	while (n < nl->picture.routes.n && !routes[n].prefix_len)
		n++;
	return n;
}

static void advertise_all(const char *first, int preference1, const char *second, int preference2)
{
	advertise(first, preference1);
	WAIT_FOR(n_defaults() == 1);
	advertise(second, preference2);
	WAIT_FOR(n_defaults() == 2);
}

static void test_preference(void **state)
{
	(void)state;
	advertise_all("fe80::a", 3 /* low */, "fe80::b", 0 /* medium */);
	assert_string_equal(gateway6_of("wan1"), "fe80::b");
	advertise("fe80::c", 1 /* high */);
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::c"));
	run("ip -6 route add default via fe80::d dev wan1 metric 1 pref low");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::d")); /* metrics before preferences */
	run("ip -6 route add default via fe80::e dev wan1 metric 1 pref high table 77");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::e"));
}

static void set_neighbour(const char *addr, const char *what)
{
	char command[128];

	snprintf(command, sizeof(command), "ip neigh change %s dev wan1 %s", addr, what);
	run(command);
}

static void test_present_one_stays(void **state)
{
	const char *present, *other;

	(void)state;
	run("ip neigh add fe80::a lladdr 02:00:00:00:00:0a dev wan1 nud reachable");
	run("ip neigh add fe80::b lladdr 02:00:00:00:00:0b dev wan1 nud reachable");
	advertise_all("fe80::a", 0, "fe80::b", 0);
	present = is(gateway6_of("wan1"), "fe80::a") ? "fe80::a" : "fe80::b";
	other = is(present, "fe80::a") ? "fe80::b" : "fe80::a";
	read_all();
	n_changed = 0;
	set_neighbour(present, "nud failed");
	WAIT_FOR(is(gateway6_of("wan1"), other));
	assert_true(n_changed > 0); /* and says so */
	/* It is there again, but so is the one in use. */
	set_neighbour(present, "lladdr 02:00:00:00:00:0c nud reachable");
	read_all();
	assert_string_equal(gateway6_of("wan1"), other);
	nl->stale = true; /* a new dump changes nothing */
	assert_int_equal(wh_netlink_read(nl), 0);
	WAIT_FOR(!nl->stale);
	assert_string_equal(gateway6_of("wan1"), other);
	/* None can be reached: no reason to change. */
	set_neighbour(present, "nud failed");
	set_neighbour(other, "nud failed");
	read_all();
	assert_string_equal(gateway6_of("wan1"), other);
	set_neighbour(present, "lladdr 02:00:00:00:00:0c nud reachable");
	WAIT_FOR(is(gateway6_of("wan1"), present));
}

/* --- source-specific routes ------------------------------------------------------------------------------- */

static const char *source_prefix_of(const char *name)
{
	static char text[INET6_ADDRSTRLEN + 5];
	struct in6_addr prefix = {};
	unsigned len = 0;
	int err = wh_netlink_source_prefix6(nl, index_of(name), &prefix, &len);

	snprintf(text, sizeof(text), "%s", text_of(err, AF_INET6, &prefix));
	if (!err)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%u", len);
	return text;
}

static void test_source_prefix(void **state)
{
	(void)state;
	run("ip -6 route add default via fe80::1 dev wan1 && ip addr add 2001:db8:1::1/64 dev wan1 nodad");
	WAIT_FOR(is(gateway6_of("wan1"), "fe80::1"));
	assert_string_equal(source_prefix_of("wan1"), "none");
	/* One address's, and the link's own prefix: nothing to give away. */
	run("ip -6 route add default from 2001:db8:1::1/128 via fe80::1 dev wan1");
	run("ip -6 route add default from 2001:db8:1::/64 via fe80::1 dev wan1");
	read_all();
	assert_string_equal(source_prefix_of("wan1"), "none");
	run("ip -6 route add default from 2001:db8:77::/60 via fe80::2 dev wan1 metric 50");
	WAIT_FOR(is(source_prefix_of("wan1"), "2001:db8:77::/60"));
	assert_string_equal(gateway6_of("wan1"), "fe80::2");
	assert_string_equal(source_prefix_of("wan2"), "none");
	run("ip -6 route add default from 2001:db8:88::/56 via fe80::1 dev wan1 metric 50 table 77");
	WAIT_FOR(is(source_prefix_of("wan1"), "2001:db8:88::/56")); /* the larger one */
	run("ip -6 route add default from 2001:db8:99::/62 via fe80::1 dev wan1 metric 40");
	WAIT_FOR(is(source_prefix_of("wan1"), "2001:db8:99::/62")); /* the lower metric */
	run("ip -6 route del default from 2001:db8:99::/62 && ip -6 route flush table 77");
	WAIT_FOR(is(source_prefix_of("wan1"), "2001:db8:77::/60"));
}

/* A modem's prefix is ours alone (RFC 7278): nobody there would be asked for its addresses. */
static void test_source_prefix_point_to_point(void **state)
{
	(void)state;
	run("ip tuntap add tun9 mode tun && ip link set tun9 up && ip addr add 2001:db8:9::1/64 dev tun9 nodad");
	run("ip -6 route add default from 2001:db8:9::/64 dev tun9");
	WAIT_FOR(wh_netlink_link(nl, "tun9") && is(source_prefix_of("tun9"), "2001:db8:9::/64"));
}

/* --- the kernel's own default route ----------------------------------------------------------------------- */

static const char *default_of(enum wh_family family)
{
	static char text[INET6_ADDRSTRLEN + IFNAMSIZ + 8];
	struct in6_addr gateway = {};
	unsigned ifindex = 0;
	int err = wh_netlink_default(nl, family, &ifindex, &gateway);

	snprintf(text, sizeof(text), "%s", text_of(err, AF_INET6, &gateway));
	if (!err)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " wan%d",
			 ifindex == index_of("wan2") ? 2 : 1);
	return text;
}

static void test_default(void **state)
{
	(void)state;
	add_addresses();
	assert_string_equal(default_of(WH_V4), "none");
	assert_string_equal(default_of(WH_V6), "none");
	run("ip route add default via 192.0.2.254 table 77 && ip -6 route add default via fe80::1 dev wan1 table 77");
	run("ip -6 route add default from 2001:db8:77::/56 via fe80::1 dev wan1");
	WAIT_FOR(is(gateway_of("wan1"), "192.0.2.254") && is(gateway6_of("wan1"), "fe80::1"));
	assert_string_equal(default_of(WH_V4), "none"); /* for those only whom a rule sends to table 77 */
	assert_string_equal(default_of(WH_V6), "none"); /* and for some sources only */
	run("ip route add default via 198.51.100.254 table default metric 7");
	WAIT_FOR(is(default_of(WH_V4), "::ffff:198.51.100.254 wan2"));
	run("ip route add default via 192.0.2.9 metric 10 && ip -6 route add default via fe80::2 dev wan2 metric 10");
	WAIT_FOR(is(default_of(WH_V4), "::ffff:192.0.2.9 wan1") && is(default_of(WH_V6), "fe80::2 wan2"));
	run("ip -4 route add default via inet6 fe80::9 dev wan2 metric 5"); /* RFC 5549 */
	WAIT_FOR(is(default_of(WH_V4), "fe80::9 wan2"));
	assert_string_equal(gateway_of("wan2"), "none");
	run("ip route add default dev wan1 metric 4");
	WAIT_FOR(is(default_of(WH_V4), ":: wan1"));
	run("ip route add throw default metric 3");
	WAIT_FOR(is(default_of(WH_V4), "::ffff:198.51.100.254 wan2")); /* on with the next table */
	run("ip route del throw default");
	run("ip route add unreachable default metric 3 && ip -6 route add unreachable default metric 3");
	WAIT_FOR(is(default_of(WH_V4), "none") && is(default_of(WH_V6), "none"));
	run("ip route del unreachable default && ip route flush table default && ip route flush table 77");
	WAIT_FOR(is(default_of(WH_V4), ":: wan1"));
}

/* --- all routes ------------------------------------------------------------------------------------------- */

static void test_routes6(void **state)
{
	struct route_search r;

	(void)state;
	run("ip addr add 2001:db8:1::1/64 dev wan1 nodad && ip addr add fe80::5/64 dev wan1 nodad");
	run("ip route add 2001:db8:a::/48 via fe80::1 dev wan1 metric 20 && ip route add 2001:db8:a::/48 via fe80::1 dev wan2 metric 10");
	run("ip route add blackhole 2001:db8:b::/48 && ip route add 2001:db8:c::/48 via fe80::1 dev wan1 table 50");
	run("ip route add 2001:db8:d::/48 from 2001:db8:77::/56 via fe80::1 dev wan1");
	run("ip -6 route add default from 2001:db8:77::/56 via fe80::1 dev wan1 metric 5");
	run("ip -6 route add unreachable ::ffff:0:0/96");
	WAIT_FOR(find_route("::/0").n == 1 && find_route("2001:db8:b::/48").n == 1);
	read_all();
	assert_int_equal(find_route("::/0").found.ifindex, index_of("wan1"));
	r = find_route("2001:db8:a::/48");
	assert_int_equal(r.n, 1);
	assert_int_equal(r.found.family, WH_V6);
	assert_int_equal(r.found.metric, 10);
	assert_int_equal(r.found.ifindex, index_of("wan2"));
	assert_int_equal(r.found.type, RTN_UNICAST);
	assert_true(r.found.has_gateway);
	assert_int_equal(find_route("2001:db8:b::/48").found.type, RTN_BLACKHOLE);
	assert_int_equal(find_route("2001:db8:c::/48").n, 0); /* another table's */
	assert_int_equal(find_route("2001:db8:d::/48").n, 0); /* some sources' */
	assert_false(find_route("2001:db8:1::/64").found.has_gateway);
	assert_int_equal(find_route("2001:db8:1::1/128").found.type, RTN_LOCAL);
	assert_int_equal(find_route("fe80::/64").n, 1);
	assert_int_equal(find_route("ff00::/8").n, 0);
	assert_int_equal(find_route("0.0.0.0/0").n + find_route("0.0.0.0/96").n, 0);
	/* One for all sources comes before, whatever its metric. */
	run("ip -6 route add default via fe80::2 dev wan2 metric 900");
	WAIT_FOR(find_route("::/0").found.metric == 900);
	assert_int_equal(find_route("::/0").n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_metrics),
		TEST(test_multipath),
		TEST(test_dead_hop),
		TEST(test_preference),
		TEST(test_present_one_stays),
		TEST(test_source_prefix),
		TEST(test_source_prefix_point_to_point),
		TEST(test_default),
		TEST(test_routes6),
	};

	return RUN_IN_NAMESPACE("netlink IPv6 routes", tests);
}
