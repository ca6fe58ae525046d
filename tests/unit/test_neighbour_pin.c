/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_neighbour_pin.c: entries of the kernel's neighbour tables made permanent and taken back, as ip(8) shows
 * them; that packets for them then go on; and what is left alone.
 */
#include "veth_fixture.h"

#include "kern/neighbour_pin.h"

#define GATEWAY4 "::ffff:192.0.2.254"
#define GATEWAY6 "fe80::fe"

static int pin(const char *addr, const uint8_t mac[ETH_ALEN])
{
	struct in6_addr in6 = addr6(addr);

	return wh_neighbour_pin(near_index, &in6, mac);
}

static int unpin(const char *addr)
{
	struct in6_addr in6 = addr6(addr);

	return wh_neighbour_unpin(near_index, &in6);
}

/* How ip(8) shows an entry of near0: "lladdr … STALE", or nothing. */
static const char *shown(const char *addr)
{
	static char line[256];
	char command[128];
	FILE *pipe;

	snprintf(command, sizeof(command), "ip neigh show nud all to %s dev near0", addr);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	if (!fgets(line, sizeof(line), pipe))
		line[0] = 0;
	pclose(pipe);
	line[strcspn(line, "\n")] = 0;
	return strchr(line, ' ') ? strchr(line, ' ') + 1 : line;
}

/* --- what is listed --------------------------------------------------------------------------------------- */

static char listed[1024];

static void list(void *arg, unsigned ifindex, const struct in6_addr *addr, const uint8_t mac[ETH_ALEN])
{
	char text[INET6_ADDRSTRLEN];

	assert_ptr_equal(arg, listed);
	assert_int_equal(ifindex, near_index);
	inet_ntop(AF_INET6, addr, text, sizeof(text));
	snprintf(listed + strlen(listed), sizeof(listed) - strlen(listed), "%s=%u ", text, mac[5]);
}

static const char *pins(void)
{
	listed[0] = 0;
	assert_int_equal(wh_neighbour_pins(list, listed), 0);
	return listed;
}

static void unpin_listed(void *arg, unsigned ifindex, const struct in6_addr *addr, const uint8_t mac[ETH_ALEN])
{
	(void)arg;
	(void)mac;
	assert_int_equal(wh_neighbour_unpin(ifindex, addr), 0);
}

/* --- cases ------------------------------------------------------------------------------------------------ */

static void a_pin_is_permanent_and_marked_and_can_be_taken_back(void **state)
{
	(void)state;
	assert_string_equal(pins(), "");
	assert_int_equal(pin(GATEWAY4, far_mac), 0);
	assert_int_equal(pin(GATEWAY6, far_mac), 0);
	assert_string_equal(shown("192.0.2.254"), "lladdr 02:00:00:00:00:02 PERMANENT proto 87 ");
	assert_string_equal(shown("fe80::fe"), "lladdr 02:00:00:00:00:02 router PERMANENT proto 87 ");
	assert_string_equal(pins(), GATEWAY4 "=2 " GATEWAY6 "=2 ");
	assert_int_equal(unpin(GATEWAY4), 0);
	assert_string_equal(pins(), GATEWAY6 "=2 ");
	assert_int_equal(unpin(GATEWAY6), 0);
	assert_string_equal(pins(), "");
	assert_string_equal(shown("192.0.2.254"), "lladdr 02:00:00:00:00:02 STALE proto kernel ");
	assert_string_equal(shown("fe80::fe"), "lladdr 02:00:00:00:00:02 router STALE proto kernel ");
	run("ping -c 1 -W 5 192.0.2.254 >/dev/null && ping -c 1 -W 5 fe80::fe%near0 >/dev/null");
}

static void entries_that_the_kernel_made_can_be_pinned_and_changed(void **state)
{
	static const uint8_t other_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 7};

	(void)state;
	run("ping -c 1 -W 5 192.0.2.254 >/dev/null && ping -c 1 -W 5 fe80::fe%near0 >/dev/null");
	assert_int_equal(pin(GATEWAY4, far_mac), 0);
	assert_int_equal(pin(GATEWAY6, far_mac), 0);
	assert_int_equal(pin(GATEWAY4, other_mac), 0);
	assert_int_equal(pin(GATEWAY6, other_mac), 0);
	assert_string_equal(pins(), GATEWAY4 "=7 " GATEWAY6 "=7 ");
}

/* Wait for a frame with that byte there: an echo request among whatever else a kernel says. */
static void await_byte(int fd, size_t at, uint8_t value)
{
	uint8_t frame[256];

	do {
		memset(frame, 0, sizeof(frame));
		if (!readable_within_ms(fd, PATIENCE_MS) || recv(fd, frame, sizeof(frame), 0) < 0)
			fail_msg("no echo request came");
	} while (frame[at] != value);
}

static void packets_go_on_without_an_answer(void **state)
{
	int heard4, heard6;

	(void)state;
	run_far("ip link set far0 arp off");
	heard4 = far_socket(ETH_P_IP);
	heard6 = far_socket(ETH_P_IPV6);
	assert_int_equal(pin(GATEWAY4, far_mac), 0);
	assert_int_equal(pin(GATEWAY6, far_mac), 0);
	run("ping -c 1 -W 0.1 192.0.2.254 >/dev/null; ping -c 1 -W 0.1 fe80::fe%near0 >/dev/null; true");
	await_byte(heard4, ETH_HLEN + 20, 8);
	await_byte(heard6, ETH_HLEN + 40, 128);
	close(heard4);
	close(heard6);
}

static void pins_outlive_the_carrier(void **state)
{
	(void)state;
	assert_int_equal(pin(GATEWAY4, far_mac), 0);
	assert_int_equal(pin(GATEWAY6, far_mac), 0);
	run_far("ip link set far0 down");
	assert_string_equal(pins(), GATEWAY4 "=2 " GATEWAY6 "=2 ");
	assert_int_equal(pin(GATEWAY4, near_mac), 0);
	assert_int_equal(unpin(GATEWAY6), 0);
	assert_string_equal(pins(), GATEWAY4 "=1 ");
}

static void what_was_left_is_recognised(void **state)
{
	(void)state;
	run("ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:02 dev near0 nud permanent protocol 87");
	run("ip neigh add fe80::fe lladdr 02:00:00:00:00:02 dev near0 nud permanent protocol 87");
	run("ip neigh add 192.0.2.3 lladdr 02:00:00:00:00:03 dev near0 nud permanent");
	run("ip neigh add 192.0.2.4 lladdr 02:00:00:00:00:04 dev near0 nud stale protocol 87");
	assert_string_equal(pins(), GATEWAY4 "=2 " GATEWAY6 "=2 ");
	assert_int_equal(wh_neighbour_pins(unpin_listed, NULL), 0);
	assert_string_equal(pins(), "");
}

static void what_somebody_else_pinned_is_left_alone(void **state)
{
	(void)state;
	run("ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:05 dev near0 nud permanent");
	run("ip neigh add fe80::fe lladdr 02:00:00:00:00:05 dev near0 nud permanent protocol 88");
	assert_int_equal(pin(GATEWAY4, far_mac), -EEXIST);
	assert_int_equal(pin(GATEWAY6, far_mac), -EEXIST);
	assert_int_equal(unpin(GATEWAY4), 0);
	assert_int_equal(unpin(GATEWAY6), 0);
	assert_string_equal(shown("192.0.2.254"), "lladdr 02:00:00:00:00:05 PERMANENT ");
	assert_string_equal(shown("fe80::fe"), "lladdr 02:00:00:00:00:05 PERMANENT proto 88 ");
	/* Taken back by us and then pinned by somebody else. */
	assert_int_equal(pin("::ffff:192.0.2.253", far_mac), 0);
	assert_int_equal(unpin("::ffff:192.0.2.253"), 0);
	run("ip neigh replace 192.0.2.253 lladdr 02:00:00:00:00:05 dev near0 nud permanent");
	assert_string_equal(pins(), "");
	assert_int_equal(pin("::ffff:192.0.2.253", far_mac), -EEXIST);
}

static void what_is_not_there_is_no_error_to_take_back(void **state)
{
	struct in6_addr in6 = addr6(GATEWAY4);

	(void)state;
	assert_int_equal(unpin(GATEWAY4), 0);
	assert_string_equal(shown("192.0.2.254"), "");
	assert_int_equal(wh_neighbour_unpin(near_index + 1000, &in6), 0);
	assert_int_equal(wh_neighbour_pin(near_index + 1000, &in6, far_mac), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pin_is_permanent_and_marked_and_can_be_taken_back),
		TEST(entries_that_the_kernel_made_can_be_pinned_and_changed),
		TEST(packets_go_on_without_an_answer),
		TEST(pins_outlive_the_carrier),
		TEST(what_was_left_is_recognised),
		TEST(what_somebody_else_pinned_is_left_alone),
		TEST(what_is_not_there_is_no_error_to_take_back),
	};

	return RUN_IN_NAMESPACES("neighbour_pin", tests);
}
