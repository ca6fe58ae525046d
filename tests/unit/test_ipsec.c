/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_ipsec.c: what IPsec policies select, against a real kernel, in a network namespace that ends with the
 * process.  Changes are made with ip(8); every wait is for a condition.
 */
#include "netlink_fixture.h"

#include "kern/ipsec.h"

static struct wh_ipsec *ipsec;

#define TUNNEL " tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel"

/* --- answers as text -------------------------------------------------------------------------------------- */

static void append(void *arg, const struct wh_net_prefix *prefix)
{
	char *text = arg;
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(prefix->family == WH_V4 ? AF_INET : AF_INET6, &prefix->addr4, addr, sizeof(addr));
	snprintf(text + strlen(text), 512 - strlen(text), "%s%s/%u", text[0] ? " " : "", addr, prefix->prefix_len);
}

static const char *selected(void)
{
	static char text[512];

	text[0] = '\0';
	wh_ipsec_each(ipsec, append, text);
	return text;
}

static bool read_within(int ms)
{
	struct pollfd wait = {.fd = wh_ipsec_fd(ipsec), .events = POLLIN};

	if (poll(&wait, 1, ms) <= 0)
		return false;
	assert_int_equal(wh_ipsec_read(ipsec), 0);
	return true;
}

static void wait_for(const char *expected)
{
	uint64_t give_up_ns = wh_now_ns() + PATIENCE_NS;

	while (!is(selected(), expected)) {
		if (wh_now_ns() > give_up_ns)
			fail_msg("selected: \"%s\", expected: \"%s\"", selected(), expected);
		read_within(100);
	}
}

/* --- tests ------------------------------------------------------------------------------------------------ */

static void test_come_and_go(void **state)
{
	(void)state;
	assert_string_equal(selected(), "10.1.0.0/16"); /* was there before */
	run("ip xfrm policy add src 10.0.0.0/8 dst 2001:db8:1::/48 dir out" TUNNEL " 2>/dev/null; true");
	run("ip xfrm policy add src ::/0 dst 2001:db8:1::/48 dir out" TUNNEL);
	wait_for("10.1.0.0/16 2001:db8:1::/48");
	assert_int_equal(n_changed, 1);
	run("ip xfrm policy update src ::/0 dst 2001:db8:1::/48 dir out priority 7" TUNNEL);
	assert_true(read_within(5000));
	while (read_within(150))
		;
	assert_int_equal(n_changed, 1); /* the same destinations */
	run("ip xfrm policy del src ::/0 dst 2001:db8:1::/48 dir out");
	wait_for("10.1.0.0/16");
	run("ip xfrm policy flush");
	wait_for("");
	assert_int_equal(n_changed, 3);
}

static void test_what_counts(void **state)
{
	(void)state;
	run("ip xfrm policy add src 10.2.0.0/16 dst 10.1.0.0/16 dir out" TUNNEL); /* another source, same destination */
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.3.0.0/16 dir in" TUNNEL);
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.4.0.0/16 dir fwd" TUNNEL);
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.5.0.0/16 dir out action block" TUNNEL);
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.6.0.0/16 dir out"); /* in the clear */
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.7.0.0/16 dir out mark 7 mask 0xff" TUNNEL);
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.8.0.0/16 dir out if_id 8" TUNNEL);
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.9.0.9/17 proto tcp dport 80 dir out" TUNNEL);
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.9.255.1 dir out" TUNNEL);
	run("ip xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out mark 0 mask 0xff" TUNNEL);
	wait_for("0.0.0.0/0 10.1.0.0/16 10.9.0.0/17 10.9.255.1/32");
	while (read_within(150))
		;
	assert_string_equal(selected(), "0.0.0.0/0 10.1.0.0/16 10.9.0.0/17 10.9.255.1/32");
}

static void batch_of_policies(const char *verb, const char *with)
{
	FILE *ip = popen("ip -batch -", "w");

	assert_non_null(ip);
	for (unsigned i = 0; i < 2000; i++)
		fprintf(ip, "xfrm policy %s src 10.0.0.0/8 dst 10.20.%u.%u dir out%s\n", verb, i / 256, i % 256, with);
	assert_int_equal(pclose(ip), 0);
}

static void count(void *arg, const struct wh_net_prefix *prefix)
{
	(void)prefix;
	++*(unsigned *)arg;
}

static unsigned n_selected(void)
{
	unsigned n = 0;

	wh_ipsec_each(ipsec, count, &n);
	return n;
}

/* More notifications than the socket holds. */
static void test_overrun(void **state)
{
	uint64_t give_up_ns = wh_now_ns() + PATIENCE_NS;

	(void)state;
	batch_of_policies("add", TUNNEL);
	while (n_selected() < 2001 && wh_now_ns() < give_up_ns)
		read_within(100);
	assert_int_equal(n_selected(), 2001);
	batch_of_policies("del", "");
	wait_for("10.1.0.0/16");
}

static int open_one(void **state)
{
	(void)state;
	run("ip xfrm policy add src 10.0.0.0/8 dst 10.1.0.0/16 dir out" TUNNEL);
	n_changed = 0;
	assert_int_equal(wh_ipsec_open(&ipsec, count_change, &n_changed), 0);
	assert_int_equal(n_changed, 0);
	return 0;
}

static int close_one(void **state)
{
	(void)state;
	wh_ipsec_close(ipsec);
	ipsec = NULL;
	return system("ip xfrm policy flush");
}

#define IPSEC_TEST(function) cmocka_unit_test_setup_teardown(function, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IPSEC_TEST(test_come_and_go),
		IPSEC_TEST(test_what_counts),
		IPSEC_TEST(test_overrun),
	};

	return RUN_IN_NAMESPACE("IPsec", tests);
}
