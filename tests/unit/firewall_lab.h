/* SPDX-License-Identifier: GPL-2.0 */
/*
 * firewall_lab.h: client, router and outside, each a network namespace, for test_firewall_packets.c; the outside
 * answers only at one TCP port, and sees with which source a packet left the router.
 */
#ifndef WANHELM_TESTS_FIREWALL_LAB_H
#define WANHELM_TESTS_FIREWALL_LAB_H

#include "firewall_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT4 "10.0.0.2"
#define CLIENT6 "fd00:1::2"
#define SERVER4 "203.0.113.9"
#define SERVER6 "2001:db8:9::9"
#define PORT 4242

static pid_t client, outside; /* the children that hold the namespaces */
static int router_ns;
static const char *lan = "lan0"; /* where the client's packets come in */

/* --- the namespaces --------------------------------------------------------------------------------------- */

static inline void hold_namespace(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static inline pid_t make_namespace(void)
{
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		hold_namespace(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static inline void run_in(pid_t where, const char *command)
{
	run("nsenter --net=/proc/%d/ns/net sh -ec '%s'", (int)where, command);
}

static inline int make_lab(void **state)
{
	(void)state;
	router_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	client = make_namespace();
	outside = make_namespace();
	run("ip link add lan0 type veth peer name c0 netns %d && ip link add wan1 type veth peer name o0 netns %d",
	    (int)client, (int)outside);
	run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0");
	run("for d in lo lan0 wan1; do sysctl -qw net.ipv6.conf.$d.accept_dad=0; ip link set $d up; done");
	run("ip addr add 10.0.0.1/24 dev lan0 && ip addr add fd00:1::1/64 dev lan0 nodad");
	run("ip addr add 198.18.1.2/24 dev wan1 && ip addr add 2001:db8:1::2/64 dev wan1 nodad");
	run_in(client, "sysctl -qw net.ipv6.conf.c0.accept_dad=0; ip link set c0 up; ip addr add 10.0.0.2/24 dev c0;"
		       "ip addr add fd00:1::2/64 dev c0 nodad; ip route add default via 10.0.0.1;"
		       "ip route add default via fd00:1::1");
	run_in(outside, "sysctl -qw net.ipv6.conf.o0.accept_dad=0; ip link set o0 up; ip addr add 198.18.1.1/24 dev o0;"
			"ip addr add 2001:db8:1::1/64 dev o0 nodad; ip addr add 203.0.113.9/32 dev o0;"
			"ip addr add 2001:db8:9::9/128 dev o0 nodad; ip route add default via 198.18.1.2;"
			"ip route add default via 2001:db8:1::2");
	run_in(outside,
	       "nft add table inet silence; nft add chain inet silence in { type filter hook input priority 0\\; };"
	       "nft add rule inet silence in tcp dport 4242 drop");
	run("ip route add default via 198.18.1.1 && ip route add default via 2001:db8:1::1");
	return 0;
}

/* Everything that comes from the client carries this mark, as if our programs had put it there. */
static inline void mark_as(uint32_t mark)
{
	run("nft 'add table netdev programs; delete table netdev programs; table netdev programs { chain lan_in {"
	    "type filter hook ingress device %s priority 0; meta mark set 0x%x; }; }'",
	    lan, mark);
}

static inline int set_up(void **state)
{
	(void)state;
	run("nft flush ruleset && conntrack -F 2>/dev/null");
	mark_as(SHOWN(0));
	put(&usual);
	return 0;
}

/* --- packets ---------------------------------------------------------------------------------------------- */

static inline int socket_in(pid_t where, int family, int type, int protocol)
{
	char path[64];
	int ns, fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)where);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	assert_int_equal(setns(router_ns, CLONE_NEWNET), 0);
	close(ns);
	assert_true(fd >= 0);
	return fd;
}

static inline struct sockaddr_storage address(int family, const char *text, uint16_t port, socklen_t *len)
{
	struct sockaddr_storage all = {.ss_family = (sa_family_t)family};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&all;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&all;

	v6->sin6_port = htons(port); /* at the same place as IPv4's */
	assert_int_equal(inet_pton(family, text, family == AF_INET ? (void *)&v4->sin_addr : &v6->sin6_addr), 1);
	*len = family == AF_INET ? sizeof(*v4) : sizeof(*v6);
	return all;
}

static inline const char *server_of(int family)
{
	return family == AF_INET ? SERVER4 : SERVER6;
}

/* A UDP packet from a new port of the client's to the server: the source that arrives there, or "nothing". */
static inline const char *source_seen(int family)
{
	static char text[INET6_ADDRSTRLEN];
	int from = socket_in(client, family, SOCK_DGRAM, 0), at = socket_in(outside, family, SOCK_DGRAM, 0);
	struct pollfd wait = {.fd = at, .events = POLLIN};
	struct sockaddr_storage to, seen = {};
	socklen_t len;

	to = address(family, server_of(family), PORT, &len);
	assert_int_equal(bind(at, (struct sockaddr *)&to, len), 0);
	assert_int_equal(sendto(from, "x", 1, 0, (struct sockaddr *)&to, len), 1);
	strcpy(text, "nothing");
	if (poll(&wait, 1, 1000) == 1) {
		assert_int_equal(recvfrom(at, text, 1, 0, (struct sockaddr *)&seen, &len), 1);
		inet_ntop(family,
			  family == AF_INET ? (void *)&((struct sockaddr_in *)&seen)->sin_addr
					    : &((struct sockaddr_in6 *)&seen)->sin6_addr,
			  text, sizeof(text));
	}
	close(from);
	close(at);
	return text;
}

/* A bare TCP segment of the client's with these flags; the sum is right, so that conntrack believes it. */
static inline void send_tcp(uint16_t port, uint8_t flags)
{
	int fd = socket_in(client, AF_INET, SOCK_RAW, IPPROTO_TCP);
	struct {
		struct in_addr from, to;
		uint16_t protocol_be, len_be;
		struct tcphdr tcp;
	} __attribute__((packed, aligned(4)))
	segment = {.protocol_be = htons(IPPROTO_TCP), .len_be = htons(sizeof(struct tcphdr))};
	uint16_t half[sizeof(segment) / 2];
	struct sockaddr_storage to;
	uint32_t sum = 0;
	socklen_t len;

	to = address(AF_INET, SERVER4, 0, &len);
	segment.from.s_addr = inet_addr(CLIENT4);
	segment.to.s_addr = inet_addr(SERVER4);
	segment.tcp.source = htons(port);
	segment.tcp.dest = htons(PORT);
	segment.tcp.seq = htonl(1000);
	segment.tcp.ack_seq = flags & TH_ACK ? htonl(2000) : 0;
	segment.tcp.doff = 5;
	segment.tcp.window = htons(1000);
	segment.tcp.th_flags = flags;
	memcpy(half, &segment, sizeof(segment));
	for (unsigned i = 0; i < sizeof(half) / 2; i++)
		sum += half[i];
	sum = (sum & 0xffff) + (sum >> 16);
	segment.tcp.check = (uint16_t) ~(sum + (sum >> 16));
	assert_int_equal(sendto(fd, &segment.tcp, sizeof(segment.tcp), 0, (struct sockaddr *)&to, len),
			 sizeof(segment.tcp));
	close(fd);
}

/* Conntrack's first line with this in it, or "". */
static inline const char *entry(const char *with)
{
	char command[128];

	snprintf(command, sizeof(command), "conntrack -L 2>/dev/null | grep -m1 -- '%s'", with);
	return output_of(command);
}

/* The seconds that the entry has left: the third word, "udp 17 9 src=…". */
static inline unsigned seconds_left(const char *with)
{
	const char *line = entry(with);
	unsigned seconds = 0;

	if (sscanf(line, "%*s %*u %u", &seconds) != 1)
		fail_msg("no entry with %s", with);
	return seconds;
}

static inline void wait_for_entry(const char *with)
{
	for (unsigned tries = 0; !*entry(with); tries++) {
		if (tries == 200)
			fail_msg("no entry with %s: %s", with, output_of("conntrack -L 2>&1"));
		usleep(10000);
	}
}

#endif
