/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_boot.c: the table that closes the way from the LANs to the WANs: when it stands and what it says.  What it does
 * to packets, and who asks for it when, is net/test_boot.py's.
 */
#include "firewall_fixture.h"

#include <errno.h>

#include "kern/boot.h"

#define NOTHING_PINNED "/sys/fs/bpf/wh-nothing"

static const struct wh_boot closed = {
	.closed = true, .lans = {"lan0", "br-lan.7"}, .n_lans = 2, .wans = {"wan1", "ppp0"}, .n_wans = 2};
static const struct wh_boot open_ = {.lans = {"lan0"}, .n_lans = 1, .wans = {"wan1"}, .n_wans = 1};

static int set_up(void **state)
{
	(void)state;
	return system("nft flush ruleset");
}

static void begin(const struct wh_boot *boot)
{
	char error[WH_NFT_ERROR_LEN] = "";

	if (wh_boot_begin(NOTHING_PINNED, boot, error))
		fail_msg("%s", error);
}

static void expect_closed(void)
{
	static const char *const rules[2][2] = {
		{"iifname { \"lan0\", \"br-lan.7\" } oifname {", "iifname { \"br-lan.7\", \"lan0\" } oifname {"},
		{"oifname { \"wan1\", \"ppp0\" }", "oifname { \"ppp0\", \"wan1\" }"}};
	const char *ruleset = output_of("nft -nn list ruleset");

	assert_non_null(strstr(ruleset, "table inet wanhelm_boot {"));
	assert_non_null(strstr(ruleset, "type filter hook forward priority -310; policy accept;"));
	for (unsigned i = 0; i < 2; i++) /* in either order */
		assert_true(strstr(ruleset, rules[i][0]) || strstr(ruleset, rules[i][1]));
	assert_non_null(strstr(ruleset, "} counter packets 0 bytes 0 drop"));
	assert_null(strstr(strstr(ruleset, "drop") + 1, "drop")); /* once, however often it was asked for */
}

static void test_closed(void **state)
{
	(void)state;
	begin(&closed);
	expect_closed();
	begin(&closed);
	expect_closed();
}

static void test_done(void **state)
{
	char error[WH_NFT_ERROR_LEN] = "";

	(void)state;
	run("nft add table inet theirs");
	begin(&closed);
	assert_int_equal(wh_boot_done(error), 0);
	assert_string_equal(output_of("nft list ruleset"), "table inet theirs {\n}\n");
	assert_int_equal(wh_boot_done(error), 0); /* nothing to open is no error */
}

/* The configuration says otherwise now than when it was closed. */
static void test_open_takes_back(void **state)
{
	(void)state;
	begin(&open_);
	assert_string_equal(output_of("nft list ruleset"), "");
	begin(&closed);
	begin(&open_);
	assert_string_equal(output_of("nft list ruleset"), "");
}

static void test_names_that_cannot_be_written(void **state)
{
	char error[WH_NFT_ERROR_LEN] = "";
	struct wh_boot bad = closed;

	(void)state;
	strcpy(bad.lans[1], "lan\"1");
	assert_int_equal(wh_boot_begin(NOTHING_PINNED, &bad, error), -EINVAL);
	assert_string_equal(error, "device \"lan\"1\": nftables has no way to write this name");
	assert_string_equal(output_of("nft list ruleset"), "");
}

static void test_nothing_pinned_closes_nothing(void **state)
{
	char error[WH_NFT_ERROR_LEN] = "";

	(void)state;
	assert_int_equal(wh_boot_stop(NOTHING_PINNED, error), 0);
	assert_string_equal(output_of("nft list ruleset"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_closed, set_up),
		cmocka_unit_test_setup(test_done, set_up),
		cmocka_unit_test_setup(test_open_takes_back, set_up),
		cmocka_unit_test_setup(test_names_that_cannot_be_written, set_up),
		cmocka_unit_test_setup(test_nothing_pinned_closes_nothing, set_up),
	};

	RUN_IN_NAMESPACE("test_boot", tests, NULL);
	return 0;
}
