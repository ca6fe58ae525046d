/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rules.h: the match lines of all classes, as the data plane looks them up on a flow's first packet.
 *
 * Each field of a packet (its LAN, source, destination, protocol, ports, DSCP, mark, and the names of its destination)
 * selects a vector, one bit a line: set where the line is content with that field, be it because it says nothing
 * of it.  The first bit that is set in all of them is the line that matches, so one line and a thousand cost the same.
 *
 * A set of rules is made by user/model/rules.c, stored by user/kern/rule_tables.c and swapped whole: the one element of
 * wh_rules is a map with one struct wh_rules.  Prefixes and names stand in maps of their own, two of each kind, so that
 * a new set is complete before it is put in force; `slot` says which are the set's.
 */
#ifndef WANHELM_RULES_H
#define WANHELM_RULES_H

#include "abi.h"

#define WH_MAX_LINES 1024
#define WH_VECTOR_WORDS (WH_MAX_LINES / 64)
#define WH_LINE_NONE 0xffff  /* no line matches: the class is `default` */
#define WH_PORT_VECTORS 2048 /* different vectors among all ports of one direction */
#define WH_MARK_MATCHES 16   /* different value/mask pairs */
#define WH_RULE_SLOTS 2
#define WH_IN_ROUTER WH_MAX_LANS /* the row of in[] for the router's own traffic */
#define WH_DOMAIN_ADDRESSES 32768

/* Line l is bit l % 64 of word l / 64. */
struct wh_vector {
	__u64 word[WH_VECTOR_WORDS];
};

/* Lines that ask for mark & mask == value, besides those that do not ask for a mark. */
struct wh_mark_match {
	__u32 value;
	__u32 mask;
	struct wh_vector lines;
};

struct wh_rules {
	__u32 slot;			      /* which of the maps in wh_prefixes and wh_domains are this set's */
	__u32 words;			      /* of a vector that hold lines; those beyond are not looked at */
	__u32 n_marks;			      /* of marks[] */
	__u32 has_domains;		      /* 1: some line asks for names, and DNS answers are to be learnt */
	__u32 default_class;		      /* class number where no line matches */
	__u32 names_sum;		      /* over the names that lines ask for, which stand nowhere else here */
	__u8 class_of[WH_MAX_LINES];	      /* class number by line */
	struct wh_vector in[WH_MAX_LANS + 1]; /* by LAN number, the last for WH_IN_ROUTER */
	struct wh_vector proto[256];
	struct wh_vector dscp[64];
	struct wh_vector from_any;   /* for a source in none of the prefixes */
	struct wh_vector to_any;     /* for a destination in none of the prefixes */
	struct wh_vector domain_any; /* for a destination without names in wh_domains */
	struct wh_vector mark_any;   /* lines that do not ask for a mark */
	struct wh_mark_match marks[WH_MARK_MATCHES];
	__u16 sport[65536]; /* by port in host order: index of sport_lines */
	__u16 dport[65536];
	struct wh_vector sport_lines[WH_PORT_VECTORS];
	struct wh_vector dport_lines[WH_PORT_VECTORS];
};

/*
 * wh_prefixes: element 2 * slot is a longest-prefix trie of sources, 2 * slot + 1 one of destinations: struct
 * wh_route_key (abi.h) → struct wh_vector, which includes the lines of shorter prefixes that cover it.
 * wh_domains: element `slot` is a hash of addresses, IPv4 ones mapped as in wh_routes → struct wh_vector.
 */
#define WH_PREFIX_MAPS (2 * WH_RULE_SLOTS)
#define WH_PREFIXES_FROM(slot) (2 * (slot))
#define WH_PREFIXES_TO(slot) (2 * (slot) + 1)

_Static_assert(sizeof(struct wh_vector) == 128, "two cache lines");
_Static_assert(sizeof(struct wh_mark_match) == 136, "layout");
_Static_assert(sizeof(struct wh_rules) < 4 * 1024 * 1024, "the largest value that an array may have");

#endif
