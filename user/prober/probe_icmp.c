/* SPDX-License-Identifier: GPL-2.0 */
/*
 * probe_icmp.c: echo requests and their replies.  The data plane translates the identifier, and 16 bits of
 * sequence number come round again; so everything by which a reply is told stands in the payload, which comes
 * back as it was sent.
 */
#include "prober/prober_private.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

#define REPLIES_PER_TURN 64
#define WAN_BITS 7 /* of the identifier */

/* Only we read it, in the byte order that we wrote it in. */
struct payload {
	uint64_t cookie;
	uint64_t sent_ns; /* CLOCK_MONOTONIC */
	uint32_t seq;
	struct in_addr target_addr;
	uint8_t wan;
	uint8_t target;
	uint8_t pad[6];
};

struct echo {
	struct icmphdr icmp;
	struct payload payload;
};

_Static_assert(sizeof(struct echo) == 40, "layout");

int wh_icmp_open(struct wh_icmp *icmp)
{
	struct icmp_filter replies_only = {.data = ~(1U << ICMP_ECHOREPLY)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_RAW, ICMP_FILTER, &replies_only, sizeof(replies_only)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ||
	    getrandom(&icmp->cookie, sizeof(icmp->cookie), 0) != sizeof(icmp->cookie) ||
	    getrandom(&icmp->id, sizeof(icmp->id), 0) != sizeof(icmp->id))
		return -errno;
	icmp->fd = wh_take_fd(&fd);
	return 0;
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void make_echo(const struct wh_icmp *icmp, const struct wh_prober_order *order, struct echo *out)
{
	memset(out, 0, sizeof(*out));
	out->icmp.type = ICMP_ECHO;
	out->icmp.un.echo.id = htons((uint16_t)((icmp->id & ~WAN_BITS) | order->wan));
	out->icmp.un.echo.sequence = htons((uint16_t)order->seq);
	out->payload.cookie = icmp->cookie;
	out->payload.seq = order->seq;
	out->payload.target_addr = order->addr;
	out->payload.wan = order->wan;
	out->payload.target = order->target;
	out->payload.sent_ns = wh_now_ns();
	out->icmp.checksum = checksum(out, sizeof(*out));
}

int wh_icmp_send(const struct wh_icmp *icmp, const struct wh_prober_order *order)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = order->addr};
	struct in_pktinfo from = {.ipi_spec_dst = wh_prober_source(order->wan)};
	union {
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr align;
	} control = {};
	struct echo echo;
	struct iovec data = {&echo, sizeof(echo)};
	struct msghdr msg = {.msg_name = &to,
			     .msg_namelen = sizeof(to),
			     .msg_iov = &data,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = IPPROTO_IP;
	cmsg->cmsg_type = IP_PKTINFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(cmsg), &from, sizeof(from));
	make_echo(icmp, order, &echo);
	return sendmsg(icmp->fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* How long a packet waited for us after the kernel had it; 0 where it cannot be told. */
static uint64_t waited_ns(struct msghdr *msg)
{
	uint64_t now_ns = wh_clock_ns(CLOCK_REALTIME);

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		struct timespec at;
		uint64_t at_ns;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&at, CMSG_DATA(cmsg), sizeof(at));
		at_ns = (uint64_t)at.tv_sec * WH_NS_PER_S + (uint64_t)at.tv_nsec;
		return at_ns < now_ns ? now_ns - at_ns : 0;
	}
	return 0;
}

/* The payload of a reply to one of our probes; false for all else. */
static bool parse_reply(const struct wh_icmp *icmp, const uint8_t *packet, size_t len, struct payload *out)
{
	struct iphdr ip;
	struct echo echo;
	size_t ip_len;

	if (len < sizeof(ip))
		return false;
	memcpy(&ip, packet, sizeof(ip));
	ip_len = ip.ihl * 4U;
	if (ip_len < sizeof(ip) || len < ip_len + sizeof(echo))
		return false;
	memcpy(&echo, packet + ip_len, sizeof(echo));
	if (echo.icmp.type != ICMP_ECHOREPLY || echo.payload.cookie != icmp->cookie ||
	    echo.payload.wan >= WH_MAX_WANS || ip.saddr != echo.payload.target_addr.s_addr ||
	    ip.daddr != wh_prober_source(echo.payload.wan).s_addr)
		return false;
	*out = echo.payload;
	return true;
}

void wh_icmp_read(const struct wh_icmp *icmp, int sock)
{
	for (int i = 0; i < REPLIES_PER_TURN; i++) {
		uint8_t packet[512];
		union {
			char bytes[CMSG_SPACE(sizeof(struct timespec))];
			struct cmsghdr align;
		} control;
		struct iovec data = {packet, sizeof(packet)};
		struct msghdr msg = {.msg_iov = &data,
				     .msg_iovlen = 1,
				     .msg_control = control.bytes,
				     .msg_controllen = sizeof(control.bytes)};
		ssize_t len = recvmsg(icmp->fd, &msg, 0);
		uint64_t now_ns = wh_now_ns();
		struct payload reply;
		uint64_t rtt_ns, waited;

		if (len < 0)
			return;
		if (!parse_reply(icmp, packet, (size_t)len, &reply) || reply.sent_ns > now_ns)
			continue;
		rtt_ns = now_ns - reply.sent_ns;
		waited = waited_ns(&msg);
		/* The wall clock may have been set while it waited: then the wait cannot be told. */
		wh_prober_tell(sock,
			       &(struct wh_prober_order){.seq = reply.seq, .wan = reply.wan, .target = reply.target},
			       WH_PROBE_ANSWERED, waited < rtt_ns ? rtt_ns - waited : rtt_ns);
	}
}
