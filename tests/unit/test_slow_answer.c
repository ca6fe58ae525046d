/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_slow_answer.c: answers of the DNS on the slow path: learnt first, sent then, byte for byte but for checksums
 * that a virtual device left unfinished.  TCP and UDP of both families; damage at random (the seed is printed).
 */
#include "slow_path_fixture.h"

#define ROUNDS 50000
#define SPORT 53

static int wire; /* what comes out on far0 */

static int open_wire(void **state)
{
	open_path(state);
	wire = far_socket(ETH_P_ALL);
	return 0;
}

static int close_wire(void **state)
{
	close(wire);
	return close_path(state);
}

enum field { GOOD, UNFINISHED, WRONG, NONE };

static uint32_t sum_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : 6;
}

/* The TCP or UDP datagram behind the packet's header, its checksum as it should be or not. */
static void make_l4(uint8_t proto, uint32_t addresses_at, uint32_t addresses_len, enum field field)
{
	uint8_t *l4 = packet.ip + packet.header;
	uint32_t pseudo = sum(packet.ip + addresses_at, addresses_len, proto + packet.payload);

	put16(l4, SPORT);
	put16(l4 + 2, PORT);
	if (proto == IPPROTO_UDP)
		put16(l4 + 4, packet.payload);
	else
		l4[12] = 0x50;
	put16(l4 + sum_at(proto), 0);
	if (field == GOOD)
		put16(l4 + sum_at(proto), ~sum(l4, packet.payload, pseudo));
	else if (field == UNFINISHED)
		put16(l4 + sum_at(proto), pseudo);
	else if (field == WRONG)
		put16(l4 + sum_at(proto), 1 + ~sum(l4, packet.payload, pseudo));
}

static void make_answer(enum wh_family family, uint8_t proto, uint32_t payload, enum field field)
{
	if (family == WH_V4) {
		make4(&packet, ETH_HLEN, 0, payload, 0);
		packet.ip[9] = proto;
		seal(packet.ip);
		make_l4(proto, 12, 8, field);
	} else {
		make6(&packet, ETH_HLEN, 0, payload, 0);
		packet.ip[6] = proto;
		packet.header = 40;
		memmove(packet.ip + 40, packet.ip + 48, payload);
		put16(packet.ip + 4, payload);
		packet.frame.len -= 8;
		make_l4(proto, 8, 32, field);
	}
	memcpy(packet.bytes, far_mac, ETH_ALEN);
}

/* The next frame from port 53 on the wire, which has other things on it, too. Its length; 0: none. */
static size_t next_frame(uint8_t *out, size_t room, int patience_ms)
{
	while (readable_within_ms(wire, patience_ms)) {
		ssize_t len = recv(wire, out, room, 0);
		size_t at = len > 15 && out[14] >> 4 == 4 ? 34 : 54;

		if (len > (ssize_t)at + 1 && get16(out + at) == SPORT)
			return (size_t)len;
	}
	return 0;
}

static void nothing_was_sent_yet(void)
{
	uint8_t frame[2000];

	assert_int_equal(next_frame(frame, sizeof(frame), 0), 0);
}

static void an_answer_is_learnt_then_sent(void **state)
{
	uint8_t got[2000];

	(void)state;
	world.on_learn = nothing_was_sent_yet;
	for (unsigned i = 0; i < 32; i++) {
		enum wh_family family = i % 2;
		uint8_t proto = i / 2 % 2 ? IPPROTO_TCP : IPPROTO_UDP;
		enum field field = i / 4 % 4;
		uint32_t payload = 61 + 200 * (i / 16); /* odd */
		uint8_t *field_at;

		if (field == NONE && (proto == IPPROTO_TCP || family == WH_V6))
			continue;
		make_answer(family, proto, payload, field);
		assert_true(put(make_record(WH_SLOW_ANSWER, near_index, 0)));
		assert_true(readable_within_ms(wh_slow_fd(path), PATIENCE_MS));
		assert_int_equal(wh_slow_read(path, NOW_NS), 0);
		assert_int_equal(world.frame_len, packet.frame.len);
		assert_memory_equal(world.frame, packet.bytes, packet.frame.len);
		assert_int_equal(next_frame(got, sizeof(got), PATIENCE_MS), packet.frame.len);
		field_at = packet.ip + packet.header + sum_at(proto);
		if (field == UNFINISHED) /* the one that it should have been */
			make_l4(proto, family == WH_V4 ? 12 : 8, family == WH_V4 ? 8 : 32, GOOD);
		assert_memory_equal(got, packet.bytes, packet.frame.len);
		assert_true(field != UNFINISHED || get16(field_at));
	}
	assert_int_equal(count->answers, world.learnt);
	assert_int_equal(world.learnt_late, 0);
	assert_int_equal(count->refused, 0);
}

/* RFC 768: a sum of 0 is sent as all ones. */
static void a_sum_of_zero_is_sent_as_ones(void **state)
{
	uint8_t got[2000], *udp;
	uint32_t pseudo;

	(void)state;
	make_answer(WH_V4, IPPROTO_UDP, 20, GOOD);
	udp = packet.ip + packet.header;
	pseudo = sum(packet.ip + 12, 8, IPPROTO_UDP + packet.payload);
	put16(udp + 6, 0);
	put16(udp + 18, 0);
	put16(udp + 18, ~sum(udp, 20, pseudo)); /* all of it is all ones without the field */
	put16(udp + 6, pseudo);
	take(make_record(WH_SLOW_ANSWER, near_index, 0), NOW_NS);
	assert_int_equal(next_frame(got, sizeof(got), PATIENCE_MS), packet.frame.len);
	assert_int_equal(get16(got + ETH_HLEN + 26), 0xffff);
}

/* A whole sum that happens to be what a half one would be. */
static void a_sum_that_is_right_stays(void **state)
{
	uint8_t got[2000], *udp;
	uint32_t pseudo, rest;

	(void)state;
	make_answer(WH_V4, IPPROTO_UDP, 20, NONE);
	udp = packet.ip + packet.header;
	pseudo = sum(packet.ip + 12, 8, IPPROTO_UDP + packet.payload);
	put16(udp + 18, 0);
	rest = sum(udp, 20, pseudo);
	put16(udp + 18, sum(NULL, 0, (~pseudo & 0xffff) + (~rest & 0xffff)));
	put16(udp + 6, pseudo);
	assert_int_equal(sum(udp, 20, pseudo), 0xffff);
	take(make_record(WH_SLOW_ANSWER, near_index, 0), NOW_NS);
	assert_int_equal(next_frame(got, sizeof(got), PATIENCE_MS), packet.frame.len);
	assert_memory_equal(got, packet.bytes, packet.frame.len);
}

static void one_that_went_on_already_is_only_learnt(void **state)
{
	(void)state;
	make_answer(WH_V4, IPPROTO_UDP, 100, GOOD);
	take(make_record(WH_SLOW_ANSWER, 0, 0), NOW_NS);
	assert_int_equal(world.learnt, 1);
	assert_int_equal(world.learnt_late, 1);
	assert_int_equal(count->answers, 0);
	assert_int_equal(count->refused, 0);
	nothing_was_sent_yet();
}

static void without_a_device_it_is_refused(void **state)
{
	(void)state;
	make_answer(WH_V4, IPPROTO_UDP, 100, GOOD);
	take(make_record(WH_SLOW_ANSWER, 9999, 0), NOW_NS);
	assert_int_equal(world.learnt, 1);
	assert_int_equal(count->refused, 1);
	assert_int_equal(count->answers, 0);
	packet.ip[0] = 0x15;
	take(make_record(WH_SLOW_ANSWER, near_index, 0), NOW_NS);
	assert_int_equal(count->refused, 2);
}

static void a_datagram_stands_where_its_headers_say(void **state)
{
	struct wh_datagram d;

	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		make_answer(family, IPPROTO_UDP, 100, GOOD);
		assert_int_equal(wh_frame_datagram(&packet.frame, &d), 0);
		assert_int_equal(d.family, family);
		assert_int_equal(d.proto, IPPROTO_UDP);
		assert_int_equal(d.at, ETH_HLEN + packet.header);
		assert_int_equal(d.len, 100);
		packet.frame.len += 6; /* padding is not part of it */
		assert_int_equal(wh_frame_datagram(&packet.frame, &d), 0);
		assert_int_equal(d.len, 100);
		make_answer(family, IPPROTO_UDP, 7, WRONG);
		assert_int_equal(wh_frame_datagram(&packet.frame, &d), -EINVAL);
		make_answer(family, IPPROTO_TCP, 19, WRONG);
		assert_int_equal(wh_frame_datagram(&packet.frame, &d), -EINVAL);
		make_answer(family, IPPROTO_SCTP, 100, WRONG);
		assert_int_equal(wh_frame_datagram(&packet.frame, &d), -EINVAL);
	}
	make4(&packet, ETH_HLEN, 0, 800, MF);
	assert_int_equal(wh_frame_datagram(&packet.frame, &d), -EINVAL);
	make6(&packet, ETH_HLEN, 3, 800, 0);
	assert_int_equal(wh_frame_datagram(&packet.frame, &d), -EINVAL); /* a fragment, behind extensions */
}

static void damage_at_random_does_no_harm(void **state)
{
	static uint8_t out[WH_SLOW_OUT_MAX];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct wh_datagram d;
		struct wh_frame frame;
		uint8_t *bytes;

		make_answer(pick(2), pick(2) ? IPPROTO_TCP : IPPROTO_UDP, 8 + pick(120), pick(4));
		for (unsigned k = pick(5); k; k--)
			packet.bytes[pick(packet.frame.len)] = (uint8_t)pick(256);
		if (packet.ip[0] >> 4 == 4)
			seal(packet.ip);
		frame = packet.frame;
		frame.len = pick(4) ? frame.len : pick(frame.len) + 1;
		frame.l2_len = frame.len < ETH_HLEN ? 0 : frame.l2_len;
		bytes = malloc(frame.len); /* so that a byte too far is found */
		assert_non_null(bytes);
		memcpy(bytes, packet.bytes, frame.len);
		frame.bytes = bytes;
		if (!wh_frame_datagram(&frame, &d))
			assert_true(d.at + d.len <= frame.len && d.addresses + d.addresses_len <= d.at);
		wh_frame_finish(&frame, out);
		free(bytes);
	}
}

#define ANSWER_TEST(function) cmocka_unit_test_setup_teardown(function, open_wire, close_wire)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ANSWER_TEST(an_answer_is_learnt_then_sent),  ANSWER_TEST(a_sum_of_zero_is_sent_as_ones),
		ANSWER_TEST(a_sum_that_is_right_stays),	     ANSWER_TEST(one_that_went_on_already_is_only_learnt),
		ANSWER_TEST(without_a_device_it_is_refused), ANSWER_TEST(a_datagram_stands_where_its_headers_say),
		ANSWER_TEST(damage_at_random_does_no_harm),
	};

	seed(NULL);
	return RUN_IN_NAMESPACES("slow answer", tests);
}
