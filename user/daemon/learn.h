/* SPDX-License-Identifier: GPL-2.0 */
/*
 * learn.h: names of addresses, learnt from answers of the DNS, for classes that ask for them.  learn.c has the answers
 * and the memory, learn_table.c what match lines make of it.
 */
#ifndef WANHELM_DAEMON_LEARN_H
#define WANHELM_DAEMON_LEARN_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/names_file.h"
#include "dns/stream.h"
#include "kern/rule_tables.h"
#include "kern/slow.h"
#include "model/rules.h"

struct wh_daemon;

/* What is known of names, and how it went. */
struct wh_learning {
	struct wh_names *names;
	struct wh_dns_streams *streams;
	struct wh_names_save save;
	uint64_t saved_s;	     /* of the memory's clock */
	uint64_t answers;	     /* that something was learnt from */
	uint64_t answers_saved;	     /* of them, when the file was last begun */
	uint64_t strays_s;	     /* when what an earlier controller left has had its time; 0: it is gone */
	int domains;		     /* the map of wh_domains that is in force; -1: none yet */
	struct wh_vector domain_any; /* of the rules in force */
	uint64_t lost;		     /* answers that waited, and could not be read or remembered */
};

/* learn.c */
/* What an earlier controller remembered is there from the start. 0 or -errno. */
int wh_learn_start(struct wh_daemon *d);
/* An answer on its way to its client: struct wh_slow_ops. */
void wh_learn_answer(void *arg, const struct wh_frame *frame, bool late);
/* A slice of what time brings: names that are over, the file for the next start. */
void wh_learn_step(struct wh_daemon *d);
json_t *wh_learn_status(const struct wh_daemon *d);
void wh_learn_end(struct wh_daemon *d);

/* learn_table.c */
/* Add the lines that ask for the name. Whether any does. */
bool wh_learn_lines(const struct wh_daemon *d, const char *name, struct wh_vector *lines);
/* The address satisfies further lines by a name that it has been learnt to have. */
void wh_learn_add(struct wh_daemon *d, const struct in6_addr *addr, const struct wh_vector *more);
/* The memory's call (dns/names.h). */
void wh_learn_forgotten(void *arg, const struct in6_addr *addr, const char *name);
/* What is remembered, as the rules, which are not in force yet, ask for it; the caller frees it. NULL: no memory. */
struct wh_rule_domain *wh_learn_domains(const struct wh_daemon *d, const struct wh_rules *rules, size_t *n);
/* The rules are in force: enter there what is learnt from now on, and have answers wait if they ask for names. */
int wh_learn_settle(struct wh_daemon *d, const struct wh_rules *rules);
/* Take out what stands in the table and has no name in the memory. */
void wh_learn_forget_strays(struct wh_daemon *d);

#endif
