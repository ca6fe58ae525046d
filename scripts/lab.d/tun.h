/* SPDX-License-Identifier: GPL-2.0 */
/* tun.h: a TUN device's packets, for the lab's programs: impair.c and wire.c. */
#ifndef WANHELM_LAB_TUN_H
#define WANHELM_LAB_TUN_H

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Of the calling thread's network namespace; not blocking, closed at exec.  -errno when it cannot be had. */
static inline int open_tun(const char *device)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

#endif
