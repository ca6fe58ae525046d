/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_model.c: the model against packets that others made: the frames here are scapy's, the prefixes those of
 * RFC 6296 itself.  Needs neither BPF nor root.  Properties that hold for all packets: test_model_random.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "icmp.h"
#include "npt.h"

#define CLIENT IP(192, 168, 1, 10)
#define ROUTER IP(192, 168, 1, 1)
#define REMOTE IP(20, 1, 1, 1)
#define WAN IP(198, 51, 100, 2)
#define CLIENT6 IP6(0xfd00, 1, 0, 0, 0, 0, 0, 0x10)
#define REMOTE6 IP6(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 1)
#define WAN6 IP6(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 2)

static const uint8_t mac_client[6] = {0x02, 0xaa, 0, 0, 0, 0x0a}, mac_router[6] = {0x02, 0xaa, 0, 0, 0, 0x01};

/* --- the frames --------------------------------------------------------------------------------------------- */

static const char udp4_options[] =
	"02aa0000000102aa0000000a0800460000251234000040118edec0a8010a140101010101010113880035000de240030a"
	"11181f";
static const char udp4_options_out[] =
	"02aa0000000102aa0000000a080046000025123400003f11275bc633640214010101010101014e210035000d3f24030a"
	"11181f";
static const char exceeded_in_28[] =
	"45000038123400003c010652cb007109c63364020b00a1350000000045000028123400003f062a65c633640214010101"
	"4e2701bb000003e8";
static const char exceeded_delivered_28[] =
	"02aa0000000a02aa00000001080045000038123400003b016fd5cb007109c0a8010a0b00d7ec00000000450000281234"
	"00003f0692e8c0a8010a14010101177001bb000003e8";
static const char exceeded_in_40[] =
	"45000044123400003c010646cb007109c63364020b0034520000000045000028123400003f062a65c633640214010101"
	"4e2701bb000003e8000000005002fa0022e00000";
static const char exceeded_delivered_40[] =
	"02aa0000000a02aa00000001080045000044123400003b016fc9cb007109c0a8010a0b00cbce00000000450000281234"
	"00003f0692e8c0a8010a14010101177001bb000003e8000000005002fa00c21a0000";
static const char udp6_extended[] =
	"02aa0000000102aa0000000a86dd6000000000250040fd00000100000000000000000000001020010db8009900000000"
	"0000000000013c000104000000001101010c00000000000000000000000013880035000d8d90030a11181f";
static const char udp6_extended_out[] =
	"02aa0000000102aa0000000a86dd600000000025003f20010db801000000000000000000000220010db8009900000000"
	"0000000000013c000104000000001101010c0000000000000000000000004e210035000d214e030a11181f";
static const char echo6[] =
	"02aa0000000102aa0000000a86dd6000000000143a40fd00000100000000000000000000001020010db8009900000000"
	"000000000001800038b1004d00090c131a21282f363d444b5259";
static const char echo6_out[] =
	"02aa0000000102aa0000000a86dd6000000000143a3f20010db801000000000000000000000220010db8009900000000"
	"0000000000018000b8e74e6d00090c131a21282f363d444b5259";
static const char too_big6_in[] =
	"60000000003d3a3c20010db800770000000000000000000120010db801000000000000000000000202002a7b00000500"
	"60000000000d113220010db801000000000000000000000220010db80099000000000000000000014e210035000d214e"
	"030a11181f";
static const char too_big6_delivered[] =
	"02aa0000000a02aa0000000186dd60000000003d3a3b20010db8007700000000000000000001fd000001000000000000"
	"00000000001002005c240000050060000000000d1132fd00000100000000000000000000001020010db8009900000000"
	"00000000000113880035000d8d90030a11181f";
static const char df4[] =
	"02aa0000000102aa0000000a08004500003012344000401151d5c0a8010a1401010113880035001c7e68030a11181f26"
	"2d343b424950575e656c737a8188";
static const char too_big4[] =
	"02aa0000000a02aa0000000108004500004c123400004001e521c0a80101c0a8010a0304ce6500000578450000301234"
	"4000401151d5c0a8010a1401010113880035001c7e68030a11181f262d343b424950575e656c737a8188";
static const char syn4_mss[] =
	"02aa0000000102aa0000000a08004500003012340000400691e0c0a8010a14010101177001bb000003e8000000007002"
	"fa00e507000001020405b4010402";
static const char syn4_mss_out[] =
	"02aa0000000102aa0000000a080045000030123400003f062a5dc6336402140101014e2701bb000003e8000000007002"
	"fa00a9cd00000102040550010402";
static const char udp6_first[] =
	"02aa0000000102aa0000000a86dd6000000000200040fd00000100000000000000000000001020010db8009900000000"
	"0000000000012c0001040000000011000001abcdef01138800350020fc74030a11181f262d34";
static const char udp6_second[] =
	"02aa0000000102aa0000000a86dd6000000000200040fd00000100000000000000000000001020010db8009900000000"
	"0000000000012c0001040000000011000010abcdef013b424950575e656c737a81888f969da4";

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct packet frame(const char *hex)
{
	struct packet p = {.l2 = strncmp(hex, "02aa", 4) == 0 ? PACKET_L2 : 0, .len = strlen(hex) / 2};

	for (size_t i = 0; i < p.len; i++)
		p.bytes[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	return p;
}

static void expect(const struct packet *got, const char *want)
{
	struct packet p = frame(want);

	assert_int_equal(got->len, p.len);
	assert_int_equal(got->l2, p.l2);
	assert_memory_equal(got->bytes, p.bytes, p.len);
	assert_true(packet_sums_right(got));
}

/* A client's packet; some fields are the same in all of them. */
static struct packet made(struct spec s)
{
	s.src_mac = mac_client;
	s.dst_mac = mac_router;
	return packet_make(&s);
}

/* --- made, and translated ----------------------------------------------------------------------------------- */

static void test_udp(void **state)
{
	struct packet p = made((struct spec){.t = {CLIENT, REMOTE, 5000, 53, PROTO_UDP}, .ihl = 6, .payload = 5});
	struct packet out = packet_translated(&p, WAN, 20001);

	(void)state;
	expect(&p, udp4_options);
	expect(&out, udp4_options_out);
}

static void test_udp_behind_extension_headers(void **state)
{
	struct packet p = made((struct spec){.t = {CLIENT6, REMOTE6, 5000, 53, PROTO_UDP},
					     .extensions = {EXTEND_HOP, EXTEND_OPTIONS | 1},
					     .payload = 5});
	struct packet out = packet_translated(&p, WAN6, 20001);

	(void)state;
	expect(&p, udp6_extended);
	expect(&out, udp6_extended_out);
}

static void test_icmp6_echo(void **state)
{
	struct packet p = made((struct spec){.t = {CLIENT6, REMOTE6, 77, 0, PROTO_ICMP6}, .seq = 9, .payload = 12});
	struct packet out = packet_translated(&p, WAN6, 20077);

	(void)state;
	expect(&p, echo6);
	expect(&out, echo6_out);
}

/* The option stands at an odd place, and is held to the WAN's MTU of 1400 bytes. */
static void test_mss(void **state)
{
	static const uint8_t options[] = {1, 2, 4, 0x05, 0xb4, 1, 4, 2};
	struct packet p = made((struct spec){.t = {CLIENT, REMOTE, 6000, 443, PROTO_TCP},
					     .seq = 1000,
					     .tcp_options = options,
					     .tcp_options_len = sizeof(options)});
	struct change c = {.side = SOURCE, .addr = WAN, .port = 20007, .with_port = true, .mtu = 1400};
	struct packet out = packet_changed(&p, &c);

	(void)state;
	expect(&p, syn4_mss);
	expect(&out, syn4_mss_out);
	c.mtu = 1501;
	out = packet_changed(&p, &c);
	assert_int_equal(packet_get16(&out, out.len - 5), 1460);
}

/* Nothing is written where the options contradict themselves, end early, or are no SYN's. */
static void test_mss_that_is_none(void **state)
{
	static const uint8_t options[][8] = {
		{3, 0, 2, 4, 5, 0xb4, 0, 0}, {3, 1, 2, 4, 5, 0xb4, 0, 0}, {8, 9, 2, 4, 5, 0xb4, 0, 0},
		{0, 1, 2, 4, 5, 0xb4, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 2},	  {1, 1, 1, 1, 1, 2, 4, 5},
		{2, 3, 5, 0xb4, 1, 1, 1, 1}, {1, 1, 2, 6, 5, 0xb4, 1, 1},
	};
	struct spec s = {.t = {CLIENT, REMOTE, 6000, 443, PROTO_TCP}, .tcp_options_len = 8};

	(void)state;
	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct packet p, clamped;

		s.tcp_options = options[i];
		p = made(s);
		clamped = p;
		packet_clamp(&clamped, 600);
		assert_true(packet_equal(&p, &clamped));
	}
}

static void test_fragments(void **state)
{
	struct packet p = made(
		(struct spec){.t = {CLIENT6, REMOTE6, 5000, 53, PROTO_UDP}, .extensions = {EXTEND_HOP}, .payload = 24});
	struct packet first, second;

	(void)state;
	packet_cut(&p, 16, 0xabcdef01, &first, &second);
	expect(&first, udp6_first);
	expect(&second, udp6_second);
	assert_int_equal(packet_tuple(&first).sport, 5000);
	assert_int_equal(packet_tuple(&second).sport, 0);
}

/* --- errors ------------------------------------------------------------------------------------------------- */

static void passes_as(const char *in, const char *want, address client, uint16_t port)
{
	struct change c = {.side = DESTINATION, .addr = client, .port = port, .with_port = true};
	struct packet p = frame(in);

	p = packet_error_changed(&p, &c);
	p = packet_framed(&p, mac_router, mac_client);
	expect(&p, want);
}

static void test_error_cut_short(void **state)
{
	(void)state;
	passes_as(exceeded_in_28, exceeded_delivered_28, CLIENT, 6000);
}

static void test_error_with_inner_checksum(void **state)
{
	(void)state;
	passes_as(exceeded_in_40, exceeded_delivered_40, CLIENT, 6000);
}

static void test_error6(void **state)
{
	(void)state;
	passes_as(too_big6_in, too_big6_delivered, CLIENT6, 5000);
}

static void test_too_big(void **state)
{
	struct packet p =
		made((struct spec){.t = {CLIENT, REMOTE, 5000, 53, PROTO_UDP}, .fragment = FRAGMENT_DF, .payload = 20});
	struct packet error = packet_too_big(&p, ROUTER, 1400);

	(void)state;
	expect(&p, df4);
	expect(&error, too_big4);
}

/* RFC 1812 §4.3.2.3 and RFC 4443 §2.4 c: as much as fits, and not a byte more. */
static void test_quote(void **state)
{
	struct packet v4 = made((struct spec){.t = {CLIENT, REMOTE, 5000, 53, PROTO_UDP}, .payload = 1400});
	struct packet v6 = made((struct spec){.t = {CLIENT6, REMOTE6, 5000, 53, PROTO_UDP}, .payload = 1400});
	struct packet error = packet_exceeded(&v4, ROUTER);

	(void)state;
	assert_int_equal(packet_ip_len(&error), 576);
	error = packet_too_big(&v6, WAN6, 1280);
	assert_int_equal(packet_ip_len(&error), 1280);
	assert_int_equal(packet_get32(&error, error.l2 + 44), 1280);
	assert_true(packet_sums_right(&error));
}

static void test_what_is_answered(void **state)
{
	struct packet p = made((struct spec){.t = {CLIENT, REMOTE, 5000, 53, PROTO_UDP}}), q;

	(void)state;
	assert_true(packet_may_be_answered(&p));
	q = packet_exceeded(&p, ROUTER);
	assert_false(packet_may_be_answered(&q));
	p = made((struct spec){.t = {CLIENT, REMOTE, 77, 0, PROTO_ICMP}});
	assert_true(packet_may_be_answered(&p));
	p = made((struct spec){.t = {CLIENT, IP(224, 0, 0, 5), 1, 2, PROTO_UDP}});
	assert_false(packet_may_be_answered(&p));
	p = made((struct spec){.t = {CLIENT, REMOTE, 1, 2, PROTO_UDP}, .fragment = 4});
	assert_false(packet_may_be_answered(&p));
	p = made((struct spec){.t = {CLIENT, REMOTE, 1, 2, PROTO_UDP}, .fragment = FRAGMENT_MF});
	assert_true(packet_may_be_answered(&p));
	p = made((struct spec){.t = {CLIENT6, REMOTE6, 77, 0, PROTO_ICMP6}, .icmp_type = ICMP6_PARAMETER});
	assert_false(packet_may_be_answered(&p));
}

/* --- prefixes ----------------------------------------------------------------------------------------------- */

static void maps_to(struct prefix in, struct prefix out, address inside, address outside)
{
	address got = 0;

	assert_true(npt_map(in, out, inside, &got));
	assert_true(got == outside);
	assert_true(npt_map(out, in, outside, &got));
	assert_true(got == inside);
}

/* RFC 6296 §3.6: its own example. */
static void test_npt_example(void **state)
{
	struct prefix in = {IP6(0xfd01, 0x0203, 0x0405, 0, 0, 0, 0, 0), 48};
	struct prefix out = {IP6(0x2001, 0x0db8, 0x0001, 0, 0, 0, 0, 0), 48};

	(void)state;
	maps_to(in, out, IP6(0xfd01, 0x0203, 0x0405, 1, 0, 0, 0, 0x1234),
		IP6(0x2001, 0x0db8, 0x0001, 0xd550, 0, 0, 0, 0x1234));
}

/* §3.5: the adjustment goes into the first word of the interface identifier that is not all ones. */
static void test_npt_long_prefix(void **state)
{
	struct prefix in = {IP6(0xfd01, 0x0203, 0x0405, 1, 0, 0, 0, 0), 64};
	struct prefix out = {IP6(0x2001, 0x0db8, 0x0001, 0x0100, 0, 0, 0, 0), 56};

	(void)state;
	maps_to(in, out, IP6(0xfd01, 0x0203, 0x0405, 1, 0, 0, 0, 0x1234),
		IP6(0x2001, 0x0db8, 0x0001, 0x0100, 0xd450, 0, 0, 0x1234));
	maps_to(in, out, IP6(0xfd01, 0x0203, 0x0405, 1, 0xffff, 0xffff, 5, 0x1234),
		IP6(0x2001, 0x0db8, 0x0001, 0x0100, 0xffff, 0xffff, 0xd455, 0x1234));
}

static void test_npt_without_an_image(void **state)
{
	struct prefix in = {IP6(0xfd01, 0x0203, 0x0405, 0, 0, 0, 0, 0), 48}, in_64 = {in.addr, 64};
	struct prefix out = {IP6(0x2001, 0x0db8, 0x0001, 0, 0, 0, 0, 0), 48}, out_64 = {out.addr, 64};
	address got;

	(void)state;
	assert_false(npt_map(in, out, in.addr | (address)0xffff << 64 | 0x1234, &got));
	assert_false(npt_map(in, out, in.addr | (address)1 << 64, &got));
	assert_false(npt_map(in_64, out_64, in.addr | UINT64_MAX, &got));
	assert_false(npt_map(in_64, out_64, in.addr, &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_udp_behind_extension_headers),
		cmocka_unit_test(test_icmp6_echo),
		cmocka_unit_test(test_mss),
		cmocka_unit_test(test_mss_that_is_none),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_error_cut_short),
		cmocka_unit_test(test_error_with_inner_checksum),
		cmocka_unit_test(test_error6),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_what_is_answered),
		cmocka_unit_test(test_npt_example),
		cmocka_unit_test(test_npt_long_prefix),
		cmocka_unit_test(test_npt_without_an_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
