/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_errors.c: ICMP and ICMPv6 errors on their way through (RFC 5508 REQ-3 to 6, 4787 REQ-12, 5382 REQ-9 and 10),
 * both ways and byte for byte.  Errors of our own: test_answers.c.
 */
#include "harness.h"

#include <string.h>

#define ROUTER_OUTSIDE(family)                                                                                         \
	((family) == WH_V4 ? (address)IP(203, 0, 113, 9) : IP6(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1))

struct kind {
	uint8_t type, code;
	uint32_t rest;
};

static const struct kind kinds[WH_FAMILIES][4] = {
	{{ICMP_UNREACHABLE, UNREACHABLE_PORT, 0},
	 {ICMP_UNREACHABLE, UNREACHABLE_TOO_BIG, 1300},
	 {ICMP_EXCEEDED, 0, 0},
	 {ICMP_PARAMETER, 0, 0x14000000}},
	{{ICMP6_UNREACHABLE, 4, 0}, {ICMP6_TOO_BIG, 0, 1300}, {ICMP6_EXCEEDED, 0, 0}, {ICMP6_PARAMETER, 1, 40}},
};

static const uint8_t protos[] = {PROTO_UDP, PROTO_TCP, PROTO_ICMP};

/* What left on WAN 0, and how. */
static struct packet sent(const struct packet *in, uint16_t *port)
{
	struct result r = lab_from_lan(in);

	*port = expect_out(&r, in, 0);
	return r.packet;
}

/* An error from `from` about what left on WAN 0, as it comes in there. */
static struct packet error_in(const struct packet *about, struct error e)
{
	e.src_mac = mac_isp;
	e.dst_mac = lab.wan[0].mac;
	return packet_error(about, &e);
}

static void expect_passed_in(const struct packet *error, const struct packet *first)
{
	struct tuple client = packet_tuple(first);
	struct change c = {.side = DESTINATION, .addr = client.src, .port = client.sport, .with_port = true};
	struct packet want = packet_error_changed(error, &c);
	struct result r = lab_from_wan(0, error);

	want = packet_framed(&want, lab.lan[0].mac, mac_a);
	expect_sent(&r, &want);
	assert_true(packet_sums_right(&want));
}

static void each_kind_comes_in(enum wh_family family, uint8_t proto)
{
	struct packet p = lab_packet(proto, lab_client(family, 0), 5000, lab_remote(family, 0), 53), out, error;
	uint16_t port;

	out = sent(&p, &port);
	for (unsigned i = 0; i < 4; i++) {
		struct kind k = kinds[family][i];

		error = error_in(&out,
				 (struct error){ROUTER_OUTSIDE(family), k.type, k.code, k.rest, 0, 60, NULL, NULL});
		expect_passed_in(&error, &p);
	}
	error = error_in(&out, (struct error){.from = lab_remote(family, 0), .type = kinds[family][0].type, .code = 4});
	expect_passed_in(&error, &p);
}

static void test_every_error_comes_in(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		for (unsigned i = 0; i < 3; i++)
			each_kind_comes_in(family, protos[i]);
	}
}

/* REQ-4: from the eight bytes that every error must quote to the whole packet; sums that are cut off are no matter. */
static void test_quotes_of_every_length(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		enum wh_family family = i % 2;
		struct spec s = {.t = {lab_client(family, 0), lab_remote(family, 0), 5000, 53, protos[i / 2]},
				 .payload = 40};
		struct packet p = client_packet(s), out, error;
		size_t l4 = packet_l4(&p) - p.l2;
		uint16_t port;

		out = sent(&p, &port);
		for (size_t quote = l4 + 8; quote <= packet_ip_len(&out); quote++) {
			if (quote == l4 + TCP_SUM + 1 && s.t.proto == PROTO_TCP)
				continue; /* half a checksum: nobody can make the other half */
			error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(family),
							      .type = kinds[family][2].type,
							      .quote = quote});
			expect_passed_in(&error, &p);
		}
	}
}

/* REQ-3 b: options, or extension headers, of the quoted packet are skipped, up to the longest. */
static void test_quoted_options(void **state)
{
	uint16_t port;

	(void)state;
	for (uint8_t ihl = 5; ihl <= 15; ihl++) {
		struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .ihl = ihl, .payload = 9};
		struct packet p = client_packet(s), out = sent(&p, &port), error;

		error = error_in(
			&out,
			(struct error){.from = ROUTER_OUTSIDE(WH_V4), .type = ICMP_EXCEEDED, .quote = 4U * ihl + 8});
		expect_passed_in(&error, &p);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct spec s = {.t = {lab_client(WH_V6, 0), lab_remote(WH_V6, 0), 5000, 53, PROTO_UDP},
				 .extensions = {EXTEND_HOP, (uint8_t)(EXTEND_OPTIONS | i)},
				 .payload = 9};
		struct packet p = client_packet(s), out = sent(&p, &port), error;

		error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(WH_V6), .type = ICMP6_EXCEEDED});
		expect_passed_in(&error, &p);
	}
}

static void test_quoted_udp_without_checksum(void **state)
{
	struct spec s = {.t = {CLIENT_A, REMOTE_1, 5000, 53, PROTO_UDP}, .payload = 9, .no_checksum = true};
	struct packet p = client_packet(s), out, error;
	uint16_t port;

	(void)state;
	out = sent(&p, &port);
	error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(WH_V4), .type = ICMP_EXCEEDED});
	expect_passed_in(&error, &p);
}

/* What a middlebox made of the quoted packet (hops counted, DSCP changed) is quoted on as it is. */
static void test_quoted_packet_from_further_away(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_remote(family, 0), 53), out,
			      error;
		uint16_t port;

		out = sent(&p, &port);
		out.bytes[out.l2 + (family == WH_V4 ? 8 : 7)] = 1;
		out.bytes[out.l2 + 1] = 0x20;
		packet_sum(&out);
		error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(family), .type = kinds[family][2].type});
		expect_passed_in(&error, &p);
	}
}

/* --- what is not passed ------------------------------------------------------------------------------------- */

/* REQ-3: a wrong ICMP checksum, and for IPv4 a wrong one of the quoted header. */
static void test_wrong_checksums_are_dropped(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_remote(family, 0), 53), out,
			      error;
		uint64_t before = lab_reason(WH_REASON_CHECKSUM);
		struct result r;
		uint16_t port;

		out = sent(&p, &port);
		error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(family), .type = kinds[family][2].type});
		error.bytes[packet_l4(&error) + ICMP_SUM] ^= 0x40;
		r = lab_from_wan(0, &error);
		expect_dropped(&r);
		assert_int_equal(lab_reason(WH_REASON_CHECKSUM), before + 1);
		if (family == WH_V6)
			continue;
		out.bytes[out.l2 + 10] ^= 0x40;
		error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(family), .type = ICMP_EXCEEDED});
		r = lab_from_wan(0, &error);
		expect_dropped(&r);
	}
}

/* Never sent on; never half translated. */
static void expect_not_passed(const struct packet *error)
{
	struct result r = lab_from_wan(0, error);

	assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
	if (r.verdict != VERDICT_DROP)
		expect_untouched(&r, error);
}

static void test_quotes_that_are_too_short(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_remote(family, 0), 53), out;
		uint16_t port;

		out = sent(&p, &port);
		for (size_t quote = 1; quote < packet_l4(&out) - out.l2 + 4; quote++) {
			struct packet error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(family),
									    .type = kinds[family][2].type,
									    .quote = quote});

			expect_not_passed(&error);
		}
	}
}

/* Of flows that are not ours: another port, another remote, another WAN; and of errors (RFC 1122 §3.2.2). */
static void test_errors_about_others(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct packet p = lab_packet(PROTO_UDP, lab_client(family, 0), 5000, lab_remote(family, 0), 53), out,
			      other;
		struct error e = {.from = ROUTER_OUTSIDE(family), .type = kinds[family][2].type};
		struct packet error;
		struct result r;
		uint16_t port;

		out = sent(&p, &port);
		other = packet_translated(&p, lab_external(0, &p), (uint16_t)(port + 1));
		error = error_in(&other, e);
		expect_not_passed(&error);
		error = error_in(&out, e);
		other = error_in(&error, e);
		expect_not_passed(&other);
		r = lab_from_wan(1, &error);
		assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
	}
}

/* A quoted later fragment has no ports, whatever its bytes look like. */
static void test_quoted_later_fragment(void **state)
{
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), out, error;
	uint16_t port;

	(void)state;
	out = sent(&p, &port);
	packet_put16(&out, out.l2 + 6, 3);
	packet_sum(&out);
	error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(WH_V4), .type = ICMP_EXCEEDED});
	expect_not_passed(&error);
}

/* --- what errors do not do ---------------------------------------------------------------------------------- */

/* 4787 REQ-12, 5382 REQ-9 and 10, 5508 REQ-6, 7857 §7: they neither end a session nor keep it alive. */
static void test_errors_touch_no_session(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		enum wh_family family = i % 2;
		struct packet p = lab_packet(protos[i / 2], lab_client(family, 0), 5000, lab_remote(family, 0), 53);
		struct packet out, error;
		struct wh_flow before, after;
		uint16_t port;

		out = sent(&p, &port);
		assert_true(lab_flow(&p, &before));
		for (unsigned k = 0; k < 4; k++) {
			struct kind kind = kinds[family][k];

			error = error_in(&out, (struct error){.from = ROUTER_OUTSIDE(family),
							      .type = kind.type,
							      .code = kind.code,
							      .rest = kind.rest});
			expect_passed_in(&error, &p);
		}
		assert_true(lab_flow(&p, &after));
		assert_int_equal(after.seen_ns, before.seen_ns);
		assert_int_equal(after.pin.word, before.pin.word);
		answer_in(&p, 0, port, TCP_SYN | TCP_ACK);
		assert_int_equal(send_out(&p, 0), port);
	}
	lab_expect_consistent();
}

/* --- the client's errors ------------------------------------------------------------------------------------ */

/* A client says of what was delivered to it that it has no such port: out under the session's address and port. */
static void client_complains(enum wh_family family, uint8_t proto)
{
	struct packet p = lab_packet(proto, lab_client(family, 0), 5000, lab_remote(family, 0), 53), delivered, error,
		      want;
	struct change c = {.side = SOURCE, .addr = lab_external(0, &p), .with_port = true};
	uint8_t type = family == WH_V4 ? ICMP_UNREACHABLE : ICMP6_UNREACHABLE;
	struct result r;

	c.port = send_out(&p, 0);
	delivered = answer_in(&p, 0, c.port, TCP_SYN | TCP_ACK);
	for (size_t quote = packet_l4(&delivered) - delivered.l2 + 8; quote < packet_ip_len(&delivered); quote += 13) {
		error = packet_error(&delivered, &(struct error){.from = packet_tuple(&p).src,
								 .type = type,
								 .code = family == WH_V4 ? UNREACHABLE_PORT : 4,
								 .quote = quote});
		want = packet_error_changed(&error, &c);
		want = lab_leaving(0, &want);
		r = lab_from_lan(&error);
		expect_sent(&r, &want);
	}
}

static void test_clients_errors_go_out(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		client_complains(family, PROTO_UDP);
		client_complains(family, PROTO_TCP);
	}
}

/* About nothing that was ever delivered: not sent, and no inside address leaves with it. */
static void test_clients_errors_about_nothing(void **state)
{
	(void)state;
	for (unsigned family = 0; family < WH_FAMILIES; family++) {
		struct spec s = {.t = {lab_remote(family, 0), lab_client(family, 0), 53, 5000, PROTO_UDP},
				 .payload = 20};
		struct packet strange = client_packet(s);
		struct packet error = packet_error(&strange, &(struct error){.from = lab_client(family, 0),
									     .type = kinds[family][0].type,
									     .code = 4,
									     .src_mac = mac_a,
									     .dst_mac = lab.lan[0].mac});
		struct result r = lab_from_lan(&error);

		assert_int_not_equal(r.verdict, VERDICT_REDIRECT);
		assert_int_equal(lab_flows(), 0);
	}
}

/*
 * A host on another LAN that knows a session's tuple does not speak for it: its error is nobody's, goes the kernel's
 * way as it came, and does not leave with an inside source.
 */
static void test_errors_from_another_lan(void **state)
{
	struct lab_context arriving = {.ifindex = lab.lan_ifindex[1]};
	struct lab_context leaving = {.ifindex = lab.wan_ifindex[0], .ingress_ifindex = lab.lan_ifindex[1]};
	struct packet p = lab_packet(PROTO_UDP, CLIENT_A, 5000, REMOTE_1, 53), delivered, error, want;
	struct change c = {.side = SOURCE, .addr = lab_own(0), .with_port = true};
	struct result r;

	(void)state;
	c.port = send_out(&p, 0);
	delivered = answer_in(&p, 0, c.port, 0);
	error = packet_error(&delivered, &(struct error){.from = CLIENT_LAN1,
							 .type = kinds[lab.family][0].type,
							 .code = 4,
							 .src_mac = mac_b,
							 .dst_mac = lab.lan[1].mac});
	r = lab_run(WH_HOOK_LAN_IN, &arriving, &error);
	expect_untouched(&r, &error);
	error = lab_forwarded(&error, 0);
	r = lab_run(WH_HOOK_WAN_OUT, &leaving, &error);
	expect_dropped(&r);
	assert_int_equal(lab_reason(WH_REASON_LEAK), 1);
	/* The same from the session's own LAN, where the kernel brought it that way. */
	leaving.ingress_ifindex = lab.lan_ifindex[0];
	c.ttl_stays = true;
	want = packet_error_changed(&error, &c);
	r = lab_run(WH_HOOK_WAN_OUT, &leaving, &error);
	expect_out_by_kernel(&r, &want, true);
}

static const struct CMUnitTest tests[] = {
	LAB_TEST(test_every_error_comes_in),
	LAB_TEST(test_quotes_of_every_length),
	LAB_TEST(test_quoted_options),
	LAB_TEST(test_quoted_udp_without_checksum),
	LAB_TEST(test_quoted_packet_from_further_away),
	LAB_TEST(test_wrong_checksums_are_dropped),
	LAB_TEST(test_quotes_that_are_too_short),
	LAB_TEST(test_errors_about_others),
	LAB_TEST(test_quoted_later_fragment),
	LAB_TEST(test_errors_touch_no_session),
	LAB_TEST(test_clients_errors_go_out),
	LAB_TEST(test_clients_errors_about_nothing),
	LAB_BOTH(test_errors_from_another_lan),
};

LAB_MAIN(tests, 4096)
