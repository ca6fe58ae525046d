/* SPDX-License-Identifier: GPL-2.0 */
/*
 * world.h: a few clients and remotes of both families with all kinds of sessions between them, and the oracle's memory
 * of these: under which address and port each must leave.  What test_oracle.c and test_garbage.c play with.
 */
#ifndef WANHELM_TESTS_WORLD_H
#define WANHELM_TESTS_WORLD_H

#include "harness.h"
#include "shape.h"

/* What is known of one session: under which address and port its packets leave. */
struct session {
	bool open;
	address external;
	uint16_t port;
	struct packet last; /* the client's last packet, and what left */
	struct packet sent;
	struct packet delivered; /* the last answer; len 0: none yet */
};

/* One client's one way to one remote. */
struct who {
	enum wh_family family;
	unsigned proto, client, sport, remote, dport;
};

/* Forget all sessions. WAN 0 masquerades; or it translates prefixes in IPv6, and nothing in IPv4. */
void world_start(bool masquerade);
bool world_translates(enum wh_family family);

struct who world_somebody(uint64_t *chance);
struct session *world_session(const struct who *w);
bool world_is_icmp(const struct who *w);
const uint8_t *world_mac(const struct who *w);

/* What must be done to their packets on the way out (to that port) and in. */
struct change world_outward(const struct who *w, uint16_t port);
struct change world_inward(const struct who *w);
/* One of the client's, and one of the remote's that answers (the session must be open), of any shape. */
struct packet world_clients_packet(uint64_t *chance, const struct who *w);
struct packet world_remotes_packet(uint64_t *chance, const struct who *w);
/* Send one out as the oracle says, which may open the session. */
void world_play_out(uint64_t *chance);

#endif
