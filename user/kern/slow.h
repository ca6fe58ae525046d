/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slow.h: the slow path: what the data plane hands over in the ring buffer wh_slow because no BPF program can cut
 * a packet up, keep one waiting, or read what the DNS says (include/wanhelm/slow.h).  The daemon reads it, and polls while fragments wait.
 * What is kept is bounded in number, bytes and time (RFC 4787 REQ-14); all else is done at once or dropped.
 */
#ifndef WANHELM_KERN_SLOW_H
#define WANHELM_KERN_SLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wanhelm/abi.h>
#include <wanhelm/flow.h>

#include "kern/slow_packet.h"

#define WH_SLOW_KEPT_MAX 64		/* frames */
#define WH_SLOW_KEPT_BYTES (128 * 1024) /* of frames */
#define WH_SLOW_WAIT_NS 2000000000ULL

struct wh_slow_path;

/* What is known elsewhere; the keys are of the family named. */
struct wh_slow_ops {
	/* The entry that a fragment's first one left, under a struct wh_fragment4_key or wh_fragment6_key.  0 or -ENOENT. */
	int (*first)(void *arg, enum wh_family family, const void *key, struct wh_fragment *out);
	/*
	 * Where the flow leads that answers come in for under this struct wh_reply4_key or wh_reply6_key.  0, or -errno where it leads to no client on a LAN: then the fragment is dropped.
	 */
	int (*client)(void *arg, enum wh_family family, const void *key, struct wh_delivery *out);
	/* An answer of the DNS; its client gets it when this has returned, or, `late`, has got it already. */
	void (*answer)(void *arg, const struct wh_frame *frame, bool late);
};

struct wh_slow_counters {
	uint64_t fragmented; /* frames cut up and sent whole */
	uint64_t pieces;     /* that they were cut into */
	uint64_t kept;	     /* orphans taken in */
	uint64_t delivered;  /* orphans sent on to their client */
	uint64_t expired;    /* orphans whose first fragment did not come in time */
	uint64_t evicted;    /* orphans that made room for newer ones */
	uint64_t answers;    /* of the DNS, sent on */
	uint64_t refused;    /* frames that were malformed, led nowhere, or could not be sent */
};

/*
 * Read from the ring buffer `ringbuf_map_fd`, which stays the caller's, and call `ops` with `arg`.  Needs CAP_NET_RAW
 * and the right to map the ring.  0 or -errno; the caller owns *out and closes it.
 */
int wh_slow_open(struct wh_slow_path **out, int ringbuf_map_fd, const struct wh_slow_ops *ops, void *arg);
void wh_slow_close(struct wh_slow_path *path);

/* The descriptor to wait on, readable when wh_slow_read() has work. */
int wh_slow_fd(const struct wh_slow_path *path);

/*
 * Take in what the ring holds, at most a bounded number of records; the descriptor stays readable while more are
 * there.  `now_ns` of CLOCK_MONOTONIC.  0 or -errno.
 */
int wh_slow_read(struct wh_slow_path *path, uint64_t now_ns);

/*
 * Send on the orphans whose first fragment has come meanwhile, in the order in which they came, and drop those that
 * waited too long.  How many still wait: while there are any, call again, some milliseconds later.
 */
unsigned wh_slow_poll(struct wh_slow_path *path, uint64_t now_ns);

/* One record, as wh_slow_read() finds it in the ring. */
void wh_slow_take(struct wh_slow_path *path, const void *record, size_t size, uint64_t now_ns);

/* Since the path was opened.  Valid until it is closed. */
const struct wh_slow_counters *wh_slow_counters(const struct wh_slow_path *path);

#endif
