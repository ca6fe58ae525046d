/* SPDX-License-Identifier: GPL-2.0 */
/*
 * names.h: the memory of which names have which addresses, as clients heard it.  Pure: the time is an argument, in
 * seconds of any clock that is not set.  The daemon learns from answers, and makes wh_domains of what stands here;
 * names_file.h keeps it over a restart.
 *
 * Room is bounded; where it is used up, what was heard of longest ago goes first.  Names are lower case, without a dot
 * at the end.  IPv4 addresses are ::ffff:a.b.c.d.
 */
#ifndef WANHELM_DNS_NAMES_H
#define WANHELM_DNS_NAMES_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <wanhelm/rules.h>

#define WH_NAMES_ADDRESSES WH_DOMAIN_ADDRESSES
#define WH_NAMES_NAMES 16384
#define WH_NAMES_PAIRS 65536 /* of a name and an address */

/* Clients use an address longer than they may, browsers by minutes; and one that is hardly ever asked for again goes. */
#define WH_NAMES_TTL_MIN_S 300
#define WH_NAMES_TTL_MAX_S 86400

struct wh_names;

/* The address no longer has the name.  What is left of it may be asked for; nothing may be learnt meanwhile. */
typedef void wh_names_forgotten(void *arg, const struct in6_addr *addr, const char *name);

struct wh_names_counts {
	size_t names, addresses, pairs;
};

/* `seed` is a number that nobody outside knows: names come from strangers.  0 or -ENOMEM; the caller frees *out. */
int wh_names_new(struct wh_names **out, uint64_t seed, wh_names_forgotten *forgotten, void *arg);
void wh_names_free(struct wh_names *names);

/* The name has the address, for the TTL within the bounds above, or as long as was heard before.  0 or -ENOMEM. */
int wh_names_learn(struct wh_names *names, const char *name, const struct in6_addr *addr, uint32_t ttl_s,
		   uint64_t now_s);
/* The same until `until_s`, which is in the future, without a least time: what was learnt in an earlier life. */
int wh_names_restore(struct wh_names *names, const char *name, const struct in6_addr *addr, uint64_t until_s,
		     uint64_t now_s);

/* Every name that the address has; those whose time is over too, until they have been looked at. */
void wh_names_of(const struct wh_names *names, const struct in6_addr *addr, void (*each)(void *arg, const char *name),
		 void *arg);
/* Every address that has a name, once.  Nothing may be learnt or forgotten meanwhile. */
void wh_names_addresses(const struct wh_names *names, void (*each)(void *arg, const struct in6_addr *addr), void *arg);

/*
 * Look at up to `max` pairs from `from` (0 at first) on: where to go on, or 0 at the end.  One that stays is seen once.
 */
size_t wh_names_slice(const struct wh_names *names, size_t from, size_t max,
		      void (*each)(void *arg, const char *name, const struct in6_addr *addr, uint64_t until_s),
		      void *arg);

/* Look at up to `max` further pairs, round and round, and forget those whose time is over. */
void wh_names_expire(struct wh_names *names, size_t max, uint64_t now_s);

struct wh_names_counts wh_names_counts(const struct wh_names *names);

#endif
