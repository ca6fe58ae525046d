/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wire.c: the line between two TUN devices in two network namespaces: what is sent by one comes in at the other.
 * So the lab has links without Ethernet header on kernels that have neither ppp nor WireGuard.  Both have a carrier
 * as long as it runs.
 *
 *	wire NAMESPACE DEVICE NAMESPACE DEVICE		namespaces as files, /run/netns/x
 *
 * Goes to the background once both are open.
 */
#include "tun.h"

#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PACKET 65535

static int enter(const char *namespace)
{
	int fd = open(namespace, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 || setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static int open_end(char **words)
{
	int fd = enter(words[0]);

	if (fd == 0)
		fd = open_tun(words[1]);
	if (fd < 0)
		fprintf(stderr, "wire: device %s in %s: %s\n", words[1], words[0], strerror(-fd));
	return fd;
}

/* All that waits; what the other side refuses is lost, as on a real line. */
static void pump(int from, int to)
{
	static uint8_t packet[MAX_PACKET];
	ssize_t len;

	while ((len = read(from, packet, sizeof(packet))) > 0)
		(void)!write(to, packet, (size_t)len);
}

int main(int argc, char **argv)
{
	struct pollfd ends[2] = {{.events = POLLIN}, {.events = POLLIN}};

	if (argc != 5) {
		fprintf(stderr, "usage: wire NAMESPACE DEVICE NAMESPACE DEVICE\n");
		return 2;
	}
	ends[0].fd = open_end(argv + 1);
	ends[1].fd = open_end(argv + 3);
	if (ends[0].fd < 0 || ends[1].fd < 0)
		return 1;
	if (daemon(0, 0) < 0) {
		fprintf(stderr, "wire: %s\n", strerror(errno));
		return 1;
	}
	while (poll(ends, 2, -1) > 0 || errno == EINTR) {
		for (int i = 0; i < 2; i++) {
			if (ends[i].revents & POLLNVAL)
				return 0;
			if (ends[i].revents & POLLIN)
				pump(ends[i].fd, ends[!i].fd);
		}
	}
	return 0;
}
