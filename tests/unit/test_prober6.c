/* SPDX-License-Identifier: GPL-2.0 */
/* test_prober6.c: what test_prober.c asks of the prober in IPv4, in IPv6; and a kernel without it. */
#include "prober_fixture.h"

#include <linux/filter.h>
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct in6_addr source_of(unsigned wan)
{
	struct in6_addr addr = {.s6_addr = WH_PROBE_NET6};

	addr.s6_addr[15] = (uint8_t)(1 + wan);
	return addr;
}

/* --- ICMPv6 ----------------------------------------------------------------------------------------------- */

static void test_echo_answered(void **state)
{
	(void)state;
	for (uint32_t seq = 1; seq <= 50; seq++) {
		uint64_t start_ns = wh_now_ns();
		struct wh_prober_result result;

		send_order(order_of(WH_PROBE_ICMP, seq % WH_MAX_WANS, seq % 3 ? TARGET6 : TARGET, seq));
		result = expect_result(seq, WH_PROBE_ANSWERED);
		assert_int_equal(result.wan, seq % WH_MAX_WANS);
		assert_true(result.rtt_ns > 0 && result.rtt_ns <= wh_now_ns() - start_ns);
	}
	send_order(order_of(WH_PROBE_ICMP, 0, SILENT6, 51));
	expect_silence();
}

struct echo_frame {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct icmp6hdr icmp;
	uint8_t payload[48];
} __attribute__((packed));

static uint16_t icmp_checksum(const struct echo_frame *frame)
{
	const size_t len = sizeof(frame->icmp) + sizeof(frame->payload);
	uint32_t sum = add_sum(len + IPPROTO_ICMPV6, &frame->ip.saddr, 2 * sizeof(frame->ip.saddr));

	return checksum_of(add_sum(sum, &frame->icmp, len));
}

static struct echo_frame next_echo(int wire)
{
	struct echo_frame frame = {};
	uint8_t bytes[2048];

	assert_int_equal(next_frame(wire, bytes, sizeof(bytes), PATIENCE_MS), sizeof(frame));
	memcpy(&frame, bytes, sizeof(frame));
	return frame;
}

static void test_wire(void **state)
{
	_cleanup_close_ int wire = open_wire();
	struct in6_addr silent = address_of(SILENT6).v6;
	uint16_t ids[WH_MAX_WANS];
	uint8_t bytes[2048];

	(void)state;
	for (unsigned wan = 0; wan < WH_MAX_WANS; wan++) {
		struct in6_addr source = source_of(wan);
		struct echo_frame frame;

		send_order(order_of(WH_PROBE_ICMP, wan, SILENT6, 0x12340000 + wan));
		frame = next_echo(wire);
		assert_int_equal(frame.eth.h_proto, htons(ETH_P_IPV6));
		assert_memory_equal(frame.eth.h_dest, wh_prober_mac(prober), ETH_ALEN);
		assert_memory_equal(&frame.ip.saddr, &source, sizeof(source));
		assert_memory_equal(&frame.ip.daddr, &silent, sizeof(silent));
		assert_int_equal(frame.ip.nexthdr, IPPROTO_ICMPV6);
		assert_int_equal(frame.icmp.icmp6_type, ICMPV6_ECHO_REQUEST);
		assert_int_equal(icmp_checksum(&frame), 0);
		assert_int_equal(ntohs(frame.icmp.icmp6_sequence), wan);
		ids[wan] = frame.icmp.icmp6_identifier;
		for (unsigned other = 0; other < wan; other++)
			assert_int_not_equal(ids[wan], ids[other]);
	}
	/* And nothing else: no discovery of neighbours, routers or duplicates, no group memberships. */
	assert_int_equal(next_frame(wire, bytes, sizeof(bytes), 1500), 0);
}

/* What a far target would answer, the identifier translated as a router does. */
static void answer(int wire, const struct echo_frame *request, size_t flip, struct in6_addr from, struct in6_addr to)
{
	struct echo_frame reply = *request;

	memcpy(reply.eth.h_dest, request->eth.h_source, ETH_ALEN);
	memcpy(reply.eth.h_source, request->eth.h_dest, ETH_ALEN);
	reply.ip.saddr = from;
	reply.ip.daddr = to;
	reply.icmp.icmp6_type = ICMPV6_ECHO_REPLY;
	reply.icmp.icmp6_identifier = htons(4711);
	if (flip < sizeof(reply.payload))
		reply.payload[flip] ^= 1;
	reply.icmp.icmp6_cksum = 0;
	reply.icmp.icmp6_cksum = icmp_checksum(&reply);
	assert_int_equal(send(wire, &reply, sizeof(reply), 0), sizeof(reply));
}

#define AS_IT_CAME 999

static void test_late_and_forged(void **state)
{
	_cleanup_close_ int wire = open_wire();
	struct in6_addr silent = address_of(SILENT6).v6, other = address_of(TARGET6).v6;
	struct echo_frame first, second;

	(void)state;
	/* The same 16 bits, of another probe, 65536 later. */
	send_order(order_of(WH_PROBE_ICMP, 3, SILENT6, 7));
	first = next_echo(wire);
	send_order(order_of(WH_PROBE_ICMP, 3, SILENT6, 7 + 65536));
	second = next_echo(wire);
	assert_int_equal(first.icmp.icmp6_sequence, second.icmp.icmp6_sequence);

	answer(wire, &first, AS_IT_CAME, silent, first.ip.saddr);
	assert_int_equal(expect_result(7, WH_PROBE_ANSWERED).wan, 3);

	answer(wire, &second, 0, silent, second.ip.saddr);	     /* another cookie */
	answer(wire, &second, AS_IT_CAME, other, second.ip.saddr);   /* another sender */
	answer(wire, &second, AS_IT_CAME, silent, source_of(3 + 1)); /* by another WAN */
	expect_silence();
	answer(wire, &second, AS_IT_CAME, silent, second.ip.saddr);
	expect_result(7 + 65536, WH_PROBE_ANSWERED);
}

/* What the target takes for its answer is in the time that is told, and what the process takes is not. */
static void test_round_trip_time(void **state)
{
	_cleanup_close_ int wire = open_wire();
	struct echo_frame request;
	uint64_t sent_ns = wh_now_ns(), seen_ns, answered_ns;
	struct wh_prober_result result;

	(void)state;
	send_order(order_of(WH_PROBE_ICMP, 2, SILENT6, 1));
	request = next_echo(wire);
	seen_ns = wh_now_ns();
	usleep(30000);
	answered_ns = wh_now_ns();
	answer(wire, &request, AS_IT_CAME, request.ip.daddr, request.ip.saddr);
	result = expect_result(1, WH_PROBE_ANSWERED);
	assert_true(result.rtt_ns >= answered_ns - seen_ns);
	assert_true(result.rtt_ns <= wh_now_ns() - sent_ns);

	send_order(order_of(WH_PROBE_ICMP, 2, SILENT6, 2));
	request = next_echo(wire);
	assert_int_equal(kill(child_of(getpid()), SIGSTOP), 0);
	answer(wire, &request, AS_IT_CAME, request.ip.daddr, request.ip.saddr);
	usleep(600 * 1000);
	assert_int_equal(kill(child_of(getpid()), SIGCONT), 0);
	assert_true(expect_result(2, WH_PROBE_ANSWERED).rtt_ns < 500 * WH_NS_PER_MS);
}

/* --- TCP -------------------------------------------------------------------------------------------------- */

static void test_tcp(void **state)
{
	struct wh_prober_order silent = tcp_order(0, SILENT6, LISTENING_PORT, 3);
	struct in6_addr source = source_of(5);
	struct sockaddr_in6 peer = {};

	(void)state;
	expect_connection(5, TARGET6, (struct sockaddr *)&peer, sizeof(peer));
	assert_memory_equal(&peer.sin6_addr, &source, sizeof(source));

	send_order(tcp_order(6, TARGET6, REFUSED_PORT, 2));
	assert_true(expect_result(2, WH_PROBE_REFUSED).rtt_ns > 0);
	silent.timeout_ms = 50;
	send_order(silent);
	expect_silence();
}

/* A router on the way that answers in the target's place is no target that answers. */
static void test_tcp_icmp_errors(void **state)
{
	(void)state;
	run("ip route add unreachable 2001:db8:203::1");
	send_order(tcp_order(0, "2001:db8:203::1", REFUSED_PORT, 1));
	expect_silence();
	if (system("nft 'add table ip6 t; add chain ip6 t i { type filter hook input priority 0; }; "
		   "add rule ip6 t i tcp dport 4 reject with icmpv6 port-unreachable'")) {
		print_message("SKIP: no nft to refuse a port by ICMP\n");
		skip();
	}
	send_order(tcp_order(0, TARGET6, REFUSED_PORT, 2));
	expect_silence_for(SYN_AGAIN_MS);
	run("nft delete table ip6 t");
	send_order(tcp_order(0, TARGET6, REFUSED_PORT, 3));
	expect_result(3, WH_PROBE_REFUSED);
}

/* --- what cannot be --------------------------------------------------------------------------------------- */

static void test_unsent(void **state)
{
	struct wh_prober_order order = order_of(WH_PROBE_ICMP, 0, TARGET6, 1);

	(void)state;
	order.addr.family = WH_FAMILIES;
	send_order(order);
	expect_result(1, WH_PROBE_UNSENT);
	order = tcp_order(0, TARGET6, REFUSED_PORT, 2);
	order.addr.family = (enum wh_family)77;
	send_order(order);
	expect_result(2, WH_PROBE_UNSENT);
	send_order(tcp_order(0, "fe80::1", 1, 3)); /* of which link? */
	expect_result(3, WH_PROBE_UNSENT);
	send_order(order_of(WH_PROBE_ICMP, WH_MAX_WANS, TARGET6, 4));
	expect_result(4, WH_PROBE_UNSENT);
}

/* From now on this process and its children live on a kernel without IPv6, as far as sockets go. */
static bool take_ipv6_away(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int without_ipv6(void)
{
	struct wh_prober_result result = {};
	char error[256];

	if (!take_ipv6_away() || wh_prober_start(&prober, error, sizeof(error)))
		return 1;
	run("pid=$(cut -d ' ' -f 1 /proc/$PPID/task/$PPID/children); "
	    "test -z \"$(nsenter -t $pid -n ip -6 addr show dev probe0 scope global)\"");
	send_order(order_of(WH_PROBE_ICMP, 0, TARGET6, 1));
	if (!next_result(&result, PATIENCE_MS) || result.seq != 1 || result.status != WH_PROBE_UNSENT)
		return 2;
	send_order(tcp_order(0, TARGET6, 1, 2));
	if (!next_result(&result, PATIENCE_MS) || result.seq != 2 || result.status != WH_PROBE_UNSENT)
		return 3;
	send_order(tcp_order(0, "224.0.0.1", 1, 3)); /* and it goes on taking orders */
	if (!next_result(&result, PATIENCE_MS) || result.seq != 3)
		return 4;
	wh_prober_stop(prober);
	return 0;
}

static void test_kernel_without_ipv6(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(without_ipv6());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_echo_answered),
		TEST(test_wire),
		TEST(test_late_and_forged),
		TEST(test_round_trip_time),
		TEST(test_tcp),
		TEST(test_tcp_icmp_errors),
		TEST(test_unsent),
		cmocka_unit_test(test_kernel_without_ipv6),
	};

	return RUN_IN_NAMESPACE("prober, IPv6", tests);
}
