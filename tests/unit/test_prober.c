/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test_prober.c: orders to the prober, what it sends for them, and what it tells of the answers.  IPv4;
 * test_prober6.c is its twin.
 */
#include "prober_fixture.h"

#include <linux/icmp.h>
#include <linux/ip.h>
#include <netinet/in.h>

/* --- ICMP ------------------------------------------------------------------------------------------------- */

static void test_icmp_answered(void **state)
{
	(void)state;
	for (uint32_t seq = 1; seq <= 50; seq++) {
		uint64_t start_ns = wh_now_ns();
		struct wh_prober_result result;

		send_order(order_of(WH_PROBE_ICMP, seq % WH_MAX_WANS, TARGET, seq));
		result = expect_result(seq, WH_PROBE_ANSWERED);
		assert_int_equal(result.wan, seq % WH_MAX_WANS);
		assert_true(result.rtt_ns > 0 && result.rtt_ns <= wh_now_ns() - start_ns);
	}
}

/* The controller sleeps while the answer waits: that is none of the WAN's time. */
static void test_icmp_while_we_sleep(void **state)
{
	struct wh_prober_result result = {};
	unsigned n_results = 0;

	(void)state;
	/* Fill both ways, until the process waits for us, and replies for it. */
	for (uint32_t seq = 1, refused = 0; refused < 100; seq++) {
		struct wh_prober_order order = order_of(WH_PROBE_ICMP, 1, TARGET, seq);
		int err = wh_prober_send(prober, &order);

		refused = err ? refused + 1 : 0;
		if (err)
			usleep(1000);
		assert_true(!err || err == -EAGAIN);
	}
	run("sleep 0.6");
	while (next_result(&result, QUIET_MS)) {
		assert_int_equal(result.status, WH_PROBE_ANSWERED);
		assert_true(result.rtt_ns < 500 * WH_NS_PER_MS);
		n_results++;
	}
	assert_true(n_results > 0);
}

static void test_icmp_silence(void **state)
{
	(void)state;
	send_order(order_of(WH_PROBE_ICMP, 0, SILENT, 1));
	expect_silence();
}

/* --- the wire --------------------------------------------------------------------------------------------- */

struct echo_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct icmphdr icmp;
	uint8_t payload[48];
} __attribute__((packed));

static void test_wire(void **state)
{
	_cleanup_close_ int wire = open_wire();
	uint16_t ids[WH_MAX_WANS];
	uint8_t bytes[2048];

	(void)state;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct echo_frame frame;

		send_order(order_of(WH_PROBE_ICMP, wan, SILENT, 0x12340000 + wan));
		assert_int_equal(next_frame(wire, bytes, sizeof(bytes), PATIENCE_MS), sizeof(frame));
		memcpy(&frame, bytes, sizeof(frame));
		assert_int_equal(frame.eth.h_proto, htons(ETH_P_IP));
		assert_memory_equal(frame.eth.h_dest, wh_prober_mac(prober), ETH_ALEN);
		assert_int_equal(ntohl(frame.ip.saddr), WH_PROBE_NET + 1 + wan);
		assert_int_equal(frame.ip.daddr, inet_addr(SILENT));
		assert_int_equal(frame.icmp.type, ICMP_ECHO);
		assert_int_equal(ntohs(frame.icmp.un.echo.sequence), wan);
		ids[wan] = frame.icmp.un.echo.id;
		for (unsigned other = 0; other < wan; other++)
			assert_int_not_equal(ids[wan], ids[other]);
	}
	/* And nothing else: nobody asks for MACs, nor joins a group, which would take a second to begin with. */
	assert_int_equal(next_frame(wire, bytes, sizeof(bytes), 1500), 0);
}

/* What a far target would answer, the identifier translated as a router does. */
static void answer(int wire, const struct echo_frame *request, size_t flip, __be32 from, __be32 to)
{
	struct echo_frame reply = *request;

	memcpy(reply.eth.h_dest, request->eth.h_source, ETH_ALEN);
	memcpy(reply.eth.h_source, request->eth.h_dest, ETH_ALEN);
	reply.ip.saddr = from;
	reply.ip.daddr = to;
	reply.ip.check = 0;
	reply.ip.check = checksum_of(add_sum(0, &reply.ip, sizeof(reply.ip)));
	reply.icmp.type = ICMP_ECHOREPLY;
	reply.icmp.un.echo.id = htons(4711);
	if (flip < sizeof(reply.payload))
		reply.payload[flip] ^= 1;
	reply.icmp.checksum = 0;
	reply.icmp.checksum = checksum_of(add_sum(0, &reply.icmp, sizeof(reply.icmp) + sizeof(reply.payload)));
	assert_int_equal(send(wire, &reply, sizeof(reply), 0), sizeof(reply));
}

#define AS_IT_CAME 999

static void test_icmp_late_and_forged(void **state)
{
	_cleanup_close_ int wire = open_wire();
	struct echo_frame first = {}, second = {};
	__be32 silent = inet_addr(SILENT);

	(void)state;
	/* The same 16 bits, of another probe, 65536 later. */
	send_order(order_of(WH_PROBE_ICMP, 3, SILENT, 7));
	assert_int_equal(next_frame(wire, (uint8_t *)&first, sizeof(first), PATIENCE_MS), sizeof(first));
	send_order(order_of(WH_PROBE_ICMP, 3, SILENT, 7 + 65536));
	assert_int_equal(next_frame(wire, (uint8_t *)&second, sizeof(second), PATIENCE_MS), sizeof(second));
	assert_int_equal(first.icmp.un.echo.sequence, second.icmp.un.echo.sequence);

	answer(wire, &first, AS_IT_CAME, silent, first.ip.saddr);
	assert_int_equal(expect_result(7, WH_PROBE_ANSWERED).wan, 3);

	answer(wire, &second, 0, silent, second.ip.saddr);			/* another cookie */
	answer(wire, &second, AS_IT_CAME, inet_addr(TARGET), second.ip.saddr);	/* another sender */
	answer(wire, &second, AS_IT_CAME, silent, htonl(WH_PROBE_NET + 1 + 4)); /* by another WAN */
	expect_silence();
	answer(wire, &second, AS_IT_CAME, silent, second.ip.saddr);
	expect_result(7 + 65536, WH_PROBE_ANSWERED);
}

/* What the target takes for its answer is in the time that is told. */
static void test_icmp_round_trip_time(void **state)
{
	_cleanup_close_ int wire = open_wire();
	struct echo_frame request = {};
	uint64_t sent_ns = wh_now_ns(), seen_ns, answered_ns;
	struct wh_prober_result result;

	(void)state;
	send_order(order_of(WH_PROBE_ICMP, 2, SILENT, 1));
	assert_int_equal(next_frame(wire, (uint8_t *)&request, sizeof(request), PATIENCE_MS), sizeof(request));
	seen_ns = wh_now_ns();
	usleep(30000);
	answered_ns = wh_now_ns();
	answer(wire, &request, AS_IT_CAME, inet_addr(SILENT), request.ip.saddr);
	result = expect_result(1, WH_PROBE_ANSWERED);
	assert_true(result.rtt_ns >= answered_ns - seen_ns);
	assert_true(result.rtt_ns <= wh_now_ns() - sent_ns);
}

/* --- TCP -------------------------------------------------------------------------------------------------- */

static void test_tcp(void **state)
{
	struct sockaddr_in peer = {};

	(void)state;
	expect_connection(5, TARGET, (struct sockaddr *)&peer, sizeof(peer));
	assert_int_equal(ntohl(peer.sin_addr.s_addr), WH_PROBE_NET + 1 + 5);

	send_order(tcp_order(6, TARGET, REFUSED_PORT, 2));
	assert_true(expect_result(2, WH_PROBE_REFUSED).rtt_ns > 0);
}

static void test_tcp_silence(void **state)
{
	struct wh_prober_order order = tcp_order(0, SILENT, LISTENING_PORT, 1);

	(void)state;
	order.timeout_ms = 50;
	send_order(order);
	expect_silence();
}

/* A router on the way that answers in the target's place is no target that answers. */
static void test_tcp_icmp_errors(void **state)
{
	(void)state;
	run("ip route add unreachable 203.0.113.1");
	send_order(tcp_order(0, "203.0.113.1", REFUSED_PORT, 1));
	expect_silence();
	if (system("nft 'add table ip t; add chain ip t i { type filter hook input priority 0; }; "
		   "add rule ip t i tcp dport 4 reject with icmp port-unreachable'")) {
		print_message("SKIP: no nft to refuse a port by ICMP\n");
		skip();
	}
	send_order(tcp_order(0, TARGET, REFUSED_PORT, 2));
	expect_silence();
	run("nft delete table ip t");
	send_order(tcp_order(0, TARGET, REFUSED_PORT, 3));
	expect_result(3, WH_PROBE_REFUSED);
}

#define ATTEMPTS 256

static void test_tcp_bounded(void **state)
{
	struct wh_prober_order order = tcp_order(0, SILENT, LISTENING_PORT, 0);
	struct wh_prober_result result = {};
	uint64_t give_up_ns;

	(void)state;
	order.timeout_ms = 1000;
	for (order.seq = 0; order.seq < ATTEMPTS; order.seq++) {
		struct pollfd room = {.fd = wh_prober_fd(prober), .events = POLLOUT};

		assert_int_equal(poll(&room, 1, PATIENCE_MS), 1);
		order.target = (uint8_t)(order.seq % 16);
		send_order(order);
	}
	order.seq = ATTEMPTS;
	order.target = 0;
	send_order(order);
	expect_result(ATTEMPTS, WH_PROBE_UNSENT);
	/* Their time runs out, without a word, and there is room again. */
	give_up_ns = wh_now_ns() + PATIENCE_MS * WH_NS_PER_MS;
	do {
		assert_true(wh_now_ns() < give_up_ns);
		send_order(tcp_order(0, TARGET, REFUSED_PORT, 1));
		assert_true(next_result(&result, PATIENCE_MS));
	} while (result.status == WH_PROBE_UNSENT);
	assert_int_equal(result.status, WH_PROBE_REFUSED);
	/* ICMP needs no place among them. */
	send_order(order_of(WH_PROBE_ICMP, 0, TARGET, 2));
	expect_result(2, WH_PROBE_ANSWERED);
}

static void test_unsent(void **state)
{
	struct wh_prober_order order = order_of(WH_PROBE_ICMP, WH_MAX_WANS, TARGET, 1);

	(void)state;
	send_order(order); /* a WAN that cannot be */
	expect_result(1, WH_PROBE_UNSENT);
	send_order(order_of((enum wh_probe_kind)77, 0, TARGET, 2));
	expect_result(2, WH_PROBE_UNSENT);
	send_order(order_of(WH_PROBE_ICMP, 0, "255.255.255.255", 3)); /* not without SO_BROADCAST */
	expect_result(3, WH_PROBE_UNSENT);
	send_order(tcp_order(0, "224.0.0.1", 1, 4));
	expect_result(4, WH_PROBE_UNSENT);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_icmp_answered),
		TEST(test_icmp_while_we_sleep),
		TEST(test_icmp_silence),
		TEST(test_wire),
		TEST(test_icmp_late_and_forged),
		TEST(test_icmp_round_trip_time),
		TEST(test_tcp),
		TEST(test_tcp_silence),
		TEST(test_tcp_icmp_errors),
		TEST(test_tcp_bounded),
		TEST(test_unsent),
	};

	return RUN_IN_NAMESPACE("prober", tests);
}
