/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pingpong.c: round trips of one byte through the router, of a client and a server on ordinary sockets.
 *
 *   pingpong CLIENTS-NS ROUTER-NS INTERNET-NS ADDRESS udp|tcp TIMES
 *
 * Prints {"median_ns", "p99_ns"}.
 */
#include "traffic.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 7007
#define FIRST 200 /* not counted: who has to be found, has been */

static bool tcp;
static struct sockaddr_storage address;
static socklen_t address_len;

static void read_address(const char *text)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(PORT);
		address_len = sizeof(*v4);
	} else {
		check(inet_pton(AF_INET6, text, &v6->sin6_addr) == 1, text);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(PORT);
		address_len = sizeof(*v6);
	}
}

static int open_in(enum part part)
{
	int fd = socket_in(part, address.ss_family, tcp ? SOCK_STREAM : SOCK_DGRAM), one = 1;

	if (tcp)
		check(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
	return fd;
}

static void *serve(void *arg)
{
	int fd = *(int *)arg;
	struct sockaddr_storage from;
	char byte;

	pin_to(ROUTER_CPU);
	if (tcp) {
		fd = accept(fd, NULL, NULL);
		while (read(fd, &byte, 1) == 1)
			check(write(fd, &byte, 1) == 1, "answer");
		return NULL;
	}
	for (;;) {
		socklen_t len = sizeof(from);

		check(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) == 1, "question");
		check(sendto(fd, &byte, 1, 0, (struct sockaddr *)&from, len) == 1, "answer");
	}
}

static int start_server(void)
{
	static int fd;
	int one = 1;
	pthread_t thread;

	fd = open_in(PART_INTERNET);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	check(!bind(fd, (struct sockaddr *)&address, address_len) && (!tcp || !listen(fd, 1)), "bind");
	check(!pthread_create(&thread, NULL, serve, &fd), "thread");
	return fd;
}

static int ascending(const void *a, const void *b)
{
	return *(const int64_t *)a < *(const int64_t *)b ? -1 : *(const int64_t *)a > *(const int64_t *)b;
}

int main(int argc, char **argv)
{
	struct timeval limit = {.tv_sec = 5};
	int64_t *took_ns;
	unsigned times;
	char byte = 'x';
	int fd;

	check(argc == 7, "see the head of pingpong.c");
	devices_open(argv + 1, 0);
	read_address(argv[4]);
	tcp = !strcmp(argv[5], "tcp");
	times = (unsigned)atoi(argv[6]);
	took_ns = calloc(times, sizeof(*took_ns));
	start_server();
	pin_to(TRAFFIC_CPU);
	fd = open_in(PART_CLIENTS);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	check(took_ns && !connect(fd, (struct sockaddr *)&address, address_len), "connect");
	for (unsigned i = 0; i < FIRST + times; i++) {
		int64_t sent_ns = now_ns();

		check(write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1, "round trip");
		if (i >= FIRST)
			took_ns[i - FIRST] = now_ns() - sent_ns;
	}
	qsort(took_ns, times, sizeof(*took_ns), ascending);
	printf("{\"median_ns\": %lld, \"p99_ns\": %lld}\n", (long long)took_ns[times / 2],
	       (long long)took_ns[(uint64_t)times * 99 / 100]);
	return 0;
}
