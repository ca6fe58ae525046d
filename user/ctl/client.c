/* SPDX-License-Identifier: GPL-2.0 */
/*
 * client.c: the command's side of the control socket.  Keeps no state beside the descriptor: a line is read
 * up to its newline and not a byte further, so that the next call finds what follows.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

#define CONNECT_TIMEOUT_S 5
#define MAX_ANSWER (64UL << 20) /* no answer is that long: what is, is not from a controller */

int wh_ctl_connect(const char *run_dir)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = CONNECT_TIMEOUT_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int len;

	if (fd < 0)
		return -errno;
	len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", run_dir, WH_CTL_SOCKET);
	if (len < 0 || (size_t)len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	/* bounds connect() too, which waits while the backlog is full */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return wh_take_fd(&fd);
}

static uint64_t deadline_after(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : wh_now_ns() + (uint64_t)timeout_ms * WH_NS_PER_MS;
}

static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	int left_ms = -1, n;

	if (deadline_ns != UINT64_MAX) {
		uint64_t now_ns = wh_now_ns();

		left_ms = now_ns >= deadline_ns ? 0 : (int)((deadline_ns - now_ns) / WH_NS_PER_MS) + 1;
	}
	n = poll(&p, 1, left_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

static int send_all(int fd, const char *text, size_t len, uint64_t deadline_ns)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int err = 0;

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			err = wait_for(fd, POLLOUT, deadline_ns);
		} else if (errno != EINTR) {
			err = -errno;
		}
		if (err < 0)
			return err;
	}
	return 0;
}

struct line {
	char *text;
	size_t len, room;
};

static int make_room(struct line *line)
{
	size_t room = line->room ? line->room * 2 : 4096;
	char *text;

	if (line->len < line->room)
		return 0;
	if (room > MAX_ANSWER)
		return -EMSGSIZE;
	text = realloc(line->text, room);
	if (!text)
		return -ENOMEM;
	line->text = text;
	line->room = room;
	return 0;
}

/* Take what has come, up to the newline. 1: the line is whole; 0: it is not yet; -errno. */
static int read_some(int fd, struct line *line)
{
	char *at = line->text + line->len, *newline;
	ssize_t n = recv(fd, at, line->room - line->len, MSG_PEEK | MSG_DONTWAIT);
	size_t take;

	if (n == 0 || (n < 0 && errno == ECONNRESET)) /* reset: it hung up on something unread */
		return -EPIPE;
	if (n < 0)
		return -errno;
	newline = memchr(at, '\n', (size_t)n);
	take = newline ? (size_t)(newline - at) + 1 : (size_t)n;
	n = recv(fd, at, take, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	line->len += (size_t)n;
	return newline && (size_t)n == take;
}

static int read_line(int fd, struct line *line, uint64_t deadline_ns)
{
	for (;;) {
		int n = make_room(line);

		if (n == 0)
			n = read_some(fd, line);
		if (n == -EAGAIN || n == -EINTR)
			n = wait_for(fd, POLLIN, deadline_ns);
		if (n != 0)
			return n < 0 ? n : 0;
	}
}

static int next_object(int fd, json_t **object, uint64_t deadline_ns)
{
	struct line line = {0};
	json_t *got = NULL;
	int err = read_line(fd, &line, deadline_ns);

	if (err == 0) {
		got = json_loadb(line.text, line.len, 0, NULL);
		if (!json_is_object(got)) {
			json_decref(got);
			err = -EBADMSG;
		}
	}
	free(line.text);
	if (err == 0)
		*object = got;
	return err;
}

int wh_ctl_next(int fd, json_t **object, int timeout_ms)
{
	return next_object(fd, object, deadline_after(timeout_ms));
}

int wh_ctl_call(int fd, json_t *request, json_t **answer, int timeout_ms)
{
	_cleanup_free_ char *text = json_dumps(request, JSON_COMPACT);
	uint64_t deadline_ns = deadline_after(timeout_ms);
	size_t len;
	int err;

	json_decref(request);
	if (!text)
		return -ENOMEM;
	len = strlen(text);
	text[len++] = '\n'; /* in the place of the terminator */
	err = send_all(fd, text, len, deadline_ns);
	/* who turns us away says why before hanging up */
	if (err < 0 && err != -EPIPE)
		return err;
	return next_object(fd, answer, deadline_ns);
}

int wh_ctl_ask(const char *run_dir, json_t *request, json_t **answer, int timeout_ms)
{
	_cleanup_close_ int fd = wh_ctl_connect(run_dir);

	if (fd < 0) {
		json_decref(request);
		return fd;
	}
	return wh_ctl_call(fd, request, answer, timeout_ms);
}
