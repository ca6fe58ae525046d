/* SPDX-License-Identifier: GPL-2.0 */
/*
 * doctor_private.h: what the parts of the doctor share; nobody else includes it.
 *
 *	doctor.c		the list of what is looked at, and what has to do with devices, routes and programs
 *	doctor_ruleset.c	what has to do with rules of the kernel's firewall
 *	doctor_marks.c		who else uses our bits of the mark
 *	doctor_untracked.c	where a ruleset leads the first packet of an untracked flow
 *	doctor_nft.c		finding things in nftables' JSON
 *	doctor_read.c		from the machine to struct wh_facts
 */
#ifndef WANHELM_KERN_DOCTOR_PRIVATE_H
#define WANHELM_KERN_DOCTOR_PRIVATE_H

#include "kern/doctor.h"

/* --- findings --------------------------------------------------------------------------------------------- */

struct wh_doctor {
	const struct wh_facts *facts;
	json_t *nft; /* the ruleset, prepared by wh_nft_prepare(); NULL: not known */
	json_t *findings;
	const char *id; /* of what is looked at now */
	unsigned found;
};

enum wh_severity { WH_SEVERITY_PROBLEM, WH_SEVERITY_WARNING, WH_SEVERITY_OK };

/* Both texts' references are stolen. */
void wh_doctor_found(struct wh_doctor *d, enum wh_severity severity, json_t *what, json_t *todo);

#define WH_PROBLEM WH_SEVERITY_PROBLEM
#define WH_WARNING WH_SEVERITY_WARNING

/* Whether packets of that family are to be expected at all. */
bool wh_facts_use(const struct wh_facts *facts, enum wh_family family);

/* The device of that name, or NULL. */
const struct wh_fact_device *wh_facts_device(const struct wh_facts *facts, const char *name);

/* --- the ruleset ------------------------------------------------------------------------------------------ */

/* The paths of a routed packet that a chain is on, by its own hook or by jumps; a chain's are a sum of these. */
enum wh_nft_path {
	WH_PATH_PREROUTING = 1,
	WH_PATH_FORWARD = 2,
	WH_PATH_POSTROUTING = 4,
	WH_PATH_NAT = 8, /* a nat chain's, at whichever hook */
};

/* The paths that a chain of the prepared ruleset is on. */
static inline json_int_t wh_nft_path_of(const json_t *chain)
{
	return json_integer_value(json_object_get(chain, "path"));
}

/*
 * The chains of the families ip, ip6 and inet but those of our own table: an array of what nft says of each, with
 * "path" (enum wh_nft_path) and "rules" (arrays of statements) added.  A new reference, or NULL.
 */
json_t *wh_nft_prepare(const json_t *ruleset);

/* A chain of the prepared ruleset by the name that a jump in `from` uses; borrowed, or NULL. */
json_t *wh_nft_chain(const json_t *nft, const json_t *from, const char *name);

/* Where a statement goes on: the name of the chain that it jumps or goes to, or NULL. */
const char *wh_nft_target(const json_t *statement);

/* "inet filter forward", for people; in a buffer that the next call takes again. */
const char *wh_nft_name(const json_t *chain);

/* Whether an expression is {kind: {"key": key}}, as {"meta": {"key": "mark"}} is. */
bool wh_nft_is(const json_t *expression, const char *kind, const char *key);

/* Whether any element of a match's right side, or of a map's set, satisfies; sets that it names are not followed. */
bool wh_nft_any(const json_t *right, bool (*is)(const void *arg, const char *text), const void *arg);

/* Whether a name that may end with "*" stands for `name`. */
bool wh_nft_covers(const char *pattern, const char *name);

/* Whether the rule has a statement {kind: …}. */
bool wh_nft_has(const json_t *rule, const char *kind);

/* Whether the rule has {"xt": {"name": name}}: an extension of iptables', of which nftables shows no more. */
bool wh_nft_has_xt(const json_t *rule, const char *name);

/* --- what is looked at ------------------------------------------------------------------------------------ */

void wh_doctor_flowtables(struct wh_doctor *d);
void wh_doctor_device_rules(struct wh_doctor *d);
void wh_doctor_marks(struct wh_doctor *d);
void wh_doctor_nat_priority(struct wh_doctor *d);
void wh_doctor_recheck(struct wh_doctor *d);
void wh_doctor_reverse_path(struct wh_doctor *d);
void wh_doctor_untracked(struct wh_doctor *d);

#endif
