/* SPDX-License-Identifier: GPL-2.0 */
/* control_socket.h: the run directory, its lock, and the listening socket in it.  Used by control.c only. */
#ifndef WANHELM_DAEMON_CONTROL_SOCKET_H
#define WANHELM_DAEMON_CONTROL_SOCKET_H

#include <sys/un.h>

struct wh_control_socket {
	int fd;	  /* listening, non-blocking */
	int lock; /* the run directory, locked */
	struct sockaddr_un addr;
};

/* 0; -EADDRINUSE where another controller holds the directory; -errno. */
int wh_control_socket_open(struct wh_control_socket *out, const char *run_dir);
void wh_control_socket_close(struct wh_control_socket *socket);

#endif
