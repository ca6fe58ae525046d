/* SPDX-License-Identifier: GPL-2.0 */
/*
 * scale.c: fast traffic and fine clocks for test_scale.py and test_expiry.py, which build it.  Namespaces are given
 * by path; each socket is opened in its own.
 *
 *   scale fill CLIENT-NS DEVICE ROUTER-MAC FAMILY PROTO FIRST-PORT ENDPOINTS DESTINATIONS
 *	one flow of each endpoint (a port of 10.77.0.2 or fd00:77::2) to each destination; of TCP the SYN and the ACK
 *   scale flip CLIENT-NS INET-NS STEER-PIN FLIPS
 *	stores alive = WAN 1, WAN 0, … under a stream of datagrams; a line each: ns from the store to the first
 *	datagram that arrives by the other WAN
 *   scale echo CLIENT-NS INET-NS MILLISECONDS
 *	a datagram each millisecond from one port, echoed; a line each: when it was sent (CLOCK_MONOTONIC, ns), and
 *	how long it took, or -1
 *   scale beat STEER-PIN MILLISECONDS
 *	the age of the controller's heartbeat each millisecond, ns
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <wanhelm/steer.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define CLIENT "10.77.0.2"
#define CLIENT6 "fd00:77::2"
#define SERVERS 0xcb007101U /* 203.0.113.1 and on */
#define SERVERS6 "2001:db8:203::"
#define N_SERVERS 10
#define FIRST_DPORT 40000
#define STREAM_NS (NS_PER_MS / 5) /* 5 kHz */
#define STREAM_PORT 9100
#define ECHO_PORT 9101
#define BATCH 64

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "scale: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void sleep_until(int64_t at_ns)
{
	struct timespec t = {.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int socket_in(const char *netns, int family, int type, int proto)
{
	int there = open(netns, O_RDONLY | O_CLOEXEC), own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	check(there >= 0 && own >= 0 && !setns(there, CLONE_NEWNET), netns);
	fd = socket(family, type, proto);
	check(fd >= 0 && !setns(own, CLONE_NEWNET), "socket");
	close(there);
	close(own);
	return fd;
}

static int udp_in(const char *netns, const char *address, unsigned port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(address)};
	int fd = socket_in(netns, AF_INET, SOCK_DGRAM, 0);

	check(!bind(fd, (struct sockaddr *)&at, sizeof(at)), "bind");
	return fd;
}

static void connect_to(int fd, const char *address, unsigned port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(address)};

	check(!connect(fd, (struct sockaddr *)&to, sizeof(to)), "connect");
}

/* --- fill ------------------------------------------------------------------------------------------------- */

struct frame {
	struct ether_header eth;
	uint8_t l3[sizeof(struct ip6_hdr) + sizeof(struct tcphdr)];
};

static uint32_t sum(const void *data, size_t len, uint32_t start)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i += 2)
		start += (uint32_t)byte[i] << 8 | byte[i + 1];
	return start;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The IP header, of so many bytes; *pseudo_sum: what it adds to the checksum above. */
static size_t make_ip4(uint8_t *at, unsigned proto, size_t l4_len, unsigned server, uint32_t *pseudo_sum)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = (uint8_t)proto};

	ip.tot_len = htons((uint16_t)(sizeof(ip) + l4_len));
	ip.saddr = inet_addr(CLIENT);
	ip.daddr = htonl(SERVERS + server);
	ip.check = folded(sum(&ip, sizeof(ip), 0));
	memcpy(at, &ip, sizeof(ip));
	*pseudo_sum = sum(&ip.saddr, 2 * sizeof(ip.saddr), proto + (uint32_t)l4_len);
	return sizeof(ip);
}

static size_t make_ip6(uint8_t *at, unsigned proto, size_t l4_len, unsigned server, uint32_t *pseudo_sum)
{
	struct ip6_hdr ip = {.ip6_flow = htonl(6U << 28)};

	ip.ip6_plen = htons((uint16_t)l4_len);
	ip.ip6_nxt = (uint8_t)proto;
	ip.ip6_hlim = 64;
	inet_pton(AF_INET6, CLIENT6, &ip.ip6_src);
	inet_pton(AF_INET6, SERVERS6, &ip.ip6_dst);
	ip.ip6_dst.s6_addr[15] = (uint8_t)(1 + server);
	memcpy(at, &ip, sizeof(ip));
	*pseudo_sum = sum(&ip.ip6_src, 2 * sizeof(ip.ip6_src), proto + (uint32_t)l4_len);
	return sizeof(ip);
}

static size_t make_frame(struct frame *f, int family, unsigned proto, unsigned sport, unsigned destination, bool ack)
{
	size_t len = proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr), ip_len;
	union {
		struct udphdr udp;
		struct tcphdr tcp;
	} l4 = {0};
	uint32_t pseudo_sum;

	ip_len = (family == 4 ? make_ip4 : make_ip6)(f->l3, proto, len, destination % N_SERVERS, &pseudo_sum);
	l4.udp.source = htons((uint16_t)sport);
	l4.udp.dest = htons((uint16_t)(FIRST_DPORT + destination / N_SERVERS));
	if (proto == IPPROTO_TCP) {
		l4.tcp.doff = 5;
		l4.tcp.syn = !ack;
		l4.tcp.ack = ack;
		l4.tcp.seq = htonl(1000 + ack);
		l4.tcp.ack_seq = htonl(ack ? 2001 : 0);
		l4.tcp.window = htons(1000);
		l4.tcp.check = folded(sum(&l4, len, pseudo_sum));
	} else {
		l4.udp.len = htons((uint16_t)len);
		l4.udp.check = folded(sum(&l4, len, pseudo_sum));
	}
	memcpy(f->l3 + ip_len, &l4, len);
	return offsetof(struct frame, l3) + ip_len + len;
}

/* Our own address for the Ethernet header, and where to send. */
static struct sockaddr_ll device_of(int fd, const char *name, uint8_t mac[ETH_ALEN])
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = ETH_ALEN};
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	check(!ioctl(fd, SIOCGIFHWADDR, &request), name);
	memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	check(!ioctl(fd, SIOCGIFINDEX, &request), name);
	to.sll_ifindex = request.ifr_ifindex;
	return to;
}

static void send_batch(int fd, struct mmsghdr *messages, unsigned n)
{
	for (unsigned done = 0; done < n;) {
		int sent = sendmmsg(fd, messages + done, n - done, 0);

		check(sent > 0 || errno == ENOBUFS, "sendmmsg");
		done += sent > 0 ? (unsigned)sent : 0;
	}
}

static int fill(char **arg)
{
	static struct frame frames[BATCH];
	static struct mmsghdr messages[BATCH];
	static struct iovec vectors[BATCH];
	unsigned proto = !strcmp(arg[4], "tcp") ? IPPROTO_TCP : IPPROTO_UDP, first = (unsigned)atoi(arg[5]), n = 0;
	unsigned long steps = (proto == IPPROTO_TCP ? 2 : 1), endpoints = strtoul(arg[6], NULL, 10);
	unsigned long destinations = strtoul(arg[7], NULL, 10), total = endpoints * destinations * steps;
	int fd = socket_in(arg[0], AF_PACKET, SOCK_RAW, 0), one = 1, family = atoi(arg[3]);
	struct ether_header eth = {.ether_type = htons(family == 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6)};
	struct sockaddr_ll to = device_of(fd, arg[1], eth.ether_shost);

	check(sscanf(arg[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &eth.ether_dhost[0], &eth.ether_dhost[1],
		     &eth.ether_dhost[2], &eth.ether_dhost[3], &eth.ether_dhost[4], &eth.ether_dhost[5]) == 6,
	      arg[2]);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	for (unsigned long i = 0; i < total; i++) {
		unsigned long flow = i / steps;

		frames[n].eth = eth;
		vectors[n].iov_base = &frames[n];
		vectors[n].iov_len = make_frame(&frames[n], family, proto, first + (unsigned)(flow / destinations),
						(unsigned)(flow % destinations), i % steps);
		messages[n].msg_hdr = (struct msghdr){
			.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &vectors[n], .msg_iovlen = 1};
		if (++n == BATCH || i == total - 1) {
			send_batch(fd, messages, n);
			n = 0;
		}
	}
	return 0;
}

/* --- flip ------------------------------------------------------------------------------------------------- */

static void *stream(void *arg)
{
	int fd = *(int *)arg;

	prctl(PR_SET_TIMERSLACK, 1);
	for (int64_t at_ns = now_ns(CLOCK_MONOTONIC);; at_ns += STREAM_NS) {
		sleep_until(at_ns);
		send(fd, "stream", 6, MSG_DONTWAIT);
	}
	return NULL;
}

/* One datagram: by which WAN it came (the lab's addresses say it), and when the kernel had it (CLOCK_REALTIME). */
static unsigned receive(int fd, int64_t *at_ns)
{
	char data[16], control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec vector = {data, sizeof(data)};
	struct sockaddr_in from = {0};
	struct msghdr message = {.msg_name = &from,
				 .msg_namelen = sizeof(from),
				 .msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct timespec stamp;
	struct cmsghdr *head;

	check(recvmsg(fd, &message, 0) > 0, "the stream");
	head = CMSG_FIRSTHDR(&message);
	check(head != NULL, "time stamp");
	memcpy(&stamp, CMSG_DATA(head), sizeof(stamp));
	*at_ns = stamp.tv_sec * NS_PER_S + stamp.tv_nsec;
	return (ntohl(from.sin_addr.s_addr) >> 8 & 0xff) - 1;
}

/* The last row of wh_steer. */
static struct wh_steer *map_global(const char *pin)
{
	union bpf_attr attr = {.pathname = (uint64_t)(uintptr_t)pin};
	int fd = (int)syscall(__NR_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	struct wh_steer *rows;

	check(fd >= 0, pin);
	rows = mmap(NULL, sizeof(*rows) * WH_STEER_ROWS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(rows != MAP_FAILED, "mmap");
	return &rows[WH_STEER_GLOBAL];
}

static int flip(char **arg)
{
	uint64_t *alive = (uint64_t *)&map_global(arg[2])->alive.word, before = *alive;
	int client = udp_in(arg[0], CLIENT, STREAM_PORT), server = udp_in(arg[1], "203.0.113.10", STREAM_PORT), one = 1;
	struct timeval limit = {.tv_sec = 2};
	int64_t at_ns, stored_ns;
	pthread_t thread;

	connect_to(client, "203.0.113.10", STREAM_PORT);
	setsockopt(server, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	check(!pthread_create(&thread, NULL, stream, &client), "thread");
	srandom((unsigned)getpid());
	for (int i = 0; i < atoi(arg[3]); i++) {
		unsigned to = !(i & 1);
		int64_t until_ns = now_ns(CLOCK_REALTIME) + 3 * NS_PER_MS + random() % (2 * NS_PER_MS);

		do {
			receive(server, &at_ns);
		} while (at_ns < until_ns);
		stored_ns = now_ns(CLOCK_REALTIME);
		__atomic_store_n(alive, 1ULL << to, __ATOMIC_RELEASE);
		while (receive(server, &at_ns) != to || at_ns < stored_ns)
			;
		printf("%lld\n", (long long)(at_ns - stored_ns));
	}
	__atomic_store_n(alive, before, __ATOMIC_RELEASE);
	return 0;
}

/* --- echo ------------------------------------------------------------------------------------------------- */

static void *echo_server(void *arg)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int fd = *(int *)arg;
	int64_t word;

	while (recvfrom(fd, &word, sizeof(word), 0, (struct sockaddr *)&from, &len) > 0)
		sendto(fd, &word, sizeof(word), 0, (struct sockaddr *)&from, len);
	return NULL;
}

static int echo(char **arg)
{
	int client = udp_in(arg[0], CLIENT, ECHO_PORT), server = udp_in(arg[1], "203.0.113.9", ECHO_PORT);
	struct timeval limit = {.tv_usec = 200000};
	int64_t sent_ns, heard, start_ns;
	pthread_t thread;

	connect_to(client, "203.0.113.9", ECHO_PORT);
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	check(!pthread_create(&thread, NULL, echo_server, &server), "thread");
	prctl(PR_SET_TIMERSLACK, 1);
	start_ns = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < atoi(arg[2]); i++) {
		sleep_until(start_ns + i * NS_PER_MS);
		sent_ns = now_ns(CLOCK_MONOTONIC);
		check(send(client, &sent_ns, sizeof(sent_ns), 0) > 0, "send");
		do {
			heard = 0;
		} while (recv(client, &heard, sizeof(heard), 0) > 0 && heard != sent_ns);
		printf("%lld %lld\n", (long long)sent_ns,
		       heard == sent_ns ? (long long)(now_ns(CLOCK_MONOTONIC) - sent_ns) : -1);
		fflush(stdout);
	}
	return 0;
}

/* --- beat ------------------------------------------------------------------------------------------------- */

static int beat(char **arg)
{
	const volatile struct wh_steer *global = map_global(arg[0]);
	int64_t start_ns = now_ns(CLOCK_MONOTONIC);

	for (int i = 0; i < atoi(arg[1]); i++) {
		sleep_until(start_ns + i * NS_PER_MS);
		printf("%lld\n", (long long)(now_ns(CLOCK_BOOTTIME) - (int64_t)global->heartbeat_ns));
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 10 && !strcmp(argv[1], "fill"))
		return fill(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "flip"))
		return flip(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "echo"))
		return echo(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "beat"))
		return beat(argv + 2);
	fprintf(stderr, "scale: see the head of scale.c\n");
	return 2;
}
