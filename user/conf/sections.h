/* SPDX-License-Identifier: GPL-2.0 */
/* sections.h: the readers of the top level's larger sections, for the table in conf.c. */
#ifndef WANHELM_CONF_SECTIONS_H
#define WANHELM_CONF_SECTIONS_H

#include "conf/keys.h"

/* Their `out` is the configuration as a whole. */
wh_conf_read_fn wh_conf_lans;	 /* wan.c; before wans, which must not be LANs */
wh_conf_read_fn wh_conf_probes;	 /* probes.c; before wans, which name profiles */
wh_conf_read_fn wh_conf_wans;	 /* wan.c */
wh_conf_read_fn wh_conf_classes; /* class.c; after wans, which classes name */

/* What holds without a file: the profile and the class "default". */
void wh_conf_default_profile(struct wh_conf_profile *profile);
void wh_conf_default_class(struct wh_config *config);

#endif
