/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frames.h: what the benchmark's packets look like, which flow has which addresses, and what generator and sink tell
 * each other and user space.  Shared by the BPF programs and traffic.c.
 *
 * A flow is a number.  Its endpoint (client and source port) is number % endpoints, its destination number /
 * endpoints.  The number also stands in the payload, so that the sink knows which flow it sees whatever its addresses
 * were translated to.
 */
#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include <linux/if_ether.h>
#ifdef __bpf__
#include <linux/in.h>
#else
#include <netinet/in.h>
#endif
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <linux/udp.h>

#define BENCH_MAGIC 0x77686231U /* "whb1" */
#define BENCH_WANS 8
#define BENCH_CLIENTS 200
#define BENCH_SPORT 10000U	  /* of endpoint 0 */
#define BENCH_DPORT 9000	  /* of every destination */
#define BENCH_NOTES (1U << 20)	  /* flows of a family whose translation can be learnt */
#define BENCH_WINDOW 128	  /* packets under way where they are sent slowly: half of a veth's ring */
#define BENCH_GIVE_UP_NS 10000000 /* after this they are lost */
#define BENCH_CHECK_EVERY 32U	  /* one packet of so many is looked at closely; a power of two */
#define BENCH_CLIENT4 0x0a4d0102U /* 10.77.1.2: client 0 */
#define BENCH_REMOTE4 0xcb000001U /* 203.0.0.1: destination 0 */

struct bench_payload {
	__be32 magic;
	__u32 flow;
	__u8 rest[10];
} __attribute__((packed));

struct bench_frame4 {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct bench_payload payload;
} __attribute__((packed));

struct bench_frame6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct udphdr udp;
	struct bench_payload payload;
} __attribute__((packed));

/* Of whichever family; in IPv4 the first word only, all in network byte order. */
struct bench_address {
	__u32 word_be[4];
};

/* What the sink saw of a flow that left by a WAN: how an answer must be addressed. */
struct bench_note {
	__be16 port_be;
	__u8 wan;
	__u8 known;
	__u32 pad; /* arrays keep eight bytes an element */
};

/* The generator's orders and its place, in its .bss. */
struct bench_generator {
	__u32 next, first,
		end; /* numbers of flows: goes round from `first` to before `end`, or on for ever if `end` is 0 */
	__u32 endpoints;
	__u32 endpoint, destination; /* those of `next` */
	__u32 down;		     /* 1: answers, addressed as the notes say */
	__u32 translated;	     /* down: to the WANs' addresses; else to the clients' own */
	__u32 ifindex;		     /* up: where to */
	__u32 slowly; /* 1: once through, no faster than packets come out, leaving out flows whose note is there */
	__u32 over;   /* slowly: all were sent */
	__u64 under_way_until_ns; /* slowly: what is under way by then is given up */
	__u64 came_out, given_up; /* slowly: as last looked at; packets lost so far */
	__u32 wan_ifindex[BENCH_WANS];
	__u8 wan_macs[BENCH_WANS][12]; /* destination and source of what is sent by the WAN's provider */
	struct bench_address wan_address[2][BENCH_WANS];
	__u64 sent;    /* since somebody wrote 0 here */
	__u64 unknown; /* down: flows without a note, not sent */
};

/* What a sink is to expect, and what it saw; each sink stands on a device of its own and has its own. */
struct bench_sink {
	__u32 wan;	  /* number of its WAN */
	__u32 down;	  /* 1: stands at the clients */
	__u32 translated; /* sources are the WAN's (up) */
	__u32 ttl;
	__u32 endpoints;
	__u32 learn;
	__u32 family_pad;
	__u32 cpu; /* that all is seen on */
	struct bench_address wan_address[2];

	__u64 packets;
	__u64 first_ns; /* CLOCK_MONOTONIC of the first packet with the WAN's own source since somebody wrote 0 here */
	__u32 watch;	/* 1: note that */
	__u32 watch_pad;
	__u64 checked;
	__u64 wrong_source, wrong_destination, wrong_ttl, wrong_sum, wrong_cpu;
};

/* Which client, remote and port a flow has. */
static inline __u32 bench_client4(__u32 endpoint)
{
	return BENCH_CLIENT4 + endpoint % BENCH_CLIENTS;
}

static inline __u32 bench_remote4(__u32 destination)
{
	return BENCH_REMOTE4 + destination;
}

static inline void bench_client6(struct bench_address *out, __u32 endpoint)
{
	out->word_be[0] = __builtin_bswap32(0xfd000077U);
	out->word_be[1] = 0;
	out->word_be[2] = 0;
	out->word_be[3] = __builtin_bswap32(0x00010002U + endpoint % BENCH_CLIENTS);
}

static inline void bench_remote6(struct bench_address *out, __u32 destination)
{
	out->word_be[0] = __builtin_bswap32(0x20010db8U);
	out->word_be[1] = __builtin_bswap32(0x02030000U);
	out->word_be[2] = 0;
	out->word_be[3] = __builtin_bswap32(1 + destination);
}

static inline __be16 bench_sport_be(__u32 endpoint)
{
	return __builtin_bswap16((__u16)(BENCH_SPORT + endpoint));
}

/* Sums of 16-bit words as they stand in memory (RFC 1071: the byte order does not matter). */
static inline __u32 bench_sum32(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

static inline __u32 bench_sum_address(const struct bench_address *a)
{
	return bench_sum32(a->word_be[0]) + bench_sum32(a->word_be[1]) + bench_sum32(a->word_be[2]) +
	       bench_sum32(a->word_be[3]);
}

static inline __u16 bench_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

#endif
