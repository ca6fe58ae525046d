/* SPDX-License-Identifier: GPL-2.0 */
/* test_doctor.c: what the doctor makes of facts; rules of the firewall are test_doctor_ruleset.c's. */
#include "doctor_fixture.h"

static struct wh_facts facts;
static char what[512];

/* A machine on which all is well. */
static int set_up(void **state)
{
	(void)state;
	set_config();
	memset(&facts, 0, sizeof(facts));
	facts.config = &config;
	facts.n_devices = 3;
	for (unsigned i = 0; i < facts.n_devices; i++) {
		struct wh_fact_device *device = &facts.devices[i];

		strcpy(device->name, (const char *[]){"lan0", "wan1", "wan2"}[i]);
		device->wan = i > 0;
		device->there = true;
		device->forwarding[WH_V4] = 1;
		device->has_addr[WH_V4] = true;
	}
	strcpy(facts.default_device[WH_V4], "wan1");
	facts.tcp_loose = 1;
	facts.ruleset = json_array();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wh_facts_free(&facts);
	return 0;
}

static void expect(const char *id, const char *severity)
{
	assert_string_equal(found(&facts, id, what), severity);
}

static void test_all_is_well(void **state)
{
	json_t *findings, *finding;
	size_t i;

	(void)state;
	findings = wh_doctor_judge(&facts);
	assert_int_equal(json_array_size(findings), 13); /* one a thing */
	json_array_foreach(findings, i, finding)
		assert_string_equal(json_string_value(json_object_get(finding, "severity")), "ok");
	json_decref(findings);
}

static void test_forwarding(void **state)
{
	(void)state;
	facts.devices[0].forwarding[WH_V4] = facts.devices[2].forwarding[WH_V4] = 0;
	expect("forwarding", "problem");
	assert_string_equal(what, "the kernel does not forward the IPv4 packets that come in by lan0, wan2");
	facts.devices[0].forwarding[WH_V4] = facts.devices[2].forwarding[WH_V4] = -1;
	expect("forwarding", "ok");		/* not known */
	facts.devices[0].forwarding[WH_V6] = 0; /* as long as nobody uses IPv6 */
	expect("forwarding", "ok");
	facts.devices[1].has_addr[WH_V6] = true;
	expect("forwarding", "problem");
	assert_string_equal(what, "the kernel does not forward the IPv6 packets that come in by lan0, wan1, wan2");
}

static void test_default_route(void **state)
{
	(void)state;
	facts.default_device[WH_V4][0] = '\0';
	expect("default-route", "problem");
	assert_non_null(strstr(what, "no IPv4 default route"));
	config.firewall = WH_CONF_FIREWALL_UNTRACKED;
	expect("default-route", "problem");
	config.firewall = WH_CONF_FIREWALL_BYPASS; /* the kernel is not asked */
	expect("default-route", "ok");
	config.firewall = WH_CONF_FIREWALL_KERNEL;
	strcpy(facts.default_device[WH_V4], "eth9");
	expect("default-route", "problem");
	assert_non_null(strstr(what, "leads to eth9, which is no WAN"));
	strcpy(facts.default_device[WH_V4], "lan0");
	expect("default-route", "problem");
	strcpy(facts.default_device[WH_V4], "wan2");
	expect("default-route", "ok");
}

static void test_default_route6(void **state)
{
	(void)state;
	config.wans[1].gateway_auto[WH_V6] = false;
	expect("default-route", "problem");
	assert_non_null(strstr(what, "no IPv6 default route"));
	strcpy(facts.default_device[WH_V6], "wan2");
	expect("default-route", "ok");
	/* IPv6 only */
	facts.default_device[WH_V4][0] = '\0';
	facts.devices[1].has_addr[WH_V4] = facts.devices[2].has_addr[WH_V4] = false;
	expect("default-route", "ok");
	/* nothing at all is not fine */
	facts.default_device[WH_V6][0] = '\0';
	config.wans[1].gateway_auto[WH_V6] = true;
	expect("default-route", "problem");
}

static void test_rp_filter(void **state)
{
	(void)state;
	facts.devices[0].rp_filter = facts.devices[1].rp_filter = 1; /* the LAN and the kernel's own WAN */
	expect("rp-filter", "ok");
	facts.devices[2].rp_filter = 2;
	expect("rp-filter", "ok");
	facts.devices[2].rp_filter = 1;
	expect("rp-filter", "problem");
	assert_non_null(strstr(what, "strict on wan2"));
}

static void test_devices(void **state)
{
	(void)state;
	strcpy(facts.devices[1].bridge, "br9"); /* a WAN may be one */
	expect("bridge-port", "ok");
	strcpy(facts.devices[0].bridge, "br0");
	expect("bridge-port", "problem");
	assert_non_null(strstr(what, "lan0 is a port of the bridge br0"));
	facts.devices[2].lro = true;
	expect("lro", "problem");
	assert_non_null(strstr(what, "wan2"));
}

static void test_others(void **state)
{
	(void)state;
	strcpy(facts.programs, "mwan3track, keepalived");
	expect("other-software", "warning");
	facts.programs[0] = '\0';
	facts.n_rules = 1;
	facts.rules[0] = (struct wh_fact_rule){.priority = 1001, .mark = 0x100, .mask = 0x3f00, .table = 1};
	expect("other-software", "warning");
	assert_non_null(strstr(what, "routing rule 1001 (IPv4, fwmark 0x100/0x3f00, table 1)"));
	expect("marks", "ok"); /* not our bits */
	facts.rules[0].mask = UINT32_MAX;
	expect("marks", "warning");
	facts.rules[0].inverted = true; /* all but a tunnel's own packets */
	expect("marks", "ok");
	expect("other-software", "ok");
	strcpy(facts.legacy_tables, "iptables filter");
	expect("iptables-legacy", "warning");
}

static void test_flowtable(void **state)
{
	json_t *table = json_pack("{s:{s:s,s:s,s:s,s:[s,s]}}", "flowtable", "family", "inet", "name", "ft", "table",
				  "t", "dev", "wan2", "eth9");

	(void)state;
	json_array_append_new(facts.ruleset, table);
	expect("flowtable", "problem");
	assert_non_null(strstr(what, "the flowtable ft takes flows on wan2 past"));
	table = json_object_get(table, "flowtable");
	json_object_set_new(table, "dev", json_string("lan0"));
	expect("flowtable", "problem");
	json_object_set_new(table, "dev", json_string("eth9"));
	expect("flowtable", "ok");
	json_object_del(table, "dev");
	expect("flowtable", "ok");
}

static void test_no_ruleset(void **state)
{
	(void)state;
	wh_facts_free(&facts);
	strcpy(facts.ruleset_error, "Operation not permitted");
	expect("ruleset", "warning");
	assert_non_null(strstr(what, "Operation not permitted"));
	expect("marks", "nothing");
	expect("forwarding", "ok");
}

/* Whatever stands there: other versions of nft may say other things, and nothing crashes. */
static void test_odd_rulesets(void **state)
{
	static const char *const odd[] = {
		"{}",
		"[1, null, \"x\", [], {}, {\"chain\": 1}, {\"rule\": null}, {\"flowtable\": []}]",
		"[{\"chain\": {\"family\": \"ip\"}}, {\"rule\": {\"family\": \"ip\", \"expr\": 5}}]",
		"[{\"chain\": {\"family\": \"ip\", \"table\": \"t\", \"name\": \"c\", \"type\": 4, \"hook\": \"forward\"}},"
		"{\"rule\": {\"family\": \"ip\", \"table\": \"t\", \"chain\": \"c\", \"expr\": [0, null, {\"match\": 1}, "
		"{\"match\": {\"left\": [], \"op\": {}, \"right\": {\"set\": {\"set\": 1}}}}, {\"vmap\": {\"data\": {\"set\": "
		"[[], 1]}}}, {\"jump\": {\"target\": \"c\"}}, {\"goto\": {\"target\": \"none\"}}, {\"mangle\": {\"key\": "
		"{\"meta\": {\"key\": \"mark\"}}, \"value\": {\"&\": []}}}, {\"xt\": 5}]}}]",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_decref(facts.ruleset);
		facts.ruleset = json_loads(odd[i], 0, NULL);
		assert_non_null(facts.ruleset);
		for (config.firewall = 0; config.firewall <= WH_CONF_FIREWALL_BYPASS; config.firewall++)
			json_decref(wh_doctor_judge(&facts));
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_is_well), TEST(test_forwarding),	 TEST(test_default_route), TEST(test_default_route6),
		TEST(test_rp_filter),	TEST(test_devices),	 TEST(test_others),	   TEST(test_flowtable),
		TEST(test_no_ruleset),	TEST(test_odd_rulesets),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
