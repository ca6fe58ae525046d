/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cleanup.h: resources that free themselves at the end of their scope.
 *
 *	_cleanup_close_ int fd = open(…);      closed on every path
 *	_cleanup_free_ char *s = strdup(…);    freed on every path
 *	return wh_take_fd(&fd);                 handed on instead
 */
#ifndef WANHELM_LIB_CLEANUP_H
#define WANHELM_LIB_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void wh_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void wh_freep(void *p)
{
	free(*(void **)p);
}

/* Hand a descriptor on: the variable no longer owns it. */
static inline int wh_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define _cleanup_close_ __attribute__((cleanup(wh_closep)))
#define _cleanup_free_ __attribute__((cleanup(wh_freep)))

#endif
