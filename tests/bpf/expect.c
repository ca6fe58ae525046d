/* SPDX-License-Identifier: GPL-2.0 */
/* expect.c: what harness.h says of judging packets: the model of packet.h against what the programs made. */
#include "harness.h"

/* --- what a failure says ------------------------------------------------------------------------------------- */

static void print_bytes(const char *what, const struct packet *p)
{
	print_error("%s, %zu bytes:", what, p->len);
	for (size_t i = 0; i < p->len && i < 160; i++)
		print_error("%s%02x", i == p->l2 || i % 32 == 0 ? " " : "", p->bytes[i]);
	print_error("\n");
}

static void print_reasons(void)
{
	static const char *const names[] = {
#define X(name, id, text) id,
		WH_REASONS(X)
#undef X
	};
	uint64_t counts[WH_REASON_COUNT];

	if (wh_tables_reasons(&lab.t, counts))
		return;
	for (unsigned i = 0; i < WH_REASON_COUNT; i++) {
		if (counts[i])
			print_error("counted: %s %llu\n", names[i], (unsigned long long)counts[i]);
	}
}

/* --- expecting ------------------------------------------------------------------------------------------------ */

void expect_packet(const struct packet *got, const struct packet *want)
{
	if (!packet_equal(got, want)) {
		print_bytes("got", got);
		print_bytes("want", want);
	}
	assert_int_equal(got->len, want->len);
	assert_memory_equal(got->bytes, want->bytes, want->len);
}

static void expect_verdict(const struct result *r, int verdict)
{
	if (r->verdict != verdict) {
		print_bytes("got", &r->packet);
		print_reasons();
	}
	assert_int_equal(r->verdict, verdict);
}

void expect_sent(const struct result *r, const struct packet *want)
{
	expect_verdict(r, VERDICT_REDIRECT);
	assert_int_equal(r->mark & LAB_MARK_MASK, LAB_MARK);
	expect_packet(&r->packet, want);
}

/* As the table says now. */
static uint16_t mtu_of(unsigned wan)
{
	struct wh_wan row = {};

	assert_int_equal(bpf_map_lookup_elem(lab.t.wans, &wan, &row), 0);
	return (uint16_t)row.mtu;
}

uint16_t expect_out(const struct result *r, const struct packet *in, unsigned wan)
{
	struct layout at = packet_layout(in);
	struct change c = {.side = SOURCE,
			   .addr = lab_external(wan, in),
			   .port = packet_tuple(&r->packet).sport,
			   .with_port = true,
			   .mtu = mtu_of(wan)};
	struct packet want = packet_changed(in, &c);

	want = lab_leaving(wan, &want);
	expect_sent(r, &want);
	if (layout_port(&at, SOURCE))
		assert_in_range(c.port, LAB_PORT_FIRST, LAB_PORT_LAST);
	return c.port;
}

uint16_t send_out(const struct packet *in, unsigned wan)
{
	struct result r = lab_from_lan(in);

	return expect_out(&r, in, wan);
}

struct packet answer_in(const struct packet *in, unsigned wan, uint16_t external_port, uint8_t tcp_flags)
{
	struct packet sent = packet_translated(in, lab_external(wan, in), external_port);
	struct packet answer = lab_answer(wan, &sent, tcp_flags);
	struct tuple client = packet_tuple(in);
	const uint8_t *client_mac = in->bytes + 6;
	struct packet want;
	struct result r;

	want = packet_delivered(&answer, client.src, client.sport, lab.lan[0].mac, client_mac);
	packet_clamp(&want, mtu_of(wan));
	r = lab_from_wan(wan, &answer);
	expect_sent(&r, &want);
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

void expect_out_by_kernel(const struct result *r, const struct packet *want, bool its_device)
{
	expect_verdict(r, its_device ? VERDICT_NEXT : VERDICT_REDIRECT);
	assert_int_equal(r->mark & LAB_MARK_MASK, its_device ? 0 : LAB_MARK);
	expect_packet(&r->packet, want);
}

void expect_let_by(const struct result *r, const struct packet *in)
{
	expect_verdict(r, VERDICT_NEXT);
	expect_packet(&r->packet, in);
}

void expect_untouched(const struct result *r, const struct packet *in)
{
	expect_let_by(r, in);
	assert_int_equal(r->mark, 0);
}

void expect_dropped(const struct result *r)
{
	expect_verdict(r, VERDICT_DROP);
}

bool result_is_refusal(const struct result *r, const struct packet *in)
{
	struct packet want = packet_unreachable(in, lab_router(in));

	if (r->verdict == VERDICT_DROP)
		return true;
	packet_take_free_fields(&want, &r->packet);
	return r->verdict == VERDICT_REDIRECT && packet_equal(&r->packet, &want);
}

void expect_refused(const struct result *r, const struct packet *in)
{
	struct packet want = packet_unreachable(in, lab_router(in));

	if (r->verdict == VERDICT_REDIRECT)
		expect_error(r, &want);
	else
		expect_dropped(r);
}

void expect_filtered(const struct result *r, const struct packet *in)
{
	expect_let_by(r, in);
	assert_int_not_equal(r->mark & LAB_MARK_MASK, 0);
	assert_int_not_equal(r->mark & LAB_MARK_MASK, LAB_MARK);
}

void expect_reset(const struct result *r, const struct packet *in)
{
	struct packet want = packet_reset(in, packet_has_ack(&r->packet));

	expect_verdict(r, VERDICT_REDIRECT);
	packet_take_free_reset_fields(&want, &r->packet);
	expect_packet(&r->packet, &want);
	assert_true(packet_ttl(&r->packet) >= 32);
}

void expect_error(const struct result *r, const struct packet *want)
{
	struct packet p = *want;

	expect_verdict(r, VERDICT_REDIRECT);
	packet_take_free_fields(&p, &r->packet);
	expect_packet(&r->packet, &p);
	assert_int_equal(packet_ttl(&r->packet), 64);
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
