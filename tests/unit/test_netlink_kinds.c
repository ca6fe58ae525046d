/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_netlink_kinds.c: what kind of device a link is, and on which one a VLAN stands.  VLANs are told by messages made
 * here: not every kernel has them.
 */
#include "netlink_fixture.h"

#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/if_vlan.h>

#define PARENT 7

struct vlan {
	uint16_t id;
	uint16_t protocol;
	bool priorities;
	bool parent_elsewhere;
	bool up;
};

static void take_vlan_link(struct wh_picture *p, unsigned ifindex, const struct vlan *vlan)
{
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;
	struct nlattr *linkinfo, *data, *qos;
	bool ignored;

	nlh->nlmsg_type = RTM_NEWLINK;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = (int)ifindex;
	info->ifi_type = ARPHRD_ETHER;
	info->ifi_flags = vlan->up ? IFF_UP : 0;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "a.vlan");
	mnl_attr_put_u32(nlh, IFLA_LINK, PARENT);
	if (vlan->parent_elsewhere)
		mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 0);
	linkinfo = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u16(nlh, IFLA_VLAN_ID, vlan->id);
	mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(vlan->protocol));
	if (vlan->priorities) {
		qos = mnl_attr_nest_start(nlh, IFLA_VLAN_EGRESS_QOS);
		mnl_attr_nest_end(nlh, qos);
	}
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, linkinfo);
	assert_int_equal(wh_picture_take(p, nlh, true, &ignored), 1);
}

static const struct wh_link *taken(struct wh_picture *p, const struct vlan *vlan)
{
	take_vlan_link(p, 20, vlan);
	return &wh_picture_find_link(p, 20)->link;
}

static void test_vlan(void **state)
{
	const struct vlan plain = {.id = 7, .protocol = ETH_P_8021Q, .up = true};
	struct wh_picture p = {};
	const struct wh_link *link = taken(&p, &plain);

	(void)state;
	assert_string_equal(link->kind, "vlan");
	assert_int_equal(link->vlan, 7);
	assert_int_equal(link->parent, PARENT);
	assert_true(link->vlan_plain);
	wh_picture_free(&p);
}

/* Each of these is news, too, of a VLAN that is known. */
static void test_vlan_that_xdp_cannot_carry(void **state)
{
	static const struct vlan priorities = {.id = 7, .protocol = ETH_P_8021Q, .priorities = true},
				 service = {.id = 7, .protocol = ETH_P_8021AD},
				 elsewhere = {.id = 7, .protocol = ETH_P_8021Q, .parent_elsewhere = true};
	struct wh_picture p = {};

	(void)state;
	assert_false(taken(&p, &priorities)->vlan_plain);
	wh_picture_free(&p);
	assert_false(taken(&p, &service)->vlan_plain);
	assert_int_equal(taken(&p, &elsewhere)->parent, 0);
	assert_int_equal(taken(&p, &priorities)->parent, PARENT);
	wh_picture_free(&p);
}

static void test_devices_with_vlans(void **state)
{
	struct vlan vlan = {.id = 7, .protocol = ETH_P_8021Q};
	struct wh_netlink some = {};

	(void)state;
	take_vlan_link(&some.picture, 20, &vlan);
	assert_false(wh_netlink_has_vlans(&some, PARENT)); /* that is down */
	vlan.up = true;
	take_vlan_link(&some.picture, 20, &vlan);
	assert_true(wh_netlink_has_vlans(&some, PARENT));
	assert_false(wh_netlink_has_vlans(&some, PARENT + 1));
	assert_ptr_equal(wh_netlink_link_at(&some, 20), wh_netlink_link(&some, "a.vlan"));
	assert_null(wh_netlink_link_at(&some, 21));
	wh_picture_free(&some.picture);
}

/* The other end of a veth stands where a VLAN's parent does. */
static void test_veth_and_bridge(void **state)
{
	(void)state;
	run("ip link add br0 type bridge");
	WAIT_FOR(wh_netlink_link(nl, "br0"));
	assert_string_equal(link_of("wan1")->kind, "veth");
	assert_int_equal(link_of("wan1")->parent, 0);
	assert_string_equal(link_of("br0")->kind, "bridge");
	assert_string_equal(link_of("lo")->kind, "");
}

/* --- neighbours ------------------------------------------------------------------------------------------- */

static struct {
	char text[256]; /* what was told since it was last emptied */
	unsigned lost;
} heard;

static void on_told(void *arg, unsigned ifindex, const struct in6_addr *addr, const uint8_t *mac)
{
	char text[INET6_ADDRSTRLEN];
	size_t used = strlen(heard.text);

	(void)arg;
	if (ifindex != index_of("wan1"))
		return;
	inet_ntop(AF_INET6, addr, text, sizeof(text));
	snprintf(heard.text + used, sizeof(heard.text) - used, "%s %d;", text, mac ? mac[5] : -1);
}

static void on_lost(void *arg)
{
	(void)arg;
	heard.lost++;
	heard.text[0] = '\0';
}

static void watch(void)
{
	static const struct wh_neighbour_ops ops = {on_told, on_lost};

	memset(&heard, 0, sizeof(heard));
	wh_netlink_watch_neighbours(nl, &ops, NULL);
}

static void test_neighbours_are_told(void **state)
{
	(void)state;
	add_addresses();
	watch();
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev wan1 nud stale");
	WAIT_FOR(is(heard.text, "::ffff:192.0.2.7 7;"));
	heard.text[0] = '\0';
	run("ip neigh replace 192.0.2.7 lladdr 02:00:00:00:00:08 dev wan1 nud reachable");
	WAIT_FOR(is(heard.text, "::ffff:192.0.2.7 8;"));
	heard.text[0] = '\0';
	run("ip neigh add 2001:db8::7 lladdr 02:00:00:00:00:09 dev wan1 nud permanent");
	WAIT_FOR(is(heard.text, "2001:db8::7 9;"));
	heard.text[0] = '\0';
	assert_int_equal(wh_netlink_tell_neighbours(nl), 0);
	assert_non_null(strstr(heard.text, "::ffff:192.0.2.7 8;"));
	assert_non_null(strstr(heard.text, "2001:db8::7 9;"));
}

static void test_neighbour_that_does_not_answer(void **state)
{
	(void)state;
	add_addresses();
	watch();
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev wan1 nud stale");
	run("ip neigh replace 192.0.2.7 dev wan1 nud failed");
	WAIT_FOR(is(heard.text, "::ffff:192.0.2.7 7;::ffff:192.0.2.7 -1;"));
}

/* After a loss all of them are told anew. */
static void test_neighbours_after_a_loss(void **state)
{
	(void)state;
	add_addresses();
	read_all();
	watch();
	assert_true(wh_netlink_is_whole(nl));
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev wan1 nud permanent");
	WAIT_FOR(heard.text[0]);
	assert_int_equal(heard.lost, 0);
	nl->stale = true;
	assert_false(wh_netlink_is_whole(nl));
	run("ip link set wan2 mtu 1400"); /* something to read */
	WAIT_FOR(heard.lost == 1);
	assert_true(wh_netlink_is_whole(nl));
	assert_non_null(strstr(heard.text, "::ffff:192.0.2.7 7;"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_vlan),
		TEST(test_vlan_that_xdp_cannot_carry),
		TEST(test_devices_with_vlans),
		TEST(test_veth_and_bridge),
		TEST(test_neighbours_are_told),
		TEST(test_neighbour_that_does_not_answer),
		TEST(test_neighbours_after_a_loss),
	};

	return RUN_IN_NAMESPACE("netlink kinds", tests);
}
