/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_resolve.c: asking for a gateway that is another namespace's kernel, or plays one; what is told of what it
 * says, and of what others say.
 */
#include "veth_fixture.h"

#include "kern/resolve.h"
#include "kern/resolve_packet.h"

#define QUIET_MS 150 /* nothing comes: long against the microseconds that a veth takes */

static struct wh_resolver *resolver;

static struct {
	unsigned n;
	unsigned ifindex;
	enum wh_family family;
	char addr[INET6_ADDRSTRLEN];
	uint8_t mac[ETH_ALEN];
} news;

static void take_news(void *arg, unsigned ifindex, enum wh_family family, const struct in6_addr *addr,
		      const uint8_t mac[ETH_ALEN])
{
	assert_ptr_equal(arg, &news);
	news.n++;
	news.ifindex = ifindex;
	news.family = family;
	inet_ntop(AF_INET6, addr, news.addr, sizeof(news.addr));
	memcpy(news.mac, mac, ETH_ALEN);
}

static unsigned hear_for_ms(int ms)
{
	news.n = 0;
	while (!news.n && readable_within_ms(wh_resolver_fd(resolver), ms))
		assert_int_equal(wh_resolver_read(resolver, take_news, &news), 0);
	return news.n;
}

static void assert_heard(enum wh_family family, const char *addr, const uint8_t mac[ETH_ALEN])
{
	assert_true(hear_for_ms(PATIENCE_MS) >= 1);
	assert_int_equal(news.ifindex, near_index);
	assert_int_equal(news.family, family);
	assert_string_equal(news.addr, addr);
	assert_memory_equal(news.mac, mac, ETH_ALEN);
}

static void ask4(const uint8_t *known_mac)
{
	assert_int_equal(
		wh_resolver_ask4(resolver, near_index, near_mac, known_mac, addr4("192.0.2.1"), addr4("192.0.2.254")),
		0);
}

static void ask6(const uint8_t *known_mac, const char *own, const char *target)
{
	struct in6_addr from = addr6(own), to = addr6(target);

	assert_int_equal(wh_resolver_ask6(resolver, near_index, near_mac, known_mac, &from, &to), 0);
}

static int open_resolver(void **state)
{
	set_up(state);
	return wh_resolver_open(&resolver);
}

static int close_resolver(void **state)
{
	wh_resolver_close(resolver);
	return tear_down(state);
}

/* --- a real kernel ---------------------------------------------------------------------------------------- */

static void a_gateway_answers(void **state)
{
	(void)state;
	ask4(NULL);
	assert_heard(WH_V4, "::ffff:192.0.2.254", far_mac);
	ask6(NULL, "fe80::1", "fe80::fe");
	assert_heard(WH_V6, "fe80::fe", far_mac);
	ask6(NULL, "2001:db8::1", "2001:db8::fe");
	assert_heard(WH_V6, "2001:db8::fe", far_mac);
	ask6(NULL, "fe80::1", "2001:db8::fe");
	assert_heard(WH_V6, "2001:db8::fe", far_mac);
}

static void a_known_gateway_alone_is_asked(void **state)
{
	static const uint8_t old_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 9};

	(void)state;
	ask4(far_mac);
	assert_heard(WH_V4, "::ffff:192.0.2.254", far_mac);
	ask6(far_mac, "fe80::1", "fe80::fe");
	assert_heard(WH_V6, "fe80::fe", far_mac);
	ask4(old_mac);
	assert_int_equal(hear_for_ms(QUIET_MS), 0);
	ask6(old_mac, "fe80::1", "fe80::fe");
	assert_int_equal(hear_for_ms(QUIET_MS), 0);
	ask4(NULL);
	assert_heard(WH_V4, "::ffff:192.0.2.254", far_mac);
	ask6(NULL, "fe80::1", "fe80::fe");
	assert_heard(WH_V6, "fe80::fe", far_mac);
}

/* The destination of the next solicitation that the gateway hears. */
static const char *solicited(int fd)
{
	static char text[INET6_ADDRSTRLEN];
	uint8_t got[256] = {};

	while (got[ETH_HLEN + 40] != 135) {
		assert_true(readable_within_ms(fd, PATIENCE_MS));
		assert_true(recv(fd, got, sizeof(got), 0) > 0);
	}
	return inet_ntop(AF_INET6, &got[ETH_HLEN + 24], text, sizeof(text));
}

static void it_is_asked_at_its_address_and_all_at_the_group(void **state)
{
	int fd = far_socket(ETH_P_IPV6);

	(void)state;
	ask6(far_mac, "fe80::1", "fe80::fe");
	assert_string_equal(solicited(fd), "fe80::fe");
	ask6(NULL, "fe80::1", "fe80::fe");
	assert_string_equal(solicited(fd), "ff02::1:ff00:fe");
	close(fd);
}

static void a_changed_gateway_is_noticed(void **state)
{
	static const uint8_t new_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 7};

	(void)state;
	ask4(NULL);
	assert_heard(WH_V4, "::ffff:192.0.2.254", far_mac);
	ask6(NULL, "fe80::1", "fe80::fe");
	assert_heard(WH_V6, "fe80::fe", far_mac);
	run_far("ip link set far0 address 02:00:00:00:00:07");
	ask4(NULL);
	assert_heard(WH_V4, "::ffff:192.0.2.254", new_mac);
	ask6(NULL, "fe80::1", "fe80::fe");
	assert_heard(WH_V6, "fe80::fe", new_mac);
}

static void it_tells_so_unasked_too(void **state)
{
	static const uint8_t new_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 7};

	(void)state;
	ask4(far_mac);
	assert_heard(WH_V4, "::ffff:192.0.2.254", far_mac);
	run_far("sysctl -qw net.ipv4.conf.far0.arp_notify=1 net.ipv6.conf.far0.ndisc_notify=1");
	run_far("ip link set far0 address 02:00:00:00:00:07");
	assert_heard(WH_V4, "::ffff:192.0.2.254", new_mac);
	ask6(NULL, "2001:db8::1", "2001:db8::fe");
	assert_heard(WH_V6, "2001:db8::fe", new_mac);
	run_far("ip link set far0 address 02:00:00:00:00:02");
	while (news.family != WH_V6 || memcmp(news.mac, far_mac, ETH_ALEN) != 0)
		assert_true(hear_for_ms(PATIENCE_MS));
	assert_string_equal(news.addr, "2001:db8::fe");
}

/* --- one that plays a gateway ----------------------------------------------------------------------------- */

static uint8_t frame[ETH_HLEN + WH_ARP_LEN];

/* A reply of `sender` with that link-layer address to ours. */
static void say_arp(int fd, const char *sender, const uint8_t mac[ETH_ALEN], const uint8_t to[ETH_ALEN])
{
	struct in_addr from = addr4(sender);

	wh_arp_request(&frame[ETH_HLEN], mac, from, addr4("192.0.2.1"));
	memcpy(frame, to, ETH_ALEN);
	memcpy(&frame[ETH_ALEN], mac, ETH_ALEN);
	frame[12] = 0x08;
	frame[13] = 0x06;
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
}

static void only_what_was_asked_for_is_told(void **state)
{
	static const uint8_t elsewhere[ETH_ALEN] = {2, 0, 0, 0, 0, 9};
	int fd = far_socket(0);

	(void)state;
	say_arp(fd, "192.0.2.254", far_mac, near_mac);
	assert_int_equal(hear_for_ms(QUIET_MS), 0);
	ask4(NULL);
	assert_heard(WH_V4, "::ffff:192.0.2.254", far_mac);
	say_arp(fd, "192.0.2.253", far_mac, near_mac);
	assert_int_equal(hear_for_ms(QUIET_MS), 0);
	say_arp(fd, "192.0.2.254", near_mac, near_mac); /* with our own link-layer address */
	assert_int_equal(hear_for_ms(QUIET_MS), 0);
	run("ip link set near0 promisc on");
	say_arp(fd, "192.0.2.254", far_mac, elsewhere);
	assert_int_equal(hear_for_ms(QUIET_MS), 0);
	say_arp(fd, "192.0.2.254", far_mac, near_mac);
	assert_heard(WH_V4, "::ffff:192.0.2.254", far_mac);
	close(fd);
}

#define NA_FRAME (ETH_HLEN + 72)

/* An advertisement for fe80::fe with these flags, and with that link-layer address or none. */
static void say_na(int fd, uint8_t flags, const uint8_t *mac)
{
	uint8_t na[NA_FRAME] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd};
	struct in6_addr from = addr6("fe80::fe"), to = addr6("fe80::1");
	uint32_t sum = 0;
	size_t len = mac ? NA_FRAME : NA_FRAME - 8;

	/* A solicitation becomes an advertisement by its type, its flags and the name of its option. */
	wh_solicitation(&na[ETH_HLEN], mac ? mac : far_mac, &from, &to, &from);
	na[ETH_HLEN + 5] = (uint8_t)(len - ETH_HLEN - 40);
	na[ETH_HLEN + 40] = 136;
	na[ETH_HLEN + 42] = na[ETH_HLEN + 43] = 0;
	na[ETH_HLEN + 44] = flags;
	na[ETH_HLEN + 64] = 2;
	sum = IPPROTO_ICMPV6 + na[ETH_HLEN + 5];
	for (size_t i = ETH_HLEN + 8; i < len; i++)
		sum += i % 2 ? na[i] : (uint32_t)na[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	na[ETH_HLEN + 42] = (uint8_t)(sum >> 8);
	na[ETH_HLEN + 43] = (uint8_t)sum;
	assert_int_equal(send(fd, na, len, 0), (int)len);
}

static void other_devices_do_not_wake_us(void **state)
{
	int fd = far_socket(0);

	(void)state;
	assert_int_equal(
		wh_resolver_ask4(resolver, near_index + 1000, near_mac, NULL, addr4("192.0.2.1"), addr4("192.0.2.254")),
		-ENXIO);
	say_arp(fd, "192.0.2.254", far_mac, near_mac);
	assert_false(readable_within_ms(wh_resolver_fd(resolver), QUIET_MS));
	close(fd);
}

static void of_many_questions_the_last_are_remembered(void **state)
{
	int fd = far_socket(0);

	(void)state;
	for (unsigned i = 1; i <= 100; i++)
		wh_resolver_ask4(resolver, near_index + i, near_mac, NULL, addr4("192.0.2.1"), addr4("192.0.2.254"));
	ask6(NULL, "fe80::1", "fe80::fe");
	ask4(NULL);
	while (hear_for_ms(QUIET_MS))
		;
	say_na(fd, 0x60, far_mac);
	assert_heard(WH_V6, "fe80::fe", far_mac);
	say_arp(fd, "192.0.2.254", far_mac, near_mac);
	assert_heard(WH_V4, "::ffff:192.0.2.254", far_mac);
	close(fd);
}

static void flags_of_advertisements_count(void **state)
{
	static const uint8_t other_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 7};
	int fd = far_socket(0);

	(void)state;
	ask6(far_mac, "fe80::1", "fe80::fe");
	assert_heard(WH_V6, "fe80::fe", far_mac);
	say_na(fd, 0x40, NULL); /* solicited: it is still there */
	assert_heard(WH_V6, "fe80::fe", far_mac);
	say_na(fd, 0x40, other_mac); /* must not override */
	assert_int_equal(hear_for_ms(QUIET_MS), 0);
	say_na(fd, 0x40, far_mac);
	assert_heard(WH_V6, "fe80::fe", far_mac);
	say_na(fd, 0x60, other_mac);
	assert_heard(WH_V6, "fe80::fe", other_mac);
	ask6(NULL, "fe80::1", "fe80::fe"); /* nothing is known any more: the first that comes is right */
	assert_heard(WH_V6, "fe80::fe", far_mac);
	say_na(fd, 0x40, other_mac);
	assert_heard(WH_V6, "fe80::fe", other_mac);
	say_na(fd, 0x40, NULL);
	assert_int_equal(hear_for_ms(QUIET_MS), 0);
	close(fd);
}

static void nobodys_address_is_not_asked_for(void **state)
{
	struct in6_addr own = addr6("fe80::1"), none = addr6("::"), group = addr6("ff02::1"),
			target = addr6("fe80::fe");

	(void)state;
	assert_int_equal(wh_resolver_ask4(resolver, near_index, near_mac, NULL, addr4("192.0.2.1"), addr4("0.0.0.0")),
			 -EINVAL);
	assert_int_equal(wh_resolver_ask4(resolver, near_index, near_mac, NULL, addr4("192.0.2.1"), addr4("224.0.0.1")),
			 -EINVAL);
	assert_int_equal(wh_resolver_ask6(resolver, near_index, near_mac, NULL, &own, &group), -EINVAL);
	assert_int_equal(wh_resolver_ask6(resolver, near_index, near_mac, NULL, &own, &none), -EINVAL);
	assert_int_equal(wh_resolver_ask6(resolver, near_index, near_mac, NULL, &none, &target), -EINVAL);
}

#define RESOLVER_TEST(function) cmocka_unit_test_setup_teardown(function, open_resolver, close_resolver)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESOLVER_TEST(a_gateway_answers),
		RESOLVER_TEST(a_known_gateway_alone_is_asked),
		RESOLVER_TEST(it_is_asked_at_its_address_and_all_at_the_group),
		RESOLVER_TEST(a_changed_gateway_is_noticed),
		RESOLVER_TEST(it_tells_so_unasked_too),
		RESOLVER_TEST(only_what_was_asked_for_is_told),
		RESOLVER_TEST(other_devices_do_not_wake_us),
		RESOLVER_TEST(of_many_questions_the_last_are_remembered),
		RESOLVER_TEST(flags_of_advertisements_count),
		RESOLVER_TEST(nobodys_address_is_not_asked_for),
	};

	return RUN_IN_NAMESPACES("resolve", tests);
}
