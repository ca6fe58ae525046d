/* SPDX-License-Identifier: GPL-2.0 */
/* sections.h: the readers of the top level's larger sections and of what these share, for the table in conf.c. */
#ifndef WANHELM_CONF_SECTIONS_H
#define WANHELM_CONF_SECTIONS_H

#include "conf/keys.h"

/* Their `out` is the configuration as a whole. */
wh_conf_read_fn wh_conf_lans;	 /* wan.c; before wans, which must not be LANs */
wh_conf_read_fn wh_conf_probes;	 /* probes.c; before wans, which name profiles */
wh_conf_read_fn wh_conf_wans;	 /* wan.c */
wh_conf_read_fn wh_conf_sets;	 /* lists.c; before classes, which name them */
wh_conf_read_fn wh_conf_classes; /* class.c; after wans and sets, which classes name */

/* budget.c: of a WAN; into struct wh_conf_wan and struct wh_conf_quota. */
wh_conf_read_fn wh_conf_bandwidth;
wh_conf_read_fn wh_conf_quota;

/* The profile that a metered WAN has in place of this one: itself, or one that sends less.  Called with the WANs. */
unsigned wh_conf_sparing_profile(struct wh_conf_reader *r, unsigned profile);

/* What holds without a file: failback, and the profile and the class "default". */
void wh_conf_default_failback(struct wh_conf_failback *failback);
void wh_conf_default_profile(struct wh_conf_profile *profile);
void wh_conf_default_class(struct wh_config *config);

#endif
