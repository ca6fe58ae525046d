/* SPDX-License-Identifier: GPL-2.0 */
/* class.h: a class while it is being read; for class.c, tiers.c, match.c and domain.c alone. */
#ifndef WANHELM_CONF_CLASS_H
#define WANHELM_CONF_CLASS_H

#include "conf/keys.h"

struct wh_conf_draft {
	struct wh_conf_class class;
	const struct wh_conf_node *order; /* the value of `prefer` or `balance` */
	unsigned listed;		  /* WANs named there, bit by index */
	bool only;
};

#define WH_CONF_DEFAULT_CLASS "default"

/* tiers.c; into a draft.  `never` after the other two. */
wh_conf_read_fn wh_conf_prefer;
wh_conf_read_fn wh_conf_balance;
wh_conf_read_fn wh_conf_never;

/* Give those of the WANs that are not listed their places, when all of the draft is read. */
void wh_conf_complete(const struct wh_config *config, struct wh_conf_draft *draft);

/* match.c; the lines of the class that the configuration is going to have next. */
wh_conf_read_fn wh_conf_match;

/* domain.c; a name or a list of them, into the configuration's pool and a struct wh_conf_span. */
wh_conf_read_fn wh_conf_domains;

#endif
