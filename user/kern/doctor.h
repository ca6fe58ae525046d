/* SPDX-License-Identifier: GPL-2.0 */
/*
 * doctor.h: finds what on this machine would get in the way of a configuration, and says what to do about it.  What
 * the machine looks like is read once into struct wh_facts; judging that touches nothing.  Called by the command;
 * no controller is needed.
 */
#ifndef WANHELM_KERN_DOCTOR_H
#define WANHELM_KERN_DOCTOR_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"

/* A device of the configuration. */
struct wh_fact_device {
	char name[IFNAMSIZ];
	bool wan; /* else a LAN */
	bool there;
	char bridge[IFNAMSIZ]; /* that it is a port of, or empty */
	bool lro;
	int rp_filter;		     /* that holds: the larger of the device's and of all; -1: not known */
	int forwarding[WH_FAMILIES]; /* of what comes in there; -1: not known */
	bool has_addr[WH_FAMILIES];  /* a global one */
};

/* A policy routing rule that asks for a mark. */
struct wh_fact_rule {
	enum wh_family family;
	uint32_t priority;
	uint32_t mark;
	uint32_t mask;
	uint32_t table;
	bool inverted;
};

#define WH_FACT_DEVICES (WH_MAX_LANS + WH_MAX_WANS)
#define WH_FACT_RULES 64
#define WH_FACT_NAMES 256

struct wh_facts {
	const struct wh_config *config; /* the caller's */
	struct wh_fact_device devices[WH_FACT_DEVICES];
	unsigned n_devices;
	char default_device[WH_FAMILIES][IFNAMSIZ]; /* of the kernel's own default route; empty: there is none */
	struct wh_fact_rule rules[WH_FACT_RULES];
	unsigned n_rules;
	int tcp_loose;			   /* net.netfilter.nf_conntrack_tcp_loose; -1: not known */
	char programs[WH_FACT_NAMES];	   /* running, of those known to choose WANs: names by ", " */
	char legacy_tables[WH_FACT_NAMES]; /* of iptables-legacy, the same way */
	json_t *ruleset;		   /* the array "nftables" of `nft -j list ruleset`; NULL: could not be read */
	char ruleset_error[WH_FACT_NAMES]; /* why not */
};

/*
 * Look at this network namespace.  What cannot be read is left as not known.  0, and wh_facts_free() is due; -errno
 * where not even the devices can be listed.
 */
int wh_facts_read(const struct wh_config *config, struct wh_facts *out);
void wh_facts_free(struct wh_facts *facts);

/*
 * An array of objects {"id", "severity": "problem"|"warning"|"ok", "what", "do"}, to be released: at least one for each
 * thing that is looked at; "do" is null where all is well.  NULL where there is no memory.
 */
json_t *wh_doctor_judge(const struct wh_facts *facts);

#endif
