/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_drivers.c: what the kernel says of devices besides their links: what drivers can do with XDP (kern/xdp.h), and what
 * queues somebody put there (kern/qdisc.h); on a veth.
 */
#include "veth_fixture.h"

#include <string.h>

#include "kern/qdisc.h"
#include "kern/xdp.h"

static uint64_t features;
static char qdiscs[128];

static void on_driver(void *arg, unsigned ifindex, uint64_t can)
{
	(void)arg;
	if (ifindex == near_index)
		features = can;
}

static uint64_t features_of_near(void)
{
	int err;

	features = 0;
	err = wh_xdp_each_driver(on_driver, NULL);
	if (err == -EOPNOTSUPP)
		skip(); /* a kernel before 6.3 */
	assert_int_equal(err, 0);
	return features & (WH_XDP_BASIC | WH_XDP_REDIRECT | WH_XDP_XMIT | WH_XDP_XMIT_SG);
}

/* A veth sends what XDP gives it when its other end polls, which GRO makes it do. */
static void test_features(void **state)
{
	(void)state;
	assert_int_equal(features_of_near(), WH_XDP_BASIC | WH_XDP_REDIRECT);
	run_far("ethtool -K far0 gro on");
	run("ip link set near0 down && ip link set near0 up");
	assert_int_equal(features_of_near(), WH_XDP_BASIC | WH_XDP_REDIRECT | WH_XDP_XMIT | WH_XDP_XMIT_SG);
}

static void test_hidden_tags(void **state)
{
	(void)state;
	run("ethtool -K near0 rxvlan on");
	assert_true(wh_xdp_hides_tags("near0"));
	run("ethtool -K near0 rxvlan off");
	assert_false(wh_xdp_hides_tags("near0"));
	assert_false(wh_xdp_hides_tags("nobody0"));
}

static void on_qdisc(void *arg, unsigned ifindex, const char *kind)
{
	size_t used = strlen(qdiscs);

	(void)arg;
	if (ifindex == near_index)
		snprintf(qdiscs + used, sizeof(qdiscs) - used, "%s;", kind);
}

static const char *qdiscs_of_near(void)
{
	qdiscs[0] = '\0';
	assert_int_equal(wh_qdisc_each(on_qdisc, NULL), 0);
	return qdiscs;
}

static void test_qdiscs(void **state)
{
	(void)state;
	assert_string_equal(qdiscs_of_near(), "");
	run("tc qdisc add dev near0 clsact");
	assert_string_equal(qdiscs_of_near(), "");
	run("tc qdisc add dev near0 root handle 1: tbf rate 1mbit burst 2000 limit 8000");
	assert_string_equal(qdiscs_of_near(), "tbf;");
	run("tc qdisc replace dev near0 root handle 2: pfifo_fast");
	assert_string_equal(qdiscs_of_near(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_features), TEST(test_hidden_tags), TEST(test_qdiscs)};

	return RUN_IN_NAMESPACES("drivers", tests);
}
