/* SPDX-License-Identifier: GPL-2.0 */
/*
 * control_socket.c: make the run directory, take its lock, listen.  The lock dies with its holder, so it also
 * tells a controller that hangs from one that is gone, which asking its socket could not.
 */
#include "daemon/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ctl/ctl.h"
#include "lib/cleanup.h"

#define BACKLOG 16

static int lock_dir(const char *run_dir)
{
	_cleanup_close_ int fd = -1;

	if (mkdir(run_dir, 0750) < 0 && errno != EEXIST)
		return -errno;
	fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	return wh_take_fd(&fd);
}

static int listen_at(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* The mode is set before the name exists, so that at no time more is allowed; and after, against the umask. */
	if (fchmod(fd, 0660) < 0)
		return -errno;
	if (unlink(addr->sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 || chmod(addr->sun_path, 0660) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -errno;
	return wh_take_fd(&fd);
}

int wh_control_socket_open(struct wh_control_socket *out, const char *run_dir)
{
	_cleanup_close_ int lock = -1;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", run_dir, WH_CTL_SOCKET);

	if (len < 0 || (size_t)len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	lock = lock_dir(run_dir);
	if (lock < 0)
		return lock;
	fd = listen_at(&addr);
	if (fd < 0)
		return fd;
	out->fd = fd;
	out->lock = wh_take_fd(&lock);
	out->addr = addr;
	return 0;
}

void wh_control_socket_close(struct wh_control_socket *socket)
{
	unlink(socket->addr.sun_path);
	close(socket->fd);
	close(socket->lock);
}
