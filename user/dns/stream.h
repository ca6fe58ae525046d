/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stream.h: messages of the DNS out of TCP segments (RFC 1035 §4.2.2: two bytes of length before each).  Pure.  The
 * daemon hands over the segments that resolvers send, in the order in which clients get them.
 *
 * Something is kept only of a message that is not whole yet; a segment of a connection of which nothing is kept is
 * taken to begin one.  So connections that were there before need no memory, and a guess that was wrong ends with the
 * message that cannot be read.
 */
#ifndef WANHELM_DNS_STREAM_H
#define WANHELM_DNS_STREAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WH_DNS_STREAMS 32	 /* connections with half a message; one more forgets the one that waited longest */
#define WH_DNS_MESSAGE_MAX 16384 /* of a longer message nothing is learnt */

struct wh_dns_endpoints {
	struct in6_addr src, dst;
	uint16_t sport_be, dport_be;
};

struct wh_dns_segment {
	struct wh_dns_endpoints at; /* no padding in it: compared as bytes */
	uint32_t seq;		    /* of the first byte of `payload` */
	bool first;		    /* SYN: nothing from before belongs to it */
	bool last;		    /* FIN or RST: nothing belongs to it later */
	const uint8_t *payload;
	size_t len;
};

struct wh_dns_streams;

/* 0 or -ENOMEM; the caller frees *out. */
int wh_dns_streams_new(struct wh_dns_streams **out);
void wh_dns_streams_free(struct wh_dns_streams *streams);

/*
 * Hand every message that the segment completes to `each`.  How many messages are lost to it: too long, with a hole
 * in them, or given up for those of others.
 */
unsigned wh_dns_streams_take(struct wh_dns_streams *streams, const struct wh_dns_segment *segment,
			     void (*each)(void *arg, const uint8_t *message, size_t len), void *arg);

#endif
