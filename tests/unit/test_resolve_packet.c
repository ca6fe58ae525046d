/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_resolve_packet.c: ARP and neighbour discovery as bytes.  What is sent is compared with what scapy makes;
 * what comes in is right, wrong in one way, or random (the seed is printed).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "kern/resolve_packet.h"
#include "random.h"

#define ROUNDS 200000

static const uint8_t own_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 1};
static const uint8_t gateway_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 2};

static struct in6_addr addr6(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static void assert_addr(const struct in6_addr *addr, const char *text)
{
	char got[INET6_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET6, addr, got, sizeof(got)), text);
}

/* --- ARP -------------------------------------------------------------------------------------------------- */

static void an_arp_request_is_as_in_the_rfc(void **state)
{
	static const uint8_t expected[WH_ARP_LEN] = {0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x00,
						     0x00, 0x00, 0x00, 0x01, 0xc0, 0x00, 0x02, 0x01, 0x00, 0x00,
						     0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x02, 0xfe};
	uint8_t packet[WH_ARP_LEN];

	(void)state;
	wh_arp_request(packet, own_mac, (struct in_addr){inet_addr("192.0.2.1")},
		       (struct in_addr){inet_addr("192.0.2.254")});
	assert_memory_equal(packet, expected, sizeof(expected));
}

static const uint8_t arp_reply[WH_ARP_LEN] = {0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02, 0x02, 0x00,
					      0x00, 0x00, 0x00, 0x02, 0xc0, 0x00, 0x02, 0xfe, 0x02, 0x00,
					      0x00, 0x00, 0x00, 0x01, 0xc0, 0x00, 0x02, 0x01};

static void an_arp_packet_names_its_sender(void **state)
{
	uint8_t packet[46] = {}; /* with the padding of Ethernet */
	struct wh_heard heard;

	(void)state;
	for (uint8_t operation = 1; operation <= 2; operation++) {
		memset(&heard, 0, sizeof(heard));
		memcpy(packet, arp_reply, sizeof(arp_reply));
		packet[7] = operation;
		assert_int_equal(wh_arp_parse(packet, sizeof(packet), &heard), 0);
		assert_addr(&heard.addr, "::ffff:192.0.2.254");
		assert_true(heard.has_mac && heard.overrides);
		assert_memory_equal(heard.mac, gateway_mac, ETH_ALEN);
	}
}

static void a_wrong_arp_packet_is_refused(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} wrong[] = {
		{1, 6},	   /* hardware: not Ethernet */
		{3, 1},	   /* protocol: not IPv4 */
		{4, 8},	   /* their lengths */
		{5, 16},   /* */
		{7, 0},	   /* operations */
		{7, 3},	   /* */
		{6, 1},	   /* */
		{8, 3},	   /* a group's link-layer address */
		{14, 224}, /* a group's address */
	};
	struct wh_heard heard, untouched;
	uint8_t packet[WH_ARP_LEN];

	(void)state;
	memset(&untouched, 0x5a, sizeof(untouched));
	heard = untouched;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(packet, arp_reply, sizeof(packet));
		packet[wrong[i].at] = wrong[i].value;
		assert_int_equal(wh_arp_parse(packet, sizeof(packet), &heard), -EINVAL);
	}
	for (size_t len = 0; len < sizeof(arp_reply); len++)
		assert_int_equal(wh_arp_parse(arp_reply, len, &heard), -EINVAL);
	memcpy(packet, arp_reply, sizeof(packet));
	memset(&packet[14], 0, 4); /* a question about duplicates names nobody (RFC 5227 §2.1.1) */
	assert_int_equal(wh_arp_parse(packet, sizeof(packet), &heard), -EINVAL);
	memset(&packet[14], 0xff, 4);
	assert_int_equal(wh_arp_parse(packet, sizeof(packet), &heard), -EINVAL);
	memcpy(packet, arp_reply, sizeof(packet));
	memset(&packet[8], 0, ETH_ALEN);
	assert_int_equal(wh_arp_parse(packet, sizeof(packet), &heard), -EINVAL);
	assert_memory_equal(&heard, &untouched, sizeof(heard));
}

/* --- solicitations ---------------------------------------------------------------------------------------- */

static void a_solicitation_is_as_in_the_rfc(void **state)
{
	static const uint8_t expected[WH_SOLICITATION_LEN] = {
		0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x00, 0x00, 0xfe, 0x87, 0x00, 0x78, 0x9f, 0x00,
		0x00, 0x00, 0x00, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0xfe, 0x01, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
	struct in6_addr own = addr6("fe80::1"), target = addr6("fe80::fe"), group = wh_solicited_group(&target);
	uint8_t packet[WH_SOLICITATION_LEN];

	(void)state;
	assert_addr(&group, "ff02::1:ff00:fe");
	wh_solicitation(packet, own_mac, &own, &group, &target);
	assert_memory_equal(packet, expected, sizeof(expected));
}

/* --- advertisements --------------------------------------------------------------------------------------- */

#define NEXT 6
#define HOPS 7
#define TO 24
#define TYPE 40
#define CODE 41
#define SUM 42
#define FLAGS 44
#define TARGET 48
#define OPTION 64
#define OPTION_LEN 65
#define OPTION_MAC 66

static const uint8_t advertisement[72] = {
	0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0xfe, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x01, 0x88, 0x00, 0x96, 0x21, 0xe0, 0x00, 0x00, 0x00, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xfe, 0x02, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02};

/* Make length and checksum right again: what is found wrong is something else. */
static void amend(uint8_t *packet, size_t len)
{
	uint32_t sum = IPPROTO_ICMPV6 + (uint32_t)(len - TYPE);

	packet[4] = (uint8_t)((len - TYPE) >> 8);
	packet[5] = (uint8_t)(len - TYPE);
	packet[SUM] = packet[SUM + 1] = 0;
	for (size_t i = 8; i < len; i++)
		sum += i % 2 ? packet[i] : (uint32_t)packet[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	packet[SUM] = (uint8_t)(sum >> 8);
	packet[SUM + 1] = (uint8_t)sum;
}

static void an_advertisement_names_its_target(void **state)
{
	uint8_t packet[sizeof(advertisement) + 16] = {};
	struct wh_heard heard = {};

	(void)state;
	memcpy(packet, advertisement, sizeof(advertisement));
	assert_int_equal(wh_advertisement_parse(packet, sizeof(packet), &heard), 0); /* with padding */
	assert_addr(&heard.addr, "fe80::fe");
	assert_true(heard.has_mac && heard.overrides);
	assert_memory_equal(heard.mac, gateway_mac, ETH_ALEN);
	/* A longer one that is unknown may stand before it. */
	memmove(&packet[OPTION + 16], &packet[OPTION], 8);
	memset(&packet[OPTION], 0, 16);
	packet[OPTION] = 14; /* nonce */
	packet[OPTION_LEN] = 2;
	packet[FLAGS] = 0x80;
	amend(packet, sizeof(packet));
	assert_int_equal(wh_advertisement_parse(packet, sizeof(packet), &heard), 0);
	assert_true(heard.has_mac && !heard.overrides);
	assert_memory_equal(heard.mac, gateway_mac, ETH_ALEN);
}

static void an_advertisement_may_come_without_link_layer_address(void **state)
{
	uint8_t packet[OPTION];
	struct wh_heard heard = {};

	(void)state;
	memcpy(packet, advertisement, sizeof(packet));
	amend(packet, sizeof(packet));
	assert_int_equal(wh_advertisement_parse(packet, sizeof(packet), &heard), 0);
	assert_addr(&heard.addr, "fe80::fe");
	assert_false(heard.has_mac);
}

static void a_wrong_advertisement_is_refused(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} wrong[] = {
		{0, 0x40},	 {NEXT, 17},	  {HOPS, 254},	   {TYPE, 135},
		{CODE, 1},	 {TARGET, 255},	  {TO, 255}, /* to a group, though it is solicited */
		{OPTION_LEN, 0}, {OPTION_LEN, 2}, {OPTION_MAC, 3},
	};
	struct wh_heard heard, untouched;
	uint8_t packet[sizeof(advertisement)];

	(void)state;
	memset(&untouched, 0x5a, sizeof(untouched));
	heard = untouched;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(packet, advertisement, sizeof(packet));
		packet[wrong[i].at] = wrong[i].value;
		amend(packet, sizeof(packet));
		assert_int_equal(wh_advertisement_parse(packet, sizeof(packet), &heard), -EINVAL);
	}
	for (size_t len = 0; len < sizeof(packet); len++)
		assert_int_equal(wh_advertisement_parse(advertisement, len, &heard), -EINVAL);
	for (size_t bit = 8 * TYPE; bit < 8 * sizeof(packet); bit++) { /* the checksum finds each */
		memcpy(packet, advertisement, sizeof(packet));
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(wh_advertisement_parse(packet, sizeof(packet), &heard), -EINVAL);
	}
	assert_memory_equal(&heard, &untouched, sizeof(heard));
}

/* --- anything --------------------------------------------------------------------------------------------- */

static void random_packets_do_no_harm(void **state)
{
	struct wh_heard heard;
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t len = pick(2) ? 72 + pick(64) : pick(128);
		uint8_t *packet = malloc(len ? len : 1); /* so that the sanitizer knows its end */

		assert_non_null(packet);
		fill(packet, len);
		if (pick(2) && len >= sizeof(advertisement)) {
			memcpy(packet, advertisement, sizeof(advertisement));
			packet[pick(len)] = (uint8_t)pick(256);
			packet[pick(len)] = (uint8_t)pick(8);
			amend(packet, len);
		} else if (len >= sizeof(arp_reply)) {
			memcpy(packet, arp_reply, sizeof(arp_reply));
			packet[pick(len)] = (uint8_t)pick(256);
		}
		taken += !wh_arp_parse(packet, len, &heard);
		if (!wh_advertisement_parse(packet, len, &heard)) {
			assert_false(IN6_IS_ADDR_MULTICAST(&heard.addr));
			assert_false(heard.has_mac && heard.mac[0] & 1);
			taken++;
		}
		free(packet);
	}
	assert_true(taken > ROUNDS / 20); /* else nothing was tested */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arp_request_is_as_in_the_rfc),
		cmocka_unit_test(an_arp_packet_names_its_sender),
		cmocka_unit_test(a_wrong_arp_packet_is_refused),
		cmocka_unit_test(a_solicitation_is_as_in_the_rfc),
		cmocka_unit_test(an_advertisement_names_its_target),
		cmocka_unit_test(an_advertisement_may_come_without_link_layer_address),
		cmocka_unit_test(a_wrong_advertisement_is_refused),
		cmocka_unit_test(random_packets_do_no_harm),
	};

	return cmocka_run_group_tests_name("resolve_packet", tests, seed, NULL);
}
