/* SPDX-License-Identifier: GPL-2.0 */
/*
 * probe_icmp.c: echo requests and their replies.  The data plane translates the identifier, and 16 bits of
 * sequence number come round again; so everything by which a reply is told stands in the payload, which comes
 * back as it was sent.
 */
#include "prober/prober_private.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "model/address.h"

#define REPLIES_PER_TURN 64
#define WAN_BITS 7 /* of the identifier */

/* Only we read it, in the byte order that we wrote it in. */
struct payload {
	uint64_t cookie;
	uint64_t sent_ns; /* CLOCK_MONOTONIC */
	uint32_t seq;
	struct wh_address target_addr;
	uint8_t wan;
	uint8_t target;
	uint8_t pad[6];
};

/* An echo's header is the same in both families, but for its type. */
struct echo {
	struct icmphdr icmp;
	struct payload payload;
};

_Static_assert(sizeof(struct echo) == 56, "layout");

/* Room for what the kernel says beside a packet, or we say to it. */
union control {
	char bytes[CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct cmsghdr align;
};

/* --- the sockets ------------------------------------------------------------------------------------------ */

static int let_replies_pass4(int fd)
{
	struct icmp_filter replies_only = {.data = ~(1U << ICMP_ECHOREPLY)};

	return setsockopt(fd, SOL_RAW, ICMP_FILTER, &replies_only, sizeof(replies_only));
}

static int let_replies_pass6(int fd)
{
	struct icmp6_filter replies_only;
	int one = 1;

	ICMP6_FILTER_SETBLOCKALL(&replies_only);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &replies_only);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &replies_only, sizeof(replies_only)))
		return -1;
	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
}

static int open_socket(enum wh_family family, int *out)
{
	int protocol = family == WH_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	_cleanup_close_ int fd = socket(wh_prober_af(family), SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	int one = 1;

	if (fd < 0 || (family == WH_V4 ? let_replies_pass4(fd) : let_replies_pass6(fd)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)))
		return -errno;
	*out = wh_take_fd(&fd);
	return 0;
}

int wh_icmp_open(struct wh_icmp *icmp)
{
	int err = open_socket(WH_V4, &icmp->fd[WH_V4]);

	icmp->fd[WH_V6] = -1;
	if (!err)
		err = open_socket(WH_V6, &icmp->fd[WH_V6]);
	if (err && err != -EAFNOSUPPORT)
		return err;
	if (getrandom(&icmp->cookie, sizeof(icmp->cookie), 0) != sizeof(icmp->cookie) ||
	    getrandom(&icmp->id, sizeof(icmp->id), 0) != sizeof(icmp->id))
		return -errno;
	return 0;
}

/* --- requests --------------------------------------------------------------------------------------------- */

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
	bool v4 = order->addr.family == WH_V4;

	memset(out, 0, sizeof(*out));
	out->icmp.type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	out->icmp.un.echo.id = htons((uint16_t)((icmp->id & ~WAN_BITS) | order->wan));
	out->icmp.un.echo.sequence = htons((uint16_t)order->seq);
	out->payload.cookie = icmp->cookie;
	out->payload.seq = order->seq;
	out->payload.target_addr = order->addr;
	out->payload.wan = order->wan;
	out->payload.target = order->target;
	out->payload.sent_ns = wh_now_ns();
	if (v4) /* of ICMPv6 the kernel makes it */
		out->icmp.checksum = checksum(out, sizeof(*out));
}

static void put_control(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), data, len);
	msg->msg_controllen = CMSG_SPACE(len);
}

static void put_source(struct msghdr *msg, const struct wh_address *source)
{
	struct in_pktinfo from4 = {.ipi_spec_dst = source->v4};
	struct in6_pktinfo from6 = {.ipi6_addr = source->v6};

	if (source->family == WH_V4)
		put_control(msg, IPPROTO_IP, IP_PKTINFO, &from4, sizeof(from4));
	else
		put_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &from6, sizeof(from6));
}

int wh_icmp_send(const struct wh_icmp *icmp, const struct wh_prober_order *order)
{
	union wh_sockaddr to = wh_prober_sockaddr(&order->addr, 0);
	struct wh_address source = wh_prober_source(order->addr.family, order->wan);
	union control control = {};
	struct echo echo;
	struct iovec data = {&echo, sizeof(echo)};
	struct msghdr msg = {.msg_name = &to,
			     .msg_namelen = sizeof(to),
			     .msg_iov = &data,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};

	put_source(&msg, &source);
	make_echo(icmp, order, &echo);
	return sendmsg(icmp->fd[order->addr.family], &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* --- replies ---------------------------------------------------------------------------------------------- */

static bool find_control(struct msghdr *msg, int level, int type, void *out, size_t len)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != level || cmsg->cmsg_type != type || cmsg->cmsg_len < CMSG_LEN(len))
			continue;
		memcpy(out, CMSG_DATA(cmsg), len);
		return true;
	}
	return false;
}

/* How long a packet waited for us after the kernel had it; 0 where it cannot be told. */
static uint64_t waited_ns(struct msghdr *msg)
{
	uint64_t now_ns = wh_clock_ns(CLOCK_REALTIME), at_ns;
	struct timespec at;

	if (!find_control(msg, SOL_SOCKET, SCM_TIMESTAMPNS, &at, sizeof(at)))
		return 0;
	at_ns = (uint64_t)at.tv_sec * WH_NS_PER_S + (uint64_t)at.tv_nsec;
	return at_ns < now_ns ? now_ns - at_ns : 0;
}

/* A packet as one of the two kinds of socket gives it. */
struct received {
	struct wh_address from;
	struct wh_address to;
	struct echo echo;
};

static bool parse4(const uint8_t *packet, size_t len, struct received *out)
{
	struct iphdr ip;
	size_t ip_len;

	if (len < sizeof(ip))
		return false;
	memcpy(&ip, packet, sizeof(ip));
	ip_len = ip.ihl * 4U;
	if (ip_len < sizeof(ip) || len < ip_len + sizeof(out->echo))
		return false;
	memcpy(&out->echo, packet + ip_len, sizeof(out->echo));
	out->from = (struct wh_address){.family = WH_V4, .v4.s_addr = ip.saddr};
	out->to = (struct wh_address){.family = WH_V4, .v4.s_addr = ip.daddr};
	return out->echo.icmp.type == ICMP_ECHOREPLY;
}

/* It comes without its IP header. */
static bool parse6(const uint8_t *packet, size_t len, struct msghdr *msg, struct received *out)
{
	const struct sockaddr_in6 *from = msg->msg_name;
	struct in6_pktinfo to;

	if (len < sizeof(out->echo) || msg->msg_namelen < sizeof(*from) ||
	    !find_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &to, sizeof(to)))
		return false;
	memcpy(&out->echo, packet, sizeof(out->echo));
	out->from = (struct wh_address){.family = WH_V6, .v6 = from->sin6_addr};
	out->to = (struct wh_address){.family = WH_V6, .v6 = to.ipi6_addr};
	return out->echo.icmp.type == ICMP6_ECHO_REPLY;
}

static bool answers_us(const struct wh_icmp *icmp, const struct received *r)
{
	const struct payload *payload = &r->echo.payload;
	struct wh_address source;

	if (payload->cookie != icmp->cookie || payload->wan >= WH_MAX_WANS)
		return false;
	source = wh_prober_source(r->from.family, payload->wan);
	return wh_same_address(&r->from, &payload->target_addr) && wh_same_address(&r->to, &source);
}

static void tell_reply(const struct payload *reply, uint64_t now_ns, uint64_t waited, int sock)
{
	uint64_t rtt_ns = now_ns - reply->sent_ns;

	/* The wall clock may have been set while it waited: then the wait cannot be told. */
	wh_prober_tell(sock, &(struct wh_prober_order){.seq = reply->seq, .wan = reply->wan, .target = reply->target},
		       WH_PROBE_ANSWERED, waited < rtt_ns ? rtt_ns - waited : rtt_ns);
}

static void read_replies(const struct wh_icmp *icmp, enum wh_family family, int sock)
{
	for (int i = 0; i < REPLIES_PER_TURN; i++) {
		uint8_t packet[512];
		union control control;
		union wh_sockaddr from;
		struct iovec data = {packet, sizeof(packet)};
		struct msghdr msg = {.msg_name = &from,
				     .msg_namelen = sizeof(from),
				     .msg_iov = &data,
				     .msg_iovlen = 1,
				     .msg_control = control.bytes,
				     .msg_controllen = sizeof(control.bytes)};
		ssize_t len = recvmsg(icmp->fd[family], &msg, 0);
		uint64_t now_ns = wh_now_ns();
		struct received r;

		if (len < 0)
			return;
		if (!(family == WH_V4 ? parse4(packet, (size_t)len, &r) : parse6(packet, (size_t)len, &msg, &r)))
			continue;
		if (answers_us(icmp, &r) && r.echo.payload.sent_ns <= now_ns)
			tell_reply(&r.echo.payload, now_ns, waited_ns(&msg), sock);
	}
}

void wh_icmp_read(const struct wh_icmp *icmp, int sock)
{
	for (unsigned family = 0; family < WH_FAMILIES; family++)
		if (icmp->fd[family] >= 0)
			read_replies(icmp, family, sock);
}
