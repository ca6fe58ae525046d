/* SPDX-License-Identifier: GPL-2.0 */
/* expect.c: what harness.h says of judging packets: the model of packet.h against what the programs made. */
#include "harness.h"

void expect_packet(const struct packet *got, const struct packet *want)
{
	assert_int_equal(got->len, want->len);
	assert_memory_equal(got->bytes, want->bytes, want->len);
}

/* A redirect to a WAN names the next hop to the kernel, which writes the MACs after the program has ended. */
uint16_t expect_out(const struct result *r, const struct packet *in, unsigned wan)
{
	uint16_t port = packet_tuple(&r->packet).sport;
	struct packet want = packet_translated(in, be32toh(lab.wan[wan].addr4_be), port);

	assert_int_equal(r->verdict, VERDICT_REDIRECT);
	assert_int_equal(r->mark & LAB_MARK_MASK, LAB_MARK);
	expect_packet(&r->packet, &want);
	assert_in_range(port, LAB_PORT_FIRST, LAB_PORT_LAST);
	return port;
}

uint16_t send_out(const struct packet *in, unsigned wan)
{
	struct result r = lab_from_lan(in);

	return expect_out(&r, in, wan);
}

struct packet answer_in(const struct packet *in, unsigned wan, uint16_t external_port, uint8_t tcp_flags)
{
	struct packet sent = packet_translated(in, be32toh(lab.wan[wan].addr4_be), external_port);
	struct packet answer = lab_answer(wan, &sent, tcp_flags);
	struct tuple client = packet_tuple(in);
	const uint8_t *client_mac = in->bytes + 6;
	struct packet want;
	struct result r;

	want = packet_delivered(&answer, client.src, client.sport, lab.lan[0].mac, client_mac);
	r = lab_from_wan(wan, &answer);
	assert_int_equal(r.verdict, VERDICT_REDIRECT);
	assert_int_equal(r.mark & LAB_MARK_MASK, LAB_MARK);
	expect_packet(&r.packet, &want);
	return r.packet;
}

struct packet session_segment(uint8_t tcp_flags)
{
	return lab_segment(CLIENT_A, 6000, REMOTE_1, 443, tcp_flags);
}

uint16_t session_open(unsigned wan)
{
	struct packet syn = session_segment(TCP_SYN), ack = session_segment(TCP_ACK);
	uint16_t port = send_out(&syn, wan);

	answer_in(&syn, wan, port, TCP_SYN | TCP_ACK);
	send_out(&ack, wan);
	return port;
}

void expect_untouched(const struct result *r, const struct packet *in)
{
	assert_int_equal(r->verdict, VERDICT_NEXT);
	assert_int_equal(r->mark, 0);
	expect_packet(&r->packet, in);
}

void expect_dropped(const struct result *r)
{
	assert_int_equal(r->verdict, VERDICT_DROP);
}

void expect_reset(const struct result *r, const struct packet *in)
{
	struct packet want = packet_reset(in, packet_has_ack(&r->packet));

	assert_int_equal(r->verdict, VERDICT_REDIRECT);
	assert_int_equal(r->packet.len, 54);
	packet_take_free_fields(&want, &r->packet);
	expect_packet(&r->packet, &want);
	assert_true(packet_ttl(&r->packet) >= 32);
}

uint64_t lab_reason(enum wh_reason reason)
{
	uint64_t counts[WH_REASON_COUNT];

	assert_int_equal(wh_tables_reasons(&lab.t, counts), 0);
	return counts[reason];
}

uint64_t lab_reasons_total(void)
{
	uint64_t counts[WH_REASON_COUNT], total = 0;

	assert_int_equal(wh_tables_reasons(&lab.t, counts), 0);
	for (unsigned i = 0; i < WH_REASON_COUNT; i++)
		total += counts[i];
	return total;
}
