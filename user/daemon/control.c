/* SPDX-License-Identifier: GPL-2.0 */
/*
 * control.c: the control socket's clients.  Each is served one request at a time, the next when the answer is
 * out, so none can make the controller work or store for it without bounds.  Making the socket is in
 * control_socket.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4(), struct ucred */
#endif

#include "daemon/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "ctl/ctl.h"
#include "daemon/control_socket.h"
#include "lib/cleanup.h"

#define MAX_CLIENTS 32
#define IDLE_MS 10000
#define WRITE_TIMEOUT_S 10
#define MAX_UNREAD (4UL << 20) /* a follower that leaves more than this unread is dropped */

struct client {
	TAILQ_ENTRY(client) link;
	struct wh_control *control;
	struct bufferevent *stream;
	struct event *idle;
	bool privileged; /* root, or our own user */
	bool follows;
	bool ended;   /* has closed its side: serve what it has sent */
	bool leaving; /* goes when the answer is out */
};

struct wh_control {
	struct event_base *base;
	struct wh_control_socket socket;
	struct event *accepting;
	const struct wh_control_handler *handlers;
	void *arg;
	struct timeval idle;
	unsigned n_clients;
	TAILQ_HEAD(, client) clients;
};

json_t *wh_control_error(enum wh_control_exit exit, const char *format, ...)
{
	char text[1024];
	json_t *message;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	message = json_string(text);
	if (!message) /* a name out of the request was cut within a character */
		message = json_string("the request holds text that cannot be repeated here");
	return json_pack("{s:b,s:o,s:i}", "ok", 0, "error", message, "exit", exit);
}

static void client_free(struct client *client)
{
	struct wh_control *control = client->control;

	TAILQ_REMOVE(&control->clients, client, link);
	control->n_clients--;
	if (client->idle)
		event_free(client->idle);
	if (client->stream)
		bufferevent_free(client->stream);
	free(client);
}

static const struct wh_control_handler *find_handler(const struct wh_control *control, const char *verb)
{
	for (const struct wh_control_handler *h = control->handlers; h->verb; h++) {
		if (strcmp(h->verb, verb) == 0)
			return h;
	}
	return NULL;
}

static json_t *dispatch(struct client *client, const json_t *request)
{
	const char *verb = json_string_value(json_object_get(request, "verb"));
	const struct wh_control_handler *handler;
	json_t *answer;

	if (!verb)
		return wh_control_error(WH_CONTROL_USAGE, "request: no \"verb\"");
	handler = find_handler(client->control, verb);
	if (!handler)
		return wh_control_error(WH_CONTROL_USAGE, "request: no verb is called \"%.64s\"", verb);
	if (!handler->everyone && !client->privileged)
		return wh_control_error(WH_CONTROL_FAILED, "%s: only root and the controller's own user may do this",
					verb);
	answer = handler->fn(client->control->arg, request);
	if (answer && !json_object_get(answer, "ok"))
		json_object_set_new(answer, "ok", json_true());
	if (handler->streams && json_is_true(json_object_get(request, "follow")) &&
	    json_is_true(json_object_get(answer, "ok")))
		client->follows = true;
	return answer;
}

static void send_line(struct client *client, const json_t *object)
{
	struct evbuffer *out = bufferevent_get_output(client->stream);
	_cleanup_free_ char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (!text || evbuffer_add_printf(out, "%s\n", text) < 0)
		client->leaving = true; /* out of memory: without an answer it sees the end */
}

static void answer(struct client *client, const char *line, size_t len)
{
	json_error_t wrong;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &wrong);
	json_t *reply;

	if (!request)
		reply = wh_control_error(WH_CONTROL_USAGE, "request: column %d: %s", wrong.column, wrong.text);
	else if (!json_is_object(request))
		reply = wh_control_error(WH_CONTROL_USAGE, "request: not an object");
	else
		reply = dispatch(client, request);
	send_line(client, reply);
	json_decref(reply);
	json_decref(request);
	if (client->follows)
		event_del(client->idle);
	else
		event_add(client->idle, &client->control->idle);
}

static void refuse(struct client *client, const char *why)
{
	json_t *reply = wh_control_error(WH_CONTROL_USAGE, "%s", why);

	send_line(client, reply);
	json_decref(reply);
	client->leaving = true;
	bufferevent_disable(client->stream, EV_READ);
}

/* Do the next thing for a client; called when something came, and when an answer is out. May free it. */
static void serve(struct client *client)
{
	struct evbuffer *in = bufferevent_get_input(client->stream);
	struct evbuffer *out = bufferevent_get_output(client->stream);
	_cleanup_free_ char *line = NULL;
	size_t len;

	if (evbuffer_get_length(out) > 0)
		return;
	if (client->leaving) {
		client_free(client);
		return;
	}
	if (client->follows) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	line = evbuffer_readln(in, &len, EVBUFFER_EOL_CRLF);
	if (line)
		answer(client, line, len);
	else if (evbuffer_get_length(in) > WH_CTL_MAX_LINE)
		refuse(client, "request: longer than 65536 bytes");
	else if (client->ended)
		client_free(client);
}

static void on_stream(struct bufferevent *stream, void *arg)
{
	(void)stream;
	serve(arg);
}

static void on_end(struct bufferevent *stream, short what, void *arg)
{
	struct client *client = arg;

	(void)stream;
	if ((what & BEV_EVENT_EOF) && !client->follows) {
		client->ended = true;
		serve(client);
	} else {
		client_free(client);
	}
}

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_free(arg);
}

static bool is_privileged(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static void turn_away(int fd)
{
	static const char text[] = "{\"ok\":false,\"error\":\"the controller has too many clients\",\"exit\":1}\n";

	send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static int client_add(struct wh_control *control, int fd)
{
	struct timeval write_limit = {.tv_sec = WRITE_TIMEOUT_S};
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->control = control;
	client->privileged = is_privileged(fd);
	TAILQ_INSERT_TAIL(&control->clients, client, link);
	control->n_clients++;
	client->stream = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE);
	client->idle = evtimer_new(control->base, on_idle, client);
	if (!client->stream || !client->idle) {
		if (!client->stream)
			close(fd);
		client_free(client);
		return -ENOMEM;
	}
	bufferevent_setcb(client->stream, on_stream, on_stream, on_end, client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, WH_CTL_MAX_LINE + 2);
	bufferevent_set_timeouts(client->stream, NULL, &write_limit);
	event_add(client->idle, &control->idle);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
	return 0;
}

static void on_accept(evutil_socket_t listening, short what, void *arg)
{
	struct wh_control *control = arg;
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0)
		return;
	if (control->n_clients >= MAX_CLIENTS)
		turn_away(fd);
	else if (client_add(control, fd) == -ENOMEM)
		return;
}

int wh_control_start(struct wh_control **out, struct event_base *base, const char *run_dir,
		     const struct wh_control_handler *handlers, void *arg)
{
	struct wh_control *control = calloc(1, sizeof(*control));
	int err;

	if (!control)
		return -ENOMEM;
	TAILQ_INIT(&control->clients);
	control->base = base;
	control->handlers = handlers;
	control->arg = arg;
	wh_control_set_idle_ms(control, IDLE_MS);
	err = wh_control_socket_open(&control->socket, run_dir);
	if (err < 0) {
		free(control);
		return err;
	}
	control->accepting = event_new(base, control->socket.fd, EV_READ | EV_PERSIST, on_accept, control);
	if (!control->accepting || event_add(control->accepting, NULL) < 0) {
		wh_control_stop(control);
		return -ENOMEM;
	}
	*out = control;
	return 0;
}

/* What the reader takes at once; the loop that would send the rest is about to end. */
static void flush(struct client *client)
{
	struct evbuffer *out = bufferevent_get_output(client->stream);

	evbuffer_unfreeze(out, 1); /* a bufferevent keeps others from draining its output */
	while (evbuffer_get_length(out) > 0 && evbuffer_write(out, bufferevent_getfd(client->stream)) > 0)
		;
}

void wh_control_stop(struct wh_control *control)
{
	struct client *client;

	if (!control)
		return;
	while ((client = TAILQ_FIRST(&control->clients))) {
		flush(client);
		client_free(client);
	}
	if (control->accepting)
		event_free(control->accepting);
	wh_control_socket_close(&control->socket);
	free(control);
}

void wh_control_publish(struct wh_control *control, const json_t *record)
{
	struct client *client, *next;

	for (client = TAILQ_FIRST(&control->clients); client; client = next) {
		next = TAILQ_NEXT(client, link);
		if (!client->follows)
			continue;
		send_line(client, record);
		if (client->leaving || evbuffer_get_length(bufferevent_get_output(client->stream)) > MAX_UNREAD)
			client_free(client);
	}
}

void wh_control_set_idle_ms(struct wh_control *control, unsigned idle_ms)
{
	control->idle.tv_sec = idle_ms / 1000;
	control->idle.tv_usec = (suseconds_t)(idle_ms % 1000) * 1000;
}
