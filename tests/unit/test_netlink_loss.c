/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_netlink_loss.c: the netlink picture when messages are lost, pointless, forged or malformed.
 */
#include "netlink_fixture.h"

#define N_STORM 3000

/* Routes to 10.0.0.0/8 and to 2001:db8:10::/48. */
static void count_storm(void *arg, const struct wh_net_route *route)
{
	if (route->family == WH_V4 ? ntohl(route->dst4.s_addr) >> 24 == 10
				   : !memcmp(&route->dst6, "\x20\x01\x0d\xb8\0\x10", 6))
		++*(unsigned *)arg;
}

static unsigned n_storm(void)
{
	unsigned n = 0;

	wh_netlink_each_route(nl, count_storm, &n);
	return n;
}

static void batch_of_routes(const char *verb)
{
	FILE *ip = popen("ip -batch -", "w");

	assert_non_null(ip);
	for (unsigned i = 0; i < N_STORM; i++)
		fprintf(ip, "route %s 10.%u.%u.0/24 via 192.0.2.9\nroute %s 2001:db8:10:%x::/64 via fe80::9 dev wan1\n",
			verb, i / 256, i % 256, verb, i);
	assert_int_equal(pclose(ip), 0);
}

static void test_overrun(void **state)
{
	(void)state;
	add_addresses();
	WAIT_FOR(has_addr("wan2", "198.51.100.1"));
	read_all();
	assert_int_equal(wh_netlink_overruns(nl), 0);
	assert_int_equal(wh_netlink_set_buffer(nl, 1), 0);
	n_changed = 0;
	batch_of_routes("add");
	run("ip link set wan1 mtu 1300 && ip addr add 203.0.113.1/24 dev wan2");
	run("ip addr add 2001:db8::7/64 dev wan2 nodad && ip route add default via fe80::7 dev wan1");
	WAIT_FOR(wh_netlink_overruns(nl) > 0);
	WAIT_FOR(!nl->stale);
	assert_int_equal(n_changed, 1);
	assert_int_equal(link_of("wan1")->mtu, 1300);
	assert_true(has_addr("wan2", "203.0.113.1"));
	assert_true(has_addr6("wan2", "2001:db8::7"));
	assert_string_equal(gateway6_of("wan1"), "fe80::7");
	assert_int_equal(n_storm(), 2 * N_STORM);
	batch_of_routes("del");
	WAIT_FOR(n_storm() == 0);
}

/* Notifications about what is not in the picture call nobody. */
static void test_nothing_changed(void **state)
{
	(void)state;
	add_addresses();
	run("ip route add 10.1.0.0/16 via 192.0.2.9");
	WAIT_FOR(n_storm() == 1);
	read_all();
	n_changed = 0;
	run("ip link set wan1 alias uplink && ip route replace 10.1.0.0/16 via 192.0.2.9 mtu 1400");
	assert_true(read_within_ms(5000));
	read_all();
	assert_int_equal(n_changed, 0);
	assert_false(nl->routes_stale);
	run("ip route replace 10.1.0.0/16 via 192.0.2.10");
	WAIT_FOR(n_changed == 1);
}

/* --- what is not the kernel's, or broken ------------------------------------------------------------------ */

static size_t make_link_message(char *buf, unsigned ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	nlh->nlmsg_type = RTM_DELLINK;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = (int)ifindex;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "wan1");
	return nlh->nlmsg_len;
}

static void test_forged_message(void **state)
{
	char buf[256] __attribute__((aligned(8))) = {};
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = mnl_socket_get_portid(nl->notify)};
	struct mnl_socket *other = mnl_socket_open(NETLINK_ROUTE);
	size_t len = make_link_message(buf, index_of("wan1"));
	bool stale = false;

	(void)state;
	assert_non_null(other);
	assert_int_equal(mnl_socket_bind(other, 0, MNL_SOCKET_AUTOPID), 0);
	assert_int_equal(sendto(mnl_socket_get_fd(other), buf, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	assert_true(read_within_ms(5000)); /* it does arrive */
	assert_non_null(wh_netlink_link(nl, "wan1"));
	/* And would have been believed from the kernel. */
	assert_int_equal(wh_picture_take(&nl->picture, (struct nlmsghdr *)buf, false, &stale), 1);
	assert_null(wh_netlink_link(nl, "wan1"));
	mnl_socket_close(other);
}

/* A device of which the lower layers say this and that. */
static bool carrier_of(unsigned flags, uint8_t operstate)
{
	char buf[256] __attribute__((aligned(8))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct wh_picture picture = {};
	struct ifinfomsg *info;
	bool carrier, stale;

	nlh->nlmsg_type = RTM_NEWLINK;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = 7;
	info->ifi_flags = flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "vlan7");
	mnl_attr_put_u8(nlh, IFLA_OPERSTATE, operstate);
	assert_int_equal(wh_picture_take(&picture, nlh, false, &stale), 1);
	carrier = ((struct wh_picture_link *)picture.links.items)->link.carrier;
	wh_picture_free(&picture);
	return carrier;
}

static void test_carrier(void **state)
{
	const unsigned lower_up = 0x10000;

	(void)state;
	assert_true(carrier_of(IFF_UP | lower_up, 6)); /* up */
	assert_true(carrier_of(IFF_UP | lower_up, 0)); /* unknown: drivers that do not tell */
	assert_true(carrier_of(IFF_UP | lower_up, 5)); /* dormant */
	assert_false(carrier_of(IFF_UP, 6));
	assert_false(carrier_of(IFF_UP | lower_up, 1)); /* not present */
	assert_false(carrier_of(IFF_UP | lower_up, 2)); /* down */
	assert_false(carrier_of(IFF_UP | lower_up, 3)); /* lower layer down */
}

struct messages {
	char *bytes[512];
	size_t n;
};

static int keep_message(void *arg, const struct nlmsghdr *nlh)
{
	struct messages *m = arg;

	if (m->n < sizeof(m->bytes) / sizeof(m->bytes[0])) {
		m->bytes[m->n] = malloc(nlh->nlmsg_len);
		assert_non_null(m->bytes[m->n]);
		memcpy(m->bytes[m->n++], nlh, nlh->nlmsg_len);
	}
	return 0;
}

static void collect(uint16_t type, struct messages *m)
{
	char buf[256] __attribute__((aligned(8))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, type == RTM_GETLINK ? sizeof(struct ifinfomsg) : sizeof(struct rtmsg));
	assert_int_equal(wh_netlink_ask(nl->query, nlh, keep_message, m), 0);
}

/* A copy of a message's first bytes, in memory that ends where the padding of the datagram would. */
static struct nlmsghdr *cut_message(const char *whole, size_t len)
{
	char *cut = malloc(MNL_ALIGN(len));

	assert_non_null(cut);
	memcpy(cut, whole, len);
	memset(cut + len, 0xff, MNL_ALIGN(len) - len);
	((struct nlmsghdr *)cut)->nlmsg_len = (uint32_t)len;
	return (struct nlmsghdr *)cut;
}

/* Have the last attribute say that it ends where the message does, so that it is well-formed but too short. */
static void end_last_attr(struct nlmsghdr *nlh, size_t header_len)
{
	char *end = (char *)nlh + nlh->nlmsg_len;
	char *at = (char *)mnl_nlmsg_get_payload(nlh) + MNL_ALIGN(header_len);

	while (end - at >= (long)sizeof(struct nlattr)) {
		struct nlattr *attr = (struct nlattr *)at;

		if (attr->nla_len >= end - at) {
			attr->nla_len = (uint16_t)(end - at);
			return;
		}
		at += MNL_ALIGN(attr->nla_len);
	}
}

static void take_anything(struct wh_picture *picture, const struct nlmsghdr *nlh)
{
	struct wh_neighbour neighbour;
	bool stale;

	wh_neighbour_parse(nlh, &neighbour);
	wh_picture_take(picture, nlh, true, &stale);
}

static size_t header_len(const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
		return sizeof(struct ifinfomsg);
	case RTM_NEWADDR:
		return sizeof(struct ifaddrmsg);
	default:
		return sizeof(struct rtmsg); /* of the same size as ndmsg */
	}
}

/* Every message cut at every length, with and without attributes that fit, and with every byte changed. */
static void mangle(struct wh_picture *picture, const char *whole)
{
	size_t whole_len = ((const struct nlmsghdr *)whole)->nlmsg_len;
	struct nlmsghdr *nlh;

	for (size_t len = sizeof(*nlh); len < whole_len; len++) {
		nlh = cut_message(whole, len);
		take_anything(picture, nlh);
		end_last_attr(nlh, header_len(nlh));
		take_anything(picture, nlh);
		free(nlh);
	}
	nlh = cut_message(whole, whole_len);
	for (size_t at = sizeof(*nlh); at < whole_len; at++) {
		((uint8_t *)nlh)[at] ^= 0xff;
		take_anything(picture, nlh);
		((uint8_t *)nlh)[at] ^= 0xff;
	}
	free(nlh);
}

static void test_malformed_messages(void **state)
{
	struct messages m = {};
	struct wh_picture mangled = {}, whole = {};

	(void)state;
	add_addresses();
	run("ip route add default nexthop via 192.0.2.254 nexthop via 198.51.100.254");
	run("ip route add 10.7.0.0/16 via inet6 fe80::7 dev wan1");
	run("ip addr add 2001:db8::1/64 dev wan1 nodad && ip addr add 2001:db8:1::1 peer 2001:db8:1::2/64 dev wan2 nodad");
	run("ip -6 route add default nexthop via fe80::7 dev wan1 nexthop via fe80::8 dev wan2");
	run("ip route add default from 2001:db8:77::/56 via fe80::7 dev wan1");
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:77 dev wan1 && ip neigh add fe80::7 lladdr 02:00:00:00:00:77 dev wan1");
	collect(RTM_GETLINK, &m);
	collect(RTM_GETADDR, &m);
	collect(RTM_GETROUTE, &m);
	collect(RTM_GETNEIGH, &m);
	assert_true(m.n > 10);
	for (size_t i = 0; i < m.n; i++) {
		mangle(&mangled, m.bytes[i]); /* the sanitizers watch */
		take_anything(&whole, (struct nlmsghdr *)m.bytes[i]);
		free(m.bytes[i]);
	}
	/* Nothing was left out above because it is never understood. */
	assert_true(whole.links.n >= 5 && whole.addrs.n >= 4 && whole.routes.n >= 16);
	wh_picture_free(&mangled);
	wh_picture_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_overrun), TEST(test_nothing_changed),	   TEST(test_forged_message),
		TEST(test_carrier), TEST(test_malformed_messages),
	};

	return RUN_IN_NAMESPACE("netlink loss", tests);
}
