/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_doctor_ruleset.c: what the doctor reads off a machine, and rulesets as nft and iptables-nft really show them.
 * In a network namespace of its own, where wan1 has the default routes.
 */
#include "firewall_fixture.h"
#include "doctor_fixture.h"
#include "kern/boot.h"

static struct wh_facts facts;
static char what[512];

static int make_devices(void **state)
{
	(void)state;
	run("for d in lan0 wan1 wan2; do ip link add $d type veth peer name x$d && ip link set x$d up && ip link set $d up; done");
	run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0");
	run("for d in wan1 wan2; do sysctl -qw net.ipv4.conf.$d.rp_filter=0; done");
	run("ip addr add 192.0.2.2/24 dev wan1 && ip addr add 198.51.100.2/24 dev wan2");
	run("ip addr add 2001:db8:1::2/64 dev wan1 nodad && ip route add default via 2001:db8:1::1");
	run("ip route add default via 192.0.2.1");
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	set_config();
	run("nft flush ruleset");
	return 0;
}

static void expect(const char *id, const char *severity)
{
	assert_int_equal(wh_facts_read(&config, &facts), 0);
	assert_string_equal(found(&facts, id, what), severity);
	wh_facts_free(&facts);
}

/* Load a table `inet users` with these chains in the place of the last one. */
static void users(const char *chains)
{
	FILE *nft = popen("nft -f -", "w");

	assert_non_null(nft);
	fprintf(nft, "table inet users\ndelete table inet users\ntable inet users {\n%s\n}\n", chains);
	assert_int_equal(pclose(nft), 0);
}

/* A base chain with these rules. */
static void users_rules(const char *hook, const char *rules)
{
	char chains[2048];

	snprintf(chains, sizeof(chains), "chain base {\ntype filter hook %s;\n%s\n}", hook, rules);
	users(chains);
}

#define FORWARD "forward priority 0"
#define FORWARD_DROP "forward priority 0; policy drop"

/* --- the machine ------------------------------------------------------------------------------------------ */

static void test_reads_all_well(void **state)
{
	static const char *const looks[] = {"forwarding", "default-route",  "rp-filter",       "bridge-port",
					    "lro",	  "other-software", "iptables-legacy", "marks"};

	(void)state;
	for (unsigned i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		expect(looks[i], "ok");
	expect("ruleset", "nothing");
}

static void test_reads_what_is_wrong(void **state)
{
	(void)state;
	run("sysctl -qw net.ipv4.conf.lan0.forwarding=0");
	expect("forwarding", "problem");
	run("sysctl -qw net.ipv4.conf.lan0.forwarding=1 net.ipv4.conf.wan2.rp_filter=1");
	expect("rp-filter", "problem");
	run("sysctl -qw net.ipv4.conf.wan2.rp_filter=0 net.ipv4.conf.all.rp_filter=1");
	expect("rp-filter", "problem"); /* the larger one holds */
	run("sysctl -qw net.ipv4.conf.wan2.rp_filter=2");
	expect("rp-filter", "ok");
	run("sysctl -qw net.ipv4.conf.wan2.rp_filter=0 net.ipv4.conf.all.rp_filter=0");
	run("ip link add br0 type bridge && ip link set lan0 master br0");
	expect("bridge-port", "problem");
	run("ip link del br0 && ip route del default via 192.0.2.1");
	expect("default-route", "problem");
	run("ip route add default via 192.0.2.1 && ip rule add fwmark 0x100/0x3f00 lookup 7 prio 1001");
	expect("other-software", "warning");
	assert_non_null(strstr(what, "routing rule 1001 (IPv4, fwmark 0x100/0x3f00, table 7)"));
	run("ip rule del prio 1001 && ip -6 rule add fwmark 0x1000000/0x1000000 lookup 1234567 prio 1002");
	expect("marks", "warning");
	expect("other-software", "warning");
	assert_non_null(strstr(what, "routing rule 1002 (IPv6, fwmark 0x1000000/0x1000000, table 1234567)"));
	run("ip -6 rule del prio 1002 && iptables-legacy -A FORWARD -j ACCEPT");
	expect("iptables-legacy", "warning");
	assert_non_null(strstr(what, "(iptables filter)"));
}

/* Only what runs in this network namespace; scripts have the name of their file. */
static void test_reads_programs(void **state)
{
	char folder[] = "/tmp/doctor.XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	run("cp /bin/sleep %s/mwan3track && cp /bin/sleep %s/keepalived", folder, folder);
	run("cd %s; ./mwan3track 60 & echo $! >pid1; unshare -n ./keepalived 60 & echo $! >pid2; "
	    "until [ $(cat /proc/$(cat pid1)/comm) = mwan3track ] && [ $(cat /proc/$(cat pid2)/comm) = keepalived ]; do :; done",
	    folder);
	expect("other-software", "warning");
	assert_string_equal(what, "other software that may choose WANs is running: mwan3track");
	run("kill $(cat %s/pid1) $(cat %s/pid2); rm -r %s", folder, folder, folder);
}

/* --- rulesets --------------------------------------------------------------------------------------------- */

static void test_nat_priority(void **state)
{
	(void)state;
	users("chain p {\ntype nat hook postrouting priority 100\nmasquerade\n}");
	expect("nat-priority", "ok");
	users("chain p {\ntype nat hook postrouting priority -189\nmasquerade\n}");
	expect("nat-priority", "ok");
	users("chain p {\ntype nat hook prerouting priority -199\n}\nchain q {\ntype filter hook postrouting priority -300\n}");
	expect("nat-priority", "ok");
	users("chain p {\ntype nat hook postrouting priority -190\nmasquerade\n}");
	expect("nat-priority", "problem");
	assert_non_null(strstr(what, "inet users p has priority -190"));
	config.firewall = WH_CONF_FIREWALL_BYPASS;
	expect("nat-priority", "ok");
}

static void test_own_table_is_fine(void **state)
{
	struct wh_firewall_options options = usual;

	(void)state;
	for (options.untracked = false;; options.untracked = true) {
		static const char *const looks[] = {"nat-priority", "marks", "device-rules", "recheck", "untracked"};

		put(&options);
		for (unsigned i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
			expect(looks[i], "ok");
		if (options.untracked)
			break;
	}
}

static void test_boot_table_is_fine(void **state)
{
	const struct wh_boot boot = {.closed = true, .lans = {"lan0"}, .n_lans = 1, .wans = {"wan2"}, .n_wans = 1};
	char error[WH_NFT_ERROR_LEN];

	(void)state;
	assert_int_equal(wh_boot_begin("/sys/fs/bpf/wh-nothing", &boot, error), 0);
	expect("device-rules", "ok");
	assert_int_equal(wh_boot_done(error), 0);
}

static void test_marks(void **state)
{
	static const struct {
		const char *rule, *severity;
	} cases[] = {
		{"meta mark set 0x5", "problem"},
		{"meta mark set meta mark | 0x3", "ok"},
		{"meta mark set meta mark & 0xff000000", "ok"},
		{"meta mark set meta mark & 0xffffff00 | 0x7", "ok"},
		{"meta mark set meta mark & 0x00ffffff", "problem"},
		{"meta mark set meta mark & 0xff000000 | 0x1000005", "problem"},
		{"meta mark set meta mark ^ 0x80000000", "problem"},
		{"meta mark set ip saddr map { 10.0.0.1 : 0x1 }", "problem"},
		{"meta mark set ct mark", "ok"}, /* ours is there, too */
		{"meta mark set ct mark & 0x000000ff", "problem"},
		{"ct mark set meta mark", "ok"},
		{"ct mark set 0x5", "warning"},
		{"ct mark set ct mark | 0x5", "ok"},
		{"meta mark 0x5 accept", "warning"},
		{"meta mark != 0 accept", "warning"},
		{"meta mark { 1, 2 } accept", "warning"},
		{"meta mark vmap { 1 : accept }", "warning"},
		{"meta mark & 0xff == 0x5 accept", "ok"},
		{"meta mark & 0xff000000 == 0x58000000 drop", "ok"}, /* as is documented for the chosen WAN */
		{"ip saddr 10.0.0.1 accept", "ok"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		users_rules(FORWARD, cases[i].rule);
		assert_int_equal(wh_facts_read(&config, &facts), 0);
		if (strcmp(found(&facts, "marks", what), cases[i].severity) != 0)
			fail_msg("%s: not %s but: %s", cases[i].rule, cases[i].severity, what);
		wh_facts_free(&facts);
	}
	users_rules("input priority 0", "meta mark set 0x5"); /* nothing of ours comes by */
	expect("marks", "ok");
	users("chain base {\ntype filter hook prerouting priority 0\nip saddr 10.0.0.1 jump a\n}\n"
	      "chain a {\nmeta l4proto vmap { tcp : jump b }\n}\nchain b {\nmeta mark set 0x5\n}");
	expect("marks", "problem");
	assert_non_null(strstr(what, "rules in inet users b (1) overwrite our bits of the mark, 0xff000000"));
	config.firewall = WH_CONF_FIREWALL_UNTRACKED;
	users_rules(FORWARD, "meta mark set ct mark"); /* where there is no connection */
	expect("marks", "problem");
	run("nft flush ruleset; iptables-nft -t mangle -A FORWARD -j MARK --set-xmark 0x1/0xff");
	expect("marks", "warning");
}

static void test_device_rules(void **state)
{
	static const struct {
		const char *rule, *severity;
	} cases[] = {
		{"oifname wan2 drop", "warning"},
		{"oif wan2 drop", "warning"},
		{"oifname { wan2, wan3 } drop", "warning"},
		{"oifname vmap { wan2 : drop, wan1 : accept }", "warning"},
		{"oifname \"wan2*\" drop", "warning"},
		{"oifname \"wan*\" drop", "ok"},
		{"oifname { wan1, wan2 } drop", "ok"},
		{"oifname wan1 drop", "ok"},
		{"oifname != wan2 drop", "ok"},
		{"iifname wan2 drop", "ok"},
		{"oifname eth9 drop", "ok"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		users_rules(FORWARD, cases[i].rule);
		assert_int_equal(wh_facts_read(&config, &facts), 0);
		if (strcmp(found(&facts, "device-rules", what), cases[i].severity) != 0)
			fail_msg("%s: not %s but: %s", cases[i].rule, cases[i].severity, what);
		wh_facts_free(&facts);
	}
	users_rules("output priority 0", "oifname wan2 drop");
	expect("device-rules", "ok");
	users("chain p {\ntype nat hook postrouting priority 100\noifname wan2 masquerade\n}");
	expect("device-rules", "ok");
	run("nft flush ruleset; iptables-nft -A FORWARD -o wan2 -p tcp --dport 25 -j DROP");
	expect("device-rules", "warning");
	assert_non_null(strstr(what, "rules in ip filter FORWARD (1) wait for the output device wan2"));
	run("ip -6 route replace default dev wan2");
	expect("device-rules", "ok"); /* the kernel's own WAN of one family; which, is not asked */
	run("ip -6 route replace default via 2001:db8:1::1 dev wan1");
}

static void test_reverse_path(void **state)
{
	(void)state;
	users_rules("prerouting priority 0", "fib saddr . mark . iif oif missing drop"); /* firewalld's */
	expect("rp-filter", "warning");
	users_rules("prerouting priority 0", "fib saddr oif missing drop");
	expect("rp-filter", "ok");
	users_rules("prerouting priority 0", "fib saddr . iif oif missing counter");
	expect("rp-filter", "ok");
	run("nft flush ruleset; iptables-nft -t raw -A PREROUTING -m rpfilter --invert -j DROP");
	expect("rp-filter", "warning");
	config.n_wans = 1;
	expect("rp-filter", "ok");
}

static void test_recheck(void **state)
{
	(void)state;
	run("sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1");
	users_rules(FORWARD, "ct state invalid drop");
	expect("recheck", "ok");
	run("sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0");
	expect("recheck", "problem");
	users_rules(FORWARD, "ct state vmap { established : accept, invalid : drop }");
	expect("recheck", "problem");
	users_rules(FORWARD_DROP, "ct state established,related accept");
	expect("recheck", "problem");
	users_rules("input priority 0; policy drop", "ct state invalid drop");
	expect("recheck", "ok");
	users_rules(FORWARD, "ct state invalid counter");
	expect("recheck", "ok");
	users_rules(FORWARD, "ct state invalid drop");
	config.firewall_recheck = false;
	expect("recheck", "ok");
	run("sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1");
}

/* --- firewall: untracked ---------------------------------------------------------------------------------- */

static void test_untracked(void **state)
{
	static const struct {
		const char *hook, *rules, *severity;
	} cases[] = {
		{FORWARD, "", "ok"},
		{FORWARD_DROP, "", "problem"},
		{FORWARD_DROP, "ct state established,related accept\nct state new iifname lan0 accept", "problem"},
		{FORWARD_DROP,
		 "ct state vmap { established : accept, related : accept, invalid : drop }\n"
		 "iifname lan0 oifname wan1 accept",
		 "ok"},
		{FORWARD_DROP, "ct state new,untracked accept", "ok"},
		{FORWARD_DROP, "ct state { new, untracked } accept", "ok"},
		{FORWARD_DROP, "ct state vmap { established : accept, untracked : accept }", "ok"},
		{FORWARD_DROP, "ct state != established accept", "ok"},
		{FORWARD_DROP, "ct state != { new, untracked } accept", "problem"},
		{FORWARD_DROP, "ct status dnat accept", "problem"},
		{FORWARD_DROP, "iifname wan2 accept\niifname lan0 ct state new accept", "problem"},
		{FORWARD_DROP, "iifname lan0 accept", "ok"},
		{FORWARD_DROP, "iifname \"lan*\" oifname { wan1, wan2 } accept", "ok"},
		{FORWARD_DROP, "oifname wan2 accept", "problem"},   /* never seen there */
		{FORWARD_DROP, "ip daddr 10.0.0.0/8 accept", "ok"}, /* perhaps */
		{FORWARD, "ct state established accept\nct state new accept\ndrop", "problem"},
		{FORWARD, "ct state established accept\nct state new accept\nreject", "problem"},
		{FORWARD, "ip daddr 10.0.0.0/8 drop", "ok"},
		{FORWARD, "ct state vmap { untracked : drop }", "problem"},
		{"input priority 0; policy drop", "ct state new accept", "ok"},
	};

	(void)state;
	config.firewall = WH_CONF_FIREWALL_UNTRACKED;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		users_rules(cases[i].hook, cases[i].rules);
		assert_int_equal(wh_facts_read(&config, &facts), 0);
		if (strcmp(found(&facts, "untracked", what), cases[i].severity) != 0)
			fail_msg("%s; %s: not %s but: %s", cases[i].hook, cases[i].rules, cases[i].severity, what);
		wh_facts_free(&facts);
	}
	users_rules(FORWARD_DROP, "ct state established,related accept\nct state new accept");
	config.firewall = WH_CONF_FIREWALL_KERNEL;
	expect("untracked", "ok");
}

static void test_untracked_jumps(void **state)
{
	(void)state;
	config.firewall = WH_CONF_FIREWALL_UNTRACKED;
	users("chain base {\ntype filter hook forward priority 0; policy drop\njump a\n}\nchain a {\nct state new accept\n}");
	expect("untracked", "problem");
	users("chain base {\ntype filter hook forward priority 0; policy drop\niifname vmap { lan0 : jump a }\n}\n"
	      "chain a {\nct state new accept\nip daddr 10.1.1.1 goto b\n}\nchain b {\naccept\n}");
	expect("untracked", "ok");
	users("chain base {\ntype filter hook forward priority 0; policy drop\niifname wan1 jump a\n}\n"
	      "chain a {\naccept\n}");
	expect("untracked", "problem");
	users("chain base {\ntype filter hook forward priority 0; policy drop\njump a\n}\nchain a {\nreturn\naccept\n}");
	expect("untracked", "problem");
}

static void test_untracked_iptables(void **state)
{
	(void)state;
	config.firewall = WH_CONF_FIREWALL_UNTRACKED;
	run("iptables-nft -P FORWARD DROP");
	run("iptables-nft -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
	run("iptables-nft -A FORWARD -i lan0 -m conntrack --ctstate NEW -j ACCEPT");
	expect("untracked", "problem");
	run("iptables-nft -A FORWARD -i lan0 -j ACCEPT");
	expect("untracked", "ok");
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reads_all_well),	TEST(test_reads_programs),     TEST(test_nat_priority),
		TEST(test_own_table_is_fine),	TEST(test_boot_table_is_fine), TEST(test_marks),
		TEST(test_device_rules),	TEST(test_reverse_path),       TEST(test_recheck),
		TEST(test_untracked),		TEST(test_untracked_jumps),    TEST(test_untracked_iptables),
		TEST(test_reads_what_is_wrong), /* leaves tables of iptables-legacy behind */
	};

	return RUN_IN_NAMESPACE("doctor ruleset", tests, make_devices);
}
