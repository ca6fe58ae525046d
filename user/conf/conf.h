/* SPDX-License-Identifier: GPL-2.0 */
/*
 * conf.h: read a configuration file.  The only way from YAML to struct wh_config.
 */
#ifndef WANHELM_CONF_CONF_H
#define WANHELM_CONF_CONF_H

#include "model/config.h"

#define WH_CONF_ERROR_LEN 512

/*
 * The ports that the kernel gives to its own sockets, both ends included: net.ipv4.ip_local_port_range.  A WAN's
 * ports must lie outside.  {0, 0}: not known, and not looked at.
 */
struct wh_conf_ports {
	uint16_t first;
	uint16_t last;
};

/*
 * Read and check `path` whole.  0; -EINVAL when the file is refused, -errno when it cannot be read: then
 * *out is untouched and `error` holds one line "file:line:column: what is wrong" (or "file: cannot be read: …"),
 * without a newline.  Where /proc does not tell the kernel's ports, they are not looked at.
 */
int wh_conf_read(const char *path, struct wh_config *out, char error[WH_CONF_ERROR_LEN]);

/* The same from memory; `name` stands for the file in messages, `local` are the kernel's ports. */
int wh_conf_parse(const char *name, const char *text, size_t len, struct wh_conf_ports local, struct wh_config *out,
		  char error[WH_CONF_ERROR_LEN]);

#endif
