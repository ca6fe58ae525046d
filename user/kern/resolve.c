/* SPDX-License-Identifier: GPL-2.0 */
/*
 * resolve.c: the sockets that ask for gateways, and what was asked.  The daemon calls it; resolve_packet.c knows
 * the packets.
 *
 * The sockets are bound to no device, but a filter in the kernel lets only packets from devices by which somebody
 * was asked for come up: a storm on a LAN can neither wake us nor push a gateway's answer out of the buffer.
 */
#include "kern/resolve.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "kern/resolve_packet.h"
#include "lib/cleanup.h"
#include "lib/mapped.h"

#define ASKED_MAX (4 * WH_MAX_WANS) /* more than are in use: devices that come back have new numbers */
#define READ_MAX 64		    /* packets a call and socket */
#define PACKET_MAX 2048
#define FILTER_MAX (ASKED_MAX + 16)

/* A question that was put, the last one for each device and target. */
struct asked {
	unsigned ifindex;
	struct in6_addr target;
	uint8_t own_mac[ETH_ALEN];
	uint8_t known_mac[ETH_ALEN];
	bool known;
};

struct wh_resolver {
	int epoll; /* waits for the sockets */
	int sockets[WH_FAMILIES];
	struct asked asked[ASKED_MAX];
	unsigned n_asked;
	unsigned oldest;
};

/* --- the filter ------------------------------------------------------------------------------------------- */

struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short len;
};

static void add(struct filter *f, struct sock_filter instruction)
{
	f->code[f->len++] = instruction;
}

/* Drop the packet unless a byte of it has that value. */
static void want_byte(struct filter *f, uint32_t offset, uint32_t value)
{
	add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offset));
	add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
	add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
}

static int attach_filter(const struct wh_resolver *r, enum wh_family family)
{
	struct filter f = {};
	struct sock_fprog program = {.filter = f.code};

	if (family == WH_V6) {
		want_byte(&f, 6, IPPROTO_ICMPV6);
		want_byte(&f, 40, ND_NEIGHBOR_ADVERT);
	}
	/* Sent to us, or to all: neither what others are sent nor what we send. */
	add(&f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)));
	add(&f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_MULTICAST, 0, 1));
	add(&f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
	add(&f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)));
	for (unsigned i = 0; i < r->n_asked; i++)
		add(&f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->asked[i].ifindex,
						     (uint8_t)(r->n_asked - i), 0));
	add(&f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0));
	add(&f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, PACKET_MAX));
	program.len = f.len;
	return setsockopt(r->sockets[family], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ? -errno : 0;
}

static int attach_filters(const struct wh_resolver *r)
{
	int err = attach_filter(r, WH_V4);

	return err ? err : attach_filter(r, WH_V6);
}

/* --- what was asked --------------------------------------------------------------------------------------- */

static struct asked *find(struct wh_resolver *r, unsigned ifindex, const struct in6_addr *target)
{
	for (unsigned i = 0; i < r->n_asked; i++)
		if (r->asked[i].ifindex == ifindex && IN6_ARE_ADDR_EQUAL(&r->asked[i].target, target))
			return &r->asked[i];
	return NULL;
}

/* Remember a question, in the place of the oldest if there are too many. */
static int remember(struct wh_resolver *r, const struct asked *question)
{
	struct asked *place = find(r, question->ifindex, &question->target);
	int err;

	if (place) {
		*place = *question;
		return 0;
	}
	if (r->n_asked < ASKED_MAX) {
		place = &r->asked[r->n_asked++];
	} else {
		place = &r->asked[r->oldest];
		r->oldest = (r->oldest + 1) % ASKED_MAX;
	}
	*place = *question;
	err = attach_filters(r);
	if (err)
		place->ifindex = 0; /* no device's: the next question tries again */
	return err;
}

/* --- asking ----------------------------------------------------------------------------------------------- */

static const uint16_t ether_type[WH_FAMILIES] = {[WH_V4] = ETH_P_ARP, [WH_V6] = ETH_P_IPV6};

static int ask(struct wh_resolver *r, enum wh_family family, const struct asked *question,
	       const uint8_t to_all[ETH_ALEN], const void *packet, size_t len)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ether_type[family]),
		.sll_ifindex = (int)question->ifindex,
		.sll_halen = ETH_ALEN,
	};
	int err = remember(r, question);

	if (err)
		return err;
	memcpy(to.sll_addr, question->known ? question->known_mac : to_all, ETH_ALEN);
	if (sendto(r->sockets[family], packet, len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

static struct asked question_of(unsigned ifindex, const uint8_t *own_mac, const uint8_t *known_mac,
				struct in6_addr target)
{
	struct asked question = {.ifindex = ifindex, .target = target, .known = known_mac};

	memcpy(question.own_mac, own_mac, ETH_ALEN);
	if (known_mac)
		memcpy(question.known_mac, known_mac, ETH_ALEN);
	return question;
}

int wh_resolver_ask4(struct wh_resolver *r, unsigned ifindex, const uint8_t own_mac[ETH_ALEN], const uint8_t *known_mac,
		     struct in_addr own, struct in_addr target)
{
	static const uint8_t broadcast[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct asked question = question_of(ifindex, own_mac, known_mac, wh_mapped(target));
	uint8_t packet[WH_ARP_LEN];

	if (!target.s_addr || IN_MULTICAST(ntohl(target.s_addr)) || target.s_addr == INADDR_BROADCAST)
		return -EINVAL;
	wh_arp_request(packet, own_mac, own, target);
	return ask(r, WH_V4, &question, broadcast, packet, sizeof(packet));
}

int wh_resolver_ask6(struct wh_resolver *r, unsigned ifindex, const uint8_t own_mac[ETH_ALEN], const uint8_t *known_mac,
		     const struct in6_addr *own, const struct in6_addr *target)
{
	struct asked question = question_of(ifindex, own_mac, known_mac, *target);
	struct in6_addr group = wh_solicited_group(target);
	uint8_t packet[WH_SOLICITATION_LEN];
	uint8_t to_group[ETH_ALEN] = {0x33, 0x33};

	/* Without a source it would be a question about duplicates. */
	if (IN6_IS_ADDR_UNSPECIFIED(own) || IN6_IS_ADDR_UNSPECIFIED(target) || IN6_IS_ADDR_MULTICAST(target))
		return -EINVAL;
	memcpy(&to_group[2], &group.s6_addr[12], 4);
	wh_solicitation(packet, own_mac, own, known_mac ? target : &group, target);
	return ask(r, WH_V6, &question, to_group, packet, sizeof(packet));
}

/* --- hearing ---------------------------------------------------------------------------------------------- */

/* What to tell of a packet: whether it is news of something asked for, and its address in *mac. */
static bool take(struct wh_resolver *r, unsigned ifindex, const struct wh_heard *heard, uint8_t mac[ETH_ALEN])
{
	const struct asked *asked = find(r, ifindex, &heard->addr);
	bool differs;

	if (!asked || (!heard->has_mac && !asked->known))
		return false;
	memcpy(mac, heard->has_mac ? heard->mac : asked->known_mac, ETH_ALEN);
	differs = asked->known && memcmp(mac, asked->known_mac, ETH_ALEN) != 0;
	if (differs && !heard->overrides)
		return false;
	return memcmp(mac, asked->own_mac, ETH_ALEN) != 0; /* a loop, or somebody who plays with us */
}

/* The next packet: its length; -EINVAL where it is none to look at; -EAGAIN after the last; -errno. */
static int receive(int fd, uint8_t packet[PACKET_MAX], unsigned *ifindex)
{
	struct sockaddr_ll from = {};
	socklen_t from_len = sizeof(from);
	ssize_t len = recvfrom(fd, packet, PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_len);

	if (len < 0)
		return errno == EINTR ? -EINVAL : -errno;
	*ifindex = (unsigned)from.sll_ifindex;
	return len > PACKET_MAX ? -EINVAL : (int)len;
}

int wh_resolver_read(struct wh_resolver *r,
		     void (*heard)(void *arg, unsigned ifindex, enum wh_family family, const struct in6_addr *addr,
				   const uint8_t mac[ETH_ALEN]),
		     void *arg)
{
	uint8_t packet[PACKET_MAX], mac[ETH_ALEN];
	struct wh_heard told;
	unsigned ifindex = 0;

	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++) {
		for (int i = 0; i < READ_MAX; i++) {
			int len = receive(r->sockets[family], packet, &ifindex);

			if (len == -EAGAIN)
				break;
			if (len == -EINVAL)
				continue;
			if (len < 0)
				return len;
			if (!(family == WH_V4 ? wh_arp_parse : wh_advertisement_parse)(packet, (size_t)len, &told) &&
			    take(r, ifindex, &told, mac))
				heard(arg, ifindex, family, &told.addr, mac);
		}
	}
	return 0;
}

/* --- life ------------------------------------------------------------------------------------------------- */

/* Nothing may come in before the filter stands: so the protocol is named last. */
static int open_socket(struct wh_resolver *r, enum wh_family family)
{
	struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(ether_type[family])};
	struct epoll_event event = {.events = EPOLLIN};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, err;

	r->sockets[family] = fd;
	if (fd < 0)
		return -errno;
	err = attach_filter(r, family);
	if (err)
		return err;
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return 0;
}

int wh_resolver_open(struct wh_resolver **out)
{
	struct wh_resolver *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->sockets[WH_V4] = r->sockets[WH_V6] = -1;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = r->epoll < 0 ? -errno : open_socket(r, WH_V4);
	if (!err)
		err = open_socket(r, WH_V6);
	if (err) {
		wh_resolver_close(r);
		return err;
	}
	*out = r;
	return 0;
}

void wh_resolver_close(struct wh_resolver *r)
{
	if (!r)
		return;
	for (enum wh_family family = WH_V4; family < WH_FAMILIES; family++)
		wh_closep(&r->sockets[family]);
	wh_closep(&r->epoll);
	free(r);
}

int wh_resolver_fd(const struct wh_resolver *r)
{
	return r->epoll;
}
