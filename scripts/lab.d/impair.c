/* SPDX-License-Identifier: GPL-2.0 */
/*
 * impair.c: delays the packets that are routed into a TUN device, for kernels without netem.  The lab
 * (faults.sh) makes the device, diverts packets into it by policy routing and starts this program, which
 * writes each one back after its time, so that it goes on where it was going.  Loss is nftables' business.
 *
 *	impair DEVICE DELAY_MS [JITTER_MS]
 *
 * Order is kept, as on a real line: a packet with little jitter waits for the one in front of it.  At most
 * SLOTS packets are held, further ones are dropped.  Goes to the background once the device is open.
 */
#include "tun.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define SLOTS 10240
#define MAX_PACKET 2048
#define MAX_DELAY_MS 10000.0
#define NS_PER_MS 1000000.0
#define NS_PER_S 1000000000ULL

struct held {
	uint64_t due_ns;
	ssize_t len;
	uint8_t data[MAX_PACKET];
};

struct line {
	int tun;
	double delay_ns;
	double jitter_ns;
	unsigned head;
	unsigned count;
	struct held ring[SLOTS];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t due(const struct line *line)
{
	double swing = line->jitter_ns * (2.0 * drand48() - 1.0);
	double delay = line->delay_ns + swing;

	return now_ns() + (uint64_t)(delay > 0 ? delay : 0);
}

static void take_in(struct line *line)
{
	static uint8_t dropped[MAX_PACKET];

	for (;;) {
		bool full = line->count == SLOTS;
		struct held *slot = &line->ring[(line->head + line->count) % SLOTS];
		ssize_t len = read(line->tun, full ? dropped : slot->data, MAX_PACKET);

		if (len <= 0)
			return;
		if (full)
			continue;
		slot->len = len;
		slot->due_ns = due(line);
		line->count++;
	}
}

static void let_out(struct line *line)
{
	while (line->count && line->ring[line->head].due_ns <= now_ns()) {
		const struct held *slot = &line->ring[line->head];

		/* what the kernel refuses is lost, as on a real line */
		(void)!write(line->tun, slot->data, (size_t)slot->len);
		line->head = (line->head + 1) % SLOTS;
		line->count--;
	}
}

static struct timespec time_left(uint64_t due_ns)
{
	uint64_t now = now_ns(), left = due_ns > now ? due_ns - now : 0;

	return (struct timespec){.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
}

static void run(struct line *line)
{
	struct pollfd readable = {.fd = line->tun, .events = POLLIN};

	for (;;) {
		struct timespec wait = time_left(line->ring[line->head].due_ns);

		if (ppoll(&readable, 1, line->count ? &wait : NULL, NULL) < 0 && errno != EINTR)
			return;
		if (readable.revents & (POLLERR | POLLHUP | POLLNVAL))
			return; /* the device is gone */
		take_in(line);
		let_out(line);
	}
}

static int milliseconds(const char *what, const char *text, double *out_ns)
{
	char *end;
	double ms = strtod(text, &end);

	if (end == text || *end || !(ms >= 0 && ms <= MAX_DELAY_MS)) {
		fprintf(stderr, "impair: %s \"%s\": a number of milliseconds within 0 and %.0f was expected\n", what,
			text, MAX_DELAY_MS);
		return -EINVAL;
	}
	*out_ns = ms * NS_PER_MS;
	return 0;
}

int main(int argc, char **argv)
{
	static struct line line;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: impair DEVICE DELAY_MS [JITTER_MS]\n");
		return 2;
	}
	if (milliseconds("delay", argv[2], &line.delay_ns) < 0 ||
	    (argc == 4 && milliseconds("jitter", argv[3], &line.jitter_ns) < 0))
		return 2;
	line.tun = open_tun(argv[1]);
	if (line.tun < 0) {
		fprintf(stderr, "impair: device %s: %s\n", argv[1], strerror(-line.tun));
		return 1;
	}
	if (daemon(0, 0) < 0) {
		fprintf(stderr, "impair: %s\n", strerror(errno));
		return 1;
	}
	prctl(PR_SET_TIMERSLACK, 1UL); /* the default of 50 us would show in short delays */
	run(&line);
	return 0;
}
