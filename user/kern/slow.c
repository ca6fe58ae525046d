/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slow.c: the ring, the socket, and the orphans that wait.  The daemon calls it; slow_packet.c and slow_cut.c know
 * the frames.  Frames leave by packet socket past the queueing discipline, and so past our own egress hooks: they
 * were dealt with before they came here.
 */
#include "kern/slow.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/cleanup.h"

#define READ_MAX 64 /* records a call: the probes wait for nobody */

struct orphan {
	struct wh_orphan_key key;
	uint64_t born_ns;
	uint32_t wan;
	uint32_t l2_len;
	uint32_t len;
	uint8_t frame[];
};

struct wh_slow_path {
	const struct wh_slow_ops *ops;
	void *arg;
	struct ring_buffer *ring;
	int socket;
	uint64_t now_ns;		       /* of the read that is going on */
	int budget;			       /* records that it may still take */
	struct orphan *kept[WH_SLOW_KEPT_MAX]; /* the oldest first */
	unsigned n_kept;
	uint32_t kept_bytes;
	struct wh_slow_counters count;
};

/* --- sending ---------------------------------------------------------------------------------------------- */

static int send_frame(struct wh_slow_path *path, uint32_t ifindex, enum wh_family family, const uint8_t *frame,
		      uint32_t len)
{
	/* Devices without link-layer header know from the protocol alone what they carry. */
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(family == WH_V4 ? ETH_P_IP : ETH_P_IPV6),
		.sll_ifindex = (int)ifindex,
	};

	if (sendto(path->socket, frame, len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

/* Send an IPv4 frame in pieces that fit: their number, or -errno, some of them may have left then. */
static int send_pieces(struct wh_slow_path *path, const struct wh_frame *frame, uint32_t ifindex, uint32_t mtu)
{
	uint8_t piece[WH_SLOW_OUT_MAX];
	struct wh_cut cut;
	uint32_t len;
	int n = 0, err = wh_cut_begin(&cut, frame, mtu);

	while (!err && (len = wh_cut_next(&cut, piece))) {
		err = send_frame(path, ifindex, WH_V4, piece, len);
		n++;
	}
	return err ? err : n;
}

static void fragment(struct wh_slow_path *path, const struct wh_slow *record, const struct wh_frame *frame)
{
	int n = send_pieces(path, frame, record->ifindex, record->mtu);

	if (n < 0) {
		path->count.refused++;
		return;
	}
	path->count.fragmented++;
	path->count.pieces += (uint64_t)n;
}

/* --- answers ---------------------------------------------------------------------------------------------- */

static void answer(struct wh_slow_path *path, const struct wh_slow *record, const struct wh_frame *frame)
{
	uint8_t out[WH_SLOW_OUT_MAX];
	int family = wh_frame_family(frame);

	if (family < 0) {
		path->count.refused++;
		return;
	}
	path->ops->answer(path->arg, frame, !record->ifindex);
	if (!record->ifindex)
		return;
	wh_frame_finish(frame, out);
	if (send_frame(path, record->ifindex, (enum wh_family)family, out, frame->len))
		path->count.refused++;
	else
		path->count.answers++;
}

/* --- orphans: keeping them -------------------------------------------------------------------------------- */

static void forget(struct wh_slow_path *path, struct orphan *o)
{
	path->kept_bytes -= o->len;
	free(o);
}

static void evict_oldest(struct wh_slow_path *path)
{
	forget(path, path->kept[0]);
	path->n_kept--;
	for (unsigned i = 0; i < path->n_kept; i++)
		path->kept[i] = path->kept[i + 1];
	path->count.evicted++;
}

static void keep(struct wh_slow_path *path, const struct wh_slow *record, const struct wh_frame *frame)
{
	struct wh_orphan_key key;
	struct orphan *o;

	if (record->wan >= WH_MAX_WANS || wh_orphan_parse(frame, record->ifindex, &key)) {
		path->count.refused++;
		return;
	}
	o = malloc(sizeof(*o) + frame->len);
	if (!o) {
		path->count.refused++;
		return;
	}
	while (path->n_kept == WH_SLOW_KEPT_MAX || path->kept_bytes + frame->len > WH_SLOW_KEPT_BYTES)
		evict_oldest(path);
	o->key = key;
	o->born_ns = path->now_ns;
	o->wan = record->wan;
	o->l2_len = frame->l2_len;
	o->len = frame->len;
	memcpy(o->frame, frame->bytes, frame->len);
	path->kept[path->n_kept++] = o;
	path->kept_bytes += o->len;
	path->count.kept++;
}

/* --- orphans: sending them on ----------------------------------------------------------------------------- */

/* Under which key the answers of the fragment's flow come in; an answer to a query has its identifier as first port. */
static int find_client(struct wh_slow_path *path, const struct orphan *o, const struct wh_fragment *first,
		       struct wh_delivery *out)
{
	bool is_query = first->proto == IPPROTO_ICMP || first->proto == IPPROTO_ICMPV6;
	uint16_t remote_port_be = is_query ? first->dport_be : first->sport_be;
	uint16_t external_port_be = is_query ? first->sport_be : first->dport_be;
	struct wh_reply4_key key4 = {
		.remote_be = o->key.key4.src_be,
		.external_be = o->key.key4.dst_be,
		.remote_port_be = remote_port_be,
		.external_port_be = external_port_be,
		.proto = first->proto,
		.wan = (uint8_t)o->wan,
	};
	struct wh_reply6_key key6 = {
		.remote_be = o->key.key6.src_be,
		.external_be = o->key.key6.dst_be,
		.remote_port_be = remote_port_be,
		.external_port_be = external_port_be,
		.proto = first->proto,
		.wan = (uint8_t)o->wan,
	};

	return path->ops->client(path->arg, o->key.family, o->key.family == WH_V4 ? (void *)&key4 : (void *)&key6, out);
}

static int deliver(struct wh_slow_path *path, const struct orphan *o, const struct wh_fragment *first)
{
	const struct wh_frame frame = {.bytes = o->frame, .len = o->len, .l2_len = o->l2_len};
	struct wh_delivery to = {};
	uint8_t out[WH_SLOW_OUT_MAX];
	struct wh_frame delivered;
	int len, err = find_client(path, o, first, &to);

	if (err)
		return err;
	len = wh_delivery_build(&frame, &to, out);
	if (len < 0)
		return len;
	if (o->key.family == WH_V6)
		return send_frame(path, to.ifindex, WH_V6, out, (uint32_t)len);
	delivered = (struct wh_frame){.bytes = out, .len = (uint32_t)len, .l2_len = to.l2_len};
	err = send_pieces(path, &delivered, to.ifindex, to.mtu);
	return err < 0 ? err : 0;
}

/* Whether the orphan is done with: sent on, dropped, or too old. */
static bool settle(struct wh_slow_path *path, const struct orphan *o, uint64_t now_ns)
{
	struct wh_fragment first = {};
	const void *key = o->key.family == WH_V4 ? (const void *)&o->key.key4 : (const void *)&o->key.key6;

	if (!path->ops->first(path->arg, o->key.family, key, &first)) {
		if (deliver(path, o, &first))
			path->count.refused++;
		else
			path->count.delivered++;
		return true;
	}
	if (now_ns - o->born_ns < WH_SLOW_WAIT_NS)
		return false;
	path->count.expired++;
	return true;
}

unsigned wh_slow_poll(struct wh_slow_path *path, uint64_t now_ns)
{
	unsigned n = 0;

	for (unsigned i = 0; i < path->n_kept; i++) {
		if (settle(path, path->kept[i], now_ns))
			forget(path, path->kept[i]);
		else
			path->kept[n++] = path->kept[i];
	}
	path->n_kept = n;
	return n;
}

/* --- the ring --------------------------------------------------------------------------------------------- */

void wh_slow_take(struct wh_slow_path *path, const void *record, size_t size, uint64_t now_ns)
{
	struct wh_frame frame = {};
	struct wh_slow head = {};

	if (size >= sizeof(head)) {
		memcpy(&head, record, sizeof(head));
		frame.bytes = (const uint8_t *)record + sizeof(head);
		frame.len = head.len;
		frame.l2_len = head.l2_len;
	}
	path->now_ns = now_ns;
	if (head.len > size - sizeof(head))
		head.task = 0;
	switch (head.task) {
	case WH_SLOW_FRAGMENT:
		fragment(path, &head, &frame);
		break;
	case WH_SLOW_ORPHAN:
		keep(path, &head, &frame);
		break;
	case WH_SLOW_ANSWER:
		answer(path, &head, &frame);
		break;
	default:
		path->count.refused++;
	}
}

static int take_sample(void *arg, void *record, size_t size)
{
	struct wh_slow_path *path = arg;

	wh_slow_take(path, record, size, path->now_ns);
	return --path->budget ? 0 : -ECANCELED;
}

int wh_slow_read(struct wh_slow_path *path, uint64_t now_ns)
{
	int n;

	path->now_ns = now_ns;
	path->budget = READ_MAX;
	n = ring_buffer__consume(path->ring);
	return n < 0 && n != -ECANCELED ? n : 0;
}

int wh_slow_fd(const struct wh_slow_path *path)
{
	return ring_buffer__epoll_fd(path->ring);
}

const struct wh_slow_counters *wh_slow_counters(const struct wh_slow_path *path)
{
	return &path->count;
}

/* --- life ------------------------------------------------------------------------------------------------- */

static int open_all(struct wh_slow_path *path, int ringbuf_map_fd)
{
	int one = 1;

	/* Of no protocol: it hears nothing. */
	path->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (path->socket < 0 || setsockopt(path->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		return -errno;
	path->ring = ring_buffer__new(ringbuf_map_fd, take_sample, path, NULL);
	return path->ring ? 0 : -errno;
}

int wh_slow_open(struct wh_slow_path **out, int ringbuf_map_fd, const struct wh_slow_ops *ops, void *arg)
{
	struct wh_slow_path *path = calloc(1, sizeof(*path));
	int err;

	if (!path)
		return -ENOMEM;
	path->socket = -1;
	path->ops = ops;
	path->arg = arg;
	err = open_all(path, ringbuf_map_fd);
	if (err) {
		wh_slow_close(path);
		return err;
	}
	*out = path;
	return 0;
}

void wh_slow_close(struct wh_slow_path *path)
{
	if (!path)
		return;
	while (path->n_kept)
		forget(path, path->kept[--path->n_kept]);
	if (path->ring)
		ring_buffer__free(path->ring);
	wh_closep(&path->socket);
	free(path);
}
