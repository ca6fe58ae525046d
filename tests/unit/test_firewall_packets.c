/* SPDX-License-Identifier: GPL-2.0 */
/* test_firewall_packets.c: what our table does to packets and to what connection tracking remembers of them. */
#include "firewall_lab.h"

/* --- the source stays ------------------------------------------------------------------------------------- */

static void masquerade_at(const char *family, int priority)
{
	run("nft 'add table %s users; delete table %s users; table %s users { chain post {"
	    "type nat hook postrouting priority %d; oifname wan1 masquerade; }; }'",
	    family, family, family, priority);
}

static void test_beats_masquerade(void **state)
{
	static const int priorities[] = {100, 99, 0, -100, -189};
	static const char *const families[] = {"inet", "ip"};

	(void)state;
	for (unsigned i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++) {
		for (unsigned f = 0; f < 2; f++) {
			masquerade_at(families[f], priorities[i]);
			assert_string_equal(source_seen(AF_INET), CLIENT4);
			run("nft delete table %s users", families[f]);
		}
		masquerade_at("inet", priorities[i]);
		assert_string_equal(source_seen(AF_INET6), CLIENT6);
		mark_as(0);
		assert_string_equal(source_seen(AF_INET), "198.18.1.2"); /* what is not ours is the user's */
		assert_string_equal(source_seen(AF_INET6), "2001:db8:1::2");
		mark_as(SHOWN(7));
		assert_string_equal(source_seen(AF_INET), CLIENT4);
		mark_as(UP | 0x1234);
		assert_string_equal(source_seen(AF_INET), CLIENT4);
		mark_as(MARK); /* dealt with */
		assert_string_equal(source_seen(AF_INET), "198.18.1.2");
		mark_as(SHOWN(0));
		run("nft delete table inet users");
	}
	masquerade_at("inet", -191);
	assert_string_equal(source_seen(AF_INET), "198.18.1.2"); /* as doctor says */
	run("nft delete table inet users");
}

static void test_beats_iptables(void **state)
{
	(void)state;
	run("iptables-nft -t nat -A POSTROUTING -o wan1 -j MASQUERADE");
	assert_string_equal(source_seen(AF_INET), CLIENT4);
	run("nft flush ruleset && iptables-legacy -t nat -A POSTROUTING -o wan1 -j MASQUERADE");
	mark_as(SHOWN(0));
	assert_string_equal(source_seen(AF_INET), "198.18.1.2");
	put(&usual);
	assert_string_equal(source_seen(AF_INET), CLIENT4);
	run("iptables-legacy -t nat -F && iptables-legacy -t nat -X");
}

/* A redirection to where no WAN leads is wholly the user's: its masquerade makes the answers come back by us. */
static void test_other_devices_are_the_users(void **state)
{
	struct wh_firewall_options other = usual;

	(void)state;
	masquerade_at("inet", 100);
	strcpy(other.wans[0], "wan5");
	put(&other);
	assert_string_equal(source_seen(AF_INET), "198.18.1.2");
	assert_string_equal(source_seen(AF_INET6), "2001:db8:1::2");
	other.n_wans = 0;
	put(&other);
	assert_string_equal(source_seen(AF_INET), CLIENT4);
}

/* A client that asks for another one by its external end keeps its source on the way to a LAN. */
static void test_clients_among_themselves(void **state)
{
	struct wh_firewall_options other = usual;

	(void)state;
	masquerade_at("inet", 100);
	strcpy(other.wans[0], "wan5");
	strcpy(other.lans[0], "wan1");
	other.n_lans = 1;
	put(&other);
	assert_string_equal(source_seen(AF_INET), CLIENT4);
	assert_string_equal(source_seen(AF_INET6), CLIENT6);
}

/* --- what conntrack keeps --------------------------------------------------------------------------------- */

static void test_timeouts_are_short(void **state)
{
	(void)state;
	source_seen(AF_INET);
	assert_in_range(seconds_left("udp .*dst=" SERVER4), 1, 10);
	send_tcp(5001, TH_SYN);
	wait_for_entry("SYN_SENT .*sport=5001");
	assert_in_range(seconds_left("sport=5001"), 1, 10);
	mark_as(UP);
	send_tcp(5002, TH_ACK); /* picked up in its middle */
	wait_for_entry("ESTABLISHED .*sport=5002.*UNREPLIED");
	assert_in_range(seconds_left("sport=5002"), 1, 10);
	mark_as(0);
	send_tcp(5003, TH_SYN);
	wait_for_entry("SYN_SENT .*sport=5003");
	assert_in_range(seconds_left("sport=5003"), 60, 120); /* what is not ours stays as it was */
}

/* Once it is answered a connection is one that the kernel carries on its own: the user's timeouts hold. */
static void test_answered_ones_are_the_users(void **state)
{
	int at = socket_in(outside, AF_INET, SOCK_STREAM, 0), from = socket_in(client, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_storage to;
	socklen_t len;

	(void)state;
	run("sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_established=7777");
	put(&usual);
	to = address(AF_INET, SERVER4, PORT + 1, &len);
	assert_int_equal(bind(at, (struct sockaddr *)&to, len), 0);
	assert_int_equal(listen(at, 1), 0);
	assert_int_equal(connect(from, (struct sockaddr *)&to, len), 0);
	wait_for_entry("ESTABLISHED .*dport=4243.*ASSURED");
	assert_in_range(seconds_left("dport=4243"), 7000, 7777);
	run("sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_established=432000");
	close(at);
	close(from);
}

static void test_mark_is_kept(void **state)
{
	(void)state;
	run("nft 'add table inet users; add chain inet users pre { type filter hook prerouting priority -150; };"
	    "add rule inet users pre ct mark set ct mark | 0x12'");
	mark_as(SHOWN(3) | 0x99);
	source_seen(AF_INET);
	assert_non_null(strstr(entry("dst=" SERVER4), "mark=1526726674")); /* 0x5b000012 */
	run("conntrack -F 2>/dev/null");
	send_tcp(5005, TH_SYN);
	wait_for_entry("sport=5005.*mark=1526726674");
	mark_as(UP);
	send_tcp(5005, TH_SYN); /* does not take the WAN's number away */
	send_tcp(5006, TH_SYN);
	wait_for_entry("sport=5006.*mark=1610612754"); /* 0x60000012 */
	assert_non_null(strstr(entry("sport=5005"), "mark=1526726674"));
	mark_as(SHOWN(4));
	send_tcp(5005, TH_SYN);
	wait_for_entry("sport=5005.*mark=1543503890"); /* another WAN's does: 0x5c000012 */
}

/* What the user redirects stays with the kernel for good, and its entry for as long as the user has it. */
static void test_redirected_ones_keep_their_timeouts(void **state)
{
	(void)state;
	run("nft 'add table ip users; add chain ip users pre { type nat hook prerouting priority -100; };"
	    "add rule ip users pre tcp dport %d dnat to 203.0.113.77'",
	    PORT);
	send_tcp(5007, TH_SYN);
	wait_for_entry("sport=5007");
	assert_in_range(seconds_left("sport=5007"), 60, 120);
	assert_non_null(strstr(entry("sport=5007"), "src=203.0.113.77 dst=" CLIENT4)); /* and its own source */
}

static void test_untracked(void **state)
{
	struct wh_firewall_options untracked = usual;

	(void)state;
	untracked.untracked = true;
	put(&untracked);
	masquerade_at("inet", 100);
	assert_string_equal(source_seen(AF_INET), CLIENT4);
	assert_string_equal(source_seen(AF_INET6), CLIENT6);
	assert_string_equal(entry("dst=" SERVER4), "");
	assert_string_equal(entry("dst=" SERVER6), "");
}

static void move_lan_to_a_bridge(void)
{
	run("ip link add br0 type bridge forward_delay 0 && ip link set br0 up && ip link set lan0 master br0");
	run("ip addr flush dev lan0 && ip addr add 10.0.0.1/24 dev br0 && ip addr add fd00:1::1/64 dev br0 nodad");
	run("sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1");
	lan = "br0";
	mark_as(SHOWN(0));
}

/* Where the bridge hands packets to iptables, connection tracking has seen them before they are marked. */
static void test_bridge(void **state)
{
	struct wh_firewall_options options = usual;

	(void)state;
	if (access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK))
		skip();
	move_lan_to_a_bridge();
	masquerade_at("inet", 100);
	for (int untracked = 0; untracked < 2; untracked++) {
		options.untracked = untracked;
		put(&options);
		run("conntrack -F 2>/dev/null");
		assert_string_equal(source_seen(AF_INET), CLIENT4);
		assert_string_equal(source_seen(AF_INET6), CLIENT6);
		assert_in_range(seconds_left("udp .*dst=" SERVER4 ".*mark=1476395008"), 1, 10); /* 0x58000000 */
	}
}

/* An IPv4 datagram in fragments arrives in the forward chain as one: in both forms connection tracking defragments. */
static void test_defragments(void **state)
{
	struct wh_firewall_options options = usual;
	char datagram[4000] = {0};
	struct sockaddr_storage to;
	socklen_t len;

	(void)state;
	mark_as(UP);
	to = address(AF_INET, SERVER4, PORT, &len);
	for (int untracked = 0; untracked < 2; untracked++) {
		int fd = socket_in(client, AF_INET, SOCK_DGRAM, 0);

		options.untracked = untracked;
		run("nft flush ruleset");
		mark_as(UP);
		put(&options);
		run("nft 'add table ip seen; add chain ip seen f { type filter hook forward priority 0; };"
		    "add rule ip seen f udp length 4008 meta length 4028 counter'");
		assert_int_equal(sendto(fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&to, len),
				 sizeof(datagram));
		close(fd);
		for (unsigned tries = 0; !strstr(output_of("nft list table ip seen"), "packets 1 "); tries++) {
			if (tries == 100)
				fail_msg("not put together: %s", output_of("nft list table ip seen"));
			usleep(10000);
		}
	}
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_beats_masquerade),
		TEST(test_beats_iptables),
		TEST(test_other_devices_are_the_users),
		TEST(test_clients_among_themselves),
		TEST(test_timeouts_are_short),
		TEST(test_answered_ones_are_the_users),
		TEST(test_mark_is_kept),
		TEST(test_redirected_ones_keep_their_timeouts),
		TEST(test_untracked),
		TEST(test_defragments),
		TEST(test_bridge), /* leaves the LAN a bridge */
	};

	return RUN_IN_NAMESPACE("firewall packets", tests, make_lab);
}
