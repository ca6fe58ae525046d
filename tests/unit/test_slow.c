/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_slow.c: the slow path from a ring buffer to another namespace's kernel, which puts the fragments together:
 * frames cut up, and orphans that waited.  Time is an argument.
 */
#include "slow_path_fixture.h"

#define FLOOD 100000

/* --- datagrams -------------------------------------------------------------------------------------------- */

/* Make the payload of `packet`, from `addresses` on, a UDP datagram to PORT with its checksum, or the half of one. */
static void make_udp(const uint8_t *addresses, uint32_t addresses_len, bool unfinished)
{
	uint8_t *udp = packet.ip + packet.header;
	uint32_t pseudo = sum(addresses, addresses_len, IPPROTO_UDP + packet.payload);

	put16(udp, 53);
	put16(udp + 2, PORT);
	put16(udp + 4, packet.payload);
	put16(udp + 6, 0);
	put16(udp + 6, unfinished ? pseudo : ~sum(udp, packet.payload, pseudo));
}

static void make_datagram4(uint32_t payload, const char *from, bool unfinished)
{
	struct in_addr source = addr4(from), far = addr4("192.0.2.254");

	make4(&packet, ETH_HLEN, 0, payload, 0);
	memcpy(packet.bytes, far_mac, ETH_ALEN);
	memcpy(packet.ip + 12, &source, 4);
	memcpy(packet.ip + 16, &far, 4);
	seal(packet.ip);
	make_udp(packet.ip + 12, 8, unfinished);
}

static int far_udp(int family)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct sockaddr_in at4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd;

	enter(far_ns);
	run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.far0.rp_filter=0 && ip route add default dev far0");
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, family == AF_INET ? (struct sockaddr *)&at4 : (struct sockaddr *)&at,
			      family == AF_INET ? sizeof(at4) : sizeof(at)),
			 0);
	enter(near_ns);
	return fd;
}

/* The far kernel got what was sent, whole and with a right checksum. */
static void assert_arrives(int fd, const uint8_t *udp, uint32_t len)
{
	static uint8_t got[65536];

	assert_true(readable_within_ms(fd, PATIENCE_MS));
	assert_int_equal(recv(fd, got, sizeof(got), 0), len - 8);
	assert_memory_equal(got, udp + 8, len - 8);
}

/* --- cutting ---------------------------------------------------------------------------------------------- */

static void a_kernel_puts_the_pieces_together(void **state)
{
	int fd = far_udp(AF_INET);

	(void)state;
	for (uint32_t payload = 1400; payload <= 9000; payload += 1900) {
		make_datagram4(payload, "192.0.2.1", payload / 100 % 2);
		assert_true(put(make_record(WH_SLOW_FRAGMENT, near_index, 1280)));
		assert_true(readable_within_ms(wh_slow_fd(path), PATIENCE_MS));
		assert_int_equal(wh_slow_read(path, NOW_NS), 0);
		assert_arrives(fd, packet.ip + packet.header, payload);
	}
	assert_int_equal(count->fragmented, 5);
	assert_int_equal(count->pieces, 2 + 3 + 5 + 6 + 8);
	assert_int_equal(count->refused, 0);
	close(fd);
}

/* --- orphans ---------------------------------------------------------------------------------------------- */

/* Send a frame as it stands: the first fragment, which the data plane carries. */
static void send_near(const uint8_t *frame, uint32_t len)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)near_index};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_int_equal(sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)), (int)len);
	close(fd);
}

/* Cut `packet` in two; the first piece stays in *first, the second becomes the packet, to the external address. */
static uint32_t split4(uint8_t *first)
{
	static uint8_t second[WH_SLOW_OUT_MAX];
	struct in_addr external = addr4("198.51.100.1");
	uint32_t first_len, len;
	struct wh_cut cut;

	assert_int_equal(wh_cut_begin(&cut, &packet.frame, 1020), 0);
	first_len = wh_cut_next(&cut, first);
	len = wh_cut_next(&cut, second);
	assert_int_equal(wh_cut_next(&cut, second + len), 0);
	memcpy(packet.bytes, second, len);
	packet.frame.len = len;
	memcpy(packet.ip + 16, &external, 4);
	seal(packet.ip);
	return first_len;
}

static void an_orphan_waits_for_its_first_fragment(void **state)
{
	static uint8_t first[WH_SLOW_OUT_MAX], udp[2000];
	int fd = far_udp(AF_INET);
	uint32_t len;

	(void)state;
	world.client.client = addr6("::ffff:192.0.2.254");
	make_datagram4(1800, "203.0.113.1", false);
	memcpy(udp, packet.ip + packet.header, packet.payload);
	len = split4(first);
	assert_true(put(make_record(WH_SLOW_ORPHAN, 77, 0)));
	assert_int_equal(wh_slow_read(path, NOW_NS), 0);
	assert_int_equal(wh_slow_poll(path, NOW_NS), 1);
	assert_int_equal(wh_slow_poll(path, NOW_NS + WH_SLOW_WAIT_NS - 1), 1);
	world.first_came = true;
	assert_int_equal(wh_slow_poll(path, NOW_NS + WH_SLOW_WAIT_NS), 0);
	assert_int_equal(count->kept, 1);
	assert_int_equal(count->delivered, 1);
	assert_int_equal(world.asked4.remote_be, inet_addr("203.0.113.1"));
	assert_int_equal(world.asked4.external_be, inet_addr("198.51.100.1"));
	assert_int_equal(world.asked4.remote_port_be, htons(53));
	assert_int_equal(world.asked4.external_port_be, htons(PORT));
	assert_int_equal(world.asked4.proto, IPPROTO_UDP);
	assert_int_equal(world.asked4.wan, WAN);
	send_near(first, len);
	assert_arrives(fd, udp, sizeof(udp) - 200);
	close(fd);
}

static void so_does_one_of_ipv6(void **state)
{
	static uint8_t udp[1800], first[ETH_HLEN + 48 + 1000];
	struct in6_addr far = addr6("2001:db8::fe"), from = addr6("2001:db8:1::1"), external = addr6("2001:db8:2::1");
	int fd = far_udp(AF_INET6);

	(void)state;
	run_far("ip route add default dev far0 metric 1; ip -6 route add default dev far0");
	world.client.client = far;
	make6(&packet, ETH_HLEN, 0, sizeof(udp), 0);
	memcpy(packet.bytes, far_mac, ETH_ALEN);
	memcpy(packet.ip + 8, &from, 16);
	memcpy(packet.ip + 24, &far, 16);
	make_udp(packet.ip + 8, 32, false);
	memcpy(udp, packet.ip + packet.header, sizeof(udp));
	put16(packet.ip + 4, 8 + 1000); /* cut after 1000 bytes */
	memcpy(first, packet.bytes, sizeof(first));
	put16(packet.ip + 4, 8 + 800);
	put16(packet.ip + 42, 1000);
	memcpy(packet.ip + 24, &external, 16);
	memcpy(packet.ip + 48, udp + 1000, 800);
	packet.frame.len = ETH_HLEN + 48 + 800;
	take(make_record(WH_SLOW_ORPHAN, 77, 0), NOW_NS);
	assert_int_equal(wh_slow_poll(path, NOW_NS), 1);
	world.first_came = true;
	assert_int_equal(wh_slow_poll(path, NOW_NS), 0);
	assert_int_equal(count->delivered, 1);
	assert_memory_equal(&world.asked6.remote_be, &from, 16);
	assert_memory_equal(&world.asked6.external_be, &external, 16);
	assert_int_equal(world.asked6.remote_port_be, htons(53));
	assert_int_equal(world.asked6.external_port_be, htons(PORT));
	assert_int_equal(world.asked6.wan, WAN);
	send_near(first, sizeof(first));
	assert_arrives(fd, udp, sizeof(udp));
	close(fd);
}

static void an_answer_to_a_query_is_found_by_its_identifier(void **state)
{
	(void)state;
	world.client_err = -ENOENT;
	world.first = (struct wh_fragment){.sport_be = htons(0x4711), .proto = IPPROTO_ICMP};
	world.first_came = true;
	take(make_orphan(100, 1), NOW_NS);
	assert_int_equal(wh_slow_poll(path, NOW_NS), 0);
	assert_int_equal(world.asked4.remote_port_be, 0);
	assert_int_equal(world.asked4.external_port_be, htons(0x4711));
}

static void an_orphan_too_large_for_the_lan_is_cut(void **state)
{
	static uint8_t first[WH_SLOW_OUT_MAX], udp[1800];
	int fd = far_udp(AF_INET);
	uint32_t len;

	(void)state;
	world.client.client = addr6("::ffff:192.0.2.254");
	world.client.mtu = 576;
	world.first.id_be = htons(0x4711); /* that is for packets that leave */
	world.first_came = true;
	make_datagram4(1800, "203.0.113.1", false);
	memcpy(udp, packet.ip + packet.header, packet.payload);
	len = split4(first);
	take(make_record(WH_SLOW_ORPHAN, 77, 0), NOW_NS);
	assert_int_equal(wh_slow_poll(path, NOW_NS), 0);
	assert_int_equal(count->delivered, 1);
	send_near(first, len);
	assert_arrives(fd, udp, sizeof(udp));
	close(fd);
}

static void after_a_flood_a_fragment_still_gets_through(void **state)
{
	static uint8_t first[WH_SLOW_OUT_MAX];
	size_t size = make_orphan(1000, 1);
	int fd = far_udp(AF_INET);
	uint32_t len;

	(void)state;
	for (unsigned i = 0; i < FLOOD; i++) {
		put16(record->frame + ETH_HLEN + 4, i);
		seal(record->frame + ETH_HLEN);
		record->ifindex = 78;
		take(size, NOW_NS + i);
	}
	assert_int_equal(count->kept, FLOOD);
	world.client.client = addr6("::ffff:192.0.2.254");
	make_datagram4(1800, "203.0.113.1", false);
	len = split4(first);
	take(make_record(WH_SLOW_ORPHAN, 77, 0), NOW_NS + FLOOD);
	world.first_came = true;
	assert_int_equal(wh_slow_poll(path, NOW_NS + FLOOD), WH_SLOW_KEPT_MAX - 1);
	assert_int_equal(count->delivered, 1);
	send_near(first, len);
	assert_true(readable_within_ms(fd, PATIENCE_MS));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(a_kernel_puts_the_pieces_together),
		PATH_TEST(an_orphan_waits_for_its_first_fragment),
		PATH_TEST(so_does_one_of_ipv6),
		PATH_TEST(an_answer_to_a_query_is_found_by_its_identifier),
		PATH_TEST(an_orphan_too_large_for_the_lan_is_cut),
		PATH_TEST(after_a_flood_a_fragment_still_gets_through),
	};

	return RUN_IN_NAMESPACES("slow", tests);
}
