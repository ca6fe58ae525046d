/* SPDX-License-Identifier: GPL-2.0 */
/* stream.c: see stream.h. */
#include "dns/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_LEN 2

/* A message of which a part has come. */
struct stream {
	struct wh_dns_endpoints at;
	uint64_t born;	   /* in order of beginning; 0: free */
	uint32_t next_seq; /* of the segment that goes on with it */
	size_t have;	   /* bytes, those of the length counted */
	uint8_t bytes[LENGTH_LEN + WH_DNS_MESSAGE_MAX];
};

struct wh_dns_streams {
	struct stream of[WH_DNS_STREAMS];
	uint64_t births;
};

int wh_dns_streams_new(struct wh_dns_streams **out)
{
	struct wh_dns_streams *streams = calloc(1, sizeof(*streams));

	if (!streams)
		return -ENOMEM;
	*out = streams;
	return 0;
}

void wh_dns_streams_free(struct wh_dns_streams *streams)
{
	free(streams);
}

static struct stream *find(struct wh_dns_streams *streams, const struct wh_dns_endpoints *at)
{
	for (unsigned i = 0; i < WH_DNS_STREAMS; i++) {
		if (streams->of[i].born && !memcmp(&streams->of[i].at, at, sizeof(*at)))
			return &streams->of[i];
	}
	return NULL;
}

/* A free one, or the oldest, which counts as lost. */
static struct stream *begin(struct wh_dns_streams *streams, const struct wh_dns_endpoints *at, unsigned *lost)
{
	struct stream *s = &streams->of[0];

	for (unsigned i = 1; i < WH_DNS_STREAMS; i++) {
		if (streams->of[i].born < s->born)
			s = &streams->of[i];
	}
	*lost += s->born != 0;
	s->at = *at;
	s->born = ++streams->births;
	s->have = 0;
	return s;
}

/* The message with its length before it; only the length where that is not known yet. */
static size_t wanted(const struct stream *s)
{
	return s->have < LENGTH_LEN ? LENGTH_LEN : LENGTH_LEN + (size_t)(s->bytes[0] << 8 | s->bytes[1]);
}

/* Take in what is missing, and no more: how much that was.  What is beyond the longest message is counted only. */
static size_t append(struct stream *s, const uint8_t *bytes, size_t len)
{
	size_t missing = wanted(s) - s->have;
	size_t n = missing < len ? missing : len;
	size_t room = s->have < sizeof(s->bytes) ? sizeof(s->bytes) - s->have : 0;

	if (room)
		memcpy(s->bytes + s->have, bytes, n < room ? n : room);
	s->have += n;
	return n;
}

static bool is_whole(const struct stream *s)
{
	return s->have >= LENGTH_LEN && s->have == wanted(s);
}

/* How many of the segment's bytes the stream has already; -ENODATA where something is missing between. */
static int overlap(const struct stream *s, const struct wh_dns_segment *segment)
{
	int32_t old = (int32_t)(s->next_seq - segment->seq);

	if (old < 0)
		return -ENODATA;
	return (size_t)old < segment->len ? (int)old : (int)segment->len;
}

unsigned wh_dns_streams_take(struct wh_dns_streams *streams, const struct wh_dns_segment *segment,
			     void (*each)(void *arg, const uint8_t *message, size_t len), void *arg)
{
	struct stream *s = find(streams, &segment->at);
	const uint8_t *at = segment->payload, *end = at + segment->len;
	int old = s && segment->len ? overlap(s, segment) : 0;
	unsigned lost = 0;

	if (s && (segment->first || old < 0)) {
		s->born = 0;
		s = NULL;
		if (!segment->first)
			return 1;
		old = 0;
	}
	at += old;
	while (at < end) {
		if (!s)
			s = begin(streams, &segment->at, &lost);
		at += append(s, at, (size_t)(end - at));
		s->next_seq = segment->seq + (uint32_t)segment->len;
		if (!is_whole(s))
			continue;
		if (s->have > sizeof(s->bytes))
			lost++;
		else
			each(arg, s->bytes + LENGTH_LEN, s->have - LENGTH_LEN);
		s->born = 0;
		s = NULL;
	}
	if (s && segment->last) {
		s->born = 0;
		lost++;
	}
	return lost;
}
