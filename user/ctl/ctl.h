/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctl.h: what the command and the controller say to each other over a stream socket, one JSON object a line.
 * This is the command's side; the controller's is daemon/control.h.
 *
 * A request is {"verb": "hand", …arguments}, the answer {"ok": true, …} or {"ok": false, "error": "…",
 * "exit": 1|2}.  Times on the wire are RFC 3339 (lib/timestamp.h).
 *
 *	verb      arguments                                              answer
 *	status                                                           what `wanhelm status --json` prints
 *	wan-show  name                                                   "wan": one of status's, with "targets"
 *	hand      name, hand: down|up|drain|auto, for_s?, reason?,       "message": what was (or would be) done
 *	          dry_run?, yes?, ssh_address?: where the caller's ssh
 *	          session comes in, so that it is not cut unasked
 *	failback  name                                                   "message"
 *	class-pin class, name (of the WAN), for_s?                       "message"
 *	class-auto class                                                 "message"
 *	explain   src, dst, proto (number), sport?, dport?, dscp?,       "class", "rule", "bucket", "wans", "wan",
 *	          in?: a LAN device or "router"                          "why", "reason", "flow"
 *	events    since?, follow?                                        "events": […]; with "follow": true one
 *	                                                                 further record a line from then on
 *	reload                                                           "message"
 *	stop                                                             "message"
 *	metrics                                                          "text": OpenMetrics
 */
#ifndef WANHELM_CTL_CTL_H
#define WANHELM_CTL_CTL_H

#include <jansson.h>

#define WH_DEFAULT_RUN_DIR "/run/wanhelm"
#define WH_CTL_SOCKET "control.sock"
#define WH_CTL_MAX_LINE 65536 /* a longer request is refused; answers may be longer */

/* Connect to the controller's socket under `run_dir`: a descriptor, or -errno (-ENOENT, -ECONNREFUSED: none runs). */
int wh_ctl_connect(const char *run_dir);

/*
 * Send a request (the reference is stolen) and read one answer, waiting at most `timeout_ms` (negative: for
 * ever). 0, -ETIMEDOUT, -EPIPE where the other side hung up, -EBADMSG where what came is no JSON object, -errno.
 */
int wh_ctl_call(int fd, json_t *request, json_t **answer, int timeout_ms);

/* Read one further line of a stream; 0, -EPIPE at its end, -errno. */
int wh_ctl_next(int fd, json_t **object, int timeout_ms);

/* Ask once: connect, call, close. */
int wh_ctl_ask(const char *run_dir, json_t *request, json_t **answer, int timeout_ms);

#endif
